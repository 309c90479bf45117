#include <algorithm>
#include <cmath>
#include <optional>

#include "demix/core/error.h"
#include "demix/report/charts.h"

namespace demix {
namespace {

constexpr double kHeightPx = 260;
constexpr double kLabelPx = 14;
constexpr size_t kCrowded = 40;  // points; beyond, their bars are drawn faintly
constexpr int kTicks = 4;
// Bars reach at most this far beyond the points, in widths of what the points span: errors from
// the items are mostly common to all models, and may be many times as large as their differences.
constexpr double kBeyondPoints = 0.75;

struct Point {
  std::string reference, label;  // its name, and what it is called here
  Mark mark;
  Score predicted, trained;
  bool in_correlations;
};

// What is handed over counts as found, also where it is a reference that was placed later; then
// what the search found is a reference like others.
bool is_found(const RunResult& r, const MixtureFacts& reference) {
  return r.searched.name.empty()
             ? reference.name == "found"
             : reference.name != "found" && reference.mixture == r.found.mixture;
}

Mark mark_of(const RunResult& r, const MixtureFacts& reference) {
  return is_found(r, reference)        ? Mark::kFound
         : reference.name == "natural" ? Mark::kNatural
         : reference.name == "uniform" ? Mark::kUniform
                                       : Mark::kReference;
}

std::string label_of(const RunResult& r, const MixtureFacts& reference) {
  if (is_found(r, reference)) return "found";
  return reference.name == "found" ? "searched" : reference.name;
}

const std::vector<Score>& predicted_scores(const MixtureFacts& facts, Chooser chooser) {
  switch (chooser) {
    case Chooser::kProxy:
      return facts.proxy.domains;
    case Chooser::kOtherProxy:
      return facts.other_proxy;
    case Chooser::kInterpolation:
      return facts.interpolation;
    case Chooser::kOwnShare:
      return facts.own_share;
    case Chooser::kCalibrated:
      return facts.calibrated;
  }
  DEMIX_CHECK(false);
}

// The references that have both scores, the named ones last, so that they are drawn on top.
std::vector<Point> points_of(const RunResult& r, Chooser chooser, size_t domain) {
  std::vector<Point> points;
  for (const MixtureFacts& facts : r.references) {
    const auto& x = predicted_scores(facts, chooser);
    const auto& y = facts.trained.domains;
    if (x.empty() || y.empty()) continue;
    if (!std::isfinite(x[domain].value) || !std::isfinite(y[domain].value)) continue;
    points.push_back({facts.name,
                      label_of(r, facts),
                      mark_of(r, facts),
                      x[domain],
                      y[domain],
                      facts.in_correlations});
  }
  std::stable_sort(points.begin(), points.end(), [](const Point& a, const Point& b) {
    return (a.mark != Mark::kReference) < (b.mark != Mark::kReference);
  });
  return points;
}

// The line y = intercept + slope x inside the panel.
Html clipped_line(
    double intercept, double slope, const Scale& x, const Scale& y, const char* css_class) {
  double from = x.low, to = x.high;
  const double at_low = intercept + slope * from, at_high = intercept + slope * to;
  if (!std::isfinite(at_low + at_high) || std::max(at_low, at_high) < y.low ||
      std::min(at_low, at_high) > y.high) {
    return {};
  }
  if (slope != 0) {
    const double a = (y.low - intercept) / slope, b = (y.high - intercept) / slope;
    from = std::max(from, std::min(a, b));
    to = std::min(to, std::max(a, b));
  }
  return line(x.percent(from),
              y.percent(intercept + slope * from),
              x.percent(to),
              y.percent(intercept + slope * to),
              css_class);
}

struct Line {
  double intercept, slope;
};
std::optional<Line> least_squares(const std::vector<Point>& points) {
  double n = 0, mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  for (const Point& p : points) {
    if (!p.in_correlations) continue;
    ++n;
    mean_x += p.predicted.value;
    mean_y += p.trained.value;
  }
  mean_x /= n, mean_y /= n;
  for (const Point& p : points) {
    if (!p.in_correlations) continue;
    xx += (p.predicted.value - mean_x) * (p.predicted.value - mean_x);
    xy += (p.predicted.value - mean_x) * (p.trained.value - mean_y);
  }
  if (n < 3 || !(xx > 0)) return std::nullopt;
  return Line{mean_y - xy / xx * mean_x, xy / xx};
}

Html grid(const Scale& x, const Scale& y, bool percent_axis) {
  Html lines;
  for (const double tick : x.ticks(kTicks)) {
    const std::string label = percent_axis
                                  ? show(100 * tick, std::max(0, x.decimals(kTicks) - 2)) + "%"
                                  : show(tick, x.decimals(kTicks));
    lines += line(x.percent(tick), 0, x.percent(tick), 100, "grid");
    lines += html(
        R"(<text x="{:.2f}%" y="100%" dy="18" class="tick">{}</text>)", x.percent(tick), label);
  }
  for (const double tick : y.ticks(kTicks + 1)) {
    lines += line(0, y.percent(tick), 100, y.percent(tick), "grid");
    lines += html(R"(<text x="0" dx="-8" y="{:.2f}%" dy="4" class="tick end">{}</text>)",
                  y.percent(tick),
                  show(tick, y.decimals(kTicks + 1)));
  }
  return lines;
}

// Both ends of the interval of a score, no further than the scale.
std::pair<double, double> bar_within(const Scale& scale, const Score& score) {
  const double half = kIntervalErrors * score.standard_error;
  if (!std::isfinite(half)) return {half, half};  // no bar
  return {std::max(score.value - half, scale.low), std::min(score.value + half, scale.high)};
}

bool is_cut(const Scale& scale, const Score& score) {
  const double half = kIntervalErrors * score.standard_error;
  return std::isfinite(half) &&
         !(scale.holds(score.value - half) && scale.holds(score.value + half));
}

// Of the scores with their bars, as far as those do not crowd the points together.
Scale scale_of(const std::vector<Score>& scores) {
  std::vector<double> values, ends;
  for (const Score& score : scores) {
    values.push_back(score.value);
    add_extent(ends, score);
  }
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double beyond = kBeyondPoints * (*most - *least);
  if (beyond > 0)
    for (double& end : ends) end = std::clamp(end, *least - beyond, *most + beyond);
  return scale_over(ends);
}

Html error_bars(const Point& p, const Scale& x, const Scale& y) {
  const auto ends = [](const Scale& scale, const Score& score) {
    const auto [low, high] = bar_within(scale, score);
    return std::pair{scale.percent(low), scale.percent(high)};
  };
  const auto [left, right] = ends(x, p.predicted);
  const auto [bottom, top] = ends(y, p.trained);
  const double x_at = x.percent(p.predicted.value), y_at = y.percent(p.trained.value);
  return html(R"(<g class="error {}">{}{}</g>)",
              mark_class(p.mark),
              line(left, y_at, right, y_at, "whisker"),
              line(x_at, bottom, x_at, top, "whisker"));
}

// Names beside the marks, moved apart where they would overlap.
Html labels(const std::vector<Point>& points, const Scale& x, const Scale& y) {
  struct Label {
    const Point* point;
    double x_percent, y_px;
  };
  std::vector<Label> placed;
  for (const Point& p : points) {
    if (p.mark == Mark::kReference) continue;
    placed.push_back(
        {&p, x.percent(p.predicted.value), y.percent(p.trained.value) / 100 * kHeightPx});
  }
  std::sort(
      placed.begin(), placed.end(), [](const Label& a, const Label& b) { return a.y_px < b.y_px; });
  Html texts;
  double last_px[2] = {-100, -100};  // of the labels to the left and to the right of their marks
  bool to_the_left = false;
  for (Label& label : placed) {
    const bool crowded = label.y_px - std::max(last_px[0], last_px[1]) < kLabelPx;
    to_the_left = label.x_percent > 70 || (label.x_percent > 30 && crowded && !to_the_left);
    label.y_px = std::max(label.y_px, last_px[to_the_left] + kLabelPx);
    last_px[to_the_left] = label.y_px;
    texts += html(R"(<text x="{:.2f}%" y="{:.1f}" dx="{}" dy="-6" class="label {}{}">{}</text>)",
                  label.x_percent,
                  label.y_px,
                  to_the_left ? -8 : 8,
                  mark_class(label.point->mark),
                  to_the_left ? " end" : "",
                  label.point->label);
  }
  return texts;
}

std::string show_predicted(const Score& score, Chooser chooser) {
  return chooser == Chooser::kOwnShare ? show_percent(score.value) : show_score(score);
}

Html panel(const RunResult& r, Chooser chooser, size_t domain) {
  const std::vector<Point> points = points_of(r, chooser, domain);
  const auto& agreements = fidelity_of(r, chooser).domains;
  const std::string rho = agreements.empty() ? "–" : show_estimate(agreements[domain].spearman);
  if (points.empty()) {
    return html(
        R"(<figure class="panel"><figcaption><b>{}</b></figcaption><p class="missing">No reference )"
        R"(has both scores yet.</p></figure>)",
        r.domains[domain].name);
  }
  std::vector<Score> xs, ys;
  for (const Point& p : points) {
    xs.push_back(p.predicted);
    ys.push_back(p.trained);
  }
  const Scale x = scale_of(xs);
  Scale y = scale_of(ys);
  const bool cut = std::any_of(points.begin(), points.end(), [&](const Point& p) {
    return is_cut(x, p.predicted) || is_cut(y, p.trained);
  });
  y.flipped = true;
  const bool same_unit = chooser != Chooser::kOwnShare;

  Html marks;
  for (const Point& p : points) marks += error_bars(p, x, y);
  for (const Point& p : points) {
    const std::string tip = fmt::format("{}{}\n{}: {}\nreally trained: {}",
                                        p.label,
                                        p.in_correlations ? "" : " (outside the statistics)",
                                        chooser_name(r, chooser),
                                        show_predicted(p.predicted, chooser),
                                        show_score(p.trained));
    marks += html(R"(<g class="point" data-key="{}">{}</g>)",
                  p.reference,
                  mark_at(x.percent(p.predicted.value),
                          y.percent(p.trained.value),
                          p.mark,
                          !p.in_correlations,
                          tip));
  }
  const auto fit = least_squares(points);
  const Html identity = same_unit ? clipped_line(0, 1, x, y, "identity") : Html{};
  const Html caption = html(R"(<b>{}</b> <span>Spearman {} · n = {}</span>)",
                            r.domains[domain].name,
                            rho,
                            std::count_if(points.begin(), points.end(), [](const Point& p) {
                              return p.in_correlations;
                            }));
  const Html svg = html(
      R"(<svg width="100%" height="{:.0f}" role="img" aria-label="{} against really trained, {}: )"
      R"(Spearman {}">{}{}{}{}{}</svg>)",
      kHeightPx,
      chooser_name(r, chooser),
      r.domains[domain].name,
      rho,
      grid(x, y, !same_unit),
      identity,
      fit ? clipped_line(fit->intercept, fit->slope, x, y, "fit") : Html{},
      marks,
      labels(points, x, y));
  const char* x_name =
      chooser == Chooser::kOwnShare ? "share of the domain's own data" : chooser_name(r, chooser);
  return html(
      R"(<figure class="panel"><figcaption>{}</figcaption><p class="axis-name up">↑ really trained</p>)"
      R"(<div class="plot{}">{}</div><p class="axis-name">{}{}{} →</p></figure>)",
      caption,
      points.size() > kCrowded ? " crowded" : "",
      svg,
      cut ? "bars are cut off · " : "",
      same_unit && identity.empty() ? "y = x lies outside · " : "",
      x_name);
}

}  // namespace

const char* chooser_name(const RunResult& r, Chooser chooser) {
  const bool merged = r.proxies == "merged";
  switch (chooser) {
    case Chooser::kProxy:
      return merged ? "merged proxy" : "ensemble";
    case Chooser::kOtherProxy:
      return merged ? "ensemble" : "merged proxy";
    case Chooser::kInterpolation:
      return "interpolation";
    case Chooser::kOwnShare:
      return "own data share";
    case Chooser::kCalibrated:
      return "calibrated by references";
  }
  return "";
}

const ChooserFidelity& fidelity_of(const RunResult& r, Chooser chooser) {
  switch (chooser) {
    case Chooser::kProxy:
      return r.fidelity.proxy;
    case Chooser::kOtherProxy:
      return r.fidelity.other_proxy;
    case Chooser::kInterpolation:
      return r.fidelity.interpolation;
    case Chooser::kOwnShare:
      return r.fidelity.own_share;
    case Chooser::kCalibrated:
      return r.fidelity.calibrated;
  }
  DEMIX_CHECK(false);
}

Html scatter_chart(const RunResult& r, Chooser chooser) {
  Html panels;
  for (size_t d = 0; d < r.domains.size(); ++d) panels += panel(r, chooser, d);
  return html(R"(<div class="panels">{}</div>)", panels);
}

}  // namespace demix
