#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <ssam/core/error.hpp>
#include <ssam/data/label_masks.hpp>
#include <ssam/data/manifest.hpp>
#include <ssam/data/mask_file.hpp>
#include <ssam/data/volume_store.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Pixels of one mask file that its table does not know.
struct UnknownCodes {
  Index pixels = 0;           ///< grey values in no table; colours farther than `far_color` from every known one
  Index most = 0;             ///< pixels of the most frequent one of them
  std::string most_of = {};   ///< that one: "77" or "(1, 2, 3)"
  Index solid = 0;            ///< colours only: pixels whose four neighbours have the same unknown colour: no blend
  std::string solid_of = {};  ///< such a colour
};

/// Colours nearer than this (Euclidean) to a known one are that one, blurred. Anti-aliased edges lie farther.
inline constexpr int far_color = 48;

namespace detail {

inline std::string code_text(int value) { return std::to_string(value); }
inline std::string code_text(const Color& color) {
  std::string text = "(";
  for (std::size_t c = 0; c < 3; ++c) text.append(c ? ", " : "").append(std::to_string(color[c]));
  return text.append(")");
}

template <class Code>
UnknownCodes summarize_unknown(const std::map<Code, Index>& counts) {
  UnknownCodes unknown;
  for (const auto& [code, count] : counts) {
    unknown.pixels += count;
    if (count <= unknown.most) continue;
    unknown.most = count;
    unknown.most_of = code_text(code);
  }
  return unknown;
}

/// Edges are blends of two colours and a pixel or two wide: an unknown colour with itself on all four sides is none.
inline void count_solid(const Image& colored, const std::map<Color, Index>& unknown, UnknownCodes& codes) {
  const auto color_at = [&](Index y, Index x) {
    const std::uint8_t* p = colored.pixel(y, x);
    return Color{p[0], p[1], p[2]};
  };
  for (Index y = 1; y + 1 < colored.height; ++y) {
    for (Index x = 1; x + 1 < colored.width; ++x) {
      const Color color = color_at(y, x);
      if (color != color_at(y, x - 1) || color != color_at(y, x + 1) || color != color_at(y - 1, x) ||
          color != color_at(y + 1, x) || unknown.count(color) == 0) {
        continue;
      }
      ++codes.solid;
      codes.solid_of = code_text(color);
    }
  }
}

}  // namespace detail

/// Class numbers (0 background, k + 1 label k) of a grey mask; values in no table are background and counted.
inline std::pair<Mask, UnknownCodes> classify_values(const Mask& grey, const Manifest& manifest) {
  std::array<int, 256> classes;
  classes.fill(-1);
  for (const std::uint8_t value : manifest.background_values) classes[value] = 0;
  for (std::size_t k = 0; k < manifest.values.size(); ++k) classes[manifest.values[k]] = static_cast<int>(k) + 1;
  Mask result(grey.height, grey.width);
  std::map<int, Index> unknown;
  for (std::size_t i = 0; i < grey.values.size(); ++i) {
    const int found = classes[grey.values[i]];
    if (found < 0) ++unknown[grey.values[i]];
    result.values[i] = static_cast<std::uint8_t>(std::max(found, 0));
  }
  return {std::move(result), detail::summarize_unknown(unknown)};
}

/// Class numbers (0 background, k + 1 label k) of a mask `colored` by label: the nearest colour of the tables, because
/// drawn edges are blends of two. Far-off colours are counted.
inline std::pair<Mask, UnknownCodes> classify_colors(const Image& colored, const Manifest& manifest) {
  std::vector<std::pair<Color, std::uint8_t>> palette;
  for (const Color& color : manifest.background_colors) palette.push_back({color, std::uint8_t{0}});
  for (std::size_t k = 0; k < manifest.colors.size(); ++k) {
    palette.push_back({manifest.colors[k], static_cast<std::uint8_t>(k + 1)});
  }
  Mask result(colored.height, colored.width);
  std::map<Color, Index> unknown;
  std::map<Color, std::pair<std::uint8_t, bool>> known;  // colour -> class, far-off
  const std::pair<const Color, std::pair<std::uint8_t, bool>>* last = nullptr;
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    const Color color{colored.rgb[3 * i], colored.rgb[3 * i + 1], colored.rgb[3 * i + 2]};
    if (last == nullptr || last->first != color) {
      auto found = known.find(color);
      if (found == known.end()) {
        int best = std::numeric_limits<int>::max();
        std::uint8_t label = 0;
        for (const auto& [candidate, number] : palette) {
          int distance = 0;
          for (std::size_t c = 0; c < 3; ++c) distance += (color[c] - candidate[c]) * (color[c] - candidate[c]);
          if (distance < best) {
            best = distance;
            label = number;
          }
        }
        found = known.emplace(color, std::pair{label, best > far_color * far_color}).first;
      }
      last = &*found;
    }
    result.values[i] = last->second.first;
    if (last->second.second) ++unknown[color];
  }
  UnknownCodes codes = detail::summarize_unknown(unknown);
  if (codes.pixels > 0) detail::count_solid(colored, unknown, codes);
  return {std::move(result), codes};
}

namespace detail {

/// Refuses a mask that does not lie on its image: of another size, or turned otherwise by EXIF.
inline void check_on_image(const std::string& mask, Index height, Index width, int mask_orientation, ImageSize size,
                           int image_orientation) {
  const bool fits = height == size.height && width == size.width;
  // Where the sides differ and are exchanged, a mask of the upright size can only have been drawn on the upright
  // picture.
  const bool told = exchanges_sides(image_orientation) && size.height != size.width;
  if (mask_orientation != image_orientation && !(fits && told && mask_orientation == 1)) {
    throw FormatError(ErrorText{
        .what = "the image is turned by its EXIF orientation and the mask is not turned alike: which pixels belong "
                "together?",
        .where = mask,
        .expected = "EXIF orientation " + std::to_string(image_orientation) + ", as the image has",
        .found = mask_orientation <= 1 ? "none" : std::to_string(mask_orientation),
        .advice = "store the image without EXIF orientation: `exiftran -ai image.jpg` (or `mogrify -auto-orient`) if "
                  "the mask was drawn on the picture as viewers show it, `exiftool -Orientation= image.jpg` if on the "
                  "stored pixels"});
  }
  if (fits) return;
  throw FormatError(ErrorText{.what = "a mask has another size than its image",
                              .where = mask,
                              .expected = std::to_string(size.height) + " x " + std::to_string(size.width),
                              .found = std::to_string(height) + " x " + std::to_string(width)});
}

/// The masks of coding shapes. Refuses a picture of another size than the one that they were drawn on.
inline LabelMasks draw_shapes(const ManifestItem& item, ImageSize size, int orientation) {
  const std::string where = "the shapes of " + item.image.string();
  const bool known = item.shapes_size.height > 0;
  const ImageSize drawn = known ? item.shapes_size : size;
  // A size that is not recorded proves nothing about how a turned picture was shown.
  if (known || orientation != 1) check_on_image(where, drawn.height, drawn.width, known ? 1 : 0, size, orientation);
  std::vector<Mask> masks(item.shapes.size());
  for (std::size_t k = 0; k < masks.size(); ++k) {
    for (const MaskShape& shape : item.shapes[k]) {
      if (!shape.polygon.empty()) continue;
      check_on_image(where, shape.runs.height, shape.runs.width, 1, size, orientation);
    }
    if (!item.shapes[k].empty()) masks[k] = rasterize(item.shapes[k], size.height, size.width);
  }
  return {size, std::move(masks)};
}

}  // namespace detail

namespace detail {

/// The item's slice of a volume of labels; nothing where `path` is no volume but a picture.
inline std::optional<StoredMask> slice_of_labels(const ManifestItem& item, const std::filesystem::path& path,
                                                 VolumeStore& store) {
  if (!item.slice || file_kind(path) == FileKind::picture) return std::nullopt;
  const LabelVolume& labels = store.labels(path, item.image)->volume;
  return StoredMask{slice_mask(labels, slice_plane(labels, item.axis), *item.slice), 1};
}

inline StoredMask index_mask(const ManifestItem& item, VolumeStore& store) {
  if (auto slice = slice_of_labels(item, item.mask, store)) return *std::move(slice);
  return load_index_mask(item.mask);
}

/// Of one label; `path` is its file.
inline StoredMask binary_mask(const ManifestItem& item, const std::filesystem::path& path, bool instances,
                              VolumeStore& store) {
  auto slice = slice_of_labels(item, path, store);
  if (!slice) return load_binary_mask(path, instances);
  std::size_t value = 0;  // of the whole volume: each slice may hold one of several
  const std::array<bool, 256>& values = store.labels(path, item.image)->values;
  for (std::size_t found = 1; found < values.size() && !instances; ++found) {
    if (values[found] && value != 0) {
      throw FormatError(ErrorText{.what = "a volume of one label has two values, 0 and another",
                                  .where = path.string(),
                                  .found = std::to_string(value) + " and " + std::to_string(found),
                                  .advice = "where each value is an object of its own, the manifest says "
                                            "\"instances\": true; where each is a class, name them in \"values\""});
    }
    if (values[found]) value = found;
  }
  return *std::move(slice);
}

}  // namespace detail

/// Reads the masks of one item for an image of `size` that its EXIF `orientation` has turned already. Throws as the
/// readers of masks, and FormatError when a mask has another size or orientation than the image. `unknown`: what the
/// tables do not know, if asked for. `store` keeps the last volumes, if there are any.
inline LabelMasks load_label_masks(const Manifest& manifest, const ManifestItem& item, ImageSize size, int orientation,
                                   UnknownCodes* unknown, VolumeStore& store) {
  const auto grey = [&](const std::filesystem::path& path, StoredMask stored) {
    detail::check_on_image(path.string(), stored.values.height, stored.values.width, stored.orientation, size,
                           orientation);
    return std::move(stored.values);
  };
  if (manifest.coding == MaskCoding::files) {
    std::vector<Mask> masks(item.masks.size());
    for (std::size_t k = 0; k < masks.size(); ++k) {
      const std::filesystem::path& file = item.masks[k];
      if (!file.empty()) masks[k] = grey(file, detail::binary_mask(item, file, manifest.instances, store));
    }
    return {size, std::move(masks)};
  }
  if (manifest.coding == MaskCoding::shapes) return detail::draw_shapes(item, size, orientation);
  const auto classify = [&] {
    if (manifest.coding == MaskCoding::values) {
      return classify_values(grey(item.mask, detail::index_mask(item, store)), manifest);
    }
    const auto [colored, turned] = load_color_mask(item.mask);
    detail::check_on_image(item.mask.string(), colored.height, colored.width, turned, size, orientation);
    return classify_colors(colored, manifest);
  };
  auto [classes, codes] = classify();
  if (unknown != nullptr) *unknown = codes;
  return LabelMasks(std::move(classes));
}
/// The same of a single item; `orientation` and `unknown` as there.
inline LabelMasks load_label_masks(const Manifest& manifest, const ManifestItem& item, ImageSize size,
                                   int orientation = 1, UnknownCodes* unknown = nullptr) {
  VolumeStore store;
  return load_label_masks(manifest, item, size, orientation, unknown, store);
}

}  // namespace ssam::inline SSAM_ABI
