// Layouts that users make themselves: folders of masks, indexed masks, COCO, LabelMe.

#include <doctest/doctest.h>

#include "trees.hpp"

using namespace ssam;
using test::contains;
using test::item_of;
using test::mask_of;
using test::refusal;
using test::Tree;

TEST_CASE("layout folders: a folder of masks for each label") {
  const Tree tree;
  tree.image("images/p1/a.png");
  tree.image("images/p2/a.png");
  tree.image("images/b.png");
  tree.mask("masks/Liver/p1/a.png", 1, 255);
  tree.mask("masks/Liver/b.png", 2, 1);
  tree.mask("masks/Gall Bladder/p1/a.png", 3, 255);
  tree.text("images/.hidden.png", "no picture");
  tree.text("images/notes.txt", "none either");
  const Manifest manifest = open_data_set(tree.spec("folders"));
  CHECK(manifest.labels == std::vector<std::string>{"Gall Bladder", "Liver"});
  CHECK(split_counts(manifest) == "3 train, 0 val, 0 test");
  CHECK(item_of(manifest, "p1/a.png").group == "p1");
  CHECK(item_of(manifest, "b.png").group == "");
  CHECK(mask_of(manifest, "p1/a.png", "Liver") == Tree::row(1));
  CHECK(mask_of(manifest, "p1/a.png", "Gall Bladder") == Tree::row(3));
  CHECK(mask_of(manifest, "b.png", "Liver") == Tree::row(2));
  CHECK(mask_of(manifest, "b.png", "Gall Bladder") == Mask(5, 7));
  REQUIRE(manifest.notes.size() == 1);
  CHECK(contains(manifest.notes[0], "1 images in"));  // p2/a.png has no mask at all
  CHECK(refusal(tree.spec("folders")) == "");

  tree.mask("masks/Liver/c.png", 0, 255);
  CHECK(contains(refusal(tree.spec("folders")), "1 masks have no image"));
  tree.image("images/c.png");
  tree.image("images/c.bmp.png");
  std::filesystem::rename(tree / "images/c.bmp.png", tree / "images/c.jpg");
  CHECK(contains(refusal(tree.spec("folders")), "two pictures have one name"));
  std::filesystem::remove(tree / "images/c.jpg");
  tree.mask("masks/d.png", 0, 255);
  CHECK(contains(refusal(tree.spec("folders")), "masks/Liver/a.png"));
  std::filesystem::remove(tree / "masks/d.png");
  tree.text("images/e.tif", "II*");
  CHECK(contains(refusal(tree.spec("folders")), "found .tif; convert"));
}

TEST_CASE("layout folders: splits are folders, what is wrong with masks is said") {
  const Tree tree;
  for (const std::string split : {"train", "val", "test"}) {
    tree.image(split + "/images/a.png");
    tree.mask(split + "/masks/Liver/a.png", 1, 255);
  }
  tree.mask("val/masks/Fat/a.png", 2, 255);
  const Manifest manifest = open_data_set(tree.spec("folders"));
  CHECK(split_counts(manifest) == "1 train, 1 val, 1 test");
  CHECK(manifest.labels == std::vector<std::string>{"Fat", "Liver"});
  CHECK(mask_of(manifest, "val/images/a.png", "Fat") == Tree::row(2));
  CHECK(mask_of(manifest, "train/images/a.png", "Fat") == Mask(5, 7));
  save_png(tree / "test/masks/Liver/a.png", Mask(4, 7));
  CHECK(contains(refusal(tree.spec("folders")), "expected 5 x 7, found 4 x 7"));
  std::filesystem::remove(tree / "test/masks/Liver/a.png");
  tree.text("test/masks/Liver/a.jpg", "");
  cv::imwrite((tree / "test/masks/Liver/a.jpg").string(), cv::Mat(5, 7, CV_8UC1, cv::Scalar(255)));
  CHECK(contains(refusal(tree.spec("folders")), "a JPEG cannot be a mask"));
  std::filesystem::remove_all(tree / "test/masks");
  CHECK(contains(refusal(tree.spec("folders")), "there is no folder masks/"));
}

TEST_CASE("layout indexed: values, palettes, VOC's folders") {
  const Tree tree;
  tree.text("classes.txt",
            "\xef\xbb\xbf"
            "background\n Liver\r\nFat\n\n");
  tree.image("train/images/s/a.png");
  tree.mask("train/masks/s/a.png", 1, 1);
  tree.image("test/images/b.png");
  tree.mask("test/masks/b.png", 2, 2, 255);
  const Manifest manifest = open_data_set(tree.spec("indexed"));
  CHECK(manifest.labels == std::vector<std::string>{"Liver", "Fat"});
  CHECK(split_counts(manifest) == "1 train, 0 val, 1 test");
  CHECK(item_of(manifest, "a.png").group == "s");
  CHECK(mask_of(manifest, "a.png", "Liver") == Tree::row(1));
  CHECK(mask_of(manifest, "b.png", "Fat") == Tree::row(2));
  CHECK(mask_of(manifest, "b.png", "Liver") == Mask(5, 7));
  CHECK(refusal(tree.spec("indexed")) == "");
  tree.mask("test/masks/b.png", 2, 3);
  CHECK(contains(refusal(tree.spec("indexed")), "pixels of value 3"));
  tree.image("test/images/c.png");
  CHECK(contains(refusal(tree.spec("indexed")), "1 images have no mask"));
  tree.mask("test/masks/c.png", 0, 1);
  tree.mask("test/masks/d.png", 0, 1);
  CHECK(contains(refusal(tree.spec("indexed")), "1 masks have no image"));
  const auto classes = [&](const std::string& text) {
    tree.text("classes.txt", text);
    return refusal(tree.spec("indexed"));
  };
  CHECK(contains(classes("Liver\nFat\n"), "the first class is not the background"));
  CHECK(contains(classes(""), "the first class is not the background"));
  CHECK(contains(classes("background\nLiver\n\nFat\n"), "line 3"));
  CHECK(contains(classes("background\nLiver\nLiver\n"), "named twice"));
  std::filesystem::remove(tree / "classes.txt");
  CHECK(contains(refusal(tree.spec("indexed")), "expected classes.txt"));
}

TEST_CASE("layout indexed: a split without masks is no split that may be left out") {
  const Tree tree;
  tree.text("classes.txt", "background\nLiver\n");
  tree.image("train/images/a.png");
  tree.mask("train/masks/a.png", 1, 1);
  tree.image("val/images/b.png");
  CHECK(contains(refusal(tree.spec("indexed")), "there is no folder of masks"));
}

TEST_CASE("layout indexed: VOC's folders, lists and palettes") {
  const Tree tree;
  tree.text("class_names.txt", "_background_\nLiver\nFat\n");
  tree.text("ImageSets/Segmentation/train.txt", "a\n");
  tree.text("ImageSets/Segmentation/val.txt", "b\n");
  for (const char* name : {"a", "b", "c"}) tree.image("JPEGImages/" + std::string(name) + ".png");
  // 5 x 7 pixels of a palette, as VOC colours it: index 2 is green.
  test::Bytes lines;
  for (std::uint8_t y = 0; y < 5; ++y) {
    lines.push_back(0);
    lines.insert(lines.end(), 7, y == 3 ? 2 : 0);
  }
  const test::Png png{.width = 7, .height = 5, .type = 3, .palette = {0, 0, 0, 128, 0, 0, 0, 128, 0}, .lines = lines};
  const test::Bytes bytes = png.bytes();
  tree.text("SegmentationClass/a.png", std::string(bytes.begin(), bytes.end()));
  tree.mask("SegmentationClass/b.png", 0, 1, 255);
  const Manifest manifest = open_data_set(tree.spec("indexed"));
  CHECK(split_counts(manifest) == "1 train, 1 val, 0 test");
  REQUIRE(manifest.notes.size() == 1);
  CHECK(contains(manifest.notes[0], "1 images are in none of the lists"));
  CHECK(mask_of(manifest, "a.png", "Fat") == Tree::row(3));
  CHECK(mask_of(manifest, "b.png", "Liver") == Tree::row(0));
  tree.text("ImageSets/Segmentation/test.txt", "d\n");
  CHECK(contains(refusal(tree.spec("indexed")), "1 listed images are not there"));
  tree.text("ImageSets/Segmentation/test.txt", "b\n");
  CHECK(contains(refusal(tree.spec("indexed")), "listed twice"));
  tree.text("ImageSets/Segmentation/test.txt", "c\n");
  CHECK(contains(refusal(tree.spec("indexed")), "1 images have no mask"));
}

namespace {

/// A COCO file of two pictures, 5 x 7, with these annotations.
std::string coco(const std::string& annotations, const std::string& more = "") {
  return R"({"info": {}, "images": [{"id": 7, "file_name": "a.png", "height": 5, "width": 7},
      {"id": 9, "file_name": "p/b.png", "height": 5, "width": 7}], "categories": [{"id": 3, "name": "Liver",
      "supercategory": "organ"}, {"id": 1, "name": "Fat"}], "annotations": [)" +
         annotations + "]" + more + "}";
}

}  // namespace

TEST_CASE("layout coco: polygons, run lengths and crowds are united") {
  const Tree tree;
  tree.image("val2017/a.png");
  tree.image("val2017/p/b.png");
  // Row 1 as two polygons, row 3 as run lengths down the columns; the compressed ones were made by pycocotools.
  tree.text("annotations/instances_val2017.json", coco(R"(
      {"id": 1, "image_id": 7, "category_id": 3, "segmentation": [[0, 1, 3, 1, 3, 2, 0, 2], [3, 1, 7, 1, 7, 2, 3, 2]]},
      {"id": 2, "image_id": 7, "category_id": 1, "iscrowd": 1, "segmentation":
          {"size": [5, 7], "counts": [3, 1, 4, 1, 4, 1, 4, 1, 4, 1, 4, 1, 4, 1, 1]}},
      {"id": 3, "image_id": 7, "category_id": 1, "segmentation": {"size": [5, 7], "counts": "014000000000000"}})"));
  const Manifest manifest = open_data_set(tree.spec("coco", "annotations/instances_val2017.json"));
  CHECK(manifest.labels == std::vector<std::string>{"Liver", "Fat"});
  CHECK(split_counts(manifest) == "0 train, 2 val, 0 test");
  CHECK(item_of(manifest, "b.png").group == "p");
  CHECK(mask_of(manifest, "a.png", "Liver") == Tree::row(1));
  Mask fat = Tree::row(3);
  for (Index x = 0; x < 7; ++x) fat.at(0, x) = 1;
  CHECK(mask_of(manifest, "a.png", "Fat") == fat);
  for (const std::string& label : manifest.labels) CHECK(mask_of(manifest, "b.png", label) == Mask(5, 7));
}

TEST_CASE("layout coco: what is refused") {
  const Tree tree;
  tree.image("a.png");
  tree.image("images/p/b.png");
  const auto with = [&](const std::string& text) {
    tree.text("f.json", text);
    return refusal(tree.spec("coco", "f.json"));
  };
  const std::string sound = R"({"id": 1, "image_id": 7, "category_id": 3, "segmentation": [[0, 1, 3, 1, 3, 2]]})";
  const auto one = [&](const std::string& what, const std::string& instead) {
    std::string text = sound;
    return with(coco(text.replace(text.find(what), what.size(), instead)));
  };
  CHECK(with(coco(sound)) == "");
  CHECK(contains(one(R"("image_id": 7)", R"("image_id": 8)"), "an annotation of no image of the file"));
  CHECK(contains(one(R"("category_id": 3)", R"("category_id": 8)"), "an annotation of no category"));
  CHECK(contains(one("[[0, 1, 3, 1, 3, 2]]", R"([], "bbox": [0, 0, 1, 1])"), "found a box only; masks are needed"));
  CHECK(contains(one("[[0, 1, 3, 1, 3, 2]]", "[[0, 1, 3, 1]]"), "annotations[0], segmentation[0]"));
  CHECK(contains(one("[[0, 1, 3, 1, 3, 2]]", R"({"size": [7, 5], "counts": [35]})"), "another size than their image"));
  CHECK(contains(one("[[0, 1, 3, 1, 3, 2]]", R"({"size": [5, 7], "counts": [34]})"), "do not fill"));
  CHECK(contains(one(R"("image_id": 7)", R"("image_id": "7")"), "image_id"));
  CHECK(contains(with("[]"), "no COCO file"));
  CHECK(contains(with(R"({"images": [], "categories": {}, "annotations": []})"), "no list \"categories\""));
  const auto images = [&](const std::string& list) {
    return with(R"({"categories": [{"id": 1, "name": "L"}], "annotations": [], "images": [)" + list + "]}");
  };
  CHECK(contains(images(""), "no pictures"));
  CHECK(contains(images(R"({"id": 1, "file_name": "z.png", "height": 5, "width": 7})"),
                 "1 images of the file are not there"));
  CHECK(contains(images(R"({"id": 1, "file_name": "a.png"})"), "[height, width]"));
  CHECK(contains(images(R"({"id": 1, "file_name": "a.png", "height": 6, "width": 7})"), "expected 5 x 7, found 6 x 7"));
  CHECK(contains(images(R"({"id": 1, "file_name": "a.png", "height": 5, "width": 7},
                           {"id": 2, "file_name": "./a.png", "height": 5, "width": 7})"),
                 "annotated twice"));
  CHECK(contains(images(R"({"id": 1, "file_name": "a.png", "height": 5, "width": 7},
                           {"id": 1, "file_name": "p/b.png", "height": 5, "width": 7})"),
                 "id is given twice"));
}

namespace {

std::string labelme(const std::string& image, const std::string& shapes) {
  return R"({"version": "5.0", "flags": {}, "imageData": null, "imageHeight": 40, "imageWidth": 50, "imagePath": ")" +
         image + R"(", "shapes": [)" + shapes + "]}";
}
std::string shape(const std::string& label, const std::string& type, const std::string& points) {
  return R"({"label": ")" + label + R"(", "shape_type": ")" + type + R"(", "points": )" + points + "}";
}

}  // namespace

TEST_CASE("layout labelme: polygons, rectangles, circles") {
  const Tree tree;
  for (const char* name : {"train/a.png", "test/q/b.png", "train/left.png"}) tree.image(name, 40, 50);
  tree.text("train/a.json", labelme("a.png", shape("Liver", "rectangle", "[[3, 5], [10, 9]]") + "," +
                                                 shape("Liver", "polygon", "[[20, 5], [24, 5], [24, 9], [20, 9]]") +
                                                 "," + shape("__ignore__", "line", "[[1, 2], [3, 4]]")));
  tree.text("test/q/b.json", labelme(R"(..\\q\\b.png)", shape("Fat", "circle", "[[25, 20], [25, 31]]")));
  const Manifest manifest = open_data_set(tree.spec("labelme"));
  CHECK(manifest.labels == std::vector<std::string>{"Fat", "Liver"});
  CHECK(split_counts(manifest) == "1 train, 0 val, 1 test");
  CHECK(item_of(manifest, "b.png").group == "test/q");
  Mask liver(40, 50), fat(40, 50);
  for (Index y = 5; y < 9; ++y) {
    for (Index x = 3; x < 10; ++x) liver.at(y, x) = 1;
    for (Index x = 20; x < 24; ++x) liver.at(y, x) = 1;
  }
  CHECK(mask_of(manifest, "a.png", "Liver") == liver);
  Index differing = 0, inside = 0;
  const Mask found = mask_of(manifest, "b.png", "Fat");
  for (Index y = 0; y < 40; ++y) {
    for (Index x = 0; x < 50; ++x) {
      const double dx = static_cast<double>(x) + 0.5 - 25, dy = static_cast<double>(y) + 0.5 - 20;
      const double off = std::sqrt(dx * dx + dy * dy) - 11;
      inside += off < 0;
      differing += (off < 0) != (found.at(y, x) == 1) && std::abs(off) > 0.3;
    }
  }
  CHECK(inside > 370);
  CHECK(differing == 0);
  CHECK(mask_of(manifest, "a.png", "Fat") == Mask(40, 50));
  REQUIRE(manifest.notes.size() == 2);
  CHECK(contains(manifest.notes[0], "1 pictures have no annotation file"));
  CHECK(contains(manifest.notes[1], "1 shapes named __ignore__"));
}

TEST_CASE("layout labelme: what is refused") {
  const Tree tree;
  tree.image("a.png", 40, 50);
  const auto with = [&](const std::string& text) {
    tree.text("a.json", text);
    return refusal(tree.spec("labelme"));
  };
  CHECK(with(labelme("a.png", shape("L", "polygon", "[[0, 0], [4, 0], [4, 4]]"))) == "");
  CHECK(contains(with(labelme("a.png", shape("L", "linestrip", "[[0, 0], [4, 0], [4, 4]]"))),
                 "found linestrip; draw it"));
  CHECK(contains(with(labelme("a.png", shape("L", "polygon", "[[0, 0], [4, 0]]"))), "three corners"));
  CHECK(contains(with(labelme("a.png", shape("L", "circle", "[[0, 0]]"))), "a circle has two points"));
  CHECK(contains(with(labelme("a.png", shape("L", "rectangle", "[[0, 0], [1, \"x\"]]"))), "number of a polygon"));
  CHECK(contains(with(labelme("a.png", "{}")), "shapes[0]"));
  CHECK(contains(with(labelme("b.png", "")), "expected b.png; put it beside"));
  CHECK(contains(with("[]"), "no annotation of LabelMe"));
  CHECK(contains(with(labelme("a.png", "")), "no labels"));
  tree.image("a.png", 20, 25);
  CHECK(contains(with(labelme("a.png", shape("L", "polygon", "[[0, 0], [4, 0], [4, 4]]"))), "found 40 x 50"));
  tree.text("b.json", labelme("a.png", shape("L", "polygon", "[[0, 0], [4, 0], [4, 4]]")));
  CHECK(contains(refusal(tree.spec("labelme")), "annotated twice"));
}

TEST_CASE("what lies about in a data set's folders is not passed over in silence") {
  const auto folders = [](const Tree& tree) {
    tree.image("images/a.png");
    tree.mask("masks/Liver/a.png", 1, 1);
  };
  const auto said = [](const Tree& tree) { return refusal(tree.spec("folders")); };
  {  // links that lead nowhere: a mask, a label
    const Tree mask, label;
    folders(mask);
    std::filesystem::create_symlink("nowhere.png", mask / "masks/Liver/b.png");
    CHECK(contains(said(mask), "a link leads nowhere"));
    folders(label);
    std::filesystem::create_symlink("nowhere", label / "masks/Kidney");
    CHECK(contains(said(label), "a link leads nowhere"));
  }
  {  // a link that leads back
    const Tree tree;
    folders(tree);
    std::filesystem::create_directory_symlink("../images", tree / "images/loop");
    CHECK(contains(said(tree), "two ways lead to one folder"));
  }
  {  // a mask in a format that is not read
    const Tree tree;
    folders(tree);
    tree.text("masks/Liver/b.nii.gz", "volume");
    CHECK(contains(said(tree), "a picture in a format that is not read"));
  }
  {  // folders that are no splits beside some that are
    const Tree tree;
    tree.image("Train/images/a.png");
    tree.mask("Train/masks/Liver/a.png", 1, 1);
    CHECK(open_data_set(tree.spec("folders")).items[0].split == Split::train);
    tree.image("val_new/images/b.png");
    CHECK(contains(said(tree), "val_new"));
    std::filesystem::remove_all(tree / "val_new");
    tree.image("images/c.png");
    CHECK(contains(said(tree), "belong to no split"));
  }
}
