#include "demix/study/decisions.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/run/references.h"
#include "demix/search/predictor.h"
#include "demix/search/search.h"
#include "demix/validate/calibration.h"

namespace demix {
namespace {

using MergeWeights = std::vector<std::vector<double>>;
using Estimate = std::function<Experiment::DomainScores(const MergeWeights&)>;

class Decider {
 public:
  Decider(StudyContext& context, Experiment& experiment)
      : context_(context), experiment_(experiment) {}

  void by_search(const std::string& chooser, const SearchConfig& config, const Estimate& estimate);
  void as_is(const std::string& chooser, const std::vector<double>& shares) {
    decisions_.push_back({chooser, shares});
  }
  std::vector<Decision> decisions() { return std::move(decisions_); }

 private:
  StudyContext& context_;
  Experiment& experiment_;
  std::vector<Decision> decisions_;
};

void Decider::by_search(const std::string& chooser,
                        const SearchConfig& config,
                        const Estimate& estimate) {
  SearchProblem problem{experiment_.composition(), {}, {}, context_.dataset_tokens(), 0, 0};
  problem.seed = context_.config().seed;
  for (const std::string& domain : context_.domains())
    problem.metrics.push_back({domain, domain, true});
  for (const int64_t tokens : problem.dataset_tokens)
    problem.prior.push_back(static_cast<double>(tokens));
  const SearchResult found =
      search_mixture(config, problem, [&](std::span<const Mixture> mixtures) {
        MergeWeights weights;
        for (const Mixture& mixture : mixtures) weights.push_back(mixture.weights);
        std::vector<Measurements> measured;
        for (const std::vector<Score>& scores : estimate(weights)) {
          Measurements one;
          for (size_t d = 0; d < scores.size(); ++d) {
            const double error = scores[d].standard_error;
            one[context_.domains()[d]] = {scores[d].value, std::isnan(error) ? 0 : error};
          }
          measured.push_back(std::move(one));
        }
        return measured;
      });
  decisions_.push_back({chooser, found.data_shares});
}

// Models trained from the base on the mixtures, with an equal part of `tokens` each.
Experiment::DomainScores train_proxies(StudyContext& context,
                                       const Experiment& experiment,
                                       const MergeWeights& weights) {
  StageTraining training = context.reference_training();
  training.tokens =
      std::max<int64_t>(1, experiment.tokens() / context.config().study.decisions.trained_proxies);
  std::vector<ModelRequest> requests;
  for (const auto& alpha : weights) {
    // By what it is, since several searches ask for the same.
    std::string name = fmt::format("trained_proxies/{}/", experiment.name());
    for (const double weight : alpha) name += fmt::format("{:03.0f}", 1000 * weight);
    requests.push_back({name, experiment.composition().data_shares(alpha), training, {}});
  }
  const std::vector<ModelFacts> models = context.models().train(requests, "trained proxies");
  Experiment::DomainScores scores;
  for (const ModelFacts& model : models) scores.push_back(context.score_model(model));
  return scores;
}

// What a Gaussian process learns from the references alone.
class ReferenceProcess {
 public:
  ReferenceProcess(const StudyTables& tables, const Composition& composition)
      : composition_(composition), domains_(tables.domains.size()) {
    Points shares(tables.datasets.size());
    std::vector<std::vector<double>> scores(domains_);
    for (const ReferenceRow& row : tables.references) {
      shares.add(row.shares);
      for (size_t d = 0; d < domains_; ++d) scores[d].push_back(row.scores[d]);
    }
    for (size_t d = 0; d < domains_; ++d) {
      processes_.push_back(make_predictor("gaussian_process"));
      processes_.back()->fit(shares, scores[d]);
    }
  }
  Experiment::DomainScores operator()(const MergeWeights& weights) const {
    Points shares(composition_.datasets().size());
    for (const auto& alpha : weights) shares.add(composition_.data_shares(alpha));
    Experiment::DomainScores result(weights.size(), std::vector<Score>(domains_));
    for (size_t d = 0; d < domains_; ++d) {
      const std::vector<double> predicted = processes_[d]->predict(shares);
      for (size_t i = 0; i < weights.size(); ++i) result[i][d].value = predicted[i];
    }
    return result;
  }

 private:
  const Composition& composition_;
  size_t domains_;
  std::vector<std::unique_ptr<Predictor>> processes_;
};

// The scores that the experiment's estimates lead to expect, by calibration on the references.
class CalibratedScores {
 public:
  CalibratedScores(const StudyTables& tables, const Experiment& experiment) {
    const auto trained = trained_scores(tables);
    std::vector<std::vector<std::vector<double>>> estimates(trained.size());  // [domain][chooser]
    for (const char* chooser : kCalibratedFrom) {
      auto scores = estimates_of(tables, experiment.name(), chooser);
      if (!scores.empty()) choosers_.push_back(chooser);
      for (size_t d = 0; d < scores.size(); ++d) estimates[d].push_back(std::move(scores[d]));
    }
    for (size_t d = 0; d < trained.size(); ++d)
      calibrations_.emplace_back(estimates[d], trained[d]);
  }

  Experiment::DomainScores operator()(Experiment& experiment, const MergeWeights& weights) const {
    std::vector<Experiment::DomainScores> estimates;
    for (const std::string& chooser : choosers_) {
      estimates.push_back(chooser == "merge"           ? experiment.merged("merge", weights)
                          : chooser == "ensemble"      ? experiment.ensembles(weights)
                          : chooser == "interpolation" ? experiment.interpolations(weights)
                                                       : experiment.own_shares(weights));
    }
    Experiment::DomainScores result(weights.size(), std::vector<Score>(calibrations_.size()));
    for (size_t i = 0; i < weights.size(); ++i) {
      for (size_t d = 0; d < calibrations_.size(); ++d) {
        std::vector<double> own;
        for (const auto& scores : estimates) own.push_back(scores[i][d].value);
        result[i][d].value = calibrations_[d].expected(own);
      }
    }
    return result;
  }

 private:
  std::vector<std::string> choosers_;
  std::vector<Calibration> calibrations_;  // by domain
};

}  // namespace

std::vector<Decision> decide(StudyContext& context,
                             Experiment& experiment,
                             const StudyTables& tables) {
  const SearchConfig& search = context.config().search;
  const Composition& composition = experiment.composition();
  Decider decider(context, experiment);

  for (const MixtureFacts& facts :
       choose_baselines(composition, context.dataset_tokens(), search.sampler.prior_power, {})) {
    if (facts.name != "flattened") decider.as_is(facts.name, facts.mixture);
  }
  for (const std::string& merge : experiment.merge_names()) {
    decider.by_search(merge, search, [&](const MergeWeights& weights) {
      return experiment.merged(merge, weights);
    });
  }
  if (context.has_ensembles())
    decider.by_search("ensemble", search, [&](const MergeWeights& weights) {
      return experiment.ensembles(weights);
    });
  decider.by_search("interpolation", search, [&](const MergeWeights& weights) {
    return experiment.interpolations(weights);
  });
  const std::vector<Score> shares = context.own_shares_of(
      std::vector<double>(context.datasets().size(), 1.0 / context.datasets().size()));
  if (std::none_of(
          shares.begin(), shares.end(), [](const Score& s) { return std::isnan(s.value); })) {
    decider.by_search("own_share", search, [&](const MergeWeights& weights) {
      return experiment.own_shares(weights);
    });
  }
  const CalibratedScores calibrated(tables, experiment);
  decider.by_search("calibrated", search, [&](const MergeWeights& weights) {
    return calibrated(experiment, weights);
  });
  const ReferenceProcess process(tables, composition);
  decider.by_search(
      "references_only", search, [&](const MergeWeights& weights) { return process(weights); });

  const auto trained = [&](const MergeWeights& weights) {
    return train_proxies(context, experiment, weights);
  };
  const auto proxies = static_cast<int>(context.config().study.decisions.trained_proxies);
  SearchConfig once = search;
  once.rounds = 1;
  once.proxies = proxies;
  decider.by_search("trained_proxies", once, trained);
  SearchConfig regmix = once;
  regmix.predictor = "lightgbm";
  regmix.decide = "average";
  decider.by_search("regmix", regmix, trained);
  SearchConfig climb = regmix;
  climb.rounds = 3;
  climb.proxies = proxies * 4 / 7;  // and a half, and a quarter of them
  decider.by_search("climb", climb, trained);
  return decider.decisions();
}

}  // namespace demix
