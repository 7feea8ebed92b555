#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <ssam/data/load_picture.hpp>

#include "files.hpp"
#include "volume_files.hpp"

using namespace ssam;
using test::contains;
using test::message_of;

namespace {

/// A volume of 2 x 3 x 4 voxels that say their own numbers: 100 i + 10 j + k.
Volume numbered_volume() {
  Volume volume;
  volume.extents = {2, 3, 4};
  volume.values.resize(24);
  for (Index i = 0; i < 2; ++i) {
    for (Index j = 0; j < 3; ++j) {
      for (Index k = 0; k < 4; ++k) volume.values[volume.at(i, j, k)] = static_cast<float>(100 * i + 10 * j + k);
    }
  }
  return volume;
}

/// The numbers of the voxels that a slice shows, row by row; put back, they must stand where they were.
std::vector<std::vector<int>> shown_voxels(const Volume& volume, const std::string& axis, Index slice) {
  const SlicePlane plane = slice_plane(volume, axis);
  LabelVolume labels(volume), back(volume);
  for (std::size_t v = 0; v < labels.values.size(); ++v) {  // at most 123
    labels.values[v] = static_cast<std::uint8_t>(volume.values[v]);
  }
  for (Index s = 0; s < slice_count(volume, plane); ++s) put_slice(back, plane, s, slice_mask(labels, plane, s));
  CHECK(back.values == labels.values);
  const Image image = slice_image(volume, plane, slice, {0, 255, "as they are"});
  const Mask mask = slice_mask(labels, plane, slice);
  std::vector<std::vector<int>> rows(static_cast<std::size_t>(image.height));
  for (Index y = 0; y < image.height; ++y) {
    for (Index x = 0; x < image.width; ++x) {
      rows[static_cast<std::size_t>(y)].push_back(image.pixel(y, x)[0]);
      CHECK(image.pixel(y, x)[2] == mask.at(y, x));
    }
  }
  return rows;
}

using Rows = std::vector<std::vector<int>>;

}  // namespace

TEST_CASE("slices by number are as the voxels are stored") {
  const Volume volume = numbered_volume();
  CHECK(shown_voxels(volume, "2", 3) == Rows{{3, 103}, {13, 113}, {23, 123}});
  CHECK(shown_voxels(volume, "1", 2) == Rows{{20, 120}, {21, 121}, {22, 122}, {23, 123}});
  CHECK(shown_voxels(volume, "0", 1) == Rows{{100, 110, 120}, {101, 111, 121}, {102, 112, 122}, {103, 113, 123}});
}

TEST_CASE("slices by the patient are turned as radiology looks at them") {
  Volume volume = numbered_volume();  // i to the right, j to the front, k up
  // Axial: the front at the top (j = 2 first), the patient's right at the left (i = 1 first).
  CHECK(shown_voxels(volume, "axial", 3) == Rows{{123, 23}, {113, 13}, {103, 3}});
  CHECK(shown_voxels(volume, "auto", 3) == shown_voxels(volume, "axial", 3));
  // Coronal: the head at the top, the right at the left.
  CHECK(shown_voxels(volume, "coronal", 2) == Rows{{123, 23}, {122, 22}, {121, 21}, {120, 20}});
  // Sagittal: the head at the top, the front at the left.
  CHECK(shown_voxels(volume, "sagittal", 1) ==
        Rows{{123, 113, 103}, {122, 112, 102}, {121, 111, 101}, {120, 110, 100}});
  volume.affine = {{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 1, 0}}};  // DICOM's own order is upright as it is stored
  CHECK(shown_voxels(volume, "axial", 3) == shown_voxels(volume, "2", 3));
}

TEST_CASE("oblique and exchanged axes: the closest ones, each once") {
  Volume volume = numbered_volume();
  // nibabel 5.4, aff2axcodes: i runs to P, j to S, k to R.
  volume.affine = {{{0.2, -0.1, 3.1, 0}, {-1.4, 0.3, 0.2, 0}, {0.1, 2.2, -0.3, 0}}};
  CHECK(slice_plane(volume, "axial") == SlicePlane{1, 2, 0, true, false});
  CHECK(slice_plane(volume, "coronal") == SlicePlane{0, 2, 1, true, true});
  CHECK(slice_plane(volume, "sagittal") == SlicePlane{2, 0, 1, false, true});
  CHECK(shown_voxels(volume, "axial", 1) == Rows{{13, 12, 11, 10}, {113, 112, 111, 110}});
  // Thick slices, 40 degrees between two axes: the length of a step does not count, its direction does.
  const double c = std::cos(0.7), s = std::sin(0.7);
  volume.affine = {{{1, 0, 0, 0}, {0, c, -9 * s, 0}, {0, s, 9 * c, 0}}};
  CHECK(slice_plane(volume, "axial").axis == 2);
  CHECK(slice_plane(volume, "coronal").axis == 1);
}

TEST_CASE("a volume one voxel thick is shown as it is stored; what is not there is refused") {
  Volume volume = numbered_volume();
  CHECK(contains(message_of<ConfigError>([&] { slice_plane(volume, "axal"); }), "did you mean 'axial'?"));
  CHECK(contains(message_of<ConfigError>([&] { slice_plane(volume, "3"); }), "unknown axis"));
  const SlicePlane plane = slice_plane(volume, "2");
  LabelVolume labels(volume);
  for (const Index slice : {Index{-1}, Index{4}}) {
    CHECK(contains(message_of<ConfigError>([&] { slice_image(volume, plane, slice, {}); }), "expected 0..3"));
    CHECK(contains(message_of<ConfigError>([&] { put_slice(labels, plane, slice, Mask(3, 2)); }), "expected 0..3"));
  }
  CHECK(contains(message_of<ShapeError>([&] { put_slice(labels, plane, 0, Mask(2, 3)); }),
                 "expected [3, 2], found [2, 3]"));
  volume.extents = {4, 6, 1};
  CHECK(slice_plane(volume, "auto") == slice_plane(volume, "2"));
  volume.extents = {4, 1, 6};
  CHECK(slice_plane(volume, "auto") == slice_plane(volume, "1"));
}

TEST_CASE("real values: percentiles are NumPy's, of what is finite; NaN is black") {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  const std::vector<float> values{7, nan, -1000, 0.25f, inf, -3.5f, 1e6f, -inf, 0};
  // numpy.percentile of the six finite ones: [-501.75, 0.125, 975000.175]
  const auto range = [&](const std::string& text) {
    return intensity_range(std::span<const float>(values), parse_intensity(text));
  };
  CHECK(range("percentile:10,50").low == doctest::Approx(-501.75));
  CHECK(range("percentile:10,50").high == doctest::Approx(0.125));
  CHECK(range("auto").high == doctest::Approx(975000.175));
  CHECK(range("auto").reason == "percentiles 0.5 and 99.5");
  CHECK(range("percentile:0,100").low == -1000);
  CHECK(range("percentile:0,100").high == 1e6);
  CHECK(range("window:-5,5").low == -5);
  CHECK(range("level:40,400") == IntensityRange{-160, 240, "window"});
  CHECK(range("abdomen") == range("level:40,400"));
  for (const char* wrong : {"level:40", "level:40,0", "level:40,-1", "level:40,400,3", "level:x,400"}) {
    CHECK_THROWS_AS(parse_intensity(wrong), ConfigError);
  }
  CHECK(to_string(parse_intensity("level:40,400")) == "window:-160,240");
  Volume volume;
  volume.extents = {9, 1, 1};
  volume.values = values;
  const Image image = slice_image(volume, slice_plane(volume, "2"), 0, {-1000, 7, "chosen"});
  std::vector<int> greys;
  for (Index x = 0; x < 9; ++x) greys.push_back(image.pixel(0, x)[1]);
  CHECK(greys == std::vector<int>{255, 0, 0, 253, 255, 252, 255, 0, 253});
  volume.inverted = true;
  CHECK(slice_image(volume, slice_plane(volume, "2"), 0, {-1000, 7, "chosen"}).pixel(0, 0)[1] == 0);
  volume.values.assign(9, nan);
  CHECK(intensity_range(volume, {}).reason == "no value is finite");
  CHECK(slice_image(volume, slice_plane(volume, "2"), 0, intensity_range(volume, {})).pixel(0, 0)[1] == 255);
  volume.values.assign(9, -0.0f);
  volume.values[0] = 0.0f;
  CHECK(intensity_range(volume, {}).high == 0);
}

TEST_CASE("the range of many values, between neighbours of either sign") {
  std::vector<float> values;
  for (int i = 0; i < 1001; ++i) values.push_back(std::ldexp(static_cast<float>((i * 617) % 1001 - 500), -7));
  for (const double percent : {0.0, 0.5, 12.34, 49.95, 50.0, 99.5, 100.0}) {
    std::vector<double> sorted(values.begin(), values.end());
    std::sort(sorted.begin(), sorted.end());
    const double place = percent * 10;
    const auto below = static_cast<std::size_t>(place), above = std::min<std::size_t>(below + 1, 1000);
    const double expected = sorted[below] + (place - double(below)) * (sorted[above] - sorted[below]);
    CHECK(detail::percentile(values, 1001, percent) == doctest::Approx(expected));
  }
}

TEST_CASE("a file's kind is its content's, else its name's") {
  const test::Folder folder;
  const test::NiftiFile nifti{.data = test::voxels<std::int16_t>(std::vector<double>(24, 5))};
  CHECK(file_kind(folder.write("a.png", nifti.bytes())) == FileKind::nifti);
  CHECK(file_kind(folder.write("b", test::NiftiFile{.version = 2, .big = true}.bytes())) == FileKind::nifti);
  CHECK(file_kind(folder.write("c.NII.GZ", std::string("?"))) == FileKind::nifti);
  CHECK(file_kind(folder.write("d", test::DicomFile().bytes())) == FileKind::dicom);
  CHECK(file_kind(folder.write("e.DCM", std::string())) == FileKind::dicom);
  CHECK(file_kind(folder / "") == FileKind::dicom);
  CHECK(file_kind(folder.write("f.png", test::Png().bytes())) == FileKind::picture);
  CHECK(file_kind(folder.write("g", std::string())) == FileKind::picture);
  CHECK(contains(message_of<IoError>([&] { file_kind(folder / "none"); }), "none"));
  CHECK(contains(message_of<FormatError>([&] { load_volume(folder / "f.png"); }), "this file holds no volume"));
}

TEST_CASE("a picture is taken out of any file") {
  const test::Folder folder;
  std::vector<double> values;
  for (int v = 0; v < 24; ++v) values.push_back(v);
  folder.write("v.nii", test::NiftiFile{.data = test::voxels<std::int16_t>(values)}.bytes());
  folder.write("p.png", test::Png().bytes());
  CHECK(load_picture(folder / "p.png") == load_image(folder / "p.png"));
  CHECK(contains(message_of<ConfigError>([&] { load_picture(folder / "v.nii"); }),
                 "expected the number of a slice, 0..3"));
  CHECK(contains(message_of<ConfigError>([&] { load_picture(folder / "v.nii", {.slice = 4}); }), "no such slice"));
  ImageNotes notes;
  const Image image =
      load_picture(folder / "v.nii", {.intensity = parse_intensity("window:0,255"), .axis = "1", .slice = 2}, &notes);
  CHECK(image.height == 4);
  CHECK(image.width == 2);
  CHECK(image.pixel(3, 1)[0] == 23);  // (1, 2, 3)
  CHECK(image.pixel(0, 0)[0] == 4);   // (0, 2, 0)
  CHECK(notes.range.reason == "window");
  // One range for all slices: the whole volume's.
  load_picture(folder / "v.nii", {.axis = "2", .slice = 0}, &notes);
  CHECK(notes.range.high == doctest::Approx(23 * 0.995));
  folder.write("flat.nii", test::NiftiFile{.dim = {2, 4, 6}, .data = test::voxels<std::int16_t>(values)}.bytes());
  CHECK(load_picture(folder / "flat.nii").height == 6);
}
