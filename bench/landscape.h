// Landscapes that searches are tried on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "demix/search/optimum.h"
#include "demix/search/prediction_goal.h"
#include "demix/search/search.h"
#include "demix/search/swarm_csv.h"

namespace demix {

// The true scores by domain, higher is better, and their spread over random mixtures.
struct Landscape {
  std::vector<std::string> datasets;
  std::function<std::vector<std::vector<double>>(const Points&)> scores;
  std::vector<double> centres, deviations;  // of the scores, by domain
  double best = 0, goal_deviation = 1;      // of the goal
  bool by_rank = false;                     // the goal; set before measure
  std::vector<RankScale> ranks;             // by domain, over random mixtures

  // Mean over domains of the score in deviations, or of its percentile rank.
  std::vector<double> goal(const Points& points) const;
  // Of the goal, by differences: the truth needs no speed.
  double slope(std::span<const double> mixture, std::span<double> gradient) const;
  FeasibleSet set() const;
  // How much lower the goal of a mixture is than the best, in deviations of the goal.
  double regret(const std::vector<double>& mixture) const;
  // Fills in the spreads over `over`, and the optimum by climbs and small moves from the best of
  // them.
  void measure(const Points& over);
};

// 4,000 mixtures, half of them flat draws, half of them closer to the edges.
Points random_mixtures(size_t datasets);

// The predictor `predictor` fitted to every metric of a swarm of losses: one domain each.
Landscape fitted_landscape(const Swarm& swarm, const std::string& predictor, int threads);

// Four domains whose score falls with a power of what helps it: -(0.1 + Σ_j h_dj p_j^0.7)^-0.3,
// with most of a domain's help in a few datasets.
Landscape smooth_landscape(size_t datasets, uint64_t seed);

// Any mixture of the datasets; metrics m0, m1, …, each a domain of its own, higher is better.
SearchProblem problem_on(const std::vector<std::string>& datasets, size_t metrics, uint64_t seed);

// A search whose proxies score what is true with noise of `noise` standard deviations of each
// domain over random mixtures.
SearchResult search_landscape(const Landscape& truth,
                              const SearchConfig& config,
                              uint64_t seed,
                              double noise);

}  // namespace demix
