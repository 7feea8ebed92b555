#pragma once

#include <algorithm>
#include <array>
#include <ssam/data/image.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// A mask file's content, turned upright by its own EXIF orientation.
struct StoredMask {
  Mask values;          ///< grey values, or a palette's indices
  int orientation = 1;  ///< EXIF's
};

namespace detail {

/// A mask's file, read and inspected.
struct MaskFile {
  std::string name;
  std::vector<std::uint8_t> bytes;
  ImageHeader header;

  explicit MaskFile(const std::filesystem::path& path)
      : name(path.string()), bytes(read_bytes(path)), header(inspect_image(bytes, name)) {}

  [[noreturn]] void fail(const std::string& what, const std::string& found, const std::string& advice) const {
    throw FormatError(ErrorText{.what = what, .where = name, .found = found, .advice = advice});
  }
};

/// Refuses a mask whose transparency says something else than its colours: drawn in the alpha channel, or with colours
/// where nothing is to be seen. `bgra` has four channels.
inline void check_alpha(const MaskFile& file, cv::Mat bgra) {
  bgra.convertTo(bgra, CV_16UC4);
  const double largest = file.header.bits == 16 ? 65535 : 255;
  const cv::Vec4w first = *bgra.begin<cv::Vec4w>();
  bool one_alpha = true, one_color = true;
  Index hidden = 0, transparent = 0;
  for (auto pixel = bgra.begin<cv::Vec4w>(); pixel != bgra.end<cv::Vec4w>(); ++pixel) {
    const cv::Vec4w& p = *pixel;
    one_alpha = one_alpha && p[3] == first[3];
    one_color = one_color && p[0] == first[0] && p[1] == first[1] && p[2] == first[2];
    if (p[3] * 2 >= largest) continue;
    ++transparent;
    hidden += p[0] != 0 || p[1] != 0 || p[2] != 0;
  }
  if (one_alpha || (!one_color && hidden == 0)) return;
  file.fail(one_color ? "the mask is drawn in the alpha channel" : "the mask has colours where it is transparent",
            std::to_string(transparent) + " transparent pixels of " + std::to_string(bgra.total()) +
                (one_color ? ", all of one colour" : ", " + std::to_string(hidden) + " of them not black"),
            "store it without transparency, the background black: with ImageMagick, `convert in.png -alpha extract "
            "out.png` keeps what the alpha channel shows, `convert in.png -alpha off out.png` what the colours show");
}

/// A mask's pixels as BGR in 16 bits; transparency is checked and dropped.
inline cv::Mat decode_mask(const MaskFile& file) {
  if (file.header.channels == 2 || file.header.channels == 4) {
    const cv::Mat all = decode(file.bytes, file.header, file.name, cv::IMREAD_UNCHANGED);
    if (all.channels() == 4) check_alpha(file, all);
  }
  cv::Mat bgr = decode(file.bytes, file.header, file.name, cv::IMREAD_COLOR | cv::IMREAD_ANYDEPTH);
  bgr.convertTo(bgr, CV_16U);
  return bgr;
}

/// Grey values (of up to 16 bits) as they are stored; of a palette, indices. Checks that they exist: no JPEG, no
/// colours.
inline cv::Mat decode_grey_mask(const MaskFile& file, std::vector<std::array<std::uint8_t, 3>>& palette) {
  if (file.header.format == ImageFormat::jpeg) {
    file.fail(
        "a JPEG cannot be a mask: its values are blurred", "JPEG",
        "export it anew, as PNG, from where it was drawn (saving the JPEG as PNG keeps the damage); a mask of one "
        "label can be mended: with ImageMagick, `convert in.jpg -threshold 50% out.png`");
  }
  cv::Mat bgr;
  if (file.header.palette && file.header.format == ImageFormat::png) {
    PaletteFile split = split_palette(file.bytes, file.header, file.name);
    palette = std::move(split.colors);
    bgr = decode(split.indices, file.header, file.name, cv::IMREAD_COLOR);
    bgr.convertTo(bgr, CV_16U);
  } else if (file.header.palette) {
    file.fail("a bitmap with a palette has no grey values", "a palette that is no grey ramp", "store it as PNG");
  } else {
    bgr = decode_mask(file);
  }
  // Decoding spreads 1, 2 or 4 bits of grey over 0..255; the stored value is wanted.
  const int spread = palette.empty() && file.header.bits < 8 ? 255 / ((1 << file.header.bits) - 1) : 1;
  cv::Mat grey(bgr.rows, bgr.cols, CV_16U);
  auto to = grey.begin<std::uint16_t>();
  for (auto from = bgr.begin<cv::Vec3w>(); from != bgr.end<cv::Vec3w>(); ++from, ++to) {
    const cv::Vec3w& p = *from;
    if (p[0] != p[1] || p[1] != p[2]) {
      file.fail("a grey mask holds colours",
                "(" + std::to_string(p[2]) + ", " + std::to_string(p[1]) + ", " + std::to_string(p[0]) + ")",
                "name the colours in the manifest's \"colors\"");
    }
    *to = static_cast<std::uint16_t>(p[0] / spread);
    if (!palette.empty() && *to >= palette.size()) {
      file.fail("a palette mask uses an index that its palette does not have", std::to_string(*to), "export it again");
    }
  }
  return grey;
}

/// How often each value occurs.
inline std::vector<Index> value_counts(const cv::Mat& grey) {
  std::vector<Index> counts(65536);
  for (auto value = grey.begin<std::uint16_t>(); value != grey.end<std::uint16_t>(); ++value) ++counts[*value];
  return counts;
}

/// "0 (3249 pixels), 1 (18), 2 (15), ... 196 values in all"
inline std::string listed_values(const std::vector<Index>& counts) {
  std::string text;
  Index values = 0;
  for (std::size_t value = 0; value < counts.size(); ++value) {
    if (counts[value] == 0) continue;
    if (++values > 6) continue;
    text += (values > 1 ? ", " : "") + std::to_string(value) + " (" + std::to_string(counts[value]) +
            (values > 1 ? ")" : " pixels)");
  }
  return values > 6 ? text + ", ...; " + std::to_string(values) + " values in all" : text;
}

inline Mask as_mask(const cv::Mat& grey) {
  Mask mask(grey.rows, grey.cols);
  std::transform(grey.begin<std::uint16_t>(), grey.end<std::uint16_t>(), mask.values.begin(),
                 [](std::uint16_t value) { return static_cast<std::uint8_t>(std::min<int>(value, 255)); });
  return mask;
}

}  // namespace detail

/// Reads a mask whose stored grey value is the class, also from 1, 2, 4 and 16 bits and from RGB with three equal
/// channels; of a palette (as labelme and VOC write it) the index is the class. Throws as `load_image`, and FormatError
/// for what has no such value: JPEG (lossy), colours, values above 255, a palette of greys that are not their indices
/// (which of the two is meant?), a mask drawn in the alpha channel.
inline StoredMask load_index_mask(const std::filesystem::path& path) {
  const detail::MaskFile file(path);
  std::vector<std::array<std::uint8_t, 3>> palette;
  const cv::Mat grey = detail::decode_grey_mask(file, palette);
  const std::vector<Index> counts = detail::value_counts(grey);
  bool grey_palette = !palette.empty(), differs = false;
  for (std::size_t value = 0; value < counts.size(); ++value) {
    if (counts[value] == 0) continue;
    if (value > 255) file.fail("a mask value is above 255", std::to_string(value), "renumber the classes");
    if (palette.empty()) continue;
    const auto& color = palette[value];
    grey_palette = grey_palette && color[0] == color[1] && color[1] == color[2];
    differs = differs || color[0] != value;
  }
  if (grey_palette && differs) {
    file.fail("a mask with a palette of greys: are the greys or the indices the classes?", "both, and they differ",
              "store it as plain grey without a palette if the greys are meant (with ImageMagick, `convert in.png "
              "-define png:color-type=0 out.png`), or give the palette colours if the indices are");
  }
  return {detail::as_mask(grey), file.header.orientation};
}

/// Reads a mask of one label: 0 background, one other value. `instances`: any number of values, each an object of the
/// label. Throws as `load_index_mask`, and FormatError for more than two values (an interpolated mask, a former JPEG),
/// or two of which none is 0.
inline StoredMask load_binary_mask(const std::filesystem::path& path, bool instances = false) {
  const detail::MaskFile file(path);
  std::vector<std::array<std::uint8_t, 3>> palette;
  const cv::Mat grey = detail::decode_grey_mask(file, palette);
  const std::vector<Index> counts = detail::value_counts(grey);
  Index values = 0;
  for (std::size_t value = 0; value < counts.size(); ++value) {
    if (counts[value] == 0) continue;
    ++values;
    if (palette.empty() || (value == 0) == (palette[value] == std::array<std::uint8_t, 3>{})) continue;
    file.fail("a mask with a palette in which black is not the index 0: what is the background?",
              "index " + std::to_string(value), "store it as grey without a palette, the background 0");
  }
  if (!instances && (values > 2 || (values == 2 && counts[0] == 0))) {
    file.fail(
        "a mask of one label has two values, 0 and another", detail::listed_values(counts),
        "export it anew without smoothing, or mend it: with ImageMagick, `convert in.png -threshold 50% out.png`; "
        "where each value is an object of its own, the manifest says \"instances\": true; where each is a class, "
        "name them in \"values\"");
  }
  return {detail::as_mask(grey), file.header.orientation};
}

/// Reads a mask whose colours name the labels, also from a palette. Throws as `load_image`, and FormatError for a mask
/// drawn in the alpha channel and for colours of more than 8 bits.
inline std::pair<Image, int> load_color_mask(const std::filesystem::path& path) {
  const detail::MaskFile file(path);
  const cv::Mat bgr = detail::decode_mask(file);
  Image image(bgr.rows, bgr.cols);
  const int unit = file.header.bits == 16 ? 257 : 1;
  auto to = image.rgb.begin();
  for (auto from = bgr.begin<cv::Vec3w>(); from != bgr.end<cv::Vec3w>(); ++from) {
    for (const int c : {2, 1, 0}) {
      if ((*from)[c] % unit != 0) {
        file.fail("a colour mask has colours of more than 8 bits", std::to_string((*from)[c]), "store it with 8 bits");
      }
      *to++ = static_cast<std::uint8_t>((*from)[c] / unit);
    }
  }
  return {std::move(image), file.header.orientation};
}

}  // namespace ssam::inline SSAM_ABI
