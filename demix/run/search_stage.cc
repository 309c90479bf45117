#include "demix/run/search_stage.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/merge/components.h"
#include "demix/run/ensemble_estimates.h"
#include "demix/run/metrics.h"
#include "demix/run/own_data_check.h"
#include "demix/run/references.h"
#include "demix/run/run_facts.h"
#include "demix/run/warm_start.h"
#include "demix/validate/gauge.h"
#include "demix/validate/length_gauge.h"

namespace demix {

SearchProblem SearchStage::problem() const {
  SearchProblem problem{run_.composition, {}, {}, run_.dataset_tokens(), 0, run_.config.seed};
  for (const ScoredMetric& scored : run_.sheet.metrics()) problem.metrics.push_back(scored.metric);
  for (const int64_t tokens : problem.dataset_tokens)
    problem.prior.push_back(static_cast<double>(tokens));
  if (run_.config.target_tokens) problem.target_tokens = *run_.config.target_tokens;
  for (const MixtureFacts& facts : baselines_)
    problem.baselines.emplace_back(facts.name, facts.merge_weights);
  return problem;
}

void SearchStage::score_components(StageClock& clock) {
  std::vector<std::vector<Score>> domain_scores;
  OwnDataCheck own_data(run_);
  run_.model_scorer->share(run_.components, own_data.reads(), [&] { clock.lap(); });
  Progress progress("score components", static_cast<int64_t>(run_.components.size()), "models");
  for (const ModelFacts& component : run_.components) {
    TermsByMetric terms;
    const Scores scores = run_.model_scorer->score(component, own_data.reads() ? &terms : nullptr);
    own_data.add(terms);
    domain_scores.push_back(run_.sheet.of(scores, component.name).domains);
    for (size_t i = 0; i < run_.sheet.metrics().size(); ++i) {
      const ScoredMetric& scored = run_.sheet.metrics()[i];
      run_.result.tasks[i].items = scores.tasks.at(scored.task).at(scored.measure).n;
    }
    progress.add(1);
    clock.lap();
  }
  own_data.finish();
  const bool both_kinds = run_.proxy_kind == ProxyKind::kEnsemble ||
                          !beyond_ensembles(run_.sheet.metrics(), run_.tasks);
  foretelling_.emplace(
      Foretelling::Sources{
          *run_.proxies, run_.sheet, run_.composition, run_.result.datasets, run_.result.domains},
      run_.proxy_kind,
      both_kinds,
      std::move(domain_scores));
}

void SearchStage::run() {
  StageClock clock(run_.workspace.journal(), "search");
  // Said before the search is paid for.
  for (const std::string& warning :
       read_drifts(run_.names, run_.proxies->components().drifts()).warnings)
    warn(warning);
  score_components(clock);
  baselines_ = choose_baselines(run_.composition,
                                run_.dataset_tokens(),
                                run_.config.search.sampler.prior_power,
                                run_.config.search.current);
  SearchProblem problem = this->problem();
  problem.spent = [this](int round) { return spent(round); };
  problem.known =
      warm_start(run_.workspace, run_.proxies->setup(run_.proxy_kind), run_.sheet.metrics());
  if (run_.proxy_kind == ProxyKind::kMerged)
    say(fmt::format("search: a proxy is scored on {} of {} tokens",
                    run_.evaluation->scorer(Items::kSelection).tokens(),
                    run_.evaluation->scorer(Items::kAll).tokens()));

  const SearchResult found =
      search_mixture(run_.config.search, problem, [&](std::span<const Mixture> mixtures) {
        return score_batch(mixtures, clock);
      });
  record_search(found, run_.composition, run_.result);
  run_.result.search_end.select_share = run_.config.search.select_share;
  if (found.next_gain) {
    say(fmt::format(
        "search: one more proxy is expected to gain {:.3g} standard deviations of the goal "
        "over the proxies",
        *found.next_gain));
  }
  for (const std::string& warning : found.warnings) warn(warning);
  verify_found(found);
  read_gauges();
}

std::vector<Measurements> SearchStage::score_batch(std::span<const Mixture> mixtures,
                                                   StageClock& clock) {
  Progress progress("score proxies", static_cast<int64_t>(mixtures.size()), "proxies");
  std::vector<ProxyRequest> requests;
  for (const Mixture& mixture : mixtures) {
    requests.push_back(selection_request(
        mixture.weights, fmt::format("proxy {}", searched_.size() + requests.size() + 1)));
  }
  searched_.insert(searched_.end(), requests.begin(), requests.end());
  const std::vector<Scores> scores = run_.proxies->score(run_.proxy_kind, requests, [&] {
    progress.add(1);
    clock.lap();
  });
  std::vector<Measurements> measured;
  for (size_t i = 0; i < scores.size(); ++i) {
    measured.push_back(measurements_of(scores[i], run_.sheet.metrics(), requests[i].name));
  }
  return measured;
}

Spent SearchStage::spent(int round) {
  const std::string key = run_.proxies->key_of(run_.proxy_kind, searched_);
  Journal& journal = run_.workspace.journal();
  if (const auto found = journal.find("spent", key))
    return {found->at("items").get<int64_t>(), found->at("seconds").get<double>()};
  const int64_t items = run_.proxy_kind == ProxyKind::kMerged
                            ? run_.evaluation->scorer(Items::kSelection).items()
                            : 0;
  const Spent spent{static_cast<int64_t>(searched_.size()) * items, journal.seconds("search")};
  journal.put("spent",
              key,
              fmt::format("round {}", round + 1),
              {{"items", spent.items}, {"seconds", spent.seconds}});
  return spent;
}

void SearchStage::verify_found(const SearchResult& found) {
  MixtureFacts best;
  best.name = "found";
  best.mixture = found.data_shares;
  best.merge_weights = found.merge_weights;
  baselines_.push_back(std::move(best));
  TermsOfMixtures terms;
  foretelling_->foretell(baselines_, &terms);

  // On the items of the predictions.
  std::vector<Foretold> foretold = found.foretold;
  foretold.push_back(
      {"found", found.predicted, found.predicted_domain_scores, found.predicted_domain_errors});
  std::vector<ProxyRequest> on_selection;
  for (const MixtureFacts& facts : baselines_)
    on_selection.push_back(selection_request(facts.merge_weights, "the proxy of " + facts.name));
  const std::vector<Scores> measured = foretelling_->score(on_selection);
  for (size_t i = 0; i < baselines_.size(); ++i) {
    MixtureFacts& facts = baselines_[i];
    facts.measured = run_.sheet.of(measured[i], on_selection[i].name);
    for (size_t d = 0; d < run_.result.domains.size(); ++d) {
      facts.predicted.domains.push_back(
          {foretold[i].domain_scores[d], foretold[i].domain_errors[d]});
    }
    for (const Prediction& prediction : foretold[i].metrics) {
      facts.predicted.tasks.push_back(
          {prediction.value, prediction.standard_error.value_or(kUnknown)});
    }
  }
  record_gains(run_.sheet, run_.evaluation->split(), GainOf::kProxies, terms, baselines_);
  noise_ = noise_by(terms);
  if (run_.config.search.splits_items()) warn_of_flattery(terms.at("found"));
  record_baselines(baselines_, run_.result);
}

std::vector<double> SearchStage::noise_by(const TermsOfMixtures& terms) const {
  const SearchConfig& search = run_.config.search;
  const auto itemised = [&](const MixtureFacts& facts) {
    return run_.evaluation->split().terms_of(terms.at(facts.name), Part::kSelection);
  };
  // Of the selection the proxies were scored on so many; a command's scores are of all of it.
  const double searched =
      run_.config.evaluate.command.empty() ? search.searched_share() / search.select_share : 1;
  const MixtureFacts& found = baselines_.back();
  const TermsByMetric its = itemised(found);
  std::vector<double> squares(run_.result.domains.size()), pairs(squares.size());
  for (const MixtureFacts& facts : baselines_) {
    if (&facts == &found) continue;
    const TermsByMetric own = itemised(facts);
    const ModelScores gain = run_.sheet.gain({own, facts.measured}, {its, found.measured});
    for (size_t d = 0; d < squares.size(); ++d) {
      const double error = gain.domains[d].standard_error;
      if (!std::isfinite(error)) continue;
      squares[d] += error * error / 2;
      ++pairs[d];
    }
  }
  std::vector<double> noise;
  for (size_t d = 0; d < squares.size(); ++d)
    noise.push_back(pairs[d] > 0 ? std::sqrt(squares[d] / pairs[d] / searched) : kUnknown);
  return noise;
}

void SearchStage::warn_of_flattery(const TermsByMetric& terms) const {
  std::vector<std::string> whole;
  for (const std::string& task : run_.evaluation->split().undivided(terms)) {
    const auto counts = [&](const ScoredMetric& scored) { return scored.task == task; };
    if (std::any_of(run_.sheet.metrics().begin(), run_.sheet.metrics().end(), counts))
      whole.push_back(task);
  }
  if (!whole.empty()) {
    warn(fmt::format(
        "Too few items to keep some apart from the search: {}. It selected by the items that its "
        "gains are reported on, which flatters them. Each part needs {} of them: score more of the "
        "held-out text (evaluate.held_out_tokens) or of the benchmark (evaluate.limit, its data).",
        fmt::join(whole, ", "),
        ItemSplit::kFewestInPart));
  }
  const std::vector<std::string> without_items = run_.sheet.without_items(terms);
  if (!without_items.empty()) {
    warn(
        fmt::format("The evaluation command gives {} without single items: none can be "
                    "kept apart, so the search selected by what its gains are reported "
                    "on, which flatters them, and their errors are not those of paired items.",
                    fmt::join(without_items, ", ")));
  }
}

std::vector<double> SearchStage::barriers() const {
  std::vector<MixtureFacts> mixtures = baselines_;
  const bool merges = run_.proxy_kind == ProxyKind::kMerged;
  if (!merges) foretelling_->foretell_other_kind(mixtures);
  std::vector<std::vector<double>> merged(run_.result.domains.size()), interpolated(merged.size());
  for (const MixtureFacts& facts : mixtures) {
    const std::vector<Score>& scores = merges ? facts.proxy.domains : facts.other_proxy;
    for (size_t d = 0; d < merged.size(); ++d) {
      merged[d].push_back(scores[d].value);
      interpolated[d].push_back(facts.interpolation[d].value);
    }
  }
  return barriers_of(merged, interpolated);
}

std::vector<std::vector<double>> SearchStage::trial_mixtures() const {
  constexpr int kTrials = 64;
  const std::vector<double> concentrations(run_.names.size(), run_.config.validate.spread);
  Rng rng = Rng(run_.config.seed).stream("trial mixtures");
  std::vector<std::vector<double>> mixtures;
  for (int i = 0; i < kTrials; ++i) mixtures.push_back(rng.dirichlet(concentrations));
  return mixtures;
}

void SearchStage::read_gauges() {
  std::vector<std::vector<double>> mixtures = trial_mixtures();
  const auto estimates = ensemble_estimates(run_, mixtures);
  const size_t domains = run_.result.domains.size();
  GaugeSigns signs;
  signs.components = run_.names;
  signs.drifts = run_.proxies->components().drifts();
  signs.merges = run_.proxy_kind == ProxyKind::kMerged;
  if (!signs.merges) {
    signs.proxies = estimates.value().whole;
  } else {  // each costs a pass: the search's own
    mixtures.clear();
    signs.proxies.resize(domains);
    for (const SearchedProxy& proxy : run_.result.search) {
      mixtures.push_back(proxy.merge_weights);
      for (size_t d = 0; d < domains; ++d) signs.proxies[d].push_back(proxy.domains[d].value);
    }
  }
  signs.interpolated.resize(domains);
  for (const std::vector<double>& mixture : mixtures) {
    const std::vector<Score> interpolated = foretelling_->interpolation(mixture);
    for (size_t d = 0; d < domains; ++d) signs.interpolated[d].push_back(interpolated[d].value);
  }
  for (const DomainFacts& domain : run_.result.domains) signs.domains.push_back(domain.name);
  signs.noise = noise_;
  signs.barriers = barriers();
  const GaugeReading reading = read_gauge(signs);
  run_.result.gauge = {reading.value, reading.verdict, reading.domains, reading.broken};
  say(std::isnan(reading.value) || reading.broken
          ? "gauge: " + reading.verdict
          : fmt::format("gauge {:.2f} of 1: {}", reading.value, reading.verdict));
  for (const std::string& warning : reading.warnings) warn(warning);
  // Components that went too far, or of which one is suspect, are not mended by more training.
  if (estimates && !reading.broken) read_length_of(*estimates);
}

void SearchStage::read_length_of(const EnsembleEstimates& estimates) {
  if (estimates.early.empty()) {
    run_.result.length.verdict = estimates.why_not_early;
    run_.result.length.domains.assign(run_.result.domains.size(), kUnknown);
    return;
  }
  LengthSigns signs{{}, estimates.early_share, estimates.early, estimates.whole};
  for (const DomainFacts& domain : run_.result.domains) signs.domains.push_back(domain.name);
  const auto reading = read_length(signs);
  if (!reading) return;
  run_.result.length = {reading->value, reading->verdict, reading->domains, estimates.early_share};
  say(fmt::format("length {:.2f}: {}", reading->value, reading->verdict));
  if (!reading->warning.empty()) warn(reading->warning);
}

}  // namespace demix
