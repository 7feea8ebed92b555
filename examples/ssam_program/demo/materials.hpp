#pragma once

// Surfaces that scenes are made of. Each fills a whole canvas; `unit` is 1/256 of the picture's side in canvas pixels.

#include "painting.hpp"

namespace ssam::demo {

inline cv::Mat sky(cv::Size size, Random& random) {
  const bool evening = chance(random, 0.2);
  const cv::Vec3f top = evening ? hsv(random.uniform(220, 270), 0.5, 0.55) : hsv(random.uniform(200, 225), 0.65, 0.85);
  const cv::Vec3f low = evening ? hsv(random.uniform(15, 40), 0.55, 0.95) : hsv(random.uniform(190, 215), 0.2, 0.97);
  const double depth = size.height * random.uniform(0.45, 0.8);
  const cv::Mat haze = fractal(size, size.width / 2.0, 3, random, 3);
  return painted(size, [&](int x, int y) {
    const auto t = static_cast<float>(std::min(1.0, y / depth));
    return mix(top, low, t) + cv::Vec3f::all(0.08f * (haze.at<float>(y, x) - 0.5f));
  });
}

inline cv::Mat grass(cv::Size size, double unit, Random& random) {
  const double hue = random.uniform(70, 125), value = random.uniform(0.35, 0.65);
  const cv::Mat patches = fractal(size, 60 * unit, 4, random);
  cv::Mat canvas = painted(size, [&](int x, int y) {
    return hsv(hue, 0.7, value * (0.55 + 0.6 * static_cast<double>(patches.at<float>(y, x))));
  });
  const int blades = static_cast<int>(size.area() / (unit * unit * 9));
  for (int i = 0; i < blades; ++i) {
    const cv::Point foot(static_cast<int>(random.below(size.width)), static_cast<int>(random.below(size.height)));
    const double length = random.uniform(3, 9) * unit, lean = random.uniform(-0.5, 0.5);
    const cv::Vec3f color =
        hsv(hue + random.uniform(-18, 18), random.uniform(0.5, 0.85), value * random.uniform(0.5, 1.5));
    cv::line(canvas, foot, foot + cv::Point(static_cast<int>(lean * length), static_cast<int>(-length)),
             cv::Scalar(color[0], color[1], color[2]), 1, cv::LINE_AA);
  }
  return canvas;
}

inline cv::Mat water(cv::Size size, double unit, Random& random) {
  const cv::Vec3f deep = hsv(random.uniform(180, 225), 0.7, random.uniform(0.3, 0.55));
  const cv::Vec3f light = hsv(random.uniform(180, 210), 0.25, random.uniform(0.75, 0.95));
  const cv::Mat swell = fractal(size, 24 * unit, 3, random, 5), warp = fractal(size, 50 * unit, 2, random, 2);
  const double period = random.uniform(5, 11) * unit;
  return painted(size, [&](int x, int y) {
    const double wave = std::sin(2 * pi * (y + 11 * unit * static_cast<double>(warp.at<float>(y, x))) / period);
    const double t = 0.75 * static_cast<double>(swell.at<float>(y, x)) + 0.16 * wave;
    return mix(deep, light, static_cast<float>(std::clamp(std::pow(std::max(t, 0.0), 1.7), 0.0, 1.0)));
  });
}

inline cv::Mat bricks(cv::Size size, double unit, Random& random) {
  const double hue = random.uniform(0, 38), saturation = random.uniform(0.25, 0.7), value = random.uniform(0.4, 0.8);
  const cv::Vec3f mortar = hsv(30, 0.08, random.uniform(0.5, 0.9));
  const double height = random.uniform(9, 20) * unit, width = height * random.uniform(1.9, 2.8);
  const double joint = std::max(1.0, height * random.uniform(0.08, 0.16)), shift = random.uniform(0, width);
  const cv::Mat rough = fractal(size, 8 * unit, 3, random), edge = fractal(size, 6 * unit, 2, random);
  const std::uint64_t tint = random.next();
  return painted(size, [&](int x, int y) {
    const double wobble = 1.6 * unit * (static_cast<double>(edge.at<float>(y, x)) - 0.5);
    const double v = (y + wobble) / height;
    const double row = std::floor(v);
    const double u = (x + wobble + shift) / width + (std::fmod(std::abs(row), 2.0) == 0 ? 0.0 : 0.5);
    const double in_y = (v - row) * height, in_x = (u - std::floor(u)) * width;
    const float roughness = rough.at<float>(y, x) - 0.5f;
    if (in_y < joint || in_x < joint) return cv::Vec3f(mortar + cv::Vec3f::all(0.2f * roughness));
    Random own(tint, static_cast<std::uint64_t>(static_cast<std::int64_t>(row * 4096 + std::floor(u)) + (1 << 20)));
    const double bright = value * own.uniform(0.75, 1.2);
    const float bevel = in_y < 2 * joint ? 0.06f : in_y > height - joint ? -0.06f : 0.0f;
    return cv::Vec3f(hsv(hue + own.uniform(0, 10), saturation, bright) + cv::Vec3f::all(0.3f * roughness + bevel));
  });
}

inline cv::Mat planks(cv::Size size, double unit, Random& random) {
  const bool upright = chance(random, 0.5);
  const cv::Size lying = upright ? cv::Size(size.height, size.width) : size;
  const double hue = random.uniform(18, 36), value = random.uniform(0.4, 0.85), plank = random.uniform(18, 48) * unit;
  const cv::Mat warp = fractal(lying, 40 * unit, 3, random, 6), fibre = noise(lying, 30 * unit, unit, random);
  const std::uint64_t tint = random.next();
  cv::Mat canvas = painted(lying, [&](int x, int y) {
    const double row = std::floor(y / plank), inside = y - row * plank;
    Random own(tint, static_cast<std::uint64_t>(row));
    const double bright = value * own.uniform(0.8, 1.15), offset = own.uniform(0, 40), turn = own.uniform(-4, 4);
    if (inside < std::max(1.0, 0.9 * unit)) return hsv(hue, 0.6, 0.3 * bright);
    const double rings = static_cast<double>(warp.at<float>(y, x)) * (12 + turn) + inside / (7 * unit) + offset;
    const double grain = 0.5 + 0.5 * std::sin(2 * pi * rings);
    const double light = 0.72 + 0.2 * grain + 0.16 * static_cast<double>(fibre.at<float>(y, x));
    return hsv(hue, 0.62 - 0.15 * grain, std::min(1.0, bright * light));
  });
  if (upright) cv::rotate(canvas, canvas, cv::ROTATE_90_CLOCKWISE);
  return canvas;
}

/// Bars or a lattice of dots in two colours that differ.
inline cv::Mat pattern(cv::Size size, double unit, bool dots, Random& random) {
  const cv::Vec3f ground = hsv(random.uniform(0, 360), random.uniform(0, 0.7), random.uniform(0.1, 1));
  cv::Vec3f mark;
  for (int attempt = 0; attempt < 20; ++attempt) {
    mark = hsv(random.uniform(0, 360), random.uniform(0, 0.9), random.uniform(0.1, 1));
    if (cv::norm(mark - ground) > 0.6) break;
  }
  const double angle = random.uniform(0, pi), period = random.uniform(8, 20) * unit;
  const double share = dots ? random.uniform(0.25, 0.36) : random.uniform(0.35, 0.65);
  return painted(size, [&](int x, int y) {
    double u = (x * std::cos(angle) + y * std::sin(angle)) / period;
    double v = (y * std::cos(angle) - x * std::sin(angle)) / period;
    u -= std::floor(u);
    v -= std::floor(v);
    return (dots ? std::hypot(u - 0.5, v - 0.5) < share : u < share) ? mark : ground;
  });
}

/// Grounds without a name: plaster, cloth, gravel, a plain gradient.
inline cv::Mat plain_ground(cv::Size size, double unit, Random& random) {
  const cv::Vec3f a = hsv(random.uniform(0, 360), random.uniform(0, 0.5), random.uniform(0.25, 0.95));
  const cv::Vec3f b =
      mix(a, hsv(random.uniform(0, 360), random.uniform(0, 0.5), random.uniform(0.2, 1)), frand(random, 0.1, 0.6));
  const auto kind = random.below(4);
  if (kind == 0) {
    const cv::Mat stains = fractal(size, 70 * unit, 5, random);
    return painted(size, [&](int x, int y) { return mix(a, b, stains.at<float>(y, x)); });
  }
  if (kind == 1) {
    const double thread = random.uniform(2, 3.5) * unit;
    return painted(size, [&](int x, int y) {
      const double weave = std::sin(pi * x / thread) * std::sin(pi * y / thread);
      return mix(a, b, static_cast<float>(0.5 + 0.3 * weave));
    });
  }
  if (kind == 2) {
    const cv::Mat pebbles = noise(size, 3 * unit, 3 * unit, random), stains = fractal(size, 50 * unit, 3, random);
    return painted(size, [&](int x, int y) {
      const float t = std::clamp(1.8f * (pebbles.at<float>(y, x) - 0.5f) + stains.at<float>(y, x), 0.0f, 1.0f);
      return mix(a, b, t);
    });
  }
  const double angle = random.uniform(0, 2 * pi);
  return painted(size, [&](int x, int y) {
    const double along =
        ((x - size.width / 2) * std::cos(angle) + (y - size.height / 2) * std::sin(angle)) / size.width;
    return mix(a, b, static_cast<float>(std::clamp(along + 0.5, 0.0, 1.0)));
  });
}

}  // namespace ssam::demo
