// The command line `ssam`: every verb stands in a file of its own, verb_<name>.cpp.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <new>
#include <ssam/core/version.hpp>

#include "program.hpp"

namespace {

constexpr int failure = 1, usage = 2;

/// Threads that wait for work shall sleep: by default they spin for a millisecond after each parallel loop, and on a
/// machine that others use too that slowed a small model down tenfold and more. OpenMP reads the environment before
/// main(), so the program starts itself anew, once.
void let_waiting_threads_sleep(char** arguments) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  if (::setenv("OMP_WAIT_POLICY", "passive", 1) != 0) return;
  ::execv("/proc/self/exe", arguments);  // returns only where it cannot be done: then we go on as we are
}

int fail(const std::string& message, int code) {
  std::fflush(stdout);
  std::fprintf(stderr, "ssam: error: %s\n", message.c_str());
  return code;
}

int parse(ssam::cli::Program& program, int count, char** arguments) {
  try {
    program.app.parse(count, arguments);
    return 0;
  } catch (const CLI::ParseError& error) {
    // --help and --version come this way too, with exit code 0.
    return program.app.exit(error) == 0 ? -1 : usage;
  }
}

}  // namespace

int main(int count, char** arguments) {
  let_waiting_threads_sleep(arguments);
  ssam::cli::Program program;
  program.app.name("ssam");
  program.app.description("Segment Anything with singular-value adapters (S-SAM): train, evaluate, segment, inspect.");
  program.app.set_version_flag("--version", std::string("ssam ") + ssam::version);
  program.app.footer(
      "Start with `ssam demo`, or with a checkpoint of Segment Anything:\n"
      "  ssam train --checkpoint sam_vit_b.pth --data manifest.json --recipe ssam --image-size 256 --out run\n"
      "  ssam segment --checkpoint sam_vit_b.pth --adapter run/best --image a.png --label Liver --out mask.png\n"
      "`ssam VERB --help` explains a verb. Exit code: 0 done, 1 failure, 2 wrong usage.\n"
      "SSAM_THREADS or --threads set the number of threads; results do not depend on it.");
  program.app.require_subcommand(1);
  using namespace ssam::cli;
  for (const auto add : {add_info, add_convert, add_params, add_init, add_embed, add_segment, add_train, add_eval,
                         add_merge, add_selftest, add_scenes, add_demo}) {
    add(program);
  }
  if (const int code = parse(program, count, arguments); code != 0) return code < 0 ? 0 : code;
  try {
    const int code = program.run();
    std::cout.flush();
    if (std::fflush(stdout) != 0 || !std::cout) return fail("cannot write to standard output", failure);
    return code;
  } catch (const UsageError& error) {
    return fail(error.what(), usage);
  } catch (const std::bad_alloc&) {
    return fail("out of memory; a smaller --image-size or --batch needs less", failure);
  } catch (const std::exception& error) {
    return fail(error.what(), failure);
  }
}
