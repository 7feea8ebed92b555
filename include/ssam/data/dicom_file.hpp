#pragma once

#include <gdcmImageReader.h>
#include <gdcmTrace.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <istream>
#include <optional>
#include <ssam/core/decimal.hpp>
#include <ssam/data/intensity.hpp>
#include <ssam/io/byte_source.hpp>
#include <ssam/io/gzip.hpp>
#include <streambuf>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

[[noreturn]] inline void refuse_dicom(const std::filesystem::path& path, const std::string& expected,
                                      const std::string& found, const std::string& advice = "") {
  throw FormatError(ErrorText{.what = "not a usable DICOM picture",
                              .where = path.string(),
                              .expected = expected,
                              .found = found,
                              .advice = advice});
}

/// The library speaks on stderr by itself; what is to be said we say.
inline void quiet_gdcm() {
  static const bool once = [] {
    gdcm::Trace::WarningOff();
    gdcm::Trace::ErrorOff();
    gdcm::Trace::DebugOff();
    return true;
  }();
  static_cast<void>(once);
}

/// Text of an element without the padding; "" where it is missing.
inline std::string dicom_text(const gdcm::DataSet& set, std::uint16_t group, std::uint16_t element) {
  const gdcm::Tag tag(group, element);
  const gdcm::ByteValue* value = set.FindDataElement(tag) ? set.GetDataElement(tag).GetByteValue() : nullptr;
  if (value == nullptr || value->GetPointer() == nullptr) return "";
  std::string text(value->GetPointer(), value->GetLength());
  const auto padding = [](char c) { return c == ' ' || c == '\0'; };
  while (!text.empty() && padding(text.back())) text.pop_back();
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), padding));
  return text;
}

/// The `count` decimal numbers of an element; nothing where it is missing or empty. More than `count` are allowed where
/// `at_least` (several windows, of which the first counts).
template <std::size_t count>
std::optional<std::array<double, count>> dicom_numbers(const gdcm::DataSet& set, std::uint16_t group,
                                                       std::uint16_t element, const std::filesystem::path& path,
                                                       bool at_least = false) {
  const std::string text = dicom_text(set, group, element);
  if (text.empty()) return {};
  std::array<double, count> numbers{};
  std::size_t found = 0, begin = 0;
  bool good = true;
  for (; good && begin <= text.size(); ++found) {
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
  char tag[16];
  std::snprintf(tag, sizeof tag, "(%04x,%04x)", group, element);
  refuse_dicom(path, std::to_string(count) + " numbers in " + tag, shown(text));
}

/// Item number `index` of a sequence, from 0.
inline std::optional<gdcm::DataSet> dicom_item(const gdcm::DataSet& set, std::uint16_t group, std::uint16_t element,
                                               std::size_t index = 0) {
  const gdcm::Tag tag(group, element);
  if (!set.FindDataElement(tag)) return {};
  const gdcm::SmartPointer<gdcm::SequenceOfItems> items = set.GetDataElement(tag).GetValueAsSQ();
  if (items == nullptr || index >= items->GetNumberOfItems()) return {};
  return items->GetItem(index + 1).GetNestedDataSet();
}

/// An unsigned number of 16 bits; 0 where it is missing.
inline std::uint16_t dicom_short(const gdcm::DataSet& set, std::uint16_t group, std::uint16_t element) {
  const gdcm::Tag tag(group, element);
  const gdcm::ByteValue* value = set.FindDataElement(tag) ? set.GetDataElement(tag).GetByteValue() : nullptr;
  std::uint16_t number = 0;
  if (value != nullptr && value->GetLength() >= sizeof number) std::memcpy(&number, value->GetPointer(), sizeof number);
  return number;
}

/// DICOM's linear window as the two ends of the ramp (PS3.3, C.11.2.1.2).
inline std::optional<IntensityRange> dicom_window(const gdcm::DataSet& set, const std::filesystem::path& path) {
  const auto center = dicom_numbers<1>(set, 0x0028, 0x1050, path, true);
  const auto width = dicom_numbers<1>(set, 0x0028, 0x1051, path, true);
  if (!center || !width) return {};
  const bool exact = dicom_text(set, 0x0028, 0x1056) == "LINEAR_EXACT";
  const double half = exact ? (*width)[0] / 2 : ((*width)[0] - 1) / 2;
  const double middle = exact ? (*center)[0] : (*center)[0] - 0.5;
  if (!(half >= 0)) return {};
  // A width of 1 is a threshold.
  return IntensityRange{middle - half, half > 0 ? middle + half : std::nextafter(middle, HUGE_VAL),
                        "the file's window"};
}

/// One frame's word. In a multi-frame file it stands in the frame's own groups, in those of all frames, or (older
/// kinds) in the file itself, which says the position of the first frame only.
inline DicomFrame read_dicom_frame(const gdcm::DataSet& file, std::size_t index, std::size_t frames,
                                   const std::filesystem::path& path) {
  const std::array<std::optional<gdcm::DataSet>, 2> groups{dicom_item(file, 0x5200, 0x9230, index),
                                                           dicom_item(file, 0x5200, 0x9229)};
  const auto grouped = [&](std::uint16_t group, std::uint16_t sequence) -> std::optional<gdcm::DataSet> {
    for (const auto& set : groups) {
      if (!set) continue;
      if (auto item = dicom_item(*set, group, sequence)) return item;
    }
    return {};
  };
  DicomFrame frame;
  const std::optional<gdcm::DataSet> plane = grouped(0x0020, 0x9113);
  if (frames == 1 || plane) frame.position = dicom_numbers<3>(plane.value_or(file), 0x0020, 0x0032, path);
  frame.orientation = dicom_numbers<6>(grouped(0x0020, 0x9116).value_or(file), 0x0020, 0x0037, path);
  const gdcm::DataSet measures = grouped(0x0028, 0x9110).value_or(file);
  frame.spacing = dicom_numbers<2>(measures, 0x0028, 0x0030, path);
  if (!frame.spacing) frame.spacing = dicom_numbers<2>(file, 0x0018, 0x1164, path);  // at the detector
  for (const std::uint16_t tag : {std::uint16_t{0x0088}, std::uint16_t{0x0050}}) {
    const auto step = dicom_numbers<1>(measures, 0x0018, tag, path);
    if (frame.thickness == 0 && step) frame.thickness = std::abs((*step)[0]);
  }
  const gdcm::DataSet scale = grouped(0x0028, 0x9145).value_or(file);
  frame.slope = dicom_numbers<1>(scale, 0x0028, 0x1053, path).value_or(std::array{1.0})[0];
  frame.inter = dicom_numbers<1>(scale, 0x0028, 0x1052, path).value_or(std::array{0.0})[0];
  if (frame.slope == 0) refuse_dicom(path, "a rescale slope", "0");
  frame.window = dicom_window(grouped(0x0028, 0x9132).value_or(file), path);
  if (frame.spacing && !((*frame.spacing)[0] > 0 && (*frame.spacing)[1] > 0)) {
    refuse_dicom(path, "pixel spacings above 0", std::to_string((*frame.spacing)[0]));
  }
  return frame;
}

/// A file in memory, as the library wants to read it. Notices where more is read than there is: the library fills up a
/// file that was cut off, and says nothing.
class DicomBuffer : public std::streambuf {
 public:
  explicit DicomBuffer(std::string bytes) : bytes_(std::move(bytes)) { move_to(0); }
  const std::string& bytes() const { return bytes_; }
  bool fell_short() const { return fell_short_; }  ///< a value, or a part of one, was asked for behind the end

 protected:
  std::streamsize xsgetn(char* to, std::streamsize wanted) override {
    const std::streamsize got = std::min<std::streamsize>(wanted, egptr() - gptr());
    std::copy_n(gptr(), got, to);
    if (got < wanted && (got > 0 || wanted > 4)) fell_short_ = true;  // a tag that is looked for at the end is none
    move_to(gptr() - eback() + got);
    return got;
  }
  pos_type seekoff(off_type offset, std::ios_base::seekdir from, std::ios_base::openmode) override {
    const off_type base = from == std::ios_base::beg   ? 0
                          : from == std::ios_base::cur ? gptr() - eback()
                                                       : egptr() - eback();
    if (base + offset < 0 || base + offset > egptr() - eback()) return pos_type(off_type(-1));
    move_to(base + offset);
    return pos_type(base + offset);
  }
  pos_type seekpos(pos_type place, std::ios_base::openmode mode) override {
    return seekoff(off_type(place), std::ios_base::beg, mode);
  }

 private:
  void move_to(std::streamoff place) { setg(bytes_.data(), bytes_.data() + place, bytes_.data() + bytes_.size()); }

  std::string bytes_;
  bool fell_short_ = false;
};

/// Whether a file that begins with these bytes (132 of them, or all) may be DICOM: by its mark, or, where a file has no
/// preamble, by the group of its first element.
inline bool may_be_dicom(std::string_view start) {
  if (start.size() >= 132 && start.substr(128, 4) == "DICM") return true;
  if (start.size() < 8) return false;
  const bool little = (start[0] == 2 || start[0] == 8) && start[1] == 0, big = start[0] == 0 && start[1] == 8;
  return little || big;
}

/// Reads the file at `path` with one of the library's readers and calls `work(file's data set)`, saying what the
/// library throws in our words. Nothing where the library knows no such file.
template <class Reader, class Work>
auto read_dicom_with(const std::filesystem::path& path, Reader& reader, Work&& work)
    -> std::optional<decltype(work(std::declval<const gdcm::DataSet&>()))> {
  quiet_gdcm();
  const ByteSource source = ByteSource::file(path);
  const auto size = static_cast<std::size_t>(source.size());
  if (!may_be_dicom(source.read_string(0, std::min<std::size_t>(132, size)))) return {};
  constexpr const char* whole = "use a whole copy of it";
  try {
    DicomBuffer buffer(source.read_string(0, size));
    std::istream stream(&buffer);
    reader.SetStream(stream);
    if (!reader.Read() || reader.GetFile().GetDataSet().IsEmpty()) {
      if (buffer.fell_short()) refuse_dicom(path, "a whole DICOM file", "one that ends too early", whole);
      return {};
    }
    const gdcm::FileMetaInformation& meta = reader.GetFile().GetHeader();
    if (meta.GetDataSetTransferSyntax() == gdcm::TransferSyntax::DeflatedExplicitVRLittleEndian) {
      // The library passes over an end that comes too early here as well.
      const auto from = static_cast<std::size_t>(static_cast<std::streamoff>(meta.GetFullLength()));
      const std::string_view rest = std::string_view(buffer.bytes()).substr(std::min(from, size));
      unpack_gzip(
          rest, path.string(), 1 << 16, [](const char*, std::size_t) { return true; }, bare_form);
    } else if (buffer.fell_short()) {
      refuse_dicom(path, "a whole DICOM file", "one that ends too early", whole);
    }
    return work(reader.GetFile().GetDataSet());
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {
    refuse_dicom(path, "a whole DICOM file", "damaged content", whole);
  }
}

inline DicomHeader dicom_header_of(const gdcm::DataSet& set, const std::filesystem::path& path) {
  DicomHeader header{.path = path,
                     .series = dicom_text(set, 0x0020, 0x000e),
                     .description = dicom_text(set, 0x0008, 0x103e),
                     .modality = dicom_text(set, 0x0008, 0x0060),
                     .number = dicom_numbers<1>(set, 0x0020, 0x0013, path).value_or(std::array{0.0})[0],
                     .rows = dicom_short(set, 0x0028, 0x0010),
                     .columns = dicom_short(set, 0x0028, 0x0011),
                     .frames = {}};
  if (header.rows == 0 || header.columns == 0) return header;
  const double count = dicom_numbers<1>(set, 0x0028, 0x0008, path).value_or(std::array{1.0})[0];
  // A frame takes at least a byte of the file, however it is compressed.
  if (!(count >= 1 && count <= static_cast<double>(std::filesystem::file_size(path))) || count != std::floor(count)) {
    refuse_dicom(path, "at least 1 frame, and not more than the file can hold", std::to_string(count));
  }
  if (set.FindDataElement(gdcm::Tag(0x0028, 0x3000))) {
    refuse_dicom(path, "values that are scaled", "a table of values (Modality LUT)",
                 "store it with a rescale slope and intercept");
  }
  const auto frames = static_cast<std::size_t>(count);
  for (std::size_t f = 0; f < frames; ++f) header.frames.push_back(read_dicom_frame(set, f, frames, path));
  return header;
}

/// Reads what a DICOM file says beside its pixels. Nothing where the file is no DICOM file. Throws IoError,
/// FormatError.
inline std::optional<DicomHeader> read_dicom_header(const std::filesystem::path& path) {
  gdcm::Reader reader;
  return read_dicom_with(path, reader, [&](const gdcm::DataSet& set) { return dicom_header_of(set, path); });
}

/// The pixels of a file, decompressed.
struct DicomPixels {
  std::string bytes;                        ///< frame by frame, row by row, in this machine's byte order
  int allocated = 8, stored = 8, high = 7;  ///< bits of a sample; the highest one that counts
  bool is_signed = false, planar = false;
  int samples = 1;  ///< of a pixel
  gdcm::PhotometricInterpretation::PIType photometric = gdcm::PhotometricInterpretation::MONOCHROME2;
  std::array<std::vector<std::uint8_t>, 3> palette = {};  ///< red, green and blue of the values from `first_entry` on
  int first_entry = 0;

  /// Sample number `index` as the file means it.
  std::int64_t value(std::size_t index) const {
    std::uint64_t raw = 0;
    const auto each = static_cast<std::size_t>(allocated / 8);
    std::memcpy(&raw, bytes.data() + index * each, each);
    raw = raw >> (high + 1 - stored) & ((std::uint64_t{1} << stored) - 1);
    const bool negative = is_signed && (raw >> (stored - 1) & 1) != 0;
    return static_cast<std::int64_t>(raw) - (negative ? std::int64_t{1} << stored : 0);
  }
};

/// The three tables of a palette, as 8 bits. Throws FormatError for a kind that is not read.
inline void read_dicom_palette(const gdcm::DataSet& set, DicomPixels& pixels, const std::filesystem::path& path) {
  for (std::uint16_t c = 0; c < 3; ++c) {
    const gdcm::Tag descriptor(0x0028, static_cast<std::uint16_t>(0x1101 + c));
    const gdcm::Tag data(0x0028, static_cast<std::uint16_t>(0x1201 + c));
    const auto bytes_of = [&](const gdcm::Tag& tag) {
      const gdcm::ByteValue* value = set.FindDataElement(tag) ? set.GetDataElement(tag).GetByteValue() : nullptr;
      return value == nullptr ? std::string() : std::string(value->GetPointer(), value->GetLength());
    };
    const std::string entries = bytes_of(data);
    std::array<std::uint16_t, 3> said{};  // how many entries (0: 65536), the value of the first, bits of each
    const std::string words = bytes_of(descriptor);
    std::memcpy(said.data(), words.data(), std::min(words.size(), sizeof said));
    const std::size_t count = said[0] == 0 ? 65536 : said[0];
    const bool wide = entries.size() >= 2 * count;  // 8 bits, too, may lie in words of 16
    if (words.size() < sizeof said || entries.size() < count || (!wide && said[2] != 8)) {
      refuse_dicom(path, "a palette of " + std::to_string(count) + " entries",
                   std::to_string(entries.size()) + " bytes of them");
    }
    pixels.first_entry = pixels.is_signed ? static_cast<std::int16_t>(said[1]) : said[1];
    for (std::size_t e = 0; e < count; ++e) {
      pixels.palette[c].push_back(
          static_cast<std::uint8_t>(wide ? entries[2 * e + (said[2] > 8 ? 1 : 0)] : entries[e]));
    }
  }
}

/// What the file says about its samples. Throws FormatError for a kind that is not read.
inline DicomPixels describe_dicom_pixels(const gdcm::Image& image, const std::filesystem::path& path) {
  const gdcm::PixelFormat& format = image.GetPixelFormat();
  DicomPixels pixels;
  pixels.allocated = format.GetBitsAllocated();
  pixels.stored = format.GetBitsStored();
  pixels.high = format.GetHighBit();
  pixels.is_signed = format.GetPixelRepresentation() == 1;
  pixels.samples = format.GetSamplesPerPixel();
  pixels.planar = image.GetPlanarConfiguration() == 1;
  pixels.photometric = image.GetPhotometricInterpretation().GetType();
  const int bits = pixels.allocated;
  if ((bits != 8 && bits != 16 && bits != 32) || pixels.stored < 1 || pixels.high < pixels.stored - 1 ||
      pixels.high >= bits || (pixels.samples != 1 && pixels.samples != 3)) {
    refuse_dicom(path, "samples of 8, 16 or 32 bits, one or three for a pixel",
                 std::to_string(pixels.samples) + " of " + std::to_string(bits) + " bits (" +
                     std::to_string(pixels.stored) + " used)",
                 bits == 1 ? "a segmentation is no picture to segment" : "");
  }
  return pixels;
}

/// Reads and decompresses the pixels of a file whose header was read. Throws FormatError.
inline DicomPixels read_dicom_pixels(const DicomHeader& header) {
  const std::filesystem::path& path = header.path;
  gdcm::ImageReader reader;
  const auto pixels = read_dicom_with(path, reader, [&](const gdcm::DataSet& set) {
    const gdcm::Image& image = reader.GetImage();
    DicomPixels read = describe_dicom_pixels(image, path);
    const std::uint64_t wanted = static_cast<std::uint64_t>(header.rows) * static_cast<std::uint64_t>(header.columns) *
                                 header.frames.size() * static_cast<std::uint64_t>(read.samples * read.allocated / 8);
    const std::uint64_t bytes = image.GetBufferLength(), size = std::filesystem::file_size(path);
    const gdcm::TransferSyntax& syntax = image.GetTransferSyntax();
    const bool packed = syntax.IsEncapsulated() || syntax == gdcm::TransferSyntax::DeflatedExplicitVRLittleEndian;
    if (bytes != wanted || bytes / (packed ? 65536 : 1) > size) {
      refuse_dicom(path, std::to_string(wanted) + " bytes of pixels, by its header",
                   "a file of " + std::to_string(size) + " bytes", "use a whole copy of it");
    }
    read.bytes.resize(static_cast<std::size_t>(bytes));
    if (!image.GetBuffer(read.bytes.data())) {
      refuse_dicom(path, "pixels that can be decoded", "damaged ones", "use a whole copy of it");
    }
    if (read.photometric == gdcm::PhotometricInterpretation::PALETTE_COLOR) read_dicom_palette(set, read, path);
    return read;
  });
  if (pixels) return *pixels;
  refuse_dicom(path, "pixels that can be decoded", "missing or damaged ones, or an unknown compression",
               "use a whole copy of it");
}

}  // namespace ssam::inline SSAM_ABI::detail
