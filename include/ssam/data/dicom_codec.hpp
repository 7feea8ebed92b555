#pragma once

#include <gdcmFragment.h>
#include <gdcmImage.h>
#include <gdcmSequenceOfFragments.h>
#include <gdcmTrace.h>

#include <ssam/core/shape.hpp>
#include <ssam/data/dicom_set.hpp>

namespace ssam::inline SSAM_ABI::detail {

/// How the samples of a frame are stored.
struct DicomSamples {
  Index rows = 0, columns = 0;
  int samples = 1;                          ///< of a pixel
  int allocated = 8, stored = 8, high = 7;  ///< bits of a sample; the highest one that counts, from 0
  bool is_signed = false, planar = false;
  std::string photometric;

  std::size_t frame_bytes() const {
    return static_cast<std::size_t>(rows * columns * samples) * static_cast<std::size_t>(allocated / 8);
  }
};

[[noreturn]] inline void refuse_dicom(const std::filesystem::path& path, const std::string& expected,
                                      const std::string& found, const std::string& advice = "") {
  throw FormatError(ErrorText{.what = "not a usable DICOM picture",
                              .where = path.string(),
                              .expected = expected,
                              .found = found,
                              .advice = advice});
}

/// The compressed bytes of one frame: a fragment, or several where the file holds one frame or a table of offsets.
inline std::string frame_fragments(const DicomElement& pixels, std::size_t frame, std::size_t frames,
                                   const std::filesystem::path& path) {
  const std::size_t count = pixels.fragments.empty() ? 0 : pixels.fragments.size() - 1;
  if (count == frames) return std::string(pixels.fragments[frame + 1]);
  const std::string_view table = pixels.fragments.empty() ? std::string_view() : pixels.fragments[0];
  if (count < frames || (frames > 1 && table.size() != 4 * frames)) {
    refuse_dicom(path, std::to_string(frames) + " compressed frames", std::to_string(count) + " pieces of any");
  }
  const auto offset = [&](std::size_t f) {  // of a frame's first piece; each has 8 bytes before it
    std::uint32_t number = 0;
    for (std::size_t i = 4; i-- > 0;) number = number << 8 | static_cast<std::uint8_t>(table[4 * f + i]);
    return std::uint64_t{number};
  };
  const std::uint64_t begin = frames > 1 ? offset(frame) : 0;
  const std::uint64_t end = frames > 1 && frame + 1 < frames ? offset(frame + 1) : UINT64_MAX;
  std::string bytes;
  std::uint64_t at = 0;
  for (std::size_t f = 1; f <= count; ++f) {
    if (at >= begin && at < end) bytes += pixels.fragments[f];
    at += 8 + pixels.fragments[f].size();
  }
  return bytes;
}

/// Unpacks one frame of DICOM's run lengths (PS3.5, annex G): a segment per byte of a pixel, the highest byte of a
/// sample first.
inline std::string decode_dicom_rle(std::string_view packed, DicomSamples& form, const std::filesystem::path& path) {
  const auto each = static_cast<std::size_t>(form.allocated / 8), samples = static_cast<std::size_t>(form.samples);
  const auto pixels = static_cast<std::size_t>(form.rows * form.columns);
  const auto word = [&](std::size_t index) {
    std::uint32_t number = 0;
    for (std::size_t i = 4; i-- > 0;) number = number << 8 | static_cast<std::uint8_t>(packed[4 * index + i]);
    return std::size_t{number};
  };
  if (packed.size() < 64 || word(0) != each * samples) {
    refuse_dicom(path, std::to_string(each * samples) + " segments of run lengths",
                 packed.size() < 64 ? "no table of them" : std::to_string(word(0)));
  }
  form.planar = false;
  std::string frame(form.frame_bytes(), '\0');
  for (std::size_t segment = 0; segment < each * samples; ++segment) {
    std::size_t at = word(1 + segment), done = 0;
    const std::size_t end = segment + 1 < each * samples ? std::min(word(2 + segment), packed.size()) : packed.size();
    // One sample after the other within a pixel; this machine's bytes begin with the lowest.
    const std::size_t first = segment / each * each + (each - 1 - segment % each), stride = each * samples;
    while (done < pixels && at < end) {
      const auto head = static_cast<std::int8_t>(packed[at++]);
      if (head == -128) continue;
      const std::size_t run = head >= 0 ? static_cast<std::size_t>(head) + 1 : static_cast<std::size_t>(1 - head);
      if (run > pixels - done || at + (head >= 0 ? run : 1) > end) break;
      for (std::size_t i = 0; i < run; ++i) frame[first + stride * (done + i)] = packed[at + (head >= 0 ? i : 0)];
      done += run;
      at += head >= 0 ? run : 1;
    }
    if (done != pixels) {
      refuse_dicom(path, std::to_string(pixels) + " bytes in a segment of run lengths", std::to_string(done),
                   "use a whole copy of it");
    }
  }
  return frame;
}

/// What a compressed picture says about itself. Zeros: nothing that can be used.
struct CodedPicture {
  Index rows = 0, columns = 0;
  int samples = 0, bits = 0;  ///< of a pixel; of a sample

  /// Bits that the decoders lay a sample down in.
  int allocated() const { return bits <= 8 ? 8 : bits <= 16 ? 16 : 32; }
};

/// What a JPEG, JPEG-LS or JPEG 2000 stream says about its picture.
inline CodedPicture describe_jpeg(std::string_view bytes) {
  const auto big = [&](std::size_t at, std::size_t count) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < count; ++i) number = number << 8 | static_cast<std::uint8_t>(bytes[at + i]);
    return number;
  };
  if (bytes.size() > 42 && big(0, 4) == 0xff4fff51) {  // SOC, SIZ: extents of the grid, less its offset
    const std::uint64_t samples = big(40, 2);
    if (samples == 0 || bytes.size() < 42 + 3 * samples) return {};
    for (std::size_t c = 0; c < samples; ++c) {  // components that differ in bits or steps make no pixels
      if (big(42 + 3 * c, 1) != big(42, 1) || big(43 + 3 * c, 2) != 0x0101) return {};
    }
    return {static_cast<Index>(big(12, 4)) - static_cast<Index>(big(20, 4)),
            static_cast<Index>(big(8, 4)) - static_cast<Index>(big(16, 4)), static_cast<int>(samples),
            static_cast<int>(big(42, 1) & 0x7f) + 1};
  }
  for (std::size_t at = 2; at + 9 < bytes.size() && big(at, 1) == 0xff;) {
    const std::uint64_t marker = big(at + 1, 1);
    const bool frame =
        marker == 0xf7 || (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc);
    if (frame) {
      return {static_cast<Index>(big(at + 5, 2)), static_cast<Index>(big(at + 7, 2)), static_cast<int>(big(at + 9, 1)),
              static_cast<int>(big(at + 4, 1))};
    }
    at += marker == 0xff ? 1 : 2 + big(at + 2, 2);
  }
  return {};
}

/// What a stream says about its picture, where that is what the file's header says. Throws FormatError: what differs
/// would be decoded to other numbers, and the decoders do not look.
inline CodedPicture require_coded_picture(std::string_view packed, const DicomSamples& form,
                                          const std::filesystem::path& path) {
  // The decoders fill up a stream that was cut off and say nothing; all three kinds end with the same mark.
  const std::string_view whole = packed.substr(0, packed.find_last_not_of('\0') + 1);
  if (!whole.ends_with("\xff\xd9")) {
    refuse_dicom(path, "a compressed picture with its end", "one that was cut off", "use a whole copy of it");
  }
  const CodedPicture coded = describe_jpeg(packed);
  if (coded.rows != form.rows || coded.columns != form.columns) {
    refuse_dicom(path, "a compressed picture of " + Shape{form.rows, form.columns}.str(), "another size, or no picture",
                 "use a whole copy of it");
  }
  const auto samples = [](int count, int bits) {
    return std::to_string(count) + " of " + std::to_string(bits) + " bits";
  };
  if (coded.samples != form.samples || coded.bits < 1 || coded.bits > form.allocated ||
      form.high >= coded.allocated()) {
    refuse_dicom(path, "compressed samples as the header says, " + samples(form.samples, form.stored),
                 samples(coded.samples, coded.bits), "store it anew, uncompressed");
  }
  return coded;
}

/// Decompresses one frame by GDCM's decoders (JPEG, JPEG-LS, JPEG 2000). `form.allocated`, `form.planar` and
/// `form.photometric` become those of the result.
inline std::string decode_dicom_jpeg(std::string_view packed, const std::string& syntax, DicomSamples& form,
                                     const std::filesystem::path& path) {
  static const bool quiet = [] {  // the library speaks on stderr by itself; what is to be said we say
    gdcm::Trace::WarningOff();
    gdcm::Trace::ErrorOff();
    return true;
  }();
  static_cast<void>(quiet);
  const CodedPicture coded = require_coded_picture(packed, form, path);
  form.allocated = coded.allocated();
  std::string frame(form.frame_bytes(), '\0');
  bool decoded = false;
  try {
    gdcm::Fragment fragment;
    fragment.SetByteValue(packed.data(), gdcm::VL(static_cast<std::uint32_t>(packed.size())));
    const gdcm::SmartPointer<gdcm::SequenceOfFragments> fragments = new gdcm::SequenceOfFragments;
    fragments->AddFragment(fragment);
    gdcm::DataElement element(gdcm::Tag(0x7fe0, 0x0010), 0, gdcm::VR::OB);
    element.SetValue(*fragments);
    gdcm::Image image;
    image.SetNumberOfDimensions(2);
    image.SetDimension(0, static_cast<unsigned>(form.columns));
    image.SetDimension(1, static_cast<unsigned>(form.rows));
    image.SetPixelFormat(gdcm::PixelFormat(
        static_cast<unsigned short>(form.samples), static_cast<unsigned short>(form.allocated),
        static_cast<unsigned short>(form.stored), static_cast<unsigned short>(form.high), form.is_signed ? 1 : 0));
    image.SetPlanarConfiguration(form.planar ? 1 : 0);
    image.SetPhotometricInterpretation(gdcm::PhotometricInterpretation::GetPIType(form.photometric.c_str()));
    image.SetTransferSyntax(gdcm::TransferSyntax::GetTSType(syntax.c_str()));
    image.SetDataElement(element);
    decoded = image.GetBufferLength() == frame.size() && image.GetBuffer(frame.data()) &&
              image.GetBufferLength() == frame.size() && image.GetPixelFormat().GetBitsAllocated() == form.allocated;
    form.planar = image.GetPlanarConfiguration() == 1;
    form.photometric = image.GetPhotometricInterpretation().GetString();  // with DICOM's padding
    form.photometric.erase(form.photometric.find_last_not_of(' ') + 1);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {
    decoded = false;
  }
  if (decoded) return frame;
  refuse_dicom(path, "compressed pixels that can be decoded", "damaged ones, or another compression than " + syntax,
               "use a whole copy of it");
}

}  // namespace ssam::inline SSAM_ABI::detail
