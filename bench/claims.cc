// Does what a search and `demix fit` claim of their mixture hold where the truth is known?
//
//     cmake --build --preset release --target bench_claims
//     build/release/bench_claims smooth_7|smooth_15|… [--seeds 20] [--noise 0.1]
//     build/release/bench_claims MIXTURES.csv,SCORES.csv [--seeds 20] [--noise 0.1]
//
// The truth is a smooth landscape for each seed (landscape.h), or LightGBM fitted to a swarm of
// losses. Two claims, of a run's own search with its defaults (but for the number of proxies,
// 20,000 candidates and no cap by the prior), and of `demix fit` on random runs; scores have noise
// of
// --noise standard deviations of the true scores of random mixtures:
//
// 1. Tolerance: at the ends of each weight's range, as far as no constraint sets them, the goal has
//    fallen by goal_error. Printed is how far it really has, in goal_errors: mean, and from the
//    fifth to the 95th of a hundred ends; and how far it has half-way.
// 2. Intervals: the score of a domain, measured once more at the mixture found, lies in its 90 %
//    interval. Printed is how often it does, and by how many of the interval's standard deviations
//    the prediction lies above the truth on average: optima are where predictions err upwards.
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/landscape.h"
#include "bench/paired.h"
#include "demix/core/error.h"
#include "demix/core/parallel_for.h"
#include "demix/search/fit.h"
#include "demix/search/search.h"

namespace demix {
namespace {

constexpr double kNinety = 1.6449;  // standard deviations on either side

// The truth in the unit that is claimed in: deviations, or ranks, over the mixtures that they were
// taken over.
Landscape in_units_of(const Landscape& truth, const Points& over) {
  Landscape units = truth;
  units.centres.clear();
  units.deviations.clear();
  units.ranks.clear();
  units.measure(over);
  return units;
}

// As a search and a fit draw their candidates around a prior of equal parts.
Points candidates(const Landscape& truth) {
  Rng rng(98);
  const std::vector<double> prior(truth.datasets.size(), 1);
  return sample_mixtures(SamplerConfig(), prior, truth.set(), 4000, rng);
}

// As the runs of a fit are drawn.
Points flat_draws(const Landscape& truth, size_t count, Rng rng) {
  Points draws(truth.datasets.size());
  for (size_t i = 0; i < count; ++i)
    draws.add(rng.dirichlet(std::vector<double>(truth.datasets.size(), 1)));
  return draws;
}

struct Claims {
  std::vector<double> mixture;
  std::vector<Tolerance> tolerance;
  double goal_error = 0;
  std::vector<double> scores, deviations;  // predicted, by domain
  Points unit;                             // mixtures that the goal's unit is taken over
};

struct Check {
  std::vector<double> falls, half_falls;  // in goal_errors
  std::vector<double> held;               // 1 or 0, by domain
  std::vector<double> optimism;           // by domain, in the prediction's deviations
  double regret = 0;
};

Check check(const Landscape& truth, const Claims& claims, double noise, Rng rng) {
  Check result;
  result.regret = truth.regret(claims.mixture);
  const Landscape judge = in_units_of(truth, claims.unit);
  const auto goal_at = [&](std::span<const double> mixture) {
    Points point(mixture.size());
    point.add(mixture);
    return judge.goal(point)[0];
  };
  const double here = goal_at(claims.mixture);
  for (size_t k = 0; k < claims.tolerance.size(); ++k) {
    const Tolerance& tolerance = claims.tolerance[k];
    const auto fall_at = [&](double weight) {
      return (here - goal_at(with_weight(claims.mixture, k, weight))) / claims.goal_error;
    };
    const auto look = [&](double end, bool bound) {
      if (bound) return;
      result.falls.push_back(fall_at(end));
      result.half_falls.push_back(fall_at(0.5 * (end + claims.mixture[k])));
    };
    look(tolerance.low, tolerance.low_bound);
    look(tolerance.high, tolerance.high_bound);
  }
  Points found(claims.mixture.size());
  found.add(claims.mixture);
  const auto scores = truth.scores(found);
  for (size_t d = 0; d < scores.size(); ++d) {
    const double measured = scores[d][0] + noise * truth.deviations[d] * rng.normal();
    const double above = claims.scores[d] - measured;
    result.held.push_back(std::abs(above) <= kNinety * claims.deviations[d]);
    result.optimism.push_back((claims.scores[d] - scores[d][0]) / claims.deviations[d]);
  }
  return result;
}

Claims of_search(const Landscape& truth, int proxies, uint64_t seed, double noise) {
  SearchConfig config;
  config.proxies = std::max(1, (proxies * 4 + 6) / 7);
  config.budget.proxies = proxies;
  config.candidates = 20000;  // of 200,000, for time
  config.front = 0;
  config.objective = truth.by_rank ? "rank" : "deviation";
  config.constraints.max_times_prior = 0;
  config.predictors.gaussian_process.threads = config.predictors.lightgbm.threads = 1;
  const SearchResult found = search_landscape(truth, config, seed, noise);
  return {found.merge_weights,
          found.tolerance,
          found.goal_error,
          found.predicted_domain_scores,
          found.predicted_domain_errors,
          candidates(truth)};
}

Claims of_fit(const Landscape& truth, int runs, uint64_t seed, double noise) {
  Rng rng = Rng(seed).stream("runs");
  Swarm swarm;
  swarm.datasets = truth.datasets;
  swarm.mixtures = flat_draws(truth, static_cast<size_t>(runs), rng.stream("mixtures"));
  for (int i = 0; i < runs; ++i) swarm.runs.push_back(fmt::format("{}", i));
  swarm.scores = truth.scores(swarm.mixtures);
  swarm.standard_errors.resize(swarm.scores.size());
  for (size_t d = 0; d < swarm.scores.size(); ++d) {
    swarm.metrics.push_back(fmt::format("m{}", d));
    for (double& score : swarm.scores[d]) score += noise * truth.deviations[d] * rng.normal();
  }
  FitConfig config;
  config.seed = seed;
  config.threads = 1;
  config.higher_is_better = swarm.metrics;
  config.units = truth.by_rank ? "rank" : "deviation";
  config.predictors.gaussian_process.threads = config.predictors.lightgbm.threads = 1;
  const FitResult found = fit_swarm(config, swarm);
  Claims claims{found.mixture,
                found.tolerance,
                found.goal_error,
                {},
                {},
                truth.by_rank ? candidates(truth) : flat_draws(truth, 4000, rng.stream("unit"))};
  for (const auto& predicted : found.predicted) {
    claims.scores.push_back(predicted.value);
    claims.deviations.push_back((predicted.high - predicted.low) / (2 * kNinety));
  }
  return claims;
}

std::string range(std::vector<double> values) {
  if (values.empty()) return "none";
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<size_t>(std::lround(share * static_cast<double>(values.size() - 1)))];
  };
  return fmt::format("{:.2f} [{:.2f}, {:.2f}]", mean(values), at(0.05), at(0.95));
}

void run(const std::vector<Landscape>& landscapes, int seeds, int threads, double noise) {
  fmt::print(
      "| claims of | proxies or runs | goal | ends | fall there | half-way | in the 90 % interval "
      "| "
      "predicted above the truth, in deviations | regret "
      "|\n|---|---|---|---|---|---|---|---|---|\n");
  const auto row = [&](const char* what, int runs, const auto& claims_of) {
    std::vector<Check> checks(static_cast<size_t>(seeds));
    parallel_for(checks.size(), threads, [&](size_t i) {
      const Landscape& truth = landscapes[landscapes.size() == 1 ? 0 : i];
      checks[i] = check(truth,
                        claims_of(truth, runs, i + 1, noise),
                        noise,
                        Rng(i + 1).stream("measured once more"));
    });
    Check all;
    std::vector<double> regrets;
    for (const Check& one : checks) {
      const auto add = [](std::vector<double>& to, const std::vector<double>& from) {
        to.insert(to.end(), from.begin(), from.end());
      };
      add(all.falls, one.falls);
      add(all.half_falls, one.half_falls);
      add(all.held, one.held);
      add(all.optimism, one.optimism);
      regrets.push_back(one.regret);
    }
    fmt::print("| {} | {} | {} | {} | {} | {} | {:.0f} % of {} | {} | {:.3f} |\n",
               what,
               runs,
               landscapes[0].by_rank ? "rank" : "deviation",
               all.falls.size(),
               range(all.falls),
               range(all.half_falls),
               100 * mean(all.held),
               all.held.size(),
               range(all.optimism),
               mean(regrets));
    std::fflush(stdout);
  };
  for (const int proxies : {24, 45, 100}) row("search", proxies, of_search);
  for (const int runs : {64, 256}) row("fit", runs, of_fit);
}

}  // namespace
}  // namespace demix

int main(int argc, char** argv) {
  using namespace demix;
  try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.empty())
      throw Error("usage: bench_claims smooth_N|MIXTURES.csv,SCORES.csv [OPTIONS]");
    int seeds = 20, threads = 0;
    double noise = 0.1;
    for (size_t i = 1; i + 1 < arguments.size(); i += 2) {
      if (arguments[i] == "--seeds") {
        seeds = std::stoi(arguments[i + 1]);
      } else if (arguments[i] == "--threads") {
        threads = std::stoi(arguments[i + 1]);
      } else if (arguments[i] == "--noise") {
        noise = std::stod(arguments[i + 1]);
      } else {
        throw Error("there is no option '{}'", arguments[i]);
      }
    }
    for (const bool by_rank : {true, false}) {
      std::vector<Landscape> landscapes;
      const size_t comma = arguments[0].find(',');
      if (comma != std::string::npos) {
        landscapes.push_back(fitted_landscape(
            read_swarm(arguments[0].substr(0, comma), arguments[0].substr(comma + 1)),
            "lightgbm",
            threads));
      } else if (arguments[0].starts_with("smooth_")) {
        for (int i = 0; i < seeds; ++i)
          landscapes.push_back(
              smooth_landscape(std::stoul(arguments[0].substr(7)), static_cast<uint64_t>(i + 1)));
      } else {
        throw Error("there is no landscape '{}'", arguments[0]);
      }
      parallel_for(landscapes.size(), threads, [&](size_t i) {
        landscapes[i].by_rank = by_rank;
        landscapes[i].measure(random_mixtures(landscapes[i].datasets.size()));
      });
      run(landscapes, seeds, threads, noise);
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_claims: {}\n", error_chain(error));
    return 1;
  }
}
