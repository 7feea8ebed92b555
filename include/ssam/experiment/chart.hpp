#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ssam/core/version.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// A point of a scatter chart.
struct ChartPoint {
  std::string name;              ///< written beside it
  std::size_t series = 0;        ///< which colour and mark
  double x = 0;                  ///< positive where the axis is logarithmic
  double y = 0;                  ///< within the axis
  double spread = std::nan("");  ///< drawn as a bar of y - spread .. y + spread; NaN for none
};

/// A line of a chart, and the band around it.
struct ChartLine {
  std::size_t series = 0;         ///< which colour and dash
  std::vector<double> x = {};     ///< ascending
  std::vector<double> y = {};     ///< as many
  std::vector<double> low = {};   ///< the band's lower border: as many, or none
  std::vector<double> high = {};  ///< the band's upper border: as many, or none
};

/// What a chart is about.
struct ChartText {
  std::string id;           ///< of its elements, different from all others of a page
  std::string title;        ///< one line, read to those who do not see it
  std::string description;  ///< the figures in words
  std::string x_name;       ///< of the horizontal axis
  std::string y_name;       ///< of the vertical axis
};

namespace detail {

/// As the text or an attribute's value of HTML and SVG.
inline std::string html_text(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

/// A coordinate: two digits are finer than a screen.
inline std::string svg_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

/// "10k", "3M", "0.25": short enough for an axis.
inline std::string tick_text(double value) {
  const char* unit = "";
  for (const auto& [size, name] : {std::pair{1e9, "G"}, {1e6, "M"}, {1e3, "k"}}) {
    if (std::abs(value) < size * 0.9999) continue;
    value /= size;
    unit = name;
    break;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return std::string(text) + unit;
}

/// An axis: its range, widened to its ticks.
class ChartAxis {
 public:
  /// `least_step`: between the ticks of a linear one, 1 where halves mean nothing.
  ChartAxis(double low, double high, bool logarithmic, double least_step = 0) : log_(logarithmic) {
    if (log_) {
      fill_decades(low, high);
    } else {
      fill_steps(low, high, least_step);
    }
  }
  /// Where `value` lies, 0 at the lower end and 1 at the upper.
  double place(double value) const { return (scaled(value) - scaled(low_)) / (scaled(high_) - scaled(low_)); }
  const std::vector<double>& ticks() const { return ticks_; }
  /// What is written at a tick: of a linear axis, with the digits of its steps.
  std::string text(double tick) const {
    if (log_ || digits_ == 0) return tick_text(tick);
    char text[32];
    std::snprintf(text, sizeof text, "%.*f", digits_, tick);
    return text;
  }

 private:
  double scaled(double value) const { return log_ ? std::log10(value) : value; }

  void fill_decades(double low, double high) {
    low_ = std::pow(10.0, std::floor(std::log10(low)));
    high_ = std::pow(10.0, std::ceil(std::log10(high)));
    if (low_ == high_) high_ *= 10;
    if (place(low) < 0.02) low_ /= 10;  // a mark on the border would be cut
    if (place(high) > 0.98) high_ *= 10;
    for (double tick = low_; tick < high_ * 1.5; tick *= 10) ticks_.push_back(tick);
    while (ticks_.size() > 7) {
      for (std::size_t i = 1; i < ticks_.size(); ++i) ticks_.erase(ticks_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  void fill_steps(double low, double high, double least_step) {
    if (high - low < 1e-6 * std::max(std::abs(high), 1e-6)) {
      low -= 0.05 * std::max(std::abs(low), 0.1);
      high += 0.05 * std::max(std::abs(high), 0.1);
    }
    const double rough = (high - low) / 5, decade = std::pow(10.0, std::floor(std::log10(rough)));
    const double factor = rough / decade < 1.5 ? 1 : rough / decade < 3.5 ? 2 : rough / decade < 7.5 ? 5 : 10;
    const double step = std::max(factor * decade, least_step);
    digits_ = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
    low_ = std::floor(low / step) * step;
    high_ = std::ceil(high / step) * step;
    const int steps = static_cast<int>(std::lround((high_ - low_) / step));
    for (int i = 0; i <= steps; ++i) ticks_.push_back(low_ + i * step);
  }

  bool log_;
  int digits_ = 0;  ///< behind the point
  double low_ = 0, high_ = 1;
  std::vector<double> ticks_;
};

/// Draws into a frame of fixed size, which the page scales.
class ChartCanvas {
 public:
  static constexpr double width = 440, height = 300, left = 64, right = 24, top = 12, bottom = 46;

  ChartCanvas(const ChartText& text, const ChartAxis& x, const ChartAxis& y) : x_(x), y_(y) {
    svg_ = "<svg class=\"chart\" viewBox=\"0 0 440 300\" role=\"img\" aria-labelledby=\"" + text.id + "t " + text.id +
           "d\"><title id=\"" + text.id + "t\">" + html_text(text.title) + "</title><desc id=\"" + text.id + "d\">" +
           html_text(text.description) + "</desc>\n";
    for (const double tick : y.ticks()) {
      const std::string at = svg_number(place_y(tick));
      svg_ += "<line class=\"grid\" x1=\"64\" x2=\"416\" y1=\"" + at + "\" y2=\"" + at + "\"/>";
      label(left - 7, place_y(tick) + 4, "end", y.text(tick));
    }
    for (const double tick : x.ticks()) {
      const std::string at = svg_number(place_x(tick));
      svg_ += "<line class=\"grid\" y1=\"12\" y2=\"254\" x1=\"" + at + "\" x2=\"" + at + "\"/>";
      label(place_x(tick), height - bottom + 17, "middle", x.text(tick));
    }
    label((left + width - right) / 2, height - 8, "middle", text.x_name);
    const std::string middle = svg_number((top + height - bottom) / 2);
    svg_ += "<text class=\"label\" text-anchor=\"middle\" transform=\"translate(12 " + middle + ") rotate(-90)\">" +
            html_text(text.y_name) + "</text>\n";
  }

  double place_x(double value) const { return left + x_.place(value) * (width - left - right); }
  double place_y(double value) const { return height - bottom - y_.place(value) * (height - top - bottom); }

  void label(double x, double y, const char* anchor, const std::string& text) {
    svg_ += "<text class=\"label\" x=\"" + svg_number(x) + "\" y=\"" + svg_number(y) + "\" text-anchor=\"" + anchor +
            "\">" + html_text(text) + "</text>\n";
  }
  void add(const std::string& element) { svg_ += element; }
  std::string finish() { return svg_ + "</svg>\n"; }

 private:
  const ChartAxis& x_;
  const ChartAxis& y_;
  std::string svg_;
};

inline std::string series_class(std::size_t series) { return "s" + std::to_string(series % 8); }

/// The mark of a series around (x, y): four shapes, so that colour is not all that tells series apart.
inline std::string chart_mark(std::size_t series, double x, double y) {
  const std::string klass = " class=\"mark " + series_class(series) + "\"";
  const auto polygon = [&](const std::vector<std::pair<double, double>>& corners) {
    std::string points;
    for (const auto& [dx, dy] : corners) points += svg_number(x + dx) + "," + svg_number(y + dy) + " ";
    return "<polygon" + klass + " points=\"" + points + "\"/>";
  };
  switch (series % 4) {
    case 0:
      return "<circle" + klass + " cx=\"" + svg_number(x) + "\" cy=\"" + svg_number(y) + "\" r=\"5\"/>";
    case 1:
      return polygon({{-4.5, -4.5}, {4.5, -4.5}, {4.5, 4.5}, {-4.5, 4.5}});
    case 2:
      return polygon({{0, -6}, {5.5, 4.5}, {-5.5, 4.5}});
    default:
      return polygon({{0, -6.5}, {6.5, 0}, {0, 6.5}, {-6.5, 0}});
  }
}

inline std::string chart_dash(std::size_t series) {
  static constexpr std::array<const char*, 4> dashes{"", "7 3", "2 3", "9 3 2 3"};
  const std::string dash = dashes[series % 4];
  return dash.empty() ? "" : " stroke-dasharray=\"" + dash + "\"";
}

/// Places names beside their points so that none covers another.
class NamePlacer {
 public:
  explicit NamePlacer(const std::vector<std::pair<double, double>>& marks) {
    for (const auto& [x, y] : marks) taken_.push_back({x - 7, y - 7, x + 7, y + 7});
  }
  /// Keeps names off the bar at x from `top` to `bottom`.
  void avoid(double x, double top, double bottom) { taken_.push_back({x - 2, top, x + 2, bottom}); }
  /// Adds `name` for the mark at (x, y) to `canvas`.
  void place(ChartCanvas& canvas, double x, double y, const std::string& name) {
    const double wide = 7.4 * static_cast<double>(letters(name));
    for (int ring = 0; ring < 12; ++ring) {
      const double away = 13 * (ring / 2) * (ring % 2 == 0 ? 1 : -1);
      for (const bool to_right : {true, false}) {
        const double from = to_right ? x + 10 : x - 10 - wide;
        const Box box{from, y - 7 + away, from + wide, y + 6 + away};
        if (from < ChartCanvas::left || from + wide > ChartCanvas::width - 2 || !free(box)) continue;
        taken_.push_back(box);
        return canvas.label(to_right ? x + 10 : x - 10, y + 4 + away, to_right ? "start" : "end", name);
      }
    }
    const double center = std::clamp(x, ChartCanvas::left + wide / 2, ChartCanvas::width - wide / 2 - 2);
    canvas.label(center, y - 10, "middle", name);  // there is no free place
  }

 private:
  struct Box {
    double left, top, right, bottom;
  };
  static std::size_t letters(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
  }
  bool free(const Box& box) const {
    if (box.top < 2 || box.bottom > ChartCanvas::height - ChartCanvas::bottom) return false;
    return std::none_of(taken_.begin(), taken_.end(), [&](const Box& other) {
      return box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom;
    });
  }
  std::vector<Box> taken_;
};

}  // namespace detail

/// `points` as SVG, their names beside them; `log_x`: the horizontal axis is logarithmic. Colours are classes s0 to s7
/// of the page's style sheet. At least one point.
inline std::string scatter_chart(const ChartText& text, const std::vector<ChartPoint>& points, bool log_x) {
  double x_low = points.at(0).x, x_high = x_low, y_low = points[0].y, y_high = y_low;
  for (const ChartPoint& point : points) {
    const double spread = std::isnan(point.spread) ? 0 : point.spread;
    x_low = std::min(x_low, point.x);
    x_high = std::max(x_high, point.x);
    y_low = std::min(y_low, point.y - spread);
    y_high = std::max(y_high, point.y + spread);
  }
  const double margin = 0.06 * (y_high - y_low);
  const detail::ChartAxis x(x_low, x_high, log_x), y(y_low - margin, y_high + margin, false);
  detail::ChartCanvas canvas(text, x, y);
  std::vector<std::pair<double, double>> marks;
  for (const ChartPoint& point : points) {
    const double at_x = canvas.place_x(point.x), at_y = canvas.place_y(point.y);
    marks.emplace_back(at_x, at_y);
    if (!std::isnan(point.spread)) {
      canvas.add("<line class=\"spread " + detail::series_class(point.series) + "\" x1=\"" + detail::svg_number(at_x) +
                 "\" x2=\"" + detail::svg_number(at_x) + "\" y1=\"" +
                 detail::svg_number(canvas.place_y(point.y - point.spread)) + "\" y2=\"" +
                 detail::svg_number(canvas.place_y(point.y + point.spread)) + "\"/>");
    }
    canvas.add(detail::chart_mark(point.series, at_x, at_y) + "\n");
  }
  detail::NamePlacer names(marks);
  for (const ChartPoint& point : points) {
    if (std::isnan(point.spread)) continue;
    names.avoid(canvas.place_x(point.x), canvas.place_y(point.y + point.spread),
                canvas.place_y(point.y - point.spread));
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    names.place(canvas, marks[i].first, marks[i].second, points[i].name);
  }
  return canvas.finish();
}

/// `lines` as SVG, each with its band. At least one line with a point.
inline std::string line_chart(const ChartText& text, const std::vector<ChartLine>& lines) {
  double x_low = std::nan(""), x_high = x_low, y_low = x_low, y_high = x_low;
  const auto widen = [](double& low, double& high, const std::vector<double>& values) {
    for (const double value : values) {
      low = std::fmin(low, value);
      high = std::fmax(high, value);
    }
  };
  for (const ChartLine& line : lines) {
    widen(x_low, x_high, line.x);
    for (const auto* values : {&line.y, &line.low, &line.high}) widen(y_low, y_high, *values);
  }
  const detail::ChartAxis x(x_low, x_high, false, 1), y(y_low, y_high, false);
  detail::ChartCanvas canvas(text, x, y);
  const auto corner = [&](double at_x, double at_y) {
    return detail::svg_number(canvas.place_x(at_x)) + "," + detail::svg_number(canvas.place_y(at_y)) + " ";
  };
  for (const ChartLine& line : lines) {
    std::string band, points;
    for (std::size_t i = 0; i < line.low.size(); ++i) band += corner(line.x[i], line.high[i]);
    for (std::size_t i = line.low.size(); i-- > 0;) band += corner(line.x[i], line.low[i]);
    for (std::size_t i = 0; i < line.x.size(); ++i) points += corner(line.x[i], line.y[i]);
    const std::string klass = detail::series_class(line.series);
    if (!band.empty()) canvas.add("<polygon class=\"band " + klass + "\" points=\"" + band + "\"/>");
    if (line.x.size() == 1) {
      canvas.add(detail::chart_mark(line.series, canvas.place_x(line.x[0]), canvas.place_y(line.y[0])));
    }
    canvas.add("<polyline class=\"line " + klass + "\" points=\"" + points + "\"" + detail::chart_dash(line.series) +
               "/>\n");
  }
  return canvas.finish();
}

}  // namespace ssam::inline SSAM_ABI
