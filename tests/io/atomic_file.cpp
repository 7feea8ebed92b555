#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ssam/io/check_outputs.hpp>
#include <ssam/io/folder_lock.hpp>
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
  refused<IoError>([&] { atomic_write(folder / "absent/f", "x"); }, {"its folder is not there", "absent"});
  refused<IoError>([&] { atomic_write("/proc/f", "x"); }, {"cannot", "/proc/f"});
  refused<IoError>([&] { atomic_write("", "x"); }, {"without a name"});
  atomic_write(folder / "file", "x");
  refused<IoError>([&] { atomic_write(folder / "file/f", "x"); }, {"Not a directory"});
  std::filesystem::remove(folder / "file");
  std::filesystem::create_directory(folder / "folder");
  refused<IoError>([&] { atomic_write(folder / "folder", "x"); }, {"cannot write a file here", "a folder"});
  CHECK(files_in(folder) == 1);

  // A full disk, played by a limit on the size of files.
  atomic_write(folder / "f", "old");
  const int status = in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      atomic_write(folder / "f", std::string(5000, 'x'));
    } catch (const IoError& error) {
      const std::string message = error.what();  // names the target, not the temporary file
      ::_exit(message.find("[" + (folder / "f").string() + "]") == std::string::npos ? 43 : 42);
    }
  });
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 42));
  CHECK(read(folder / "f") == "old");
  CHECK(files_in(folder) == 2);
}

TEST_CASE("a process killed before commit leaves the old file, and the next write removes its remains") {
  TemporaryFolder folder;
  atomic_write(folder / "f", "old");
  for (int step = 0; step < 3; ++step) {
    const int status = in_child([&] {
      AtomicFile file(folder / "f"), beside(folder / "f");
      if (step == 0) ::kill(::getpid(), SIGKILL);
      file.write("half of ");
      if (step == 1) ::kill(::getpid(), SIGKILL);
      file.write("the new");
      ::kill(::getpid(), SIGKILL);
    });
    CHECK(WIFSIGNALED(status));
    CHECK(read(folder / "f") == "old");
    CHECK(files_in(folder) == 3);
  }
  atomic_write(folder / "f", "new");
  CHECK(read(folder / "f") == "new");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a signal that ends the process leaves no temporary file, and its status stays that of the signal") {
  TemporaryFolder folder;
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGXCPU}) {
    const int status = in_child([&] {
      const rlimit no_core = {0, 0};
      ::setrlimit(RLIMIT_CORE, &no_core);
      remove_temporaries_on_signals();
      AtomicFile f(folder / "f"), g(folder / "g");
      atomic_write(folder / "h", "done");
      f.write("half");
      ::kill(::getpid(), signal);
    });
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == signal);
    CHECK(files_in(folder) == 1);
    CHECK(read(folder / "h") == "done");
  }
  const int waited = in_child([&] {  // while a file is being made, before anybody knows of it
    remove_temporaries_on_signals();
    const std::string late = (folder / "late").string();
    detail::DoomedFile listed;
    const detail::SignalHold hold;
    ::kill(::getpid(), SIGTERM);
    std::ofstream(late) << "half";
    listed = detail::DoomedFile(late.c_str());
  });
  CHECK(WIFSIGNALED(waited));
  CHECK(WTERMSIG(waited) == SIGTERM);
  CHECK(files_in(folder) == 1);
  const int ignored = in_child([&] {
    std::signal(SIGHUP, SIG_IGN);  // as nohup does
    remove_temporaries_on_signals();
    AtomicFile f(folder / "f");
    ::kill(::getpid(), SIGHUP);
    f.write("whole");
    f.commit();
  });
  CHECK((WIFEXITED(ignored) && WEXITSTATUS(ignored) == 0));
  CHECK(read(folder / "f") == "whole");
}

TEST_CASE("writers of one target at once do not disturb each other; the last commit stays") {
  TemporaryFolder folder;
  AtomicFile first(folder / "f"), second(folder / "f");
  first.write("first");
  second.write("second");
  CHECK(files_in(folder) == 2);
  second.commit();
  AtomicFile third(folder / "f");  // must not take the first one's file for abandoned
  CHECK(files_in(folder) == 3);
  first.commit();
  CHECK(read(folder / "f") == "first");
  third.commit();
  CHECK(read(folder / "f").empty());
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a symbolic link is written through; permissions stay; the longest names can be written") {
  TemporaryFolder folder;
  std::filesystem::create_directory(folder / "far");
  atomic_write(folder / "far/f", "old");
  std::filesystem::permissions(folder / "far/f", std::filesystem::perms{0640});
  std::filesystem::create_symlink("far/f", folder / "link");
  std::filesystem::create_symlink("link", folder / "link2");
  atomic_write(folder / "link2", "new");
  CHECK(read(folder / "far/f") == "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(std::filesystem::is_symlink(folder / "link2"));
  CHECK(std::filesystem::status(folder / "far/f").permissions() == std::filesystem::perms{0640});
  std::filesystem::create_symlink("far/g", folder / "dangling");
  atomic_write(folder / "dangling", "made");
  CHECK(read(folder / "far/g") == "made");
  std::filesystem::create_symlink("circle", folder / "circle");
  refused<IoError>([&] { atomic_write(folder / "circle", "x"); }, {"circle"});
  atomic_write(folder / std::string(255, 'n'), "long");
  CHECK(read(folder / std::string(255, 'n')) == "long");
}

TEST_CASE("a FIFO is written into and stays; one that nobody reads from, and a socket, are refused") {
  TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  refused<IoError>([&] { atomic_write(folder / "pipe", "x"); }, {"nobody reads"});
  const int reader = ::open((folder / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
  atomic_write(folder / "pipe", "text");
  char got[8] = {};
  CHECK(::read(reader, got, sizeof got) == 4);
  CHECK(std::string(got) == "text");
  ::close(reader);
  CHECK(std::filesystem::is_fifo(folder / "pipe"));

  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (folder / "socket").c_str(), sizeof address.sun_path - 1);
  REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  refused<IoError>([&] { atomic_write(folder / "socket", "x"); }, {"a socket"});
  ::close(socket);
  CHECK(files_in(folder) == 2);
}

TEST_CASE("a device is written into and stays") {
  TemporaryFolder folder;
  // Of our own: who may make one could also replace the system's.
  const auto null = folder / "null", full = folder / "full";
  if (::mknod(null.c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0 ||
      ::mknod(full.c_str(), S_IFCHR | 0666, makedev(1, 7)) != 0 || !std::ofstream(null)) {
    return;  // not root, or a file system without devices
  }
  atomic_write(null, "nothing");
  CHECK(std::filesystem::is_character_file(null));
  refused<IoError>([&] { atomic_write(full, "x"); }, {"full", "No space"});
  CHECK(files_in(folder) == 2);
}

TEST_CASE("a folder has one writer at a time; a dead one's lock is no lock") {
  TemporaryFolder folder;
  const auto run = folder / "new/run";
  {
    const FolderLock lock(run);
    refused<IoError>([&] { const FolderLock second(run); }, {"another process is writing", "new/run"});
    const int status = in_child([&] {
      try {
        const FolderLock second(run);
      } catch (const IoError&) {
        ::_exit(42);
      }
    });
    CHECK(WEXITSTATUS(status) == 42);
  }
  CHECK(std::filesystem::is_empty(run));
  in_child([&] {
    const FolderLock lock(run);
    ::kill(::getpid(), SIGKILL);
  });
  { const FolderLock lock(run); }
  CHECK(std::filesystem::is_empty(run));
}

TEST_CASE("an output may be no input and no other output, by whatever name") {
  TemporaryFolder folder;
  const auto at = [&](const std::string& name) { return folder / name; };
  std::filesystem::create_directory(at("in"));
  for (const char* name : {"a", "in/b", "c"}) atomic_write(at(name), name);
  std::filesystem::create_symlink("a", at("link"));
  std::filesystem::create_hard_link(at("a"), at("hard"));
  const std::vector<NamedPath> inputs{{"--x", at("a")}, {"--y", at("in")}, {"--z", ""}, {"--w", at("absent")}};
  const auto same = [&](const std::filesystem::path& output, const char* input) {
    refused<IoError>([&] { check_outputs({{"--out", output}}, inputs); }, {"--out is the same file as", input});
  };
  same(at("a"), "--x");
  same(at("./in/../a"), "--x");
  same(at("link"), "--x");
  same(at("hard"), "--x");
  same(at("in/b"), "--y");
  check_outputs({{"--out", at("c")}, {"--more", at("in/new")}, {"--none", ""}}, inputs);
  for (const char* other : {"c", "./c", "new", "in/../new"}) {
    const std::string name = std::string(other).ends_with("c") ? "c" : "new";
    refused<IoError>(
        [&] {
          check_outputs({{"--one", at(name)}, {"--two", at(other)}}, {});
        },
        {"--two is the same file as --one"});
  }
  check_outputs({{"--one", "/dev/null"}, {"--two", "/dev/null"}}, {});
  refused<IoError>([&] { check_outputs({{"--out", at("no/f")}}, {}); }, {"its folder is not there"});
}

TEST_CASE("names that are not UTF-8 can be printed; paths from elsewhere get advice") {
  CHECK(printable("a\xe4\xc3\xa4") == "a\\xe4\xc3\xa4");
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");
  CHECK(printable("plain").size() == 5);
  for (const char* path : {"~/a", "C:\\a", "c:/a", "a\\b", "http://a/b", "file:///a", " a"}) {
    CHECK(!path_advice(path).empty());
  }
  CHECK(path_advice("a/b.c").empty());
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
