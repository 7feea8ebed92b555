#include <doctest/doctest.h>

#include <ssam/data/load_picture.hpp>

#include "files.hpp"
#include "volume_files.hpp"

using namespace ssam;
using test::contains;
using test::DicomFile;
using test::message_of;

namespace {

/// A slice at `position` of 2 x 3 pixels, the first of which is `value`.
DicomFile slice_file(const std::string& position, int value, const std::string& series = "1.2.3") {
  DicomFile file;
  file.add(0x0008, 0x0060, "CS", "CT").add(0x0008, 0x103e, "LO", "abdomen").add(0x0018, 0x0050, "DS", "7");
  file.add(0x0020, 0x000e, "UI", series).add(0x0020, 0x0013, "IS", std::to_string(100 - value));
  if (!position.empty()) file.add(0x0020, 0x0032, "DS", position).add(0x0020, 0x0037, "DS", "1\\0\\0\\0\\1\\0");
  file.picture(2, 3).add(0x0028, 0x0030, "DS", "0.5\\0.75");
  const double first = value;
  return file.pixels(test::voxels<std::uint16_t>({first, 1, 2, 3, 4, 5}));
}

std::string series_refusal(const test::Folder& folder) {
  return message_of<FormatError>([&] { load_dicom(folder / ""); });
}

}  // namespace

TEST_CASE("a DICOM series is sorted by position, whatever its files are called") {
  const test::Folder folder;
  folder.write("a", slice_file("-10\\-20\\5", 2).bytes());
  folder.write("b.dcm", slice_file("-10\\-20\\2.5", 1).bytes());
  folder.write("c", slice_file("-10\\-20\\10", 4).bytes());
  folder.write("d", slice_file("-10\\-20\\7.5", 3).bytes());
  folder.write("readme.txt", std::string("no picture"));
  folder.write("rt", DicomFile().add(0x0008, 0x0060, "CS", "RTSTRUCT").bytes());
  const Volume volume = load_dicom(folder / "");
  CHECK(volume.extents == std::array<Index, 3>{3, 2, 4});
  for (Index k = 0; k < 4; ++k) CHECK(volume.values[volume.at(0, 0, k)] == static_cast<float>(k + 1));
  const Affine expected{{{-0.75, 0, 0, 10}, {0, -0.5, 0, 20}, {0, 0, 2.5, 2.5}}};  // not by the thickness
  CHECK(volume.affine == expected);
  REQUIRE(volume.notes.size() == 2);
  CHECK(volume.notes[0] == "1 of the folder's files are no DICOM files: passed over");
  CHECK(contains(volume.notes[1], "1 of the folder's files are DICOM files without a picture"));
  // As a picture: a slice of it, shown upright.
  CHECK(load_picture(folder / "", {.intensity = parse_intensity("window:0,255"), .slice = 2}).pixel(0, 0)[0] == 3);

  folder.write("e", slice_file("0\\0\\0", 9, "1.2.4").bytes());
  const std::string several = message_of<ConfigError>([&] { load_dicom(folder / ""); });
  CHECK(contains(several, "several DICOM series"));
  CHECK(contains(several, "1.2.3 (CT, 'abdomen', 4 files), 1.2.4 (CT, 'abdomen', 1 file)"));
  CHECK(load_volume(folder / "", {.series = "1.2.3"}).extents[2] == 4);
  CHECK(load_volume(folder / "", {.series = "1.2.4"}).values[0] == 9);
  CHECK(contains(message_of<ConfigError>([&] { load_dicom(folder / "", {.series = "1.2"}); }), "no such DICOM series"));
}

TEST_CASE("a DICOM series is no stack of even steps: refused") {
  const auto refused_with = [](const std::vector<DicomFile>& files) {
    const test::Folder folder;
    for (std::size_t f = 0; f < files.size(); ++f) folder.write("f" + std::to_string(f), files[f].bytes());
    return series_refusal(folder);
  };
  const DicomFile a = slice_file("0\\0\\0", 1), b = slice_file("0\\0\\2.5", 2), c = slice_file("0\\0\\5", 3);
  CHECK(refused_with({a, b, c, slice_file("0\\0\\7.6", 4)}).empty());  // rounded
  CHECK(contains(refused_with({a, b, c, slice_file("0\\0\\10", 4)}),
                 "found 5 mm to the one before it; a slice is missing"));
  CHECK(contains(refused_with({a, b, b, c}), "two slices in one place; keep one"));
  CHECK(contains(refused_with({a, b, slice_file("3\\0\\5", 3), slice_file("0\\0\\7.5", 4)}),
                 "slices on a straight line"));
  CHECK(contains(refused_with({a, slice_file("", 2)}), "slices of one direction"));
  DicomFile wide;
  wide.add(0x0020, 0x000e, "UI", "1.2.3").add(0x0020, 0x0032, "DS", "0\\0\\2.5");
  wide.add(0x0020, 0x0037, "DS", "1\\0\\0\\0\\1\\0").picture(3, 3).pixels(std::string(18, 'x'));
  CHECK(contains(refused_with({a, wide}), "slices of [2, 3] pixels, found [3, 3]"));
  DicomFile turned;
  turned.add(0x0020, 0x000e, "UI", "1.2.3").add(0x0020, 0x0032, "DS", "0\\0\\2.5");
  turned.add(0x0020, 0x0037, "DS", "1\\0\\0\\0\\0\\1").picture(2, 3).pixels(std::string(12, 'x'));
  CHECK(contains(refused_with({a, turned}), "take scouts and other planes out of the folder"));
  DicomFile skewed;
  skewed.add(0x0020, 0x0037, "DS", "1\\0\\0\\1\\1\\0").picture(1, 1).pixels("ab");
  CHECK(contains(refused_with({skewed}), "two directions at right angles"));
  CHECK(contains(refused_with({}), "no DICOM picture in this folder"));
  // A tilted gantry is a straight line: its affine leans.
  const test::Folder folder;
  folder.write("a", slice_file("0\\0\\0", 1).bytes());
  folder.write("b", slice_file("0\\1\\2.5", 2).bytes());
  folder.write("c", slice_file("0\\2\\5", 3).bytes());
  const Volume leaning = load_dicom(folder / "");
  CHECK(leaning.affine[1][2] == -1);
  CHECK(leaning.affine[2][2] == 2.5);
}

TEST_CASE("a series that says no positions is taken in the order of its numbers, and says so") {
  const test::Folder folder;
  folder.write("a", slice_file("", 7).bytes());  // number 93
  folder.write("b", slice_file("", 8).bytes());  // number 92
  const Volume volume = load_dicom(folder / "");
  CHECK(volume.values[0] == 8);
  CHECK(volume.spacing()[2] == 7);  // its thickness
  CHECK(contains(volume.notes.at(0), "in the order of their numbers"));
}

TEST_CASE("DICOM: whether the files say how long a voxel is") {
  const auto said = [](const std::string& spacing, const std::string& thickness, int frames) {
    DicomFile file;
    if (!thickness.empty()) file.add(0x0018, 0x0050, "DS", thickness);
    file.add(0x0028, 0x0008, "IS", std::to_string(frames)).picture(2, 1, 8);
    if (!spacing.empty()) file.add(0x0028, 0x0030, "DS", spacing);
    const test::Folder folder;
    return load_dicom(folder.write("f.dcm", file.pixels(std::string(4, 'x')).bytes())).millimetres;
  };
  CHECK(said("0.5\\0.5", "2", 2));
  CHECK_FALSE(said("0.5\\0.5", "", 2));
  CHECK_FALSE(said("", "2", 2));
  CHECK_FALSE(said("", "", 1));
  CHECK(said("0.5\\0.5", "", 1));  // one slice has no distance to the next
  const test::Folder folder;       // by positions
  folder.write("a", slice_file("0\\0\\0", 1).bytes());
  folder.write("b", slice_file("0\\0\\3", 2).bytes());
  CHECK(load_dicom(folder / "").millimetres);
}

TEST_CASE("a DICOM file of several frames: each with its own place and scale") {
  for (const bool endless : {false, true}) {
    for (const bool is_explicit : {true, false}) {
      DicomFile file{.syntax = is_explicit ? "1.2.840.10008.1.2.1" : "1.2.840.10008.1.2", .is_explicit = is_explicit};
      const auto sequence = [&](std::uint16_t group, std::uint16_t number, const std::vector<std::string>& contents) {
        const std::string items = file.items(contents, endless) + (endless ? file.end_of_items() : "");
        return file.element(group, number, "SQ", items, endless);
      };
      file.add(0x0028, 0x0008, "IS", "3").picture(1, 2);
      const std::string plane = file.element(0x0020, 0x0037, "DS", "1\\0\\0\\0\\1\\0");
      const std::string measures =
          file.element(0x0018, 0x0050, "DS", "2") + file.element(0x0028, 0x0030, "DS", "0.5\\0.7");
      file.body += sequence(0x5200, 0x9229, {sequence(0x0020, 0x9116, {plane}) + sequence(0x0028, 0x9110, {measures})});
      std::vector<std::string> frames;
      for (const char* z : {"9", "3", "6"}) {
        const std::string slope = std::to_string(frames.size() + 1);
        frames.push_back(
            sequence(0x0020, 0x9113, {file.element(0x0020, 0x0032, "DS", std::string("1\\2\\") + z)}) +
            sequence(0x0028, 0x9145,
                     {file.element(0x0028, 0x1052, "DS", "-10") + file.element(0x0028, 0x1053, "DS", slope)}));
      }
      file.body += sequence(0x5200, 0x9230, frames);
      file.pixels(test::voxels<std::uint16_t>({1, 2, 3, 4, 5, 6}));
      const test::Folder folder;
      folder.write("f.dcm", file.bytes());
      const Volume volume = load_dicom(folder / "f.dcm");
      // Frames 1, 2, 0 from the feet up, their values times 2, 3 and 1.
      CHECK(volume.values == std::vector<float>{-4, -2, 5, 8, -9, -8});
      const Affine expected{{{-0.7, 0, 0, -1}, {0, -0.5, 0, -2}, {0, 0, 3, 3}}};
      CHECK(volume.affine == expected);
      // As pictures: frames as they are stored.
      CHECK(contains(message_of<ConfigError>([&] { load_picture(folder / "f.dcm"); }), "holds 3 frames"));
      ImageNotes notes;
      const Image image =
          load_picture(folder / "f.dcm", {.intensity = parse_intensity("percentile:0,100"), .slice = 2}, &notes);
      CHECK(notes.range.low == 5);
      CHECK(notes.range.high == 8);
      CHECK(image.pixel(0, 1)[0] == 255);
      CHECK(load_picture(folder / "f.dcm", {.axis = "2", .slice = 1}, &notes).height == 1);
      CHECK(notes.range.high > 5);  // of the volume
    }
  }
  DicomFile plain;  // no places
  plain.add(0x0018, 0x0088, "DS", "-1.5").add(0x0028, 0x0008, "IS", "2").picture(1, 1, 8).pixels("ab");
  const test::Folder folder;
  const Volume volume = load_dicom(folder.write("f.dcm", plain.bytes()));
  CHECK(volume.values == std::vector<float>{'a', 'b'});
  CHECK(volume.spacing() == std::array<double, 3>{1, 1, 1.5});
  CHECK(volume.notes.size() == 2);
}
