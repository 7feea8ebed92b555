// What programs cost the compiler: seconds and peak memory, each compiled once by the command that the build has for
// it.
//
//     bench_compile_time BUILD_FOLDER [REPETITIONS]      the fastest of them is shown (3 unless said)

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace {

struct Cost {
  double seconds = 0;
  double mebibytes = 0;  // of the largest process, the compiler proper
};

Cost run(const std::string& folder, const std::string& command) {
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    if (chdir(folder.c_str()) == 0) execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0) {
    std::fprintf(stderr, "this failed: %s\n", command.c_str());
    std::exit(1);
  }
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
          static_cast<double>(usage.ru_maxrss) / 1024};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench_compile_time BUILD_FOLDER [REPETITIONS]\n");
    return 2;
  }
  const std::filesystem::path commands = std::filesystem::path(argv[1]) / "compile_commands.json";
  const int repetitions = argc > 2 ? std::max(1, std::atoi(argv[2])) : 3;
  std::ifstream file(commands);
  const nlohmann::json entries = nlohmann::json::parse(file, nullptr, false);
  if (!entries.is_array()) {
    std::fprintf(stderr, "%s cannot be read: configure with a preset, or with CMAKE_EXPORT_COMPILE_COMMANDS\n",
                 commands.c_str());
    return 1;
  }
  std::printf("%-20s %8s %8s\n", "program", "seconds", "MiB");
  for (const char* name : {"counts_only", "include_only", "point_to_mask", "one_recipe_trained", "everything"}) {
    const std::string ending =
        name == std::string("point_to_mask") ? "01_point_to_mask.cpp" : "compile_time/" + std::string(name) + ".cpp";
    const auto entry = std::find_if(entries.begin(), entries.end(), [&](const nlohmann::json& candidate) {
      return candidate["file"].get<std::string>().ends_with(ending) &&
             candidate["command"].get<std::string>().find("compile_time_programs") != std::string::npos;
    });
    if (entry == entries.end()) {
      std::fprintf(stderr, "%s says nothing of %s\n", commands.c_str(), ending.c_str());
      return 1;
    }
    Cost best = run((*entry)["directory"], (*entry)["command"]);
    for (int i = 1; i < repetitions; ++i) {
      const Cost again = run((*entry)["directory"], (*entry)["command"]);
      best = {std::min(best.seconds, again.seconds), std::min(best.mebibytes, again.mebibytes)};
    }
    std::printf("%-20s %8.1f %8.0f\n", name, best.seconds, best.mebibytes);
    std::fflush(stdout);
  }
}
