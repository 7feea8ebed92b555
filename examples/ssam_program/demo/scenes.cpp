#include <array>
#include <cstring>
#include <ssam/core/error.hpp>

#include "generators.hpp"
#include "materials.hpp"

namespace ssam::demo {
namespace {

enum Label {
  circle,
  ring,
  square,
  triangle,
  star,
  cross,
  stripes,
  dots,
  brick,
  wood,
  grass_,
  sky_,
  water_,
  ball,
  leaf,
  cloud
};

/// Paints at twice the wanted size; what is painted later hides what was there.
class Painter {
 public:
  Painter(std::uint64_t seed, Index size)
      : random_(seed, 0x5CE7E5),
        side_(static_cast<int>(2 * size)),
        unit_(side_ / 256.0),
        canvas_(side_, side_, CV_32FC3),
        classes_(cv::Mat::zeros(side_, side_, CV_8U)) {}

  Drawing draw() {
    const double kind = random_.uniform();
    if (kind < 0.75) {
      landscape();
    } else if (kind < 0.95) {
      wall();
    } else {
      plain_ground(extent(), unit_, random_).copyTo(canvas_);
    }
    for (auto count = 3 + random_.below(4); count > 0; --count) thing();
    light();
    return finish();
  }

 private:
  cv::Size extent() const { return {side_, side_}; }
  cv::Mat everything() const { return cv::Mat(side_, side_, CV_8U, cv::Scalar(255)); }

  /// Lays a surface down where the mask is set.
  void lay(const cv::Mat& surface, const cv::Mat& mask, int label) {
    surface.copyTo(canvas_, mask);
    classes_.setTo(label + 1, mask);
  }

  void shadow(const cv::Mat& mask, double strength, cv::Point offset, double softness) {
    cv::Mat moved, soft;
    const cv::Mat shift = (cv::Mat_<double>(2, 3) << 1, 0, offset.x, 0, 1, offset.y);
    cv::warpAffine(mask, moved, shift, extent());
    moved.convertTo(soft, CV_32F, strength / 255);
    cv::GaussianBlur(soft, soft, {}, softness);
    cv::Mat keep, keep3;
    cv::subtract(cv::Scalar(1), soft, keep);
    cv::merge(std::vector<cv::Mat>{keep, keep, keep}, keep3);
    cv::multiply(canvas_, keep3, canvas_);
  }

  /// Everything below a wavy line at `level` of the height.
  cv::Mat below(double level, double waves) {
    const cv::Mat hills = fractal({side_, 1}, side_ / 3.0, 3, random_);
    cv::Mat mask = cv::Mat::zeros(side_, side_, CV_8U);
    for (int x = 0; x < side_; ++x) {
      const double start = side_ * (level + waves * (static_cast<double>(hills.at<float>(0, x)) - 0.5));
      const int top = std::clamp(static_cast<int>(start), 0, side_ - 1);
      mask.col(x).rowRange(top, side_).setTo(255);
    }
    return mask;
  }

  void landscape() {
    lay(sky(extent(), random_), everything(), sky_);
    for (auto count = random_.below(4); count > 0; --count) paint_cloud();
    const double horizon = random_.uniform(0.35, 0.68);
    const bool sea = chance(random_, 0.35);
    for (auto count = random_.below(4); count > 0; --count) building(horizon);
    const cv::Mat ground = below(horizon, sea ? 0.0 : 0.15);
    if (sea) {
      lay(water(extent(), unit_, random_), ground, water_);
      if (chance(random_, 0.8)) lay(grass(extent(), unit_, random_), below(random_.uniform(0.7, 0.9), 0.2), grass_);
    } else {
      lay(grass(extent(), unit_, random_), ground, grass_);
      if (chance(random_, 0.6)) {  // a pond
        const cv::Point2d centre(random_.uniform(0.2, 0.8) * side_, random_.uniform(horizon + 0.15, 0.95) * side_);
        const cv::Mat pond =
            filled(extent(), blob(centre, random_.uniform(0.2, 0.4) * side_, 0.09 * side_, 0, 0.15, random_));
        lay(water(extent(), unit_, random_), pond & ground, water_);
      }
    }
  }

  /// A brick house or a wooden fence that stands on the horizon.
  void building(double horizon) {
    const bool of_wood = chance(random_, 0.5);
    const double left = random_.uniform(-0.1, 0.6), width = random_.uniform(0.25, 0.7),
                 top = horizon - random_.uniform(0.12, 0.35);
    const cv::Rect place(static_cast<int>(left * side_), static_cast<int>(top * side_), static_cast<int>(width * side_),
                         side_);
    cv::Mat mask = cv::Mat::zeros(side_, side_, CV_8U);
    cv::rectangle(mask, place, cv::Scalar(255), cv::FILLED);
    lay(of_wood ? planks(extent(), unit_, random_) : bricks(extent(), unit_, random_), mask, of_wood ? wood : brick);
  }

  /// A wall of brick, wood or plaster over the whole picture, often with another material below or beside it.
  void wall() {
    const auto cover = [&](int material, const cv::Mat& mask) {
      if (material == 0) lay(bricks(extent(), unit_, random_), mask, brick);
      if (material == 1) lay(planks(extent(), unit_, random_), mask, wood);
      if (material == 2) {
        plain_ground(extent(), unit_, random_).copyTo(canvas_, mask);
        classes_.setTo(0, mask);
      }
    };
    const int first = static_cast<int>(random_.below(3));
    cover(first, everything());
    if (first != 2 && chance(random_, 0.3)) return;
    const int second = (first + 1 + static_cast<int>(random_.below(2))) % 3;
    cv::Mat mask = cv::Mat::zeros(side_, side_, CV_8U);
    const int cut = static_cast<int>(random_.uniform(0.35, 0.7) * side_),
              slope = static_cast<int>(random_.uniform(-0.12, 0.12) * side_);
    std::vector<cv::Point> part{
        {-side_, cut - 3 * slope}, {2 * side_, cut + 3 * slope}, {2 * side_, 3 * side_}, {-side_, 3 * side_}};
    if (chance(random_, 0.4)) {
      for (cv::Point& corner : part) std::swap(corner.x, corner.y);
    }
    cv::fillPoly(mask, std::vector<std::vector<cv::Point>>{part}, cv::Scalar(255));
    cover(second, mask);
  }

  void paint_cloud() {
    const cv::Point2d centre(random_.uniform(0, 1) * side_, random_.uniform(0.05, 0.4) * side_);
    const double width = random_.uniform(0.1, 0.25) * side_;
    cv::Mat body = cv::Mat::zeros(side_, side_, CV_32F);
    for (int i = 0; i < 9; ++i) {
      const double along = random_.uniform(-1, 1),
                   radius = width * random_.uniform(0.22, 0.45) * (1.1 - 0.6 * std::abs(along));
      cv::circle(
          body,
          {static_cast<int>(centre.x + along * width), static_cast<int>(centre.y - radius * random_.uniform(0, 0.8))},
          static_cast<int>(radius), cv::Scalar(1), cv::FILLED);
    }
    cv::GaussianBlur(body, body, {}, 5 * unit_);
    const cv::Mat ragged = fractal(extent(), 22 * unit_, 4, random_);
    cv::Mat mask = cv::Mat::zeros(side_, side_, CV_8U);
    for (int y = 0; y < side_; ++y) {
      for (int x = 0; x < side_; ++x) {
        const float density = body.at<float>(y, x) * 1.25f + 0.9f * (ragged.at<float>(y, x) - 0.5f);
        const float cover = body.at<float>(y, x) <= 0.02f ? 0.0f : std::clamp((density - 0.35f) * 3, 0.0f, 1.0f);
        const float white = std::min(1.0f, 0.84f + 0.3f * (density - 0.5f));
        auto& pixel = canvas_.at<cv::Vec3f>(y, x);
        pixel = mix(pixel, {white, white, white}, cover);
        if (cover > 0.5f) mask.at<std::uint8_t>(y, x) = 255;
      }
    }
    classes_.setTo(cloud + 1, mask);
  }

  std::vector<cv::Point> corners(cv::Point2d centre, double angle, const std::vector<cv::Point2d>& shape) const {
    std::vector<cv::Point> points;
    for (const cv::Point2d& p : shape) {
      points.emplace_back(cv::saturate_cast<int>(centre.x + p.x * std::cos(angle) - p.y * std::sin(angle)),
                          cv::saturate_cast<int>(centre.y + p.x * std::sin(angle) + p.y * std::cos(angle)));
    }
    return points;
  }

  cv::Mat shape_mask(int label, cv::Point2d centre, double radius) {
    const double angle = random_.uniform(0, 2 * pi);
    std::vector<cv::Point2d> outline;
    const auto corner = [&](double r, double at) { outline.emplace_back(r * std::cos(at), r * std::sin(at)); };
    if (label == square) {
      const double w = radius * random_.uniform(0.78, 0.9), h = w * random_.uniform(0.9, 1.1);
      outline = {{-w, -h}, {w, -h}, {w, h}, {-w, h}};
    } else if (label == triangle) {
      for (int i = 0; i < 3; ++i)
        corner(radius * random_.uniform(0.95, 1.2), 2 * pi * i / 3 + random_.uniform(-0.25, 0.25));
    } else if (label == star) {
      const double inner = random_.uniform(0.38, 0.5);
      for (int i = 0; i < 10; ++i) corner(radius * (i % 2 ? inner : 1.15), pi * i / 5);
    } else if (label == cross) {
      const double r = radius, w = radius * random_.uniform(0.25, 0.38);
      outline = {{-w, -r}, {w, -r}, {w, -w}, {r, -w}, {r, w},   {w, w},
                 {w, r},   {-w, r}, {-w, w}, {-r, w}, {-r, -w}, {-w, -w}};
    } else if (label == leaf) {
      const double wide = radius * random_.uniform(0.38, 0.55);
      for (int i = 0; i <= 20; ++i)
        outline.emplace_back(radius * (i / 10.0 - 1), wide * std::pow(std::sin(pi * i / 20), 1.2));
      for (int i = 19; i > 0; --i)
        outline.emplace_back(radius * (i / 10.0 - 1), -wide * std::pow(std::sin(pi * i / 20), 1.2));
    } else if (label == stripes || label == dots) {
      return filled(extent(), blob(centre, radius * 1.1, radius * random_.uniform(0.7, 1.1), angle, 0.25, random_));
    } else {
      cv::Mat mask = cv::Mat::zeros(side_, side_, CV_8U);
      const double squeeze = label == ball ? 1.0 : random_.uniform(0.88, 1);
      const auto ellipse = [&](double scale, int value) {
        cv::ellipse(
            mask,
            cv::RotatedRect(cv::Point2f(centre),
                            {static_cast<float>(2 * radius * scale), static_cast<float>(2 * radius * scale * squeeze)},
                            static_cast<float>(angle * 180 / pi)),
            cv::Scalar(value), cv::FILLED);
      };
      ellipse(1, 255);
      if (label == ring) ellipse(random_.uniform(0.45, 0.72), 0);
      return mask;
    }
    leaf_angle_ = angle;
    return filled(extent(), corners(centre, angle, outline));
  }

  /// A colour that differs from what is there.
  cv::Vec3f contrasting(const cv::Mat& mask) {
    const cv::Scalar mean = cv::mean(canvas_, mask);
    const cv::Vec3d there(mean[0], mean[1], mean[2]);
    cv::Vec3f color;
    for (int attempt = 0; attempt < 12; ++attempt) {
      color = hsv(random_.uniform(0, 360), random_.uniform(0.1, 0.95), random_.uniform(0.15, 1));
      if (cv::norm(cv::Vec3d(color) - there) > 0.4) break;
    }
    return color;
  }

  cv::Mat coloured(const cv::Vec3f& color) {
    const auto style = random_.below(3);
    const cv::Vec3f other = mix(color, hsv(random_.uniform(0, 360), 0.6, random_.uniform(0.2, 1)), 0.4f);
    const cv::Mat stains = style == 1 ? fractal(extent(), random_.uniform(10, 40) * unit_, 4, random_) : cv::Mat();
    const double angle = random_.uniform(0, 2 * pi);
    return painted(extent(), [&](int x, int y) {
      if (style == 0) return color;
      if (style == 1) return mix(color, other, stains.at<float>(y, x));
      const double along = (x * std::cos(angle) + y * std::sin(angle)) / (0.35 * side_);
      return mix(color, other, static_cast<float>(0.5 + 0.5 * std::sin(along)));
    });
  }

  cv::Mat shaded_ball(cv::Point2d centre, double radius, const cv::Vec3f& color) {
    const cv::Vec3f second = chance(random_, 0.5) ? color : hsv(random_.uniform(0, 360), random_.uniform(0, 0.8), 0.95);
    const double turn = random_.uniform(0, 2 * pi), panels = 2 + static_cast<double>(random_.below(3));
    return painted(extent(), [&](int x, int y) {
      const double nx = (x - centre.x) / radius, ny = (y - centre.y) / radius;
      const double nz = std::sqrt(std::max(0.0, 1 - nx * nx - ny * ny));
      const double diffuse = std::max(0.0, -0.45 * nx - 0.6 * ny + 0.66 * nz);
      const double longitude = std::atan2(nx * std::cos(turn) + ny * std::sin(turn), nz + 0.15);
      const bool stripe = std::fmod(std::abs(longitude * panels / pi * 2 + 10), 2.0) < 1;
      const auto shine = static_cast<float>(0.7 * std::pow(diffuse, 30.0));
      return cv::Vec3f((stripe ? color : second) * static_cast<float>(0.25 + 0.8 * diffuse) + cv::Vec3f::all(shine));
    });
  }

  void leaf_veins(cv::Mat& surface, cv::Point2d centre, double radius, const cv::Vec3f& color) const {
    const cv::Vec3f vein = mix(color, {0.95f, 0.95f, 0.75f}, 0.55f);
    const auto stroke = [&](cv::Point2d from, cv::Point2d to) {
      const auto ends = corners(centre, leaf_angle_, {from * radius, to * radius});
      cv::line(surface, ends[0], ends[1], cv::Scalar(vein[0], vein[1], vein[2]), std::max(1, static_cast<int>(unit_)),
               cv::LINE_AA);
    };
    stroke({-1, 0}, {1, 0});
    for (double at = -0.7; at < 0.8; at += 0.25) {
      stroke({at, 0}, {at + 0.25, 0.4});
      stroke({at, 0}, {at + 0.25, -0.4});
    }
  }

  void thing() {
    static constexpr std::array<int, 10> kinds{circle, ring, square, triangle, star, cross, stripes, dots, ball, leaf};
    const int label = kinds[static_cast<std::size_t>(random_.below(10))];
    const double radius = random_.uniform(0.08, 0.2) * side_;
    const cv::Point2d centre(random_.uniform(0.08, 0.92) * side_, random_.uniform(0.08, 0.92) * side_);
    const cv::Mat mask = shape_mask(label, centre, radius);
    const cv::Vec3f color = label == leaf && chance(random_, 0.75)
                                ? hsv(random_.uniform(20, 130), random_.uniform(0.6, 0.9), random_.uniform(0.35, 0.8))
                                : contrasting(mask);
    if (label == ball || chance(random_, 0.5)) {
      const double reach = random_.uniform(2, 8) * unit_;
      shadow(mask, random_.uniform(0.3, 0.6), {static_cast<int>(reach), static_cast<int>(reach)},
             random_.uniform(1.5, 5) * unit_);
    }
    cv::Mat surface = label == stripes || label == dots ? pattern(extent(), unit_, label == dots, random_)
                      : label == ball                   ? shaded_ball(centre, radius, color)
                                                        : coloured(color);
    if (label == leaf) leaf_veins(surface, centre, radius, color);
    lay(surface, mask, label);
    if (label != ball && label != leaf && chance(random_, 0.2)) {  // an outline
      std::vector<std::vector<cv::Point>> outlines;
      cv::findContours(mask, outlines, cv::RETR_LIST, cv::CHAIN_APPROX_NONE);
      const cv::Vec3f pen = color * (chance(random_, 0.5) ? 0.3f : 1.5f);
      cv::drawContours(canvas_, outlines, -1, cv::Scalar(pen[0], pen[1], pen[2]), static_cast<int>(1.5 * unit_),
                       cv::LINE_AA);
    }
  }

  /// One light over everything: a slope, darker corners, a tint; then the camera: blur, noise, sometimes grey.
  void light() {
    const double angle = random_.uniform(0, 2 * pi), slope = random_.uniform(0, 0.35), corner = random_.uniform(0, 0.3);
    const double level = random_.uniform(0.75, 1.1);
    const cv::Vec3f tint(frand(random_, 0.92, 1.08), frand(random_, 0.95, 1.05), frand(random_, 0.92, 1.08));
    for (int y = 0; y < side_; ++y) {
      for (int x = 0; x < side_; ++x) {
        const double u = 2.0 * x / side_ - 1, v = 2.0 * y / side_ - 1;
        const double bright =
            level * (1 + slope * (u * std::cos(angle) + v * std::sin(angle))) * (1 - corner * (u * u + v * v) / 2);
        auto& pixel = canvas_.at<cv::Vec3f>(y, x);
        pixel = pixel.mul(tint) * static_cast<float>(bright);
      }
    }
    const double blur = random_.uniform(0, 1.4);
    if (blur > 0.5) cv::GaussianBlur(canvas_, canvas_, {}, blur);
  }

  Drawing finish() {
    const Index size = side_ / 2;
    cv::Mat small;
    cv::resize(canvas_, small, {side_ / 2, side_ / 2}, 0, 0, cv::INTER_AREA);
    const double grain = chance(random_, 0.6) ? random_.uniform(0, 0.03) : 0;
    const bool grey = chance(random_, 0.08);
    Drawing drawing{Image(size, size), Mask(size, size)};
    std::array<Index, 17> visible{};
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        cv::Vec3f color = small.at<cv::Vec3f>(y, x);
        if (grey) color = cv::Vec3f::all(0.299f * color[0] + 0.587f * color[1] + 0.114f * color[2]);
        for (int c = 0; c < 3; ++c) {
          const double value = static_cast<double>(color[c]) + grain * random_.normal();
          drawing.image.pixel(y, x)[c] = cv::saturate_cast<std::uint8_t>(255 * value);
        }
        const std::uint8_t label = classes_.at<std::uint8_t>(2 * y, 2 * x);
        drawing.classes.at(y, x) = label;
        ++visible[label];
      }
    }
    // A few pixels that peep out from behind something are not worth a name.
    for (std::uint8_t& label : drawing.classes.values) {
      if (visible[label] * 600 < size * size) label = 0;
    }
    return drawing;
  }

  Random random_;
  int side_;
  double unit_;
  cv::Mat canvas_, classes_;
  double leaf_angle_ = 0;
};

}  // namespace

const std::vector<std::string>& scene_labels() {
  static const std::vector<std::string> labels{"circle",  "ring", "square",     "triangle", "star",  "cross",
                                               "stripes", "dots", "brick wall", "wood",     "grass", "sky",
                                               "water",   "ball", "leaf",       "cloud"};
  return labels;
}

Drawing draw_scene(std::uint64_t seed, Index size) {
  if (size < 32 || size > 4096) throw ConfigError("a scene is 32 to 4096 pixels wide");
  return Painter(seed, size).draw();
}

}  // namespace ssam::demo
