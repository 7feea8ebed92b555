#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <span>
#include <ssam/core/closest_name.hpp>
#include <ssam/core/decimal.hpp>
#include <ssam/core/error.hpp>
#include <ssam/core/shape.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Which stored values of a picture become 0 and 255. Pictures of 8 bits stay as they are unless a rule is given;
/// those of more bits say how many of them count (PNG's sBIT chunk), or else are mapped by percentiles.
struct Intensity {
  /// Where the two values come from.
  enum class Rule {
    automatic,   ///< 8 bits as they are; more: the file's own word on its range, else percentiles 0.5 and 99.5
    percentile,  ///< between the `low`-th and the `high`-th percentile of the picture's values
    window,      ///< between the stored values `low` and `high`
  };
  Rule rule = Rule::automatic;  ///< how they are found
  double low = 0,               ///< percentile or stored value that becomes 0
      high = 0;                 ///< percentile or stored value that becomes 255

  constexpr bool operator==(const Intensity&) const = default;  ///< member by member
};

/// A named window: stored values are Hounsfield units.
struct NamedWindow {
  const char* name;  ///< as parse_intensity() knows it
  double low,        ///< becomes 0
      high;          ///< becomes 255
};
/// Radiology's customary windows of computed tomography: level -+ width / 2.
inline constexpr std::array<NamedWindow, 6> named_windows{{{"abdomen", -160, 240},
                                                           {"liver", -45, 105},
                                                           {"mediastinum", -125, 225},
                                                           {"lung", -1350, 150},
                                                           {"bone", -500, 1300},
                                                           {"brain", 0, 80}}};

namespace detail {

/// "FIRST,SECOND"; false for anything else.
inline bool read_pair(std::string_view text, double& first, double& second) {
  const std::size_t comma = std::min(text.find(','), text.size());
  const auto before = parse_real(text.substr(0, comma));
  const auto behind = parse_real(text.substr(std::min(comma + 1, text.size())));
  first = before.value_or(0);
  second = behind.value_or(0);
  return before && behind;
}

/// "LOW,HIGH" with LOW < HIGH; false for anything else.
inline bool read_range(std::string_view text, double& low, double& high) {
  return read_pair(text, low, high) && low < high;
}

/// "LEVEL,WIDTH" with 0 < WIDTH, as a range; false for anything else.
inline bool read_level(std::string_view text, double& low, double& high) {
  double level = 0, width = 0;
  if (!read_pair(text, level, width)) return false;
  low = level - width / 2;
  high = level + width / 2;
  return low < high;
}

}  // namespace detail

/// "auto", "percentile:LOW,HIGH" or "window:LOW,HIGH".
inline std::string to_string(const Intensity& intensity) {
  if (intensity.rule == Intensity::Rule::automatic) return "auto";
  return (intensity.rule == Intensity::Rule::percentile ? "percentile:" : "window:") + detail::shortest(intensity.low) +
         "," + detail::shortest(intensity.high);
}

/// The inverse of to_string: an Intensity from `text`; also "percentile" (0.5 and 99.5), "level:LEVEL,WIDTH" (the
/// window LEVEL -+ WIDTH / 2) and the names of `named_windows`. Throws ConfigError.
inline Intensity parse_intensity(const std::string& text) {
  constexpr std::string_view percentile = "percentile", window = "window:", level = "level:";
  if (text == "auto") return {};
  if (text == percentile) return {Intensity::Rule::percentile, 0.5, 99.5};
  std::vector<std::string> known{"auto", "percentile", "percentile:LOW,HIGH", "window:LOW,HIGH", "level:LEVEL,WIDTH"};
  for (const NamedWindow& named : named_windows) {
    if (text == named.name) return {Intensity::Rule::window, named.low, named.high};
    known.emplace_back(named.name);
  }
  const std::string_view view = text;
  Intensity parsed;
  if ((view.starts_with(window) && detail::read_range(view.substr(window.size()), parsed.low, parsed.high)) ||
      (view.starts_with(level) && detail::read_level(view.substr(level.size()), parsed.low, parsed.high))) {
    parsed.rule = Intensity::Rule::window;
    return parsed;
  }
  if (view.starts_with("percentile:") &&
      detail::read_range(view.substr(percentile.size() + 1), parsed.low, parsed.high) && parsed.low >= 0 &&
      parsed.high <= 100) {
    parsed.rule = Intensity::Rule::percentile;
    return parsed;
  }
  throw ConfigError(ErrorText{.what = "unknown intensity range '" + text + "'", .advice = suggest_name(text, known)});
}

/// Stored values that become 0 and 255, and why.
struct IntensityRange {
  double low = 0,           ///< becomes 0
      high = 255;           ///< becomes 255
  std::string reason = {};  ///< in a few words

  bool operator==(const IntensityRange&) const = default;  ///< member by member
};

/// "100..1500 (percentiles 0.5 and 99.5)"
inline std::string to_string(const IntensityRange& range) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.6g..%.6g", range.low, range.high);
  return std::string(text.data()) + " (" + range.reason + ")";
}

namespace detail {

/// NumPy's percentile (linear interpolation) of a histogram of whole numbers.
inline double percentile(std::span<const std::uint64_t> histogram, double percent) {
  std::uint64_t count = 0;
  for (const std::uint64_t bin : histogram) count += bin;
  const double place = percent / 100 * static_cast<double>(count - 1), before = std::floor(place);
  const auto value_at = [&](double index) {
    std::uint64_t seen = 0;
    for (std::size_t value = 0; value < histogram.size(); ++value) {
      seen += histogram[value];
      if (static_cast<double>(seen) > index) return static_cast<double>(value);
    }
    return static_cast<double>(histogram.size() - 1);
  };
  const double low = value_at(before);
  return low + (place - before) * (value_at(std::ceil(place)) - low);
}

/// A float's bits in the order of the numbers.
inline std::uint32_t in_order(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return bits & 0x8000'0000u ? ~bits : bits | 0x8000'0000u;
}

/// The finite one of `values` that has `rank` smaller ones or equals before it. Two passes, no copy.
inline double ranked(std::span<const float> values, std::uint64_t rank) {
  std::vector<std::uint64_t> counts(65536);
  const auto find = [&](std::uint64_t& left) {
    std::uint32_t bin = 0;
    while (counts[bin] <= left) left -= counts[bin++];
    return bin;
  };
  for (const float value : values) counts[in_order(value) >> 16] += std::isfinite(value) ? 1 : 0;
  const std::uint32_t high = find(rank);
  counts.assign(counts.size(), 0);
  for (const float value : values) {
    const std::uint32_t order = in_order(value);
    if (std::isfinite(value) && order >> 16 == high) ++counts[order & 0xffff];
  }
  const std::uint32_t order = high << 16 | find(rank);
  return std::bit_cast<float>(order & 0x8000'0000u ? order & 0x7fff'ffffu : ~order);
}

/// NumPy's percentile (linear interpolation) of the finite ones of `values`, of which there are `count`.
inline double percentile(std::span<const float> values, std::uint64_t count, double percent) {
  const double place = percent / 100 * static_cast<double>(count - 1), before = std::floor(place);
  const double low = ranked(values, static_cast<std::uint64_t>(before));
  if (place == before) return low;
  return low + (place - before) * (ranked(values, static_cast<std::uint64_t>(before) + 1) - low);
}

inline std::string percentiles_of(double low, double high) {
  return "percentiles " + shortest(low) + " and " + shortest(high);
}

}  // namespace detail

/// The range of a picture whose values are whole numbers. `bits` are stored per value, `significant` of them count
/// (0: the file does not say).
inline IntensityRange intensity_range(std::span<const std::uint16_t> values, int bits, int significant,
                                      const Intensity& intensity) {
  if (intensity.rule == Intensity::Rule::window) return {intensity.low, intensity.high, "window"};
  if (intensity.rule == Intensity::Rule::automatic && bits <= 8) return {0, 255, "8 bits"};
  if (intensity.rule == Intensity::Rule::automatic && significant > 0 && significant <= bits) {
    // PNG wants values spread over all bits; many write them as they are.
    const auto most = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
    const double raw = std::ldexp(1.0, significant) - 1;
    return {0, most <= raw ? raw : std::ldexp(1.0, bits) - 1, "the file says " + std::to_string(significant) + " bits"};
  }
  const bool chosen = intensity.rule == Intensity::Rule::percentile;
  const double low = chosen ? intensity.low : 0.5, high = chosen ? intensity.high : 99.5;
  std::vector<std::uint64_t> histogram(65536);
  for (const std::uint16_t value : values) ++histogram[value];
  return {detail::percentile(histogram, low), detail::percentile(histogram, high), detail::percentiles_of(low, high)};
}

/// The range of real `values`; NaN and infinities do not count. Where nothing else is asked for: percentiles 0.5 and
/// 99.5.
inline IntensityRange intensity_range(std::span<const float> values, const Intensity& intensity) {
  if (intensity.rule == Intensity::Rule::window) return {intensity.low, intensity.high, "window"};
  const bool chosen = intensity.rule == Intensity::Rule::percentile;
  const double low = chosen ? intensity.low : 0.5, high = chosen ? intensity.high : 99.5;
  const auto finite = std::count_if(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
  if (finite == 0) return {0, 0, "no value is finite"};
  const auto count = static_cast<std::uint64_t>(finite);
  return {detail::percentile(values, count, low), detail::percentile(values, count, high),
          detail::percentiles_of(low, high)};
}

/// A stored value as 0..255; what lies outside the range is cut off, NaN is 0.
inline std::uint8_t map_intensity(double value, const IntensityRange& range) {
  if (!(range.high > range.low) || std::isnan(value)) return 0;
  return static_cast<std::uint8_t>(std::clamp((value - range.low) / (range.high - range.low), 0.0, 1.0) * 255 + 0.5);
}

}  // namespace ssam::inline SSAM_ABI
