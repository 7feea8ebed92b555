#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <chrono>
#include <ssam/core/context.hpp>
#include <vector>

/// What the processor itself does with a context's threads, to compare ops with. Measured in the same run, because a
/// machine that is shared or throttled is another one the next time.
namespace bench {

/// Seconds of f(), the shortest of `tries` calls.
template <class F>
double shortest_time(int tries, const F& f) {
  double best = 0;
  for (int i = 0; i < tries; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    f();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    best = i == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

/// Operations per second, two per fused multiply-add of fp32, in registers: 12 sums that do not wait for each other
/// (two units of four or five clocks need 8 to 10).
inline double fma_rate(ssam::Context<ssam::Cpu>& context) {
  using Packet = Eigen::internal::packet_traits<float>::type;
  constexpr int sums = 12, rounds = 200'000, lanes = Eigen::internal::packet_traits<float>::size;
  const ssam::Index pieces = 8 * context.threads();
  std::vector<float> results(static_cast<std::size_t>(pieces));
  const double seconds = shortest_time(5, [&] {
    context.parallel_for(pieces, [&](ssam::Index piece) {
      const Packet factor = Eigen::internal::pset1<Packet>(0.999f), term = Eigen::internal::pset1<Packet>(0.5f);
      Packet sum[sums];
      for (int i = 0; i < sums; ++i) sum[i] = Eigen::internal::pset1<Packet>(float(i));
      for (int round = 0; round < rounds; ++round) {
        for (Packet& each : sum) each = Eigen::internal::pmadd(each, factor, term);
      }
      float total = 0;  // used, lest the compiler drops it all
      for (const Packet& each : sum) total += Eigen::internal::predux(each);
      results[static_cast<std::size_t>(piece)] = total;
    });
  });
  return 2.0 * sums * rounds * lanes * static_cast<double>(pieces) / seconds;
}

/// Bytes per second from and to memory, of arrays far larger than the caches. What a cache reads in order to write is
/// not counted.
struct Bandwidth {
  double read = 0;   ///< the sum of an array
  double write = 0;  ///< a constant into an array
  double triad = 0;  ///< a = b + c * constant: two thirds read, as most ops
};

/// See Bandwidth. Takes 768 MiB for a while.
inline Bandwidth bandwidth(ssam::Context<ssam::Cpu>& context) {
  using Array = Eigen::Map<Eigen::ArrayXf>;
  constexpr ssam::Index size = ssam::Index{64} << 20, grain = ssam::Index{1} << 16;
  std::vector<float> memory[3], sums(static_cast<std::size_t>(size / grain));
  for (auto& array : memory) array.resize(static_cast<std::size_t>(size), 1.0f);
  const auto seconds = [&](const auto& f) {
    return shortest_time(5, [&] {
      context.parallel_ranges(size, grain, [&](ssam::Index begin, ssam::Index end) {
        const auto part = [&](std::vector<float>& array) { return Array(array.data() + begin, end - begin); };
        f(begin / grain, part(memory[0]), part(memory[1]), part(memory[2]));
      });
    });
  };
  const double bytes = static_cast<double>(size) * sizeof(float);
  Bandwidth rates;
  rates.read = bytes / seconds([&](ssam::Index piece, const Array& a, const Array&, const Array&) {
                 sums[static_cast<std::size_t>(piece)] = a.sum();
               });
  rates.write = bytes / seconds([](ssam::Index, Array a, const Array&, const Array&) { a.setConstant(2.0f); });
  rates.triad = 3 * bytes / seconds([](ssam::Index, Array a, const Array& b, const Array& c) { a = b + c * 0.5f; });
  return rates;
}

}  // namespace bench
