#include "demix/run/run.h"

#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "demix/core/error.h"
#include "demix/core/mixture.h"
#include "demix/core/progress.h"
#include "demix/core/ranks.h"
#include "demix/corpus/tokenizer.h"
#include "demix/merge/components.h"
#include "demix/model/weights.h"
#include "demix/report/report.h"
#include "demix/run/datasets.h"
#include "demix/run/device.h"
#include "demix/run/early_checks.h"
#include "demix/run/metrics.h"
#include "demix/run/models.h"
#include "demix/run/proxies.h"
#include "demix/run/references.h"
#include "demix/run/warm_start.h"
#include "demix/run/workspace.h"
#include "demix/search/search.h"
#include "demix/validate/calibration.h"
#include "demix/validate/gauge.h"

namespace demix {
namespace {

// Times the components' tokens from which references are much longer than them.
constexpr int64_t kLongReference = 8;
// Share of the data below which two mixtures are not worth two references.
constexpr double kSettled = 0.01;

// The run while it goes through its stages. Each stage fills its part of `result_`.
class Loop {
 public:
  Loop(RunConfig config, const std::filesystem::path& out)
      : workspace_(std::move(config), out),
        config_(workspace_.config()),
        names_(config_.dataset_names()),
        tokenizer_(Tokenizer::load(config_.tokenizer)),
        tasks_(load_tasks(config_.evaluate)),
        metrics_(metrics_of(config_.evaluate, tasks_, held_out_datasets(config_))),
        objective_(objective_of(metrics_)),
        composition_(composition_of(config_)) {
    for (const std::string& name : names_) dataset_files(name, config_.datasets.at(name));
    check_names(config_.search, objective_, names_);
    check_before_work(config_, tokenizer_);
    // What is wrong with files from elsewhere is said before hours of work.
    elsewhere_ = imported_references(config_.validate.import, composition_);
    if (config_.validate.scores)
      for (MixtureFacts& facts :
           scored_references(*config_.validate.scores, composition_, metrics_))
        elsewhere_.push_back(std::move(facts));
    resolve_device(config_.device);
    at::set_num_threads(resolve_threads(config_.threads));
    describe();
  }

  void corpus();
  void train();
  void search();
  void validate();
  // Writes the files that the run hands over; `unfinished` says what is still to come.
  RunResult report(const std::string& unfinished);

 private:
  void describe();
  ProxyKind kind() const {
    return result_.proxies == "merged" ? ProxyKind::kMerged : ProxyKind::kEnsemble;
  }
  ProxyKind other_kind() const {
    return kind() == ProxyKind::kMerged ? ProxyKind::kEnsemble : ProxyKind::kMerged;
  }
  // Whether proxies of the other kind have all the scores that count.
  bool other_kind_scores() const {
    return other_kind() == ProxyKind::kMerged || !beyond_ensembles(metrics_, tasks_);
  }
  Rng reference_rng() const;
  // Of the references' data order, which is not that of the components: noise that they shared
  // would cancel here, but not between the components and the training that the mixture is for.
  uint64_t reference_seed() const { return config_.seed + 1'000'000; }
  // Fills in what can be said of the references' mixtures before they are trained.
  void foretell_references();
  void place_baselines(const std::vector<MixtureFacts>& references);
  void import_references();
  void train_references();
  void score_reference(const ModelFacts& model, MixtureFacts& facts);
  // Trains further references where those before lead to expect most, and hands over the best.
  void refine();
  // What the references so far, on what the search selects by, lead to expect by domain.
  DomainCalibrations calibrated_by_references();
  // By the proxies of the search, interpolation and own share.
  std::vector<EstimatedMixture> estimated_as_searched(std::span<const MergeRequest> requests,
                                                      const std::vector<Scores>& scores) const;
  // A search whose proxies count as what they lead to expect.
  SearchResult search_expected(const DomainCalibrations& calibrations);
  // Hands over a reference in place of what the search found.
  void hand_over(const MixtureFacts& chosen, const SearchResult& placed);
  // Of the references that have been measured so far.
  Fidelity fidelity_of_measured() const;
  // Whether the references so far tell the proxies' agreement as exactly as was asked.
  bool is_narrow_enough() const;
  TrainedModel trained_model(const ModelFacts& facts, const std::string& kind) const;
  ModelScores model_scores(const Scores& scores, const std::string& model) const;
  // b − a on the same items. Where a command gives a score without its items, `a_scores` and
  // `b_scores` are taken as independent.
  ModelScores paired_gain(const TermsByMetric& a,
                          const ModelScores& a_scores,
                          const TermsByMetric& b,
                          const ModelScores& b_scores) const;
  // Of found over the baselines among `mixtures`; `terms` by their names. Into found_gain, and
  // found_gain_proxy where the terms are those of proxies.
  void place_gains(const std::map<std::string, TermsByMetric>& terms,
                   bool proxies,
                   std::vector<MixtureFacts>& mixtures,
                   const std::string& found = "found") const;
  // What the items say that gains are reported by.
  TermsByMetric reported(const TermsByMetric& terms) const;
  SearchProblem problem() const;
  // Measurements of one batch of the search.
  std::vector<Measurements> score_batch(std::span<const Mixture> mixtures, StageClock& clock);
  // What the search took until the end of a round, the same when a run is resumed.
  Spent spent(int round);
  // What the proxies of the search say of themselves.
  void read_run_gauge();
  // Merges and measures found and baselines, and places them in the result.
  void verify_found(const SearchResult& found);
  void describe_search(const SearchResult& found);
  void describe_mixture(const SearchResult& found);
  std::vector<int64_t> dataset_tokens() const;

  Workspace workspace_;
  const RunConfig& config_;
  const std::vector<std::string> names_;
  const Tokenizer tokenizer_;
  const std::vector<Task> tasks_;
  const std::vector<ScoredMetric> metrics_;
  const Objective objective_;
  const Composition composition_;

  std::map<std::string, DatasetShards> datasets_;
  std::unique_ptr<Models> models_;
  std::vector<ModelFacts> components_;
  std::unique_ptr<Proxies> proxies_;
  std::vector<std::vector<Score>> component_scores_;  // by component and domain
  std::vector<MergeRequest> searched_;                // proxies of the search, in order
  std::vector<MixtureFacts> baselines_;               // and found, last
  std::vector<MixtureFacts> references_;
  size_t to_train_ = 0;                                 // the first of them
  std::map<std::string, TermsByMetric> trained_terms_;  // of those that are compared, by name
  // By name and domain, what references scored on what the search selects by; not of those that
  // were scored elsewhere.
  std::map<std::string, std::vector<double>> selected_scores_;
  std::vector<MixtureFacts> elsewhere_;  // the others, which were trained elsewhere
  RunResult result_;
};

void Loop::describe() {
  result_.name = workspace_.folder().filename().string();
  for (const std::string& domain : objective_.domains()) {
    std::set<std::string> measures;
    for (const ScoredMetric& scored : metrics_) {
      if (scored.metric.domain == domain) measures.insert(scored.measure);
    }
    result_.domains.push_back(
        {domain,
         measures == std::set<std::string>{"bpb"}
             ? "negative bits per byte"
             : fmt::format("mean of {}, higher is better", fmt::join(measures, ", "))});
  }
  for (const ScoredMetric& scored : metrics_) {
    TaskFacts facts;
    facts.name = scored.metric.name;
    facts.domain = scored.metric.domain;
    facts.metric = scored.measure;
    facts.higher_is_better = scored.metric.higher_is_better;
    result_.tasks.push_back(facts);
  }
  result_.proxies = resolve_proxies(config_.proxies, metrics_, tasks_);
  result_.objective = "mean percentile rank over domains";
  if (config_.target_tokens) result_.target_tokens = *config_.target_tokens;
  result_.seed = config_.seed;
  result_.device = fmt::format("{}, {} threads, {} products",
                               config_.device,
                               resolve_threads(config_.threads),
                               config_.evaluate.dtype);
  result_.command = "demix run " + (workspace_.folder() / "config.yaml").string();
  result_.config_yaml = workspace_.config_text();
  result_.versions = {{"demix", DEMIX_VERSION}, {"libtorch", TORCH_VERSION}};
}

void Loop::corpus() {
  datasets_ = prepare_datasets(workspace_, tokenizer_);
  for (const auto& [name, shards] : datasets_) {
    const DatasetConfig& config = config_.datasets.at(name);
    const DatasetSummary& summary = shards.summary;
    DatasetFacts facts;
    facts.name = name;
    facts.domain = config.domain;
    facts.path = config.blend.empty() ? (workspace_.folder() / "corpus" / name / "train").string()
                                      : config.blend;
    facts.documents = summary.train_documents + summary.held_out_documents;
    facts.duplicates_removed = summary.duplicates;
    facts.train_tokens = summary.train_tokens;
    facts.heldout_tokens = summary.held_out_tokens;
    facts.available_tokens = config.tokens ? std::llround(*config.tokens) : summary.train_tokens;
    facts.bytes = summary.train_bytes + summary.held_out_bytes;
    result_.datasets.push_back(facts);
    const std::vector<std::string>& domains = objective_.domains();
    if (config.domain.empty() ||
        std::find(domains.begin(), domains.end(), config.domain) != domains.end())
      continue;
    warn(fmt::format(
        "Dataset {} is meant for the domain '{}', of which nothing is scored (there are "
        "{}): to make it count, name scores of it under evaluate.domains, such as "
        "held_out/{}.",
        name,
        config.domain,
        fmt::join(domains, ", "),
        name));
  }
  check_constraints(config_, dataset_tokens());
}

std::vector<int64_t> Loop::dataset_tokens() const {
  std::vector<int64_t> tokens;
  for (const DatasetFacts& dataset : result_.datasets) tokens.push_back(dataset.available_tokens);
  return tokens;
}

TrainedModel Loop::trained_model(const ModelFacts& facts, const std::string& kind) const {
  TrainedModel model;
  model.name = facts.name;
  model.kind = kind;
  model.tokens = facts.result.tokens;
  model.asked_shares = facts.data_shares;
  model.tokens_by_dataset = facts.result.consumed.tokens;
  model.epochs_by_dataset = facts.result.consumed.epochs;
  if (!facts.imported) {
    model.final_loss = facts.result.final_loss;
    model.seconds = facts.result.seconds;
  }
  return model;
}

void Loop::train() {
  models_ = std::make_unique<Models>(workspace_, datasets_, tokenizer_.vocabulary_size());
  result_.models.push_back(trained_model(models_->base(), "base"));

  // Imports go first: what does not fit is said before the others are trained.
  std::vector<ModelRequest> requests;
  std::map<std::string, ModelFacts> imported;
  for (size_t i = 0; i < names_.size(); ++i) {
    std::vector<double> only(names_.size(), 0);
    only[i] = 1;
    const std::string name = "components/" + names_[i];
    const auto import = config_.components.import.find(names_[i]);
    if (import == config_.components.import.end()) {
      requests.push_back({name, composition_.data_shares(only), config_.components});
    } else {
      imported[name] = models_->import(name, import->second, composition_.data_shares(only));
    }
  }
  std::vector<ModelFacts> trained = models_->train(requests, "components");
  for (size_t i = 0, next = 0; i < names_.size(); ++i) {
    const auto import = imported.find("components/" + names_[i]);
    components_.push_back(std::move(import == imported.end() ? trained[next++] : import->second));
  }

  proxies_ = std::make_unique<Proxies>(workspace_, *models_, datasets_, tasks_, tokenizer_);
  proxies_->load_components(*models_, components_, config_.merge);
  for (size_t i = 0; i < components_.size(); ++i) {
    TrainedModel model = trained_model(components_[i], "component");
    model.drift = proxies_->components().drifts()[i];
    result_.models.push_back(model);
    for (size_t d = 0; d < model.epochs_by_dataset.size(); ++d) {
      if (model.epochs_by_dataset[d] > 4) {
        warn(
            fmt::format("{} read dataset {} {:.1f} times: it is smaller than what was asked of it. "
                        "More text, or "
                        "fewer tokens per component, would make its result more typical.",
                        model.name,
                        names_[d],
                        model.epochs_by_dataset[d]));
      }
    }
  }
}

ModelScores Loop::model_scores(const Scores& scores, const std::string& model) const {
  const Measurements measurements = measurements_of(scores, metrics_, model);
  const std::vector<double> domains =
      objective_.domain_scores(objective_.oriented(measurements, model));
  const std::vector<double> errors = objective_.domain_errors(measurements);
  ModelScores result;
  for (size_t d = 0; d < domains.size(); ++d) result.domains.push_back({domains[d], errors[d]});
  for (const ScoredMetric& scored : metrics_) {
    const Measurement& measured = measurements.at(scored.metric.name);
    result.tasks.push_back({measured.value, measured.standard_error});
  }
  return result;
}

bool has_terms(const TermsByMetric& terms, const ScoredMetric& scored) {
  const auto found = terms.find(scored.task);
  return found != terms.end() && found->second.contains(scored.measure);
}

ModelScores Loop::paired_gain(const TermsByMetric& a,
                              const ModelScores& a_scores,
                              const TermsByMetric& b,
                              const ModelScores& b_scores) const {
  Measurements gains;
  ModelScores result;
  for (size_t i = 0; i < metrics_.size(); ++i) {
    const ScoredMetric& scored = metrics_[i];
    MetricValue gain;
    if (has_terms(a, scored) && has_terms(b, scored)) {
      gain = paired_difference(a.at(scored.task).at(scored.measure),
                               b.at(scored.task).at(scored.measure));
    } else {
      const Score &from = a_scores.tasks[i], &to = b_scores.tasks[i];
      gain = {to.value - from.value, std::hypot(from.standard_error, to.standard_error), 0};
    }
    gains[scored.metric.name] = {gain.value, gain.stderr_};
    result.tasks.push_back({gain.value, gain.stderr_});
  }
  // Orienting and averaging are linear, so a domain's gain is the score of the metrics' gains.
  const std::vector<double> domains = objective_.domain_scores(objective_.oriented(gains, "gain"));
  const std::vector<double> errors = objective_.domain_errors(gains);
  for (size_t d = 0; d < domains.size(); ++d) result.domains.push_back({domains[d], errors[d]});
  return result;
}

TermsByMetric Loop::reported(const TermsByMetric& terms) const {
  return config_.search.select_on_half ? proxies_->halves().terms_of(terms, Half::kReport) : terms;
}

bool is_baseline(const MixtureFacts& facts) {
  return facts.name == "uniform" || facts.name == "natural" || facts.name == "flattened" ||
         facts.name == "current";
}

bool is_refined(const MixtureFacts& facts) { return facts.name.starts_with("refined_"); }

// The mixtures that the report compares item by item.
bool is_compared(const MixtureFacts& facts) {
  return is_baseline(facts) || facts.name == "found" || is_refined(facts);
}

void Loop::place_gains(const std::map<std::string, TermsByMetric>& terms,
                       bool proxies,
                       std::vector<MixtureFacts>& mixtures,
                       const std::string& found) const {
  const auto scores_of = [&](const MixtureFacts& facts) {
    return proxies ? facts.proxy : facts.trained;
  };
  const auto best = std::find_if(mixtures.begin(), mixtures.end(), [&](const MixtureFacts& facts) {
    return facts.name == found;
  });
  for (MixtureFacts& facts : mixtures) {
    const bool searched = facts.name == "found" && found != "found";
    if (!is_baseline(facts) && !searched) continue;
    DEMIX_CHECK(best != mixtures.end());
    facts.found_gain = paired_gain(reported(terms.at(facts.name)),
                                   scores_of(facts),
                                   reported(terms.at(found)),
                                   scores_of(*best));
    if (proxies) facts.found_gain_proxy = facts.found_gain;
  }
}

SearchProblem Loop::problem() const {
  SearchProblem problem{composition_, {}, {}, dataset_tokens(), 0, config_.seed};
  for (const ScoredMetric& scored : metrics_) problem.metrics.push_back(scored.metric);
  for (const int64_t tokens : problem.dataset_tokens)
    problem.prior.push_back(static_cast<double>(tokens));
  if (config_.target_tokens) problem.target_tokens = *config_.target_tokens;
  for (const MixtureFacts& facts : baselines_)
    problem.baselines.emplace_back(facts.name, facts.merge_weights);
  return problem;
}

void Loop::search() {
  StageClock clock(workspace_.journal(), "search");
  {
    Progress progress("score components", static_cast<int64_t>(components_.size()), "models");
    for (const ModelFacts& component : components_) {
      const Scores scores = proxies_->score_model(*models_, component);
      component_scores_.push_back(model_scores(scores, component.name).domains);
      for (size_t i = 0; i < metrics_.size(); ++i) {
        result_.tasks[i].items = scores.tasks.at(metrics_[i].task).at(metrics_[i].measure).n;
      }
      progress.add(1);
      clock.lap();
    }
  }

  baselines_ = choose_baselines(
      composition_, dataset_tokens(), config_.search.sampler.prior_power, config_.search.current);
  SearchProblem problem = this->problem();
  problem.spent = [this](int round) { return spent(round); };
  problem.known = warm_start(workspace_, *proxies_, kind(), metrics_);
  if (kind() == ProxyKind::kMerged)
    say(fmt::format("search: a proxy is scored on {} of {} tokens",
                    proxies_->searcher().tokens(),
                    proxies_->scorer().tokens()));

  const SearchResult found =
      search_mixture(config_.search, problem, [&](std::span<const Mixture> mixtures) {
        return score_batch(mixtures, clock);
      });
  describe_search(found);
  verify_found(found);
  read_run_gauge();

  references_ = choose_references(
      config_.validate, composition_, dataset_tokens(), result_.merge_weights, reference_rng());
  to_train_ = references_.size();
  references_.insert(references_.end(), elsewhere_.begin(), elsewhere_.end());
  note_repetitions(references_);
  foretell_references();
  // Their memory serves the training of the references from here on.
  proxies_->release_components();
}

std::vector<Measurements> Loop::score_batch(std::span<const Mixture> mixtures, StageClock& clock) {
  Progress progress("score proxies", static_cast<int64_t>(mixtures.size()), "proxies");
  std::vector<MergeRequest> requests;
  for (const Mixture& mixture : mixtures) {
    requests.push_back(
        {mixture.weights, fmt::format("proxy {}", searched_.size() + requests.size() + 1)});
    requests.back().searched = true;
  }
  searched_.insert(searched_.end(), requests.begin(), requests.end());
  const std::vector<Scores> scores = proxies_->score_proxies(kind(), requests, [&] {
    progress.add(1);
    clock.lap();
  });
  std::vector<Measurements> measured;
  for (size_t i = 0; i < scores.size(); ++i) {
    measured.push_back(measurements_of(scores[i], metrics_, requests[i].name));
  }
  return measured;
}

Spent Loop::spent(int round) {
  const std::string key = proxies_->key_of(kind(), searched_);
  Journal& journal = workspace_.journal();
  if (const auto found = journal.find("spent", key))
    return {found->at("items").get<int64_t>(), found->at("seconds").get<double>()};
  const int64_t items = kind() == ProxyKind::kMerged ? proxies_->searcher().items() : 0;
  const Spent spent{static_cast<int64_t>(searched_.size()) * items, journal.seconds("search")};
  journal.put("spent",
              key,
              fmt::format("round {}", round + 1),
              {{"items", spent.items}, {"seconds", spent.seconds}});
  return spent;
}

void Loop::describe_mixture(const SearchResult& found) {
  result_.mixture = found.data_shares;
  result_.merge_weights = found.merge_weights;
  result_.predicted.clear();
  for (const Prediction& prediction : found.predicted) {
    result_.predicted.push_back({prediction.value, prediction.standard_error.value_or(kUnknown)});
  }
  result_.tolerance.clear();
  for (const Tolerance& tolerance : found.tolerance) {
    result_.tolerance.push_back(
        {tolerance.low_share, tolerance.high_share, tolerance.low_bound, tolerance.high_bound});
  }
}

void Loop::describe_search(const SearchResult& found) {
  describe_mixture(found);
  for (const EvaluatedMixture& evaluated : found.evaluated) {
    SearchedProxy proxy;
    proxy.round = evaluated.round;
    proxy.mixture = evaluated.data_shares;
    proxy.merge_weights = evaluated.merge_weights;
    for (size_t d = 0; d < evaluated.domain_scores.size(); ++d) {
      proxy.domains.push_back({evaluated.domain_scores[d], evaluated.domain_errors[d]});
    }
    proxy.objective = evaluated.objective;
    proxy.predicted_objective = evaluated.predicted_objective.value_or(kUnknown);
    result_.search.push_back(std::move(proxy));
  }
  for (const PredictorTrial& trial : found.trials) {
    result_.predictors.push_back({trial.predictor,
                                  trial.target,
                                  trial.cv_spearman.value_or(kUnknown),
                                  trial.cv_mae.value_or(kUnknown),
                                  trial.chosen});
  }
  for (const FrontPoint& point : found.front) {
    FrontMixture mixture;
    mixture.merge_weights = point.merge_weights;
    mixture.mixture = composition_.data_shares(point.merge_weights);
    for (size_t d = 0; d < point.scores.size(); ++d)
      mixture.domains.push_back({point.scores[d], point.uncertainties[d]});
    result_.front.push_back(std::move(mixture));
  }
  result_.search_end = {found.decision,
                        found.stopped,
                        found.next_gain.value_or(kUnknown),
                        found.tolerance.empty() ? kUnknown : found.goal_error,
                        config_.search.select_on_half};
  if (found.next_gain) {
    say(fmt::format(
        "search: one more proxy is expected to gain {:.3g} standard deviations of the goal "
        "over the proxies",
        *found.next_gain));
  }
  for (const std::string& warning : found.warnings) warn(warning);
}

void Loop::verify_found(const SearchResult& found) {
  MixtureFacts best;
  best.name = "found";
  best.mixture = found.data_shares;
  best.merge_weights = found.merge_weights;
  baselines_.push_back(std::move(best));

  std::vector<Foretold> foretold = found.foretold;
  foretold.push_back(
      {"found", found.predicted, found.predicted_domain_scores, found.predicted_domain_errors});
  std::map<std::string, TermsByMetric> terms;
  std::vector<MergeRequest> requests, searched;
  for (const MixtureFacts& facts : baselines_) {
    requests.push_back({facts.merge_weights, "proxy of " + facts.name, &terms[facts.name]});
    searched.push_back({facts.merge_weights, requests.back().name});
    searched.back().searched = true;
  }
  const std::vector<Scores> scores = proxies_->score_proxies(kind(), requests);
  // On the items of the predictions.
  const std::vector<Scores> measured = proxies_->score_proxies(kind(), searched);
  for (size_t i = 0; i < baselines_.size(); ++i) {
    MixtureFacts& facts = baselines_[i];
    const std::string name = "the proxy of " + facts.name;
    facts.proxy = model_scores(scores[i], name);
    facts.measured = model_scores(measured[i], name);
    facts.interpolation = interpolated_scores(facts.merge_weights, component_scores_);
    facts.own_share = own_shares(facts.mixture, result_.datasets, result_.domains);
    for (size_t d = 0; d < result_.domains.size(); ++d) {
      facts.predicted.domains.push_back(
          {foretold[i].domain_scores[d], foretold[i].domain_errors[d]});
    }
    for (const Prediction& prediction : foretold[i].metrics) {
      facts.predicted.tasks.push_back(
          {prediction.value, prediction.standard_error.value_or(kUnknown)});
    }
  }
  place_gains(terms, true, baselines_);
  if (config_.search.select_on_half) {
    std::vector<std::string> whole;
    for (const std::string& task : proxies_->halves().undivided(terms.at("found"))) {
      if (std::any_of(metrics_.begin(), metrics_.end(), [&](const ScoredMetric& scored) {
            return scored.task == task;
          }))
        whole.push_back(task);
    }
    if (!whole.empty()) {
      warn(
          fmt::format("{} have too few items for two halves: the search selected by the items that "
                      "its gains are reported on, which flatters them.",
                      fmt::join(whole, ", ")));
    }
    std::set<std::string> without_items;
    for (const ScoredMetric& scored : metrics_)
      if (!has_terms(terms.at("found"), scored)) without_items.insert(scored.metric.name);
    if (!without_items.empty()) {
      warn(
          fmt::format("the evaluation command gives {} without single items: there is no half of "
                      "them to select by, so the search selected by what its gains are reported "
                      "on, which flatters them, and their errors are not those of paired items.",
                      fmt::join(without_items, ", ")));
    }
  }
  place_baselines(baselines_);
}

void Loop::read_run_gauge() {
  GaugeSigns signs;
  signs.components = names_;
  signs.drifts = proxies_->components().drifts();
  signs.merged.resize(result_.domains.size());
  signs.interpolated.resize(result_.domains.size());
  for (const SearchedProxy& proxy : result_.search) {
    const std::vector<Score> interpolated =
        interpolated_scores(proxy.merge_weights, component_scores_);
    for (size_t d = 0; d < result_.domains.size(); ++d) {
      signs.merged[d].push_back(proxy.domains[d].value);
      signs.interpolated[d].push_back(interpolated[d].value);
    }
  }
  for (size_t d = 0; d < result_.domains.size(); ++d) {
    signs.domains.push_back(result_.domains[d].name);
    // Of differences on the same items.
    double square = 0;
    int pairs = 0;
    for (const MixtureFacts& facts : baselines_) {
      if (facts.found_gain_proxy.domains.empty()) continue;
      const double error = facts.found_gain_proxy.domains[d].standard_error;
      square += error * error / 2;
      ++pairs;
    }
    signs.noise.push_back(pairs > 0 ? std::sqrt(square / pairs) : kUnknown);
  }
  const auto reading = read_gauge(signs);
  if (!reading) return;
  result_.gauge = {reading->value, reading->verdict, reading->domains};
  say(fmt::format("gauge {:.2f} of 1: {}", reading->value, reading->verdict));
  for (const std::string& warning : reading->warnings) warn(warning);
}

Rng Loop::reference_rng() const { return Rng(config_.seed).stream("references"); }

void Loop::foretell_references() {
  std::vector<MergeRequest> requests;
  for (const MixtureFacts& facts : references_) {
    if (!facts.merge_weights.empty())
      requests.push_back({facts.merge_weights, "proxy of " + facts.name});
  }
  const std::vector<Scores> scores = proxies_->score_proxies(kind(), requests);
  std::vector<Scores> others;
  if (other_kind_scores()) others = proxies_->score_proxies(other_kind(), requests);
  size_t next = 0;
  for (MixtureFacts& facts : references_) {
    if (!facts.merge_weights.empty()) {
      facts.proxy = model_scores(scores[next], "the proxy of " + facts.name);
      if (!others.empty())
        facts.other_proxy = model_scores(others[next], "the proxy of " + facts.name).domains;
      ++next;
      facts.interpolation = interpolated_scores(facts.merge_weights, component_scores_);
    }
    facts.own_share = own_shares(facts.mixture, result_.datasets, result_.domains);
    for (const MixtureFacts& baseline : baselines_) {
      if (baseline.name != facts.name) continue;
      facts.predicted = baseline.predicted;
      facts.measured = baseline.measured;
      facts.found_gain = baseline.found_gain;
      facts.found_gain_proxy = baseline.found_gain_proxy;
    }
  }
}

void Loop::place_baselines(const std::vector<MixtureFacts>& references) {
  for (const MixtureFacts& facts : references) {
    if (facts.name == "uniform") result_.uniform = facts;
    if (facts.name == "natural") result_.natural = facts;
    if (facts.name == "flattened") result_.flattened = facts;
    if (facts.name == "current") result_.current = facts;
    if (facts.name == "found") result_.found = facts;
  }
}

void Loop::validate() {
  if (references_.empty()) {
    warn(
        "No reference was trained (validate.references: 0), so nothing says how far the proxies "
        "can be trusted.");
    return;
  }
  const int64_t tokens = config_.validate.tokens.value_or(config_.components.tokens);
  if (tokens >= kLongReference * config_.components.tokens && config_.components.tokens > 0) {
    warn(
        fmt::format("The references are trained {:.1f} times as long as the components: proxies of "
                    "such short components have ranked mixtures no better than plain data shares "
                    "do (docs/fidelity.md). Look at what the references say before the mixture.",
                    static_cast<double>(tokens) / static_cast<double>(config_.components.tokens)));
  }
  import_references();
  train_references();
  calibrate_by_others(references_);
  result_.fidelity = fidelity_of_measured();
  place_baselines(references_);
  refine();
  result_.references = references_;
}

void Loop::import_references() {
  for (MixtureFacts& facts : references_) {
    const auto import = config_.validate.import.find(facts.name);
    if (import == config_.validate.import.end()) continue;
    const ModelFacts model =
        models_->import("references/" + facts.name, import->second.folder, facts.mixture);
    score_reference(model, facts);
    const int64_t budget = config_.validate.tokens.value_or(config_.components.tokens);
    if (import->second.tokens && *import->second.tokens != budget) {
      warn(
          fmt::format("The reference {} was trained on {} tokens, the others on {}: what the "
                      "budget changes looks like an error of the proxies.",
                      facts.name,
                      *import->second.tokens,
                      budget));
    }
  }
}

void Loop::train_references() {
  StageTraining training = config_.components;
  if (config_.validate.tokens) training.tokens = *config_.validate.tokens;
  // One after the other, as many as are trained at once, where an interval may end it.
  const auto batch = config_.validate.stop_width > 0
                         ? static_cast<size_t>(parallel_models(config_, models_->architecture()))
                         : std::max<size_t>(to_train_, 1);
  for (size_t first = 0; first < to_train_; first += batch) {
    std::vector<ModelRequest> requests;
    for (size_t i = first; i < std::min(to_train_, first + batch); ++i) {
      requests.push_back({"references/" + references_[i].name,
                          references_[i].mixture,
                          training,
                          reference_seed()});
    }
    const std::vector<ModelFacts> trained = models_->train(requests, "references");
    StageClock clock(workspace_.journal(), "validate");
    Progress progress("score references", static_cast<int64_t>(trained.size()), "models");
    for (size_t i = 0; i < trained.size(); ++i) {
      score_reference(trained[i], references_[first + i]);
      result_.models.push_back(trained_model(trained[i], "reference"));
      progress.add(1);
      clock.lap();
    }
    if (first + batch < to_train_ && is_narrow_enough()) {
      const auto begin = references_.begin() + static_cast<std::ptrdiff_t>(first + batch);
      const auto end = references_.begin() + static_cast<std::ptrdiff_t>(to_train_);
      references_.erase(begin, end);
      break;
    }
  }
  if (to_train_ > 0) place_gains(trained_terms_, false, references_);
}

void Loop::score_reference(const ModelFacts& model, MixtureFacts& facts) {
  if (!is_compared(facts) && config_.validate.refine == 0) {
    facts.trained = model_scores(proxies_->score_model(*models_, model), model.name);
    return;
  }
  TermsByMetric terms;
  const Scores scores = proxies_->score_model(*models_, model, &terms);
  facts.trained = model_scores(scores, model.name);
  const Scores selected = config_.search.select_on_half
                              ? proxies_->halves().scores_of(terms, Half::kSelection, scores)
                              : scores;
  std::vector<double>& values = selected_scores_[facts.name];
  for (const Score& score : model_scores(selected, model.name).domains)
    values.push_back(score.value);
  if (is_compared(facts)) trained_terms_[facts.name] = std::move(terms);
}

namespace {

// Of a proxy on the items that the search selects by.
MergeRequest searched_request(std::vector<double> merge_weights, std::string name) {
  MergeRequest request{std::move(merge_weights), std::move(name)};
  request.searched = true;
  return request;
}

std::vector<double> values_of(const std::vector<Score>& scores) {
  std::vector<double> values;
  for (const Score& score : scores) values.push_back(score.value);
  return values;
}

bool has_taught(const MixtureFacts& facts) {
  return !facts.merge_weights.empty() && !facts.trained.domains.empty();
}

}  // namespace

std::vector<EstimatedMixture> Loop::estimated_as_searched(std::span<const MergeRequest> requests,
                                                          const std::vector<Scores>& scores) const {
  std::vector<EstimatedMixture> mixtures;
  for (size_t i = 0; i < requests.size(); ++i) {
    const std::vector<double>& alpha = requests[i].merge_weights;
    MixtureFacts facts;
    facts.mixture = composition_.data_shares(alpha);
    facts.proxy = model_scores(scores[i], requests[i].name);
    facts.interpolation = interpolated_scores(alpha, component_scores_);
    facts.own_share = own_shares(facts.mixture, result_.datasets, result_.domains);
    mixtures.push_back(estimated(facts));
  }
  return mixtures;
}

DomainCalibrations Loop::calibrated_by_references() {
  std::vector<MergeRequest> requests;
  std::vector<const MixtureFacts*> taught;
  bool by_items = true;
  for (const MixtureFacts& facts : references_) {
    if (!has_taught(facts)) continue;
    requests.push_back(searched_request(facts.merge_weights, "proxy of " + facts.name));
    taught.push_back(&facts);
    by_items &= selected_scores_.contains(facts.name);
  }
  std::vector<std::vector<double>> trained;
  for (const MixtureFacts* facts : taught)
    trained.push_back(by_items ? selected_scores_.at(facts->name)
                               : values_of(facts->trained.domains));
  const std::vector<Scores> scores = proxies_->score_proxies(kind(), requests);
  return {estimated_as_searched(requests, scores), trained};
}

SearchResult Loop::search_expected(const DomainCalibrations& calibrations) {
  SearchConfig config = config_.search;
  config.front = 0;
  // What is expected is smooth and has no noise.
  if (config.predictor == "auto") config.predictor = "gaussian_process";
  const std::vector<std::string>& domains = objective_.domains();
  return search_mixture(config, problem(), [&](std::span<const Mixture> mixtures) {
    std::vector<MergeRequest> requests;
    for (const Mixture& mixture : mixtures)
      requests.push_back(searched_request(mixture.weights, "a proxy"));
    const std::vector<Scores> scores = proxies_->score_proxies(kind(), requests);
    const std::vector<EstimatedMixture> estimates = estimated_as_searched(requests, scores);
    std::vector<Measurements> expected;
    for (size_t i = 0; i < requests.size(); ++i) {
      const std::vector<Forecast> forecasts = calibrations.expected(estimates[i]);
      Measurements& one =
          expected.emplace_back(measurements_of(scores[i], metrics_, requests[i].name));
      // A domain's score is the mean of its oriented metrics: each moves by what the domain does.
      for (const ScoredMetric& scored : metrics_) {
        const auto d = static_cast<size_t>(
            std::find(domains.begin(), domains.end(), scored.metric.domain) - domains.begin());
        const double moved = forecasts[d].mean - estimates[i].estimates[0][d];
        one.at(scored.metric.name).value += scored.metric.higher_is_better ? moved : -moved;
      }
    }
    return expected;
  });
}

void Loop::refine() {
  const auto taught = [&] {
    return static_cast<size_t>(std::count_if(references_.begin(), references_.end(), has_taught));
  };
  if (config_.validate.refine == 0) return;
  if (taught() < kFewestToCalibrate) {
    warn(fmt::format("{} references are too few to place others by (validate.refine): at least {}.",
                     taught(),
                     kFewestToCalibrate));
    return;
  }
  StageTraining training = config_.components;
  if (config_.validate.tokens) training.tokens = *config_.validate.tokens;
  std::map<std::string, SearchResult> placed;
  proxies_->load_components(*models_, components_, config_.merge);
  for (int step = 1; step <= config_.validate.refine; ++step) {
    std::optional<StageClock> clock(std::in_place, workspace_.journal(), "refine");
    SearchResult next = search_expected(calibrated_by_references());
    clock->lap();
    const auto same =
        std::find_if(references_.begin(), references_.end(), [&](const MixtureFacts& facts) {
          return has_taught(facts) && l1_distance(facts.mixture, next.data_shares) / 2 < kSettled;
        });
    if (same != references_.end()) {
      say(fmt::format("refine: what is expected most of has been trained already, as {}",
                      same->name));
      break;
    }
    MixtureFacts facts;
    facts.name = fmt::format("refined_{}", step);
    facts.mixture = next.data_shares;
    facts.merge_weights = next.merge_weights;
    facts.in_correlations = false;
    facts.note = fmt::format(
        "placed where {} references before it led to expect most, outside the statistics",
        taught());
    MergeRequest request{facts.merge_weights, "proxy of " + facts.name};
    facts.proxy = model_scores(proxies_->score_proxies(kind(), {&request, 1})[0], request.name);
    facts.interpolation = interpolated_scores(facts.merge_weights, component_scores_);
    facts.own_share = own_shares(facts.mixture, result_.datasets, result_.domains);
    proxies_->release_components();
    clock.reset();  // training has a clock of its own
    const ModelFacts model = models_
                                 ->train({{"references/" + facts.name,
                                           facts.mixture,
                                           training,
                                           reference_seed() + static_cast<uint64_t>(step)}},
                                         "references")
                                 .front();
    result_.models.push_back(trained_model(model, "reference"));
    proxies_->load_components(*models_, components_, config_.merge);
    score_reference(model, facts);
    placed.emplace(facts.name, std::move(next));
    references_.push_back(std::move(facts));
  }

  // The most expected now, in deviations of the references, of what may be handed over.
  const DomainCalibrations calibrations = calibrated_by_references();
  std::vector<MergeRequest> requests;
  std::vector<const MixtureFacts*> candidates;
  for (const MixtureFacts& facts : references_) {
    if (facts.name != "found" && !placed.contains(facts.name)) continue;
    requests.push_back(searched_request(facts.merge_weights, "proxy of " + facts.name));
    candidates.push_back(&facts);
  }
  const auto estimates = estimated_as_searched(requests, proxies_->score_proxies(kind(), requests));
  proxies_->release_components();
  const MixtureFacts* best = nullptr;
  double most = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const std::vector<Forecast> forecasts = calibrations.expected(estimates[i]);
    double goal = 0;
    for (size_t d = 0; d < forecasts.size(); ++d) {
      std::vector<double> scores;
      for (const MixtureFacts& facts : references_)
        if (has_taught(facts)) scores.push_back(facts.trained.domains[d].value);
      const auto weight = config_.search.weights.find(result_.domains[d].name);
      goal += (weight == config_.search.weights.end() ? 1 : weight->second) * forecasts[d].mean /
              std::max(standard_deviation(scores), 1e-12);
    }
    if (best == nullptr || goal > most) {
      best = candidates[i];
      most = goal;
    }
  }
  if (best == nullptr || !placed.contains(best->name)) {
    say("refine: nothing is expected to be better than what the search found");
    return;
  }
  hand_over(*best, placed.at(best->name));
}

void Loop::hand_over(const MixtureFacts& chosen, const SearchResult& placed) {
  say(fmt::format("refine: {} is expected to be better than what the search found, and handed over",
                  chosen.name));
  place_gains(trained_terms_, false, references_, chosen.name);
  place_baselines(references_);
  result_.searched = result_.found;
  result_.searched.name = "searched";
  result_.found = chosen;
  result_.found.name = "found";
  result_.found.note = fmt::format(
      "the reference {}, {}. The search alone found the mixture of the "
      "reference found",
      chosen.name,
      chosen.note);
  describe_mixture(placed);
}

Fidelity Loop::fidelity_of_measured() const {
  std::vector<MixtureFacts> measured;
  for (const MixtureFacts& facts : references_)
    if (!facts.trained.domains.empty()) measured.push_back(facts);
  return measure_fidelity(measured,
                          result_.domains.size(),
                          config_.validate.bootstrap,
                          Rng(config_.seed).stream("bootstrap"));
}

bool Loop::is_narrow_enough() const {
  constexpr int64_t kFewest = 6;
  const Fidelity fidelity = fidelity_of_measured();
  const Estimate& rho = fidelity.proxy.macro.spearman;
  if (fidelity.references < kFewest || !(rho.high - rho.low <= config_.validate.stop_width))
    return false;
  say(fmt::format("validate: stops after {} references, macro Spearman {:.2f} [{:.2f}, {:.2f}]",
                  fidelity.references,
                  rho.value,
                  rho.low,
                  rho.high));
  return true;
}

RunResult Loop::report(const std::string& unfinished) {
  result_.unfinished = unfinished;
  for (const TrainedModel& model : result_.models) result_.cost.tokens_trained += model.tokens;
  if (proxies_) {
    result_.cost.proxies = proxies_->proxies_scored();
    result_.cost.items_scored = proxies_->items_scored();
  }
  for (const char* stage : {"corpus",
                            "train base",
                            "train components",
                            "search",
                            "train references",
                            "validate",
                            "refine"}) {
    result_.cost.seconds.emplace_back(stage, workspace_.journal().seconds(stage));
  }
  result_.warnings = warnings();
  write_report(workspace_.folder(), result_);
  return result_;
}

}  // namespace

RunResult run_stages(RunConfig config, const std::filesystem::path& out, Stage last) {
  Loop loop(std::move(config), out);
  loop.corpus();
  if (last == Stage::kCorpus) return loop.report("base and components are to be trained");
  loop.train();
  if (last == Stage::kTrain) return loop.report("the mixture is still to be searched for");
  loop.search();
  if (last == Stage::kSearch) return loop.report("the references are still to be trained");
  loop.validate();
  return loop.report("");
}

}  // namespace demix
