#include <doctest/doctest.h>

#include <algorithm>
#include <ssam/core/version.hpp>
#include <string>

#define SSAM_TEXT_OF(name) #name
#define SSAM_TEXT(name) SSAM_TEXT_OF(name)

TEST_CASE("the inline namespace is named after the version and the options of this build") {
  std::string wanted = std::string("v") + ssam::version;
  std::replace(wanted.begin(), wanted.end(), '.', '_');
  const std::string name = SSAM_TEXT(SSAM_ABI);
  CHECK(name.starts_with(wanted + "_"));
#if defined(SSAM_WITH_ONEDNN)
  CHECK(name.find("_onednn") != std::string::npos);
#endif
#if defined(_OPENMP)
  CHECK(name.ends_with("_openmp"));
#else
  CHECK_FALSE(name.ends_with("_openmp"));
#endif
}
