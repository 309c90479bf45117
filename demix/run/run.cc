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
#include "demix/corpus/tokenizer.h"
#include "demix/merge/components.h"
#include "demix/model/weights.h"
#include "demix/report/report.h"
#include "demix/report/trust.h"
#include "demix/run/coordinator.h"
#include "demix/run/datasets.h"
#include "demix/run/device.h"
#include "demix/run/early_checks.h"
#include "demix/run/foretelling.h"
#include "demix/run/metrics.h"
#include "demix/run/models.h"
#include "demix/run/overlaps.h"
#include "demix/run/proxies.h"
#include "demix/run/references.h"
#include "demix/run/refinement.h"
#include "demix/run/run_facts.h"
#include "demix/run/warm_start.h"
#include "demix/run/workspace.h"
#include "demix/search/search.h"
#include "demix/validate/gauge.h"

namespace demix {
namespace {

// Times the components' tokens from which references are much longer than them.
constexpr int64_t kLongReference = 8;
// Share of the data below which two mixtures are not worth two references.
constexpr double kSettled = 0.01;

// Further references are named refined_1, refined_2, ….
bool is_refined(const MixtureFacts& facts) { return facts.name.starts_with("refined_"); }

// The mixtures that the report compares item by item.
bool is_compared(const MixtureFacts& facts) {
  return is_baseline(facts) || facts.name == "found" || is_refined(facts);
}

// The run while it goes through its stages. Each stage fills its part of `result_`.
class Loop {
 public:
  Loop(RunConfig config, const std::filesystem::path& out, const std::optional<Address>& listen)
      : workspace_(std::move(config), out),
        config_(workspace_.config()),
        names_(config_.dataset_names()),
        tokenizer_(run_tokenizer(config_)),
        tasks_(load_tasks(config_.evaluate)),
        sheet_(metrics_of(config_.evaluate, tasks_, held_out_datasets(config_))),
        composition_(composition_of(config_)) {
    check_before_work(config_, tokenizer_, sheet_.metrics());
    check_items(config_, tokenizer_, tasks_);
    check_warm_start(workspace_);
    // What is wrong with files from elsewhere is said before hours of work.
    elsewhere_ = imported_references(config_.validate.import, composition_);
    if (config_.validate.scores)
      for (MixtureFacts& facts :
           scored_references(config_.validate, composition_, sheet_.metrics()))
        elsewhere_.push_back(std::move(facts));
    resolve_device(config_.device);
    at::set_num_threads(resolve_threads(config_.threads));
    if (listen) {
      coordinator_.emplace(*listen, config_, workspace_.folder(), workspace_.journal());
      workspace_.share_with(&*coordinator_);
    }
    result_ = facts_of_run(workspace_, sheet_);
    result_.device = fmt::format("{}, {} threads, {} products",
                                 config_.device,
                                 resolve_threads(config_.threads),
                                 config_.evaluate.dtype);
    result_.versions = {{"demix", DEMIX_VERSION}, {"libtorch", TORCH_VERSION}};
    result_.proxies = resolve_proxies(config_.proxies, sheet_.metrics(), tasks_);
    if (config_.search.budget.items && kind() == ProxyKind::kEnsemble)
      throw Error(
          "search.budget.items: counts the items that merged proxies answer, and proxies are "
          "ensembles here, which answer none; give search.budget.proxies or seconds, or set "
          "proxies: merged");
  }

  void corpus();
  void train();
  void search();
  void validate();
  // Writes the files that the run hands over after `stage`; `unfinished` says what is still to
  // come. What a later stage left stays.
  RunResult report(Stage stage, const std::string& unfinished);

 private:
  ProxyKind kind() const {
    return result_.proxies == "merged" ? ProxyKind::kMerged : ProxyKind::kEnsemble;
  }
  std::vector<int64_t> dataset_tokens() const;

  // Of components among which the search could not choose.
  void warn_of_equal_components() const;
  // The components' own scores, which all estimates start from.
  void score_components(StageClock& clock);
  SearchProblem problem() const;
  // Measurements of one batch of the search.
  std::vector<Measurements> score_batch(std::span<const Mixture> mixtures, StageClock& clock);
  // What the search took until the end of a round, the same when a run is resumed.
  Spent spent(int round);
  // Measures found and baselines by their proxies, and places them in the result.
  void verify_found(const SearchResult& found);
  // What flatters the gains that are reported.
  void warn_of_flattery(const TermsByMetric& terms) const;
  // What the proxies of the search say of themselves.
  std::vector<double> run_barriers() const;
  void read_run_gauge();

  // Chooses them, and fills in what can be said of them before they are trained.
  void choose_references();
  // How all references are trained; their data order is not that of the components: noise that
  // they shared would cancel here, but not between the components and the training that the mixture
  // is for.
  ModelRequest reference_request(const MixtureFacts& facts, uint64_t order = 0) const;
  void import_references();
  void train_references();
  void share_references(std::span<const ModelFacts> trained, size_t first);
  // Whether what each item adds to its scores is asked for too.
  bool needs_terms(const MixtureFacts& facts) const;
  void score_reference(const ModelFacts& model, MixtureFacts& facts);
  // Trains further references where those before lead to expect most, and hands over the best.
  void refine();
  // Hands over a reference in place of what the search found.
  void hand_over(const MixtureFacts& chosen, const SearchResult& placed);
  // Of the references that have been measured so far.
  Fidelity fidelity_of_measured() const;
  // Whether the references so far tell the proxies' agreement as exactly as was asked.
  bool is_narrow_enough() const;

  // What the mixture of this name gains over the baselines (and over what the search found) among
  // `mixtures`; `terms` by their names. Into found_gain, and found_gain_proxy where the terms are
  // those of proxies.
  void record_gains(const std::map<std::string, TermsByMetric>& terms,
                    bool proxies,
                    std::vector<MixtureFacts>& mixtures,
                    const std::string& found = "found") const;
  // What the items say that gains are reported by.
  TermsByMetric reported(const TermsByMetric& terms) const;

  Workspace workspace_;
  std::optional<Coordinator> coordinator_;
  const RunConfig& config_;
  const std::vector<std::string> names_;
  const Tokenizer tokenizer_;
  const std::vector<Task> tasks_;
  const ScoreSheet sheet_;
  const Composition composition_;

  std::map<std::string, DatasetShards> datasets_;
  std::unique_ptr<Models> models_;
  std::vector<ModelFacts> components_;
  std::unique_ptr<Proxies> proxies_;
  std::optional<Foretelling> foretelling_;  // once the components are scored
  std::vector<MergeRequest> searched_;      // proxies of the search, in order
  std::vector<MixtureFacts> baselines_;     // and found, last
  std::vector<MixtureFacts> references_;
  size_t to_train_ = 0;                                 // the first of them
  std::map<std::string, TermsByMetric> trained_terms_;  // of those that are compared, by name
  SelectedScores selected_scores_;       // of references; not of those that were scored elsewhere
  std::vector<MixtureFacts> elsewhere_;  // the others, which were trained elsewhere
  RunResult result_;
};

void Loop::corpus() {
  datasets_ = prepare_datasets(workspace_, tokenizer_);
  for (const auto& [name, shards] : datasets_) {
    result_.datasets.push_back(facts_of_dataset(workspace_, name, shards.summary));
    const std::string& domain = result_.datasets.back().domain;
    const std::vector<std::string>& domains = sheet_.domains();
    if (domain.empty() || std::find(domains.begin(), domains.end(), domain) != domains.end())
      continue;
    warn(fmt::format(
        "Dataset {} is meant for the domain '{}', of which nothing is scored (there are "
        "{}): to make it count, name scores of it under evaluate.domains, such as "
        "held_out/{}.",
        name,
        domain,
        fmt::join(domains, ", "),
        name));
  }
  check_constraints(config_, dataset_tokens());
  StageClock clock(workspace_.journal(), "corpus");
  result_.shared = find_shared_documents(workspace_, datasets_);
  for (const std::string& warning : warnings_of(result_.shared, datasets_)) warn(warning);
  result_.overlaps = find_overlaps(workspace_, tasks_, datasets_, tokenizer_);
  for (const std::string& warning : warnings_of(result_.overlaps, names_)) warn(warning);
}

std::vector<int64_t> Loop::dataset_tokens() const {
  std::vector<int64_t> tokens;
  for (const DatasetFacts& dataset : result_.datasets) tokens.push_back(dataset.available_tokens);
  return tokens;
}

void Loop::train() {
  models_ = std::make_unique<Models>(workspace_, datasets_, tokenizer_.vocabulary_size());
  result_.models.push_back(facts_of_model(models_->base(), "base", names_));

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
  warn_of_equal_components();
  for (size_t i = 0; i < components_.size(); ++i) {
    TrainedModel model = facts_of_model(components_[i], "component", names_);
    model.drift = proxies_->components().drifts()[i];
    result_.models.push_back(model);
    for (size_t d = 0; d < model.epochs_by_dataset.size(); ++d) {
      if (model.epochs_by_dataset[d] > 4) {
        warn(
            fmt::format("The training of {} read dataset {} {:.1f} times: it is smaller than what "
                        "was asked of it. More text, or fewer tokens per component, would make its "
                        "result more typical.",
                        model.name,
                        names_[d],
                        model.epochs_by_dataset[d]));
      }
    }
  }
}

void Loop::warn_of_equal_components() const {
  constexpr double kUntrained = 1e-6;  // what rounding of weights makes of no training
  for (size_t i = 0; i < components_.size(); ++i) {
    if (proxies_->components().drifts()[i] < kUntrained) {
      warn(
          fmt::format("The component of {} is the base (its drift is {:.1g}): nothing was learned "
                      "from the dataset, and no share of it changes a score.",
                      names_[i],
                      proxies_->components().drifts()[i]));
    }
    for (size_t k = 0; k < i; ++k) {
      if (components_[k].weights_hash != components_[i].weights_hash) continue;
      warn(
          fmt::format("The components of {} and {} have the same weights: how the data is divided "
                      "between the two changes no score.",
                      names_[k],
                      names_[i]));
    }
  }
  for (size_t i = 0; i < names_.size(); ++i) {
    if (composition_.at(i, i) > 0) continue;
    warn(
        fmt::format("The component of {} was trained on none of it (components.mixture): its merge "
                    "weight says nothing of that dataset.",
                    names_[i]));
  }
}

TermsByMetric Loop::reported(const TermsByMetric& terms) const {
  return config_.search.select_on_half ? proxies_->halves().terms_of(terms, Half::kReport) : terms;
}

void Loop::record_gains(const std::map<std::string, TermsByMetric>& terms,
                        bool proxies,
                        std::vector<MixtureFacts>& mixtures,
                        const std::string& found) const {
  const auto scores_of = [&](const MixtureFacts& facts) -> const ModelScores& {
    return proxies ? facts.proxy : facts.trained;
  };
  const auto best = std::find_if(mixtures.begin(), mixtures.end(), [&](const MixtureFacts& facts) {
    return facts.name == found;
  });
  // Of what was scored elsewhere there are no items.
  const auto reported_of = [&](const std::string& name) {
    const auto known = terms.find(name);
    return known == terms.end() ? TermsByMetric() : reported(known->second);
  };
  for (MixtureFacts& facts : mixtures) {
    const bool searched = facts.name == "found" && found != "found";
    if (!is_baseline(facts) && !searched) continue;
    DEMIX_CHECK(best != mixtures.end());
    const TermsByMetric own = reported_of(facts.name), its = reported_of(found);
    facts.found_gain = sheet_.gain({own, scores_of(facts)}, {its, scores_of(*best)});
    if (proxies) facts.found_gain_proxy = facts.found_gain;
  }
}

SearchProblem Loop::problem() const {
  SearchProblem problem{composition_, {}, {}, dataset_tokens(), 0, config_.seed};
  for (const ScoredMetric& scored : sheet_.metrics()) problem.metrics.push_back(scored.metric);
  for (const int64_t tokens : problem.dataset_tokens)
    problem.prior.push_back(static_cast<double>(tokens));
  if (config_.target_tokens) problem.target_tokens = *config_.target_tokens;
  for (const MixtureFacts& facts : baselines_)
    problem.baselines.emplace_back(facts.name, facts.merge_weights);
  return problem;
}

void Loop::score_components(StageClock& clock) {
  std::vector<std::vector<Score>> domain_scores;
  proxies_->share_models(*models_, components_, /*with_terms=*/false, [&] { clock.lap(); });
  Progress progress("score components", static_cast<int64_t>(components_.size()), "models");
  for (const ModelFacts& component : components_) {
    const Scores scores = proxies_->score_model(*models_, component);
    domain_scores.push_back(sheet_.of(scores, component.name).domains);
    for (size_t i = 0; i < sheet_.metrics().size(); ++i) {
      const ScoredMetric& scored = sheet_.metrics()[i];
      result_.tasks[i].items = scores.tasks.at(scored.task).at(scored.measure).n;
    }
    progress.add(1);
    clock.lap();
  }
  const bool both_kinds =
      kind() == ProxyKind::kEnsemble || !beyond_ensembles(sheet_.metrics(), tasks_);
  foretelling_.emplace(
      Foretelling::Sources{*proxies_, sheet_, composition_, result_.datasets, result_.domains},
      kind(),
      both_kinds,
      std::move(domain_scores));
}

void Loop::search() {
  StageClock clock(workspace_.journal(), "search");
  score_components(clock);
  baselines_ = choose_baselines(
      composition_, dataset_tokens(), config_.search.sampler.prior_power, config_.search.current);
  SearchProblem problem = this->problem();
  problem.spent = [this](int round) { return spent(round); };
  problem.known = warm_start(workspace_, *proxies_, kind(), sheet_.metrics());
  if (kind() == ProxyKind::kMerged)
    say(fmt::format("search: a proxy is scored on {} of {} tokens",
                    proxies_->searcher().tokens(),
                    proxies_->scorer().tokens()));

  const SearchResult found =
      search_mixture(config_.search, problem, [&](std::span<const Mixture> mixtures) {
        return score_batch(mixtures, clock);
      });
  record_search(found, composition_, result_);
  result_.search_end.halves = config_.search.select_on_half;
  if (found.next_gain) {
    say(fmt::format(
        "search: one more proxy is expected to gain {:.3g} standard deviations of the goal "
        "over the proxies",
        *found.next_gain));
  }
  for (const std::string& warning : found.warnings) warn(warning);
  verify_found(found);
  read_run_gauge();

  choose_references();
  // Their memory serves the training of the references from here on.
  proxies_->release_components();
}

std::vector<Measurements> Loop::score_batch(std::span<const Mixture> mixtures, StageClock& clock) {
  Progress progress("score proxies", static_cast<int64_t>(mixtures.size()), "proxies");
  std::vector<MergeRequest> requests;
  for (const Mixture& mixture : mixtures) {
    requests.push_back(selection_request(
        mixture.weights, fmt::format("proxy {}", searched_.size() + requests.size() + 1)));
  }
  searched_.insert(searched_.end(), requests.begin(), requests.end());
  const std::vector<Scores> scores = proxies_->score_proxies(kind(), requests, [&] {
    progress.add(1);
    clock.lap();
  });
  std::vector<Measurements> measured;
  for (size_t i = 0; i < scores.size(); ++i) {
    measured.push_back(measurements_of(scores[i], sheet_.metrics(), requests[i].name));
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

void Loop::verify_found(const SearchResult& found) {
  MixtureFacts best;
  best.name = "found";
  best.mixture = found.data_shares;
  best.merge_weights = found.merge_weights;
  baselines_.push_back(std::move(best));
  std::map<std::string, TermsByMetric> terms;
  foretelling_->foretell(baselines_, &terms);

  // On the items of the predictions.
  std::vector<Foretold> foretold = found.foretold;
  foretold.push_back(
      {"found", found.predicted, found.predicted_domain_scores, found.predicted_domain_errors});
  std::vector<MergeRequest> on_selection;
  for (const MixtureFacts& facts : baselines_)
    on_selection.push_back(selection_request(facts.merge_weights, "the proxy of " + facts.name));
  const std::vector<Scores> measured = foretelling_->score(on_selection);
  for (size_t i = 0; i < baselines_.size(); ++i) {
    MixtureFacts& facts = baselines_[i];
    facts.measured = sheet_.of(measured[i], on_selection[i].name);
    for (size_t d = 0; d < result_.domains.size(); ++d) {
      facts.predicted.domains.push_back(
          {foretold[i].domain_scores[d], foretold[i].domain_errors[d]});
    }
    for (const Prediction& prediction : foretold[i].metrics) {
      facts.predicted.tasks.push_back(
          {prediction.value, prediction.standard_error.value_or(kUnknown)});
    }
  }
  record_gains(terms, true, baselines_);
  if (config_.search.select_on_half) warn_of_flattery(terms.at("found"));
  record_baselines(baselines_, result_);
}

void Loop::warn_of_flattery(const TermsByMetric& terms) const {
  std::vector<std::string> whole;
  for (const std::string& task : proxies_->halves().undivided(terms)) {
    const auto counts = [&](const ScoredMetric& scored) { return scored.task == task; };
    if (std::any_of(sheet_.metrics().begin(), sheet_.metrics().end(), counts))
      whole.push_back(task);
  }
  if (!whole.empty()) {
    warn(
        fmt::format("Too few items for two halves: {}. The search selected by the items that its "
                    "gains are reported on, which flatters them.",
                    fmt::join(whole, ", ")));
  }
  const std::vector<std::string> without_items = sheet_.without_items(terms);
  if (!without_items.empty()) {
    warn(
        fmt::format("The evaluation command gives {} without single items: there is no half of "
                    "them to select by, so the search selected by what its gains are reported "
                    "on, which flatters them, and their errors are not those of paired items.",
                    fmt::join(without_items, ", ")));
  }
}

// At the baselines and what was found, which are scored on all items, as the components are.
std::vector<double> Loop::run_barriers() const {
  std::vector<MixtureFacts> mixtures = baselines_;
  const bool merges = foretelling_->kind() == ProxyKind::kMerged;
  if (!merges) foretelling_->foretell_other_kind(mixtures);
  std::vector<std::vector<double>> merged(result_.domains.size()), interpolated(merged.size());
  for (const MixtureFacts& facts : mixtures) {
    const std::vector<Score>& scores = merges ? facts.proxy.domains : facts.other_proxy;
    for (size_t d = 0; d < merged.size(); ++d) {
      merged[d].push_back(scores[d].value);
      interpolated[d].push_back(facts.interpolation[d].value);
    }
  }
  return barriers_of(merged, interpolated);
}

void Loop::read_run_gauge() {
  GaugeSigns signs;
  // A command's scores are always of all its items.
  const double reported_per_selected =
      config_.evaluate.command.empty()
          ? (config_.search.select_on_half ? 0.5 : 1.0) / config_.search.selected_share()
          : 1;
  signs.components = names_;
  signs.drifts = proxies_->components().drifts();
  signs.proxies.resize(result_.domains.size());
  signs.interpolated.resize(result_.domains.size());
  for (const SearchedProxy& proxy : result_.search) {
    const std::vector<Score> interpolated = foretelling_->interpolation(proxy.merge_weights);
    for (size_t d = 0; d < result_.domains.size(); ++d) {
      signs.proxies[d].push_back(proxy.domains[d].value);
      signs.interpolated[d].push_back(interpolated[d].value);
    }
  }
  for (size_t d = 0; d < result_.domains.size(); ++d) {
    signs.domains.push_back(result_.domains[d].name);
    // Of differences on the same items, of which the proxies have fewer or as many.
    double square = 0;
    int pairs = 0;
    for (const MixtureFacts& facts : baselines_) {
      if (facts.found_gain_proxy.domains.empty()) continue;
      const double error = facts.found_gain_proxy.domains[d].standard_error;
      if (!std::isfinite(error)) continue;
      square += error * error / 2;
      ++pairs;
    }
    signs.noise.push_back(pairs > 0 ? std::sqrt(square / pairs * reported_per_selected) : kUnknown);
  }
  signs.merges = foretelling_->kind() == ProxyKind::kMerged;
  signs.barriers = run_barriers();
  const auto reading = read_gauge(signs);
  if (!reading) return;
  result_.gauge = {reading->value, reading->verdict, reading->domains, reading->broken};
  say(fmt::format("gauge {:.2f} of 1: {}", reading->value, reading->verdict));
  for (const std::string& warning : reading->warnings) warn(warning);
}

void Loop::choose_references() {
  references_ = demix::choose_references(config_.validate,
                                         composition_,
                                         dataset_tokens(),
                                         result_.merge_weights,
                                         Rng(config_.seed).stream("references"));
  to_train_ = references_.size();
  references_.insert(references_.end(), elsewhere_.begin(), elsewhere_.end());
  foretelling_->foretell(references_);
  foretelling_->foretell_other_kind(references_);
  for (MixtureFacts& facts : references_) {
    for (const MixtureFacts& baseline : baselines_) {
      if (baseline.name != facts.name) continue;
      facts.predicted = baseline.predicted;
      facts.measured = baseline.measured;
      facts.found_gain = baseline.found_gain;
      facts.found_gain_proxy = baseline.found_gain_proxy;
    }
  }
}

ModelRequest Loop::reference_request(const MixtureFacts& facts, uint64_t order) const {
  StageTraining training = config_.components;
  if (config_.validate.tokens) training.tokens = *config_.validate.tokens;
  return {"references/" + facts.name, facts.mixture, training, config_.seed + 1'000'000 + order};
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
  note_repetitions(references_);
  calibrate_by_others(references_);
  result_.fidelity = fidelity_of_measured();
  record_baselines(references_, result_);
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
  // One after the other, as many as are trained at once, where an interval may end it.
  const int processes = 1 + (coordinator_ ? coordinator_->workers() : 0);
  const auto batch =
      config_.validate.stop_width > 0
          ? static_cast<size_t>(processes * parallel_models(config_, models_->architecture()))
          : std::max<size_t>(to_train_, 1);
  for (size_t first = 0, end; first < to_train_; first = end) {
    end = std::min(to_train_, first + batch);
    // A run that was interrupted may have trained more at once.
    while (end < to_train_ && models_->is_trained(reference_request(references_[end]))) ++end;
    std::vector<ModelRequest> requests;
    for (size_t i = first; i < end; ++i) requests.push_back(reference_request(references_[i]));
    const std::vector<ModelFacts> trained = models_->train(requests, "references");
    share_references(trained, first);
    Progress progress("score references", static_cast<int64_t>(trained.size()), "models");
    for (size_t i = 0; i < trained.size(); ++i) {
      score_reference(trained[i], references_[first + i]);
      result_.models.push_back(facts_of_model(trained[i], "reference", names_));
      progress.add(1);
    }
    if (end < to_train_ && is_narrow_enough()) {
      const auto begin = references_.begin();
      references_.erase(begin + static_cast<std::ptrdiff_t>(end),
                        begin + static_cast<std::ptrdiff_t>(to_train_));
      break;
    }
  }
  if (to_train_ > 0) record_gains(trained_terms_, false, references_);
}

// Those of `trained` are the models of references_ from place `first` on.
void Loop::share_references(std::span<const ModelFacts> trained, size_t first) {
  StageClock clock(workspace_.journal(), "validate");
  for (const bool with_terms : {false, true}) {
    std::vector<ModelFacts> shared;
    for (size_t i = 0; i < trained.size(); ++i)
      if (needs_terms(references_[first + i]) == with_terms) shared.push_back(trained[i]);
    proxies_->share_models(*models_, shared, with_terms, [&] { clock.lap(); });
  }
}

bool Loop::needs_terms(const MixtureFacts& facts) const {
  return is_compared(facts) || config_.validate.refine > 0;
}

void Loop::score_reference(const ModelFacts& model, MixtureFacts& facts) {
  StageClock clock(workspace_.journal(), "validate");
  if (!needs_terms(facts)) {
    facts.trained = sheet_.of(proxies_->score_model(*models_, model), model.name);
    return;
  }
  TermsByMetric terms;
  const Scores scores = proxies_->score_model(*models_, model, &terms);
  facts.trained = sheet_.of(scores, model.name);
  const Scores selected = config_.search.select_on_half
                              ? proxies_->halves().scores_of(terms, Half::kSelection, scores)
                              : scores;
  selected_scores_[facts.name] = values_of(sheet_.of(selected, model.name).domains);
  trained_terms_[facts.name] = std::move(terms);
}

void Loop::refine() {
  if (config_.validate.refine == 0) return;
  const auto taught = [&] {
    return static_cast<size_t>(std::count_if(references_.begin(), references_.end(), teaches));
  };
  if (taught() < kFewestToCalibrate) {
    warn(fmt::format("{} references are too few to place others by (validate.refine): at least {}.",
                     taught(),
                     kFewestToCalibrate));
    return;
  }
  Refinement refinement(config_.search, problem(), *foretelling_, sheet_);
  std::map<std::string, SearchResult> placed;
  for (int step = 1; step <= config_.validate.refine; ++step) {
    std::optional<StageClock> clock(std::in_place, workspace_.journal(), "refine");
    refinement.learn(references_, selected_scores_);
    SearchResult next = refinement.place();
    clock->lap();
    const auto same =
        std::find_if(references_.begin(), references_.end(), [&](const MixtureFacts& facts) {
          return teaches(facts) && l1_distance(facts.mixture, next.data_shares) / 2 < kSettled;
        });
    if (same != references_.end()) {
      say(fmt::format("refine: what is expected most of has been trained already, as {}",
                      same->name));
      placed.emplace(same->name, std::move(next));
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
    foretelling_->foretell({&facts, 1});
    proxies_->release_components();
    clock.reset();  // training has a clock of its own
    const ModelFacts model =
        models_->train({reference_request(facts, static_cast<uint64_t>(step))}, "references")
            .front();
    result_.models.push_back(facts_of_model(model, "reference", names_));
    score_reference(model, facts);
    placed.emplace(facts.name, std::move(next));
    references_.push_back(std::move(facts));
  }

  // By what all of them lead to expect now, of what may be handed over.
  std::vector<const MixtureFacts*> candidates;
  for (const MixtureFacts& facts : references_)
    if (facts.name == "found" || placed.contains(facts.name)) candidates.push_back(&facts);
  refinement.learn(references_, selected_scores_);
  const MixtureFacts& best = *candidates[refinement.best_of(candidates)];
  proxies_->release_components();
  if (best.name == "found") {
    say("refine: nothing is expected to be better than what the search found");
    return;
  }
  hand_over(best, placed.at(best.name));
}

void Loop::hand_over(const MixtureFacts& chosen, const SearchResult& placed) {
  say(fmt::format("refine: {} is expected to be better than what the search found, and handed over",
                  chosen.name));
  record_gains(trained_terms_, false, references_, chosen.name);
  record_baselines(references_, result_);
  result_.searched = result_.found;
  result_.searched.name = "searched";
  result_.found = chosen;
  result_.found.name = "found";
  result_.found.note =
      fmt::format("the reference {}{}{}. The search alone found the mixture of the reference found",
                  chosen.name,
                  chosen.note.empty() ? "" : ", ",
                  chosen.note);
  record_mixture(placed, result_);
}

Fidelity Loop::fidelity_of_measured() const {
  std::vector<MixtureFacts> measured;
  for (const MixtureFacts& facts : references_)
    if (!facts.trained.domains.empty()) measured.push_back(facts);
  note_repetitions(measured);
  return measure_fidelity(measured,
                          result_.domains.size(),
                          config_.validate.bootstrap,
                          Rng(config_.seed).stream("bootstrap"));
}

bool Loop::is_narrow_enough() const {
  const Fidelity fidelity = fidelity_of_measured();
  const Estimate& rho = fidelity.proxy.macro.spearman;
  if (fidelity.references < kFewestForVerdict ||
      !(rho.high - rho.low <= config_.validate.stop_width))
    return false;
  say(fmt::format("validate: stops after {} references, macro Spearman {:.2f} [{:.2f}, {:.2f}]",
                  fidelity.references,
                  rho.value,
                  rho.low,
                  rho.high));
  return true;
}

RunResult Loop::report(Stage stage, const std::string& unfinished) {
  constexpr const char* kReached = "reached stage";
  Journal& journal = workspace_.journal();
  const auto reached = journal.find(kReached, "");
  if (reached && reached->get<int>() > static_cast<int>(stage) &&
      std::filesystem::exists(workspace_.folder() / "result.json") &&
      std::filesystem::exists(workspace_.folder() / "details.json")) {
    say("the run is further than that: its result stays as it is");
    return read_result(workspace_.folder());
  }
  result_.unfinished = unfinished;
  for (const TrainedModel& model : result_.models)
    if (model.trained_by.empty()) result_.cost.tokens_trained += model.tokens;
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
  journal.put(kReached, "", "", static_cast<int>(stage));
  return result_;
}

}  // namespace

RunResult run_stages(RunConfig config,
                     const std::filesystem::path& out,
                     Stage last,
                     const std::optional<Address>& listen) {
  Loop loop(std::move(config), out, listen);
  loop.corpus();
  if (last == Stage::kCorpus) return loop.report(last, "base and components are to be trained");
  loop.train();
  if (last == Stage::kTrain) return loop.report(last, "the mixture is still to be searched for");
  loop.search();
  if (last == Stage::kSearch) return loop.report(last, "the references are still to be trained");
  loop.validate();
  return loop.report(Stage::kValidate, "");
}

}  // namespace demix
