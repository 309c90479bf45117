#include "demix/search/decision.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/search/average.h"

namespace demix {
namespace {

std::span<const size_t> first(std::span<const size_t> ranking, int64_t count) {
  return ranking.first(std::min(ranking.size(), static_cast<size_t>(count)));
}

Points rows_of(const Points& points, std::span<const size_t> rows) {
  Points some(points.columns());
  for (size_t i : rows) some.add(points.row(i));
  return some;
}

}  // namespace

Decision predicted_optimum(const SearchConfig& config,
                           const FeasibleSet& feasible,
                           const Surrogates& surrogates,
                           const Points& candidates,
                           std::span<const double> values) {
  constexpr double kApart = 0.05;  // L1
  Points starts(candidates.columns());
  for (size_t i : best_apart(candidates, values, static_cast<size_t>(config.climbs), kApart)) {
    if (std::isfinite(values[i])) starts.add(candidates.row(i));
  }
  const auto terms = surrogates.terms();
  const Optimum found =
      maximise(config.caution > 0 ? goal_of({terms.begin(), terms.end()}, config.caution)
                                  : surrogates.goal(),
               feasible,
               starts);
  std::string words = fmt::format(
      "the optimum of the predictions{}: {} of {} climbs ended equally high{}",
      config.caution > 0 ? fmt::format(" less {:g} standard deviations", config.caution) : "",
      found.agreed,
      found.starts,
      found.smooth ? "" : ", small moves followed what has no gradients");
  return {
      without_crumbs(found.merge_weights, config.sampler.min_weight, feasible, surrogates.goal()),
      std::move(words),
      std::move(starts)};
}

Decision average_decision(const SearchConfig& config,
                          const FeasibleSet& feasible,
                          const Surrogates& surrogates,
                          const Points& candidates,
                          std::span<const double> values,
                          std::span<const size_t> ranking) {
  const auto best = first(ranking, config.average_of);
  Average average =
      average_of_best(surrogates.goal(), surrogates.terms(), feasible, candidates, best);
  return {std::move(average.mixture),
          fmt::format(
              "the average of the best {} of {} random mixtures", best.size(), candidates.rows()),
          rows_of(candidates, first(ranking, config.climbs)),
          values[best.back()],
          std::move(average.warning)};
}

std::optional<Decision> stay_if_flat(const SearchConfig& config,
                                     const FeasibleSet& feasible,
                                     const Surrogates& surrogates,
                                     const Points& candidates,
                                     std::span<const size_t> ranking) {
  if (!is_flat(surrogates.terms(), candidates)) return std::nullopt;
  const auto member = feasible.project(surrogates.base());
  if (!member || !std::isfinite(goal_at(surrogates.goal(), *member))) return std::nullopt;
  const std::string base =
      config.current.empty() ? "merge weights by token counts" : "search.current";
  return Decision{*member,
                  fmt::format("{}, as no mixture is predicted better than another", base),
                  rows_of(candidates, first(ranking, config.climbs)),
                  std::nullopt,
                  fmt::format("As far as the proxies show, the goal does not depend on the "
                              "mixture: what is handed over is {}, for want of a reason to leave "
                              "it.",
                              base)};
}

}  // namespace demix
