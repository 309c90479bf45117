#include "demix/study/decisions.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "demix/core/error.h"
#include "demix/core/fast_hash.h"
#include "demix/core/ranks.h"
#include "demix/run/references.h"
#include "demix/search/search.h"
#include "demix/study/calibrated.h"
#include "demix/validate/calibration.h"

namespace demix {
namespace {

using MergeWeights = std::vector<std::vector<double>>;
using Estimate = std::function<Experiment::DomainScores(const MergeWeights&)>;

// Merge weights of the mixture that a search with these scores ends with.
std::vector<double> searched(StudyContext& context,
                             const Experiment& experiment,
                             const SearchConfig& config,
                             const Estimate& estimate) {
  SearchProblem problem{experiment.composition(), {}, {}, context.dataset_tokens(), 0, 0};
  problem.seed = context.config().seed;
  problem.target_tokens = context.config().target_tokens.value_or(0);
  for (const std::string& domain : context.domains())
    problem.metrics.push_back({domain, domain, true});
  for (const int64_t tokens : problem.dataset_tokens)
    problem.prior.push_back(static_cast<double>(tokens));
  return search_mixture(config,
                        problem,
                        [&](std::span<const Mixture> mixtures) {
                          MergeWeights weights;
                          for (const Mixture& mixture : mixtures)
                            weights.push_back(mixture.weights);
                          std::vector<Measurements> measured;
                          for (const std::vector<Score>& scores : estimate(weights)) {
                            Measurements one;
                            for (size_t d = 0; d < scores.size(); ++d) {
                              const double error = scores[d].standard_error;
                              one[context.domains()[d]] = {scores[d].value,
                                                           std::isnan(error) ? 0 : error};
                            }
                            measured.push_back(std::move(one));
                          }
                          return measured;
                        })
      .merge_weights;
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
    const FastDigest digest = fast_hash(std::as_bytes(std::span(alpha)));
    requests.push_back({fmt::format("trained_proxies/{}/{}", experiment.name(), hex_of(digest)),
                        experiment.composition().data_shares(alpha),
                        training,
                        {}});
  }
  return context.score_models(context.models().train(requests, "trained proxies"),
                              "trained proxies");
}

// A mixture that was really trained, once or more often.
struct Taught {
  std::vector<double> merge_weights;
  std::vector<double> scores;  // by domain
};

// The study's references: their mean over all trainings, or the first `count` of them as one
// training has them.
std::vector<Taught> taught_by(const StudyTables& tables,
                              const Composition& composition,
                              size_t count = 0) {
  std::vector<std::string> names;
  const auto means = trained_scores(tables, &names);
  std::vector<Taught> taught;
  for (size_t i = 0; i < names.size() && (count == 0 || i < count); ++i) {
    const auto row = std::find_if(tables.references.begin(),
                                  tables.references.end(),
                                  [&](const ReferenceRow& r) { return r.reference == names[i]; });
    taught.push_back({composition.project(row->shares).merge_weights, row->scores});
    if (count > 0) continue;
    for (size_t d = 0; d < means.size(); ++d) taught.back().scores[d] = means[d][i];
  }
  return taught;
}

// What trained mixtures lead to expect of others, by calibration of the experiment's estimates, or
// by data shares alone.
class CalibratedScores {
 public:
  CalibratedScores(StudyContext& context,
                   Experiment& experiment,
                   std::span<const Taught> taught,
                   bool with_estimates)
      : experiment_(experiment),
        choosers_(with_estimates ? calibrated_from(context.has_ensembles())
                                 : std::vector<std::string>()) {
    MergeWeights weights;
    std::vector<std::vector<double>> trained;
    for (const Taught& one : taught) {
      weights.push_back(one.merge_weights);
      trained.push_back(one.scores);
    }
    calibrations_.emplace(estimated(weights), trained);
  }

  // With `boldness` standard deviations of what is not known added.
  Experiment::DomainScores operator()(const MergeWeights& weights, double boldness = 0) {
    Experiment::DomainScores result;
    for (const EstimatedMixture& mixture : estimated(weights)) {
      result.emplace_back();
      for (const Forecast& forecast : calibrations_->expected(mixture))
        result.back().push_back({forecast.mean + boldness * forecast.uncertainty, 0});
    }
    return result;
  }

 private:
  std::vector<EstimatedMixture> estimated(const MergeWeights& weights) {
    std::vector<EstimatedMixture> mixtures;
    for (const auto& alpha : weights)
      mixtures.push_back({experiment_.composition().data_shares(alpha), {}});
    for (const std::string& chooser : choosers_) {
      const auto scores = chooser == "merge"           ? experiment_.merged("merge", weights)
                          : chooser == "ensemble"      ? experiment_.ensembles(weights)
                          : chooser == "interpolation" ? experiment_.interpolations(weights)
                                                       : experiment_.own_shares(weights);
      for (size_t i = 0; i < mixtures.size(); ++i)
        mixtures[i].estimates.push_back(values_of(scores[i]));
    }
    return mixtures;
  }

  Experiment& experiment_;
  std::vector<std::string> choosers_;
  std::optional<DomainCalibrations> calibrations_;
};

class Decider {
 public:
  Decider(StudyContext& context, Experiment& experiment, const StudyTables& tables)
      : context_(context),
        experiment_(experiment),
        composition_(experiment.composition()),
        search_(context.config().search),
        study_(context.config().study.decisions),
        tables_(tables) {}

  std::vector<DecidedMixture> decisions();

 private:
  void as_is(const std::string& chooser, const std::vector<double>& shares) {
    if (study_.wants(chooser)) decisions_.push_back({chooser, shares});
  }
  void by_search(const std::string& chooser, const SearchConfig& config, const Estimate& estimate) {
    if (!study_.wants(chooser)) return;
    as_is(chooser, composition_.data_shares(searched(context_, experiment_, config, estimate)));
  }
  void by_calibration(const std::string& chooser,
                      size_t references,
                      bool with_estimates,
                      double boldness = 0);
  void by_refining(const std::string& chooser, bool with_estimates, double boldness);
  void by_trained_proxies();

  StudyContext& context_;
  Experiment& experiment_;
  const Composition& composition_;
  const SearchConfig& search_;
  const StudyDecisions& study_;
  const StudyTables& tables_;
  std::vector<DecidedMixture> decisions_;
};

void Decider::by_calibration(const std::string& chooser,
                             size_t references,
                             bool with_estimates,
                             double boldness) {
  if (!study_.wants(chooser)) return;
  CalibratedScores calibrated(
      context_, experiment_, taught_by(tables_, composition_, references), with_estimates);
  by_search(
      chooser, search_, [&](const MergeWeights& weights) { return calibrated(weights, boldness); });
}

// Each reference of its own is trained where the ones before lead to expect most.
void Decider::by_refining(const std::string& chooser, bool with_estimates, double boldness) {
  if (!study_.wants(chooser)) return;
  std::vector<Taught> taught = taught_by(tables_, composition_, study_.taught);
  for (size_t step = 0; step < study_.refined; ++step) {
    CalibratedScores calibrated(context_, experiment_, taught, with_estimates);
    const std::vector<double> alpha =
        searched(context_, experiment_, search_, [&](const MergeWeights& weights) {
          return calibrated(weights, boldness);
        });
    const uint64_t order = context_.config().study.reference_seeds.front() + 1000 * (step + 1);
    const std::vector<ModelFacts> trained = context_.models().train(
        {{fmt::format("refined/{}/{}/{}", experiment_.name(), chooser, step + 1),
          composition_.data_shares(alpha),
          context_.reference_training(),
          order}},
        "refining references");
    const auto scores = context_.score_models(trained, "refining references");
    taught.push_back({alpha, values_of(scores.front())});
  }
  CalibratedScores calibrated(context_, experiment_, taught, with_estimates);
  const double caution = std::min(boldness, 0.0);  // what was bold in exploring decides plainly
  by_search(
      chooser, search_, [&](const MergeWeights& weights) { return calibrated(weights, caution); });
  // Of its own, what is expected most of now.
  MergeWeights own;
  for (size_t i = study_.taught; i < taught.size(); ++i) own.push_back(taught[i].merge_weights);
  const Experiment::DomainScores expected = calibrated(own, caution);
  const auto references = trained_scores(tables_);
  size_t best = 0;
  for (size_t i = 1; i < own.size(); ++i)
    if (aggregate_of(expected[i], references) > aggregate_of(expected[best], references)) best = i;
  as_is(chooser + "_trained", composition_.data_shares(own[best]));
}

void Decider::by_trained_proxies() {
  const auto trained = [&](const MergeWeights& weights) {
    return train_proxies(context_, experiment_, weights);
  };
  const auto proxies = static_cast<int>(study_.trained_proxies);
  SearchConfig once = search_;
  once.rounds = 1;
  once.proxies = proxies;
  by_search("trained_proxies", once, trained);
  SearchConfig regmix = once;
  regmix.predictor = "lightgbm";
  regmix.decide = "average";
  by_search("regmix", regmix, trained);
  SearchConfig climb = regmix;
  climb.rounds = 3;
  climb.proxies = proxies * 4 / 7;  // and a half, and a quarter of them
  by_search("climb", climb, trained);
}

std::vector<DecidedMixture> Decider::decisions() {
  for (const MixtureFacts& facts :
       choose_baselines(composition_, context_.dataset_tokens(), search_.sampler.prior_power, {})) {
    if (facts.name != "flattened") as_is(facts.name, facts.mixture);
  }
  const std::vector<int64_t> tokens = context_.dataset_tokens();
  as_is("natural_unprojected", powers_of(tokens, 1));
  as_is("uniform_unprojected", powers_of(tokens, 0));
  for (const std::string& merge : experiment_.merge_names()) {
    by_search(merge, search_, [&](const MergeWeights& weights) {
      return experiment_.merged(merge, weights);
    });
  }
  if (context_.has_ensembles())
    by_search("ensemble", search_, [&](const MergeWeights& weights) {
      return experiment_.ensembles(weights);
    });
  by_search("interpolation", search_, [&](const MergeWeights& weights) {
    return experiment_.interpolations(weights);
  });
  if (context_.has_own_shares())
    by_search("own_share", search_, [&](const MergeWeights& weights) {
      return experiment_.own_shares(weights);
    });
  by_calibration("calibrated", 0, true);
  by_calibration("references_only", 0, false);
  by_calibration("calibrated_few", study_.taught, true);
  by_calibration("calibrated_few_cautiously", study_.taught, true, -1);
  by_refining("refined", true, 0);
  by_refining("refined_cautiously", true, -1);
  by_refining("refined_boldly", true, 1);
  by_refining("refined_by_shares", false, 0);
  by_trained_proxies();
  return std::move(decisions_);
}

}  // namespace

double aggregate_of(const std::vector<Score>& scores,
                    const std::vector<std::vector<double>>& trained) {
  double sum = 0;
  for (size_t d = 0; d < scores.size(); ++d)
    sum += (scores[d].value - mean(trained[d])) / standard_deviation(trained[d]);
  return sum / static_cast<double>(scores.size());
}

std::vector<DecidedMixture> decide(StudyContext& context,
                                   Experiment& experiment,
                                   const StudyTables& tables) {
  return Decider(context, experiment, tables).decisions();
}

}  // namespace demix
