#include <array>
#include <ssam/core/error.hpp>

#include "generators.hpp"
#include "painting.hpp"

namespace ssam::demo {
namespace {

enum Organ { liver, kidney, vessel, gallbladder };

/// How the scan lines run: line t in -1..1 starts on the probe and reaches `depth` pixels.
struct Probe {
  bool fan = true;
  cv::Point2d apex;       ///< fan: where the lines meet; linear: middle of the probe's face
  double radius = 0;      ///< fan: of the probe's curved face
  double half_angle = 0;  ///< fan
  double half_width = 0;  ///< linear
  double depth = 0;

  cv::Point2d at(double t, double r) const {
    if (!fan) return {apex.x + t * half_width, apex.y + r};
    return {apex.x + (radius + r) * std::sin(t * half_angle), apex.y + (radius + r) * std::cos(t * half_angle)};
  }
  /// (t, r) of a point; outside the field of view |t| > 1 or r is not in 0..depth.
  cv::Point2d of(cv::Point2d p) const {
    if (!fan) return {(p.x - apex.x) / half_width, p.y - apex.y};
    const cv::Point2d d = p - apex;
    return {std::atan2(d.x, d.y) / half_angle, std::hypot(d.x, d.y) - radius};
  }
  bool sees(cv::Point2d p) const {
    const cv::Point2d tr = of(p);
    return std::abs(tr.x) <= 1 && tr.y >= 0 && tr.y <= depth;
  }
};

/// A body drawn as echo strength and attenuation, looked at along scan lines.
class Scanner {
 public:
  Scanner(std::uint64_t seed, Index size)
      : random_(seed, 0x0172A50), size_(static_cast<int>(size)), unit_(size_ / 256.0) {
    place_probe();
    echo_ = cv::Mat(size_, size_, CV_32F);
    attenuation_ = cv::Mat(size_, size_, CV_32F, cv::Scalar(1));
    classes_ = cv::Mat::zeros(size_, size_, CV_8U);
  }

  Drawing draw() {
    body();
    organs();
    cv::Mat lines = scan();
    return finish(lines);
  }

 private:
  cv::Size extent() const { return {size_, size_}; }

  void place_probe() {
    const double s = size_;
    probe_.fan = chance(random_, 0.78);
    const double top = s * random_.uniform(0.03, 0.08);
    if (probe_.fan) {
      probe_.half_angle = random_.uniform(28, 40) * pi / 180;
      probe_.radius = s * random_.uniform(0.12, 0.34);
      probe_.apex = {s * random_.uniform(0.47, 0.53), top - probe_.radius * std::cos(probe_.half_angle)};
      const double by_height = s * random_.uniform(0.92, 0.97) - probe_.apex.y - probe_.radius;
      const double by_width = s * 0.52 / std::sin(probe_.half_angle) - probe_.radius;  // the corners may be cut off
      probe_.depth = std::min(by_height, by_width);
    } else {
      probe_.apex = {s * random_.uniform(0.47, 0.53), top};
      probe_.half_width = s * random_.uniform(0.36, 0.45);
      probe_.depth = s * random_.uniform(0.8, 0.9);
    }
  }

  /// A point given by its place across (-1..1) and its depth (0..1).
  cv::Point2d inside(double across, double deep) const { return probe_.at(across, deep * probe_.depth); }

  /// Layers of skin, fat and muscle near the probe, mottled tissue below.
  void body() {
    const cv::Mat mottled = fractal(extent(), 26 * unit_, 4, random_, 2),
                  bands = fractal(extent(), 40 * unit_, 2, random_, 3);
    const double wall = random_.uniform(0.07, 0.16), layers = random_.uniform(3, 6);
    for (int y = 0; y < size_; ++y) {
      for (int x = 0; x < size_; ++x) {
        const double deep = probe_.of(cv::Point2d(x, y)).y / probe_.depth;
        const double wave = deep / wall + 0.5 * (static_cast<double>(bands.at<float>(y, x)) - 0.5);
        double strength = 0.16 + 0.55 * std::pow(static_cast<double>(mottled.at<float>(y, x)), 2.0);
        if (wave < 1) strength = 0.12 + 0.9 * std::pow(0.5 + 0.5 * std::sin(2 * pi * layers * wave), 4.0);
        echo_.at<float>(y, x) = static_cast<float>(strength);
      }
    }
    if (chance(random_, 0.25)) ribs(wall);
  }

  void ribs(double wall) {
    for (double across = random_.uniform(-0.8, -0.2); across < 0.9; across += random_.uniform(0.6, 1)) {
      const cv::Point2d centre = inside(across, wall);
      const double a = random_.uniform(0.03, 0.05) * size_;
      const cv::Mat mask = filled(extent(), blob(centre, a, 0.35 * a, -across * probe_.half_angle, 0.05, random_));
      echo_.setTo(1.6, mask);
      attenuation_.setTo(random_.uniform(15, 50), mask);
    }
  }

  /// Fills an outline with tissue. `attenuation`: 1 for soft tissue; below it what lies behind is brighter (fluid,
  /// drawn stronger than in life so that thin vessels show it), far above it dark. `wall`: brightness of its border
  /// where it lies across the beam.
  void tissue(const std::vector<cv::Point>& outline, double strength, double mottling, double attenuation, double wall,
              int organ) {
    const cv::Mat mask = filled(extent(), outline);
    const cv::Mat grain = fractal(extent(), 7 * unit_, 3, random_);
    cv::Mat level = strength * (1 + mottling * (grain - 0.5));
    level.copyTo(echo_, mask);
    attenuation_.setTo(attenuation, mask);
    classes_.setTo(organ + 1, mask);
    for (std::size_t i = 0; i < outline.size(); ++i) {
      const cv::Point a = outline[i], b = outline[(i + 1) % outline.size()];
      const cv::Point2d beam = probe_.at(probe_.of(a).x, 2.0) - probe_.at(probe_.of(a).x, 1.0), along = b - a;
      const double length = std::hypot(along.x, along.y);
      if (length == 0) continue;
      const double across = std::abs(beam.x * along.y - beam.y * along.x) / length;
      const double bright = wall * (0.25 + 0.75 * across * across);
      cv::line(echo_, a, b, cv::Scalar(std::max(bright, strength)), std::max(1, static_cast<int>(1.6 * unit_)));
    }
  }

  void organs() {
    if (chance(random_, 0.72)) draw_liver();
    if (chance(random_, 0.55)) draw_kidney();
    if (chance(random_, 0.6)) draw_vessels();
    if (chance(random_, 0.45)) draw_gallbladder();
    if (chance(random_, 0.3)) draw_gas();
    cv::GaussianBlur(echo_, echo_, {}, 0.7 * unit_);
  }

  void draw_liver() {
    liver_ = inside(random_.uniform(-0.55, 0.25), random_.uniform(0.4, 0.55));
    const double a = random_.uniform(0.24, 0.36) * size_, b = random_.uniform(0.17, 0.27) * size_;
    const double angle = random_.uniform(-0.5, 0.5);
    if (chance(random_, 0.6)) {  // the diaphragm, a bright arc behind it
      std::vector<cv::Point> arc =
          blob(liver_ + cv::Point2d(0, 0.03 * size_), a * 1.06, b * 1.08, angle, 0.05, random_);
      arc.erase(arc.begin() + 55, arc.end());
      cv::polylines(echo_, arc, false, cv::Scalar(1.8), static_cast<int>(2.5 * unit_));
    }
    const double strength = chance(random_, 0.7) ? random_.uniform(0.1, 0.2) : random_.uniform(0.42, 0.6);
    tissue(blob(liver_, a, b, angle, 0.16, random_), strength, 0.35, random_.uniform(0.9, 1.3), 0.6, liver);
  }

  void draw_kidney() {
    const cv::Point2d centre = inside(random_.uniform(-0.1, 0.65), random_.uniform(0.5, 0.78));
    const double a = random_.uniform(0.13, 0.19) * size_, b = a * random_.uniform(0.42, 0.55),
                 angle = random_.uniform(-0.7, 0.7);
    tissue(blob(centre, a, b, angle, 0.07, random_), random_.uniform(0.07, 0.13), 0.5, 0.8, 0.9, kidney);
    // The sinus: fat and collecting system, bright and ragged; part of the organ.
    for (int i = 0; i < 3; ++i) {
      const double along = (i - 1) * 0.32 * a;
      const cv::Point2d part(centre.x + along * std::cos(angle), centre.y + along * std::sin(angle));
      tissue(blob(part, 0.32 * a, 0.36 * b, angle, 0.35, random_), random_.uniform(0.5, 0.8), 0.9, 1, 0.6, kidney);
    }
  }

  void draw_vessels() {
    const cv::Point2d around = liver_.x > 0 ? liver_ : inside(0, 0.5);
    for (auto count = 1 + random_.below(3); count > 0; --count) {
      const cv::Point2d centre =
          around + cv::Point2d(random_.uniform(-0.18, 0.18), random_.uniform(-0.1, 0.14)) * size_;
      const double b = random_.uniform(0.016, 0.036) * size_;
      const double a = chance(random_, 0.5) ? b * random_.uniform(1, 1.4) : b * random_.uniform(2.5, 5);
      tissue(blob(centre, a, b, random_.uniform(-1, 1), 0.1, random_), 0.012, 0.5, -0.6, random_.uniform(0.45, 0.9),
             vessel);
    }
  }

  void draw_gallbladder() {
    const cv::Point2d centre = inside(random_.uniform(-0.5, 0.5), random_.uniform(0.3, 0.55));
    const double a = random_.uniform(0.08, 0.14) * size_, b = a * random_.uniform(0.36, 0.52),
                 angle = random_.uniform(-0.9, 0.9);
    std::vector<cv::Point> pear = blob(centre, a, b, angle, 0.05, random_);
    for (std::size_t i = 0; i < pear.size(); ++i) {  // narrower towards its neck
      const double along = std::cos(2 * pi * static_cast<double>(i) / static_cast<double>(pear.size()));
      const cv::Point2d axis = centre + cv::Point2d(std::cos(angle), std::sin(angle)) * (a * along);
      pear[i] = axis + (cv::Point2d(pear[i]) - axis) * (1 - 0.35 * std::max(0.0, along));
    }
    tissue(pear, 0.008, 0.4, -1.5, 0.85, gallbladder);
    if (chance(random_, 0.3)) {  // a stone on its back wall, and its shadow
      const cv::Mat lumen = filled(extent(), pear);
      const cv::Mat stone = filled(extent(), blob(centre + cv::Point2d(random_.uniform(-0.3, 0.3) * a, 0.45 * b),
                                                  0.22 * b, 0.18 * b, 0, 0.1, random_));
      echo_.setTo(1.8, stone & lumen);
      attenuation_.setTo(random_.uniform(80, 150), stone & lumen);
    }
  }

  /// Bowel gas: a bright front, nothing but haze behind.
  void draw_gas() {
    const cv::Point2d centre = inside(random_.uniform(-0.8, 0.8), random_.uniform(0.3, 0.6));
    const double a = random_.uniform(0.04, 0.09) * size_;
    const cv::Mat mask = filled(extent(), blob(centre, a, 0.3 * a, random_.uniform(-0.3, 0.3), 0.2, random_));
    echo_.setTo(1.5, mask);
    attenuation_.setTo(random_.uniform(25, 60), mask);
    classes_.setTo(0, mask);
  }

  /// The signal along every scan line [samples, lines]: tissue x speckle x what is left of the pulse, compressed to
  /// 0..1.
  cv::Mat scan() {
    const int samples = static_cast<int>(probe_.depth * 1.5), count = static_cast<int>(0.9 * size_);
    cv::Mat map_x(samples, count, CV_32F), map_y(samples, count, CV_32F), echo, loss;
    for (int i = 0; i < samples; ++i) {
      for (int j = 0; j < count; ++j) {
        const cv::Point2d p = probe_.at(2.0 * j / (count - 1) - 1, i * probe_.depth / (samples - 1));
        map_x.at<float>(i, j) = static_cast<float>(p.x);
        map_y.at<float>(i, j) = static_cast<float>(p.y);
      }
    }
    cv::remap(echo_, echo, map_x, map_y, cv::INTER_LINEAR, cv::BORDER_REPLICATE);
    cv::remap(attenuation_, loss, map_x, map_y, cv::INTER_LINEAR, cv::BORDER_CONSTANT, cv::Scalar(1));
    cv::GaussianBlur(loss, loss, {}, 1.5, 0.5);  // a beam is wider than a line
    const cv::Mat grain = speckle({count, samples});
    const double absorption = random_.uniform(1.0, 2.2), gain = random_.uniform(0.75, 1.25),
                 range = random_.uniform(42, 55);
    const double compensated = absorption * random_.uniform(0.75, 1.05), hiss = random_.uniform(0.001, 0.005);
    const double focus = random_.uniform(0.35, 0.7);
    cv::Mat lines(samples, count, CV_32F);
    for (int j = 0; j < count; ++j) {
      double absorbed = 0;
      for (int i = 0; i < samples; ++i) {
        const double deep = static_cast<double>(i) / samples;
        absorbed += absorption * static_cast<double>(loss.at<float>(i, j)) / samples;
        const double focused = 1 + 0.35 * std::exp(-(deep - focus) * (deep - focus) / 0.03);
        const double pulse = gain * focused * std::exp(compensated * deep - absorbed);
        const double heard =
            static_cast<double>(echo.at<float>(i, j)) * static_cast<double>(grain.at<float>(i, j)) * pulse +
            hiss * std::abs(random_.normal()) * std::exp(compensated * deep);
        lines.at<float>(i, j) = static_cast<float>((20 * std::log10(heard + 1e-6) + range - 6) / range);
      }
    }
    return lines;
  }

  /// Fully developed speckle: the length of a blurred complex normal field (Rayleigh), mean 1; several looks averaged.
  cv::Mat speckle(cv::Size size) {
    const double axial = random_.uniform(0.8, 1.3), lateral = random_.uniform(1.0, 1.8);
    const int looks = 1 + static_cast<int>(random_.below(3));
    cv::Mat sum = cv::Mat::zeros(size, CV_32F);
    for (int look = 0; look < looks; ++look) {
      cv::Mat parts[2], length;
      for (cv::Mat& part : parts) {
        part = cv::Mat(size, CV_32F);
        for (int y = 0; y < size.height; ++y) {
          for (int x = 0; x < size.width; ++x) part.at<float>(y, x) = static_cast<float>(random_.normal());
        }
        cv::GaussianBlur(part, part, {}, lateral, axial);
      }
      cv::magnitude(parts[0], parts[1], length);
      sum += length;
    }
    return sum / cv::mean(sum)[0];
  }

  /// From scan lines to a picture, with the marks a machine writes beside it.
  Drawing finish(const cv::Mat& lines) {
    cv::Mat map_x(size_, size_, CV_32F), map_y(size_, size_, CV_32F), picture;
    for (int y = 0; y < size_; ++y) {
      for (int x = 0; x < size_; ++x) {
        const cv::Point2d tr = probe_.of(cv::Point2d(x, y));
        map_x.at<float>(y, x) = static_cast<float>((tr.x + 1) / 2 * (lines.cols - 1));
        map_y.at<float>(y, x) = static_cast<float>(tr.y / probe_.depth * (lines.rows - 1));
      }
    }
    cv::remap(lines, picture, map_x, map_y, cv::INTER_LINEAR, cv::BORDER_CONSTANT, cv::Scalar(0));
    const double gamma = random_.uniform(0.9, 1.4);
    Drawing drawing{Image(size_, size_), Mask(size_, size_)};
    for (int y = 0; y < size_; ++y) {
      for (int x = 0; x < size_; ++x) {
        if (!probe_.sees(cv::Point2d(x, y))) continue;
        const double value = std::pow(std::clamp(static_cast<double>(picture.at<float>(y, x)), 0.0, 1.0), gamma);
        for (int c = 0; c < 3; ++c) drawing.image.pixel(y, x)[c] = cv::saturate_cast<std::uint8_t>(255 * value);
        drawing.classes.at(y, x) = classes_.at<std::uint8_t>(y, x);
      }
    }
    if (chance(random_, 0.6)) marks(drawing.image);
    return drawing;
  }

  void marks(Image& image) {
    cv::Mat canvas(size_, size_, CV_8UC3, image.rgb.data());
    const cv::Scalar white = cv::Scalar::all(190);
    const int right = size_ - 1 - static_cast<int>(3 * unit_), top = static_cast<int>(probe_.at(0, 0).y);
    const double step = probe_.depth / static_cast<double>(8 + random_.below(8));
    for (double r = 0; r <= probe_.depth; r += step) {
      const int y = top + static_cast<int>(r);
      cv::line(canvas, {right, y}, {right + static_cast<int>(2 * unit_), y}, white, 1);
    }
    for (int y = 0; y < static_cast<int>(60 * unit_); ++y) {  // the grey scale
      const cv::Scalar grey = cv::Scalar::all(255 - y * 255 / (60 * unit_));
      cv::line(canvas, {static_cast<int>(3 * unit_), top + y}, {static_cast<int>(7 * unit_), top + y}, grey, 1);
    }
  }

  Random random_;
  int size_;
  double unit_;
  Probe probe_;
  cv::Mat echo_, attenuation_, classes_;
  cv::Point2d liver_{-1, -1};
};

}  // namespace

const std::vector<std::string>& phantom_labels() {
  static const std::vector<std::string> labels{"liver", "kidney", "vessel", "gallbladder"};
  return labels;
}

Drawing draw_phantom(std::uint64_t seed, Index size) {
  if (size < 32 || size > 4096) throw ConfigError("a phantom is 32 to 4096 pixels wide");
  return Scanner(seed, size).draw();
}

}  // namespace ssam::demo
