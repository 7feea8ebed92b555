#include <doctest/doctest.h>

#include <cmath>
#include <ssam/core/random.hpp>
#include <ssam/data/preprocess.hpp>
#include <ssam/io/safetensors.hpp>

#include "files.hpp"

using namespace ssam;

namespace {

constexpr Preparation release(PreparationForm form) { return {.form = form, .stats = svdsam_release_pixel_stats}; }

struct Centre {
  double y = 0, x = 0;
};

/// The centre of mass, as a fraction of the picture's extents.
template <class At>
Centre centre_of(Index height, Index width, const At& at) {
  double sum = 0;
  Centre centre;
  for (Index y = 0; y < height; ++y) {
    for (Index x = 0; x < width; ++x) {
      const double value = at(y, x);
      sum += value;
      centre.y += value * (static_cast<double>(y) + 0.5);
      centre.x += value * (static_cast<double>(x) + 0.5);
    }
  }
  return {centre.y / sum / static_cast<double>(height), centre.x / sum / static_cast<double>(width)};
}

/// A picture and the mask of the same ellipse on it, both at the model's size: how far their centres lie from the true
/// one, in pixels of the original picture.
struct Displacement {
  Centre image, mask;
};

Displacement displacement(Index height, Index width, Index size, const Preparation& preparation, double at_y,
                          double at_x) {
  Image image(height, width);
  Mask mask(height, width);
  const double cy = at_y * static_cast<double>(height), cx = at_x * static_cast<double>(width);
  const double ry = 0.21 * static_cast<double>(height), rx = 0.17 * static_cast<double>(width);
  for (Index y = 0; y < height; ++y) {
    for (Index x = 0; x < width; ++x) {
      const double dy = (static_cast<double>(y) + 0.5 - cy) / ry, dx = (static_cast<double>(x) + 0.5 - cx) / rx;
      if (dy * dy + dx * dx > 1) continue;
      mask.at(y, x) = 255;
      std::fill_n(image.pixel(y, x), 3, std::uint8_t{200});
    }
  }
  const Centre truth = centre_of(height, width, [&](Index y, Index x) { return mask.at(y, x) != 0 ? 1.0 : 0.0; });
  const Image small = prepare_image(image, size, preparation);
  const Mask small_mask = prepare_mask(mask, size, preparation);
  const auto away = [&](const Centre& found) {
    return Centre{(found.y - truth.y) * static_cast<double>(height), (found.x - truth.x) * static_cast<double>(width)};
  };
  return {
      away(centre_of(small.height, small.width, [&](Index y, Index x) { return double{1} * small.pixel(y, x)[1]; })),
      away(centre_of(small_mask.height, small_mask.width,
                     [&](Index y, Index x) { return double{1} * small_mask.at(y, x); }))};
}

}  // namespace

TEST_CASE("recorded truth: the predictor's and the published code's preparations of odd sizes") {
  const StateDict golden = load_safetensors(std::string(SSAM_TEST_DIR) + "/golden/preparation.safetensors");
  int compared = 0;
  for (const auto& entry : golden.tensors) {
    const std::string& name = entry.first;  // Clang captures no structured bindings
    const HostTensor& tensor = entry.second;
    const auto first = name.find('.'), second = name.find('.', first + 1);
    if (second == std::string::npos) continue;
    const std::string form = name.substr(0, first), number = name.substr(first + 1, second - first - 1);
    const Index size = std::stoll(name.substr(second + 1));
    CAPTURE(name);
    ++compared;
    Preparation preparation = form == "sam"             ? Preparation{}
                              : form == "release_range" ? release(PreparationForm::release_range)
                                                        : release(PreparationForm::release_window);
    const HostTensor& raw = golden.at("raw." + number);
    if (form == "release_mask") {
      Mask mask(raw.shape[0], raw.shape[1]);
      mask.values = golden.at("mask." + number).to<std::uint8_t>();
      CHECK(preprocess_mask(mask, size, preparation).values == tensor.to<std::uint8_t>());
      continue;
    }
    Image image(raw.shape[0], raw.shape[1]);
    image.rgb = raw.to<std::uint8_t>();
    const std::vector<float> ours = preprocess(image, size, preparation), theirs = tensor.to<float>();
    Index differing = 0;
    float largest = 0;
    for (Index i = 0; i < size * size; ++i) {
      for (Index c = 0; c < 3; ++c) {
        const float difference = std::abs(ours[static_cast<std::size_t>(3 * i + c)] -
                                          theirs[static_cast<std::size_t>(c * size * size + i)]) *
                                 preparation.stats.std[static_cast<std::size_t>(c)];
        differing += difference > 1e-3f;
        largest = std::max(largest, difference);
      }
    }
    CHECK(differing <= (form == "sam" ? 0 : 2));  // single-precision sums of the two may round apart where it ties
    CHECK(largest < (form == "release_range" ? 1.2f : 1.01f));  // one grey level, before the range is stretched
  }
  CHECK(compared == 4 * 8);
}

TEST_CASE("masks lie where their images do, at every factor, on odd sizes, along both axes") {
  const std::vector<std::pair<Index, Index>> sizes{{512, 512}, {64, 64}, {301, 517}, {517, 301}, {97, 61}, {33, 250}};
  for (const std::pair<Index, Index>& extents : sizes) {
    const Index height = extents.first, width = extents.second;
    for (const Index size : {64, 96, 128, 512}) {
      for (const PreparationForm form :
           {PreparationForm::sam, PreparationForm::release_window, PreparationForm::release_range}) {
        CAPTURE(height);
        CAPTURE(width);
        CAPTURE(size);
        CAPTURE(static_cast<int>(form));
        const ImageSize inside = prepared_size(height, width, size, release(form));
        // A cell of the smaller grid, in pixels of the original; a rule of corners is half of it off, always.
        const double cell_y = std::max(1.0, static_cast<double>(height) / static_cast<double>(inside.height));
        const double cell_x = std::max(1.0, static_cast<double>(width) / static_cast<double>(inside.width));
        constexpr int places = 40;  // what cells round away has no direction
        Centre mean_mask;
        Random random(3);
        for (int i = 0; i < places; ++i) {
          const Displacement away =
              displacement(height, width, size, release(form), random.uniform(0.4, 0.6), random.uniform(0.4, 0.6));
          CHECK(std::abs(away.image.y) < 0.03 * cell_y);
          CHECK(std::abs(away.image.x) < 0.03 * cell_x);
          mean_mask.y += away.mask.y / places;
          mean_mask.x += away.mask.x / places;
        }
        CHECK(std::abs(mean_mask.y) < 0.06 * cell_y);
        CHECK(std::abs(mean_mask.x) < 0.06 * cell_x);
      }
    }
  }
}

TEST_CASE("a mask's cell belongs to it when half of its area does, ties included") {
  Mask mask(4, 6);
  mask.values = {9, 9, 9, 0, 0, 0,  //
                 9, 9, 9, 0, 0, 0,  //
                 0, 0, 0, 0, 0, 0,  //
                 0, 0, 0, 0, 0, 0};
  CHECK(prepare_mask(mask, 3, {}).values == test::Bytes{1, 1, 0, 0, 0, 0});
  const Mask soft = prepare_mask(mask, 3, {.soft_masks = true});
  CHECK(soft.values == test::Bytes{255, 128, 0, 0, 0, 0});
  CHECK(mask_target(soft.values[0], {.soft_masks = true}) == 1.0f);
  CHECK(mask_target(soft.values[1], {.soft_masks = true}) == doctest::Approx(0.5).epsilon(0.01));
  Mask thirds(3, 3);  // 3 -> 2: a cell covers one pixel and a half of each axis
  thirds.values = {1, 0, 0, 0, 0, 0, 0, 0, 1};
  CHECK(prepare_mask(thirds, 2, {}).values == test::Bytes{0, 0, 0, 0});
  thirds.values = {1, 1, 0, 0, 0, 0, 0, 0, 0};
  CHECK(prepare_mask(thirds, 2, {.soft_masks = true}).values == test::Bytes{170, 57, 0, 0});  // 2/3 x 1, 2/3 x 1/3
}

TEST_CASE("the published sizes: one less for a square, the longer side fits otherwise") {
  const Preparation published = release(PreparationForm::release_window);
  CHECK(prepared_size(300, 300, 256, published) == ImageSize{255, 255});
  CHECK(prepared_size(480, 854, 256, published) == ImageSize{144, 256});
  CHECK(prepared_size(150, 211, 128, published) == ImageSize{91, 128});
  CHECK(prepared_size(211, 150, 128, published) == ImageSize{128, 91});
  CHECK(prepared_size(256, 257, 256, published) == ImageSize{255, 255});
  CHECK(prepared_size(1, 5000, 256, published) == ImageSize{1, 256});
  CHECK(prepared_size(480, 640, 256, {}) == ImageSize{192, 256});
}

TEST_CASE("a window and a picture's own range stretch the values; a plain picture divides by nothing") {
  Image image(2, 2);
  image.rgb = {50, 50, 50, 100, 100, 100, 150, 150, 150, 200, 200, 200};
  Preparation preparation{.form = PreparationForm::release_window, .window_low = 100, .window_high = 150};
  const auto value = [&](const std::vector<float>& input, std::size_t pixel) {
    return input[3 * pixel] * preparation.stats.std[0] + preparation.stats.mean[0];
  };
  std::vector<float> input(5 * 5 * 3);
  normalize_and_pad(image, 5, preparation, input.data());
  CHECK(value(input, 0) == doctest::Approx(0).epsilon(1e-3));
  CHECK(value(input, 5) == doctest::Approx(255));
  preparation.form = PreparationForm::release_range;
  normalize_and_pad(image, 5, preparation, input.data());  // padded: its least value is 0
  CHECK(value(input, 1) == doctest::Approx(127.5));
  CHECK(value(input, 6) == doctest::Approx(255));
  input.resize(2 * 2 * 3);
  normalize_and_pad(image, 2, preparation, input.data());
  CHECK(value(input, 1) == doctest::Approx(85));
  image.rgb.assign(12, 77);
  normalize_and_pad(image, 2, preparation, input.data());
  for (const float x : input) CHECK(std::isfinite(x));
}

TEST_CASE("preparations are written and read") {
  for (const char* text : {"sam", "release_range", "release_window:0,255", "release_window:-10,99.5"}) {
    Preparation preparation;
    parse_form(text, preparation);
    CHECK(form_text(preparation) == text);
  }
  Preparation preparation;
  CHECK_THROWS_AS(parse_form("sam:1,2", preparation), ConfigError);
  CHECK_THROWS_AS(parse_form("release_window:2,1", preparation), ConfigError);
  CHECK(test::contains(test::message_of<ConfigError>([&] { parse_form("release", preparation); }), "known are"));
}
