#include <algorithm>
#include <cmath>

#include "demix/report/charts.h"

namespace demix {
namespace {

constexpr double kHeightPx = 42;
// Lanes of the really trained models, one each so that their bars do not hide one another, and the
// one of all proxies.
constexpr double kUniformPx = 7, kNaturalPx = 15, kFoundPx = 23, kProxyPx = 36;

struct Entry {
  Score score;
  Mark mark;
  bool is_proxy;
};

double lane_px(const Entry& entry, bool any_trained) {
  if (entry.is_proxy && any_trained) return kProxyPx;
  switch (entry.mark) {
    case Mark::kUniform:
      return kUniformPx;
    case Mark::kNatural:
      return kNaturalPx;
    default:
      return kFoundPx;
  }
}

Html score_mark(const Entry& entry, const Scale& scale, bool any_trained) {
  const Score& score = entry.score;
  const double lane = 100 * lane_px(entry, any_trained) / kHeightPx;
  const double half = kIntervalErrors * score.standard_error;
  const Html bar = line(
      scale.percent(score.value - half), lane, scale.percent(score.value + half), lane, "whisker");
  const std::string tip = fmt::format("{}, {}: {}",
                                      mark_class(entry.mark),
                                      entry.is_proxy ? "proxy" : "really trained",
                                      show_score(score));
  return html(R"(<g class="error {}">{}</g>{})",
              mark_class(entry.mark),
              entry.is_proxy && any_trained ? Html{} : bar,
              mark_at(scale.percent(score.value), lane, entry.mark, entry.is_proxy, tip));
}

}  // namespace

Html score_strip(const ScoreRow& row) {
  std::vector<Entry> entries = {{row.uniform_proxy, Mark::kUniform, true},
                                {row.natural_proxy, Mark::kNatural, true},
                                {row.found_proxy, Mark::kFound, true},
                                {row.uniform_trained, Mark::kUniform, false},
                                {row.natural_trained, Mark::kNatural, false},
                                {row.found_trained, Mark::kFound, false}};  // last, on top
  std::erase_if(entries, [](const Entry& entry) { return !std::isfinite(entry.score.value); });
  if (entries.empty()) return {};
  const bool any_trained = !entries.back().is_proxy;

  std::vector<double> extent;
  for (const Entry& entry : entries) add_extent(extent, entry.score);
  Scale scale = scale_over(extent);
  // Chance is drawn where it does not squeeze the scores together.
  if (std::abs(row.chance - (scale.low + scale.high) / 2) < 1.5 * (scale.high - scale.low)) {
    extent.push_back(row.chance);
    scale = scale_over(extent);
  }
  scale.flipped = !row.higher_is_better;

  Html shapes;
  if (any_trained) {
    const double between = 100 * (kFoundPx + kProxyPx) / 2 / kHeightPx;
    shapes += line(0, between, 100, between, "grid");
  }
  if (scale.holds(row.chance)) {
    const double x = scale.percent(row.chance);
    shapes += html(
        R"(<g>{}<title>chance: {}</title></g>)", line(x, 6, x, 96, "chance"), show(row.chance, 3));
  }
  for (const Entry& entry : entries) shapes += score_mark(entry, scale, any_trained);
  return html(R"(<svg class="strip" width="100%" height="{:.0f}" aria-hidden="true">{}</svg>)",
              kHeightPx,
              shapes);
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
