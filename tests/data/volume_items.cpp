// Slices of volumes as items of a data set. NIfTI is written by save_nifti, which has tests of its own.

#include <doctest/doctest.h>

#if defined(SSAM_WITH_NIFTI)

#include <ssam/data/check_manifest.hpp>
#include <ssam/data/dataset.hpp>
#include <ssam/data/export_pictures.hpp>
#include <ssam/data/nifti.hpp>
#include <ssam/data/open_data_set.hpp>
#include <ssam/data/preview.hpp>
#include <ssam/data/save_manifest.hpp>

#include "files.hpp"

using namespace ssam;
using test::Folder;

namespace {

constexpr Index wide = 7, high = 5;  // voxels along i (to the right) and j (to the front)

/// A volume of `deep` slices, value(i, j, k), with voxels of 1.5 x 2 x 3 mm.
template <class Value>
LabelVolume volume(Index deep, const Value& value) {
  VolumeGrid grid;
  grid.extents = {wide, high, deep};
  grid.affine = {{{1.5, 0, 0, 10}, {0, 2, 0, 20}, {0, 0, 3, 30}}};
  LabelVolume labels(grid);
  for (Index k = 0; k < deep; ++k) {
    for (Index j = 0; j < high; ++j) {
      for (Index i = 0; i < wide; ++i) labels.values[grid.at(i, j, k)] = static_cast<std::uint8_t>(value(i, j, k));
    }
  }
  return labels;
}

int grey(Index i, Index j, Index k) { return static_cast<int>(20 * i + 3 * j + 7 * k); }
int label(Index i, Index j, Index k) { return i == 2 && j > k ? 1 : i == 4 && j == 1 ? 2 : 0; }

/// As LiTS lies on a disk: volume 0 of 3 slices trains, volume 9 of 2 slices validates.
void write_lits(const Folder& folder) {
  save_nifti(folder / "volume-0.nii.gz", volume(3, grey));
  save_nifti(folder / "segmentation-0.nii.gz", volume(3, label));
  save_nifti(folder / "volume-9.nii", volume(2, grey));
  save_nifti(folder / "segmentation-9.nii", volume(2, label));
}

/// Radiology's axial picture: the patient's right at the left, the front at the top. Voxel of pixel (y, x).
Index i_of(Index x) { return wide - 1 - x; }
Index j_of(Index y) { return high - 1 - y; }

std::string message(const std::string& text, const Folder& folder) {
  return test::message_of<Error>([&] { load_manifest(folder.write("m.json", text)); });
}

}  // namespace

TEST_CASE("layout lits: volumes, each slice a picture with its masks and its spacing") {
  const Folder folder;
  write_lits(folder);
  const Manifest manifest = open_data_set("lits:" + (folder / "").string());
  REQUIRE(manifest.items.size() == 5);
  CHECK(manifest.items[0].group == "volume 0");
  CHECK(manifest.items[3].split == Split::val);
  CHECK(manifest.items[4].slice == 1);
  const ManifestReport report = inspect_manifest(manifest, {.training = false});
  CHECK(report.problems.empty());
  CHECK(report.present[0] == std::array<Index, 3>{3, 2, 0});
  CHECK(report.sizes.at({high, wide}) == 5);

  for (const std::size_t room : {std::size_t{0}, std::size_t{1} << 20}) {
    const Dataset data(manifest, Split::train, 16, {}, room);
    REQUIRE(data.items() == 3);
    for (const Index k : {2, 0, 1}) {
      const LabelMasks masks = data.original_masks(k);
      const Image image = data.original_image(k);
      CHECK(masks.size() == ImageSize{high, wide});
      for (Index y = 0; y < high; ++y) {
        for (Index x = 0; x < wide; ++x) {
          const int expected = label(i_of(x), j_of(y), k);
          CHECK(masks.binary(0).at(y, x) == (expected == 1 ? 1 : 0));
          CHECK(masks.binary(1).at(y, x) == (expected == 2 ? 1 : 0));
          CHECK(int{image.pixel(y, x)[1]} == grey(i_of(x), j_of(y), k));
        }
      }
      CHECK(data.pixel_spacing(k) == PixelSpacing{2, 1.5});
      CHECK(test::contains(data.item_name(k), "volume-0.nii.gz, slice " + std::to_string(k) + " axial"));
    }
  }
  CHECK(preview_sheet(manifest, 5).width > 0);
}

TEST_CASE("slices in a manifest: written, read, and what is wrong with them") {
  const Folder folder;
  write_lits(folder);
  Manifest manifest = open_data_set("lits:" + (folder / "").string());
  manifest.items[1].axis = "coronal";
  manifest.items[2].axis = "auto";
  save_manifest(folder / "all.json", manifest);
  const Manifest again = load_manifest(folder / "all.json");
  REQUIRE(again.items.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(again.items[i].slice == manifest.items[i].slice);
    CHECK(again.items[i].axis == manifest.items[i].axis);
  }
  const Dataset data(again, Split::train, 16, {});
  CHECK(data.original_size(1) == ImageSize{3, wide});
  CHECK(data.pixel_spacing(1) == PixelSpacing{3, 1.5});
  CHECK(data_fingerprint(data) !=
        data_fingerprint(Dataset(open_data_set("lits:" + (folder / "").string()), Split::train, 16, {})));

  const std::string start =
      R"({"labels": ["A"], "values": {"A": 1}, "items": [{"image": "volume-9.nii", "split": "train",
                               "mask": "segmentation-9.nii")";
  CHECK(message(start + R"(, "slice": 1}]})", folder).empty());
  CHECK(test::contains(message(start + R"(, "slice": -1}]})", folder), "the number of a slice was expected"));
  CHECK(test::contains(message(start + R"(, "slice": "1"}]})", folder), "items[0], slice"));
  CHECK(test::contains(message(start + R"(, "axis": "axial"}]})", folder), "give the number of the slice"));
  CHECK(test::contains(message(start + R"(, "slice": 1, "axis": "axal"}]})", folder), "did you mean 'axial'"));

  const auto problem = [&](const std::string& rest) {
    const ManifestReport report = inspect_manifest(load_manifest(folder.write("m.json", start + rest)), {});
    return report.problems.empty() ? std::string() : report.problems[0];
  };
  CHECK(test::contains(problem(R"(, "slice": 2}]})"), "the volume has no such slice: expected 0..1, found 2"));
  CHECK(test::contains(problem("}]}"), "this is a volume, not a picture"));
  CHECK(test::contains(problem(R"(, "slice": 0}]})"), "value 2"));  // in no table

  // Labels that do not lie on the image's voxels: of other extents, turned, shifted; rounding does not count.
  save_nifti(folder / "segmentation-9.nii", volume(3, label));
  CHECK(test::contains(problem(R"(, "slice": 0}]})"), "expected 7 x 5 x 2 voxels as "));
  LabelVolume moved = volume(2, [](Index i, Index, Index) { return i > 3 ? 1 : 0; });
  moved.affine[0][3] += 1e-4;
  save_nifti(folder / "segmentation-9.nii", moved);
  CHECK(problem(R"(, "slice": 0}]})").empty());
  moved.affine[2] = {0, 0, -3, 33};  // the slices in the other order
  save_nifti(folder / "segmentation-9.nii", moved);
  CHECK(test::contains(problem(R"(, "slice": 0}]})"), "does not lie where its image lies"));
  moved.affine = {{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};  // lost
  save_nifti(folder / "segmentation-9.nii", moved);
  CHECK(test::contains(problem(R"(, "slice": 0}]})"), "mm beside it"));
}

TEST_CASE("slices become pictures and masks as PNG, in a manifest that says the same") {
  const Folder folder;
  write_lits(folder);
  const Manifest manifest = open_data_set("lits:" + (folder / "").string());
  const Manifest pictures = export_pictures(manifest, folder / "png");
  save_manifest(folder / "png.json", pictures);
  const Manifest read = load_manifest(folder / "png.json");
  CHECK(read.items[2].image.filename() == "volume-0_axial_0002.png");
  CHECK_FALSE(read.items[2].slice);
  for (const Split split : {Split::train, Split::val}) {
    const Dataset volumes(manifest, split, 16, {}), files(read, split, 16, {});
    REQUIRE(files.items() == volumes.items());
    for (Index item = 0; item < files.items(); ++item) {
      CHECK(files.original_image(item) == volumes.original_image(item));
      for (Index k = 0; k < 2; ++k) {
        CHECK(files.original_masks(item).binary(k) == volumes.original_masks(item).binary(k));
      }
      CHECK(files.item_group(item) == volumes.item_group(item));
    }
  }
  Manifest none = pictures;
  CHECK(test::contains(test::message_of<ConfigError>([&] { export_pictures(none, folder / "none"); }), "no slices"));
  // Volumes of one name in two folders.
  std::filesystem::create_directories(folder / "other");
  std::filesystem::copy_file(folder / "volume-9.nii", folder / "other/volume-9.nii");
  Manifest two = manifest;
  two.items.push_back(two.items[4]);
  two.items[5].image = folder / "other/volume-9.nii";
  const Manifest apart = export_pictures(two, folder / "apart");
  CHECK(apart.items[5].image.filename() == "other_volume-9_axial_0001.png");
  CHECK(std::filesystem::exists(apart.items[4].image));
  Manifest twice = manifest;
  twice.items.push_back(twice.items[0]);
  CHECK(test::contains(test::message_of<ConfigError>([&] { export_pictures(twice, folder / "twice"); }),
                       "two slices would be written to one file"));
}

TEST_CASE("volumes of one label each, and a volume without its segmentation") {
  const Folder folder;
  write_lits(folder);
  const auto items = [&](const char* rest) {
    return load_manifest(folder.write(
        "m.json", std::string(R"({"labels": ["A"], "items": [{"image": "volume-0.nii.gz", "split": "train", "slice": 1,
                     "masks": {"A": "segmentation-0.nii.gz"}}])") +
                      rest + "}"));
  };
  CHECK(test::contains(test::message_of<ConfigError>([&] { check_manifest(items("")); }), "two values, 0 and another"));
  const Manifest instances = items(R"(, "instances": true)");
  CHECK(check_manifest(instances).present[0][0] == 1);
  const LabelVolume apart = volume(3, [](Index i, Index, Index k) { return i == 0 && k != 1 ? k + 1 : 0; });
  save_nifti(folder / "segmentation-0.nii.gz", apart);  // each slice has one value, the volume two
  CHECK(test::contains(test::message_of<ConfigError>([&] { check_manifest(items("")); }), "found 1 and 3"));
  std::filesystem::remove(folder / "segmentation-0.nii.gz");
  CHECK(test::contains(test::message_of<IoError>([&] { open_data_set("lits:" + (folder / "").string()); }),
                       "1 volumes have no"));
}

#endif
