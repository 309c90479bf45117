#include "demix/search/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/config.h"
#include "demix/core/error.h"
#include "demix/core/ranks.h"
#include "demix/search/tournament.h"

namespace demix {
namespace {

const std::vector<std::string> kNames = {"general", "math", "code", "poor"};

SearchProblem problem() {
  return {
      .composition = Composition::anchored(kNames, "general", 0.5),
      .metrics = {{"arc", "general", true}, {"gsm8k_loss", "math", false}, {"mbpp", "code", true}},
      .prior = {400, 100, 100, 400},
      .dataset_tokens = {400, 100, 100, 400},
      .target_tokens = 1000,
      .seed = 7};
}

// Each domain gains from the square root of its own weight; poor data helps nobody.
Measurements landscape(std::span<const double> alpha) {
  return {{"arc", {0.3 + 0.2 * std::sqrt(alpha[0]), 0.01}},
          {"gsm8k_loss", {2.0 - 0.5 * std::sqrt(alpha[1]), 0.02}},
          {"mbpp", {0.1 + 0.3 * std::sqrt(alpha[2]), 0.01}}};
}

std::vector<Measurements> measure(std::span<const Mixture> batch) {
  std::vector<Measurements> results;
  for (const Mixture& mixture : batch) results.push_back(landscape(mixture.weights));
  return results;
}

SearchConfig quick() {
  SearchConfig config;
  config.proxies = 16;
  config.candidates = 3000;
  config.propose_from = 60;
  config.average_of = 30;
  config.decide = "average";
  config.predictors.lightgbm.iterations = 20;  // for the tests' time
  config.predictors.lightgbm.learning_rate = 0.15;
  return config;
}

const SearchResult& quick_result() {
  static const SearchResult result = search_mixture(quick(), problem(), measure);
  return result;
}

TEST(Search, AnAnchorAtTheLeastShareThatComponentsCanExpressIsWarnedOf) {
  const auto warned = [](const std::map<std::string, double>& weights) {
    SearchConfig config = quick();
    config.decide = "optimum";
    config.predictor = "gaussian_process";
    config.weights = weights;
    const SearchResult result = search_mixture(config, problem(), measure);
    return std::any_of(
        result.warnings.begin(), result.warnings.end(), [](const std::string& warning) {
          return warning.find("of general is the least that the components can express") !=
                 std::string::npos;
        });
  };
  EXPECT_TRUE(warned({{"math", 1}, {"code", 1}}));  // the anchor helps neither
  EXPECT_FALSE(warned({{"general", 1}}));
}

TEST(Search, ADecisionThatProvesBadIsLearnedFromAndMadeAnew) {
  SearchConfig config = quick();
  config.decide = "optimum";
  std::vector<size_t> batches;
  const SearchResult deceived =
      search_mixture(config, problem(), [&](std::span<const Mixture> batch) {
        batches.push_back(batch.size());
        return measure(batch);
      });
  EXPECT_EQ(batches, (std::vector<size_t>{16, 8, 4, 1}));  // the decision, which proves good
  EXPECT_EQ(deceived.evaluated.size(), 28u);

  // The same until the decision, which now falls into a hole.
  const SearchResult result =
      search_mixture(config, problem(), [&](std::span<const Mixture> batch) {
        std::vector<Measurements> measured = measure(batch);
        for (size_t i = 0; i < batch.size(); ++i) {
          if (batch.size() > 1 || l1_distance(batch[i].weights, deceived.merge_weights) > 0.02)
            continue;
          for (auto& [name, measurement] : measured[i]) measurement.value -= 100;
        }
        return measured;
      });
  EXPECT_GT(result.evaluated.size(), 28u);
  EXPECT_EQ(result.evaluated[28].merge_weights, deceived.merge_weights);
  EXPECT_EQ(result.evaluated[28].round, 3);
  EXPECT_GT(l1_distance(result.merge_weights, deceived.merge_weights), 0.02);
}

TEST(Search, RoundsHaveHalfAsManyProxiesAsTheOneBefore) {
  SearchConfig config;
  EXPECT_EQ(config.proxies_per_round(), (std::vector<int64_t>{128, 64, 32}));
  EXPECT_EQ(config.total_proxies(), 224);
  config.proxies = 2;
  EXPECT_EQ(config.proxies_per_round(), (std::vector<int64_t>{2, 1, 1}));

  std::vector<size_t> batches;
  const auto result = search_mixture(quick(), problem(), [&](std::span<const Mixture> batch) {
    batches.push_back(batch.size());
    return measure(batch);
  });
  EXPECT_EQ(batches, (std::vector<size_t>{16, 8, 4}));
  ASSERT_EQ(result.evaluated.size(), 28u);
  EXPECT_EQ(result.evaluated[15].round, 0);
  EXPECT_EQ(result.evaluated[16].round, 1);
  EXPECT_EQ(result.evaluated[27].round, 2);
}

TEST(Search, EveryProposalAndTheResultMeetTheConstraints) {
  const auto all = problem();
  std::vector<double> prior = {0.4, 0.1, 0.1, 0.4};
  auto config = quick();
  config.constraints.min_share["poor"] = 0.03;
  config.constraints.max_epochs = 1.5;  // at most 0.15 of math and of code
  const FeasibleSet feasible(
      all.composition,
      share_constraints(
          config.constraints, all.composition, prior, all.dataset_tokens, all.target_tokens));
  const auto result = search_mixture(config, all, measure);
  for (const auto& proxy : result.evaluated) {
    EXPECT_TRUE(feasible.contains(proxy.merge_weights));
    EXPECT_GE(proxy.data_shares[3], 0.03 - 1e-9);
    EXPECT_LE(proxy.data_shares[1], 0.15 + 1e-9);
  }
  EXPECT_LE(feasible.violation(result.merge_weights), 2e-9);
  EXPECT_NEAR(std::accumulate(result.data_shares.begin(), result.data_shares.end(), 0.0), 1, 1e-12);
  // p = αᵀC for the anchored composition.
  EXPECT_NEAR(result.data_shares[1], 0.5 * result.merge_weights[1], 1e-12);
}

TEST(Search, ItFindsABetterMixtureThanPriorAndUniform) {
  // True objective: each domain's score in the units of its gain.
  const auto value = [](std::span<const double> a) {
    return std::sqrt(a[0]) + std::sqrt(a[1]) + std::sqrt(a[2]);
  };
  const auto& result = quick_result();
  const std::vector<double> prior = {0.4, 0.1, 0.1, 0.4}, uniform(4, 0.25);
  EXPECT_GT(value(result.merge_weights), value(uniform));
  EXPECT_GT(value(result.merge_weights), value(prior));
  EXPECT_LT(result.merge_weights[3], 0.1);  // poor
}

TEST(Search, TheSameSeedGivesTheSameResultAndAnotherSeedAnother) {
  const auto& a = quick_result();
  const auto b = search_mixture(quick(), problem(), measure);
  EXPECT_EQ(a.merge_weights, b.merge_weights);
  EXPECT_EQ(a.evaluated.back().merge_weights, b.evaluated.back().merge_weights);
  auto other = problem();
  other.seed = 8;
  EXPECT_NE(search_mixture(quick(), other, measure).merge_weights, a.merge_weights);
}

TEST(Search, ProposalsOfLaterRoundsWereForetoldAmongTheBest) {
  const auto& result = quick_result();
  for (const auto& proxy : result.evaluated) {
    EXPECT_EQ(proxy.predicted_objective.has_value(), proxy.round > 0);
    EXPECT_EQ(proxy.predicted_domain_scores.size(), proxy.round > 0 ? 3u : 0u);
    if (proxy.round > 0) {
      EXPECT_GT(*proxy.predicted_objective, 0.6);
    }
  }
  // All proxies differ.
  for (size_t i = 0; i < result.evaluated.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      EXPECT_GT(l1_distance(result.evaluated[i].merge_weights, result.evaluated[j].merge_weights),
                1e-5);
    }
  }
}

SearchConfig adaptive() {
  auto config = quick();
  config.scheme = "adaptive";
  config.decide = "optimum";
  config.start = {"corners", "low_discrepancy", "dirichlet"};
  config.acquisition.candidates = 400;
  config.climbs = 6;
  config.predictor = "gaussian_process";
  config.constraints.max_times_prior = 0;
  return config;
}

const SearchResult& adaptive_result() {
  static const SearchResult result = search_mixture(adaptive(), problem(), measure);
  return result;
}

TEST(Search, AdaptiveEndsAtTheOptimumOfAKnownLandscape) {
  auto config = adaptive();
  config.objective = "deviation";
  // Σ √α over its deviation: all three alike, since deviations of √α are nearly so.
  const auto result = search_mixture(config, problem(), measure);
  for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(result.merge_weights[k], 1.0 / 3, 0.1) << k;
  EXPECT_LT(result.merge_weights[3], 0.02);
  EXPECT_NE(result.decision.find("climbs ended equally high"), std::string::npos);

  config.weights = {{"math", 1}};
  EXPECT_GT(search_mixture(config, problem(), measure).merge_weights[1], 0.95);
}

TEST(Search, AdaptiveProposesDistinctMembersAndIsDeterministic) {
  const auto& result = adaptive_result();
  ASSERT_EQ(result.evaluated.size(), 28u);
  for (size_t i = 0; i < result.evaluated.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      EXPECT_GT(l1_distance(result.evaluated[i].merge_weights, result.evaluated[j].merge_weights),
                1e-5);
    }
  }
  const auto again = search_mixture(adaptive(), problem(), measure);
  EXPECT_EQ(again.merge_weights, result.merge_weights);
  EXPECT_EQ(again.evaluated.back().merge_weights, result.evaluated.back().merge_weights);
  EXPECT_EQ(again.next_gain, result.next_gain);
}

TEST(Search, WhatIsDecidedCanDifferFromTheScheme) {
  auto config = quick();
  config.decide = "optimum";
  const auto result = search_mixture(config, problem(), measure);
  EXPECT_NE(result.merge_weights, quick_result().merge_weights);
  // The proposals are the paper's all the same.
  EXPECT_EQ(result.evaluated.back().merge_weights, quick_result().evaluated.back().merge_weights);
  EXPECT_NE(quick_result().decision.find("the average of the best 30 of 3000"), std::string::npos);
}

TEST(Search, FloorsHoldInWhatIsPredicted) {
  auto config = adaptive();
  config.objective = "deviation";
  config.weights = {{"math", 1}};
  config.floors = {{"code", 0.01}, {"arc", 0.1}};
  config.current = {{"general", 0.7}, {"math", 0.05}, {"code", 0.15}, {"poor", 0.1}};
  const auto result = search_mixture(config, problem(), measure);
  const auto before = landscape(std::vector<double>{0.4, 0.1, 0.3, 0.2});
  const auto after = landscape(result.merge_weights);
  EXPECT_GT(after.at("mbpp").value, 0.975 * before.at("mbpp").value);
  EXPECT_GT(after.at("arc").value, 0.88 * before.at("arc").value);
  EXPECT_LT(after.at("gsm8k_loss").value, before.at("gsm8k_loss").value - 0.05);

  config.floors = {{"cod", 0.01}};
  try {
    search_mixture(config, problem(), measure);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "floors: there is no domain or metric 'cod'; did you mean 'code'?");
  }
}

TEST(Search, TolerancesAreWhereTheGoalHasFallenByOneStandardError) {
  const auto& result = adaptive_result();
  ASSERT_EQ(result.tolerance.size(), 4u);
  EXPECT_GT(result.goal_error, 0);
  for (size_t k = 0; k < 4; ++k) {
    EXPECT_LE(result.tolerance[k].low, result.merge_weights[k]);
    EXPECT_GE(result.tolerance[k].high, result.merge_weights[k]);
  }
}

TEST(Search, TheFrontHasMixturesThatNoneExceeds) {
  const auto& front = adaptive_result().front;
  ASSERT_GE(front.size(), 3u);
  for (const auto& a : front) {
    for (const auto& b : front) {
      bool everywhere = true, somewhere = false;
      for (size_t d = 0; d < 3; ++d) {
        everywhere &= a.scores[d] >= b.scores[d];
        somewhere |= a.scores[d] > b.scores[d];
      }
      EXPECT_FALSE(everywhere && somewhere);
    }
  }
}

TEST(Search, BudgetsEndItAndSayWhy) {
  auto config = adaptive();
  config.budget.proxies = 20;
  EXPECT_EQ(config.total_proxies(), 20);
  auto input = problem();
  int asked = -1;
  input.spent = [&](int round) {
    asked = round;
    return Spent{.items = 160, .seconds = 30};
  };
  config = adaptive();
  config.budget.items = 190;
  auto result = search_mixture(config, input, measure);
  EXPECT_EQ(result.evaluated.size(), 16u + 3 + 3);  // 10 items each; spent says the same again
  EXPECT_EQ(asked, 1);
  config.budget.items = 165;
  result = search_mixture(config, input, measure);
  EXPECT_EQ(result.evaluated.size(), 16u);
  EXPECT_EQ(result.stopped, "160 of budget.items (165) are scored");
  config = adaptive();
  config.budget.seconds = 29;
  EXPECT_EQ(search_mixture(config, input, measure).evaluated.size(), 16u);
  config = adaptive();
  config.budget.regret = 100;
  result = search_mixture(config, problem(), measure);
  EXPECT_EQ(result.evaluated.size(), 16u);
  EXPECT_NE(result.stopped.find("less than budget.regret (100)"), std::string::npos);
  ASSERT_TRUE(result.next_gain);
  config.budget.proxies = 0;
  EXPECT_THROW(search_mixture(config, problem(), measure), Error);
}

TEST(Search, KnownProxiesTakeThePlacesOfTheFirstRound) {
  auto warm = problem();
  for (size_t i = 0; i < 16; ++i) {
    const auto& proxy = quick_result().evaluated[i];
    warm.known.push_back({proxy.merge_weights, landscape(proxy.merge_weights)});
  }
  std::vector<size_t> batches;
  const auto result = search_mixture(quick(), warm, [&](std::span<const Mixture> batch) {
    batches.push_back(batch.size());
    return measure(batch);
  });
  EXPECT_EQ(batches, (std::vector<size_t>{8, 4}));
  ASSERT_EQ(result.evaluated.size(), 28u);
  EXPECT_EQ(result.evaluated[0].round, -1);
  EXPECT_EQ(result.evaluated[15].merge_weights, quick_result().evaluated[15].merge_weights);
  EXPECT_EQ(result.evaluated[16].round, 1);
  EXPECT_NE(result.decision.find("16 of the 28 proxies came from other runs"), std::string::npos);
}

TEST(Search, AComponentWithoutWeightInKnownProxiesKeepsItsPartOfTheFirstRound) {
  auto warm = problem();
  for (int i = 0; i < 20; ++i) {
    const double share = 0.1 + 0.04 * i;
    warm.known.push_back({{share, 1 - share, 0, 0}, {}});
    warm.known.back().metrics = landscape(warm.known.back().merge_weights);
  }
  std::vector<std::vector<Mixture>> batches;
  search_mixture(quick(), warm, [&](std::span<const Mixture> batch) {
    batches.emplace_back(batch.begin(), batch.end());
    return measure(batch);
  });
  // Two of four are new: a half of 16.
  ASSERT_EQ(batches[0].size(), 8u);
  EXPECT_TRUE(std::any_of(batches[0].begin(), batches[0].end(), [](const Mixture& mixture) {
    return mixture.weights[2] > 0;
  }));
}

TEST(Search, KnownProxiesAloneCanDecide) {
  auto warm = problem();
  for (const auto& proxy : quick_result().evaluated)
    warm.known.push_back({proxy.merge_weights, landscape(proxy.merge_weights)});
  auto config = quick();
  config.rounds = 1;
  config.decide = "optimum";
  const auto result = search_mixture(config, warm, [](std::span<const Mixture>) {
    ADD_FAILURE() << "nothing was left to measure";
    return std::vector<Measurements>{};
  });
  EXPECT_EQ(result.evaluated.size(), 28u);
  EXPECT_LT(result.merge_weights[3], 0.1);  // poor
}

TEST(Search, OfAPoolNothingElseIsMeasuredAndItsBestIsNamed) {
  auto pooled = problem();
  for (int i = 0; i < 60; ++i) {
    const double a = (i % 8 + 0.5) / 8, b = (1 - a) * ((i / 8) % 8 + 0.5) / 8;
    pooled.pool.push_back({a, b, (1 - a - b) * 0.75, (1 - a - b) * 0.25});
  }
  for (const char* scheme : {"paper", "adaptive"}) {
    auto config = quick();
    config.scheme = scheme;
    config.constraints.max_times_prior = 0;
    config.objective = "deviation";
    config.predictor = "gaussian_process";
    std::vector<std::vector<double>> measured;
    const auto result = search_mixture(config, pooled, [&](std::span<const Mixture> batch) {
      for (const Mixture& mixture : batch) measured.push_back(mixture.weights);
      return measure(batch);
    });
    EXPECT_EQ(measured.size(), 28u);
    for (const auto& weights : measured) {
      EXPECT_EQ(std::count(measured.begin(), measured.end(), weights), 1);
      EXPECT_EQ(std::count(pooled.pool.begin(), pooled.pool.end(), weights), 1);
    }
    // The true goal, in deviations over the pool.
    std::vector<double> goal(pooled.pool.size());
    for (size_t d = 0; d < 3; ++d) {
      std::vector<double> scores;
      for (const auto& weights : pooled.pool) scores.push_back(std::sqrt(weights[d]));
      for (size_t i = 0; i < goal.size(); ++i) goal[i] += scores[i] / standard_deviation(scores);
    }
    const double best = goal[result.best_of_pool.value()];
    EXPECT_LE(std::count_if(goal.begin(), goal.end(), [&](double x) { return x > best; }), 6)
        << scheme;
  }
}

TEST(Search, BaselinesAreForetoldBesideTheFoundMixture) {
  auto input = problem();
  input.baselines = {{"uniform", {0.25, 0.25, 0.25, 0.25}}};
  const auto result = search_mixture(adaptive(), input, measure);
  ASSERT_EQ(result.foretold.size(), 1u);
  const auto truth = landscape(std::vector<double>(4, 0.25));
  for (const auto& prediction : result.foretold[0].metrics) {
    ASSERT_TRUE(prediction.standard_error);
    EXPECT_NEAR(
        prediction.value, truth.at(prediction.metric).value, 4 * *prediction.standard_error + 1e-3);
  }
}

TEST(Search, PredictionsAreGivenPerMetricInItsOwnUnitWithAnError) {
  const auto& result = quick_result();
  ASSERT_EQ(result.predicted.size(), 3u);
  const auto truth = landscape(result.merge_weights);
  for (const auto& prediction : result.predicted) {
    ASSERT_TRUE(prediction.standard_error) << prediction.metric;
    EXPECT_NEAR(prediction.value, truth.at(prediction.metric).value, 4 * *prediction.standard_error)
        << prediction.metric;
  }
  EXPECT_EQ(result.predicted[1].metric, "gsm8k_loss");
  EXPECT_GT(result.predicted[1].value, 1.4);  // a loss, not its negative
  EXPECT_NEAR(result.predicted_domain_scores[1], -result.predicted[1].value, 0.05);
}

TEST(Search, TheTableOfPredictorsIsKeptWithOneChosenPerTarget) {
  const auto& result = quick_result();
  // Four predictors and their ensemble, three domains and three metrics.
  ASSERT_EQ(result.trials.size(), 30u);
  for (size_t i = 0; i < result.trials.size(); i += 5) {
    int chosen = 0;
    for (size_t k = i; k < i + 5; ++k) {
      EXPECT_EQ(result.trials[i].target, result.trials[k].target);
      EXPECT_TRUE(result.trials[k].cv_mae);
      EXPECT_NEAR(result.trials[k].coverage90.value_or(0), 0.9, 0.15) << result.trials[k].target;
      chosen += result.trials[k].chosen;
    }
    EXPECT_EQ(chosen, 1);
  }

  auto config = quick();
  config.predictor = "lightgbm";
  const auto fixed = search_mixture(config, problem(), measure);
  for (const auto& trial : fixed.trials) EXPECT_EQ(trial.chosen, trial.predictor == "lightgbm");
}

TEST(Search, NoiseIsReportedAsNoEvidence) {
  Rng rng(3);
  const auto noise = [&](std::span<const Mixture> batch) {
    std::vector<Measurements> results;
    for (size_t i = 0; i < batch.size(); ++i) {
      results.push_back(
          {{"arc", {rng.uniform(), 0}}, {"gsm8k_loss", {rng.uniform(), 0}}, {"mbpp", {0.5, 0}}});
    }
    return results;
  };
  const auto result = search_mixture(quick(), problem(), noise);
  const auto warned = [&](std::string_view text) {
    return std::any_of(
        result.warnings.begin(), result.warnings.end(), [&](const std::string& warning) {
          return warning.find(text) != std::string::npos;
        });
  };
  EXPECT_TRUE(warned("The predictor of general ranks left-out proxies no better than chance"));
  EXPECT_TRUE(warned("All 28 proxies score the same on code"));
  // Predictions that hardly differ do not make the next proxy look like a great gain.
  ASSERT_TRUE(result.next_gain);
  EXPECT_LT(*result.next_gain, 2);
  // Exploring went on, the decision is not led by noise.
  EXPECT_EQ(result.evaluated.size(), 28u);
  EXPECT_TRUE(warned("the goal does not depend on the mixture"));
  EXPECT_TRUE(result.front.empty());
  for (const auto& trial : result.trials) {
    if (trial.target != "general") continue;
    EXPECT_EQ(trial.chosen, trial.predictor == kMean);
  }
}

TEST(Search, ADomainWithoutEvidenceIsNamedAndCountsAsItIsPredicted) {
  Rng rng(4);
  const auto half_noise = [&](std::span<const Mixture> batch) {
    auto results = measure(batch);
    for (auto& measured : results) measured["arc"] = {rng.uniform(), 0};
    return results;
  };
  auto config = quick();
  config.proxies = 40;
  config.rounds = 1;
  config.decide = "optimum";
  config.predictor = "gaussian_process";
  config.constraints = {.max_times_prior = 0};
  const auto result = search_mixture(config, problem(), half_noise);
  const auto warning =
      std::find_if(result.warnings.begin(), result.warnings.end(), [](const std::string& text) {
        return text.find("The predictor of general ranks left-out proxies no better") == 0;
      });
  ASSERT_NE(warning, result.warnings.end());
  for (const auto& trial : result.trials)
    EXPECT_EQ(trial.chosen, trial.predictor == "gaussian_process") << trial.target;
}

TEST(Search, ASetOfOneMixtureIsFoundWithAWarning) {
  auto config = quick();
  config.constraints = {.max_times_prior = 0};
  config.constraints.min_share = {{"general", 0.7}, {"math", 0.1}, {"code", 0.1}, {"poor", 0.1}};
  const auto result = search_mixture(config, problem(), measure);
  EXPECT_EQ(result.evaluated.size(), 1u);
  EXPECT_NEAR(result.data_shares[0], 0.7, 1e-9);
  EXPECT_NEAR(result.merge_weights[1], 0.2, 1e-9);
  EXPECT_FALSE(result.warnings.empty());
}

TEST(Search, AMissingScoreNamesProxyAndMetric) {
  const auto incomplete = [](std::span<const Mixture> batch) {
    auto results = measure(batch);
    results[2].erase("mbpp");
    return results;
  };
  try {
    search_mixture(quick(), problem(), incomplete);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "proxy 3 of round 1: no score for metric 'mbpp'");
  }
}

TEST(Search, BadSettingsAreErrorsBeforeAnythingIsEvaluated) {
  const auto refuses = [](SearchConfig config, SearchProblem input = problem()) {
    bool evaluated = false;
    EXPECT_THROW(search_mixture(config,
                                input,
                                [&](std::span<const Mixture> batch) {
                                  evaluated = true;
                                  return measure(batch);
                                }),
                 Error);
    EXPECT_FALSE(evaluated);
  };
  auto config = quick();
  config.rounds = 0;
  refuses(config);
  config = quick();
  config.average_of = 3001;
  refuses(config);
  config = quick();
  config.predictor = "oracle";
  refuses(config);
  config = quick();
  config.scheme = "luck";
  refuses(config);
  config = quick();
  config.decide = "luck";
  refuses(config);
  config = quick();
  config.start = {"trust_region"};
  refuses(config);
  config = quick();
  config.budget.items = 0;
  refuses(config);
  config = quick();
  config.current = {{"general", 0.4}};
  refuses(config);
  config = quick();
  config.constraints.max_share["general"] = 0.4;  // the anchor's share is at least 0.5
  refuses(config);
  auto input = problem();
  input.prior = {1, 2};
  refuses(quick(), input);
  input = problem();
  input.prior[1] = -1;
  refuses(quick(), input);
}

TEST(SearchConfig, IsReadFromYamlAndItsChecksNameThePlace) {
  const auto read = [](const char* text) {
    return read_config<SearchConfig>(ConfigNode::parse(text, "run.yaml"));
  };
  const auto config = read(
      "proxies: 16\n"
      "predictor: ridge\n"
      "sampler: {prior_power: 0.5}\n"
      "constraints: {max_epochs: 4, max_share: {math: 0.3}}\n"
      "predictors: {lightgbm: {learning_rate: 0.02}}\n");
  EXPECT_EQ(config.proxies, 16);
  EXPECT_EQ(config.rounds, 3);
  EXPECT_EQ(config.sampler.prior_power, 0.5);
  EXPECT_EQ(config.constraints.max_share.at("math"), 0.3);
  EXPECT_EQ(config.predictors.lightgbm.learning_rate, 0.02);

  const auto message = [&](const char* text) -> std::string {
    try {
      read(text);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_NE(message("proxys: 16\n").find("proxies"), std::string::npos);
  EXPECT_NE(message("rounds: 0\n").find("rounds is 0, expected from 1 to 10000"),
            std::string::npos);
  EXPECT_NE(message("constraints: {max_share: {math: 2}}\n").find("max_share.math is 2"),
            std::string::npos);
}

}  // namespace
}  // namespace demix
