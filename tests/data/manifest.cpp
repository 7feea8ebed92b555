#include <doctest/doctest.h>

#include <ssam/data/check_manifest.hpp>

#include "files.hpp"

using namespace ssam;
using test::Folder;

namespace {

/// What is wrong with a manifest of this text ("" if nothing); any of the typed errors.
std::string refusal(const std::string& text) {
  const Folder folder;
  const auto path = folder.write("manifest.json", text);
  return test::message_of<Error>([&] { load_manifest(path); });
}

const std::string item = R"({"image": "a.png", "split": "train", "masks": {}})";
std::string with_items(const std::string& items) { return R"({"labels": ["Liver"], "items": [)" + items + "]}"; }

}  // namespace

TEST_CASE("manifest: masks per label") {
  const Folder folder;
  const Manifest manifest = load_manifest(folder.write("m.json", std::string(R"({"labels": ["Liver", "Kidney"],
    "augment": {"flip": true},
    "items": [{"image": "x/a.png", "split": "val", "masks": {"Kidney": "x/k.png"}}]})")));
  CHECK(manifest.labels == std::vector<std::string>{"Liver", "Kidney"});
  CHECK(manifest.coding == MaskCoding::files);
  CHECK(manifest.augment == AugmentationSettings{.rotation = true, .flip = true});
  REQUIRE(manifest.items.size() == 1);
  CHECK(manifest.items[0].split == Split::val);
  CHECK(manifest.items[0].image == folder / "x/a.png");
  CHECK(manifest.items[0].masks[0].empty());
  CHECK(manifest.items[0].masks[1] == folder / "x/k.png");
}

TEST_CASE("manifest: one mask per image, by value or colour") {
  const Folder folder;
  const Manifest values = load_manifest(folder.write("m.json", std::string(R"({"labels": ["Liver"],
    "values": {"Liver": 21}, "background": [50], "items": [{"image": "a.png", "split": "test", "mask": "b.png"}]})")));
  CHECK(values.coding == MaskCoding::values);
  CHECK(values.values == std::vector<std::uint8_t>{21});
  CHECK(values.background_values == std::vector<std::uint8_t>{50});
  const Manifest colors = load_manifest(folder.write("m.json", std::string(R"({"labels": ["Liver"],
    "colors": {"Liver": [100,0,100]}, "items": [{"image": "a.png", "split": "test", "mask": "b.png"}]})")));
  CHECK(colors.coding == MaskCoding::colors);
  CHECK(colors.colors[0] == Color{100, 0, 100});
  CHECK(colors.background_colors == std::vector<Color>{{0, 0, 0}});
}

TEST_CASE("A6 manifest: an unknown key is an error with a suggestion") {
  CHECK(test::contains(refusal(R"({"lables": ["Liver"], "items": []})"), "did you mean 'labels'?"));
  CHECK(test::contains(refusal(with_items(R"({"image": "a", "split": "train", "maskes": {}})")), "'masks'"));
  CHECK(test::contains(refusal(with_items(R"({"image": "a", "split": "trian", "masks": {}})")), "'train'"));
  CHECK(test::contains(refusal(with_items(R"({"image": "a", "split": "train", "masks": {"liver": "x"}})")), "'Liver'"));
  CHECK(
      test::contains(refusal(R"({"labels": ["L"], "augment": {"zoom": true}, "items": [)" + item + "]}"), "known are"));
}

TEST_CASE("A6 manifest: wrong types") {
  CHECK(refusal(with_items(item)) == "");
  CHECK(test::contains(refusal("[]"), "object"));
  CHECK(test::contains(refusal(R"({"labels": "Liver", "items": []})"), "list of label names"));
  CHECK(test::contains(refusal(R"({"labels": [1], "items": []})"), "text"));
  CHECK(test::contains(refusal(with_items("7")), "object"));
  CHECK(test::contains(refusal(with_items(R"({"image": 7, "split": "train", "masks": {}})")), "text"));
  CHECK(test::contains(refusal(with_items(R"({"image": "a\u0000b", "split": "train", "masks": {}})")), "zero byte"));
  CHECK(test::contains(refusal(with_items(R"({"image": "a", "split": "train", "masks": []})")), "object"));
  const auto table = [](const std::string& text) {
    return refusal(R"({"labels": ["L"], )" + text + R"(, "items": [{"image": "a", "split": "val", "mask": "b"}]})");
  };
  CHECK(table(R"("values": {"L": 3})") == "");
  CHECK(test::contains(table(R"("values": {"L": 256})"), "0..255"));
  CHECK(test::contains(table(R"("values": {"L": -1})"), "0..255"));
  CHECK(test::contains(table(R"("values": {"L": 1.5})"), "0..255"));
  CHECK(test::contains(table(R"("values": {})"), "missing"));
  CHECK(test::contains(table(R"("colors": {"L": [1, 2]})"), "colour"));
  CHECK(test::contains(table(R"("values": {"L": 3}, "background": 0)"), "list"));
  CHECK(test::contains(table(R"("values": {"L": 3}, "colors": {"L": [1, 2, 3]})"), "both"));
  CHECK(test::contains(table(R"("augment": {"flip": 1}, "values": {"L": 3})"), "true or false"));
}

TEST_CASE("A6 manifest: anything given twice") {
  CHECK(test::contains(refusal(R"({"labels": ["L"], "labels": ["M"], "items": []})"), "twice"));
  CHECK(test::contains(refusal(with_items(R"({"image": "a", "im\u0061ge": "b", "split": "val", "masks": {}})")),
                       "twice"));
  CHECK(test::contains(refusal(R"({"labels": ["L", "L"], "items": []})"), "twice"));
  CHECK(test::contains(refusal(with_items(item + "," + item)), "twice"));
  CHECK(test::contains(refusal(with_items(item + R"(, {"image": "./a.png", "split": "val", "masks": {}})")), "twice"));
  CHECK(test::contains(refusal(R"({"labels": ["L", "M"], "values": {"L": 1, "M": 1}, "items": []})"), "two things"));
}

TEST_CASE("A6 manifest: empty, not JSON, too deep, not UTF-8") {
  CHECK(test::contains(refusal(""), "not JSON"));
  CHECK(test::contains(refusal(with_items("")), "at least one"));
  CHECK(test::contains(refusal(R"({"labels": [], "items": []})"), "label names"));
  CHECK(test::contains(refusal(R"({"labels": ["L"]})"), "missing"));
  CHECK(test::contains(refusal(with_items(item) + "x"), "not JSON"));
  CHECK(test::contains(refusal(std::string(100000, '[')), "deep"));
  CHECK(test::contains(refusal("{\"labels\": [\"\xff\"], \"items\": []}"), "not JSON"));
}

TEST_CASE("A6 manifest: mask where masks belong, and the reverse") {
  CHECK(test::contains(refusal(with_items(R"({"image": "a", "split": "val", "mask": "b"})")), "needs a table"));
  CHECK(test::contains(refusal(R"({"labels": ["Liver"], "values": {"Liver": 1}, "items": [)" + item + "]}"), "beside"));
}

TEST_CASE("I2 mask values not in the label list") {
  const Folder folder;
  save_png(folder / "a.png", Image(4, 4));
  Mask mask(4, 4);
  mask.at(0, 0) = 21;
  mask.at(1, 1) = 77;
  save_png(folder / "m.png", mask);
  const auto text = [](const std::string& background) {
    return R"({"labels": ["Liver"], "values": {"Liver": 21}, "background": )" + background +
           R"(, "items": [{"image": "a.png", "split": "train", "mask": "m.png"}]})";
  };
  const Manifest unknown = load_manifest(folder.write("m.json", text("[0]")));
  const std::string found = test::message_of<ConfigError>([&] { check_manifest(unknown); });
  CHECK(test::contains(found, "1 pixels of value 77"));
  const ManifestReport report = check_manifest(load_manifest(folder.write("m.json", text("[0, 77]"))));
  CHECK(report.items == std::array<Index, 3>{1, 0, 0});
  CHECK(report.present[0] == std::array<Index, 3>{1, 0, 0});
}

TEST_CASE("I2 an unknown colour that covers more than an edge") {
  const Folder folder;
  Image image(10, 10);
  save_png(folder / "a.png", image);
  image.pixel(0, 0)[1] = 128;
  image.pixel(5, 5)[0] = image.pixel(5, 5)[2] = 100;
  save_png(folder / "m.png", image);
  const Manifest manifest =
      load_manifest(folder.write("m.json", std::string(R"({"labels": ["L"], "colors": {"L": [100,0,100]},
                                "items": [{"image": "a.png", "split": "train", "mask": "m.png"}]})")));
  CHECK(check_manifest(manifest).far_off_pixels == 1);
  image.pixel(0, 1)[1] = 128;
  save_png(folder / "m.png", image);
  CHECK(test::contains(test::message_of<ConfigError>([&] { check_manifest(manifest); }), "colour (0, 128, 0)"));
}

TEST_CASE("I2 mask size differs, damaged and missing files: all are reported together") {
  const Folder folder;
  save_png(folder / "a.png", Image(4, 4));
  save_png(folder / "m.png", Mask(4, 5));
  folder.write("broken.png", std::string("\x89PNG\r\n\x1a\n"));
  std::string items = R"({"image": "a.png", "split": "train", "masks": {"Liver": "m.png"}},
                         {"image": "broken.png", "split": "train", "masks": {}})";
  for (int i = 0; i < 30; ++i) {
    items += R"(, {"image": "missing)" + std::to_string(i) + R"(.png", "split": "val", "masks": {}})";
  }
  Index calls = 0;
  const Manifest manifest = load_manifest(folder.write("m.json", with_items(items)));
  const std::string found =
      test::message_of<ConfigError>([&] { check_manifest(manifest, {}, [&](Index, Index) { ++calls; }); });
  CHECK(test::contains(found, "32 problems"));
  CHECK(test::contains(found, "expected 4 x 4, found 4 x 5"));
  CHECK(test::contains(found, "truncated"));
  CHECK(test::contains(found, "missing17.png"));
  CHECK_FALSE(test::contains(found, "missing18.png"));
  CHECK(calls == 32);
}

TEST_CASE("I2 an empty mask and one of all ones are fine") {
  const Folder folder;
  save_png(folder / "a.png", Image(2, 2));
  save_png(folder / "b.png", Image(2, 2));
  Mask mask(2, 2);
  save_png(folder / "empty.png", mask);
  mask.values = {255, 255, 255, 255};
  save_png(folder / "full.png", mask);
  const Manifest manifest = load_manifest(
      folder.write("m.json", with_items(R"({"image": "a.png", "split": "train", "masks": {"Liver": "empty.png"}},
                              {"image": "b.png", "split": "train", "masks": {"Liver": "full.png"}})")));
  CHECK(check_manifest(manifest).present[0] == std::array<Index, 3>{1, 0, 0});
}
