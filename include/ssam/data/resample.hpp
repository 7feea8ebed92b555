#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ssam/core/shape.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI::detail {

/// What one output position takes of an axis: weights of the inputs first, first + 1, ...
template <class T>
struct AxisTap {
  Index first = 0;
  std::vector<T> weights;
};

/// The taps of a whole axis. Position i of the output covers [i, i + 1) * in / out of the input: pixel centres stay.
template <class T>
using AxisTaps = std::vector<AxisTap<T>>;

/// Antialiased bilinear: a triangle about the output's centre, one output pixel wide to each side (one input pixel
/// where the picture grows). In double as PIL computes it, in float as PyTorch does; each in its order of operations.
template <class T>
AxisTaps<T> triangle_taps(Index in, Index out) {
  AxisTaps<T> taps(static_cast<std::size_t>(out));
  const T scale = static_cast<T>(in) / static_cast<T>(out), support = std::max(scale, T(1)), inverse = T(1) / support;
  for (Index i = 0; i < out; ++i) {
    const T centre = scale * (static_cast<T>(i) + T(0.5));
    AxisTap<T>& tap = taps[static_cast<std::size_t>(i)];
    tap.first = std::max<Index>(0, static_cast<Index>(centre - support + T(0.5)));
    const Index end = std::min(in, static_cast<Index>(centre + support + T(0.5)));
    T sum = 0;
    for (Index x = tap.first; x < end; ++x) {
      const T distance = std::abs((static_cast<T>(x) - centre + T(0.5)) * inverse);
      tap.weights.push_back(distance < T(1) ? T(1) - distance : T(0));
      sum += tap.weights.back();
    }
    for (T& weight : tap.weights) weight /= sum;
  }
  return taps;
}

/// The mean over what the output position covers; input pixels at its ends count by the part of them that is covered.
inline AxisTaps<double> area_taps(Index in, Index out) {
  AxisTaps<double> taps(static_cast<std::size_t>(out));
  for (Index i = 0; i < out; ++i) {  // in units of 1 / out of an input pixel everything is whole: the weights are exact
    const Index begin = i * in, end = begin + in;
    AxisTap<double>& tap = taps[static_cast<std::size_t>(i)];
    tap.first = begin / out;
    for (Index x = tap.first; x * out < end; ++x) {
      const Index covered = std::min(end, (x + 1) * out) - std::max(begin, x * out);
      tap.weights.push_back(static_cast<double>(covered) / static_cast<double>(in));
    }
  }
  return taps;
}

/// PIL's weights: whole numbers of 22 bits.
inline constexpr int weight_bits = 22;

inline std::vector<std::int32_t> whole_weights(const AxisTap<double>& tap) {
  std::vector<std::int32_t> weights;
  for (const double weight : tap.weights) {
    weights.push_back(static_cast<std::int32_t>(weight * (1 << weight_bits) + 0.5));
  }
  return weights;
}

inline std::uint8_t rounded_sum(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> weight_bits, 0, 255));
}

/// from [height, width, channels] -> [height, to_width, channels], rounded to 8 bits.
inline std::vector<std::uint8_t> resize_rows(const std::vector<std::uint8_t>& from, Index height, Index width,
                                             Index channels, Index to_width) {
  std::vector<std::uint8_t> result(static_cast<std::size_t>(height * to_width * channels));
  const AxisTaps<double> taps = triangle_taps<double>(width, to_width);
  for (Index x = 0; x < to_width; ++x) {
    const AxisTap<double>& tap = taps[static_cast<std::size_t>(x)];
    const std::vector<std::int32_t> weights = whole_weights(tap);
    for (Index y = 0; y < height; ++y) {
      const std::uint8_t* source = from.data() + (y * width + tap.first) * channels;
      std::uint8_t* target = result.data() + (y * to_width + x) * channels;
      for (Index c = 0; c < channels; ++c) {
        std::int32_t sum = 1 << (weight_bits - 1);
        for (std::size_t k = 0; k < weights.size(); ++k)
          sum += weights[k] * source[static_cast<Index>(k) * channels + c];
        target[c] = rounded_sum(sum);
      }
    }
  }
  return result;
}

/// from [height, line] -> [to_height, line], rounded to 8 bits.
inline std::vector<std::uint8_t> resize_columns(const std::vector<std::uint8_t>& from, Index height, Index line,
                                                Index to_height) {
  std::vector<std::uint8_t> result(static_cast<std::size_t>(to_height * line));
  std::vector<std::int32_t> sums(static_cast<std::size_t>(line));
  const AxisTaps<double> taps = triangle_taps<double>(height, to_height);
  for (Index y = 0; y < to_height; ++y) {
    const AxisTap<double>& tap = taps[static_cast<std::size_t>(y)];
    const std::vector<std::int32_t> weights = whole_weights(tap);
    std::fill(sums.begin(), sums.end(), 1 << (weight_bits - 1));
    for (std::size_t k = 0; k < weights.size(); ++k) {
      const std::uint8_t* source = from.data() + (tap.first + static_cast<Index>(k)) * line;
      for (Index i = 0; i < line; ++i) sums[static_cast<std::size_t>(i)] += weights[k] * source[i];
    }
    std::transform(sums.begin(), sums.end(), result.begin() + y * line, rounded_sum);
  }
  return result;
}

/// PIL's 8-bit resize, to the bit: rounded to 8 bits after each of the two passes, one that changes nothing left out.
/// Rows come first unless the height shrinks by more than twice as many pixels as the width: so since PIL 13, before
/// that always. from [height, width, channels] -> [to_height, to_width, channels].
inline std::vector<std::uint8_t> resize_8bit(std::vector<std::uint8_t> picture, Index height, Index width,
                                             Index channels, Index to_height, Index to_width) {
  const bool columns_first = height > to_height && height - to_height > 2 * (width - to_width);
  if (columns_first) {
    picture = resize_columns(picture, height, width * channels, to_height);
    height = to_height;
  }
  if (width != to_width) picture = resize_rows(picture, height, width, channels, to_width);
  if (height != to_height) picture = resize_columns(picture, height, to_width * channels, to_height);
  return picture;
}

/// A separable resize without rounding, rows first: from [height, width, channels] -> [down.size(), across.size(),
/// channels].
template <class T>
std::vector<T> resize_real(const std::vector<std::uint8_t>& from, Index width, Index channels, const AxisTaps<T>& down,
                           const AxisTaps<T>& across) {
  const auto height = static_cast<Index>(from.size()) / (width * channels);
  const auto to_width = static_cast<Index>(across.size()), line = to_width * channels;
  std::vector<T> rows(static_cast<std::size_t>(height * line));
  for (Index y = 0; y < height; ++y) {
    for (Index x = 0; x < to_width; ++x) {
      const AxisTap<T>& tap = across[static_cast<std::size_t>(x)];
      const std::uint8_t* source = from.data() + (y * width + tap.first) * channels;
      for (Index c = 0; c < channels; ++c) {
        T sum = 0;
        for (std::size_t k = 0; k < tap.weights.size(); ++k) {
          sum += tap.weights[k] * static_cast<T>(source[static_cast<Index>(k) * channels + c]);
        }
        rows[static_cast<std::size_t>(y * line + x * channels + c)] = sum;
      }
    }
  }
  std::vector<T> result(down.size() * static_cast<std::size_t>(line));
  for (std::size_t y = 0; y < down.size(); ++y) {
    T* target = result.data() + y * static_cast<std::size_t>(line);
    for (std::size_t k = 0; k < down[y].weights.size(); ++k) {
      const T* source = rows.data() + (down[y].first + static_cast<Index>(k)) * line;
      for (Index i = 0; i < line; ++i) target[i] += down[y].weights[k] * source[i];
    }
  }
  return result;
}

}  // namespace ssam::inline SSAM_ABI::detail
