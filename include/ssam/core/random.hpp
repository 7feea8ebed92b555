#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <ssam/core/version.hpp>

namespace ssam::inline SSAM_ABI {

/// A small counter-based generator (SplitMix64): the same numbers on every machine and standard library, and a state of
/// two integers that a resumed run can restore.
class Random {
 public:
  /// Where a stream stands.
  struct State {
    std::uint64_t seed = 0;     ///< of the stream: mixed from the generator's seed and stream number
    std::uint64_t counter = 0;  ///< numbers drawn so far
    bool operator==(const State&) const = default;  ///< member by member
  };

  /// Generators of one `seed` and different `stream` numbers are independent.
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0) : state_{mix(seed ^ mix(stream + golden)), 0} {}

  /// The next 64 random bits.
  std::uint64_t next() { return mix(state_.seed + golden * ++state_.counter); }
  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  /// Uniform in [`low`, `high`).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Uniform integer in [0, count), count > 0.
  std::int64_t below(std::int64_t count) { return static_cast<std::int64_t>(uniform() * static_cast<double>(count)); }
  /// Standard normal (Box-Muller; two uniforms per value, so that the counter says where the stream stands).
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

  /// To be restored by set_state().
  const State& state() const { return state_; }
  /// Goes on as the generator that `state` was taken from.
  void set_state(const State& state) { state_ = state; }

 private:
  static constexpr std::uint64_t golden = 0x9E3779B97F4A7C15ull;
  static constexpr std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  State state_;
};

}  // namespace ssam::inline SSAM_ABI
