#include <algorithm>
#include <cmath>

#include "demix/report/charts.h"

namespace demix {
namespace {

constexpr int kTicks = 5;
constexpr int kRoundColours = 4;  // later rounds share the last one

std::string round_name(int64_t round) {
  return round < 0 ? "other runs" : fmt::format("round {}", round + 1);
}

std::string tip_of(const RunResult& r, size_t i) {
  const SearchedProxy& proxy = r.search[i];
  std::string tip = fmt::format(
      "proxy {}, {}\nobjective {}", i + 1, round_name(proxy.round), show(proxy.objective, 3));
  if (std::isfinite(proxy.predicted_objective)) {
    tip += fmt::format(" (predicted {})", show(proxy.predicted_objective, 3));
  }
  for (size_t d = 0; d < proxy.domains.size(); ++d) {
    tip += fmt::format("\n{}: {}", r.domains[d].name, show_score(proxy.domains[d]));
  }
  return tip;
}

}  // namespace

Html progress_chart(const RunResult& r) {
  if (r.search.empty()) return {};
  std::vector<double> objectives;
  for (const SearchedProxy& proxy : r.search) {
    objectives.push_back(proxy.objective);
    objectives.push_back(proxy.predicted_objective);
  }
  Scale y = scale_over(objectives);
  y.flipped = true;
  const double n = static_cast<double>(r.search.size());
  const auto x_at = [&](size_t i) { return 100 * (static_cast<double>(i) + 0.5) / n; };

  Html grid, rounds, best_line, dots;
  for (const double tick : y.ticks(kTicks)) {
    grid += line(0, y.percent(tick), 100, y.percent(tick), "grid");
    grid += html(R"(<text x="0" dx="-8" y="{:.2f}%" dy="4" class="tick end">{}</text>)",
                 y.percent(tick),
                 show(tick, y.decimals(kTicks)));
  }
  double best = -INFINITY, best_since = 0;
  for (size_t i = 0; i < r.search.size(); ++i) {
    const SearchedProxy& proxy = r.search[i];
    const bool starts_round = i == 0 || proxy.round != r.search[i - 1].round;
    if (starts_round) {
      size_t end = i;
      while (end < r.search.size() && r.search[end].round == proxy.round) ++end;
      const double left = 100 * static_cast<double>(i) / n;
      if (i > 0) rounds += line(left, 0, left, 100, "round");
      rounds += html(R"(<text x="{:.2f}%" y="100%" dy="18" class="tick">{}</text>)",
                     (left + 100 * static_cast<double>(end) / n) / 2,
                     fmt::format("{} · {}", round_name(proxy.round), end - i));
    }
    const double x = x_at(i), level = y.percent(proxy.objective);
    dots += line(x, y.percent(proxy.predicted_objective), x, level, "missed");
    if (std::isfinite(proxy.predicted_objective)) {
      dots +=
          html(R"(<svg x="{:.2f}%" y="{:.2f}%" class="mark predicted"><path d="M-5 0H5"/></svg>)",
               x,
               y.percent(proxy.predicted_objective));
    }
    if (std::isfinite(proxy.objective)) {
      dots += html(
          R"(<svg x="{:.2f}%" y="{:.2f}%" class="mark round{}"><circle r="4.5"><title>{}</title>)"
          R"(</circle></svg>)",
          x,
          level,
          std::clamp<int64_t>(proxy.round, 0, kRoundColours - 1),
          tip_of(r, i));
    }
    if (proxy.objective > best) {
      if (std::isfinite(best)) {
        best_line += line(best_since, y.percent(best), x, y.percent(best), "best");
        best_line += line(x, y.percent(best), x, level, "best");
      }
      best = proxy.objective;
      best_since = x;
    }
  }
  best_line += line(best_since, y.percent(best), 100, y.percent(best), "best");
  return html(
      R"(<p class="legend"><span><i class="dot round0"></i><i class="dot round1"></i><i class="dot round2"></i> )"
      R"(proxies, a shade per round</span><span><i class="dash predicted"></i>what the predictor expected</span>)"
      R"(<span><i class="dash best"></i>best so far</span></p>)"
      R"(<div class="plot"><svg width="100%" height="240" role="img" aria-label="Objective of {} proxies in )"
      R"(the order of scoring; the best is {}">{}{}{}{}</svg></div>)",
      r.search.size(),
      show(best, 3),
      grid,
      rounds,
      best_line,
      dots);
}

}  // namespace demix
