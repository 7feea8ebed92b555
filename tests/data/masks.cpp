#include <doctest/doctest.h>

#include <ssam/data/label_masks.hpp>

#include "files.hpp"

using namespace ssam;
using test::Bytes;
using test::Folder;
using test::Png;

TEST_CASE("an index mask holds the stored values, whatever the depth") {
  const Folder folder;
  const auto values = [&](const Png& png) { return load_index_mask(folder.write("m.png", png.bytes())).values.values; };
  CHECK(values(Png{}) == Bytes{10, 20, 30, 40, 50, 60, 70, 80});
  CHECK(values({.width = 4, .height = 1, .bits = 1, .lines = {0, 0b01010000}}) == Bytes{0, 1, 0, 1});
  CHECK(values({.width = 4, .height = 1, .bits = 2, .lines = {0, 0b00011011}}) == Bytes{0, 1, 2, 3});
  CHECK(values({.width = 2, .height = 1, .bits = 4, .lines = {0, 0x5F}}) == Bytes{5, 15});
  CHECK(values({.width = 2, .height = 1, .bits = 16, .lines = {0, 0, 21, 0, 255}}) == Bytes{21, 255});
  CHECK(values({.width = 2, .height = 1, .type = 2, .lines = {0, 21, 21, 21, 0, 0, 0}}) == Bytes{21, 0});
  CHECK(values({.width = 1, .height = 1, .type = 6, .lines = {0, 7, 7, 7, 0}}) == Bytes{7});
}

TEST_CASE("an index mask without exact grey values is refused") {
  const Folder folder;
  const auto refusal = [&](const Bytes& bytes) {
    const auto path = folder.write("m", bytes);
    return test::message_of<FormatError>([&] { load_index_mask(path); });
  };
  CHECK(test::contains(refusal(Png{.width = 1, .height = 1, .bits = 16, .lines = {0, 1, 0}}.bytes()), "above 255"));
  CHECK(test::contains(refusal(Png{.width = 1, .height = 1, .type = 2, .lines = {0, 1, 2, 3}}.bytes()), "colours"));
  CHECK(test::contains(refusal(test::red_blue_jpeg()), "JPEG"));
}

TEST_CASE("8-bit BMP masks with the usual grey table") {
  const Folder folder;
  Bytes bmp;
  cv::imencode(".bmp", cv::Mat(2, 3, CV_8UC1, cv::Scalar(4)), bmp);
  CHECK(load_index_mask(folder.write("m.bmp", bmp)).values.values == Bytes(6, 4));
  bmp[54 + 4 * 4] = 77;  // entry 4 is no longer grey 4
  CHECK_THROWS_AS(load_index_mask(folder.write("m.bmp", bmp)), FormatError);
}

TEST_CASE("PNGs are saved whole, and read back as they were") {
  const Folder folder;
  Image image(3, 2);
  for (std::size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<std::uint8_t>(14 * i);
  save_png(folder / "i.png", image);
  CHECK(load_image(folder / "i.png") == image);
  Mask mask(2, 2);
  mask.at(1, 0) = 200;
  save_png(folder / "i.png", mask);  // replaces
  CHECK(load_index_mask(folder / "i.png").values == mask);
  CHECK_THROWS_AS(save_png(folder / "no/such/folder.png", mask), IoError);
  CHECK_THROWS_AS(save_png(folder / "i.png", Mask{}), Error);
  CHECK(load_index_mask(folder / "i.png").values == mask);  // a failed save leaves the old file
}

TEST_CASE("the nearest palette colour decides, so that anti-aliased edges belong to one side") {
  Manifest manifest;
  manifest.coding = MaskCoding::colors;
  manifest.labels = {"Liver", "Kidney", "Bones"};
  manifest.colors = {{100, 0, 100}, {255, 255, 0}, {255, 255, 255}};
  manifest.background_colors = {{0, 0, 0}, {10, 0, 10}};
  Image colored(1, 6);
  colored.rgb = {100, 0,   100,  // Liver
                 10,  0,   10,   // second background
                 70,  0,   70,   // edge, nearer to Liver
                 40,  0,   40,   // edge, nearer to the background
                 250, 240, 20,   // Kidney, blurred
                 0,   128, 0};   // none of them: far off
  const auto [classes, unknown] = classify_colors(colored, manifest);
  CHECK(classes.values == Bytes{1, 0, 1, 0, 2, 0});
  CHECK(unknown.pixels == 1);
  CHECK(unknown.most == 1);
  CHECK(unknown.most_of == "(0, 128, 0)");
}

TEST_CASE("grey values in no table are counted and are background") {
  Manifest manifest;
  manifest.coding = MaskCoding::values;
  manifest.labels = {"Liver", "Fat"};
  manifest.values = {21, 12};
  manifest.background_values = {0, 50};
  Mask grey(1, 6);
  grey.values = {21, 12, 50, 77, 77, 3};
  const auto [classes, unknown] = classify_values(grey, manifest);
  CHECK(classes.values == Bytes{1, 2, 0, 0, 0, 0});
  CHECK(unknown.pixels == 3);
  CHECK(unknown.most == 2);
  CHECK(unknown.most_of == "77");
}

TEST_CASE("masks per label may overlap and may be absent") {
  const Folder folder;
  Mask all(2, 2);
  all.values = {255, 255, 0, 0};
  save_png(folder / "a.png", all);
  Manifest manifest;
  manifest.labels = {"A", "B", "C"};
  ManifestItem item;
  item.masks = {folder / "a.png", {}, folder / "a.png"};
  const LabelMasks masks = load_label_masks(manifest, item, {2, 2});
  CHECK(masks.binary(0).values == Bytes{1, 1, 0, 0});
  CHECK(masks.binary(1).values == Bytes{0, 0, 0, 0});
  CHECK(masks.binary(2).values == Bytes{1, 1, 0, 0});
  CHECK(masks.present(0));
  CHECK_FALSE(masks.present(1));
  CHECK_THROWS_AS(load_label_masks(manifest, item, {2, 3}), FormatError);
}
