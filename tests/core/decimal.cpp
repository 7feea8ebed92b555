#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <ssam/core/context.hpp>
#include <string>

using namespace ssam;

TEST_CASE("whole numbers are decimal digits and nothing else") {
  CHECK(parse_whole<int>("010") == 10);
  CHECK(parse_whole<int>("-7") == -7);
  CHECK(parse_whole<std::uint64_t>("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  for (const char* text :
       {"", " 1", "1 ", "+1", "0x10", "1e3", "1.0", "1_000", "1'000", "-", "--1", "2147483648", "eins"}) {
    INFO(text);
    CHECK(!parse_whole<int>(text));
  }
  CHECK(!parse_whole<std::uint64_t>("-1"));
  CHECK(!parse_whole<std::uint64_t>("18446744073709551616"));
}

TEST_CASE("numbers are finite decimals and nothing else") {
  CHECK(parse_real("-2.5e-3") == -2.5e-3);
  CHECK(parse_real(".5") == 0.5);
  CHECK(parse_real("010") == 10.0);
  for (const char* text : {"", "nan", "inf", "-inf", "1e400", "1e-400", "0x1p3", "1,5", "1 ", " 1", "+1", "1f"}) {
    INFO(text);
    CHECK(!parse_real(text));
  }
}

TEST_CASE("SSAM_THREADS is a number of threads or an error") {
  const char* before = std::getenv("SSAM_THREADS");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("SSAM_THREADS", "3", 1);
  CHECK(Context<Cpu>().threads() == 3);
  for (const char* text : {"", "abc", "-1", "0", "2.5", "4097", "65536", "99999999999999999999", "0x2", "2 "}) {
    ::setenv("SSAM_THREADS", text, 1);
    CHECK_THROWS_WITH_AS(Context<Cpu>(), doctest::Contains("SSAM_THREADS"), ConfigError);
    CHECK_THROWS_AS(Context<Cpu>(4097), ConfigError);
    CHECK(Context<Cpu>(2).threads() == 2);  // asked for: the variable does not matter
  }
  if (before == nullptr) {
    ::unsetenv("SSAM_THREADS");
  } else {
    ::setenv("SSAM_THREADS", kept.c_str(), 1);
  }
}
