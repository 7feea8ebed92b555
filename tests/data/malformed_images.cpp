#include <doctest/doctest.h>

#include <ssam/data/image.hpp>

#include "files.hpp"

using namespace ssam;
using test::Bytes;
using test::Folder;
using test::Png;

namespace {

std::string refusal(const Bytes& bytes) {
  const Folder folder;
  const auto path = folder.write("picture", bytes);
  return test::message_of<FormatError>([&] { load_image(path); });
}

Image loaded(const Bytes& bytes) {
  const Folder folder;
  return load_image(folder.write("picture", bytes));
}

Bytes grey_rgb(const Image& image) {
  Bytes first;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    CHECK(image.rgb[i] == image.rgb[i + 1]);
    CHECK(image.rgb[i] == image.rgb[i + 2]);
    first.push_back(image.rgb[i]);
  }
  return first;
}

}  // namespace

TEST_CASE("I1 PNG: a sound one reads") {
  CHECK(grey_rgb(loaded(Png{}.bytes())) == Bytes{10, 20, 30, 40, 50, 60, 70, 80});
}

TEST_CASE("I1 PNG: truncated anywhere is an error") {
  const Bytes whole = Png{}.bytes();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK(refusal(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length))) != "");
  }
  CHECK(test::contains(refusal(Bytes(whole.begin(), whole.end() - 12)), "truncated"));  // whole chunks, but no IEND
}

TEST_CASE("I1 PNG: truncated picture data inside sound chunks") {
  Bytes stream = test::stored_zlib(Png{}.lines);
  stream.resize(stream.size() - 8);
  CHECK(test::contains(refusal(Png{}.bytes(stream)), "cannot be decoded"));
  Png half;
  half.lines.resize(5);  // one of two lines, the stream itself sound
  CHECK(test::contains(refusal(half.bytes()), "cannot be decoded"));
}

TEST_CASE("I1 PNG: bad CRC") {
  Bytes png = Png{}.bytes();
  png[png.size() - 20] ^= 1;  // inside IDAT
  CHECK(test::contains(refusal(png), "CRC"));
  for (std::size_t i = 0; i < Png{}.bytes().size(); ++i) {  // no single flipped bit goes unnoticed
    png = Png{}.bytes();
    png[i] ^= 4;
    CAPTURE(i);
    CHECK(refusal(png) != "");
  }
}

TEST_CASE("I1 PNG: palette becomes colours") {
  const Png png{.width = 2, .height = 1, .type = 3, .palette = {1, 2, 3, 200, 100, 50}, .lines = {0, 1, 0}};
  CHECK(loaded(png.bytes()).rgb == Bytes{200, 100, 50, 1, 2, 3});
  const Png none{.width = 2, .height = 1, .type = 3, .lines = {0, 1, 0}};
  CHECK(test::contains(refusal(none.bytes()), "palette"));
}

TEST_CASE("I1 PNG: alpha is dropped") {
  const Png png{.width = 2, .height = 1, .type = 6, .lines = {0, 9, 8, 7, 0, 100, 90, 80, 255}};
  CHECK(loaded(png.bytes()).rgb == Bytes{9, 8, 7, 100, 90, 80});
}

TEST_CASE("I1 PNG: 1-bit") {
  const Png png{.width = 4, .height = 1, .bits = 1, .lines = {0, 0b01010000}};
  CHECK(grey_rgb(loaded(png.bytes())) == Bytes{0, 255, 0, 255});
}

TEST_CASE("I1 PNG: interlaced") {
  // Adam7 of 2 x 2: pass 1 holds (0,0), pass 6 holds (0,1), pass 7 the second line.
  const Png png{.width = 2, .height = 2, .interlace = 1, .lines = {0, 11, 0, 22, 0, 33, 44}};
  CHECK(grey_rgb(loaded(png.bytes())) == Bytes{11, 22, 33, 44});
}

TEST_CASE("I1 PNG: 0 x N") {
  CHECK(test::contains(refusal(Png{.width = 0}.bytes()), "empty"));
  CHECK(test::contains(refusal(Png{.height = 0}.bytes()), "empty"));
}

TEST_CASE("I1 PNG: 2^31 wide") {
  CHECK(test::contains(refusal(Png{.width = 1u << 31}.bytes()), "too large"));
  CHECK(test::contains(refusal(Png{.width = 0xFFFFFFFFu, .height = 0xFFFFFFFFu}.bytes()), "too large"));
  CHECK(test::contains(refusal(Png{.width = (1u << 20) + 1}.bytes()), "at most 2^20"));
}

TEST_CASE("I1 PNG: IDAT bomb, more pixels than the file can hold") {
  CHECK(test::contains(refusal(Png{.width = 16000, .height = 16000}.bytes()), "more than a file of this length"));
}

TEST_CASE("I1 PNG: unknown colour types, methods and a second header") {
  CHECK(test::contains(refusal(Png{.type = 5}.bytes()), "colour type"));
  CHECK(test::contains(refusal(Png{.bits = 3}.bytes()), "colour type"));
  CHECK(test::contains(refusal(Png{.interlace = 2}.bytes()), "interlace"));
  Bytes twice = Png{}.bytes();
  const Bytes header(twice.begin() + 8, twice.begin() + 33);
  twice.insert(twice.begin() + 8, header.begin(), header.end());
  CHECK(test::contains(refusal(twice), "IHDR"));
}

TEST_CASE("I1 JPEG: a sound one reads") {
  const Image image = loaded(test::red_blue_jpeg());
  CHECK(image.height == 16);
  CHECK(image.width == 32);
  CHECK(image.pixel(8, 4)[0] > 200);
  CHECK(image.pixel(8, 28)[2] > 200);
}

TEST_CASE("I1 JPEG: a progressive one of many scans, with restart markers and trailing bytes, reads") {
  Bytes jpeg;
  cv::Mat picture(40, 56, CV_8UC3, cv::Scalar(0, 0, 255));
  picture.colRange(20, 30).setTo(cv::Scalar(0, 255, 0));
  cv::imencode(".jpg", picture, jpeg, {cv::IMWRITE_JPEG_PROGRESSIVE, 1, cv::IMWRITE_JPEG_RST_INTERVAL, 2});
  jpeg.insert(jpeg.end(), {0, 1, 2});
  CHECK(loaded(jpeg).pixel(30, 5)[0] > 200);
}

TEST_CASE("I1 JPEG: truncated anywhere is an error") {
  const Bytes whole = test::red_blue_jpeg();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK(refusal(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length))) != "");
  }
}

TEST_CASE("I1 JPEG: CMYK is refused") {
  Bytes jpeg = test::red_blue_jpeg();
  const std::size_t frame = test::frame_of(jpeg);
  jpeg[frame + 9] = 4;
  CHECK(test::contains(refusal(jpeg), "CMYK"));
}

TEST_CASE("I1 JPEG: 12 bits, lossless, arithmetic, empty and misplaced markers are refused") {
  const Bytes sound = test::red_blue_jpeg();
  const std::size_t frame = test::frame_of(sound);
  const auto changed = [&](std::size_t offset, std::uint8_t value) {
    Bytes jpeg = sound;
    jpeg[frame + offset] = value;
    return jpeg;
  };
  CHECK(test::contains(refusal(changed(4, 12)), "8 bits"));
  CHECK(test::contains(refusal(changed(1, 0xC3)), "lossless"));
  CHECK(test::contains(refusal(changed(1, 0xC9)), "arithmetic"));
  CHECK(test::contains(refusal(changed(6, 0)), "empty"));
  CHECK(test::contains(refusal(changed(5, 0xFF)), "more than a file"));
  CHECK(test::contains(refusal(changed(1, 0xD8)), "marker"));
}

TEST_CASE("I1 JPEG: EXIF orientation is applied") {
  // 6: the stored top row is the right-hand side, so red (stored left) comes to the top.
  const Image turned = loaded(test::with_orientation(test::red_blue_jpeg(), 6));
  CHECK(turned.height == 32);
  CHECK(turned.width == 16);
  CHECK(turned.pixel(4, 8)[0] > 200);
  CHECK(turned.pixel(28, 8)[2] > 200);
  const Image mirrored = loaded(test::with_orientation(test::red_blue_jpeg(), 2));
  CHECK(mirrored.width == 32);
  CHECK(mirrored.pixel(8, 4)[2] > 200);
}

TEST_CASE("I1 JPEG: every EXIF orientation, and those of PNG's eXIf") {
  // Red stands left, blue right; after turning, red is where a viewer shows it.
  const auto red = [](const Image& image) {
    const Index h = image.height, w = image.width;
    const auto is_red = [&](Index y, Index x) { return image.pixel(y, x)[0] > 150 && image.pixel(y, x)[2] < 100; };
    if (w > h) return std::string(is_red(h / 2, w / 8) ? "left" : "right");
    return std::string(is_red(h / 8, w / 2) ? "top" : "bottom");
  };
  const char* places[] = {"left", "right", "right", "left", "top", "top", "bottom", "bottom"};
  for (std::uint8_t orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(int{orientation});
    CHECK(red(loaded(test::with_orientation(test::red_blue_jpeg(), orientation))) == places[orientation - 1]);
  }
  CHECK(red(loaded(test::with_orientation(test::red_blue_jpeg(), 9))) == "left");  // no orientation at all
  const Png png{.width = 2, .height = 1, .lines = {0, 10, 20}};
  Bytes turned = png.bytes(), chunk;
  test::append_chunk(chunk, "eXIf",
                     {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0});
  turned.insert(turned.begin() + 33, chunk.begin(), chunk.end());
  CHECK(grey_rgb(loaded(turned)) == Bytes{20, 10});
}

TEST_CASE("I1 JPEG: picture data that ends early is refused, though the end marker is there") {
  cv::Mat picture(64, 64, CV_8UC3);
  cv::randu(picture, 0, 255);
  for (const bool progressive : {false, true}) {
    Bytes jpeg;
    cv::imencode(".jpg", picture, jpeg, {cv::IMWRITE_JPEG_PROGRESSIVE, progressive ? 1 : 0});
    CHECK(refusal(jpeg) == "");
    for (const std::size_t lost : {jpeg.size() / 3, jpeg.size() / 10, std::size_t{40}}) {
      Bytes cut(jpeg.begin(), jpeg.end() - static_cast<std::ptrdiff_t>(lost));
      while (cut.back() == 0xFF) cut.pop_back();
      cut.insert(cut.end(), {0xFF, 0xD9});
      CAPTURE(lost);
      CHECK(test::contains(refusal(cut), "damaged"));
    }
  }
  Bytes garbled;
  cv::imencode(".jpg", picture, garbled, {cv::IMWRITE_JPEG_RST_INTERVAL, 1});
  std::size_t marker = garbled.size() / 2;
  while (!(garbled[marker] == 0xFF && garbled[marker + 1] >= 0xD0 && garbled[marker + 1] <= 0xD7)) ++marker;
  garbled.erase(garbled.begin() + static_cast<std::ptrdiff_t>(marker) - 6,
                garbled.begin() + static_cast<std::ptrdiff_t>(marker) + 6);
  CHECK(test::contains(refusal(garbled), "damaged"));
}

TEST_CASE("I1 BMP: reads, and is refused when rows are missing") {
  Bytes bmp;
  cv::imencode(".bmp", cv::Mat(3, 5, CV_8UC3, cv::Scalar(30, 20, 10)), bmp);
  CHECK(loaded(bmp).rgb[0] == 10);
  for (std::size_t length = 0; length < bmp.size(); ++length) {
    CHECK(refusal(Bytes(bmp.begin(), bmp.begin() + static_cast<std::ptrdiff_t>(length))) != "");
  }
  Bytes grey;
  cv::imencode(".bmp", cv::Mat(3, 5, CV_8UC1, cv::Scalar(200)), grey);
  CHECK(loaded(grey).rgb[0] == 200);
  grey[46] = 201;  // colours of the table
  CHECK(loaded(grey).rgb[0] == 200);
  grey[46] = 200;
  CHECK(refusal(grey).find("its table does not have") != std::string::npos);
  Bytes huge = bmp;
  huge[25] = 0x80;  // height -2^31 + 3
  CHECK(refusal(huge) != "");
}

TEST_CASE("I1 what is no image at all") {
  const std::string html = "<html>not found</html>", pointer = "version https://git-lfs.github.com/spec/v1\n";
  CHECK(test::contains(refusal(Bytes(html.begin(), html.end())), "neither PNG"));
  CHECK(test::contains(refusal(Bytes(pointer.begin(), pointer.end())), "LFS"));
  const Folder folder;
  CHECK_THROWS_AS(load_image(folder / "missing.png"), IoError);
  CHECK_THROWS_AS(load_image(folder / ""), IoError);
  CHECK_THROWS_AS(load_image("/dev/zero"), IoError);
}
