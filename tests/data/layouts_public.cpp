// The layouts of published data sets, each on a small tree drawn here.

#include <doctest/doctest.h>

#include "trees.hpp"

using namespace ssam;
using test::contains;
using test::item_of;
using test::mask_of;
using test::refusal;
using test::Tree;

TEST_CASE("layout cholecseg8k: grey values, the published split, groups are videos") {
  const Tree tree;
  const auto frame = [&](const std::string& video, const std::string& number, Index row, std::uint8_t value) {
    const std::string stem = video + "/" + video + "_" + number + "/frame_" + number + "_endo";
    tree.image(stem + ".png");
    tree.mask(stem + "_watershed_mask.png", row, value, 50);
    tree.image(stem + "_color_mask.png");
    tree.image(stem + "_mask.png");
  };
  frame("video01", "00080", 1, 21);
  frame("video12", "15750", 2, 31);
  frame("video17", "01563", 3, 5);
  frame("video27", "00000", 0, 23);
  frame("video52", "02746", 0, 13);
  const Manifest manifest = open_data_set(tree.spec("cholecseg8k"));
  CHECK(split_counts(manifest) == "1 train, 2 val, 2 test");
  CHECK(manifest.labels.size() == 12);
  CHECK(item_of(manifest, "frame_15750_endo.png").split == Split::val);
  CHECK(item_of(manifest, "frame_01563_endo.png").split == Split::test);
  CHECK(item_of(manifest, "frame_02746_endo.png").group == "video52");
  CHECK(mask_of(manifest, "frame_00080_endo.png", "Liver") == Tree::row(1));
  CHECK(mask_of(manifest, "frame_15750_endo.png", "Grasper") == Tree::row(2));
  CHECK(mask_of(manifest, "frame_01563_endo.png", "Liver Ligament") == Tree::row(3));
  CHECK(mask_of(manifest, "frame_00000_endo.png", "Connective Tissue") == Tree::row(0));
  CHECK(mask_of(manifest, "frame_02746_endo.png", "Gastrointestinal Tract") == Tree::row(0));
  CHECK(mask_of(manifest, "frame_02746_endo.png", "Liver") == Mask(5, 7));
  CHECK(check_manifest(manifest).items == std::array<Index, 3>{1, 2, 2});

  tree.mask("video01/video01_00080/frame_81_endo_watershed_mask.png", 0, 21);
  CHECK(contains(refusal(tree.spec("cholecseg8k")), "1 masks have no image"));
  tree.image("video01/video01_00080/frame_81_endo.png");
  tree.image("video01/video01_00080/frame_82_endo.png");
  CHECK(contains(refusal(tree.spec("cholecseg8k")), "found video01/video01_00080/frame_82_endo"));
  std::filesystem::remove(tree / "video01/video01_00080/frame_82_endo.png");
  tree.mask("video01/video01_00080/frame_81_endo_watershed_mask.png", 0, 99);
  CHECK(contains(refusal(tree.spec("cholecseg8k")), "pixels of value 99"));
  tree.image("elsewhere/frame_1_endo.png");
  tree.mask("elsewhere/frame_1_endo_watershed_mask.png", 0, 21);
  CHECK(contains(refusal(tree.spec("cholecseg8k")), "1 frames stand in no video's folder"));
}

TEST_CASE("layout ultrasound: colours, simulated and real frames") {
  const Tree tree;
  const auto frame = [&](const std::string& part, const std::string& name, const Color& color) {
    tree.image(part + "/images/" + name + ".png");
    tree.colored(part + "/annotations/" + name + ".png", 2, color);
  };
  frame("AUS", "train/ct1_3", {100, 0, 100});
  frame("AUS", "train/ct12_1", {255, 255, 0});
  frame("AUS", "train/ct13_1", {0, 0, 255});
  frame("AUS", "test/ct1_9", {255, 0, 0});
  frame("RUS", "a25", {0, 255, 255});
  frame("RUS", "g7", {0, 255, 0});
  frame("RUS", "h15", {255, 255, 255});
  frame("RUS", "h3", {253, 6, 250});  // a colour that a filter has changed
  const Manifest manifest = open_data_set(tree.spec("ultrasound"));
  CHECK(split_counts(manifest) == "3 train, 2 val, 3 test");
  CHECK(item_of(manifest, "ct12_1.png").split == Split::train);
  CHECK(item_of(manifest, "ct13_1.png").split == Split::val);
  CHECK(item_of(manifest, "ct13_1.png").group == "ct13");
  CHECK(item_of(manifest, "ct1_9.png").split == Split::test);
  CHECK(item_of(manifest, "a25.png").split == Split::train);
  CHECK(item_of(manifest, "g7.png").split == Split::val);
  CHECK(item_of(manifest, "h15.png").split == Split::test);
  CHECK(item_of(manifest, "h15.png").group == item_of(manifest, "h3.png").group);
  const std::vector<std::pair<std::string, std::string>> wanted{
      {"ct1_3.png", "Liver"},  {"ct12_1.png", "Kidney"},   {"ct13_1.png", "Pancreas"}, {"ct1_9.png", "Vessels"},
      {"a25.png", "Adrenals"}, {"g7.png", "Gall Bladder"}, {"h15.png", "Bones"},       {"h3.png", "Spleen"}};
  for (const auto& [image, label] : wanted) {
    CAPTURE(image);
    for (const std::string& other : manifest.labels) {
      CHECK(mask_of(manifest, image, other) == Tree::row(other == label ? 2 : -1));
    }
  }
  CHECK(split_counts(open_data_set(tree.spec("ultrasound", "RUS"))) == "1 train, 1 val, 2 test");
  tree.image("RUS/images/b1.jpg.png");
  CHECK(contains(refusal(tree.spec("ultrasound")), "1 images have no mask"));
}

TEST_CASE("layout glas: gland numbers, PNG or BMP") {
  const Tree tree;
  for (const char* name : {"train_1", "train_5", "testA_1", "testB_2"}) {
    tree.image(std::string(name) + ".png");
    tree.mask(std::string(name) + "_anno.png", 1, 7);
  }
  cv::imwrite((tree / "train_2.bmp").string(), cv::Mat(5, 7, CV_8UC3, cv::Scalar(1, 2, 3)));
  Mask two = Tree::row(3, 2);
  two.at(0, 0) = 1;
  cv::imwrite((tree / "train_2_anno.bmp").string(), ssam::detail::as_mat(two));
  tree.text("Grade.csv", "name, grade");
  const Manifest manifest = open_data_set(tree.spec("glas"));
  CHECK(manifest.labels == std::vector<std::string>{"Glands"});
  CHECK(split_counts(manifest) == "2 train, 1 val, 2 test");
  CHECK(manifest.notes.size() == 1);
  CHECK(item_of(manifest, "train_5.png").split == Split::val);
  CHECK(mask_of(manifest, "testA_1.png", "Glands") == Tree::row(1));
  Mask wanted = Tree::row(3);
  wanted.at(0, 0) = 1;
  CHECK(mask_of(manifest, "train_2.bmp", "Glands") == wanted);
  CHECK(refusal(tree.spec("glas")) == "");
  std::filesystem::remove(tree / "testB_2_anno.png");
  CHECK(contains(refusal(tree.spec("glas")), "1 images have no mask"));
  CHECK(contains(refusal(tree.spec("glas", "nowhere")), "cannot list the folder"));
  tree.text("empty/readme.txt", "nothing");
  CHECK(contains(refusal(tree.spec("glas", "empty")), "expected train_1.bmp"));
}

TEST_CASE("layout lits: slices named by a table") {
  const Tree tree;
  const auto slice = [&](const std::string& name, const std::string& folder) {
    tree.image("dataset_6/" + folder + "volume-" + name + ".png");
    tree.mask("dataset_6/" + folder + "liver-" + name + ".png", 1, 255);
  };
  slice("4_40", "a/");
  slice("9_41", "");
  slice("19_1", "");
  slice("20_7", "");
  tree.mask("dataset_6/tumor-4_40.png", 2, 255);
  tree.text("lits_train.csv",
            ",filepath,liver_maskpath,tumor_maskpath\r\n"
            "0,../input/dataset_6/volume-4_40.png,\"../input/dataset_6/liver-4_40.png\",../x/tumor-4_40.png\r\n"
            "1,x/volume-9_41.png,x/liver-9_41.png,empty\r\n"
            "2,x/volume-19_1.png,,\r\n\r\n");
  tree.text("lits_test.csv", "filepath,liver_maskpath,tumor_maskpath\nvolume-20_7.png,liver-20_7.png,empty\n");
  const Manifest manifest = open_data_set(tree.spec("lits"));
  CHECK(split_counts(manifest) == "1 train, 2 val, 1 test");
  CHECK(item_of(manifest, "volume-4_40.png").group == "volume 4");
  CHECK(item_of(manifest, "volume-19_1.png").split == Split::val);
  CHECK(mask_of(manifest, "volume-4_40.png", "Liver") == Tree::row(1));
  CHECK(mask_of(manifest, "volume-4_40.png", "Tumor") == Tree::row(2));
  CHECK(mask_of(manifest, "volume-9_41.png", "Tumor") == Mask(5, 7));
  CHECK(mask_of(manifest, "volume-19_1.png", "Liver") == Mask(5, 7));
  CHECK(refusal(tree.spec("lits")) == "");
  tree.text("lits_test.csv", "filepath,liver_maskpath\nvolume-20_7.png,liver-20_7.png\n");
  CHECK(contains(refusal(tree.spec("lits")), "the table has no column \"tumor_maskpath\""));
  tree.text("lits_test.csv", "filepath,liver_maskpath,tumor_maskpath\nvolume-21_7.png,empty,empty\n");
  CHECK(contains(refusal(tree.spec("lits")), "expected \"volume-21_7.png\" below"));
  tree.image("dataset_6/b/volume-20_7.png");
  tree.text("lits_test.csv", "filepath,liver_maskpath,tumor_maskpath\nvolume-20_7.png,empty,empty\n");
  CHECK(contains(refusal(tree.spec("lits")), "two files have the name"));
}

TEST_CASE("layout chestxdet: polygons of findings") {
  const Tree tree;
  for (const char* name : {"train/7.png", "test/7.png", "test/8.png"}) tree.image(name, 1024, 1024);
  const std::string finding =
      R"({"file_name": "7.png", "syms": ["Mass", "Effusion", "Mass"], "boxes": [[1, 2, 3, 4], [], []],
      "polygons": [[[10, 20], [14, 20], [14, 22], [10, 22]], [[0, 0], [2, 0], [2, 1], [0, 1]], [[13, 21], [16, 21], [16, 23], [13, 23]]]})";
  tree.text("ChestX_Det_train.json", "[" + finding + "]");
  tree.text("ChestX_Det_test.json", R"([{"file_name": "8.png", "syms": [], "boxes": [], "polygons": []},
      {"file_name": "7.png", "syms": ["Nodule"], "boxes": [], "polygons": [[[0, 0], [9, 0], [9, 9]]]}])");
  const Manifest manifest = open_data_set(tree.spec("chestxdet"));
  CHECK(split_counts(manifest) == "1 train, 0 val, 2 test");
  CHECK(manifest.labels.size() == 13);
  Mask wanted(1024, 1024);  // the union of both parts
  for (Index y = 20; y < 22; ++y) {
    for (Index x = 10; x < 14; ++x) wanted.at(y, x) = 1;
    for (Index x = 13; x < 16; ++x) wanted.at(y + 1, x) = 1;
  }
  CHECK(mask_of(manifest, "train/7.png", "Mass") == wanted);
  CHECK(mask_of(manifest, "test/7.png", "Mass") == Mask(1024, 1024));
  for (const std::string& label : manifest.labels) CHECK(mask_of(manifest, "test/8.png", label) == Mask(1024, 1024));

  // Made smaller, pictures no longer lie under their polygons.
  tree.image("test/8.png", 512, 512);
  CHECK(contains(refusal(tree.spec("chestxdet")), "expected 512 x 512, found 1024 x 1024"));
  const auto with = [&](const std::string& entry) {
    tree.text("ChestX_Det_test.json", "[" + entry + "]");
    return refusal(tree.spec("chestxdet"));
  };
  CHECK(contains(with(R"({"file_name": "9.png", "syms": [], "boxes": [], "polygons": []})"), "found 9.png"));
  CHECK(contains(with(R"({"file_name": "7.png", "syms": ["Mas"], "boxes": [], "polygons": [[]]})"),
                 "did you mean 'Mass'?"));
  CHECK(contains(with(R"({"file_name": "7.png", "syms": ["Mass"], "boxes": [], "polygons": []})"),
                 "not as many polygons"));
  CHECK(contains(with(R"({"file_name": "7.png", "syms": ["Mass"], "boxes": [], "polygons": [[[1, 2], [3, 4]]]})"),
                 "three corners"));
  CHECK(contains(with("7"), "ChestX_Det_test.json, [0]"));
  tree.text("ChestX_Det_test.json", "{}");
  CHECK(contains(refusal(tree.spec("chestxdet")), "a list of pictures"));
}

TEST_CASE("open_data_set: manifests, names that are none, folders without a name") {
  const Tree tree;
  tree.image("a.png");
  tree.text("m.json", R"({"labels": ["L"], "items": [{"image": "a.png", "split": "train", "masks": {}}]})");
  CHECK(open_data_set((tree / "m.json").string()).items.size() == 1);
  tree.text("glas:x.json", R"({"labels": ["L"], "items": [{"image": "a.png", "split": "train", "masks": {}}]})");
  CHECK(open_data_set((tree / "glas:x.json").string()).items.size() == 1);
  CHECK(contains(refusal("gals:" + (tree / "").string()), "did you mean 'glas'?"));
  CHECK(contains(refusal((tree / "").string()), "NAME:"));
  CHECK(contains(refusal("glas:"), "no path"));
  CHECK(contains(refusal((tree / "nothing.json").string()), "nothing.json"));
  CHECK(data_layouts().size() == 9);
}
