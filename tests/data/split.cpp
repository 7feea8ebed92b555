// Writing manifests, and dividing them by group.

#include <doctest/doctest.h>

#include <ssam/data/save_manifest.hpp>
#include <ssam/data/split.hpp>

#include "trees.hpp"

using namespace ssam;
using test::contains;
using test::Tree;

namespace {

/// Images of groups of these sizes: "g0" has sizes[0] of them, ... A group "" stands for images of no group.
Manifest grouped(const std::vector<std::pair<std::string, int>>& sizes, Split split = Split::train) {
  Manifest manifest;
  manifest.labels = {"L"};
  for (const auto& [group, count] : sizes) {
    for (int i = 0; i < count; ++i) {
      manifest.items.push_back(
          {.image = group + "_" + std::to_string(i) + ".png", .split = split, .masks = {{}}, .group = group});
    }
  }
  return manifest;
}

bool same_items(const Manifest& a, const Manifest& b) {
  if (a.items.size() != b.items.size()) return false;
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    const ManifestItem &x = a.items[i], &y = b.items[i];
    const auto real = [](const std::filesystem::path& path) {
      return path.empty() ? path : std::filesystem::weakly_canonical(path.parent_path()) / path.filename();
    };
    bool same = real(x.image) == real(y.image) && x.split == y.split && real(x.mask) == real(y.mask) &&
                x.masks.size() == y.masks.size() && x.shapes == y.shapes && x.shapes_size == y.shapes_size &&
                x.group == y.group;
    for (std::size_t k = 0; same && k < x.masks.size(); ++k) same = real(x.masks[k]) == real(y.masks[k]);
    if (!same) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("save_manifest: what was written is read again, for every form of masks") {
  const Tree tree;
  tree.image("a/x.png");
  tree.text("m1.json", R"({"labels": ["L", "M"], "instances": true, "augment": {"rotation": false, "brightness": true},
      "items": [{"image": "a/x.png", "split": "val", "group": "p 1", "masks": {"M": "a/../a/y.png"}},
                {"image": "b.png", "split": "test", "masks": {}}]})");
  tree.text("m2.json", R"({"labels": ["L", "M"], "values": {"L": 3, "M": 0}, "background": [50, 7],
      "items": [{"image": "a/x.png", "split": "train", "mask": "m.png"}]})");
  tree.text("m3.json", R"({"labels": ["L"], "colors": {"L": [1, 2, 3]}, "background": [],
      "items": [{"image": "a/x.png", "split": "train", "mask": "m.png"}]})");
  tree.text("m4.json",
            R"({"labels": ["L", "M"], "items": [{"image": "a/x.png", "split": "train", "size": [5, 7], "shapes":
      {"M": [{"polygon": [0.1, 1e-7, 3.3333333333333335, 2, 1, 4]}, {"rle": {"size": [5, 7], "counts": [30, 5]}}]}},
      {"image": "b.png", "split": "val", "shapes": {}}]})");
  std::filesystem::create_directories(tree / "out/deep");
  std::filesystem::create_directory_symlink(tree / "out/deep", tree / "link");
  for (const std::string name : {"m1.json", "m2.json", "m3.json", "m4.json"}) {
    CAPTURE(name);
    const Manifest before = load_manifest(tree / name);
    // Here, elsewhere, and behind a link, where ".." leads to another folder than the path says.
    for (const std::string target : {"copy.json", "out/deep/copy.json", "link/linked.json"}) {
      CAPTURE(target);
      save_manifest(tree / target, before);
      const Manifest after = load_manifest(tree / target);
      CHECK(same_items(before, after));
      CHECK(after.labels == before.labels);
      CHECK(after.coding == before.coding);
      CHECK(after.values == before.values);
      CHECK(after.colors == before.colors);
      CHECK(after.background_values == before.background_values);
      CHECK(after.background_colors == before.background_colors);
      CHECK(after.instances == before.instances);
      CHECK(after.augment == before.augment);
      CHECK(load_image(after.items[0].image) == load_image(tree / "a/x.png"));
    }
  }
  Manifest manifest = load_manifest(tree / "m1.json");
  const std::string text = read_file(tree / "copy.json", 1 << 20);
  CHECK(contains(text, "\"image\":\"a/x.png\""));
  manifest.items[0].image = tree / "\xff.png";
  CHECK(contains(test::message_of<ConfigError>([&] { save_manifest(tree / "copy.json", manifest); }), "not UTF-8"));
  CHECK(read_file(tree / "copy.json", 1 << 20) == text);
  CHECK_THROWS_AS(save_manifest(tree / "nowhere/m.json", load_manifest(tree / "m2.json")), IoError);
}

TEST_CASE("split_by_group: folds hold each image once, groups stay together") {
  const Manifest all = grouped({{"a", 9}, {"b", 1}, {"c", 4}, {"d", 4}, {"e", 2}, {"f", 7}, {"", 3}});
  for (const std::uint64_t seed : {0, 1, 2}) {
    std::vector<int> validated(all.items.size());
    for (Index fold = 1; fold <= 3; ++fold) {
      const Manifest divided = split_by_group(all, 3, fold, seed);
      std::map<std::string, std::set<Split>> splits;
      Index size = 0;
      for (std::size_t i = 0; i < divided.items.size(); ++i) {
        const ManifestItem& item = divided.items[i];
        validated[i] += item.split == Split::val;
        size += item.split == Split::val;
        CHECK(item.split != Split::test);
        if (!item.group.empty()) splits[item.group].insert(item.split);
      }
      for (const auto& [group, of_group] : splits) CHECK(of_group.size() == 1);
      CHECK(size == 10);  // 30 images: sizes 9, 7, 4, 4, 2 and four of 1 fill three folds evenly
      REQUIRE(divided.notes.size() == 1);
      CHECK(contains(divided.notes[0], "fold " + std::to_string(fold) + " of 3 validates: 10 images; 9 groups"));
      CHECK(same_items(divided, split_by_group(all, 3, fold, seed)));
    }
    CHECK(validated == std::vector<int>(all.items.size(), 1));
  }
  CHECK_FALSE(same_items(split_by_group(all, 3, 1, 0), split_by_group(all, 3, 1, 1)));
}

TEST_CASE("split_by_group: test images stay, validation images are divided anew") {
  Manifest all = grouped({{"a", 2}, {"b", 2}});
  all.items[0].split = all.items[1].split = Split::val;
  const Manifest tests = grouped({{"t", 2}, {"", 1}}, Split::test);
  all.items.insert(all.items.end(), tests.items.begin(), tests.items.end());
  CHECK(split_counts(split_by_group(all, 2, 1)) == "2 train, 2 val, 3 test");
  CHECK(split_counts(split_by_group(all, 2, 2)) == "2 train, 2 val, 3 test");
  const auto refused = [](const Manifest& manifest, Index folds, Index fold) {
    return test::message_of<ConfigError>([&] { split_by_group(manifest, folds, fold); });
  };
  CHECK(contains(refused(all, 1, 1), "2 at least"));
  CHECK(contains(refused(all, 2, 0), "expected 1..2, found 0"));
  CHECK(contains(refused(all, 2, 3), "no such fold"));
  CHECK(contains(refused(all, 3, 1), "fewer groups than folds"));
  all.items[0].group = all.items[1].group = "t";
  CHECK(contains(refused(all, 2, 1), "found t; give all of it to one split"));
}
