#define DOCTEST_CONFIG_IMPLEMENT
#define DOCTEST_CONFIG_NO_POSIX_SIGNALS  // the emulation's own handler says what is wrong with an access
#include <doctest/doctest.h>

#include <cstdio>
#include <ssam_emulation.hpp>

/// Runs the tests; device memory that they leave behind fails them.
int main(int argc, char** argv) {
  const int failures = doctest::Context(argc, argv).run();
  const std::string leaks = ssam_emulation::leak_report();
  if (leaks.empty()) return failures;
  std::fprintf(stderr, "left behind by the tests:\n%s", leaks.c_str());
  return 1;
}
