#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <ssam/data/load_volume.hpp>
#include <ssam/data/volume_slice.hpp>
#include <utility>

namespace ssam::inline SSAM_ABI {

/// The volumes that were read last, so that slices that are asked for one after the other read each file once. All
/// members may be called from many threads.
class VolumeStore {
 public:
  /// A volume, and which of its values are shown.
  struct Shown {
    Volume volume;         ///< as it was read
    Intensity intensity;   ///< what was asked for
    IntensityRange range;  ///< what came of it
  };

  /// A volume of labels.
  struct Labels {
    LabelVolume volume;            ///< as it was read
    std::filesystem::path image;   ///< whose voxels it lies on
    std::array<bool, 256> values;  ///< which there are
  };

  /// The volume at `path`, shown by `intensity`. Throws as load_volume.
  std::shared_ptr<const Shown> volume(const std::filesystem::path& path, const Intensity& intensity) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [known, shown] : volumes_) {
      if (known == path && shown->intensity == intensity) return shown;
    }
    auto shown = std::make_shared<Shown>(Shown{load_volume(path), intensity, {}});
    shown->range = intensity_range(shown->volume, intensity);
    keep(volumes_, path, shown);
    return shown;
  }
  /// The labels at `path`, which lie on the voxels of the volume at `image`. Throws as load_volume and to_labels,
  /// FormatError where the two have other extents or other places.
  std::shared_ptr<const Labels> labels(const std::filesystem::path& path, const std::filesystem::path& image) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [known, labels] : labels_) {
      if (known == path && labels->image == image) return labels;
    }
    auto labels = std::make_shared<Labels>(Labels{to_labels(load_volume(path), path.string()), image, {}});
    check_same_place(labels->volume, path, grid(image), image);
    for (const std::uint8_t value : labels->volume.values) labels->values[value] = true;
    keep(labels_, path, std::shared_ptr<const Labels>(labels));
    return labels;
  }

 private:
  VolumeGrid grid(const std::filesystem::path& path) const {
    for (const auto& [known, shown] : volumes_) {
      if (known == path) return shown->volume;
    }
    return load_volume_grid(path);
  }

  /// Slices are taken by number along an axis of each: that is the same place only if the voxels are.
  static void check_same_place(const VolumeGrid& mask, const std::filesystem::path& path, const VolumeGrid& image,
                               const std::filesystem::path& of) {
    const auto refuse = [&](const std::string& what, const std::string& expected, const std::string& found,
                            const std::string& advice) {
      throw FormatError(
          ErrorText{.what = what, .where = path.string(), .expected = expected, .found = found, .advice = advice});
    };
    const auto extents = [](const VolumeGrid& grid) {
      return std::to_string(grid.extents[0]) + " x " + std::to_string(grid.extents[1]) + " x " +
             std::to_string(grid.extents[2]) + " voxels";
    };
    if (mask.extents != image.extents) {
      refuse("a volume of labels has other voxels than its image", extents(image) + " as " + of.string(), extents(mask),
             "resample the labels to the image's voxels, without smoothing");
    }
    double farthest = 0;  // how far apart a corner's two places are, in millimetres
    for (int corner = 0; corner < 8; ++corner) {
      double square = 0;
      for (const std::size_t row : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
        double offset = mask.affine[row][3] - image.affine[row][3];
        for (std::size_t axis = 0; axis < 3; ++axis) {
          const double step = (corner >> axis & 1) != 0 ? static_cast<double>(image.extents[axis] - 1) : 0;
          offset += step * (mask.affine[row][axis] - image.affine[row][axis]);
        }
        square += offset * offset;
      }
      farthest = std::max(farthest, std::sqrt(square));
    }
    const std::array<double, 3> spacing = image.spacing();
    if (farthest <= 0.5 * *std::min_element(spacing.begin(), spacing.end())) return;
    refuse("a volume of labels does not lie where its image lies", "the place of " + of.string(),
           detail::shortest(std::round(farthest * 100) / 100) + " mm beside it",
           "give both the same affine: with nibabel, nib.save(nib.Nifti1Image(labels, image.affine), path) where the "
           "voxels are known to be the same, else resample the labels");
  }

  template <class Value>
  using Kept = std::deque<std::pair<std::filesystem::path, std::shared_ptr<const Value>>>;

  template <class Value, class Pointer>
  static void keep(Kept<Value>& kept, const std::filesystem::path& path, const Pointer& value) {
    constexpr std::size_t most = 2;  // the one that is worked on, and the next one, which is read ahead
    kept.emplace_front(path, value);
    if (kept.size() > most) kept.pop_back();
  }

  std::mutex mutex_;
  Kept<Shown> volumes_;
  Kept<Labels> labels_;
};

}  // namespace ssam::inline SSAM_ABI
