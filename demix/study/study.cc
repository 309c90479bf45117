#include "demix/study/study.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <memory>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/merge/components.h"
#include "demix/model/weights.h"
#include "demix/run/datasets.h"
#include "demix/run/device.h"
#include "demix/run/metrics.h"
#include "demix/run/models.h"
#include "demix/run/proxies.h"
#include "demix/run/references.h"
#include "demix/run/workspace.h"

namespace demix {
namespace {

// Of the data that two mixtures differ in: below it they are the same.
constexpr double kSameMixture = 1e-6;

// A mixture that is really trained.
struct Reference {
  std::string name;
  std::vector<double> shares;
};

class Study {
 public:
  Study(StudyConfig config, const std::filesystem::path& out)
      : config_(std::move(config)),
        workspace_(config_, write_config(config_), out),
        names_(config_.dataset_names()),
        tokenizer_(Tokenizer::load(config_.tokenizer)),
        tasks_(load_tasks(config_.evaluate)),
        metrics_(resolve_metrics(config_.evaluate.domains, tasks_, held_out_datasets(config_))),
        objective_(objective_of(metrics_)) {
    resolve_device(config_.device);
    at::set_num_threads(resolve_threads(config_.threads));
    tables_.datasets = names_;
    tables_.domains = objective_.domains();
  }

  void prepare();
  void train_references();
  void estimate(const std::string& arm_name, const StudyArm& arm, uint64_t seed);
  void write() const { write_tables(tables_, workspace_.folder()); }
  const StudyTables& tables() const { return tables_; }

 private:
  std::vector<Score> domain_scores(const Scores& scores, const std::string& model) const;
  std::vector<ModelFacts> train_components(const std::string& name,
                                           const StudyArm& arm,
                                           const Composition& composition,
                                           uint64_t seed);
  void add_estimate(const std::string& experiment,
                    const std::string& chooser,
                    size_t reference,
                    const std::vector<Score>& scores);
  void add_signs(const std::string& experiment,
                 const std::vector<std::vector<Score>>& component_scores);

  StudyConfig config_;
  Workspace workspace_;
  const std::vector<std::string> names_;
  const Tokenizer tokenizer_;
  const std::vector<Task> tasks_;
  const std::vector<ScoredMetric> metrics_;
  const Objective objective_;

  std::map<std::string, DatasetShards> datasets_;
  std::unique_ptr<Models> models_;
  std::unique_ptr<Proxies> proxies_;
  std::vector<Reference> references_;
  StudyTables tables_;
};

std::vector<Score> Study::domain_scores(const Scores& scores, const std::string& model) const {
  const Measurements measurements = measurements_of(scores, metrics_, model);
  const std::vector<double> values =
      objective_.domain_scores(objective_.oriented(measurements, model));
  const std::vector<double> errors = objective_.domain_errors(measurements);
  std::vector<Score> result;
  for (size_t d = 0; d < values.size(); ++d) result.push_back({values[d], errors[d]});
  return result;
}

void Study::prepare() {
  datasets_ = prepare_datasets(workspace_, tokenizer_);
  models_ = std::make_unique<Models>(workspace_, datasets_, tokenizer_.vocabulary_size());
  models_->base();
  proxies_ = std::make_unique<Proxies>(workspace_, *models_, datasets_, tasks_, tokenizer_);

  const Composition composition = composition_of(config_);
  const auto components = composition.components().size();
  references_.push_back({"uniform",
                         composition.data_shares(std::vector<double>(
                             components, 1.0 / static_cast<double>(components)))});
  Rng rng = Rng(config_.seed).stream("references");
  const std::vector<double> concentrations(components, config_.study.spread);
  for (int i = 1; i < config_.study.references; ++i) {
    references_.push_back(
        {fmt::format("random_{:02}", i), composition.data_shares(rng.dirichlet(concentrations))});
  }
}

std::vector<double> values_of(const std::vector<Score>& scores) {
  std::vector<double> values;
  for (const Score& score : scores) values.push_back(score.value);
  return values;
}

std::vector<double> errors_of(const std::vector<Score>& scores) {
  std::vector<double> errors;
  for (const Score& score : scores) errors.push_back(score.standard_error);
  return errors;
}

void Study::train_references() {
  StageTraining training = config_.study.reference;
  if (training.tokens == 0) training.tokens = config_.components.tokens;
  if (!training.learning_rate) training.learning_rate = config_.components.learning_rate;
  if (!training.schedule) training.schedule = config_.components.schedule;
  std::vector<ModelRequest> requests;
  for (const uint64_t seed : config_.study.reference_seeds) {
    for (const Reference& reference : references_) {
      requests.push_back({fmt::format("references/{}/{}", seed, reference.name),
                          reference.shares,
                          training,
                          seed});
    }
  }
  const std::vector<ModelFacts> trained = models_->train(requests, "references");
  Progress progress("score references", static_cast<int64_t>(trained.size()), "models");
  for (size_t i = 0; i < trained.size(); ++i) {
    const Reference& reference = references_[i % references_.size()];
    const std::vector<Score> scores =
        domain_scores(proxies_->score_model(*models_, trained[i]), trained[i].name);
    tables_.references.push_back({reference.name,
                                  *requests[i].seed,
                                  reference.shares,
                                  values_of(scores),
                                  errors_of(scores)});
    progress.add(1);
  }
}

std::vector<ModelFacts> Study::train_components(const std::string& name,
                                                const StudyArm& arm,
                                                const Composition& composition,
                                                uint64_t seed) {
  const RunConfig run = run_config_of(config_, arm);
  std::vector<ModelRequest> requests;
  for (size_t k = 0; k < names_.size(); ++k) {
    std::vector<double> only(names_.size(), 0);
    only[k] = 1;
    // Far from one another, so that no component has the seed of another experiment.
    const uint64_t order = arm.shared_order ? seed : seed + 10'000 * (k + 1);
    requests.push_back({fmt::format("components/{}/{}", name, names_[k]),
                        composition.data_shares(only),
                        run.components,
                        order});
  }
  return models_->train(requests, "components");
}

void Study::add_estimate(const std::string& experiment,
                         const std::string& chooser,
                         size_t reference,
                         const std::vector<Score>& scores) {
  for (const Score& score : scores)
    if (std::isnan(score.value)) return;  // a domain without data of its own has no share of it
  tables_.estimates.push_back(
      {experiment, chooser, references_[reference].name, values_of(scores)});
}

void Study::add_signs(const std::string& experiment,
                      const std::vector<std::vector<Score>>& component_scores) {
  const Components& components = proxies_->components();
  SignRow row{experiment, {}};
  double drift = 0, cosine = 0;
  const size_t count = components.size();
  for (size_t k = 0; k < count; ++k) {
    drift += components.drifts()[k] / static_cast<double>(count);
    for (size_t l = 0; l < k && !components.cosines().empty(); ++l)
      cosine += 2 * components.cosines()[k][l] / static_cast<double>(count * (count - 1));
  }
  row.values["drift"] = drift;
  row.values["cosine"] = cosine;

  // Merges half-way between two components against the mean of their scores, for neighbours in a
  // ring: in units of the spread of the components' scores.
  std::vector<MergeRequest> requests;
  for (size_t k = 0; k < count; ++k) {
    std::vector<double> half(count, 0);
    half[k] += 0.5;
    half[(k + 1) % count] += 0.5;
    requests.push_back({half, fmt::format("midpoint {}", k)});
  }
  const std::vector<Scores> scores = proxies_->score_merges(requests);
  for (size_t d = 0; d < tables_.domains.size(); ++d) {
    double mean = 0, square = 0, error = 0, gap = 0;
    for (size_t k = 0; k < count; ++k) {
      const Score& score = component_scores[k][d];
      mean += score.value / static_cast<double>(count);
      square += score.value * score.value / static_cast<double>(count);
      error += score.standard_error / static_cast<double>(count);
      const double middle = domain_scores(scores[k], "a midpoint")[d].value;
      gap += (middle - 0.5 * (score.value + component_scores[(k + 1) % count][d].value)) /
             static_cast<double>(count);
    }
    const double spread = std::sqrt(std::max(0.0, square - mean * mean));
    row.values["spread." + tables_.domains[d]] = spread;
    row.values["gap." + tables_.domains[d]] = gap / spread;
    row.values["noise." + tables_.domains[d]] = error / spread;
  }
  tables_.signs.push_back(std::move(row));
}

void Study::estimate(const std::string& arm_name, const StudyArm& arm, uint64_t seed) {
  const std::string experiment = fmt::format("{}.{}", arm_name, seed);
  const Composition composition = composition_of(run_config_of(config_, arm));
  const std::vector<ModelFacts> components = train_components(experiment, arm, composition, seed);

  std::vector<std::vector<Score>> component_scores;
  std::vector<std::vector<float>> tokens;
  {
    Progress progress("score components", static_cast<int64_t>(components.size()), "models");
    for (const ModelFacts& component : components) {
      component_scores.push_back(
          domain_scores(proxies_->score_model(*models_, component), component.name));
      tokens.push_back(
          proxies_->scorer().token_log_likelihoods(proxies_->scored_weights(*models_, component)));
      progress.add(1);
    }
  }

  std::vector<DatasetFacts> facts;
  for (const std::string& name : names_) {
    facts.emplace_back();
    facts.back().name = name;
    facts.back().domain = config_.datasets.at(name).domain;
  }
  std::vector<DomainFacts> domains;
  for (const std::string& domain : tables_.domains) domains.push_back({domain, ""});

  std::vector<MergeRequest> requests;
  for (size_t r = 0; r < references_.size(); ++r) {
    const Reference& reference = references_[r];
    const Projection projection = composition.project(reference.shares);
    if (projection.total_variation > kSameMixture)
      throw Error(
          "arm {}: its components cannot express the reference {}: {:.1f} % of the data differs; "
          "its anchor_share must not exceed components.anchor_share",
          arm_name,
          reference.name,
          100 * projection.total_variation);
    const std::vector<double>& alpha = projection.merge_weights;
    requests.push_back({alpha, "proxy of " + reference.name});
    add_estimate(experiment, "interpolation", r, interpolated_scores(alpha, component_scores));
    add_estimate(experiment, "own_share", r, own_shares(reference.shares, facts, domains));
    add_estimate(experiment,
                 "ensemble",
                 r,
                 domain_scores(proxies_->scorer().mixed_score(tokens, alpha),
                               "the ensemble of " + reference.name));
  }

  std::map<std::string, ProxyMethodConfig> merges = arm.merges;
  merges["merge"] = config_.merge;
  for (const auto& [chooser, method] : merges) {
    MergeConfig merge = config_.merge;
    static_cast<ProxyMethodConfig&>(merge) = method;
    proxies_->load_components(*models_, components, merge);
    Progress progress(experiment + " " + chooser, static_cast<int64_t>(requests.size()), "proxies");
    const std::vector<Scores> scores = proxies_->score_merges(requests, [&] { progress.add(1); });
    for (size_t r = 0; r < scores.size(); ++r)
      add_estimate(experiment, chooser, r, domain_scores(scores[r], requests[r].name));
    if (chooser == "merge") add_signs(experiment, component_scores);
  }
}

}  // namespace

StudyTables run_study(StudyConfig config, const std::filesystem::path& out) {
  const StudySection section = config.study;
  Study study(std::move(config), out);
  study.prepare();
  study.train_references();
  for (const auto& [name, arm] : section.arms) {
    for (const uint64_t seed : arm.seeds) {
      study.estimate(name, arm, seed);
      study.write();
    }
  }
  return study.tables();
}

}  // namespace demix
