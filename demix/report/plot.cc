#include "demix/report/plot.h"

#include <algorithm>
#include <cmath>

namespace demix {
namespace {

// 1, 2 or 5 times a power of ten.
double tick_step(double range, int count) {
  const double raw = range / std::max(count, 1);
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power * 1.0001) return factor * power;
  }
  return 10 * power;
}

// Outlines around the origin, of about the same visual weight.
const char* outline(Mark mark) {
  switch (mark) {
    case Mark::kFound:
      return "M-6 0A6 6 0 1 1 6 0A6 6 0 1 1-6 0Z";
    case Mark::kNatural:
      return "M0-6.5L6.5 0L0 6.5L-6.5 0Z";
    case Mark::kUniform:
      return "M-4.8-4.8H4.8V4.8H-4.8Z";
    case Mark::kReference:
      return "M-3.6 0A3.6 3.6 0 1 1 3.6 0A3.6 3.6 0 1 1-3.6 0Z";
  }
  return "";
}

}  // namespace

double Scale::percent(double value) const {
  const double along = 100 * (value - low) / (high - low);
  return flipped ? 100 - along : along;
}

std::vector<double> Scale::ticks(int count) const {
  const double step = tick_step(high - low, count);
  std::vector<double> values;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) {
    values.push_back(i * step);
  }
  return values;
}

int Scale::decimals(int count) const {
  return std::clamp(
      -static_cast<int>(std::floor(std::log10(tick_step(high - low, count)) + 1e-9)), 0, 6);
}

Scale scale_over(std::span<const double> values) {
  double low = INFINITY, high = -INFINITY;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) return {};
  // Values that differ by rounding alone count as one; ticks between them could not be told apart.
  const double range = high - low, size = std::max(std::abs(low), std::abs(high));
  const double margin = range > 1e-9 * size ? 0.06 * range : std::max(1e-3, 0.1 * size);
  return {low - margin, high + margin};
}

void add_extent(std::vector<double>& values, const Score& score) {
  values.push_back(score.value);
  values.push_back(score.value - kIntervalErrors * score.standard_error);
  values.push_back(score.value + kIntervalErrors * score.standard_error);
}

const char* mark_class(Mark mark) {
  switch (mark) {
    case Mark::kFound:
      return "found";
    case Mark::kNatural:
      return "natural";
    case Mark::kUniform:
      return "uniform";
    case Mark::kReference:
      return "reference";
  }
  return "";
}

Html mark_at(double x_percent, double y_percent, Mark mark, bool hollow, const std::string& tip) {
  if (!std::isfinite(x_percent) || !std::isfinite(y_percent)) return {};
  // A nested <svg> places a shape of fixed size at a percentage.
  return html(R"(<svg x="{:.2f}%" y="{:.2f}%" class="mark {}{}"><path d="{}">{}</path></svg>)",
              x_percent,
              y_percent,
              mark_class(mark),
              hollow ? " hollow" : "",
              outline(mark),
              tip.empty() ? Html{} : html("<title>{}</title>", tip));
}

Html mark_icon(Mark mark, bool hollow) {
  return html(R"(<svg class="icon" width="14" height="14" aria-hidden="true"><svg x="7" y="7" )"
              R"(class="mark {}{}"><path d="{}"/></svg></svg>)",
              mark_class(mark),
              hollow ? " hollow" : "",
              outline(mark));
}

Html line(double x1, double y1, double x2, double y2, const char* css_class) {
  if (!std::isfinite(x1 + y1 + x2 + y2)) return {};
  return html(R"(<line x1="{:.2f}%" y1="{:.2f}%" x2="{:.2f}%" y2="{:.2f}%" class="{}"/>)",
              x1,
              y1,
              x2,
              y2,
              css_class);
}

std::string show_score(const Score& score) {
  const double half = kIntervalErrors * score.standard_error;
  const int decimals = decimals_for(half);
  if (!std::isfinite(score.value) || !std::isfinite(half)) return show(score.value, decimals);
  return fmt::format("{} ± {}", show(score.value, decimals), show(half, decimals));
}

std::string show_estimate(const Estimate& estimate, int decimals) {
  if (!std::isfinite(estimate.low) || !std::isfinite(estimate.high)) {
    return show(estimate.value, decimals);
  }
  return fmt::format("{} [{}, {}]",
                     show(estimate.value, decimals),
                     show(estimate.low, decimals),
                     show(estimate.high, decimals));
}

}  // namespace demix
