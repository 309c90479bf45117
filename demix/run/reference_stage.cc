#include "demix/run/reference_stage.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/report/trust.h"
#include "demix/run/reference_warnings.h"
#include "demix/run/references.h"
#include "demix/run/run_facts.h"
#include "demix/validate/own_data.h"

namespace demix {
namespace {

// Times the components' tokens from which references are much longer than them.
constexpr int64_t kLongReference = 8;
// Share of the data below which two mixtures are not worth two references.
constexpr double kSettled = 0.01;

// The mixtures that the report compares item by item.
bool is_compared(const MixtureFacts& facts) {
  return is_baseline(facts) || facts.name == "found" || is_refined(facts);
}

}  // namespace

void ReferenceStage::choose() {
  std::vector<MixtureFacts> chosen = choose_references(run_.config.validate,
                                                       run_.composition,
                                                       run_.dataset_tokens(),
                                                       run_.result.merge_weights,
                                                       Rng(run_.config.seed).stream("references"));
  to_train_ = chosen.size();
  references_.insert(references_.begin(), chosen.begin(), chosen.end());
  // By their terms the scores that refine() asks for follow without another run of a command.
  TermsOfMixtures terms;
  const bool dear = !run_.config.evaluate.command.empty() && run_.config.validate.refine > 0;
  search_.foretelling().foretell(references_, dear ? &terms : nullptr);
  search_.foretelling().foretell_other_kind(references_);
  for (MixtureFacts& facts : references_) {
    for (const MixtureFacts& baseline : search_.baselines()) {
      if (baseline.name != facts.name) continue;
      facts.predicted = baseline.predicted;
      facts.measured = baseline.measured;
      facts.found_gain = baseline.found_gain;
      facts.found_gain_proxy = baseline.found_gain_proxy;
    }
  }
}

ModelRequest ReferenceStage::request_of(const MixtureFacts& facts, uint64_t order) const {
  StageTraining training = run_.config.components;
  if (run_.config.validate.tokens) training.tokens = *run_.config.validate.tokens;
  return {
      "references/" + facts.name, facts.mixture, training, run_.config.seed + 1'000'000 + order};
}

void ReferenceStage::run() {
  if (references_.empty()) {
    warn(
        "No reference was trained (validate.references: 0), so nothing says how far the proxies "
        "can be trusted.");
    return;
  }
  const int64_t tokens = run_.config.validate.tokens.value_or(run_.config.components.tokens);
  if (tokens >= kLongReference * run_.config.components.tokens &&
      run_.config.components.tokens > 0) {
    warn(fmt::format(
        "The references are trained {:.1f} times as long as the components: proxies of "
        "such short components have ranked mixtures no better than plain data shares "
        "do (docs/fidelity.md). Look at what the references say before the mixture.",
        static_cast<double>(tokens) / static_cast<double>(run_.config.components.tokens)));
  }
  score_imported();
  train();
  note_repetitions(references_);
  calibrate_by_others(references_);
  run_.result.fidelity = fidelity_of_measured();
  warn_of_references();
  record_baselines(references_, run_.result);
  refine();
  run_.result.references = references_;
}

void ReferenceStage::score_imported() {
  for (MixtureFacts& facts : references_) {
    const auto import = run_.config.validate.import.find(facts.name);
    if (import == run_.config.validate.import.end()) continue;
    score(run_.imported_references.at(facts.name), facts);
    const int64_t budget = run_.config.validate.tokens.value_or(run_.config.components.tokens);
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

void ReferenceStage::train() {
  // One after the other, as many as are trained at once, where an interval may end it.
  const int processes = 1 + (run_.coordinator ? run_.coordinator->workers() : 0);
  const auto batch =
      run_.config.validate.stop_width > 0
          ? static_cast<size_t>(processes *
                                parallel_models(run_.config, run_.models->architecture()))
          : std::max<size_t>(to_train_, 1);
  for (size_t first = 0, end; first < to_train_; first = end) {
    end = std::min(to_train_, first + batch);
    // A run that was interrupted may have trained more at once.
    while (end < to_train_ && run_.models->is_trained(request_of(references_[end]))) ++end;
    std::vector<ModelRequest> requests;
    for (size_t i = first; i < end; ++i) requests.push_back(request_of(references_[i]));
    const std::vector<ModelFacts> trained = run_.models->train(requests, "references");
    share(trained, first);
    Progress progress("score references", static_cast<int64_t>(trained.size()), "models");
    for (size_t i = 0; i < trained.size(); ++i) {
      score(trained[i], references_[first + i]);
      run_.result.models.push_back(facts_of_model(trained[i], "reference", run_.names));
      progress.add(1);
    }
    if (end < to_train_ && is_narrow_enough()) {
      const auto begin = references_.begin();
      references_.erase(begin + static_cast<std::ptrdiff_t>(end),
                        begin + static_cast<std::ptrdiff_t>(to_train_));
      break;
    }
  }
  if (to_train_ > 0)
    record_gains(run_.sheet, run_.evaluation->split(), GainOf::kModels, terms_, references_);
}

void ReferenceStage::share(std::span<const ModelFacts> trained, size_t first) {
  StageClock clock(run_.workspace.journal(), "validate");
  for (const bool with_terms : {false, true}) {
    std::vector<ModelFacts> shared;
    for (size_t i = 0; i < trained.size(); ++i)
      if (needs_terms(references_[first + i]) == with_terms) shared.push_back(trained[i]);
    run_.model_scorer->share(shared, with_terms, [&] { clock.lap(); });
  }
}

bool ReferenceStage::needs_terms(const MixtureFacts& facts) const {
  return is_compared(facts) || run_.config.validate.refine > 0;
}

void ReferenceStage::score(const ModelFacts& model, MixtureFacts& facts) {
  StageClock clock(run_.workspace.journal(), "validate");
  if (!needs_terms(facts)) {
    facts.trained = run_.sheet.of(run_.model_scorer->score(model), model.name);
    return;
  }
  TermsByMetric terms;
  const Scores scores = run_.model_scorer->score(model, &terms);
  facts.trained = run_.sheet.of(scores, model.name);
  const Scores selected = run_.config.search.splits_items()
                              ? run_.evaluation->split().scores_of(terms, Part::kSelection, scores)
                              : scores;
  selected_scores_[facts.name] = values_of(run_.sheet.of(selected, model.name).domains);
  terms_[facts.name] = std::move(terms);
}

void ReferenceStage::warn_of_references() const {
  // Of proxies that are known to be wrong, references that disagree are no sign.
  const auto& components = run_.result.own_data.components;
  const bool sound = !run_.result.gauge.broken &&
                     std::none_of(components.begin(), components.end(), [](const auto& component) {
                       return failed(own_data_named(component.reading));
                     });
  if (!sound) return;
  for (const std::string& warning :
       {warning_of_odd(references_), warning_of_exaggeration(references_, run_.result.domains)})
    if (!warning.empty()) warn(warning);
}

void ReferenceStage::refine() {
  if (run_.config.validate.refine == 0) return;
  const auto taught = [&] {
    return static_cast<size_t>(std::count_if(references_.begin(), references_.end(), teaches));
  };
  if (taught() < kFewestToCalibrate) {
    warn(fmt::format("{} references are too few to place others by (validate.refine): at least {}.",
                     taught(),
                     kFewestToCalibrate));
    return;
  }
  Refinement refinement(run_.config.search, search_.problem(), search_.foretelling(), run_.sheet);
  std::map<std::string, SearchResult> placed;
  for (int step = 1; step <= run_.config.validate.refine; ++step) {
    std::optional<StageClock> clock(std::in_place, run_.workspace.journal(), "refine");
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
    search_.foretelling().foretell({&facts, 1});
    run_.proxies->release_components();
    clock.reset();  // training has a clock of its own
    const ModelFacts model =
        run_.models->train({request_of(facts, static_cast<uint64_t>(step))}, "references").front();
    run_.result.models.push_back(facts_of_model(model, "reference", run_.names));
    score(model, facts);
    placed.emplace(facts.name, std::move(next));
    references_.push_back(std::move(facts));
  }

  // By what all of them lead to expect now, of what may be handed over.
  std::vector<const MixtureFacts*> candidates;
  for (const MixtureFacts& facts : references_)
    if (facts.name == "found" || placed.contains(facts.name)) candidates.push_back(&facts);
  refinement.learn(references_, selected_scores_);
  const MixtureFacts& best = *candidates[refinement.best_of(candidates)];
  run_.proxies->release_components();
  if (best.name == "found") {
    say("refine: nothing is expected to be better than what the search found");
    return;
  }
  hand_over(best, placed.at(best.name));
}

void ReferenceStage::hand_over(const MixtureFacts& chosen, const SearchResult& placed) {
  say(fmt::format("refine: {} is expected to be better than what the search found, and handed over",
                  chosen.name));
  record_gains(
      run_.sheet, run_.evaluation->split(), GainOf::kModels, terms_, references_, chosen.name);
  record_baselines(references_, run_.result);
  run_.result.searched = run_.result.found;
  run_.result.searched.name = "searched";
  run_.result.found = chosen;
  run_.result.found.name = "found";
  run_.result.found.note =
      fmt::format("the reference {}{}{}. The search alone found the mixture of the reference found",
                  chosen.name,
                  chosen.note.empty() ? "" : ", ",
                  chosen.note);
  record_mixture(placed, run_.result);
}

Fidelity ReferenceStage::fidelity_of_measured() const {
  std::vector<MixtureFacts> measured;
  for (const MixtureFacts& facts : references_)
    if (!facts.trained.domains.empty()) measured.push_back(facts);
  note_repetitions(measured);
  return measure_fidelity(measured,
                          run_.result.domains.size(),
                          run_.config.validate.bootstrap,
                          Rng(run_.config.seed).stream("bootstrap"));
}

bool ReferenceStage::is_narrow_enough() const {
  const Fidelity fidelity = fidelity_of_measured();
  const Estimate& rho = fidelity.proxy.macro.spearman;
  if (fidelity.references < kFewestForVerdict ||
      !(rho.high - rho.low <= run_.config.validate.stop_width))
    return false;
  say(fmt::format("validate: stops after {} references, macro Spearman {:.2f} [{:.2f}, {:.2f}]",
                  fidelity.references,
                  rho.value,
                  rho.low,
                  rho.high));
  return true;
}

}  // namespace demix
