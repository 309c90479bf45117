#include "demix/search/fit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/config.h"
#include "demix/core/error.h"
#include "demix/core/rng.h"
#include "demix/search/tournament.h"

namespace demix {
namespace {

// Loss of code falls with code, accuracy of math grows with math; poor data helps nobody.
double code_loss(std::span<const double> p) { return 1 + std::exp(-4 * p[1] - p[0]); }
double math_acc(std::span<const double> p) { return 0.8 - 0.6 * std::exp(-6 * p[2]); }

Swarm swarm(size_t runs, uint64_t seed = 1, double noise = 0.005) {
  Rng rng(seed);
  Swarm swarm;
  swarm.datasets = {"web", "code", "math", "poor"};
  swarm.metrics = {"code_bpb", "math_acc"};
  swarm.mixtures = Points(4);
  swarm.scores.resize(2);
  swarm.standard_errors.resize(2);
  for (size_t i = 0; i < runs; ++i) {
    swarm.runs.push_back(fmt::format("run{}", i));
    const auto p = rng.dirichlet(std::vector<double>(4, 0.8));
    swarm.mixtures.add(p);
    swarm.scores[0].push_back(code_loss(p) + noise * rng.normal());
    swarm.scores[1].push_back(math_acc(p) + noise * rng.normal());
  }
  return swarm;
}

// Fast settings; every predictor still takes part.
FitConfig quick() {
  FitConfig config;
  config.candidates = 1000;
  config.starts = 6;
  config.predictors.lightgbm.iterations = 60;
  config.predictors.lightgbm.learning_rate = 0.2;
  config.predictors.log_linear.starts = 4;
  return config;
}

const FitResult& result() {
  static const FitResult found = [] {
    const Swarm holdout = swarm(100, 2);
    return fit_swarm(quick(), swarm(60), &holdout);
  }();
  return found;
}

std::string message_of(const FitConfig& config, const Swarm& data, const Swarm* holdout = nullptr) {
  try {
    fit_swarm(config, data, holdout);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

bool warned(const FitResult& found, std::string_view text) {
  return std::any_of(found.warnings.begin(), found.warnings.end(), [&](const std::string& warning) {
    return warning.find(text) != std::string::npos;
  });
}

TEST(Fit, TolerancesAndTheFrontComeWithTheMixture) {
  const FitResult& found = result();
  ASSERT_EQ(found.tolerance.size(), 4u);
  EXPECT_GT(found.goal_error, 0);
  for (size_t j = 0; j < 4; ++j) {
    EXPECT_LE(found.tolerance[j].low, found.mixture[j]);
    EXPECT_GE(found.tolerance[j].high, found.mixture[j]);
  }
  EXPECT_TRUE(found.front.empty());
  FitConfig config = quick();
  config.front = 5;
  config.predictor = "gaussian_process";
  const FitResult with_front = fit_swarm(config, swarm(60));
  ASSERT_GE(with_front.front.size(), 3u);
  EXPECT_EQ(with_front.front_metrics, (std::vector<std::string>{"code_bpb", "math_acc"}));
  // The last is best for code, the first for math.
  EXPECT_GT(with_front.front.back().merge_weights[1], 0.8);
  EXPECT_GT(with_front.front.front().merge_weights[2], 0.5);
}

// The mixture with this share of dataset `j`, the others in their ratios.
std::vector<double> moved(std::vector<double> p, size_t j, double share) {
  const double rest = (1 - share) / (1 - p[j]);
  for (size_t i = 0; i < p.size(); ++i) p[i] = i == j ? share : rest * p[i];
  return p;
}

TEST(Fit, AtTheEndsOfTolerancesTheTrueGoalHasFallenByOneStandardError) {
  FitConfig config = quick();
  config.predictor = "gaussian_process";
  config.units = "own";
  const FitResult found = fit_swarm(config, swarm(120, 1, 0.02));
  const auto goal = [](std::span<const double> p) { return (math_acc(p) - code_loss(p)) / 2; };
  int ends = 0;
  for (size_t j = 0; j < 4; ++j) {
    for (const bool low : {false, true}) {
      const Tolerance& range = found.tolerance[j];
      if (low ? range.low_bound : range.high_bound) continue;
      const double fall =
          goal(found.mixture) - goal(moved(found.mixture, j, low ? range.low : range.high));
      EXPECT_NEAR(fall / found.goal_error, 1, 0.5) << found.datasets[j] << (low ? " low" : " high");
      ++ends;
    }
  }
  EXPECT_GE(ends, 4);
}

TEST(Fit, RanksAreAGoalWhoseUnitsAreThoseOfNoMetric) {
  Swarm scaled = swarm(60);
  for (double& score : scaled.scores[1]) score *= 1000;
  FitConfig config = quick();
  config.predictor = "gaussian_process";
  config.units = "rank";
  const FitResult plain = fit_swarm(config, swarm(60)), other = fit_swarm(config, scaled);
  for (size_t j = 0; j < 4; ++j) EXPECT_NEAR(plain.mixture[j], other.mixture[j], 0.01);
  EXPECT_GT(plain.goal, 0.75);  // better than three in four random mixtures, on the mean of both
  EXPECT_LT(plain.goal, 1.5);
  EXPECT_GT(plain.goal, plain.goal_prior);
  EXPECT_GT(plain.goal_error, 0);
}

TEST(Fit, ThePredictorTableHasEveryPredictorOfEveryMetricWithOneChosen) {
  ASSERT_EQ(result().trials.size(), 2 * competitor_names().size());
  for (size_t m = 0; m < 2; ++m) {
    int chosen = 0;
    for (const FitTrial& trial : result().trials) {
      if (trial.metric != result().metrics[m]) continue;
      EXPECT_TRUE(trial.cv_spearman && trial.cv_r2 && trial.cv_mae && trial.coverage90);
      EXPECT_NEAR(*trial.coverage90, 0.9, 0.12) << trial.predictor;
      if (!trial.chosen) continue;
      ++chosen;
      EXPECT_EQ(trial.predictor, result().chosen[m]);
      EXPECT_GT(*trial.cv_spearman, 0.98);
    }
    EXPECT_EQ(chosen, 1);
  }
}

TEST(Fit, HeldOutRunsAreRankedAndTheirIntervalsHold) {
  ASSERT_EQ(result().holdout.size(), 2u);
  for (const HoldoutScore& score : result().holdout) {
    EXPECT_GT(*score.spearman, 0.98);
    EXPECT_GT(*score.r2, 0.98);
    EXPECT_LT(score.mae, 0.02);
    EXPECT_GT(score.coverage90, 0.75);
  }
  EXPECT_NEAR(*result().holdout_mean_spearman,
              (*result().holdout[0].spearman + *result().holdout[1].spearman) / 2,
              1e-12);
}

TEST(Fit, TheProposedMixtureIsNearTheTrueOptimumAndItsScoresAreForetold) {
  // The truth's optimum under the same goal, on a grid; deviations are those of the swarm.
  const Swarm data = swarm(60);
  const auto& p = result().mixture;
  EXPECT_NEAR(std::accumulate(p.begin(), p.end(), 0.0), 1, 1e-12);
  EXPECT_LT(p[3], 0.03);
  double mean_loss = 0, mean_acc = 0, loss2 = 0, acc2 = 0;
  for (size_t i = 0; i < 60; ++i) {
    mean_loss += data.scores[0][i] / 60;
    mean_acc += data.scores[1][i] / 60;
  }
  for (size_t i = 0; i < 60; ++i) {
    loss2 += std::pow(data.scores[0][i] - mean_loss, 2) / 59;
    acc2 += std::pow(data.scores[1][i] - mean_acc, 2) / 59;
  }
  const auto goal = [&](std::span<const double> x) {
    return -0.5 * code_loss(x) / std::sqrt(loss2) + 0.5 * math_acc(x) / std::sqrt(acc2);
  };
  double best = -1e9;
  for (double code = 0; code <= 1; code += 0.01) {
    for (double math = 0; math <= 1 - code; math += 0.01) {
      best = std::max(best, goal(std::vector<double>{1 - code - math, code, math, 0}));
    }
  }
  EXPECT_GT(goal(p), best - 0.03);
  for (size_t m = 0; m < 2; ++m) {
    const double truth = m == 0 ? code_loss(p) : math_acc(p);
    EXPECT_NEAR(result().predicted[m].value, truth, 0.03);
    EXPECT_LT(result().predicted[m].low, result().predicted[m].value);
    EXPECT_GT(result().predicted[m].high, result().predicted[m].value);
  }
  EXPECT_GT(result().goal, result().goal_prior);
  EXPECT_LT(result().predicted[0].value, result().predicted_prior[0].value);
}

TEST(Fit, DirectionsComeFromNamesUnlessTold) {
  EXPECT_EQ(result().higher_is_better, (std::vector<bool>{false, true}));
  EXPECT_EQ(result().told, (std::vector<bool>{false, false}));

  FitConfig config = quick();
  config.predictor = "ridge";
  config.lower_is_better = {"math_acc"};  // nobody wants math
  const auto found = fit_swarm(config, swarm(60));
  EXPECT_EQ(found.told, (std::vector<bool>{false, true}));
  EXPECT_LT(found.mixture[2], 0.05);
  config.higher_is_better = {"math_acc"};
  EXPECT_EQ(message_of(config, swarm(60)),
            "metric 'math_acc' is named both higher and lower is better");
}

TEST(Fit, ADirectionThatNothingSaysIsWarnedOf) {
  Swarm data = swarm(30);
  data.metrics = {"code_ce", "math"};
  FitConfig config = quick();
  config.predictor = "ridge";
  const auto found = fit_swarm(config, data);
  EXPECT_EQ(found.higher_is_better, (std::vector<bool>{false, true}));
  EXPECT_TRUE(warned(found,
                     "which direction is better of math: HIGHER was taken as better, since its "
                     "values"));
  EXPECT_EQ(found.by_values, (std::vector<bool>{false, true}));
  config.higher_is_better = {"math"};
  EXPECT_FALSE(warned(fit_swarm(config, data), "direction"));
}

TEST(Fit, BitsPerByteUnderTaskNamesAreMadeSmall) {
  Swarm data = swarm(40);
  for (double& score : data.scores[1]) score = 2 - score;
  data.metrics = {"humaneval:3shot::none", "minerva::olmes"};
  FitConfig config = quick();
  config.predictor = "ridge";
  const auto found = fit_swarm(config, data);
  EXPECT_EQ(found.higher_is_better, (std::vector<bool>{false, false}));
  EXPECT_LT(found.mixture[3], 0.05);
  config.lower_is_better = {"*::*"};
  EXPECT_EQ(fit_swarm(config, data).mixture, found.mixture);
}

TEST(Fit, ColumnsIgnoredInOneFileAreCheckedLikeOthers) {
  Swarm data = swarm(20);
  data.left_out = {"cost"};
  FitConfig config = quick();
  config.predictor = "ridge";
  config.ignore = {"mixtures:cost", "scores:web"};
  EXPECT_EQ(message_of(config, data), "no error");
  config.ignore = {"mixtures:coste"};
  EXPECT_EQ(message_of(config, data),
            "ignore: there is no column 'mixtures:coste'; did you mean 'mixtures:cost'?");
}

TEST(Fit, ConstraintsHoldAndDivergenceFromThePriorIsPaidFor) {
  FitConfig config = quick();
  config.predictor = "gaussian_process";
  config.prior = {{"web", 700}, {"code", 100}, {"math", 100}, {"poor", 100}};
  config.constraints.max_share = {{"math", 0.2}};
  config.constraints.fixed_share = {{"poor", 0.05}};
  config.constraints.max_epochs = 2;
  config.dataset_tokens = {{"web", 700}, {"code", 100}, {"math", 100}, {"poor", 100}};
  config.target_tokens = 1000;  // so at most 0.2 of code
  double last_kl = 1e9;
  for (double kl : {0.0, 0.1, 1000.0}) {
    config.kl = kl;
    const auto found = fit_swarm(config, swarm(60));
    EXPECT_LE(found.mixture[1], 0.2 + 1e-6);
    EXPECT_LE(found.mixture[2], 0.2 + 1e-6);
    EXPECT_NEAR(found.mixture[3], 0.05, 1e-6);
    EXPECT_LE(found.kl, last_kl + 1e-9);
    last_kl = found.kl;
  }
  // A heavy weight leaves the nearest member to the prior by KL: the free shares keep its ratios.
  EXPECT_NEAR(fit_swarm(config, swarm(60)).mixture[0], 0.95 * 7 / 9, 0.01);
}

TEST(Fit, FloorsLetNoMetricFallWhereAnotherIsWanted) {
  FitConfig config = quick();
  config.predictor = "gaussian_process";
  config.weights = {{"math_acc", 1}};
  const auto free = fit_swarm(config, swarm(60));
  config.floors = {{"code_bpb", 0.01}};
  const auto kept = fit_swarm(config, swarm(60));
  const double allowed = 1.01 * kept.predicted_prior[0].value;
  EXPECT_GT(free.predicted[0].value, allowed);
  EXPECT_LE(kept.predicted[0].value, allowed + 1e-4);
  EXPECT_GT(kept.predicted[1].value, kept.predicted_prior[1].value);
  // Little web, and no more of anything else than the prior's quarter: the floor cannot hold.
  config.floors = {{"code_bpb", 0}};
  config.constraints.max_share = {{"code", 0.02}};
  EXPECT_EQ(message_of(config, swarm(60)).find("no mixture among "), 0u);
}

TEST(Fit, TheAverageOfTheBestIsAvailableAsThePaperDoesIt) {
  FitConfig config = quick();
  config.predictor = "gaussian_process";
  const auto optimum = fit_swarm(config, swarm(60));
  config.average_of = 20;
  const auto average = fit_swarm(config, swarm(60));
  EXPECT_EQ(average.starts, 0);
  EXPECT_LT(average.goal, optimum.goal);
  EXPECT_GT(average.goal, average.goal_prior);
}

TEST(Fit, AnAverageKeepsFloorsOrIsMovedUntilItDoes) {
  // Two good corners, of which the average has neither's code.
  Swarm data = swarm(60);
  for (size_t i = 0; i < data.runs.size(); ++i) {
    const auto p = data.mixtures.row(i);
    data.scores[0][i] = 2 - std::pow(p[1] - p[2], 2) + 1e-3 * p[3];
    data.scores[1][i] = 0.5 * (p[1] + p[2]) - 1e-3 * p[1];
  }
  FitConfig config = quick();
  config.predictor = "gaussian_process";
  config.weights = {{"math_acc", 1}};
  config.prior = {{"web", 1}, {"code", 20}, {"math", 1}, {"poor", 1}};
  config.floors = {{"code_bpb", 0}};
  config.average_of = 200;
  const auto found = fit_swarm(config, data);
  EXPECT_TRUE(std::isfinite(found.goal));
  EXPECT_EQ(found.tolerance.size(), 4u);
  EXPECT_LE(found.predicted[0].value, found.predicted_prior[0].value + 1e-6);
  EXPECT_TRUE(warned(found,
                     "The average of the best mixtures is predicted to miss the floor of "
                     "code_bpb"));
  config.floors.clear();
  EXPECT_GT(fit_swarm(config, data).predicted[0].value, found.predicted_prior[0].value);
}

TEST(Fit, FewerMixturesThanAreToBeAveragedAreWarnedOf) {
  FitConfig config = quick();
  config.predictor = "ridge";
  config.average_of = 100000;
  EXPECT_TRUE(warned(fit_swarm(config, swarm(30)), "average_of is 100000, but only 10"));
}

TEST(Fit, CopiesOfAMetricChangeNoToleranceSinceMetricsErrTogether) {
  FitConfig config = quick();
  config.predictor = "ridge";
  config.weights = {{"code_bpb", 1}};
  const auto once = fit_swarm(config, swarm(60));
  Swarm copied = swarm(60);
  config.weights.clear();
  for (int k = 0; k < 4; ++k) {
    copied.metrics.push_back(fmt::format("code_bpb{}", k));
    copied.scores.push_back(copied.scores[0]);
    copied.standard_errors.emplace_back();
    config.weights[copied.metrics.back()] = 1;
  }
  config.lower_is_better = {"code_bpb0", "code_bpb1", "code_bpb2", "code_bpb3"};
  const auto four = fit_swarm(config, copied);
  EXPECT_NEAR(four.goal_error, once.goal_error, 1e-9 * once.goal_error);
  EXPECT_NEAR(four.tolerance[1].low, once.tolerance[1].low, 1e-6);
  // Without cross-validation too.
  Swarm few = swarm(8), few_copied = few;
  few_copied.metrics = {"code_bpb", "copied_bpb"};
  few_copied.scores[1] = few.scores[0];
  config = quick();
  const auto two = fit_swarm(config, few_copied);
  config.weights = {{"code_bpb", 1}};
  EXPECT_NEAR(two.goal_error, fit_swarm(config, few).goal_error, 1e-9);
}

TEST(Fit, TheGoalsErrorIsThatOfRunsLeftOut) {
  FitConfig config = quick();
  config.predictor = "gaussian_process";
  config.units = "own";
  // Half of each metric's noise, independent: sqrt(2) / 2 of 0.05.
  EXPECT_NEAR(fit_swarm(config, swarm(200, 1, 0.05)).goal_error, 0.0354, 0.006);
}

TEST(Fit, SharesOutsideThePriorAreInfinitelyFarFromIt) {
  FitConfig config = quick();
  config.predictor = "ridge";
  config.prior = {{"web", 1}};
  const auto free = fit_swarm(config, swarm(60));
  EXPECT_TRUE(std::isinf(free.kl));
  EXPECT_TRUE(warned(free, "The divergence from the prior is infinite: the prior leaves out code"));
  config.prior = {{"web", 1}, {"code", 1}};
  config.kl = 0.01;
  const auto kept = fit_swarm(config, swarm(60));
  EXPECT_TRUE(std::isfinite(kept.kl));
  EXPECT_GE(kept.kl, 0);
  EXPECT_EQ(kept.mixture[2], 0);
  EXPECT_TRUE(warned(kept, "The prior leaves out math, poor, and kl is above 0"));
}

TEST(Fit, SharesBelowThoseOfAnyRunAndSharesThatNeverVaryAreWarnedOf) {
  Swarm data = swarm(60);
  Points anchored(4);
  for (size_t i = 0; i < data.runs.size(); ++i) {
    const auto p = data.mixtures.row(i);
    const double rest = 0.5 / (p[0] + p[1] + p[2]);
    anchored.add(std::vector<double>{0.4 + rest * p[0], rest * p[1], rest * p[2], 0.1});
    data.scores[0][i] = 1 + anchored.row(i)[0] - anchored.row(i)[1];
  }
  data.mixtures = anchored;
  FitConfig config = quick();
  config.predictor = "ridge";
  config.weights = {{"code_bpb", 1}};
  const auto found = fit_swarm(config, data);
  EXPECT_TRUE(warned(found, "of web lies below the smallest of any run (0.4"));
  EXPECT_TRUE(warned(found, "Every run has the same share of poor (0.1)"));
}

TEST(Fit, AGoalThatDependsOnNothingLeavesThePrior) {
  Swarm data = swarm(30);
  Points same(4);
  for (size_t i = 0; i < data.runs.size(); ++i) same.add(std::vector<double>(4, 0.25));
  data.mixtures = same;
  FitConfig config = quick();
  config.prior = {{"web", 0.7}, {"code", 0.1}, {"math", 0.1}, {"poor", 0.1}};
  for (const char* predictor : {"ridge", "gaussian_process", "lightgbm", "log_linear", "auto"}) {
    config.predictor = predictor;
    for (const char* units : {"deviation", "rank"}) {
      config.units = units;
      const auto found = fit_swarm(config, data);
      EXPECT_NEAR(found.mixture[0], 0.7, 1e-9) << predictor << units;
      EXPECT_EQ(found.starts, 0) << predictor << units;
      EXPECT_TRUE(warned(found, "the goal does not depend on the mixture")) << predictor << units;
    }
  }
  config.constraints.max_share = {{"web", 0.4}};
  EXPECT_NEAR(fit_swarm(config, data).mixture[0], 0.4, 1e-9);
  // One mixture that is left is no flat goal.
  config.predictor = "ridge";
  config.constraints.fixed_share = {{"web", 0.4}, {"code", 0.2}, {"math", 0.2}, {"poor", 0.2}};
  EXPECT_FALSE(warned(fit_swarm(config, swarm(30)), "does not depend"));
}

TEST(Fit, ConstraintsThatLeaveOneMixtureGiveIt) {
  FitConfig config = quick();
  config.predictor = "ridge";
  config.constraints.fixed_share = {{"web", 0.1}, {"code", 0.2}, {"math", 0.3}, {"poor", 0.4}};
  const auto all = fit_swarm(config, swarm(40));
  EXPECT_NEAR(all.mixture[2], 0.3, 1e-9);
  config.constraints.fixed_share = {{"web", 0.25}, {"code", 0.25}, {"math", 0.25}};
  config.constraints.groups["two"] = {.datasets = {"web", "code"}, .ratio = {1, 1}};
  EXPECT_NEAR(fit_swarm(config, swarm(40)).mixture[3], 0.25, 1e-9);
}

TEST(Fit, HeldOutRunsThatWereLearnedFromAreCounted) {
  FitConfig config = quick();
  config.predictor = "ridge";
  const Swarm same = swarm(40), other = swarm(30, 3);
  EXPECT_TRUE(warned(fit_swarm(config, swarm(60), &same), "40 of the 40 held-out runs are in"));
  EXPECT_FALSE(warned(fit_swarm(config, swarm(60), &other), "held-out runs are in the swarm"));
}

TEST(Fit, AFrontOfOneMetricIsWarnedOf) {
  FitConfig config = quick();
  config.predictor = "ridge";
  config.front = 4;
  config.weights = {{"code_bpb", 1}};
  EXPECT_TRUE(warned(fit_swarm(config, swarm(30)),
                     "A Pareto front needs two metrics that count, and only code_bpb does"));
}

TEST(Fit, RangesThatAFloorEndsAreMarked) {
  FitConfig config = quick();
  config.predictor = "gaussian_process";
  config.weights = {{"math_acc", 1}};
  config.floors = {{"code_bpb", 0}};
  const auto found = fit_swarm(config, swarm(60));
  EXPECT_TRUE(found.tolerance[2].high_floor);
  EXPECT_FALSE(found.tolerance[2].high_bound);
}

TEST(Fit, ASingleRunIsToldHowManyAreNeeded) {
  EXPECT_EQ(message_of(quick(), swarm(1)),
            "the swarm has 1 run, expected at least 2, and 12 for a fit that cross-validation can "
            "check; are there more runs in other files?");
  fit_swarm(quick(), swarm(2));
}

TEST(Fit, TreesAreOptimisedWithoutSlopes) {
  FitConfig config = quick();
  config.predictor = "lightgbm";
  const auto found = fit_swarm(config, swarm(80));
  config.average_of = 1;  // the best random candidate
  EXPECT_GE(found.goal, fit_swarm(config, swarm(80)).goal);
}

TEST(Fit, TheSameSeedGivesTheSameResultWithAnyNumberOfThreads) {
  FitConfig config = quick();
  config.threads = 1;
  const Swarm holdout = swarm(100, 2);
  const auto again = fit_swarm(config, swarm(60), &holdout);
  EXPECT_EQ(again.mixture, result().mixture);
  EXPECT_EQ(again.holdout[0].mae, result().holdout[0].mae);
}

TEST(Fit, ConstantScoresHaveNoPartAndNothingToOptimiseIsAnError) {
  Swarm data = swarm(30);
  std::fill(data.scores[1].begin(), data.scores[1].end(), 0.25);
  const auto found = fit_swarm(quick(), data);
  EXPECT_TRUE(warned(found, "All 30 runs score the same on math_acc: it has no part"));
  EXPECT_EQ(found.predicted[1].value, 0.25);
  EXPECT_GT(found.mixture[1], 0.5);
  std::fill(data.scores[0].begin(), data.scores[0].end(), 1);
  EXPECT_EQ(message_of(quick(), data),
            "no metric that varies has a weight above 0: nothing to optimise");
}

TEST(Fit, FewRunsSayWhatCanBeConcluded) {
  FitConfig config = quick();
  const auto guess = fit_swarm(config, swarm(6));
  EXPECT_TRUE(warned(guess, "6 runs are too few to check any predictor by cross-validation"));
  EXPECT_EQ(guess.trials.size(), 2u);
  EXPECT_FALSE(guess.trials[0].cv_spearman);

  Rng rng(5);
  Swarm wide;
  wide.metrics = {"loss"};
  wide.scores.resize(1);
  wide.standard_errors.resize(1);
  wide.mixtures = Points(30);
  for (int j = 0; j < 30; ++j) wide.datasets.push_back(fmt::format("d{}", j));
  for (int i = 0; i < 20; ++i) {
    wide.runs.push_back(fmt::format("{}", i));
    wide.mixtures.add(rng.dirichlet(std::vector<double>(30, 0.5)));
    wide.scores[0].push_back(rng.normal());
  }
  const auto noise = fit_swarm(config, wide);
  EXPECT_TRUE(warned(noise, "20 runs are fewer than the 31 parameters"));
  EXPECT_TRUE(
      warned(noise, "The best predictor of loss ranks left-out runs no better than chance"));
}

TEST(Fit, NoiseLeavesThePriorAndAnIntervalThatHoldsTheTruth) {
  FitConfig config = quick();
  config.prior = {{"web", 0.7}, {"code", 0.1}, {"math", 0.1}, {"poor", 0.1}};
  Swarm data = swarm(60);
  Rng rng(8);
  for (auto& scores : data.scores)
    for (double& score : scores) score = 0.5 + 0.01 * rng.normal();
  const auto found = fit_swarm(config, data);
  EXPECT_EQ(found.chosen, (std::vector<std::string>{kMean, kMean}));
  EXPECT_NEAR(found.mixture[0], 0.7, 1e-9);
  EXPECT_TRUE(warned(found, "the goal does not depend on the mixture: the prior is proposed"));
  EXPECT_TRUE(warned(found, "there is no evidence about it, and its mean is predicted"));
  for (size_t m = 0; m < 2; ++m) {
    EXPECT_LT(found.predicted[m].low, 0.5);
    EXPECT_GT(found.predicted[m].high, 0.5);
    EXPECT_NEAR(found.predicted[m].high - found.predicted[m].low, 2 * kNinetyPercent * 0.01, 0.01);
    EXPECT_EQ(found.predicted[m].value, found.predicted_prior[m].value);
  }
}

TEST(Fit, AMetricWithoutEvidenceStandsInTheTableAsItsMeanAndHasNoPartInTheMixture) {
  Swarm data = swarm(60);
  Rng rng(9);
  for (double& score : data.scores[1]) score = 0.5 + 0.01 * rng.normal();
  FitConfig config = quick();
  config.predictor = "gaussian_process";
  config.front = 4;
  config.floors = {{"math_acc", 0}};
  const auto both = fit_swarm(config, data);
  EXPECT_EQ(both.chosen, (std::vector<std::string>{"gaussian_process", kMean}));
  ASSERT_EQ(both.trials.size(), 3u);
  EXPECT_FALSE(both.trials[1].chosen);
  EXPECT_EQ(both.trials[2].predictor, kMean);
  EXPECT_TRUE(both.trials[2].chosen);
  EXPECT_FALSE(both.trials[2].cv_spearman);
  EXPECT_NEAR(*both.trials[2].cv_r2, 0, 0.1);
  EXPECT_TRUE(warned(both, "nothing says which mixtures keep its floor"));
  EXPECT_TRUE(warned(both, "needs two metrics that count, and only code_bpb does"));
  config.weights = {{"code_bpb", 1}};
  config.floors.clear();
  const auto one = fit_swarm(config, data);
  for (size_t j = 0; j < 4; ++j) EXPECT_NEAR(both.mixture[j], one.mixture[j], 0.01);
  EXPECT_GT(one.mixture[1], 0.8);
}

TEST(Fit, RunsOfOneMixtureAreLeftOutTogether) {
  const Swarm once = swarm(40, 1, 0.02);
  Swarm copied = once;
  copied.mixtures = Points(4);
  Rng rng(10);
  for (auto& scores : copied.scores) scores.clear();
  copied.runs.clear();
  for (size_t i = 0; i < 40; ++i) {
    for (int k = 0; k < 3; ++k) {
      copied.runs.push_back(fmt::format("run{}_{}", i, k));
      copied.mixtures.add(once.mixtures.row(i));
      for (size_t m = 0; m < 2; ++m)
        copied.scores[m].push_back(once.scores[m][i] + 1e-4 * rng.normal());
    }
  }
  FitConfig config = quick();
  config.predictor = "gaussian_process";
  const auto plain = fit_swarm(config, once), threefold = fit_swarm(config, copied);
  // Before, what one run of a mixture says of the next was the error: near zero.
  EXPECT_GT(threefold.goal_error, 0.8 * plain.goal_error);
  // Too few to compare, however often each was run.
  Swarm few = copied;
  few.mixtures = Points(4);
  for (size_t i = 0; i < 120; ++i) few.mixtures.add(once.mixtures.row(i / 3 % 8));
  const auto guess = fit_swarm(config, few);
  EXPECT_TRUE(warned(guess, "120 runs of 8 mixtures are too few to check any predictor"));
  EXPECT_FALSE(guess.trials[0].cv_spearman);
}

TEST(Fit, ItsProgressIsShown) {
  testing::internal::CaptureStderr();
  FitConfig config = quick();
  config.predictor = "ridge";
  fit_swarm(config, swarm(20));
  // Of two metrics five parts and the whole.
  const std::string shown = testing::internal::GetCapturedStderr();
  EXPECT_EQ(shown.find("fit predictors: 12 fits"), 0u) << shown;
}

TEST(Fit, ADatasetThatWasNeverSampledGetsNoShare) {
  Swarm data = swarm(40);
  Points wider(5);
  for (size_t i = 0; i < 40; ++i) {
    std::vector<double> row(data.mixtures.row(i).begin(), data.mixtures.row(i).end());
    row.push_back(0);
    wider.add(row);
  }
  data.mixtures = wider;
  data.datasets.push_back("unseen");
  FitConfig config = quick();
  config.predictor = "gaussian_process";
  const auto found = fit_swarm(config, data);
  EXPECT_TRUE(warned(found, "No run has any of unseen"));
  EXPECT_EQ(found.mixture[4], 0);
  config.constraints.min_share = {{"unseen", 0.1}};
  const std::string message = message_of(config, data);
  EXPECT_NE(message.find("unseen none (never sampled)"), std::string::npos) << message;
  EXPECT_NE(message.find("unseen at least 0.1 (min_share)"), std::string::npos) << message;
}

TEST(Fit, NamesThatTheSwarmLacksAreErrorsWithTheNearest) {
  FitConfig config = quick();
  config.prior = {{"web", 1}, {"cod", 1}};
  EXPECT_EQ(message_of(config, swarm(20)),
            "prior: there is no dataset 'cod'; did you mean 'code'?");
  config = quick();
  config.weights = {{"math_accc", 1}};
  EXPECT_EQ(message_of(config, swarm(20)),
            "weights: there is no metric 'math_accc'; did you mean 'math_acc'?");
  config = quick();
  config.constraints.max_share = {{"webb", 0.5}};
  EXPECT_EQ(message_of(config, swarm(20)),
            "max_share: there is no dataset 'webb'; did you mean 'web'?");
  config = quick();
  config.predictor = "gausian_process";
  EXPECT_EQ(message_of(config, swarm(20)),
            "predictor: there is no 'gausian_process'; did you mean 'gaussian_process'?");
  config = quick();
  config.constraints.max_epochs = 1;
  config.dataset_tokens = {{"web", 1}};
  EXPECT_EQ(message_of(config, swarm(20)), "constraints.max_epochs needs dataset_tokens.code");
  config = quick();
  config.ignore = {"sed"};
  Swarm data = swarm(20);
  data.left_out = {"seed"};
  EXPECT_EQ(message_of(config, data), "ignore: there is no column 'sed'; did you mean 'seed'?");
}

TEST(Fit, AHoldoutMayOrderItsColumnsOtherwiseButMustHaveThem) {
  Swarm holdout = swarm(30, 3);
  Points turned(4);
  for (size_t i = 0; i < 30; ++i) {
    const auto p = holdout.mixtures.row(i);
    turned.add(std::vector<double>{p[3], p[2], p[1], p[0]});
  }
  Swarm other = holdout;
  other.mixtures = turned;
  std::reverse(other.datasets.begin(), other.datasets.end());
  other.metrics[0] = "another";
  FitConfig config = quick();
  config.predictor = "ridge";
  const auto straight = fit_swarm(config, swarm(40), &holdout);
  const auto found = fit_swarm(config, swarm(40), &other);
  ASSERT_EQ(found.holdout.size(), 1u);
  EXPECT_EQ(found.holdout[0].mae, straight.holdout[1].mae);
  EXPECT_TRUE(warned(found, "1 of the 2 metrics are not in the holdout"));
  other.metrics[1] = "third";
  EXPECT_NE(message_of(config, swarm(40), &other).find("none of the swarm's metrics"),
            std::string::npos);
  other = holdout;
  other.datasets[0] = "wob";
  EXPECT_EQ(message_of(config, swarm(40), &other),
            "holdout: there is no dataset 'web'; did you mean 'wob'?");
}

TEST(FitConfig, IsReadFromYaml) {
  const auto config = read_config<FitConfig>(ConfigNode::parse(
      "kl: 0.05\n"
      "units: own\n"
      "weights: {arc_bpb: 2}\n"
      "floors: {mmlu_bpb: 0.01}\n"
      "prior: {web: 100, code: 20}\n"
      "constraints: {max_epochs: 4, groups: {text: {datasets: [web, books], max_share: 0.7}}}\n",
      "fit.yaml"));
  EXPECT_EQ(config.kl, 0.05);
  EXPECT_EQ(config.constraints.max_times_prior, 0);
  EXPECT_EQ(config.constraints.groups.at("text").datasets[1], "books");
  EXPECT_THROW(read_config<FitConfig>(ConfigNode::parse("units: miles\n", "fit.yaml")), Error);
  EXPECT_THROW(read_config<FitConfig>(ConfigNode::parse("kl: -1\n", "fit.yaml")), Error);
  EXPECT_THROW(read_config<FitConfig>(ConfigNode::parse("floor: {a: 1}\n", "fit.yaml")), Error);
}

}  // namespace
}  // namespace demix
