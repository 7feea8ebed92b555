// Masks as polygons and run lengths. The pictures below were recorded from pycocotools 2.0.

#include <doctest/doctest.h>

#include <ssam/data/check_manifest.hpp>
#include <ssam/data/dataset.hpp>

#include "files.hpp"

using namespace ssam;
using test::Folder;

namespace {

/// A mask drawn with characters: '#' is inside.
Mask drawn(const std::vector<std::string>& rows) {
  Mask mask(static_cast<Index>(rows.size()), static_cast<Index>(rows[0].size()));
  for (Index y = 0; y < mask.height; ++y) {
    for (Index x = 0; x < mask.width; ++x) {
      mask.at(y, x) = rows[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)] == '#' ? 1 : 0;
    }
  }
  return mask;
}

struct Recorded {
  const char* name;
  std::vector<std::vector<double>> polygons;
  std::vector<std::string> rows;
  std::string compressed;             // of their union
  std::vector<std::uint32_t> counts;  // the same, not compressed
};

const std::vector<Recorded>& recorded() {
  static const std::vector<Recorded> cases{
      {"triangle",
       {{1.3, 0.7, 11.9, 3.2, 4.1, 8.6}},
       {".............", "..###........", "..#######....", "..#########..", "...#######...", "...######....",
        "...####......", "....##.......", "............."},
       "c0363M10O0O1O101N1O`0",
       {19, 3, 6, 6, 3, 7, 3, 6, 3, 5, 4, 4, 5, 4, 6, 2, 7, 1, 23}},
      {"an outline that crosses itself",
       {{1, 1, 10, 7, 10, 1, 1, 7}},
       {"...........", ".#.......#.", ".##.....##.", ".####.####.", ".####.####.", ".##.....##.", ".#.......#.",
        "..........."},
       "963N2N1080H0O2N26",
       {9, 6, 3, 4, 5, 2, 6, 2, 14, 2, 6, 2, 5, 4, 3, 6, 9}},
      {"beyond all four sides",
       {{-3.5, 2.2, 9.4, -1.7, 6.1, 12.3}},
       {"..###", "#####", "#####", "#####", "#####", "#####", ".####"},
       "152f0",
       {1, 5, 2, 27}},
      {"thinner than a pixel and between their middles",
       {{0, 2.5, 9, 2.5, 9, 3.4, 0, 3.4}},
       {".........", ".........", ".........", ".........", ".........", "........."},
       "f1",
       {54}},
      {"two that overlap",
       {{1, 1, 5, 1, 5, 5, 1, 5}, {4.2, 3.9, 11.1, 3.1, 9.9, 9.8, 3.7, 9.2}},
       {"............", ".####.......", ".####.......", ".####...###.", ".##########.", "....#######.", "....#######.",
        "....######..", "....######..", ".......###.."},
       ";4600004OM0001N1000M:",
       {11, 4, 6, 4, 6, 4, 6, 8, 5, 5, 5, 5, 5, 6, 3, 7, 3, 7, 3, 4, 13}},
      {"one pixel", {{0, 0, 1, 0, 1, 1, 0, 1}}, {"#"}, "01", {0, 1}},
      {"through the middles of pixels",
       {{0.5, 0.5, 6.5, 0.5, 6.5, 3.5, 0.5, 3.5}},
       {".......", ".######", ".######", ".######"},
       "531000000000",
       {5, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3}},
  };
  return cases;
}

/// A manifest of one 3 x 4 picture with these shapes (and further keys of the item).
std::string with_shapes(const std::string& shapes, const std::string& more = "") {
  return R"({"labels": ["A", "B"], "items": [{"image": "a.png", "split": "train", "shapes": )" + shapes + more + "}]}";
}

}  // namespace

TEST_CASE("shapes: polygons are rasterised as pycocotools does") {
  for (const Recorded& wanted : recorded()) {
    CAPTURE(wanted.name);
    const Mask mask = drawn(wanted.rows);
    std::vector<MaskShape> parts;
    for (const std::vector<double>& polygon : wanted.polygons) parts.push_back({polygon, {}});
    CHECK(rasterize(parts, mask.height, mask.width) == mask);
  }
}

TEST_CASE("shapes: run lengths, compressed or not") {
  for (const Recorded& wanted : recorded()) {
    CAPTURE(wanted.name);
    const Mask mask = drawn(wanted.rows);
    CHECK(expand_counts(wanted.compressed, "") == wanted.counts);
    CHECK(rasterize({{{}, {mask.height, mask.width, wanted.counts}}}, mask.height, mask.width) == mask);
  }
  CHECK(expand_counts("", "").empty());
}

TEST_CASE("shapes: what is none is refused") {
  Mask mask(3, 4);
  const auto polygon = [&](const std::vector<double>& corners) {
    return test::message_of<FormatError>([&] { fill_polygon(corners, mask); });
  };
  CHECK(test::contains(polygon({0, 0, 1, 1}), "three corners"));
  CHECK(test::contains(polygon({0, 0, 1, 1, 2, 2, 3}), "7 numbers"));
  CHECK(test::contains(polygon({0, 0, 1e9, 0, 1, 1}), "outside any picture"));
  CHECK(test::contains(polygon({0, 0, NAN, 0, 1, 1}), "outside any picture"));
  const auto runs = [&](const RunLengths& lengths) {
    return test::message_of<FormatError>([&] { fill_runs(lengths, mask); });
  };
  CHECK(test::contains(runs({3, 4, {5, 6}}), "expected 3 x 4 pixels, found 11"));
  CHECK(test::contains(runs({3, 4, {5, UINT32_MAX, 8}}), "do not fill"));
  CHECK(test::contains(runs({4, 3, {12}}), "another size"));
  const auto text = [](const char* counts) {
    return test::message_of<FormatError>([&] { expand_counts(counts, "here"); });
  };
  CHECK(test::contains(text("3P"), "unfinished"));
  CHECK(test::contains(text("3!"), "[here]: found the character '!'"));
  CHECK(test::contains(text("O"), "run length -1"));
  CHECK(test::contains(text("PPPPPPPPPPPP"), "40 bits"));
  CHECK(mask == Mask(3, 4));
}

TEST_CASE("manifest: shapes, groups and the size they were drawn on") {
  const Folder folder;
  save_png(folder / "a.png", Image(3, 4));
  const Manifest manifest = load_manifest(folder.write(
      "m.json", with_shapes(R"({"B": [{"polygon": [0, 0, 2, 0, 2, 1, 0, 1]}, {"polygon": [1, 2, 4, 2, 4, 3, 1, 3]},
                                      {"rle": {"size": [3, 4], "counts": [4, 1, 7]}}]})",
                            R"(, "size": [3, 4], "group": "patient 7")")));
  CHECK(manifest.coding == MaskCoding::shapes);
  REQUIRE(manifest.items.size() == 1);
  CHECK(manifest.items[0].group == "patient 7");
  CHECK(manifest.items[0].shapes_size == ImageSize{3, 4});
  CHECK(manifest.items[0].shapes[0].empty());
  const ManifestReport report = check_manifest(manifest);
  CHECK(report.present[0][0] == 0);
  CHECK(report.present[1][0] == 1);
  const Dataset data(manifest, Split::train, 16, {});
  CHECK(data.original_mask(0) == Mask(3, 4));
  CHECK(data.original_mask(1) == drawn({"##..", ".#..", ".###"}));
  const nlohmann::json before = data_fingerprint(data);
  Manifest changed = manifest;
  changed.items[0].shapes[1][0].polygon[0] = 0.25;
  CHECK(data_fingerprint(Dataset(changed, Split::train, 16, {})) != before);
}

TEST_CASE("manifest: shapes of another picture are refused") {
  const Folder folder;
  save_png(folder / "a.png", Image(3, 4));
  const auto refusal = [&](const std::string& text) {
    const auto path = folder.write("m.json", text);
    return test::message_of<Error>([&] { Dataset(load_manifest(path), Split::train, 16, {}).original_masks(0); });
  };
  const std::string part = R"([{"polygon": [0, 0, 2, 0, 2, 1]}])";
  CHECK(test::contains(refusal(with_shapes(R"({"A": )" + part + "}", R"(, "size": [6, 8])")),
                       "expected 3 x 4, found 6 x 8"));
  CHECK(test::contains(refusal(with_shapes(R"({"A": [{"rle": {"size": [4, 3], "counts": [12]}}]})")), "found 4 x 3"));
  CHECK(test::contains(refusal(with_shapes(R"({"C": )" + part + "}")), "unknown key \"C\""));
  CHECK(test::contains(refusal(with_shapes("[]")), "object"));
  CHECK(test::contains(refusal(with_shapes(R"({"A": {}})")), "list of polygons"));
  CHECK(test::contains(refusal(with_shapes(R"({"A": [{}]})")), "either"));
  CHECK(test::contains(refusal(with_shapes(R"({"A": [{"polgon": []}]})")), "did you mean 'polygon'?"));
  CHECK(test::contains(refusal(with_shapes(R"({"A": [{"polygon": [0, 1, "x"]}]})")), "items[0], shapes, A[0]"));
  CHECK(test::contains(refusal(with_shapes(R"({"A": [{"rle": {"size": [3, 4]}}]})")), "counts"));
  CHECK(test::contains(refusal(with_shapes(R"({"A": [{"rle": {"size": [3, 4], "counts": 3}}]})")), "compressed text"));
  CHECK(
      test::contains(refusal(with_shapes(R"({"A": [{"rle": {"size": [3, 4], "counts": [-1]}}]})")), "length of a run"));
  CHECK(test::contains(refusal(with_shapes(R"({"A": )" + part + "}", R"(, "size": [0, 8])")), "[height, width]"));
  CHECK(test::contains(refusal(with_shapes(R"({"A": )" + part + "}", R"(, "group": 7)")), "text"));
  CHECK(test::contains(refusal(with_shapes("{}", R"(}, {"image": "b.png", "split": "val", "masks": {})")),
                       "in one form"));
}

TEST_CASE("manifest: shapes on a picture that its EXIF orientation turns") {
  const Folder folder;
  folder.write("a.jpg", test::with_orientation(test::red_blue_jpeg(), 6));  // 16 x 32 as stored, 32 x 16 as shown
  const auto refusal = [&](const std::string& more) {
    const auto path = folder.write("m.json", R"({"labels": ["A"], "items": [{"image": "a.jpg", "split": "train",
        "shapes": {"A": [{"polygon": [0, 0, 5, 0, 5, 5]}]})" +
                                                 more + "}]}");
    return test::message_of<Error>([&] { check_manifest(load_manifest(path)); });
  };
  CHECK(refusal(R"(, "size": [32, 16])") == "");
  CHECK(test::contains(refusal(R"(, "size": [16, 32])"), "EXIF"));
  CHECK(test::contains(refusal(""), "EXIF"));
}
