#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <ssam/data/load_volume.hpp>
#include <ssam/data/volume_slice.hpp>
#include <ssam/eval/pixel_spacing.hpp>
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
  /// The labels at `path`. Throws as load_volume and to_labels.
  std::shared_ptr<const LabelVolume> labels(const std::filesystem::path& path) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [known, labels] : labels_) {
      if (known == path) return labels;
    }
    auto labels = std::make_shared<const LabelVolume>(to_labels(load_volume(path), path.string()));
    keep(labels_, path, labels);
    return labels;
  }

 private:
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
  Kept<LabelVolume> labels_;
};

namespace detail {

/// The slice number `slice` of a volume, or the only one where none is given. Throws ConfigError where there are
/// several.
inline Index slice_of(const VolumeGrid& grid, const SlicePlane& plane, std::optional<Index> slice,
                      const std::filesystem::path& path) {
  const Index slices = slice_count(grid, plane);
  if (slice || slices == 1) return slice.value_or(0);
  throw ConfigError(ErrorText{.what = "this is a volume, not a picture",
                              .where = path.string(),
                              .expected = "the number of a slice, 0.." + std::to_string(slices - 1),
                              .advice = "choose one"});
}

/// The distances between a picture's pixels that is a slice of `grid`, in millimetres.
inline PixelSpacing slice_spacing(const VolumeGrid& grid, const SlicePlane& plane) {
  const std::array<double, 3> spacing = grid.spacing();
  return {spacing[static_cast<std::size_t>(plane.down)], spacing[static_cast<std::size_t>(plane.across)]};
}

}  // namespace detail

}  // namespace ssam::inline SSAM_ABI
