// The command line `ssam`: every verb stands in a file of its own, verb_<name>.cpp.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <new>
#include <ssam/core/context.hpp>
#include <ssam/core/version.hpp>
#include <ssam/io/temporaries.hpp>
#include <ssam/ops/cpu/bf16_context.hpp>
#include <ssam/ops/cpu/provider.hpp>

#include "program.hpp"
#include "runner.hpp"
#include "usage.hpp"

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

/// A program that is started with a closed standard output would get its number for the next file that it opens, and
/// print into that. What stands there instead cannot be written, which is an error at the end.
void occupy_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    if (::open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY) != stream) std::_Exit(failure);
  }
}

/// The message with control characters made visible, as a path may hold them: one line, but for lists ("\n  ...").
std::string plain(const std::string& message) {
  std::string text;
  for (std::size_t i = 0; i < message.size(); ++i) {
    const auto byte = static_cast<unsigned char>(message[i]);
    const bool list = byte == '\n' && message.compare(i + 1, 2, "  ") == 0;
    text += (byte >= 0x20 && byte != 0x7f) || list ? std::string(1, message[i]) : "?";
  }
  return text;
}

int fail(const std::string& message, int code) {
  std::fflush(stdout);
  std::fprintf(stderr, "ssam: error: %s\n", plain(message).c_str());
  return code;
}

/// Whether all that was printed, early and late, has arrived.
bool finish_output() {
  std::cout.flush();
  const bool flushed = std::fflush(stdout) == 0;
  const int copy = ::dup(STDOUT_FILENO);  // some file systems say only when a file is closed that it is not written
  return flushed && std::cout && std::ferror(stdout) == 0 && copy >= 0 && ::close(copy) == 0;
}

/// What runs here: the first thing to know where two machines differ.
std::string version_text() {
  const std::string threads = std::to_string(ssam::Context<ssam::Cpu>().threads());
  std::string devices, files = "PNG, JPEG, BMP";
  for (std::size_t i = 0; i < ssam::cli::device_names.size(); ++i) {
    try {
      ssam::cli::require_built_for(static_cast<ssam::cli::DeviceKind>(i));
      devices += (devices.empty() ? "" : ", ") + std::string(ssam::cli::device_names[i]);
    } catch (const ssam::ConfigError&) {  // not in this build
    }
  }
#if defined(SSAM_WITH_NIFTI)
  files += ", NIfTI";
#endif
#if defined(SSAM_WITH_DICOM)
  files += ", DICOM";
#endif
  return std::string("ssam ") + ssam::version + "\nmatrix products  " + ssam::ops::matrix_provider() + ", threads " +
         threads + "\nbfloat16 products " +
         (ssam::has_bf16_instructions() ? "by the processor" : "none by this processor or build") +
         "\ndevices          " + devices + "\nfiles            " + files;
}

/// Reads the arguments and does what they say. Returns the exit code.
int run(ssam::cli::Program& program, std::vector<std::string> arguments) {
  using namespace ssam::cli;
  try {
    arguments = plain_arguments(program.app, std::move(arguments));
    std::reverse(arguments.begin(), arguments.end());  // as the parser wants them
    program.app.parse(std::move(arguments));
    check_values(program.app);
    return program.run();
  } catch (const CLI::ParseError& error) {  // --help and --version come this way too
    if (error.get_exit_code() == 0) return program.app.exit(error);
    return fail(usage_message(program.app, error), usage);
  } catch (const UsageError& error) {
    return fail(error.what(), usage);
  } catch (const std::bad_alloc&) {
    const std::string smaller = options_of_verb(program.app, {"--image-size", "--batch"});
    return fail("out of memory" + (smaller.empty() ? "" : "; a smaller" + smaller + " needs less"), failure);
  } catch (const std::exception& error) {
    return fail(error.what(), failure);
  }
}

}  // namespace

int main(int count, char** arguments) {
  let_waiting_threads_sleep(arguments);
  occupy_standard_streams();
  ssam::remove_temporaries_on_signals();
  ssam::cli::Program program;
  program.app.name("ssam");
  program.app.description("Segment Anything with singular-value adapters (S-SAM): train, evaluate, segment, inspect.");
  program.app.set_version_flag("--version", version_text);
  program.app.footer(
      "Start with `ssam demo`, or with a checkpoint of Segment Anything:\n"
      "  ssam train --checkpoint sam_vit_b.pth --data manifest.json --recipe ssam --image-size 256 --out run\n"
      "  ssam segment --checkpoint sam_vit_b.pth --adapter run/best --image a.png --label Liver --out mask.png\n"
      "`ssam VERB --help` explains a verb. Exit code: 0 done, 1 failure, 2 wrong usage.\n"
      "SSAM_THREADS or --threads set the number of threads; results do not depend on it.");
  program.app.require_subcommand(1);
  using namespace ssam::cli;
  for (const auto add :
       {add_info, add_convert, add_params, add_init, add_embed, add_text, add_segment, add_data, add_train, add_eval,
        add_compare, add_experiment, add_report, add_merge, add_selftest, add_scenes, add_demo}) {
    add(program);
  }
  const int code = run(program, {arguments + std::min(count, 1), arguments + count});
  if (!finish_output() && code == 0) return fail("cannot write to standard output", failure);
  return code;
}
