#pragma once

#include <cstdint>
#include <ssam/core/shape.hpp>
#include <vector>

/// A mask to test with, drawn by a formula.
struct Drawn {
  ssam::Index height = 0, width = 0;
  std::vector<std::uint8_t> values;

  template <class Inside>
  static Drawn by(ssam::Index height, ssam::Index width, const Inside& inside) {
    Drawn mask{height, width, {}};
    for (ssam::Index y = 0; y < height; ++y) {
      for (ssam::Index x = 0; x < width; ++x) mask.values.push_back(inside(y, x) ? 1 : 0);
    }
    return mask;
  }
  friend Drawn operator|(Drawn left, const Drawn& right) {
    for (std::size_t i = 0; i < left.values.size(); ++i) left.values[i] |= right.values[i];
    return left;
  }
};

inline Drawn disc(ssam::Index height, ssam::Index width, ssam::Index cy, ssam::Index cx, ssam::Index radius) {
  return Drawn::by(height, width, [=](ssam::Index y, ssam::Index x) {
    return (y - cy) * (y - cy) + (x - cx) * (x - cx) <= radius * radius;
  });
}

inline Drawn ring(ssam::Index height, ssam::Index width, ssam::Index cy, ssam::Index cx, ssam::Index inner,
                  ssam::Index outer) {
  return Drawn::by(height, width, [=](ssam::Index y, ssam::Index x) {
    const ssam::Index square = (y - cy) * (y - cy) + (x - cx) * (x - cx);
    return square > inner * inner && square <= outer * outer;
  });
}

/// Rows [top, bottom), columns [left, right).
inline Drawn rect(ssam::Index height, ssam::Index width, ssam::Index top, ssam::Index left, ssam::Index bottom,
                  ssam::Index right) {
  return Drawn::by(height, width,
                   [=](ssam::Index y, ssam::Index x) { return y >= top && y < bottom && x >= left && x < right; });
}
