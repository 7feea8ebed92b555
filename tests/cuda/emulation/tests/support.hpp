#pragma once

#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/// What the emulation's own tests share.
namespace emulation_tests {

/// A device buffer.
template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t count) : count_(count) { REQUIRE(cudaMalloc(&data_, count * sizeof(T)) == cudaSuccess); }
  explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) {
    cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { cudaFree(data_); }

  T* data() const { return data_; }
  std::vector<T> values() const {
    std::vector<T> host(count_);
    cudaMemcpy(host.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost);
    return host;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, std::size_t shared_bytes,
                   const Arguments&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = threads;
  config.dynamicSmemBytes = shared_bytes;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

/// Runs `f` in a process of its own and gives what it wrote to stderr; "survived" when it did not die.
template <class F>
std::string death_of(F&& f) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    f();
    _exit(0);
  }
  close(ends[1]);
  std::string output;
  std::array<char, 4096> piece;
  for (ssize_t count; (count = read(ends[0], piece.data(), piece.size())) > 0;) {
    output.append(piece.data(), static_cast<std::size_t>(count));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  const bool died = WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) != 0);
  return died ? output : "survived; " + output;
}

/// `f` dies, and the message says `why`. Where AddressSanitizer watches the bytes around an allocation, it may be
/// first.
template <class F>
void check_dies(const std::string& why, F&& f) {
  const std::string output = death_of(std::forward<F>(f));
  INFO(output);
  const auto says = [&](const std::string& text) { return output.find(text) != std::string::npos; };
  CHECK(!says("survived"));
  CHECK((says(why) || says("ERROR: AddressSanitizer")));
}

}  // namespace emulation_tests
