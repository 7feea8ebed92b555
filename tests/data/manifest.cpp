#include <doctest/doctest.h>

#include <algorithm>
#include <ssam/core/random.hpp>
#include <ssam/data/check_manifest.hpp>

#include "files.hpp"

using namespace ssam;
using test::Bytes;
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

namespace {

/// A picture that no other seed draws.
Image noise(Index height, Index width, int seed) {
  Image image(height, width);
  Random random(static_cast<std::uint64_t>(seed));
  for (std::uint8_t& value : image.rgb) value = static_cast<std::uint8_t>(random.below(256));
  return image;
}

Mask square(Index size, Index first, Index side) {
  Mask mask(size, size);
  for (Index y = first; y < first + side; ++y) {
    for (Index x = first; x < first + side; ++x) mask.at(y, x) = 255;
  }
  return mask;
}

bool any_contains(const std::vector<std::string>& lines, const std::string& words) {
  return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) { return test::contains(line, words); });
}

}  // namespace

TEST_CASE("lesions that vanish at the model's size are counted, with an image size that keeps them") {
  const Folder folder;
  std::string items;
  for (int i = 0; i < 4; ++i) {
    const std::string name = std::to_string(i);
    save_png(folder / (name + ".png"), noise(256, 256, i));
    save_png(folder / (name + "m.png"), square(256, 97, i == 3 ? 40 : 3));
    items += std::string(i > 0 ? "," : "") + R"({"image": ")" + name +
             R"(.png", "split": "train", "masks": {"Liver": ")" + name + R"(m.png"}})";
  }
  const Manifest manifest = load_manifest(folder.write("m.json", with_items(items)));
  for (const PreparationForm form : {PreparationForm::sam, PreparationForm::release_window}) {
    const Preparation preparation{.form = form};
    const ManifestReport report = check_manifest(manifest, {.image_size = 32, .preparation = preparation});
    CHECK(report.vanished[0].masks == 3);
    CHECK(any_contains(report.warnings, "vanishes from 3 of 4 masks at 32 px"));
    REQUIRE(report.size_that_keeps > 32);
    CHECK(any_contains(report.warnings, "an image size of " + std::to_string(report.size_that_keeps) + " keeps all"));
    // The advice holds.
    const ManifestReport larger =
        check_manifest(manifest, {.image_size = report.size_that_keeps, .preparation = preparation});
    CHECK(larger.vanished[0].masks == 0);
    CHECK_FALSE(any_contains(larger.warnings, "vanishes"));
  }
  CHECK(check_manifest(manifest).vanished[0].masks == 0);  // not asked
}

TEST_CASE("one file in two splits is refused, whatever it is called; a copy is said, however it is stored") {
  const Folder folder;
  save_png(folder / "a.png", noise(20, 20, 1));
  save_png(folder / "b.png", noise(20, 20, 2));
  save_png(folder / "m.png", square(20, 5, 5));
  std::filesystem::create_symlink(folder / "a.png", folder / "link.png");
  Bytes bmp;
  cv::imencode(".bmp", cv::imread((folder / "a.png").string()), bmp);
  folder.write("a.bmp", bmp);
  const auto found = [&](const std::string& first, const std::string& second, const std::string& split) {
    const Manifest manifest = load_manifest(folder.write(
        "m.json",
        with_items(R"({"image": ")" + first + R"(", "split": "train", "masks": {"Liver": "m.png"}}, {"image": ")" +
                   second + R"(", "split": ")" + split + R"(", "masks": {"Liver": "m.png"}})")));
    std::string said;
    const std::string refused = test::message_of<ConfigError>([&] {
      for (const std::string& line : check_manifest(manifest).warnings) {
        if (test::contains(line, "pictures")) said += line;
      }
    });
    return refused.empty() ? said : "refused: " + refused;
  };
  CHECK(found("a.png", "b.png", "val") == "");
  CHECK(test::contains(found("a.png", "link.png", "val"), "refused: "));
  CHECK(test::contains(found("a.png", "link.png", "val"), "is the same picture as"));
  CHECK(test::contains(found("a.png", "a.bmp", "test"), "1 pictures stand in two splits"));
  CHECK(test::contains(found("a.png", "a.bmp", "test"), "a.bmp (test) is the same picture as"));
  CHECK(found("a.png", "link.png", "train") == "1 pictures are copies of others of their split");
}

TEST_CASE("labels that are nowhere are said; a training set without any is refused") {
  const Folder folder;
  save_png(folder / "a.png", noise(20, 20, 1));
  save_png(folder / "m.png", square(20, 5, 5));
  save_png(folder / "blank.png", Mask(20, 20));
  const auto manifest = [&](const std::string& masks) {
    return load_manifest(folder.write(
        "m.json", R"({"labels": ["Liver", "Kidney"], "items": [{"image": "a.png", "split": "train", "masks": {)" +
                      masks + "}}]}"));
  };
  CHECK(any_contains(check_manifest(manifest(R"("Liver": "m.png", "Kidney": "blank.png")")).warnings,
                     "label \"Kidney\" is on none of the 1 train images"));
  CHECK(test::contains(test::message_of<ConfigError>([&] { check_manifest(manifest(R"("Liver": "blank.png")")); }),
                       "nothing to learn"));
  CHECK(check_manifest(manifest(R"("Liver": "blank.png")"), {.training = false}).present[0][0] == 0);
}

TEST_CASE("a check of one split opens that one only") {
  const Folder folder;
  save_png(folder / "a.png", noise(20, 20, 1));
  const Manifest manifest = load_manifest(folder.write(
      "m.json",
      with_items(
          R"({"image": "a.png", "split": "val", "masks": {}}, {"image": "no.png", "split": "train", "masks": {}})")));
  CHECK(check_manifest(manifest, {.split = Split::val}).items[1] == 1);
  CHECK_THROWS_AS(check_manifest(manifest), ConfigError);
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

TEST_CASE("every manifest of the page on data reads") {
  const Folder folder;
  std::ifstream page(std::string(SSAM_TEST_DIR) + "/../include/ssam/data/README.md");
  std::string line, text;
  int manifests = 0;
  bool inside = false;
  while (std::getline(page, line)) {
    if (line == "```json") {
      inside = true;
      text.clear();
    } else if (inside && line == "```") {
      inside = false;
      CAPTURE(text);
      CHECK(load_manifest(folder.write("m.json", text)).items.size() >= 1);
      ++manifests;
    } else if (inside) {
      text += line + "\n";
    }
  }
  CHECK(manifests == 6);
}
