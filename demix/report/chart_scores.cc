#include <algorithm>
#include <array>
#include <cmath>

#include "demix/report/charts.h"

namespace demix {
namespace {

constexpr double kTrainedLane = 30, kProxyLane = 72;  // percent of the strip's height

Html score_mark(const Scale& scale, const Score& score, double lane, Mark mark, bool hollow) {
  if (!std::isfinite(score.value)) return {};
  const double half = kIntervalErrors * score.standard_error;
  return html(R"(<g class="error {}">{}</g>{})",
              mark_class(mark),
              line(scale.percent(score.value - half),
                   lane,
                   scale.percent(score.value + half),
                   lane,
                   "whisker"),
              mark_at(scale.percent(score.value),
                      lane,
                      mark,
                      hollow,
                      fmt::format("{}, {}: {}",
                                  mark_class(mark),
                                  hollow ? "proxy" : "really trained",
                                  show_score(score))));
}

}  // namespace

Html score_strip(const ScoreRow& row) {
  struct Entry {
    const Score* score;
    double lane;
    Mark mark;
  };
  // Found last, on top.
  const std::array<Entry, 6> entries = {{{&row.uniform_proxy, kProxyLane, Mark::kUniform},
                                         {&row.natural_proxy, kProxyLane, Mark::kNatural},
                                         {&row.found_proxy, kProxyLane, Mark::kFound},
                                         {&row.uniform_trained, kTrainedLane, Mark::kUniform},
                                         {&row.natural_trained, kTrainedLane, Mark::kNatural},
                                         {&row.found_trained, kTrainedLane, Mark::kFound}}};
  std::vector<double> extent;
  for (const Entry& entry : entries) add_extent(extent, *entry.score);
  if (std::none_of(extent.begin(), extent.end(), [](double v) { return std::isfinite(v); }))
    return {};
  Scale scale = scale_over(extent);
  // Chance is drawn where it does not squeeze the scores together.
  if (std::abs(row.chance - (scale.low + scale.high) / 2) < 1.5 * (scale.high - scale.low)) {
    extent.push_back(row.chance);
    scale = scale_over(extent);
  }
  scale.flipped = !row.higher_is_better;

  Html shapes = line(0, kTrainedLane, 100, kTrainedLane, "grid");
  shapes += line(0, kProxyLane, 100, kProxyLane, "grid");
  if (scale.holds(row.chance)) {
    const double x = scale.percent(row.chance);
    shapes += html(R"(<g>{}<title>{}</title></g>)",
                   line(x, 6, x, 96, "chance"),
                   fmt::format("chance: {}", show(row.chance, 3)));
  }
  for (const Entry& entry : entries) {
    shapes += score_mark(scale, *entry.score, entry.lane, entry.mark, entry.lane == kProxyLane);
  }
  return html(R"(<svg class="strip" width="100%" height="38" aria-hidden="true">{}</svg>)", shapes);
}

Html interval_strip(const Estimate& e, const char* css_class) {
  if (!std::isfinite(e.value)) return {};
  const Scale scale{-1, 1};
  const auto inside = [&](double v) { return scale.percent(std::clamp(v, -1.0, 1.0)); };
  return html(
      R"(<svg class="interval {}" width="100%" height="10" aria-hidden="true">{}{}{}</svg>)",
      css_class,
      line(50, 0, 50, 100, "zero"),
      line(inside(e.low), 50, inside(e.high), 50, "whisker"),
      html(R"(<circle cx="{:.2f}%" cy="50%" r="3.5"/>)", inside(e.value)));
}

Html seconds_bar(const Cost& cost) {
  double total = 0;
  for (const auto& [stage, seconds] : cost.seconds) total += std::isfinite(seconds) ? seconds : 0;
  if (!(total > 0)) return {};
  Html bars, legend;
  double left = 0;
  for (size_t i = 0; i < cost.seconds.size(); ++i) {
    const auto& [stage, seconds] = cost.seconds[i];
    if (!std::isfinite(seconds)) continue;
    const double width = 100 * seconds / total;
    const std::string tip = fmt::format("{}: {}", stage, show_seconds(seconds));
    bars += html(
        R"(<rect x="{:.3f}%" y="0" width="{:.3f}%" height="100%" class="stage{}"><title>{}</title></rect>)",
        left,
        width,
        i % 5,
        tip);
    legend += html(R"(<span><i class="swatch stage{}"></i>{} <b>{}</b></span>)",
                   i % 5,
                   stage,
                   show_seconds(seconds));
    left += width;
  }
  return html(
      R"(<svg class="stages" width="100%" height="18" role="img" aria-label="Time per stage">{}</svg>)"
      R"(<p class="legend">{}</p>)",
      bars,
      legend);
}

}  // namespace demix
