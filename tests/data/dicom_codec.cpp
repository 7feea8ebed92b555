#include <doctest/doctest.h>

#include <ssam/data/load_picture.hpp>

#include "files.hpp"
#include "volume_files.hpp"

using namespace ssam;
using test::contains;
using test::DicomFile;
using test::message_of;

namespace {

// 3 x 4 pixels of 8 bits, 0, 11, 22, ... 121, without loss by OpenJPEG 2.5; as colour: that, 1 more, 2 more.
const std::string grey_j2k = test::from_hex(
    "ff4fff510029000000000004000000030000000000000000000000040000000300000000000000000001070101ff52000c000000"
    "01000004040001ff5c00044040ff90000a00000000001f0001ff93df807006af487fcac8aea1cfff31629e9fffd9");
const std::string color_j2k = test::from_hex(
    "ff4fff51002f000000000004000000030000000000000000000000040000000300000000000000000003070101070101070101ff"
    "52000c00000001000004040001ff5c00044040ff90000a0000000000400001ff93df807006af487fcac8aea1cfff31629e9fcfb4"
    "38082c70ce3ace6cd5c4fe3845a77fcfb434082c70ce3ace6c925d2d13c17fffd9");
// The same colours as baseline JPEG by libjpeg, quality 75.
const std::string color_jpeg = test::from_hex(
    "ffd8ffe000104a46494600010100000100010000ffdb004300080606070605080707070909080a0c140d0c0b0b0c1912130f141d"
    "1a1f1e1d1a1c1c20242e2720222c231c1c2837292c30313434341f27393d38323c2e333432ffdb0043010909090c0b0c180d0d18"
    "32211c21323232323232323232323232323232323232323232323232323232323232323232323232323232323232323232323232"
    "3232ffc00011080003000403011100021101031101ffc40014000100000000000000000000000000000005ffc4001b1000010403"
    "0000000000000000000000000500020304142491ffc40014010100000000000000000000000000000001ffc40014110100000000"
    "000000000000000000000000ffda000c03010002110311003f0002902178add28b890fffd9");

/// A picture of 3 x 4 pixels, compressed, whose header says these bits.
DicomFile coded_file(const std::string& syntax, const std::string& packed, std::uint16_t allocated,
                     std::uint16_t stored, std::uint16_t samples = 1) {
  DicomFile file{.syntax = syntax};
  file.add(0x0028, 0x0002, samples).add(0x0028, 0x0004, "CS", samples == 1 ? "MONOCHROME2" : "RGB");
  file.add(0x0028, 0x0010, 3).add(0x0028, 0x0011, 4).add(0x0028, 0x0100, allocated).add(0x0028, 0x0101, stored);
  file.add(0x0028, 0x0102, static_cast<std::uint16_t>(stored - 1)).add(0x0028, 0x0103, 0);
  return file.fragments({packed});
}

std::string coded_refusal(const DicomFile& file) {
  const test::Folder folder;
  folder.write("f.dcm", file.bytes());
  return message_of<FormatError>([&] { load_dicom_picture(folder / "f.dcm"); });
}

constexpr const char* j2k = "1.2.840.10008.1.2.4.90";
constexpr const char* baseline = "1.2.840.10008.1.2.4.50";

/// A JPEG 2000 stream whose byte `at` is another one.
std::string patched(std::string bytes, std::size_t at, int byte) {
  bytes[at] = static_cast<char>(byte);
  return bytes;
}

}  // namespace

TEST_CASE("DICOM: JPEG 2000 of 8 bits in samples of 16: a voxel is one pixel") {
  const test::Folder folder;
  for (const std::uint16_t allocated : {std::uint16_t{8}, std::uint16_t{16}, std::uint16_t{32}}) {
    CAPTURE(allocated);
    const Volume volume = load_dicom(folder.write("f.dcm", coded_file(j2k, grey_j2k, allocated, 8).bytes()));
    CHECK(volume.values == std::vector<float>{0, 11, 22, 33, 44, 55, 66, 77, 88, 99, 110, 121});
  }
  const Image image = load_dicom_picture(folder.write("c.dcm", coded_file(j2k, color_j2k, 16, 8, 3).bytes()));
  for (std::size_t p = 0; p < 12; ++p) {
    for (std::size_t c = 0; c < 3; ++c) CHECK(image.rgb[3 * p + c] == 11 * p + c);
  }
}

TEST_CASE("DICOM: a compressed picture of other samples than the header's is refused before it is decoded") {
  for (const auto& [syntax, packed] : {std::pair{j2k, color_j2k}, std::pair{baseline, color_jpeg}}) {
    CHECK(coded_refusal(coded_file(syntax, packed, 8, 8, 3)).empty());
    CHECK(contains(coded_refusal(coded_file(syntax, packed, 8, 8)), "1 of 8 bits"));
    CHECK(contains(coded_refusal(coded_file(syntax, packed, 8, 8)), "found 3 of 8 bits"));
  }
  CHECK(contains(coded_refusal(coded_file(j2k, grey_j2k, 8, 8, 3)), "found 1 of 8 bits"));
  // More bits than there is room for, and a header that counts bits which the stream has not.
  CHECK(contains(coded_refusal(coded_file(j2k, patched(grey_j2k, 42, 11), 8, 8)), "found 1 of 12 bits"));
  CHECK(contains(coded_refusal(coded_file(j2k, grey_j2k, 16, 12)), "found 1 of 8 bits"));
  // Components that are not alike: other bits, other steps.
  CHECK(contains(coded_refusal(coded_file(j2k, patched(color_j2k, 45, 11), 16, 8, 3)), "no picture"));
  CHECK(contains(coded_refusal(coded_file(j2k, patched(color_j2k, 46, 2), 8, 8, 3)), "no picture"));
  CHECK(contains(coded_refusal(coded_file(j2k, patched(color_j2k, 41, 200), 8, 8, 3)), "no picture"));
}

TEST_CASE("DICOM: a compressed picture of another kind than its syntax is refused") {
  CHECK_FALSE(coded_refusal(coded_file(baseline, color_j2k, 8, 8, 3)).empty());
  CHECK_FALSE(coded_refusal(coded_file(j2k, color_jpeg, 8, 8, 3)).empty());
}
