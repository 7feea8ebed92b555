#include "child.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <ssam/io/file_lock.hpp>
#include <utility>

namespace ssam::cli {

namespace {

/// In the new process: does only what may be done between fork and exec.
[[noreturn]] void become(char** words, int log, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it is gone already
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execv("/proc/self/exe", words);
  constexpr char text[] = "ssam: error: cannot start the program anew\n";
  if (::write(STDERR_FILENO, text, sizeof text - 1) < 0) ::_exit(126);
  ::_exit(127);
}

/// The last line of an error in the file from `begin` on; without "ssam: error: ".
std::string last_error(const std::filesystem::path& log, std::uintmax_t begin) {
  std::ifstream stream(log);
  stream.seekg(static_cast<std::streamoff>(begin));
  const std::string mark = "ssam: error: ";
  std::string line, error;
  while (std::getline(stream, line)) {
    if (line.starts_with(mark)) error = line.substr(mark.size());
  }
  return error;
}

}  // namespace

Child::Child(const std::vector<std::string>& arguments, const std::filesystem::path& log) : log_(log) {
  std::vector<std::string> texts{"ssam"};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> words;
  for (std::string& text : texts) words.push_back(text.data());
  words.push_back(nullptr);
  const FileDescriptor file(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (!file.is_open()) throw_system_error("write the file", log.string());
  std::error_code failure;
  begin_ = std::filesystem::file_size(log, failure);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw_system_error("start a process that writes", log.string());
  if (pid_ == 0) become(words.data(), file.number(), parent);
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), log_(std::move(other.log_)), begin_(other.begin_) {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(log_, other.log_);
  std::swap(begin_, other.begin_);
  return *this;
}

Child::~Child() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<ChildEnd> Child::poll() {
  int status = 0;
  struct rusage usage = {};
  const pid_t found = ::wait4(pid_, &status, WNOHANG, &usage);
  if (found == 0 || (found < 0 && errno == EINTR)) return std::nullopt;
  pid_ = -1;
  ChildEnd end{.good = found > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0,
               .error = "",
               .peak_bytes = static_cast<std::int64_t>(usage.ru_maxrss) * 1024};
  if (end.good) return end;
  if (found > 0 && WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    end.error = std::string("ended by the signal ") + std::to_string(signal) + " (" + ::strsignal(signal) + ")" +
                (signal == SIGKILL ? "; where nobody sent it, the memory was full" : "");
    return end;
  }
  end.error = last_error(log_, begin_);
  if (end.error.empty()) end.error = "ended without saying why; see " + log_.string();
  return end;
}

std::string shell_text(const std::vector<std::string>& arguments) {
  const std::string plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,+@%";
  std::string text;
  for (const std::string& argument : arguments) {
    if (!text.empty()) text += " ";
    if (!argument.empty() && argument.find_first_not_of(plain) == std::string::npos) {
      text += argument;
      continue;
    }
    text += "'";
    for (const char c : argument) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    text += "'";
  }
  return text;
}

}  // namespace ssam::cli
