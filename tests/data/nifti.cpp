#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <ssam/data/load_volume.hpp>

#include "files.hpp"
#include "volume_files.hpp"

using namespace ssam;
using test::contains;
using test::Folder;
using test::message_of;
using test::NiftiFile;

namespace {

const std::vector<double> nifti_counts{0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                       12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};

Volume nifti_of(const NiftiFile& file, const NiftiOptions& options = {}, const std::string& name = "v.nii") {
  const Folder folder;
  return load_nifti(folder.write(name, file.bytes()), options);
}

template <class Failure = FormatError>
std::string nifti_refusal(const NiftiFile& file, const NiftiOptions& options = {}) {
  return message_of<Failure>([&] { nifti_of(file, options); });
}

template <class Stored>
void check_nifti_type(int datatype, double least, double most) {
  for (const bool big : {false, true}) {
    for (const int format : {1, 2}) {
      CAPTURE(datatype);
      CAPTURE(big);
      CAPTURE(format);
      const std::vector<double> values{least, most, 0, 1, 77, 3};
      const NiftiFile file{.version = format,
                           .big = big,
                           .dim = {3, 1, 2, 3},
                           .datatype = datatype,
                           .bitpix = 8 * int(sizeof(Stored)),
                           .data = test::voxels<Stored>(values, big)};
      const Volume volume = nifti_of(file);
      CHECK(volume.extents == std::array<Index, 3>{1, 2, 3});
      REQUIRE(volume.values.size() == 6);
      for (std::size_t i = 0; i < 6; ++i) CHECK(volume.values[i] == static_cast<float>(values[i]));
    }
  }
}

}  // namespace

TEST_CASE("NIfTI: every type of number, both versions, both orders of bytes") {
  check_nifti_type<std::uint8_t>(2, 0, 255);
  check_nifti_type<std::int8_t>(256, -128, 127);
  check_nifti_type<std::int16_t>(4, -32768, 32767);
  check_nifti_type<std::uint16_t>(512, 0, 65535);
  check_nifti_type<std::int32_t>(8, -2147483648.0, 2147483647.0);
  check_nifti_type<std::uint32_t>(768, 0, 4294967295.0);
  check_nifti_type<std::int64_t>(1024, -9.0e15, 9.0e15);
  check_nifti_type<std::uint64_t>(1280, 0, 1.8e19);
  check_nifti_type<float>(16, -1.5e30, 2.25);
  check_nifti_type<double>(64, -1.25, 1e300);  // beyond a float: infinity
}

TEST_CASE("NIfTI: voxels are scaled unless the slope is 0 or NaN; what is not finite stays") {
  NiftiFile file{.slope = -2.5, .inter = 100.25, .data = test::voxels<std::int16_t>(nifti_counts)};
  Volume volume = nifti_of(file);
  for (std::size_t i = 0; i < 24; ++i) CHECK(volume.values[i] == static_cast<float>(nifti_counts[i] * -2.5 + 100.25));
  CHECK(volume.at(1, 2, 3) == 23);
  CHECK(volume.at(1, 0, 0) == 1);  // i fastest
  for (const double none : {0.0, std::nan(""), HUGE_VAL}) {
    file.slope = none;
    CHECK(nifti_of(file).values[23] == 23);
  }
  file.slope = 1;
  file.inter = std::nan("");
  CHECK(contains(nifti_refusal(file), "a finite intercept"));
  const double inf = HUGE_VAL;
  const NiftiFile real{.dim = {2, 2, 2}, .datatype = 16, .data = test::voxels<float>({std::nan(""), inf, -inf, 4})};
  volume = nifti_of(real);
  CHECK(std::isnan(volume.values[0]));
  CHECK(volume.values[1] == std::numeric_limits<float>::infinity());
  CHECK(volume.extents == std::array<Index, 3>{2, 2, 1});
}

TEST_CASE("NIfTI: sform before qform, both in mm; neither is as in Analyze") {
  NiftiFile file{.pixdim = {-1, 1.5, 2.5, 3.5}, .data = test::voxels<std::int16_t>(nifti_counts)};
  file.quaternion = {0.1, -0.2, 0.3};
  file.qoffset = {-10, 20, -30.5};
  const auto check = [&](const Affine& expected) {
    const Volume volume = nifti_of(file);
    for (std::size_t r = 0; r < 3; ++r) {
      for (std::size_t i = 0; i < 4; ++i) CHECK(volume.affine[r][i] == doctest::Approx(expected[r][i]).epsilon(1e-6));
    }
  };
  // By nibabel 5.4, get_best_affine().
  check({{{-1.5, 0, 0, 0.75}, {0, 2.5, 0, -2.5}, {0, 0, 3.5, -5.25}}});
  CHECK(contains(nifti_of(file).notes.at(0), "how the patient lies"));
  file.qform_code = 1;
  const Affine turned{{{1.109999975, -1.491042826, 1.088306591, -10},
                       {0.774625692, 1.999999963, 1.069153324, 20},
                       {0.64641712, 0.163680913, -3.14999999, -30.5}}};
  check(turned);
  CHECK(nifti_of(file).notes.empty());
  file.pixdim = {-1, -1.5, 2.5, 3.5};  // a spacing has no sign
  check(turned);
  file.pixdim = {1, 1.5, 2.5, 3.5};
  check({{{1.109999975, -1.491042826, -1.088306591, -10},
          {0.774625692, 1.999999963, -1.069153324, 20},
          {0.64641712, 0.163680913, 3.14999999, -30.5}}});
  file.sform_code = 2;
  file.sform = {{{0, 0, -4, 1}, {2, 0, 0, 2}, {0, 3, 0.5, 3}}};
  check(file.sform);
  const auto spacing = nifti_of(file).spacing();
  CHECK(spacing[0] == 2);
  CHECK(spacing[2] == doctest::Approx(std::sqrt(16.25)));
  file.units = 3;
  CHECK(nifti_of(file).spacing()[0] == doctest::Approx(2e-3));  // micrometres
  file.units = 1;
  CHECK(nifti_of(file).spacing()[0] == doctest::Approx(2000));  // metres
  file.sform[1] = {0, 0, 0, 0};
  CHECK(contains(nifti_refusal(file), "an sform that is flat"));
  file.sform[1] = {std::nan(""), 0, 0, 0};
  CHECK(contains(nifti_refusal(file), "an sform that is not finite"));
}

TEST_CASE("NIfTI: a pair of files, by either name; gzip files; a fourth axis") {
  const Folder folder;
  NiftiFile file{.pair = true, .data = test::voxels<std::int16_t>(nifti_counts)};
  folder.write("a.hdr", file.bytes());
  CHECK(contains(message_of<FormatError>([&] { load_nifti(folder / "a.hdr"); }), "an .img beside this .hdr"));
  folder.write("a.img", file.data);
  CHECK(load_nifti(folder / "a.hdr").values[23] == 23);
  CHECK(load_nifti(folder / "a.img").values[22] == 22);
  file.pair = false;
  folder.write("b.nii.gz", to_gzip(file.bytes()));
  CHECK(load_nifti(folder / "b.nii.gz").values[23] == 23);
  folder.write("c.nii", to_gzip(file.bytes()));  // by its content
  CHECK(load_volume(folder / "c.nii").values[21] == 21);

  NiftiFile several{.dim = {4, 2, 3, 2, 2}, .data = test::voxels<std::int16_t>(nifti_counts)};
  CHECK(contains(nifti_refusal<ConfigError>(several), "holds 2 volumes (a fourth axis)"));
  CHECK(contains(nifti_refusal<ConfigError>(several, {.volume = 2}), "expected 0..1, found 2"));
  CHECK(nifti_of(several, {.volume = 1}).values.front() == 12);
  CHECK(nifti_of(several, {.volume = 0}).values.back() == 11);
  folder.write("d.nii.gz", to_gzip(several.bytes()));
  CHECK(load_volume(folder / "d.nii.gz", {.volume = 1}).values.front() == 12);
  NiftiFile vectors{.dim = {5, 2, 3, 2, 1, 2}, .data = test::voxels<std::int16_t>(nifti_counts)};
  CHECK(contains(nifti_refusal(vectors), "one number per voxel, found 2 along axis 5"));
  NiftiFile extended{.offset = 400, .data = std::string(48, 'x') + test::voxels<std::int16_t>(nifti_counts)};
  CHECK(nifti_of(extended).values[23] == 23);  // behind an extension
}

TEST_CASE("NIfTI: what is damaged or something else gives one clear error") {
  const NiftiFile good{.data = test::voxels<std::int16_t>(nifti_counts)};
  const Folder folder;
  const auto of = [&](const std::string& bytes, const std::string& name = "x.nii") {
    folder.write(name, bytes);
    return message_of<FormatError>([&] { load_nifti(folder / name); });
  };
  CHECK(contains(of(""), "begins with its size, 348 or 540"));
  CHECK(contains(of("hello"), "other content"));
  CHECK(contains(of(good.bytes().substr(0, 200)), "a header of 348 bytes, found a file of 200 bytes"));
  CHECK(contains(of(good.bytes().substr(0, 399)), "400 bytes, by its header, found 399 bytes"));
  CHECK(contains(of(to_gzip(good.bytes().substr(0, 399)), "x.nii.gz"), "found 399 bytes of packed content"));
  const std::string packed = to_gzip(good.bytes());
  CHECK(contains(of(packed.substr(0, packed.size() - 9), "x.nii.gz"), "damaged gzip file"));
  CHECK(contains(of(packed + "garbage", "x.nii.gz"), "damaged gzip file"));
  CHECK(contains(of(std::string("\x1f\x8b\x08garbage"), "x.nii.gz"), "damaged gzip file"));

  const auto with = [&](auto&& change) {
    NiftiFile file = good;
    change(file);
    return nifti_refusal(file);
  };
  CHECK(contains(with([](NiftiFile& f) { f.magic = std::string(4, '\0'); }), "Analyze 7.5"));
  CHECK(contains(with([](NiftiFile& f) { f.version = 2, f.magic = std::string("n+2\0\n\n\032\n", 8); }), "line ends"));
  CHECK(contains(with([](NiftiFile& f) { f.dim = {0, 1, 1, 1}; }), "1 to 7 axes, found 0"));
  CHECK(contains(with([](NiftiFile& f) { f.dim = {8, 1, 1, 1}; }), "1 to 7 axes, found 8"));
  CHECK(contains(with([](NiftiFile& f) { f.dim = {3, 2, 0, 4}; }), "along axis 2, found 0"));
  CHECK(contains(with([](NiftiFile& f) { f.dim = {3, 2, 3, -4}; }), "along axis 3, found -4"));
  CHECK(contains(with([](NiftiFile& f) { f.dim = {3, 30000, 30000, 30000}; }), "larger than any"));
  CHECK(contains(with([](NiftiFile& f) { f.dim = {3, 30000, 30000, 1}; }), "1800000352 bytes, by its header"));
  CHECK(contains(with([](NiftiFile& f) { f.datatype = 128; }), "found colours"));
  CHECK(contains(with([](NiftiFile& f) { f.datatype = 32; }), "found complex numbers"));
  CHECK(contains(with([](NiftiFile& f) { f.datatype = 7; }), "the unknown type 7"));
  for (const double offset : {348.0, 352.5, 1e30}) {
    CHECK(contains(with([&](NiftiFile& f) { f.offset = offset; }), "voxels behind the header"));
  }
  // A packed file cannot hold gigabytes in a hundred bytes: nothing is allocated for them.
  NiftiFile bomb = good;
  bomb.dim = {3, 2000, 2000, 2000};
  CHECK(contains(of(to_gzip(bomb.bytes()), "x.nii.gz"), "by its header"));
  CHECK(contains(message_of<IoError>([&] { load_nifti(folder / "none.nii"); }), "none.nii"));
}

TEST_CASE("NIfTI: whether the file says how long a voxel is") {
  struct Said {
    int units, sform_code, qform_code;
    double k_step;
    bool expected;
  };
  const double nan = std::nan("");
  for (const Said& said :
       {Said{2, 0, 0, 1.5, true}, Said{1, 0, 1, 1.5, true}, Said{3, 1, 0, 1.5, true}, Said{0, 1, 1, 1.5, true},
        Said{0, 0, 1, 1.5, true}, Said{0, 0, 0, 1.5, false}, Said{4, 1, 1, 1.5, false}, Said{10, 1, 1, 1.5, true},
        Said{8, 1, 1, 1.5, true}, Said{2, 0, 0, 0, false}, Said{2, 0, 1, 0, false}, Said{2, 0, 1, nan, false},
        Said{2, 0, 1, -2, true}, Said{2, 1, 1, 0, true}}) {
    CAPTURE(said.units);
    CAPTURE(said.k_step);
    NiftiFile file{.pixdim = {1, 1, 1, said.k_step}, .data = test::voxels<std::int16_t>(nifti_counts)};
    file.units = said.units;
    file.sform_code = said.sform_code;
    file.qform_code = said.qform_code;
    CHECK(nifti_of(file).millimetres == said.expected);
    CHECK(LabelVolume(nifti_of(file)).millimetres == said.expected);
    file.dim = {2, 6, 4};  // along an axis of one voxel there is nothing to say
    CHECK(nifti_of(file).millimetres == (said.expected || said.units == 2));
  }
  CHECK(VolumeGrid{.millimetres = false} != VolumeGrid{});
}

TEST_CASE("NIfTI: labels are written where the volume was, number by number") {
  const Folder folder;
  for (const int format : {1, 2}) {
    for (const std::string name : {"m.nii", "m.nii.gz"}) {
      NiftiFile file{.version = format,
                     .big = true,
                     .pixdim = {-1, 1.5, 2.5, 3.5},
                     .units = 10,
                     .qform_code = 1,
                     .sform_code = 4,
                     .data = test::voxels<std::int16_t>(nifti_counts, true)};
      file.quaternion = {0.1, -0.2, 0.3};
      file.qoffset = {-10, 20, -30.5};
      file.sform = {{{0, 0, -4, 1}, {2, 0, 0, 2}, {0, 3, 0.5, 3}}};
      const Volume volume = nifti_of(file);
      LabelVolume labels(volume);
      for (std::size_t i = 0; i < 24; ++i) labels.values[i] = static_cast<std::uint8_t>(10 * i);
      save_nifti(folder / name, labels);
      const Volume back = load_nifti(folder / name);
      CHECK(back.affine == volume.affine);
      REQUIRE(back.nifti);
      NiftiPlacement expected = *volume.nifti;
      expected.units = 2;  // of lengths; there is no time
      CHECK(*back.nifti == expected);
      CHECK(to_labels(back, "m").values == labels.values);
      CHECK(back.display->reason == "8 bits");
      // The header itself, at the places of the standard.
      std::string bytes = read_file(folder / name, 1 << 20);
      if (is_gzip(bytes)) bytes = gunzip(bytes, name, 1 << 20);
      CHECK(bytes.size() == (format == 1 ? 352 : 544) + 24);
      std::int32_t size = 0;
      std::memcpy(&size, bytes.data(), 4);
      CHECK(size == (format == 1 ? 348 : 540));
      CHECK(bytes.substr(format == 1 ? 344 : 4, 3) == (format == 1 ? "n+1" : "n+2"));
      std::int16_t type[2];
      std::memcpy(type, bytes.data() + (format == 1 ? 70 : 12), 4);
      CHECK(type[0] == 2);  // uint8
      CHECK(type[1] == 8);
    }
  }
}

TEST_CASE("NIfTI: a volume of another origin gets its affine as matrix and, without shear, as quaternion") {
  const Folder folder;
  VolumeGrid grid{.extents = {2, 1, 3}};
  const double c = std::cos(0.3), s = std::sin(0.3);
  grid.affine = {{{-2 * c, 3 * s, 0, 5}, {-2 * s, -3 * c, 0, 6}, {0, 0, 4, 7}}};
  save_nifti(folder / "a.nii", LabelVolume(grid));
  Volume back = load_nifti(folder / "a.nii");
  CHECK(back.nifti->sform_code == 1);
  CHECK(back.nifti->qform_code == 1);
  for (const int sform : {1, 0}) {  // by the matrix, by the quaternion
    back.nifti->sform_code = sform;
    const Affine affine = detail::nifti_affine(*back.nifti, back.extents);
    for (std::size_t r = 0; r < 3; ++r) {
      for (std::size_t i = 0; i < 4; ++i) CHECK(affine[r][i] == doctest::Approx(grid.affine[r][i]).epsilon(1e-6));
    }
  }
  grid.affine[0][2] = 1.5;  // a tilted gantry
  save_nifti(folder / "b.nii", LabelVolume(grid));
  CHECK(load_nifti(folder / "b.nii").nifti->qform_code == 0);
  CHECK(load_nifti(folder / "b.nii").affine[0][2] == doctest::Approx(1.5));
  // A volume that was moved after it was read does not keep its old place.
  Volume moved = load_nifti(folder / "a.nii");
  moved.affine[0][3] += 10;
  save_nifti(folder / "c.nii", LabelVolume(moved));
  CHECK(load_nifti(folder / "c.nii").affine[0][3] == doctest::Approx(15));
  grid.extents = {40000, 1, 1};  // more than NIfTI-1 can count
  save_nifti(folder / "d.nii.gz", LabelVolume(grid));
  CHECK(load_nifti(folder / "d.nii.gz").nifti->version == 2);
}

TEST_CASE("NIfTI: what cannot be written, and what is no mask") {
  const Folder folder;
  const LabelVolume labels(VolumeGrid{.extents = {1, 1, 1}});
  CHECK(contains(message_of<ConfigError>([&] { save_nifti(folder / "m.png", labels); }), "ends in .nii or .nii.gz"));
  CHECK(contains(message_of<ShapeError>([&] { save_nifti(folder / "m.nii", LabelVolume()); }), "at least 1"));
  CHECK(contains(message_of<IoError>([&] { save_nifti(folder / "none/m.nii", labels); }), "folder"));
  Volume volume{VolumeGrid{.extents = {1, 1, 1}}, {0}};
  for (const float wrong : {-1.0f, 256.0f, 0.5f, std::nanf("")}) {
    volume.values[0] = wrong;
    CHECK(contains(message_of<FormatError>([&] { to_labels(volume, "m.nii"); }), "[m.nii]: expected whole numbers"));
  }
  const auto said = [&](float value) {
    volume.values[0] = value;
    return message_of<FormatError>([&] { to_labels(volume, "m.nii"); });
  };
  CHECK(
      contains(said(0.5f), "holds no labels [m.nii]: expected whole numbers from 0 to 255, found 0.5; give the mask"));
  CHECK(contains(said(1024), "a label above 255 [m.nii]: expected whole numbers from 0 to 255, found 1024; number"));
}
