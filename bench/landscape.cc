#include "bench/landscape.h"

#include <algorithm>
#include <cmath>

#include "demix/core/parallel_for.h"
#include "demix/core/ranks.h"
#include "demix/core/rng.h"
#include "demix/search/predictor.h"

namespace demix {

std::vector<double> Landscape::goal(const Points& points) const {
  const auto all = scores(points);
  std::vector<double> values(points.rows());
  for (size_t d = 0; d < all.size(); ++d) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] += (by_rank ? ranks[d](all[d][i]) : (all[d][i] - centres[d]) / deviations[d]) /
                   static_cast<double>(all.size());
  }
  return values;
}

double Landscape::slope(std::span<const double> p, std::span<double> gradient) const {
  constexpr double kStep = 1e-6;
  Points points(p.size());
  std::vector<double> moved(p.begin(), p.end());
  points.add(moved);
  for (size_t j = 0; j < p.size(); ++j) {
    moved[j] = p[j] + kStep;
    points.add(moved);
    moved[j] = p[j];
  }
  const auto values = goal(points);
  for (size_t j = 0; j < p.size(); ++j) gradient[j] = (values[j + 1] - values[0]) / kStep;
  return values[0];
}

FeasibleSet Landscape::set() const {
  return FeasibleSet(Composition::anchored(datasets, datasets.front(), 0), {});
}

double Landscape::regret(const std::vector<double>& mixture) const {
  Points point(datasets.size());
  point.add(mixture);
  return (best - goal(point)[0]) / goal_deviation;
}

void Landscape::measure(const Points& over) {
  for (const auto& domain : scores(over)) {
    centres.push_back(mean(domain));
    deviations.push_back(standard_deviation(domain));
    if (by_rank) ranks.emplace_back(domain);
  }
  const auto values = goal(over);
  goal_deviation = standard_deviation(values);
  Points starts(datasets.size());
  for (size_t i : best_apart(over, values, 16, 0.05)) starts.add(over.row(i));
  const Goal whole{.values = [this](const Points& points) { return goal(points); },
                   .slope = [this](std::span<const double> p,
                                   std::span<double> gradient) { return slope(p, gradient); },
                   .limits = {}};
  best = maximise(whole, set(), starts, 1).value;
}

Points random_mixtures(size_t datasets) {
  Rng rng(99);
  Points random(datasets);
  for (int i = 0; i < 4000; ++i)
    random.add(rng.dirichlet(std::vector<double>(datasets, i % 2 ? 1 : 0.3)));
  return random;
}

Landscape fitted_landscape(const Swarm& swarm, const std::string& predictor, int threads) {
  Landscape landscape;
  landscape.datasets = swarm.datasets;
  auto fitted = std::make_shared<std::vector<std::unique_ptr<Predictor>>>(swarm.metrics.size());
  parallel_for(swarm.metrics.size(), threads, [&](size_t m) {
    PredictorConfig config;
    config.gaussian_process.threads = config.lightgbm.threads = 1;
    (*fitted)[m] = make_predictor(predictor, config);
    (*fitted)[m]->fit(swarm.mixtures, swarm.scores[m]);
  });
  landscape.scores = [fitted](const Points& points) {
    std::vector<std::vector<double>> scores;
    for (const auto& one : *fitted) {
      scores.push_back(one->predict(points));
      for (double& score : scores.back()) score = -score;
    }
    return scores;
  };
  return landscape;
}

Landscape smooth_landscape(size_t datasets, uint64_t seed) {
  constexpr size_t kDomains = 4;
  Rng rng = Rng(seed).stream("landscape");
  Landscape landscape;
  for (size_t j = 0; j < datasets; ++j) landscape.datasets.push_back(fmt::format("d{}", j));
  std::vector<std::vector<double>> help(kDomains);
  for (auto& domain : help) {
    for (size_t j = 0; j < datasets; ++j) domain.push_back(std::exp(1.5 * rng.normal()));
  }
  landscape.scores = [help](const Points& points) {
    std::vector<std::vector<double>> scores(help.size());
    for (size_t d = 0; d < help.size(); ++d) {
      for (size_t i = 0; i < points.rows(); ++i) {
        double effective = 0.1;
        for (size_t j = 0; j < help[d].size(); ++j)
          effective += help[d][j] * std::pow(points.row(i)[j], 0.7);
        scores[d].push_back(-std::pow(effective, -0.3));
      }
    }
    return scores;
  };
  return landscape;
}

SearchProblem problem_on(const std::vector<std::string>& datasets, size_t metrics, uint64_t seed) {
  SearchProblem problem{.composition = Composition::anchored(datasets, datasets.front(), 0),
                        .metrics = {},
                        .prior = std::vector<double>(datasets.size(), 1),
                        .dataset_tokens = {},
                        .target_tokens = 0,
                        .seed = seed};
  for (size_t d = 0; d < metrics; ++d)
    problem.metrics.push_back({fmt::format("m{}", d), fmt::format("m{}", d), true});
  return problem;
}

SearchResult search_landscape(const Landscape& truth,
                              const SearchConfig& config,
                              uint64_t seed,
                              double noise) {
  Rng rng = Rng(seed).stream("noise");
  const SearchProblem problem = problem_on(truth.datasets, truth.deviations.size(), seed);
  return search_mixture(config, problem, [&](std::span<const Mixture> batch) {
    Points points(truth.datasets.size());
    for (const Mixture& mixture : batch) points.add(mixture.weights);
    const auto scores = truth.scores(points);
    std::vector<Measurements> measured(batch.size());
    for (size_t i = 0; i < batch.size(); ++i) {
      for (size_t d = 0; d < scores.size(); ++d) {
        const double error = noise * truth.deviations[d];
        measured[i][problem.metrics[d].name] = {scores[d][i] + error * rng.normal(), error};
      }
    }
    return measured;
  });
}

}  // namespace demix
