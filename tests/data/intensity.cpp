#include <doctest/doctest.h>

#include <ssam/data/image.hpp>

#include "files.hpp"

using namespace ssam;
using test::Bytes;
using test::Folder;
using test::Png;

namespace {

/// A grey PNG of 16 bits in one row, with an sBIT chunk where `significant` is not 0.
Bytes png16(const std::vector<std::uint16_t>& values, std::uint8_t significant = 0) {
  Png png{.width = static_cast<std::uint32_t>(values.size()), .height = 1, .bits = 16, .lines = {0}};
  for (const std::uint16_t value : values) {
    png.lines.push_back(static_cast<std::uint8_t>(value >> 8));
    png.lines.push_back(static_cast<std::uint8_t>(value));
  }
  Bytes bytes = png.bytes();
  if (significant == 0) return bytes;
  Bytes chunk;
  test::append_chunk(chunk, "sBIT", {significant});
  bytes.insert(bytes.begin() + 33, chunk.begin(), chunk.end());  // behind IHDR
  return bytes;
}

Bytes greys(const Bytes& file, const std::string& intensity, ImageNotes* notes = nullptr) {
  const Folder folder;
  const Image image = load_image(folder.write("p.png", file), parse_intensity(intensity), notes);
  Bytes first;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) first.push_back(image.rgb[i]);
  return first;
}

}  // namespace

TEST_CASE("12 bits in 16 are not nearly black") {
  const std::vector<std::uint16_t> values{0, 1024, 2048, 3071, 4095};
  ImageNotes notes;
  const Bytes shown = greys(png16(values), "auto", &notes);
  CHECK(shown.front() == 0);
  CHECK(shown.back() == 255);
  CHECK(std::abs(shown[2] - 128) <= 1);
  CHECK(notes.bits == 16);
  CHECK(notes.range.reason == "percentiles 0.5 and 99.5");
  CHECK(greys(png16(values, 12), "auto") == Bytes{0, 64, 128, 191, 255});  // the file says how many bits count
}

TEST_CASE("the file's own word: raw values of so many bits, or as PNG has it, values spread over all") {
  ImageNotes notes;
  CHECK(greys(png16({0, 500, 1000}, 12), "auto", &notes) == Bytes{0, 31, 62});
  CHECK(notes.range.high == 4095);
  CHECK(greys(png16({0, 32896, 65535}, 12), "auto", &notes) == Bytes{0, 128, 255});
  CHECK(notes.range.high == 65535);
}

TEST_CASE("percentiles are NumPy's") {
  std::vector<std::uint16_t> values;
  for (std::uint16_t i = 0; i <= 200; ++i) values.push_back(static_cast<std::uint16_t>(100 * i));
  ImageNotes notes;
  greys(png16(values), "percentile:1,99", &notes);
  CHECK(notes.range.low == doctest::Approx(200));
  CHECK(notes.range.high == doctest::Approx(19800));
  greys(png16({1, 2, 4}), "percentile:25,50", &notes);  // numpy.percentile([1, 2, 4], [25, 50])
  CHECK(notes.range.low == doctest::Approx(1.5));
  CHECK(notes.range.high == doctest::Approx(2));
}

TEST_CASE("a window holds for pictures of any depth, and cuts off what lies outside") {
  CHECK(greys(png16({0, 100, 150, 200, 65535}), "window:100,200") == Bytes{0, 0, 128, 255, 255});
  CHECK(greys(Png{.width = 4, .height = 1, .lines = {0, 10, 20, 30, 40}}.bytes(), "window:20,30") ==
        Bytes{0, 0, 255, 255});
  CHECK(greys(Png{.width = 4, .height = 1, .lines = {0, 10, 20, 30, 40}}.bytes(), "auto") == Bytes{10, 20, 30, 40});
}

TEST_CASE("a picture of one value is black, not a division by zero") {
  CHECK(greys(png16({700, 700, 700}), "auto") == Bytes{0, 0, 0});
}

TEST_CASE("colours of 16 bits keep their relations") {
  const Folder folder;
  const Png png{.width = 2, .height = 1, .bits = 16, .type = 2, .lines = {0, 4, 0, 2, 0, 0, 0, 0, 0, 4, 0, 8, 0}};
  const Image image = load_image(folder.write("c.png", png.bytes()), parse_intensity("window:0,2048"));
  CHECK(image.rgb == Bytes{128, 64, 0, 0, 128, 255});
}

TEST_CASE("intensities are written and read; what is unknown is refused with the near name") {
  for (const char* text : {"auto", "percentile:0.5,99.5", "window:-160,240"}) {
    CHECK(to_string(parse_intensity(text)) == text);
  }
  CHECK(parse_intensity("percentile") == parse_intensity("percentile:0.5,99.5"));
  CHECK(parse_intensity("liver") == parse_intensity("window:-45,105"));
  for (const char* text : {"", "livr", "window", "window:", "window:1", "window:2,1", "window:1,1", "window:1,2,3",
                           "window:nan,1", "percentile:-1,50", "percentile:50,101", "percentile:1,2x", "AUTO "}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_intensity(text), ConfigError);
  }
  CHECK(test::contains(test::message_of<ConfigError>([] { parse_intensity("livr"); }), "did you mean 'liver'?"));
}
