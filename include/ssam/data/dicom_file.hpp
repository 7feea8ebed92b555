#pragma once

#include <cmath>
#include <ssam/data/dicom_codec.hpp>
#include <ssam/data/intensity.hpp>
#include <utility>

namespace ssam::inline SSAM_ABI::detail {

/// What a DICOM file says about one of its frames.
struct DicomFrame {
  std::optional<std::array<double, 3>> position = {};  ///< of the first pixel's centre: to the left, back, head, in mm
  std::optional<std::array<double, 6>> orientation = {};  ///< directions along a row, then along a column
  std::optional<std::array<double, 2>> spacing = {};      ///< mm from row to row, from column to column
  double thickness = 0;                                   ///< mm from slice to slice as the file says; 0: it does not
  double slope = 1, inter = 0;                            ///< from stored values to real ones
  std::optional<IntensityRange> window = {};
};

/// What a DICOM file says before its pixels.
struct DicomHeader {
  std::filesystem::path path;
  std::string series, description, modality;
  double number = 0;               ///< of the instance in its series
  Index rows = 0, columns = 0;     ///< 0: the file holds no picture
  std::vector<DicomFrame> frames;  ///< at least one where there is a picture
};

/// The `count` decimal numbers of an element; nothing where it is missing or empty. More than `count` are allowed where
/// `at_least` (several windows, of which the first counts).
template <std::size_t count>
std::optional<std::array<double, count>> dicom_numbers(const DicomSet& set, DicomTag tag,
                                                       const std::filesystem::path& path, bool at_least = false) {
  const std::string text = set.text(tag);
  if (text.empty()) return {};
  std::array<double, count> numbers{};
  std::size_t found = 0;
  bool good = true;
  for (std::size_t begin = 0; good && begin <= text.size(); ++found) {
    const std::size_t end = std::min(text.find('\\', begin), text.size());
    std::string one = text.substr(begin, end - begin);
    one.erase(0, std::min(one.find_first_not_of(" +"), one.size()));
    one.erase(one.find_last_not_of(' ') + 1);
    const std::optional<double> number = parse_real(one);
    good = number.has_value() || found >= count;
    if (found < count) numbers[found] = number.value_or(0);
    begin = end + 1;
  }
  if (good && (found == count || (at_least && found > count))) return numbers;
  refuse_dicom(path, std::to_string(count) + (count == 1 ? " number in " : " numbers in ") + tag_text(tag),
               shown(text));
}

/// DICOM's linear window as the two ends of the ramp (PS3.3, C.11.2.1.2).
inline std::optional<IntensityRange> dicom_window(const DicomSet& set, const std::filesystem::path& path) {
  const auto center = dicom_numbers<1>(set, 0x00281050, path, true);
  const auto width = dicom_numbers<1>(set, 0x00281051, path, true);
  if (!center || !width) return {};
  const bool exact = set.text(0x00281056) == "LINEAR_EXACT";
  const double half = exact ? (*width)[0] / 2 : ((*width)[0] - 1) / 2;
  const double middle = exact ? (*center)[0] : (*center)[0] - 0.5;
  if (!(half >= 0)) return {};
  // A width of 1 is a threshold.
  return IntensityRange{middle - half, half > 0 ? middle + half : std::nextafter(middle, HUGE_VAL),
                        "the file's window"};
}

/// One frame's word. In a multi-frame file it stands in the frame's own groups, in those of all frames, or (older
/// kinds) in the file itself, which says the position of the first frame only.
inline DicomFrame read_dicom_frame(const DicomSet& file, std::size_t index, std::size_t frames,
                                   const std::filesystem::path& path) {
  const std::array<const DicomSet*, 2> groups{file.item(0x52009230, index), file.item(0x52009229)};
  const auto grouped = [&](DicomTag sequence) -> const DicomSet* {
    for (const DicomSet* set : groups) {
      if (set != nullptr && set->item(sequence) != nullptr) return set->item(sequence);
    }
    return nullptr;
  };
  const auto within = [&](DicomTag sequence) -> const DicomSet& {
    const DicomSet* set = grouped(sequence);
    return set == nullptr ? file : *set;
  };
  DicomFrame frame;
  if (frames == 1 || grouped(0x00209113) != nullptr) {
    frame.position = dicom_numbers<3>(within(0x00209113), 0x00200032, path);
  }
  frame.orientation = dicom_numbers<6>(within(0x00209116), 0x00200037, path);
  const DicomSet& measures = within(0x00289110);
  frame.spacing = dicom_numbers<2>(measures, 0x00280030, path);
  if (!frame.spacing) frame.spacing = dicom_numbers<2>(file, 0x00181164, path);  // at the detector
  if (frame.spacing && !((*frame.spacing)[0] > 0 && (*frame.spacing)[1] > 0)) {
    refuse_dicom(path, "pixel spacings above 0", std::to_string(std::min((*frame.spacing)[0], (*frame.spacing)[1])));
  }
  for (const DicomTag tag : {DicomTag{0x00180088}, DicomTag{0x00180050}}) {
    const auto step = dicom_numbers<1>(measures, tag, path);
    if (frame.thickness == 0 && step) frame.thickness = std::abs((*step)[0]);
  }
  const DicomSet& scale = within(0x00289145);
  frame.slope = dicom_numbers<1>(scale, 0x00281053, path).value_or(std::array{1.0})[0];
  frame.inter = dicom_numbers<1>(scale, 0x00281052, path).value_or(std::array{0.0})[0];
  if (frame.slope == 0) refuse_dicom(path, "a rescale slope", "0");
  frame.window = dicom_window(within(0x00289132), path);
  return frame;
}

/// Frames that the pixels of a file can be, at most: each needs a piece of its own, or its bytes.
inline double most_dicom_frames(const DicomSet& set, const DicomElement& pixels) {
  if (!pixels.fragments.empty()) return static_cast<double>(pixels.fragments.size() - 1);
  double bits = 1;
  for (const DicomTag tag : {0x00280010u, 0x00280011u, 0x00280002u, 0x00280100u}) {
    bits *= std::max<double>(set.word(tag).value_or(1), 1);
  }
  return std::floor(8 * static_cast<double>(pixels.value.size()) / bits);
}

/// Reads what a DICOM file says beside its pixels.
inline DicomHeader dicom_header_of(const DicomFile& file) {
  const DicomSet& set = file.set;
  const std::filesystem::path& path = file.path;
  DicomHeader header{.path = path,
                     .series = set.text(0x0020000e),
                     .description = set.text(0x0008103e),
                     .modality = set.text(0x00080060),
                     .number = dicom_numbers<1>(set, 0x00200013, path).value_or(std::array{0.0})[0],
                     .rows = set.word(0x00280010).value_or(0),
                     .columns = set.word(0x00280011).value_or(0),
                     .frames = {}};
  if (header.rows == 0 || header.columns == 0 || set.find(0x7fe00010) == nullptr) return header;
  const double count = dicom_numbers<1>(set, 0x00280008, path).value_or(std::array{1.0})[0];
  // One frame with too few bytes is refused where it is read.
  const double most = std::max(most_dicom_frames(set, *set.find(0x7fe00010)), 1.0);
  if (!(count >= 1 && count <= most) || count != std::floor(count)) {
    refuse_dicom(path, "at least 1 frame, and not more than the file can hold (" + shortest(most) + ")",
                 shortest(count));
  }
  if (set.item(0x00283000) != nullptr) {
    refuse_dicom(path, "values that are scaled", "a table of values (Modality LUT)",
                 "store it with a rescale slope and intercept");
  }
  const auto frames = static_cast<std::size_t>(count);
  for (std::size_t f = 0; f < frames; ++f) header.frames.push_back(read_dicom_frame(set, f, frames, path));
  return header;
}

/// The pixels of a file, of which one frame at a time is decompressed.
struct DicomPixels {
  DicomSamples form;
  std::string bytes;                                      ///< of the frame, row by row, in this machine's byte order
  std::array<std::vector<std::uint8_t>, 3> palette = {};  ///< red, green and blue of the values from `first_entry` on
  int first_entry = 0;

  bool grey() const { return form.photometric == "MONOCHROME1" || form.photometric == "MONOCHROME2"; }
  bool inverted() const { return form.photometric == "MONOCHROME1"; }
  /// Sample number `index` of the frame as the file means it.
  std::int64_t value(std::size_t index) const {
    std::uint64_t raw = 0;
    const auto each = static_cast<std::size_t>(form.allocated / 8);
    std::memcpy(&raw, bytes.data() + index * each, each);
    raw = raw >> (form.high + 1 - form.stored) & ((std::uint64_t{1} << form.stored) - 1);
    const bool negative = form.is_signed && (raw >> (form.stored - 1) & 1) != 0;
    return static_cast<std::int64_t>(raw) - (negative ? std::int64_t{1} << form.stored : 0);
  }
};

/// The three tables of a palette, as 8 bits. Throws FormatError for a kind that is not read.
inline void read_dicom_palette(const DicomFile& file, DicomPixels& pixels) {
  for (std::size_t c = 0; c < 3; ++c) {
    const auto descriptor = static_cast<DicomTag>(0x00281101 + c), data = static_cast<DicomTag>(0x00281201 + c);
    const DicomElement* entries = file.set.find(data);
    const auto said = file.set.word(descriptor), first = file.set.word(descriptor, 1);
    const auto bits = file.set.word(descriptor, 2);
    const std::size_t count = said.value_or(0) == 0 ? 65536 : *said;
    const std::size_t found = entries == nullptr ? 0 : entries->value.size();
    const bool wide = found >= 2 * count;  // 8 bits, too, may lie in words of 16
    if (!said || !first || !bits || (!wide && (*bits != 8 || found < count))) {
      refuse_dicom(file.path, "a palette of " + std::to_string(count) + " entries", std::to_string(found) + " bytes");
    }
    pixels.first_entry = pixels.form.is_signed ? static_cast<std::int16_t>(*first) : *first;
    for (std::size_t e = 0; e < count; ++e) {
      const std::uint16_t entry = wide ? *file.set.word(data, e) : static_cast<std::uint8_t>(entries->value[e]);
      pixels.palette[c].push_back(static_cast<std::uint8_t>(*bits > 8 ? entry >> 8 : entry));
    }
  }
}

/// What the file says about its samples. Throws FormatError for a kind that is not read.
inline DicomPixels describe_dicom_pixels(const DicomFile& file) {
  const DicomSet& set = file.set;
  DicomPixels pixels;
  DicomSamples& form = pixels.form;
  form.rows = set.word(0x00280010).value_or(0);
  form.columns = set.word(0x00280011).value_or(0);
  form.samples = set.word(0x00280002).value_or(1);
  form.planar = set.word(0x00280006).value_or(0) == 1;
  form.allocated = set.word(0x00280100).value_or(0);
  form.stored = set.word(0x00280101).value_or(set.word(0x00280100).value_or(0));
  form.high = set.word(0x00280102).value_or(static_cast<std::uint16_t>(form.stored - 1));
  form.is_signed = set.word(0x00280103).value_or(0) == 1;
  form.photometric = set.text(0x00280004);
  if (form.photometric.empty()) form.photometric = form.samples == 3 ? "RGB" : "MONOCHROME2";
  const int bits = form.allocated;
  if ((bits != 8 && bits != 16 && bits != 32) || form.stored < 1 || form.high < form.stored - 1 || form.high >= bits ||
      (form.samples != 1 && form.samples != 3)) {
    refuse_dicom(file.path, "samples of 8, 16 or 32 bits, one or three for a pixel",
                 std::to_string(form.samples) + " of " + std::to_string(bits) + " bits (" +
                     std::to_string(form.stored) + " used)",
                 bits == 1 ? "a segmentation is no picture to segment" : "");
  }
  constexpr std::array<std::string_view, 5> colors{"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"};
  const bool colored = std::find(colors.begin(), colors.end(), form.photometric) != colors.end();
  if (form.photometric == "PALETTE COLOR" && form.samples == 1) {
    read_dicom_palette(file, pixels);
  } else if (!(pixels.grey() && form.samples == 1) && !(colored && form.samples == 3)) {
    refuse_dicom(file.path, "grey values, a palette, RGB or YBR_FULL",
                 shown(form.photometric) + " with " + std::to_string(form.samples) + " samples");
  }
  return pixels;
}

/// The bytes of an uncompressed frame, in this machine's order.
inline std::string raw_dicom_frame(const DicomFile& file, const DicomElement& stored, const DicomSamples& form,
                                   std::size_t frame, std::size_t frames) {
  const std::size_t each = form.frame_bytes();
  if (form.photometric == "YBR_FULL_422") {
    refuse_dicom(file.path, "colours of every pixel", "uncompressed YBR_FULL_422, which shares them",
                 "convert it to RGB");
  }
  if (stored.value.size() / frames < each) {
    refuse_dicom(file.path, std::to_string(each * frames) + " bytes of pixels, by its header",
                 std::to_string(stored.value.size()), "use a whole copy of it");
  }
  std::string bytes(stored.value.substr(frame * each, each));
  const auto sample = static_cast<std::size_t>(form.allocated / 8);
  if (file.set.big && sample == 1 && stored.words) {  // bytes that are exchanged within words
    const std::string_view all = stored.value;
    for (std::size_t i = 0; i < each; ++i) {
      const std::size_t place = (frame * each + i) ^ 1;
      if (place < all.size()) bytes[i] = all[place];
    }
  }
  if (file.set.big && sample > 1) {
    for (std::size_t i = 0; i < each; i += sample) {
      std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                   bytes.begin() + static_cast<std::ptrdiff_t>(i + sample));
    }
  }
  return bytes;
}

/// Frame number `frame` of `frames` of a file, decompressed. Throws FormatError.
inline DicomPixels read_dicom_pixels(const DicomFile& file, std::size_t frame, std::size_t frames) {
  DicomPixels pixels = describe_dicom_pixels(file);
  const DicomElement& stored = *file.set.find(0x7fe00010);
  if (stored.fragments.empty()) {
    pixels.bytes = raw_dicom_frame(file, stored, pixels.form, frame, frames);
    return pixels;
  }
  const std::string packed = frame_fragments(stored, frame, frames, file.path);
  // However well it is compressed: what unpacks to more was never a picture. Run lengths make at most 128 bytes of 2.
  const bool runs = file.syntax == "1.2.840.10008.1.2.5";
  if (pixels.form.frame_bytes() / (runs ? 64 : 65536) > packed.size()) {
    refuse_dicom(file.path, std::to_string(pixels.form.frame_bytes()) + " bytes of pixels, by its header",
                 std::to_string(packed.size()) + " compressed ones", "use a whole copy of it");
  }
  pixels.bytes = runs ? decode_dicom_rle(packed, pixels.form, file.path)
                      : decode_dicom_jpeg(packed, file.syntax, pixels.form, file.path);
  return pixels;
}

}  // namespace ssam::inline SSAM_ABI::detail
