#include "demix/study/study.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "demix/core/error.h"
#include "demix/core/ranks.h"
#include "demix/study/calibrated.h"
#include "demix/study/context.h"
#include "demix/study/decisions.h"
#include "demix/study/experiment.h"
#include "demix/study/gauges.h"

namespace demix {
namespace {

// Of the data that two mixtures differ in: below it they are the same, up to what tables round.
constexpr double kSameMixture = 1e-4;

// A mixture that is really trained.
struct Reference {
  std::string name;
  std::vector<double> shares;
};

// Random ones, and uniform, under the configuration's own composition, whose anchor share is no
// smaller than that of any arm that foretells them.
std::vector<Reference> choose_references(const StudyConfig& config) {
  const Composition composition = composition_of(config);
  const auto components = composition.components().size();
  std::vector<Reference> references;
  references.push_back({"uniform",
                        composition.data_shares(std::vector<double>(
                            components, 1.0 / static_cast<double>(components)))});
  Rng rng = Rng(config.seed).stream("references");
  const std::vector<double> concentrations(components, config.study.spread);
  for (int i = 1; i < config.study.references; ++i) {
    references.push_back(
        {fmt::format("random_{:02}", i), composition.data_shares(rng.dirichlet(concentrations))});
  }
  return references;
}

// Those of `references_from`, checked before the first model is trained.
std::vector<ReferenceRow> earlier_references(const StudyConfig& config) {
  const StudySection& study = config.study;
  if (study.references_from.empty()) return {};
  const auto metrics =
      metrics_of(config.evaluate, load_tasks(config.evaluate), held_out_datasets(config));
  const std::vector<ReferenceRow> rows = read_references(
      study.references_from, config.dataset_names(), objective_of(metrics).domains());
  std::set<std::string> names;
  for (const ReferenceRow& row : rows) names.insert(row.reference);
  if (study.decisions.refines() && study.decisions.taught > names.size())
    throw Error("study.decisions.taught is {}, but {} has {} references",
                study.decisions.taught,
                study.references_from.string(),
                names.size());
  return rows;
}

// The mixtures of an earlier study's references.
std::vector<Reference> references_of(const std::vector<ReferenceRow>& rows) {
  std::vector<Reference> references;
  for (const ReferenceRow& row : rows) {
    const auto same = [&](const Reference& known) { return known.name == row.reference; };
    if (std::none_of(references.begin(), references.end(), same))
      references.push_back({row.reference, row.shares});
  }
  return references;
}

// By which an arm's components make the references' mixtures. Throws Error where they cannot.
std::vector<std::vector<double>> merge_weights_of(const std::vector<Reference>& references,
                                                  const std::string& arm,
                                                  const Composition& composition) {
  std::vector<std::vector<double>> weights;
  for (const Reference& reference : references) {
    Projection projection = composition.project(reference.shares);
    if (projection.total_variation > kSameMixture)
      throw Error(
          "study.arms.{}: its components cannot express the reference {}: {:.1f} % of the data "
          "differs; its anchor_share must not exceed components.anchor_share, or `foretells` be "
          "false",
          arm,
          reference.name,
          100 * projection.total_variation);
    weights.push_back(std::move(projection.merge_weights));
  }
  return weights;
}

class Study {
 public:
  // `trained`: references of an earlier study; empty: this one trains its own.
  Study(StudyConfig config,
        const std::filesystem::path& out,
        const std::optional<Address>& listen,
        std::vector<Reference> references,
        std::vector<ReferenceRow> trained);

  void train_references();
  void train_shorter();
  void estimate(const std::string& arm_name, const StudyArm& arm, uint64_t seed);
  void decide_and_train(const std::string& arm_name, uint64_t seed);
  void write() { write_tables(tables_, context_.workspace().folder()); }
  const StudyTables& tables() const { return tables_; }

 private:
  void add(const std::string& experiment,
           const std::string& chooser,
           const Experiment::DomainScores& scores);

  StudyContext context_;
  std::vector<Reference> references_;
  StudyTables tables_;
};

Study::Study(StudyConfig config,
             const std::filesystem::path& out,
             const std::optional<Address>& listen,
             std::vector<Reference> references,
             std::vector<ReferenceRow> trained)
    : context_(std::move(config), out, listen), references_(std::move(references)) {
  tables_.datasets = context_.datasets();
  tables_.domains = context_.domains();
  tables_.references = std::move(trained);
}

void Study::train_references() {
  std::vector<ModelRequest> requests;
  for (const uint64_t seed : context_.config().study.reference_seeds) {
    for (const Reference& reference : references_) {
      requests.push_back({fmt::format("references/{}/{}", seed, reference.name),
                          reference.shares,
                          context_.reference_training(),
                          seed});
    }
  }
  const std::vector<ModelFacts> trained = context_.models().train(requests, "references");
  const auto scores = context_.score_models(trained, "references");
  for (size_t i = 0; i < trained.size(); ++i) {
    const Reference& reference = references_[i % references_.size()];
    tables_.references.push_back({reference.name,
                                  *requests[i].seed,
                                  reference.shares,
                                  values_of(scores[i]),
                                  errors_of(scores[i])});
  }
}

// The references' mixtures with fewer tokens, each an estimate of the whole training.
void Study::train_shorter() {
  for (const auto& [chooser, tokens] : context_.config().study.shorter) {
    StageTraining training = context_.reference_training();
    training.tokens = tokens;
    std::vector<ModelRequest> requests;
    for (const Reference& reference : references_)
      requests.push_back(
          {fmt::format("shorter/{}/{}", chooser, reference.name), reference.shares, training, {}});
    const std::vector<ModelFacts> trained = context_.models().train(requests, "shorter models");
    add("references", chooser, context_.score_models(trained, "shorter models"));
  }
}

void Study::add(const std::string& experiment,
                const std::string& chooser,
                const Experiment::DomainScores& scores) {
  for (size_t r = 0; r < scores.size(); ++r) {
    const std::vector<double> values = values_of(scores[r]);
    // A domain without data of its own has no share of it, and then there is no such chooser.
    if (std::isnan(std::accumulate(values.begin(), values.end(), 0.0))) return;
    tables_.estimates.push_back({experiment, chooser, references_[r].name, values});
  }
}

void Study::estimate(const std::string& arm_name, const StudyArm& arm, uint64_t seed) {
  Experiment experiment(context_, arm_name, arm, seed);
  const auto weights = merge_weights_of(references_, arm_name, experiment.composition());
  const std::string& name = experiment.name();
  add(name, "interpolation", experiment.interpolations(weights));
  add(name, "own_share", experiment.own_shares(weights));
  if (context_.has_ensembles()) add(name, "ensemble", experiment.ensembles(weights));
  for (const std::string& merge : experiment.merge_names())
    add(name, merge, experiment.merged(merge, weights));
  add_calibrated(tables_, name);
  tables_.signs.push_back(experiment.signs());
  add_gauge(tables_, name);
}

void Study::decide_and_train(const std::string& arm_name, uint64_t seed) {
  const StudySection& study = context_.config().study;
  Experiment experiment(context_, arm_name, study.arms.at(arm_name), seed);
  const std::vector<DecidedMixture> decisions = decide(context_, experiment, tables_);
  std::vector<ModelRequest> requests;
  for (const DecidedMixture& decision : decisions) {
    for (const uint64_t training : study.decisions.seeds) {
      requests.push_back(
          {fmt::format("decisions/{}/{}/{}", experiment.name(), decision.chooser, training),
           decision.shares,
           context_.reference_training(),
           training});
    }
  }
  const std::vector<ModelFacts> trained = context_.models().train(requests, "decisions");
  const auto scores = context_.score_models(trained, "decisions");
  const auto references = trained_scores(tables_);
  for (size_t i = 0; i < trained.size(); ++i) {
    const DecidedMixture& decision = decisions[i / study.decisions.seeds.size()];
    tables_.decisions.push_back({experiment.name(),
                                 decision.chooser,
                                 *requests[i].seed,
                                 decision.shares,
                                 values_of(scores[i]),
                                 errors_of(scores[i]),
                                 aggregate_of(scores[i], references)});
  }
}

}  // namespace

StudyTables run_study(StudyConfig config,
                      const std::filesystem::path& out,
                      const std::optional<Address>& listen) {
  const StudySection section = config.study;
  std::vector<ReferenceRow> trained = earlier_references(config);
  const bool trains = trained.empty();
  std::vector<Reference> references = trains ? choose_references(config) : references_of(trained);
  for (const auto& [name, arm] : section.arms) {
    if (arm.foretells)
      merge_weights_of(references, name, composition_of(run_config_of(config, arm)));
  }
  Study study(std::move(config), out, listen, std::move(references), std::move(trained));
  if (trains) study.train_references();
  study.train_shorter();
  for (const auto& [name, arm] : section.arms) {
    if (!arm.foretells) continue;
    for (const uint64_t seed : arm.seeds) {
      study.estimate(name, arm, seed);
      study.write();
    }
  }
  for (const std::string& name : section.decisions.arms) {
    const std::vector<uint64_t>& seeds = section.arms.at(name).seeds;
    const size_t count = std::min(seeds.size(), section.decisions.component_seeds);
    for (size_t i = 0; i < count; ++i) {
      study.decide_and_train(name, seeds[i]);
      study.write();
    }
  }
  return study.tables();
}

}  // namespace demix
