// The mixture that `demix fit` proposes, and what is said of it.
#pragma once

#include <limits>
#include <span>
#include <vector>

#include "demix/core/rng.h"
#include "demix/search/fit.h"
#include "demix/search/fit_goal.h"
#include "demix/search/fit_metrics.h"

namespace demix {

// Of a dataset's share over the runs.
struct SampledRange {
  double least = std::numeric_limits<double>::infinity(), most = 0;
  bool varies() const { return most - least > 1e-9; }
};

class FitProposal {
 public:
  // After learn_metrics; refers to all of them. `sampled`: by dataset. What is found goes into
  // `result`, whose prior is read.
  FitProposal(const FitConfig& config,
              const Swarm& swarm,
              const FeasibleSet& feasible,
              std::span<const SampledRange> sampled,
              std::vector<FitMetric>& metrics,
              FitResult& result);

  // Throws Error where no mixture keeps the floors.
  void make();

 private:
  Points draw_candidates() const;
  bool knows_no_difference() const;
  bool take_prior_if_flat();
  void climb();
  void average();
  void foretell();
  void measure_divergence();
  void warn_of_extrapolation();
  void draw_front();
  template <typename... Args>
  void warn(fmt::format_string<Args...> pattern, Args&&... args) {
    result_.warnings.push_back(fmt::format(pattern, std::forward<Args>(args)...));
  }

  const FitConfig& config_;
  const Swarm& swarm_;
  const FeasibleSet& feasible_;
  std::span<const SampledRange> sampled_;
  std::vector<FitMetric>& metrics_;
  FitResult& result_;
  FitGoal fit_goal_;
  Points candidates_, starts_;  // random mixtures, and the best of them, apart from each other
  Goal goal_;
  std::vector<double> values_;  // of the goal, by candidate
};

}  // namespace demix
