#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "demix/core/error.h"
#include "demix/search/samplers.h"
#include "demix/search/search.h"
#include "demix/search/tournament.h"

namespace demix {
namespace {

void check_name(std::string_view key,
                const std::string& name,
                std::string_view kind,
                const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  throw Error("{}: there is no {} '{}'; {}", key, kind, name, suggestion(name, names));
}

}  // namespace

void check_names(const SearchConfig& config,
                 const Objective& objective,
                 const std::vector<std::string>& datasets) {
  for (const auto& [name, weight] : config.weights)
    check_name("weights", name, "domain", objective.domains());
  auto names = objective.domains();
  for (const Metric& metric : objective.metrics()) names.push_back(metric.name);
  for (const auto& [name, most_lost] : config.floors)
    check_name("floors", name, "domain or metric", names);
  for (const auto& [name, share] : config.current) check_name("current", name, "dataset", datasets);
}

void SearchConfig::check() const {
  constexpr int kMostRounds = 10'000;
  constexpr int64_t kMostCandidates = 100'000'000;
  if (rounds < 1 || rounds > kMostRounds)
    throw Error("rounds is {}, expected from 1 to {}", rounds, kMostRounds);
  if (proxies < 1) throw Error("proxies is {}, expected at least 1", proxies);
  if (candidates < 1 || candidates > kMostCandidates)
    throw Error("candidates is {}, expected from 1 to {}", candidates, kMostCandidates);
  if (propose_from < 1 || propose_from > candidates) {
    throw Error("propose_from is {}, expected from 1 to candidates ({})", propose_from, candidates);
  }
  if (average_of < 1 || average_of > candidates) {
    throw Error("average_of is {}, expected from 1 to candidates ({})", average_of, candidates);
  }
  if (scheme != "paper" && scheme != "adaptive")
    throw Error("scheme is '{}', expected paper or adaptive", scheme);
  if (decide != "optimum" && decide != "average")
    throw Error("decide is '{}', expected optimum or average", decide);
  if (objective != "rank" && objective != "deviation")
    throw Error("objective is '{}', expected rank or deviation", objective);
  if (later_proxies < 0) throw Error("later_proxies is {}, expected 0 or more", later_proxies);
  if (start.empty()) throw Error("start names no sampler, expected at least one");
  for (const std::string& name : start) check_sampler(name);
  if (std::count(start.begin(), start.end(), "trust_region") > 0)
    throw Error("start names trust_region, which needs a best mixture to draw around");
  if (!(select_share > 0 && select_share <= 1))
    throw Error("select_share is {}, expected above 0 and at most 1", select_share);
  if (!(item_share > 0 && item_share <= 1))
    throw Error("item_share is {}, expected above 0 and at most 1", item_share);
  if (climbs < 1) throw Error("climbs is {}, expected at least 1", climbs);
  if (front < 0) throw Error("front is {}, expected 0 (none) or more", front);
  if (!(caution >= 0 && std::isfinite(caution)))
    throw Error("caution is {}, expected 0 or more", caution);
  const auto not_negative = [](const std::map<std::string, double>& values, const char* key) {
    for (const auto& [name, value] : values) {
      if (!(value >= 0 && std::isfinite(value)))
        throw Error("{}.{} is {}, expected 0 or more", key, name, value);
    }
  };
  not_negative(weights, "weights");
  not_negative(floors, "floors");
  not_negative(current, "current");
  double sum = 0;
  for (const auto& [name, share] : current) sum += share;
  if (!current.empty() && !(std::abs(sum - 1) < 0.01))
    throw Error("current sums to {:.4g}, expected shares that sum to 1{}",
                sum,
                std::abs(sum - 100) < 1 ? "; they look like percentages: divide them by 100" : "");
  if (predictor != "auto") check_competitor(predictor);
  budget.check();
  acquisition.check();
  sampler.check();
  constraints.check();
  predictors.check();
}

void BudgetConfig::check() const {
  if (proxies && *proxies < 1) throw Error("proxies is {}, expected at least 1", *proxies);
  if (items && *items < 1) throw Error("items is {}, expected at least 1", *items);
  if (seconds && !(*seconds > 0)) throw Error("seconds is {}, expected above 0", *seconds);
  if (!(regret >= 0 && std::isfinite(regret)))
    throw Error("regret is {}, expected 0 (never stops) or more", regret);
}

std::vector<int64_t> SearchConfig::proxies_per_round() const {
  std::vector<int64_t> counts;
  int64_t left = budget.proxies.value_or(std::numeric_limits<int64_t>::max());
  int64_t count = proxies;
  for (int round = 0; round < rounds && left > 0; ++round) {
    counts.push_back(std::min(std::max<int64_t>(count, 1), left));
    left -= counts.back();
    count = later_proxies > 0 ? later_proxies : count / 2;
  }
  return counts;
}

int64_t SearchConfig::total_proxies() const {
  const auto counts = proxies_per_round();
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

}  // namespace demix
