#include <cmath>
#include <ssam/io/state_dict.hpp>

#include "fixtures.hpp"

using namespace ssam;
using namespace fixtures;

TEST_CASE("every half and bfloat16 widens to its value and comes back") {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const int exponent = (bits >> 10) & 31;
    const double fraction = bits & 1023;
    const double sign = (bits >> 15) != 0 ? -1 : 1;
    const double expected =
        sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
    const float half = float_from_f16(bits);
    const float brain = float_from_bf16(bits);
    if (exponent == 31) {
      if (fraction != 0 ? !std::isnan(half) : half != sign * INFINITY) FAIL_CHECK("half " << i);
    } else if (half != expected || std::signbit(half) != (sign < 0) || f16_from_double(half) != bits) {
      FAIL_CHECK("half " << i);
    }
    if (std::bit_cast<std::uint32_t>(brain) != i << 16) FAIL_CHECK("bfloat16 " << i);
    if (!std::isnan(brain) && bf16_from_double(brain) != bits) FAIL_CHECK("bfloat16 " << i);
    if (std::isnan(half) && !std::isnan(float_from_f16(f16_from_double(half)))) FAIL_CHECK("NaN " << i);
    if (std::isnan(brain) && !std::isnan(float_from_bf16(bf16_from_double(brain)))) FAIL_CHECK("NaN " << i);
  }
}

TEST_CASE("narrowing rounds to nearest, ties to even, in every binade") {
  for (std::uint32_t i = 0; i < 0x7bff; ++i) {  // neighbours among the finite positive halves
    const double low = float_from_f16(static_cast<std::uint16_t>(i));
    const double high = float_from_f16(static_cast<std::uint16_t>(i + 1));
    const double middle = (low + high) / 2;
    if (f16_from_double(middle) != i + (i & 1)) FAIL_CHECK("tie " << i);
    if (f16_from_double(std::nextafter(middle, 0)) != i) FAIL_CHECK("below " << i);
    if (f16_from_double(std::nextafter(middle, high)) != i + 1) FAIL_CHECK("above " << i);
  }
  for (std::uint32_t i = 0; i < 0x7f7f; ++i) {
    const double low = float_from_bf16(static_cast<std::uint16_t>(i));
    const double high = float_from_bf16(static_cast<std::uint16_t>(i + 1));
    const double middle = (low + high) / 2;
    if (bf16_from_double(middle) != i + (i & 1)) FAIL_CHECK("tie " << i);
    if (bf16_from_double(std::nextafter(middle, 0)) != i) FAIL_CHECK("below " << i);
  }
  CHECK(f16_from_double(65519.99) == 0x7bff);
  CHECK(f16_from_double(65520) == 0x7c00);
  CHECK(f16_from_double(-1e300) == 0xfc00);
  CHECK(f16_from_double(5e-324) == 0);
  CHECK(f16_from_double(std::bit_cast<double>(0x7ff0000000000001u)) == 0x7e00);  // a payload that narrowing drops
  CHECK(bf16_from_double(-0.0) == 0x8000);
}

TEST_CASE("a host tensor converts between types, and refuses what would lose whole numbers") {
  const HostTensor numbers = HostTensor::from({2, 2}, std::vector<std::int64_t>{0, 1, 200, -3});
  CHECK(numbers.to<float>() == std::vector<float>{0, 1, 200, -3});
  CHECK(numbers.converted(DType::i16).converted(DType::i64) == numbers);
  CHECK(numbers.converted(DType::f16).to<double>() == std::vector<double>{0, 1, 200, -3});
  refused<MismatchError>([&] { numbers.to<std::uint8_t>(); }, {"does not fit", "-3"});
  refused<MismatchError>([&] { numbers.converted(DType::i8); }, {"does not fit", "200"});
  refused<MismatchError>([&] { numbers.converted(DType::boolean); }, {"does not fit", "200"});
  const HostTensor real = HostTensor::from({1}, std::vector<double>{1.0 + 1e-12});
  CHECK(real.to<float>()[0] == 1.0f);
  refused<MismatchError>([&] { real.to<std::int64_t>(); }, {"floating point", "F64 [1]"});
  refused<MismatchError>([&] { real.converted(DType::u8); }, {"floating point"});
  const bool flags[] = {true, false};
  CHECK(HostTensor::from(Shape{2}, flags).to<std::uint8_t>() == std::vector<std::uint8_t>{1, 0});
  CHECK(HostTensor::from(Shape{2}, std::span<const bool>(flags)).dtype == DType::boolean);
  refused<ShapeError>([] { HostTensor::from({3}, std::vector<float>{1}); }, {"[3]", "1 values"});
  refused<ShapeError>([] { (HostTensor{DType::f32, {2}, {}}.to<float>()); }, {"0 bytes", "[2] F32"});
}

TEST_CASE("a name that is not there is answered with those that resemble it") {
  StateDict state;
  for (const char* name : {"image_encoder.neck.0.weight", "image_encoder.neck.2.weight",
                           "mask_decoder.iou_token.weight", "prompt_encoder.no_mask_embed.weight"}) {
    state.tensors[name] = HostTensor::from({1}, std::vector<float>{1});
  }
  CHECK(state.contains("image_encoder.neck.0.weight"));
  CHECK(!state.contains("neck"));
  refused<MismatchError>(
      [&] { state.at("image_encoder.neck.0.weigth"); },
      {"image_encoder.neck.0.weigth", "nearest are 'image_encoder.neck.0.weight', 'image_encoder.neck.2"});
  refused<MismatchError>([] { StateDict().at("w"); }, {"no such tensor", "0 others"});
}

TEST_CASE("the content hash sees names, types, shapes and bytes, nothing else") {
  StateDict state;
  state.tensors["a"] = HostTensor::from({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  const std::string hash = content_hash(state);
  CHECK(hash.size() == 32);
  StateDict other = state;
  other.metadata["x"] = "y";
  other.skipped.push_back("z");
  CHECK(content_hash(other) == hash);
  other.tensors["a"].shape = Shape{3, 2};
  CHECK(content_hash(other) != hash);
  other = state;
  other.tensors["a"].dtype = DType::i32;
  CHECK(content_hash(other) != hash);
  other = state;
  other.tensors["a"].bytes[5] ^= std::byte{1};
  CHECK(content_hash(other) != hash);
  other = state;
  other.tensors["b"] = state.tensors["a"];
  CHECK(content_hash(other) != hash);
  other.tensors.erase("a");
  CHECK(content_hash(other) != hash);
  CHECK(content_hash(StateDict()) != hash);
}

TEST_CASE("an array that is not finite is refused with its file and the place") {
  check_finite(HostTensor::from({3}, std::vector<float>{1, -2, 3e38f}), "a.npy");
  check_finite(HostTensor::from({2}, std::vector<std::int64_t>{1, INT64_MAX}), "a.npy");
  for (const double bad : {std::nan(""), double(INFINITY), -double(INFINITY), 1e39}) {  // the last is infinite as float
    refused(
        [&] {
          check_finite(HostTensor::from({4}, std::vector<double>{1, 2, bad, bad}), "a.npy");
        },
        {"NaN or infinite", "[a.npy]", "found 2 of 4, the first is element 2"});
  }
}

TEST_CASE("UTF-8 is told from what only looks like it") {
  for (const char* good : {"", "plain", "\xc3\xa4", "\xe2\x82\xac", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x9f\x98\x80",
                           "\xf4\x8f\xbf\xbf"}) {
    CHECK(is_utf8(good));
  }
  for (const char* wrong : {"\x80", "\xc3", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82",
                            "\xe2\x82"
                            "a"}) {
    CHECK(!is_utf8(wrong));
  }
}
