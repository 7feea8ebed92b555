#include <doctest/doctest.h>

#include <ssam/data/load_label_masks.hpp>

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

TEST_CASE("a palette's index is the class, whatever its colours") {
  const Folder folder;
  const Png voc{
      .width = 4, .height = 1, .type = 3, .palette = {0, 0, 0, 128, 0, 0, 0, 128, 0}, .lines = {0, 2, 1, 0, 2}};
  CHECK(load_index_mask(folder.write("m.png", voc.bytes())).values.values == Bytes{2, 1, 0, 2});
  const Png two_bits{.width = 4, .height = 1, .bits = 2, .type = 3, .palette = voc.palette, .lines = {0, 0b10010010}};
  CHECK(load_index_mask(folder.write("m.png", two_bits.bytes())).values.values == Bytes{2, 1, 0, 2});
  Png greys = voc;
  greys.palette = {0, 0, 0, 1, 1, 1, 2, 2, 2};  // both readings are one
  CHECK(load_index_mask(folder.write("m.png", greys.bytes())).values.values == Bytes{2, 1, 0, 2});
  greys.palette = {0, 0, 0, 21, 21, 21, 50, 50, 50};
  CHECK(test::contains(test::message_of<FormatError>([&] { load_index_mask(folder.write("m.png", greys.bytes())); }),
                       "are the greys or the indices the classes?"));
  Png beyond = voc;
  beyond.lines = {0, 3, 0, 0, 0};
  CHECK_THROWS_AS(load_index_mask(folder.write("m.png", beyond.bytes())), FormatError);
}

TEST_CASE("a mask of one label has two values") {
  const Folder folder;
  const auto refusal = [&](const Png& png, bool instances = false) {
    const auto path = folder.write("m.png", png.bytes());
    return test::message_of<FormatError>([&] { load_binary_mask(path, instances); });
  };
  const auto row = [](Bytes values) {
    Png png{.width = static_cast<std::uint32_t>(values.size()), .height = 1, .lines = {0}};
    png.lines.insert(png.lines.end(), values.begin(), values.end());
    return png;
  };
  CHECK(refusal(row({0, 0, 255, 255})) == "");
  CHECK(refusal(row({0, 0, 1})) == "");
  CHECK(refusal(row({0, 0})) == "");
  CHECK(refusal(row({255, 255})) == "");
  const std::string blurred = refusal(row({0, 0, 3, 120, 255}));
  CHECK(test::contains(blurred, "0 (2 pixels), 3 (1), 120 (1), 255 (1)"));
  CHECK(test::contains(blurred, "instances"));
  CHECK(test::contains(refusal(row({100, 255})), "two values, 0 and another"));
  CHECK(refusal(row({0, 1, 2, 3}), true) == "");
  CHECK(load_binary_mask(folder.write("m.png", row({0, 1, 2, 3}).bytes()), true).values.values == Bytes{0, 1, 2, 3});
  Png palette{.width = 2, .height = 1, .type = 3, .palette = {0, 0, 0, 255, 0, 0}, .lines = {0, 1, 0}};
  CHECK(refusal(palette) == "");
  palette.palette = {255, 255, 255, 0, 0, 0};
  CHECK(test::contains(refusal(palette), "what is the background?"));
}

TEST_CASE("a mask that is drawn in its transparency is refused, and the advice says what to do") {
  const Folder folder;
  const auto refusal = [&](const Bytes& lines, std::uint8_t type = 6) {
    const Png png{.width = 3, .height = 1, .type = type, .lines = lines};
    const auto path = folder.write("m.png", png.bytes());
    const std::string binary = test::message_of<FormatError>([&] { load_binary_mask(path); });
    CHECK(binary == test::message_of<FormatError>([&] { load_color_mask(path); }));
    CHECK(binary == test::message_of<FormatError>([&] { load_index_mask(path); }));
    return binary;
  };
  CHECK(test::contains(refusal({0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0}), "drawn in the alpha channel"));
  CHECK(test::contains(refusal({0, 9, 9, 9, 0, 9, 9, 9, 255, 9, 9, 9, 0}), "drawn in the alpha channel"));
  CHECK(test::contains(refusal({0, 9, 9, 9, 0, 9, 9, 9, 255, 0, 0, 0, 255}), "colours where it is transparent"));
  CHECK(test::contains(refusal({0, 9, 9, 9, 0, 9, 9, 9, 255, 0, 0, 0, 255}), "-alpha extract"));
  CHECK(test::contains(refusal({0, 0, 0, 0, 255, 0, 0}, 4), "drawn in the alpha channel"));  // grey and alpha
  CHECK(refusal({0, 0, 0, 0, 0, 9, 9, 9, 255, 0, 0, 0, 0}) == "");                           // both say the same
  CHECK(refusal({0, 0, 0, 0, 255, 9, 9, 9, 255, 9, 9, 9, 255}) == "");                       // opaque throughout
}

TEST_CASE("an area of an unknown colour is no blend at an edge, however small") {
  Manifest manifest;
  manifest.coding = MaskCoding::colors;
  manifest.labels = {"Liver"};
  manifest.colors = {{255, 0, 0}};
  manifest.background_colors = {{0, 0, 0}};
  Image colored(40, 40);
  for (Index y = 10; y < 30; ++y) {
    for (Index x = 10; x < 30; ++x) colored.pixel(y, x)[0] = x == 10 || x == 29 ? 128 : 255;  // blended edges
  }
  CHECK(classify_colors(colored, manifest).second.solid == 0);
  CHECK(classify_colors(colored, manifest).second.pixels == 40);
  for (Index y = 2; y < 5; ++y) {
    for (Index x = 2; x < 5; ++x) colored.pixel(y, x)[1] = 255;  // 3 x 3 of another colour
  }
  const UnknownCodes codes = classify_colors(colored, manifest).second;
  CHECK(codes.solid == 1);
  CHECK(codes.solid_of == "(0, 255, 0)");
}

TEST_CASE("EXIF turns the image: the mask must be turned alike, or have been drawn on the upright picture for sure") {
  const Folder folder;
  Manifest manifest;
  manifest.labels = {"A"};
  ManifestItem item;
  const auto refusal = [&](Index height, Index width, int orientation) {
    save_png(folder / "m.png", Mask(height, width));
    item.masks = {folder / "m.png"};
    return test::message_of<FormatError>([&] { load_label_masks(manifest, item, {32, 16}, orientation); });
  };
  CHECK(refusal(32, 16, 1) == "");
  CHECK(test::contains(refusal(32, 16, 3), "EXIF"));  // upside down: nobody can tell
  CHECK(test::contains(refusal(32, 16, 2), "EXIF"));
  CHECK(refusal(32, 16, 6) == "");                    // of the upright size, which the stored picture has not
  CHECK(test::contains(refusal(16, 32, 6), "EXIF"));  // drawn on the stored pixels
  CHECK(test::contains(refusal(31, 16, 1), "another size"));
}
