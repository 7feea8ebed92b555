#pragma once

// What both generators paint with: noise fields, blobs, colours. Canvases are float RGB in 0..1.

#include <algorithm>
#include <cmath>
#include <numbers>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <ssam/core/random.hpp>
#include <vector>

namespace ssam::demo {

inline constexpr double pi = std::numbers::pi;

inline float frand(Random& random, double low = 0, double high = 1) {
  return static_cast<float>(random.uniform(low, high));
}
inline bool chance(Random& random, double probability) { return random.uniform() < probability; }

/// A field of smooth random hills in 0..1, `cell` pixels from one to the next in x and y.
inline cv::Mat noise(cv::Size size, double cell_x, double cell_y, Random& random) {
  const int columns = static_cast<int>(size.width / std::max(cell_x, 1.0)) + 2;
  const int rows = static_cast<int>(size.height / std::max(cell_y, 1.0)) + 2;
  cv::Mat grid(rows, columns, CV_32F), field;
  for (int y = 0; y < rows; ++y) {
    for (int x = 0; x < columns; ++x) grid.at<float>(y, x) = frand(random);
  }
  cv::resize(grid, field, size, 0, 0, cv::INTER_CUBIC);
  return field;
}

/// Noise of halving cells and amplitudes, about 0..1 around 0.5: clouds, plaster, skin.
inline cv::Mat fractal(cv::Size size, double cell, int octaves, Random& random, double stretch_x = 1) {
  cv::Mat sum = cv::Mat::zeros(size, CV_32F);
  double weight = 0.5, total = 0;
  for (int k = 0; k < octaves; ++k, cell /= 2, weight /= 2) {
    sum += weight * noise(size, cell * stretch_x, cell, random);
    total += weight;
  }
  return sum / total;
}

/// A closed wavy outline around `centre`: an ellipse of half axes (a, b), turned by `angle`, its radius changed by
/// `wobble` (relative).
inline std::vector<cv::Point> blob(cv::Point2d centre, double a, double b, double angle, double wobble,
                                   Random& random) {
  double amplitude[4], phase[4];
  for (int k = 0; k < 4; ++k) {
    amplitude[k] = wobble * random.uniform(-1, 1) / (k + 1);
    phase[k] = random.uniform(0, 2 * pi);
  }
  std::vector<cv::Point> outline;
  for (int i = 0; i < 120; ++i) {
    const double t = 2 * pi * i / 120;
    double radius = 1;
    for (int k = 0; k < 4; ++k) radius += amplitude[k] * std::cos((k + 2) * t + phase[k]);
    const double x = a * radius * std::cos(t), y = b * radius * std::sin(t);
    outline.emplace_back(cv::saturate_cast<int>(centre.x + x * std::cos(angle) - y * std::sin(angle)),
                         cv::saturate_cast<int>(centre.y + x * std::sin(angle) + y * std::cos(angle)));
  }
  return outline;
}

/// 255 inside the outline.
inline cv::Mat filled(cv::Size size, const std::vector<cv::Point>& outline) {
  cv::Mat mask = cv::Mat::zeros(size, CV_8U);
  cv::fillPoly(mask, std::vector<std::vector<cv::Point>>{outline}, cv::Scalar(255));
  return mask;
}

inline cv::Vec3f mix(const cv::Vec3f& a, const cv::Vec3f& b, float t) { return a * (1 - t) + b * t; }

/// Hue in 0..360, saturation and value in 0..1, as RGB.
inline cv::Vec3f hsv(double hue, double saturation, double value) {
  const auto channel = [&](double n) {
    const double k = std::fmod(n + hue / 60, 6.0);
    return static_cast<float>(value - value * saturation * std::max(0.0, std::min({k, 4 - k, 1.0})));
  };
  return {channel(5), channel(3), channel(1)};
}

/// Calls f(x, y) for every pixel and stores the colour.
template <class F>
cv::Mat painted(cv::Size size, const F& f) {
  cv::Mat canvas(size, CV_32FC3);
  for (int y = 0; y < size.height; ++y) {
    auto* row = canvas.ptr<cv::Vec3f>(y);
    for (int x = 0; x < size.width; ++x) row[x] = f(x, y);
  }
  return canvas;
}

}  // namespace ssam::demo
