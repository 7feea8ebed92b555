#include <doctest/doctest.h>

#include <ssam/data/load_picture.hpp>

#include "files.hpp"
#include "volume_files.hpp"

using namespace ssam;
using test::contains;
using test::DicomFile;
using test::message_of;

namespace {

/// 30 pixels in 6 rows: 0, 137, 274, ... below 4001.
std::vector<double> stepped() {
  std::vector<double> values;
  for (int p = 0; p < 30; ++p) values.push_back(p * 137 % 4001);
  return values;
}

// The same picture, 12 bits, by GDCM's gdcmconv; pydicom 3.0 decodes each to it.
const std::string jpeg_lossless = test::from_hex(
    "ffd8ffc3000b100006000501011100ffc400160001010100000000000000000000000000080a10ffda0008010100010000c8944a251355a8"
    "944a251355a8944a251355a8944a251355a8944a251355a8944a2513ffd9");
const std::string jpeg_ls = test::from_hex(
    "ffd8fff7000b100006000501011100fff8000d01ffff0012004301140040ffda0008010100000000a88d11a1f44556a89510c3a892ad6198"
    "56114415630641102c3955900ff7f30c554fd7e3ed8500ffd900");
const std::string run_lengths = test::from_hex(
    "020000004000000064000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000ff00ff01000202020303ff04ff05ff060007ff08ff09000a020a0b0bff0cff0dff0e000f040089129b2404ad36bf48"
    "d1045ae36cf57e04079019a22b04b43dc64fd80461ea73fc85");
// 32 x 32 pixels, number divided by 8: JPEG 2000, lossless.
const std::string jpeg_2000 = test::from_hex(
    "ff4fff5100290000000000200000002000000000000000000000002000000020000000000000000000010f0101ff52000c00000001000404"
    "040001ff5c00104080888890888890888890888890ff64002a000143726561746564206279204744434d2f4f70656e4a5045472076657273"
    "696f6e20322e352e30ff90000a0000000000470001ff93dff8905007815759381d5d8b8b07c00010c003ea03000c0b3d8aa000f9c200037f"
    "dd51a0007c81803da6345b10dba0003e11809dac2940ff7fffd9");

Volume dicom_of(const DicomFile& file) {
  const test::Folder folder;
  return load_dicom(folder.write("f.dcm", file.bytes()));
}
std::string dicom_refusal(const std::string& bytes) {
  const test::Folder folder;
  folder.write("f.dcm", bytes);
  return message_of<FormatError>([&] { load_dicom(folder / "f.dcm"); });
}
std::vector<std::uint8_t> rgb_of(const DicomFile& file, const Intensity& intensity = {}) {
  const test::Folder folder;
  return load_dicom_picture(folder.write("f.dcm", file.bytes()), intensity).rgb;
}
std::vector<float> floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

DicomFile stepped_file(const std::string& syntax) {
  DicomFile file{.syntax = syntax};
  file.picture(6, 5, 12);
  return file;
}

}  // namespace

TEST_CASE("DICOM: explicit and implicit, both orders of bytes, with and without a preamble") {
  struct Form {
    const char* syntax;
    bool is_explicit, big;
  };
  for (const Form& form :
       {Form{"1.2.840.10008.1.2.1", true, false}, Form{"1.2.840.10008.1.2", false, false},
        Form{"1.2.840.10008.1.2.2", true, true}, Form{"", true, false}, Form{"", false, false}, Form{"", true, true}}) {
    CAPTURE(form.syntax);
    CAPTURE(form.is_explicit);
    CAPTURE(form.big);
    DicomFile file{.syntax = form.syntax, .is_explicit = form.is_explicit, .big = form.big};
    file.add(0x0008, 0x0060, "CS", "MR").add(0x0020, 0x0032, "DS", "1\\-2.5\\3e1");
    file.add(0x0020, 0x0037, "DS", "0\\1\\0\\0\\0\\-1");
    file.picture(2, 3, 16, true).add(0x0028, 0x0030, "DS", "0.5\\ 0.25");
    file.add(0x0028, 0x1052, "DS", "-1024").add(0x0028, 0x1053, "DS", "2.5 ");
    file.pixels(test::voxels<std::int16_t>({-5, 4, 32767, -32768, 0, 7}, form.big));
    const Volume volume = dicom_of(file);
    CHECK(volume.extents == std::array<Index, 3>{3, 2, 1});
    CHECK(volume.values == std::vector<float>{-1036.5, -1014, 80893.5, -82944, -1024, -1006.5});
    // Along a row: 0.25 mm to the back; down a column: 0.5 mm to the feet; the normal points to the right.
    const Affine expected{{{0, 0, 1, -1}, {-0.25, 0, 0, 2.5}, {0, -0.5, 0, 30}}};
    CHECK(volume.affine == expected);
    CHECK(volume.notes.empty());
  }
}

TEST_CASE("DICOM: bits that do not count are left out, those that do have their sign") {
  DicomFile file;
  file.picture(1, 4, 12, true).pixels(test::voxels<std::uint16_t>({0x0fff, 0xf7ff, 0x1800, 0xf000}));
  CHECK(dicom_of(file).values == std::vector<float>{-1, 2047, -2048, 0});
  DicomFile high;  // the upper 12 of 16
  high.add(0x0028, 0x0010, 1).add(0x0028, 0x0011, 3).add(0x0028, 0x0100, 16).add(0x0028, 0x0101, 12);
  high.add(0x0028, 0x0102, 15).add(0x0028, 0x0103, 0);
  high.pixels(test::voxels<std::uint16_t>({0xfff5, 0x0015, 0x8000}));
  CHECK(dicom_of(high).values == std::vector<float>{4095, 1, 2048});
  DicomFile bytes;
  bytes.picture(1, 3, 8).pixels("\x01\xff\x80");
  CHECK(dicom_of(bytes).values == std::vector<float>{1, 255, 128});
  CHECK(dicom_of(bytes).display->reason == "8 bits");
  DicomFile swapped{.syntax = "1.2.840.10008.1.2.2", .big = true};  // bytes in words of 16 bits
  swapped.picture(1, 4, 8).pixels("\x02\x01\x04\x03");
  CHECK(dicom_of(swapped).values == std::vector<float>{1, 2, 3, 4});
}

TEST_CASE("DICOM: what is to be shown: the file's window, MONOCHROME1") {
  const auto with = [](const std::string& center, const std::string& width, const std::string& function) {
    DicomFile file;
    file.picture(1, 3, 16, true, "MONOCHROME1");
    file.add(0x0028, 0x1050, "DS", center).add(0x0028, 0x1051, "DS", width).add(0x0028, 0x1056, "CS", function);
    return file.pixels(test::voxels<std::int16_t>({-160, 39, 240}));
  };
  // PS3.3, C.11.2.1.2.1: the ramp of centre 40 and width 400 runs from -160 to 239.
  Volume volume = dicom_of(with("40\\300", "400\\1500", "LINEAR"));
  CHECK(*volume.display == IntensityRange{-160, 239, "the file's window"});
  CHECK(volume.inverted);
  CHECK(rgb_of(with("40", "400", "")) == std::vector<std::uint8_t>{255, 255, 255, 128, 128, 128, 0, 0, 0});
  CHECK(rgb_of(with("40", "400", ""), parse_intensity("window:39,240"))[6] == 0);
  volume = dicom_of(with("40", "400", "LINEAR_EXACT"));
  CHECK(volume.display->high == 240);
  volume = dicom_of(with("40", "1", ""));  // a threshold: 39.5 and less are 0
  CHECK(map_intensity(39.5, *volume.display) == 0);
  CHECK(map_intensity(40, *volume.display) == 255);
  CHECK(!dicom_of(with("40", "0", "")).display);
  CHECK(contains(message_of<FormatError>([&] { dicom_of(with("wide", "400", "")); }), "1 number in (0028,1050)"));
}

TEST_CASE("DICOM: compressed pictures are those that were stored") {
  const std::vector<float> expected = floats(stepped());
  const std::vector<std::pair<std::string, std::string>> files{{"1.2.840.10008.1.2.4.70", jpeg_lossless},
                                                               {"1.2.840.10008.1.2.4.80", jpeg_ls},
                                                               {"1.2.840.10008.1.2.5", run_lengths}};
  for (const auto& file : files) {
    const std::string &syntax = file.first, &packed = file.second;
    CAPTURE(syntax);
    CHECK(dicom_of(stepped_file(syntax).fragments({packed})).values == expected);
    // One frame in two pieces, and two frames in one each.
    const std::string first = packed.substr(0, 40), second = packed.substr(40);
    CHECK(dicom_of(stepped_file(syntax).fragments({first, second})).values == expected);
    DicomFile two{.syntax = syntax};
    two.add(0x0028, 0x0008, "IS", "2").picture(6, 5, 12).fragments({packed, packed});
    const Volume both = dicom_of(two);
    REQUIRE(both.values.size() == 60);
    CHECK(std::equal(expected.begin(), expected.end(), both.values.begin() + 30));
    // What was cut off, or says another size, is refused and not filled up.
    const auto fragments_refused = [&](const std::string& bytes) {
      return dicom_refusal(stepped_file(syntax).fragments({bytes}).bytes());
    };
    CHECK(contains(fragments_refused(packed.substr(0, packed.size() - 6)), "use a whole copy of it"));
    CHECK(contains(fragments_refused("no picture at all"), "expected"));
    DicomFile other{.syntax = syntax};
    other.picture(60, 50, 12).fragments({packed});
    CHECK(contains(dicom_refusal(other.bytes()), "expected"));
    DicomFile huge{.syntax = syntax};
    huge.picture(65535, 65535, 12).fragments({packed});
    CHECK(contains(dicom_refusal(huge.bytes()), "compressed ones"));
    DicomFile more{.syntax = syntax};
    more.add(0x0028, 0x0008, "IS", "3").picture(6, 5, 12).fragments({packed, packed});
    CHECK(contains(dicom_refusal(more.bytes()), "not more than the file can hold (2), found 3"));
  }
  DicomFile file{.syntax = "1.2.840.10008.1.2.4.90"};
  file.picture(32, 32, 12).fragments({jpeg_2000});
  const Volume volume = dicom_of(file);
  for (std::size_t p = 0; p < 1024; ++p) CHECK(volume.values[p] == static_cast<float>(p / 8));
  CHECK(
      contains(dicom_refusal(stepped_file("1.2.840.10008.1.2.4.103").fragments({jpeg_lossless}).bytes()), "expected"));
}

TEST_CASE("DICOM: a deflated file is read, up to a bound on what it unpacks to") {
  const test::Folder folder;
  DicomFile plain, deflated{.syntax = "1.2.840.10008.1.2.1.99"};
  plain.picture(20, 50, 8).pixels(std::string(1000, '\7'));
  const std::string packed = to_gzip(plain.body);  // between a header of 10 bytes and 8 bytes of checks
  deflated.body = packed.substr(10, packed.size() - 18);
  const auto path = folder.write("f.dcm", deflated.bytes());
  CHECK(load_dicom(path).values == std::vector<float>(1000, 7));
  CHECK(detail::read_dicom_file(path, plain.body.size())->set.find(0x7fe00010)->value.size() == 1000);
  const std::string said = message_of<FormatError>([&] { detail::read_dicom_file(path, plain.body.size() - 1); });
  CHECK(contains(said, "unpack to more than they should"));
  CHECK(contains(said, "expected at most " + std::to_string(plain.body.size() - 1) + " bytes"));
}

TEST_CASE("DICOM: frames of several pieces by the table of offsets") {
  const std::string first = run_lengths.substr(0, 60), second = run_lengths.substr(60);
  DicomFile file{.syntax = "1.2.840.10008.1.2.5"};
  file.add(0x0028, 0x0008, "IS", "2").picture(6, 5, 12);
  const auto offset = static_cast<std::uint32_t>(16 + run_lengths.size());
  const std::string table = test::Writer().put(std::uint32_t{0}).put(offset).bytes;
  file.body +=
      file.element(0x7fe0, 0x0010, "OB", file.items({table, first, second, run_lengths}) + file.end_of_items(), true);
  const Volume volume = dicom_of(file);
  CHECK(volume.extents[2] == 2);
  CHECK(std::equal(volume.values.begin(), volume.values.begin() + 30, volume.values.begin() + 30));
}

TEST_CASE("DICOM: colours by pixel and by plane, palettes, YBR") {
  const std::vector<std::uint8_t> expected{1, 2, 3, 40, 50, 60};
  DicomFile pixel;
  pixel.picture(1, 2, 8, false, "RGB", 3).add(0x0028, 0x0006, 0).pixels("\x01\x02\x03\x28\x32\x3c");
  CHECK(rgb_of(pixel) == expected);
  DicomFile plane;
  plane.picture(1, 2, 8, false, "RGB", 3).add(0x0028, 0x0006, 1).pixels("\x01\x28\x02\x32\x03\x3c");
  CHECK(rgb_of(plane) == expected);
  CHECK(rgb_of(plane, parse_intensity("window:0,1")) == expected);  // colours are no values
  CHECK(contains(dicom_refusal(plane.bytes()), "expected grey values, found colours; open it as a picture"));
  DicomFile ybr;  // JPEG's own matrix: red is (76, 85, 255)
  ybr.picture(1, 2, 8, false, "YBR_FULL", 3).pixels(std::string("\x4c\x55\xff\x80\x80\x80", 6));
  CHECK(rgb_of(ybr) == std::vector<std::uint8_t>{254, 0, 0, 128, 128, 128});
  for (const bool wide : {false, true}) {
    DicomFile palette;
    palette.picture(1, 4, 8, false, "PALETTE COLOR");
    for (std::uint16_t c = 0; c < 3; ++c) {
      std::string words;
      for (const int word : {3, 10, wide ? 16 : 8}) words += test::Writer().put(static_cast<std::uint16_t>(word)).bytes;
      palette.add(0x0028, static_cast<std::uint16_t>(0x1101 + c), "US", words);
    }
    for (std::uint16_t c = 0; c < 3; ++c) {
      std::string entries;
      for (int e = 0; e < 3; ++e) {
        if (wide) entries += '\x7f';  // the lower byte
        entries += static_cast<char>(10 * c + e);
      }
      palette.add(0x0028, static_cast<std::uint16_t>(0x1201 + c), "OW", entries);
    }
    palette.pixels("\x0a\x0b\x0c\xff");  // the first mapped value is 10; above the last one: the last
    CHECK(rgb_of(palette) == std::vector<std::uint8_t>{0, 10, 20, 1, 11, 21, 2, 12, 22, 2, 12, 22});
  }
  DicomFile none;
  none.picture(1, 2, 8, false, "PALETTE COLOR").pixels("ab");
  const test::Folder folder;
  folder.write("f.dcm", none.bytes());
  CHECK(contains(message_of<FormatError>([&] { load_picture(folder / "f.dcm"); }), "a palette of"));
}

TEST_CASE("DICOM: what holds no picture, is damaged or is something else gives one clear error") {
  DicomFile structures;
  structures.add(0x0008, 0x0060, "CS", "RTSTRUCT");
  CHECK(contains(dicom_refusal(structures.bytes()), "without one (RTSTRUCT); give the pictures"));
  CHECK(contains(dicom_refusal("some text"), "a DICOM file, found other"));
  CHECK(contains(dicom_refusal(""), "a DICOM file, found other"));
  DicomFile good;
  good.picture(2, 3).pixels(test::voxels<std::uint16_t>({1, 2, 3, 4, 5, 6}));
  const std::string bytes = good.bytes();
  CHECK(dicom_refusal(bytes).empty());
  CHECK(dicom_refusal(bytes + std::string(100, '\0')).empty());  // padding behind the last element
  CHECK(contains(dicom_refusal(bytes.substr(0, bytes.size() - 1)), "a value of 12 bytes, found 11 bytes"));
  // Cut off anywhere: an error that is ours, never a picture.
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string said = dicom_refusal(bytes.substr(0, size));
    CHECK_MESSAGE((contains(said, "damaged DICOM file") || contains(said, "not a usable DICOM picture")), size);
  }
  const auto with = [](auto&& change) {
    DicomFile file;
    change(file);
    return dicom_refusal(file.bytes());
  };
  CHECK(contains(with([](DicomFile& f) { f.picture(2, 3).pixels("abcd"); }), "12 bytes of pixels, by its header"));
  CHECK(contains(with([](DicomFile& f) { f.add(0x0028, 0x0008, "IS", "1000000").picture(1, 1).pixels("ab"); }),
                 "not more than the file can hold"));
  CHECK(contains(with([](DicomFile& f) { f.add(0x0028, 0x0008, "IS", "1.5").picture(1, 1).pixels("ab"); }), "1 frame"));
  CHECK(contains(with([](DicomFile& f) { f.picture(1, 1).add(0x0028, 0x1053, "DS", "0").pixels("ab"); }), "slope"));
  CHECK(
      contains(with([](DicomFile& f) { f.picture(1, 1).add(0x0028, 0x0030, "DS", "0\\1").pixels("ab"); }), "above 0"));
  CHECK(contains(with([](DicomFile& f) { f.picture(1, 1).add(0x0028, 0x0030, "DS", "1").pixels("ab"); }),
                 "2 numbers in (0028,0030), found '1'"));
  CHECK(contains(with([](DicomFile& f) { f.picture(1, 1, 8, false, "CMYK", 4).pixels("abcd"); }), "one or three"));
  CHECK(contains(with([](DicomFile& f) { f.picture(1, 1, 8, false, "HSV", 3).pixels("abcd"); }), "found 'HSV'"));
  CHECK(contains(with([](DicomFile& f) { f.picture(1, 2, 0).pixels("ab"); }), "samples of 8, 16 or 32 bits"));
  CHECK(contains(with([](DicomFile& f) { f.add(0x0028, 0x0010, 1).add(0x0028, 0x0010, 1); }), "(0028,0010) twice"));
  CHECK(contains(with([](DicomFile& f) { f.body += std::string("\x28\0\x10\0zz\2\0\1\0", 10); }), "found 'zz'"));
  CHECK(contains(with([](DicomFile& f) {
                   f.picture(1, 1);
                   f.body += f.element(0x0028, 0x3000, "SQ", f.items({""}));
                   f.pixels("ab");
                 }),
                 "Modality LUT"));
  CHECK(contains(with([](DicomFile& f) {  // sequences within sequences, without an end
                   for (int depth = 0; depth < 1000; ++depth) {
                     f.body +=
                         f.element(0x0040, 0xa730, "SQ", "", true) + std::string("\xfe\xff\0\xe0\xff\xff\xff\xff", 8);
                   }
                 }),
                 "at most 32 sequences"));
  // 3 of 2 frames, by the length of the pixels.
  CHECK(
      contains(with([](DicomFile& f) { f.add(0x0028, 0x0008, "IS", "3").picture(2, 3).pixels(std::string(24, 'x')); }),
               "not more than the file can hold (2), found 3"));
  // Run lengths make at most 128 bytes of 2; what needs more is refused before there is memory for it.
  DicomFile runs{.syntax = "1.2.840.10008.1.2.5"};
  runs.picture(2000, 2000, 8)
      .fragments({test::Writer().put(std::uint32_t{1}).put(std::uint32_t{64}).bytes + std::string(992, '\0')});
  CHECK(contains(dicom_refusal(runs.bytes()), "4000000 bytes of pixels, by its header, found 1000 compressed ones"));
  const test::Folder folder;
  folder.write("f.dcm", bytes);
  CHECK(contains(message_of<ConfigError>([&] { load_dicom_picture(folder / "f.dcm", {}, 1); }), "no such frame"));
}
