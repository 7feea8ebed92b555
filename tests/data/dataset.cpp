#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <ssam/data/dataset.hpp>
#include <ssam/data/overlay.hpp>
#include <thread>

#include "files.hpp"

using namespace ssam;
using test::Folder;

namespace {

/// Two images of 12 x 24 (train) and one of 8 x 8 (val), labels A and B, grey values 1 and 2.
Manifest small_set(const Folder& folder) {
  for (const char* name : {"0", "1"}) {
    Image image(12, 24);
    for (std::size_t i = 0; i < image.rgb.size(); ++i)
      image.rgb[i] = static_cast<std::uint8_t>(i * 7 + (name[0] == '0' ? 0 : 90));
    Mask mask(12, 24);
    for (Index x = 0; x < 12; ++x) mask.at(5, x) = mask.at(6, x) = name[0] == '0' ? 1 : 2;
    save_png(folder / (std::string(name) + ".png"), image);
    save_png(folder / (std::string(name) + "m.png"), mask);
  }
  save_png(folder / "2.png", Image(8, 8));
  save_png(folder / "2m.png", Mask(8, 8));
  return load_manifest(folder.write("m.json", std::string(R"({"labels": ["A", "B"], "values": {"A": 1, "B": 2},
    "augment": {"flip": true, "saturation": true, "brightness": true},
    "items": [{"image": "0.png", "split": "train", "mask": "0m.png"}, {"image": "2.png", "split": "val", "mask": "2m.png"},
              {"image": "1.png", "split": "train", "mask": "1m.png"}]})")));
}

struct Loaded {
  std::vector<float> image, mask;
  bool operator==(const Loaded&) const = default;
};

Loaded load(const Dataset& data, Index i, const std::optional<AugmentationSeed>& seed = {}) {
  const auto pixels = static_cast<std::size_t>(data.image_size() * data.image_size());
  Loaded loaded{std::vector<float>(pixels * 3), std::vector<float>(pixels)};
  data.load(i, seed, loaded.image.data(), loaded.mask.data());
  return loaded;
}

}  // namespace

TEST_CASE("longest side: SAM's rounding") {
  CHECK(resize_longest_side(77, 93, 1024) == ImageSize{848, 1024});
  CHECK(resize_longest_side(480, 640, 256) == ImageSize{192, 256});
  CHECK(resize_longest_side(3, 2, 3) == ImageSize{3, 2});
  CHECK(resize_longest_side(1, 5000, 256) == ImageSize{1, 256});
  CHECK_THROWS_AS(resize_longest_side(0, 5, 256), ConfigError);
}

TEST_CASE("the two padding rules") {
  Image image(1, 2);
  image.rgb = {124, 116, 104, 0, 255, 9};
  const auto sam = preprocess(image, 2, {});
  CHECK(sam[0] == doctest::Approx((124 - 123.675) / 58.395));
  CHECK(sam[4] == doctest::Approx((255 - 116.28) / 57.12));
  CHECK(sam[6] == 0.0f);
  const auto release =
      preprocess(image, 2, {.form = PreparationForm::release_window, .stats = svdsam_release_pixel_stats});
  CHECK(release[0] == doctest::Approx((124 - 123.675) / 53.395));
  CHECK(release[6] == doctest::Approx(-123.675 / 53.395));
  CHECK(release[11] == doctest::Approx(-103.53 / 57.375));
}

TEST_CASE("masks follow the image, padded with 0") {
  Mask mask(1, 2);
  mask.values = {1, 0};
  CHECK(preprocess_mask(mask, 4, {}).values == test::Bytes{1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("samples are items x labels of one split, absent labels included") {
  const Folder folder;
  const Dataset data(small_set(folder), Split::train, 12, {});
  CHECK(data.size() == 4);
  CHECK(data.sample(3) == Sample{1, 1});
  CHECK(data.label_name(1) == "B");
  CHECK(data.original_size(0) == ImageSize{12, 24});
  const auto sum = [&](Index i) {
    float total = 0;
    for (const float value : load(data, i).mask) total += value;
    return total;
  };
  CHECK(sum(0) > 0);
  CHECK(sum(1) == 0);
  CHECK(sum(2) == 0);
  CHECK(sum(3) > 0);
  CHECK(data.original_mask(0).at(5, 3) == 1);
  CHECK(data.original_image(1) == load_image(folder / "1.png"));
  CHECK_THROWS_AS(data.sample(4), ShapeError);
  CHECK_THROWS_AS(data.sample(-1), ShapeError);
  CHECK_THROWS_AS(Dataset(data.manifest(), Split::test, 12, {}), ConfigError);
}

TEST_CASE("augmentation depends on seed, epoch and index only, not on cache or threads") {
  const Folder folder;
  const Manifest manifest = small_set(folder);
  const Dataset cached(manifest, Split::train, 24, {});
  const Dataset uncached(manifest, Split::train, 24, {}, 0);
  std::vector<Loaded> first(40), second(40);
  for (Index k = 0; k < 40; ++k) {
    first[static_cast<std::size_t>(k)] = load(cached, k % 4, AugmentationSeed{7, static_cast<std::uint64_t>(k / 4)});
  }
  std::vector<std::thread> threads;
  for (Index t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (Index k = 39 - t; k >= 0; k -= 4) {
        second[static_cast<std::size_t>(k)] =
            load(uncached, k % 4, AugmentationSeed{7, static_cast<std::uint64_t>(k / 4)});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(first == second);
  std::set<std::vector<float>> epochs;
  for (std::size_t k = 0; k < 40; k += 4) epochs.insert(first[k].image);
  CHECK(epochs.size() > 5);  // the epochs do differ
  CHECK(load(cached, 0, AugmentationSeed{8, 3}) == load(uncached, 0, AugmentationSeed{8, 3}));
  CHECK(load(cached, 0) == load(uncached, 0));
}

TEST_CASE("augmentation: frequencies and ranges of the published code") {
  Random random(1);
  const AugmentationSettings all{.rotation = true, .flip = true, .saturation = true, .brightness = true};
  int rotated = 0, flipped = 0, saturated = 0, brightened = 0;
  std::set<int> degrees;
  for (int i = 0; i < 4000; ++i) {
    const Augmentation drawn = draw_augmentation(all, random);
    rotated += drawn.degrees != 0;
    degrees.insert(drawn.degrees);
    flipped += drawn.flip;
    saturated += drawn.saturation == 2;
    brightened += drawn.brightness != 1;
    CHECK(drawn.brightness >= 0);
    CHECK(drawn.brightness < 2);
  }
  CHECK(std::abs(rotated - 2000) < 150);
  CHECK(std::abs(flipped - 2000) < 150);
  CHECK(std::abs(saturated - 800) < 120);
  CHECK(std::abs(brightened - 2000) < 150);
  CHECK(degrees.size() == 11);
  CHECK(*degrees.rbegin() == 10);
  CHECK(draw_augmentation({.rotation = false}, random) == Augmentation{});
}

TEST_CASE("augmentation: geometry moves image and mask alike, colours change the image only") {
  Image image(41, 41);
  Mask mask(41, 41);
  for (Index y = 8; y < 30; ++y) {
    for (Index x = 20; x < 34; ++x) {
      mask.at(y, x) = 1;
      for (int c = 0; c < 3; ++c) image.pixel(y, x)[c] = 200;
    }
  }
  const Mask original = mask;
  apply({.degrees = 9, .flip = true}, image, mask);
  CHECK(mask != original);
  Index disagree = 0;
  for (Index y = 0; y < 41; ++y) {
    for (Index x = 0; x < 41; ++x) disagree += (image.pixel(y, x)[0] > 100) != (mask.at(y, x) != 0);
  }
  CHECK(disagree < 20);  // rounding along the border only
  CHECK(mask.at(20, 13) == 1);
  CHECK(mask.at(20, 30) == 0);

  Image colours(1, 2);
  colours.rgb = {100, 100, 100, 120, 100, 100};
  Mask none(1, 2);
  Image brighter = colours;
  apply({.brightness = 1.5}, brighter, none);
  CHECK(brighter.rgb == test::Bytes{150, 150, 150, 180, 150, 150});
  apply({.saturation = 2}, colours, none);
  CHECK(std::abs(colours.rgb[0] - 100) <= 1);  // grey stays grey
  CHECK(colours.rgb[3] == 134);                // 2 * 120 - (0.2989 * 120 + 0.701 * 100)
  CHECK(colours.rgb[4] == 94);
}

TEST_CASE("overlays tint inside and draw the border") {
  Image image(5, 5);
  Mask mask(5, 5);
  for (Index y = 1; y < 4; ++y) {
    for (Index x = 1; x < 4; ++x) mask.at(y, x) = 1;
  }
  const Image result = overlay(image, mask, {200, 100, 0}, 0.5);
  CHECK(result.pixel(2, 2)[0] == 100);
  CHECK(result.pixel(1, 1)[0] == 200);
  CHECK(result.pixel(0, 0)[0] == 0);
  CHECK_THROWS_AS(overlay(image, Mask(4, 5), {0, 0, 0}), ShapeError);
}

TEST_CASE("a contact sheet holds its pictures under their captions") {
  Image white(30, 40);
  white.rgb.assign(white.rgb.size(), 255);
  const Image sheet =
      side_by_side({{white, "image"}, {white, "a caption that is far too long for its cell"}, {{}, ""}});
  CHECK(sheet.width == 3 * 46 + 6);
  CHECK(sheet.height == 30 + 20 + 12);
  CHECK(sheet.pixel(26, 6)[0] == 255);
  CHECK(sheet.pixel(55, 45)[0] == 255);
  CHECK(sheet.pixel(40, 48)[0] != 255);
  CHECK(sheet.pixel(40, 110)[0] != 255);
}

TEST_CASE("samples that are read ahead are the same, with and without room in the cache") {
  const Folder folder;
  const Manifest manifest = small_set(folder);
  const AugmentationSeed seed{.seed = 5, .epoch = 2};
  const Dataset plain(manifest, Split::train, 16, {});
  for (const std::size_t room : {std::size_t{0}, std::size_t{1} << 20}) {
    const Dataset ahead(manifest, Split::train, 16, {}, room);
    for (Index i = 0; i < 4; ++i) {
      const std::vector<Index> next{i, (i + 1) % 4};
      ahead.expect(next);
      if (i % 2 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      CHECK(load(ahead, i, seed) == load(plain, i, seed));
      CHECK(load(ahead, i) == load(plain, i));
    }
  }
}

TEST_CASE("a picture that cannot be read ahead is an error of the sample that has it, and of no other") {
  const Folder folder;
  const Manifest manifest = small_set(folder);
  folder.write("0.png", "no picture");
  const Dataset data(manifest, Split::train, 16, {});
  const std::vector<Index> all{0, 1, 2, 3};
  data.expect(all);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(load(data, 2).image.size() == 16 * 16 * 3);
  CHECK(test::contains(test::message_of<FormatError>([&] { load(data, 1); }), "0.png"));
  const std::vector<Index> none{4};
  CHECK_THROWS_AS(data.expect(none), ShapeError);
}
