#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <ssam/data/intensity.hpp>
#include <ssam/data/picture.hpp>
#include <ssam/data/volume.hpp>
#include <ssam/eval/pixel_spacing.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// How pictures are taken out of a volume, and put back voxel by voxel: axes of voxels are exchanged and reversed,
/// nothing is interpolated.
struct SlicePlane {
  int axis = 2;                ///< slices follow one another along i, j or k: 0, 1, 2
  int across = 0;              ///< the axis of voxels from the picture's left to its right
  int down = 1;                ///< the axis of voxels from the picture's top to its bottom
  bool across_turned = false;  ///< the first voxel stands at the right
  bool down_turned = false;    ///< the first voxel stands at the bottom

  constexpr bool operator==(const SlicePlane&) const = default;  ///< member by member
};

namespace detail {

/// For each of right, front and head: the axis of voxels that runs closest to it, each axis once.
inline std::array<int, 3> closest_axes(const VolumeGrid& grid) {
  const std::array<double, 3> spacing = grid.spacing();
  std::array<int, 3> order{0, 1, 2}, best = order;
  double closest = -1;
  do {
    double sum = 0;
    for (std::size_t r = 0; r < 3; ++r) {
      const auto c = static_cast<std::size_t>(order[r]);
      sum += std::abs(grid.affine[r][c]) / spacing[c];
    }
    if (sum > closest + 1e-9) {
      closest = sum;
      best = order;
    }
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

}  // namespace detail

/// Slices of `grid` along `axis`. "axial", "coronal" and "sagittal" follow the patient: the axis of voxels that runs
/// closest to that direction, turned as radiology looks at it: axial from the feet, the front at the top and the
/// patient's right at the left; coronal from the front, the head at the top and the right at the left; sagittal from
/// the left, the head at the top and the front at the left. "0", "1" and "2" are the axes i, j and k as they are
/// stored: of the other two axes, the first runs to the right and the second downwards. "auto" is axial; of a volume
/// that is one voxel thick, that slice as it is stored. A slice is named by its voxel number along the axis, from 0.
/// Throws ConfigError for another word.
inline SlicePlane slice_plane(const VolumeGrid& grid, const std::string& axis) {
  if (axis == "0") return {0, 1, 2, false, false};
  if (axis == "1") return {1, 0, 2, false, false};
  if (axis == "2") return {2, 0, 1, false, false};
  if (axis == "auto") {
    for (int flat = 2; flat >= 0; --flat) {
      if (grid.extents[static_cast<std::size_t>(flat)] == 1) return slice_plane(grid, std::to_string(flat));
    }
    return slice_plane(grid, "axial");
  }
  const std::array<int, 3> axes = detail::closest_axes(grid);
  const auto runs_up = [&](std::size_t direction) {
    return grid.affine[direction][static_cast<std::size_t>(axes[direction])] > 0;
  };
  // To the picture's right: the patient's left, in a sagittal one the back. Downwards: to the back, or to the feet.
  if (axis == "axial") return {axes[2], axes[0], axes[1], runs_up(0), runs_up(1)};
  if (axis == "coronal") return {axes[1], axes[0], axes[2], runs_up(0), runs_up(2)};
  if (axis == "sagittal") return {axes[0], axes[1], axes[2], runs_up(1), runs_up(2)};
  throw ConfigError(
      ErrorText{.what = "unknown axis '" + axis + "'",
                .advice = suggest_name(axis, std::vector<std::string>{"axial", "coronal", "sagittal", "0", "1", "2"})});
}

/// The number of slices of `grid` along the plane's axis.
inline Index slice_count(const VolumeGrid& grid, const SlicePlane& plane) {
  return grid.extents[static_cast<std::size_t>(plane.axis)];
}

namespace detail {

/// Calls visit(y, x, place in values) for every pixel of a slice. Throws ConfigError for a slice that is not there.
template <class Visit>
void visit_slice(const VolumeGrid& grid, const SlicePlane& plane, Index slice, Visit&& visit) {
  const Index slices = slice_count(grid, plane);
  if (slice < 0 || slice >= slices) {
    throw ConfigError(ErrorText{.what = "the volume has no such slice",
                                .expected = "0.." + std::to_string(slices - 1),
                                .found = std::to_string(slice)});
  }
  const Index height = grid.extents[static_cast<std::size_t>(plane.down)];
  const Index width = grid.extents[static_cast<std::size_t>(plane.across)];
  std::array<Index, 3> voxel{};
  voxel[static_cast<std::size_t>(plane.axis)] = slice;
  for (Index y = 0; y < height; ++y) {
    voxel[static_cast<std::size_t>(plane.down)] = plane.down_turned ? height - 1 - y : y;
    for (Index x = 0; x < width; ++x) {
      voxel[static_cast<std::size_t>(plane.across)] = plane.across_turned ? width - 1 - x : x;
      visit(y, x, grid.at(voxel[0], voxel[1], voxel[2]));
    }
  }
}

}  // namespace detail

/// The range of the whole volume's values that slices show, one for all of them. Where `intensity` asks for nothing:
/// the file's own (Volume::display), else percentiles 0.5 and 99.5.
inline IntensityRange intensity_range(const Volume& volume, const Intensity& intensity) {
  if (intensity.rule == Intensity::Rule::automatic && volume.display) return *volume.display;
  return intensity_range(std::span<const float>(volume.values), intensity);
}

/// Slice number `slice` as a grey picture, `range` as 0..255; NaN is as the range's lower end. Throws ConfigError for a
/// slice that is not there.
inline Image slice_image(const Volume& volume, const SlicePlane& plane, Index slice, const IntensityRange& range) {
  Image image(volume.extents[static_cast<std::size_t>(plane.down)],
              volume.extents[static_cast<std::size_t>(plane.across)]);
  detail::visit_slice(volume, plane, slice, [&](Index y, Index x, std::size_t place) {
    const std::uint8_t grey = map_intensity(static_cast<double>(volume.values[place]), range);
    std::fill_n(image.pixel(y, x), 3, volume.inverted ? static_cast<std::uint8_t>(255 - grey) : grey);
  });
  return image;
}

/// Slice number `slice` of labels as a picture. Throws ConfigError for a slice that is not there.
inline Mask slice_mask(const LabelVolume& labels, const SlicePlane& plane, Index slice) {
  Mask mask(labels.extents[static_cast<std::size_t>(plane.down)],
            labels.extents[static_cast<std::size_t>(plane.across)]);
  detail::visit_slice(labels, plane, slice,
                      [&](Index y, Index x, std::size_t place) { mask.at(y, x) = labels.values[place]; });
  return mask;
}

/// Puts a picture back into `labels`, where slice_mask() would take it from: the inverse, voxel by voxel. Throws
/// ConfigError for a slice that is not there, ShapeError for a mask of another size.
inline void put_slice(LabelVolume& labels, const SlicePlane& plane, Index slice, const Mask& mask) {
  const Shape wanted{labels.extents[static_cast<std::size_t>(plane.down)],
                     labels.extents[static_cast<std::size_t>(plane.across)]};
  if (!(wanted == Shape{mask.height, mask.width})) {
    throw ShapeError(ErrorText{.what = "the mask has not the size of the slice",
                               .expected = wanted.str(),
                               .found = Shape{mask.height, mask.width}.str()});
  }
  detail::visit_slice(labels, plane, slice,
                      [&](Index y, Index x, std::size_t place) { labels.values[place] = mask.at(y, x); });
}

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
