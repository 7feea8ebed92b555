#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <ssam/core/version.hpp>
#include <string>
#include <string_view>

namespace ssam::inline SSAM_ABI {

namespace detail {
template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A whole number in digits: shortest() has 1e+05 for 100000.
inline std::string whole(double value) { return std::to_string(static_cast<long long>(value)); }

/// The shortest text that reads back as the same number; "" for NaN.
inline std::string shortest(double value) {
  if (std::isnan(value)) return {};
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}
}  // namespace detail

/// The whole number that `text` is in decimal digits ("010" is ten), a minus before them where `Whole` is signed.
/// Nothing for anything else: blanks, a plus, hexadecimal, 1e3, 1_000, what `Whole` cannot hold.
template <class Whole>
std::optional<Whole> parse_whole(std::string_view text) {
  return detail::parse_number<Whole>(text);
}

/// The number that `text` is in decimal digits (1, .5, -2e-3). Nothing for anything else: blanks, a plus, hexadecimal,
/// infinity, NaN, what a double can only hold as 0 or infinity.
inline std::optional<double> parse_real(std::string_view text) {
  const std::optional<double> value = detail::parse_number<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

}  // namespace ssam::inline SSAM_ABI
