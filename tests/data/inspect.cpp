// All that is wrong with a data set at once, what is counted, and how it is drawn.

#include <doctest/doctest.h>

#include <ssam/data/preview.hpp>

#include "trees.hpp"

using namespace ssam;
using test::contains;
using test::Tree;

TEST_CASE("inspect_manifest: every broken file is listed, also the second one of an image") {
  const Tree tree;
  for (const char* name : {"a", "b", "c"}) tree.image("images/" + std::string(name) + ".png");
  save_png(tree.make("masks/Fat/a.png"), Mask(4, 7));
  tree.text("masks/Liver/a.png", "no picture");
  tree.text("images/b.png", "none either");
  tree.mask("masks/Liver/b.png", 1, 255);
  tree.mask("masks/Liver/c.png", 1, 255);
  const Manifest manifest = open_data_set(tree.spec("folders"));
  const ManifestReport report = inspect_manifest(manifest);
  REQUIRE(report.problems.size() == 3);
  CHECK(contains(report.problems[0], "expected 5 x 7, found 4 x 7"));
  CHECK(contains(report.problems[1], "masks/Liver/a.png"));
  CHECK(contains(report.problems[2], "images/b.png"));
  CHECK(report.present[1][0] == 1);
  const std::string refused = test::message_of<ConfigError>([&] { check_manifest(manifest); });
  CHECK(contains(refused, "has 3 problems:\n  "));
  for (const std::string& problem : report.problems) CHECK(contains(refused, problem));
}

TEST_CASE("inspect_manifest: areas, sizes, odd values, copies and divided groups") {
  const Tree tree;
  tree.image("train/images/p1/a.png");
  tree.image("train/images/p1/b.png", 9, 4);
  tree.image("val/images/p1/c.png");
  tree.image("val/images/p2/d.png");
  std::filesystem::copy_file(tree / "train/images/p1/a.png", tree / "val/images/p2/copy.png");
  std::filesystem::copy_file(tree / "val/images/p2/d.png", tree / "val/images/p2/again.png");
  tree.mask("train/masks/L/p1/a.png", 1, 255);
  Mask tall(9, 4);
  for (Index y = 0; y < 9; ++y) tall.at(y, 0) = 37;
  save_png(tree.make("train/masks/L/p1/b.png"), tall);
  tree.mask("val/masks/L/p1/c.png", 1, 1);
  const ManifestReport report = inspect_manifest(open_data_set(tree.spec("folders")));
  CHECK(report.problems.empty());
  CHECK(report.items == std::array<Index, 3>{2, 4, 0});
  CHECK(report.present[0] == std::array<Index, 3>{2, 1, 0});
  CHECK(report.covered[0][0] == doctest::Approx(1.0 / 5 + 1.0 / 4));
  CHECK(report.covered[0][1] == doctest::Approx(1.0 / 5));
  CHECK(report.sizes == std::map<std::pair<Index, Index>, Index>{{{5, 7}, 5}, {{9, 4}, 1}});
  std::string suspects, warnings;
  for (const std::string& line : report.suspects) suspects += line + "\n";
  for (const std::string& line : report.warnings) warnings += line + "\n";
  CHECK(report.suspects.size() == 3);
  CHECK(contains(suspects, "p1/b.png: a mask of the values 0 and 37"));
  CHECK(contains(suspects, "copy.png (val) is the same picture as"));
  CHECK(contains(suspects, "d.png (val) is the same picture as"));
  CHECK(contains(warnings, "1 masks of one label have another value than 1 or 255"));
  CHECK(contains(warnings, "the group \"p1\" stands in more than one split"));
  CHECK(contains(warnings, "1 pictures stand in two splits"));
}

TEST_CASE("preview: masks lie where they are, on pictures of any size") {
  const Tree tree;
  Image black(40, 80);
  save_png(tree.make("images/a.png"), black);
  save_png(tree.make("images/b.png"), Image(1, 1));
  Mask mask(40, 80), one(40, 80);
  for (Index y = 10; y < 30; ++y) {
    for (Index x = 50; x < 70; ++x) mask.at(y, x) = 255;
  }
  one.at(3, 4) = 255;
  save_png(tree.make("masks/Box/a.png"), mask);
  save_png(tree.make("masks/Speck/a.png"), one);
  const Manifest manifest = open_data_set(tree.spec("folders"));
  const Image drawn = preview_item(manifest, manifest.items[0], 400);
  CHECK(drawn.height == 200);
  CHECK(drawn.width == 400);
  const auto color_at = [&](Index y, Index x) {
    return Color{drawn.pixel(y, x)[0], drawn.pixel(y, x)[1], drawn.pixel(y, x)[2]};
  };
  CHECK(color_at(50, 250) == label_color(0));  // the border
  CHECK(color_at(149, 349) == label_color(0));
  CHECK(color_at(60, 260) == Color{92, 24, 24});  // 0.4 of (230, 60, 60) on black
  CHECK(color_at(45, 300) == Color{0, 0, 0});
  CHECK(color_at(15, 20) == label_color(1));
  // Made ten times smaller, one pixel is still seen.
  const Image small = preview_item(manifest, manifest.items[0], 8);
  CHECK(small.height == 4);
  CHECK(std::any_of(small.rgb.begin(), small.rgb.end(), [](std::uint8_t value) { return value > 0; }));
  const Image sheet = preview_sheet(manifest, 100, 64);
  CHECK(sheet.width == 2 * (64 + 6) + 6);
  CHECK(preview_sheet(manifest, 1, 64).width == 64 + 12);
}
