#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ssam/io/atomic_file.hpp>
#include <thread>

#include "fixtures.hpp"

using namespace ssam;
using namespace fixtures;

namespace {

std::size_t files_in(const TemporaryFolder& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++count;
  return count;
}

/// Runs f in a child process and waits for its end; gives the status of waitpid.
template <class F>
int in_child(const F& f) {
  const pid_t child = ::fork();
  if (child == 0) {
    f();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

}  // namespace

TEST_CASE("atomic_write makes a file, replaces a file and leaves nothing beside it") {
  TemporaryFolder folder;
  atomic_write(folder / "f", "first");
  CHECK(ssam::read_file(folder / "f", 100) == "first");
  atomic_write(folder / "f", std::string("with\0nul", 8));
  CHECK(ssam::read_file(folder / "f", 8) == std::string("with\0nul", 8));
  CHECK(files_in(folder) == 1);
  refused([&] { ssam::read_file(folder / "f", 7); }, {"larger", "at most 7", "found 8"});
}

TEST_CASE("a file that is not committed disappears and the old one stays") {
  TemporaryFolder folder;
  atomic_write(folder / "f", "old");
  {
    AtomicFile file(folder / "f");
    file.write("new");
    CHECK(files_in(folder) == 2);
  }
  CHECK(files_in(folder) == 1);
  CHECK(read(folder / "f") == "old");
}

TEST_CASE("what the system refuses is an IoError and the old file stays") {
  TemporaryFolder folder;
  refused<IoError>([&] { atomic_write(folder / "absent/f", "x"); }, {"cannot create", "No such file"});
  refused<IoError>([&] { atomic_write("/proc/f", "x"); }, {"cannot create", "/proc/f"});
  std::filesystem::create_directory(folder / "folder");
  refused<IoError>([&] { atomic_write(folder / "folder", "x"); }, {"cannot replace"});
  CHECK(files_in(folder) == 1);

  // A full disk, played by a limit on the size of files.
  atomic_write(folder / "f", "old");
  const int status = in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      atomic_write(folder / "f", std::string(5000, 'x'));
    } catch (const IoError&) {
      ::_exit(42);
    }
  });
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 42));
  CHECK(read(folder / "f") == "old");
  CHECK(files_in(folder) == 2);
}

TEST_CASE("a process killed before commit leaves the old file, and its remains do not block the next") {
  TemporaryFolder folder;
  atomic_write(folder / "f", "old");
  for (int step = 0; step < 3; ++step) {
    const int status = in_child([&] {
      AtomicFile file(folder / "f");
      if (step == 0) ::kill(::getpid(), SIGKILL);
      file.write("half of ");
      if (step == 1) ::kill(::getpid(), SIGKILL);
      file.write("the new");
      ::kill(::getpid(), SIGKILL);
    });
    CHECK(WIFSIGNALED(status));
    CHECK(read(folder / "f") == "old");
  }
  atomic_write(folder / "f", "new");
  CHECK(read(folder / "f") == "new");
}

TEST_CASE("a reader beside a writer sees a whole file, the old or the new") {
  TemporaryFolder folder;
  const std::string versions[] = {std::string(70'000, 'a'), std::string(90'000, 'b')};
  atomic_write(folder / "f", versions[0]);
  std::thread writer([&] {
    for (int i = 1; i < 60; ++i) atomic_write(folder / "f", versions[i % 2]);
  });
  for (int i = 0; i < 300; ++i) {
    const std::string seen = ssam::read_file(folder / "f", 100'000);
    if (seen != versions[0] && seen != versions[1]) FAIL_CHECK("a mixture of " << seen.size() << " bytes");
  }
  writer.join();
}
