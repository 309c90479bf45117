// The method: "Decouple Searching from Training: Scaling Data Mixing via Model Merging for Large
// Language Model Pre-training" (arXiv 2602.00747), section on iterative search.
#include "demix/search/search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/ranks.h"
#include "demix/core/rng.h"
#include "demix/search/points.h"
#include "demix/search/tournament.h"

namespace demix {
namespace {

std::vector<double> normalised(std::span<const double> prior, const Composition& composition) {
  if (prior.size() != composition.components().size()) {
    throw Error("the prior has {} weights for {} components",
                prior.size(),
                composition.components().size());
  }
  double sum = 0;
  for (size_t i = 0; i < prior.size(); ++i) {
    if (!(prior[i] >= 0)) {
      throw Error("the prior of component '{}' is {}, expected 0 or more",
                  composition.components()[i],
                  prior[i]);
    }
    sum += prior[i];
  }
  if (!(sum > 0 && std::isfinite(sum)))
    throw Error("the prior's weights sum to {}, expected above 0", sum);
  std::vector<double> result(prior.begin(), prior.end());
  for (double& weight : result) weight /= sum;
  return result;
}

FeasibleSet feasible_set(const SearchConfig& config,
                         const SearchProblem& problem,
                         std::span<const double> prior) {
  return FeasibleSet(problem.composition,
                     share_constraints(config.constraints,
                                       problem.composition,
                                       prior,
                                       problem.dataset_tokens,
                                       problem.target_tokens));
}

// One target (a domain or a metric) with the predictor that won on it.
struct FittedTarget {
  std::string target;
  Tournament tournament;
  size_t chosen = 0;
  std::unique_ptr<Predictor> predictor;

  const CrossValidation* cross_validation() const {
    return tournament.results.empty() ? nullptr : &tournament.results[chosen];
  }
};

class Search {
 public:
  Search(const SearchConfig& config, const SearchProblem& problem)
      : config_(config),
        problem_(problem),
        objective_(problem.metrics),
        prior_(normalised(problem.prior, problem.composition)),
        feasible_(feasible_set(config, problem, prior_)),
        root_(Rng(problem.seed).stream("search")),
        evaluated_points_(problem.composition.components().size()),
        candidates_(problem.composition.components().size()) {
    result_.components = problem.composition.components();
    result_.datasets = problem.composition.datasets();
    result_.domains = objective_.domains();
  }

  // Round 0 draws from the prior; later rounds draw from the best predicted candidates.
  Points propose(int round, int64_t count) {
    Rng rng = root_.stream("propose", round);
    if (round == 0) {
      return sample_mixtures(config_.sampler, prior_, feasible_, static_cast<size_t>(count), rng);
    }
    Points best(candidates_.columns());
    for (size_t i : best_candidates(config_.propose_from)) best.add(candidates_.row(i));
    auto fresh = distinct_rows(best, config_.sampler.duplicate_l1, &evaluated_points_);
    rng.shuffle(std::span<size_t>(fresh));
    fresh.resize(std::min(fresh.size(), static_cast<size_t>(count)));
    Points proposals(candidates_.columns());
    for (size_t i : fresh) proposals.add(best.row(i));
    return proposals;
  }

  void evaluate(int round,
                int64_t count,
                const Points& proposals,
                const EvaluateProxies& evaluate) {
    if (proposals.rows() < static_cast<size_t>(count)) {
      warn(
          "Round {} has {} proxies instead of {}: the constraints leave no more distinct mixtures.",
          round + 1,
          proposals.rows(),
          count);
    }
    if (proposals.rows() == 0) return;
    std::vector<Mixture> batch;
    for (size_t i = 0; i < proposals.rows(); ++i) {
      const auto row = proposals.row(i);
      batch.push_back({result_.components, {row.begin(), row.end()}});
    }
    const auto measured = evaluate(batch);
    if (measured.size() != batch.size()) {
      throw Error("{} proxies were to be evaluated, {} came back", batch.size(), measured.size());
    }
    const auto predicted =
        fitted_domains_.empty() ? std::vector<std::vector<double>>{} : predict(proposals);
    for (size_t i = 0; i < batch.size(); ++i) add(round, batch[i], measured[i], i, predicted);
  }

  // Learns each domain's score from all proxies so far.
  void fit(int round) {
    Rng rng = root_.stream("folds", round);
    const auto folds = random_folds(evaluated_points_.rows(), rng);
    fitted_domains_.clear();
    for (size_t d = 0; d < result_.domains.size(); ++d) {
      fitted_domains_.push_back(fit_target(result_.domains[d], domain_scores_of_proxies(d), folds));
    }
  }

  // Predicts many random mixtures and orders them by the objective.
  void narrow() {
    if (candidates_.rows() == 0) {
      Rng rng = root_.stream("candidates");
      candidates_ = sample_mixtures(
          config_.sampler, prior_, feasible_, static_cast<size_t>(config_.candidates), rng);
    }
    candidate_scores_ = predict(candidates_);
    const auto objective = mean_percentile_rank(candidate_scores_);
    ranking_.resize(candidates_.rows());
    std::iota(ranking_.begin(), ranking_.end(), size_t{0});
    // Equal candidates stay in the order drawn.
    std::stable_sort(ranking_.begin(), ranking_.end(), [&](size_t a, size_t b) {
      return objective[a] > objective[b];
    });
    worst_averaged_ = objective[best_candidates(config_.average_of).back()];
  }

  SearchResult average_of_best() {
    const auto best = best_candidates(config_.average_of);
    std::vector<double> average(candidates_.columns());
    for (size_t i : best) {
      for (size_t k = 0; k < average.size(); ++k) average[k] += candidates_.row(i)[k];
    }
    const double sum = std::accumulate(average.begin(), average.end(), 0.0);
    for (double& weight : average) weight /= sum;
    // Convex, so the mean of members is a member.
    DEMIX_CHECK(feasible_.violation(average) <= 2 * FeasibleSet::kTolerance);
    result_.merge_weights = average;
    result_.data_shares = problem_.composition.data_shares(average);

    for (auto& target : fitted_domains_) record(target);
    foretell();
    rank_proxies();
    warn_of_weak_evidence();
    return std::move(result_);
  }

 private:
  template <typename... Args>
  void warn(fmt::format_string<Args...> pattern, Args&&... args) {
    result_.warnings.push_back(fmt::format(pattern, std::forward<Args>(args)...));
  }

  std::span<const size_t> best_candidates(int64_t count) const {
    return std::span(ranking_).first(std::min(ranking_.size(), static_cast<size_t>(count)));
  }

  void add(int round,
           const Mixture& mixture,
           const Measurements& measured,
           size_t place,
           const std::vector<std::vector<double>>& predicted) {
    EvaluatedMixture proxy;
    proxy.round = round;
    proxy.merge_weights = mixture.weights;
    proxy.data_shares = problem_.composition.data_shares(mixture.weights);
    const std::string name = fmt::format("proxy {} of round {}", place + 1, round + 1);
    proxy.domain_scores = objective_.domain_scores(objective_.oriented(measured, name));
    proxy.domain_errors = objective_.domain_errors(measured);
    for (const Metric& metric : objective_.metrics())
      proxy.metrics.push_back(measured.at(metric.name));
    if (!predicted.empty()) {
      double percentile = 0;
      for (size_t d = 0; d < predicted.size(); ++d) {
        proxy.predicted_domain_scores.push_back(predicted[d][place]);
        percentile += percentile_among_candidates(d, predicted[d][place]) /
                      static_cast<double>(predicted.size());
      }
      proxy.predicted_objective = percentile;
    }
    evaluated_points_.add(mixture.weights);
    result_.evaluated.push_back(std::move(proxy));
  }

  // Share of the candidates predicted no better than `score` on domain d.
  double percentile_among_candidates(size_t d, double score) const {
    const auto& all = candidate_scores_[d];
    const auto no_better =
        std::count_if(all.begin(), all.end(), [&](double other) { return other <= score; });
    return static_cast<double>(no_better) / static_cast<double>(all.size());
  }

  std::vector<double> domain_scores_of_proxies(size_t d) const {
    std::vector<double> scores;
    for (const auto& proxy : result_.evaluated) scores.push_back(proxy.domain_scores[d]);
    return scores;
  }

  FittedTarget fit_target(const std::string& target,
                          const std::vector<double>& scores,
                          std::span<const int> folds) const {
    FittedTarget fitted{
        .target = target,
        .tournament = compete(
            competitor_names(), config_.predictors, evaluated_points_, scores, {}, folds, 0),
        .chosen = 0,
        .predictor = nullptr};
    fitted.chosen = fitted.tournament.winner;
    if (config_.predictor != "auto") {
      const auto& names = fitted.tournament.names;
      fitted.chosen = static_cast<size_t>(std::find(names.begin(), names.end(), config_.predictor) -
                                          names.begin());
      fitted.tournament.reason = config_.predictor + ", as configured";
    }
    fitted.predictor = fitted_competitor(
        fitted.tournament, fitted.chosen, config_.predictors, evaluated_points_, scores, {});
    return fitted;
  }

  // By domain, then by mixture.
  std::vector<std::vector<double>> predict(const Points& mixtures) const {
    std::vector<std::vector<double>> scores;
    for (const auto& fitted : fitted_domains_)
      scores.push_back(fitted.predictor->predict(mixtures));
    return scores;
  }

  // Keeps a target's table and choice.
  void record(const FittedTarget& fitted) {
    const Tournament& tournament = fitted.tournament;
    for (size_t k = 0; k < tournament.names.size(); ++k) {
      if (tournament.results.empty() && k != fitted.chosen) continue;
      PredictorTrial trial{.predictor = tournament.names[k],
                           .target = fitted.target,
                           .cv_spearman = std::nullopt,
                           .cv_mae = std::nullopt,
                           .cv_rmse = std::nullopt,
                           .chosen = k == fitted.chosen};
      if (!tournament.results.empty()) {
        trial.cv_spearman = tournament.results[k].spearman;
        trial.cv_mae = tournament.results[k].mae;
        trial.cv_rmse = tournament.results[k].rmse;
      }
      result_.trials.push_back(std::move(trial));
    }
    if (!result_.choice.empty()) result_.choice += "; ";
    result_.choice += fmt::format("{}: {}", fitted.target, tournament.reason);
  }

  // What the found mixture is expected to score.
  void foretell() {
    Points found(candidates_.columns());
    found.add(result_.merge_weights);
    double percentile = 0;
    for (size_t d = 0; d < fitted_domains_.size(); ++d) {
      const double score = fitted_domains_[d].predictor->predict(found)[0];
      result_.predicted_domain_scores.push_back(score);
      percentile +=
          percentile_among_candidates(d, score) / static_cast<double>(fitted_domains_.size());
    }
    if (percentile < worst_averaged_) {
      warn(
          "The average of the best mixtures is itself predicted worse (mean percentile {:.3f}) "
          "than each of "
          "them (at least {:.3f}): the best lie apart, and their average lies between them.",
          percentile,
          worst_averaged_);
    }

    Rng rng = root_.stream("folds of metrics");
    const auto folds = random_folds(evaluated_points_.rows(), rng);
    const std::string choice = result_.choice;  // only domains steer
    for (size_t m = 0; m < problem_.metrics.size(); ++m) {
      std::vector<double> values;
      for (const auto& proxy : result_.evaluated) values.push_back(proxy.metrics[m].value);
      const auto fitted = fit_target(problem_.metrics[m].name, values, folds);
      Prediction prediction{.metric = problem_.metrics[m].name,
                            .value = fitted.predictor->predict(found)[0],
                            .standard_error = std::nullopt};
      if (fitted.cross_validation()) prediction.standard_error = fitted.cross_validation()->rmse;
      result_.predicted.push_back(prediction);
      record(fitted);
    }
    result_.choice = choice;
  }

  void rank_proxies() {
    std::vector<std::vector<double>> scores;
    for (size_t d = 0; d < result_.domains.size(); ++d)
      scores.push_back(domain_scores_of_proxies(d));
    const auto objective = mean_percentile_rank(scores);
    for (size_t i = 0; i < objective.size(); ++i) result_.evaluated[i].objective = objective[i];
  }

  void warn_of_weak_evidence() {
    const size_t n = result_.evaluated.size();
    for (size_t d = 0; d < result_.domains.size(); ++d) {
      const auto scores = domain_scores_of_proxies(d);
      if (std::all_of(scores.begin(), scores.end(), [&](double s) { return s == scores[0]; })) {
        warn("All {} proxies score the same on {}: it had no part in the choice.",
             n,
             result_.domains[d]);
        continue;
      }
      const auto* cv = fitted_domains_[d].cross_validation();
      if (!cv) continue;
      // One-sided 5 % bound of the correlation of unrelated numbers.
      const double chance = 1.645 / std::sqrt(static_cast<double>(n) - 1);
      if (!cv->spearman || *cv->spearman < chance) {
        warn(
            "The predictor of {} ranks left-out proxies no better than chance (cross-validated "
            "Spearman {}, "
            "{:.2f} needed with {} proxies): there is no evidence that the found mixture is good "
            "for it.",
            result_.domains[d],
            cv->spearman ? fmt::format("{:.2f}", *cv->spearman) : "undefined",
            chance,
            n);
      }
    }
    if (n < kFewestForTournament) {
      warn("{} proxies are too few to check the predictor by cross-validation.", n);
    }
  }

  const SearchConfig& config_;
  const SearchProblem& problem_;
  const Objective objective_;
  const std::vector<double> prior_;
  const FeasibleSet feasible_;
  const Rng root_;
  Points evaluated_points_;  // merge weights of result_.evaluated
  Points candidates_;
  std::vector<FittedTarget> fitted_domains_;
  std::vector<std::vector<double>> candidate_scores_;  // by domain, then candidate
  std::vector<size_t> ranking_;                        // candidates, best first
  double worst_averaged_ = 0;
  SearchResult result_;
};

}  // namespace

void SearchConfig::check() const {
  if (rounds < 1) throw Error("rounds is {}, expected at least 1", rounds);
  if (proxies < 1) throw Error("proxies is {}, expected at least 1", proxies);
  if (candidates < 1) throw Error("candidates is {}, expected at least 1", candidates);
  if (propose_from < 1 || propose_from > candidates) {
    throw Error("propose_from is {}, expected from 1 to candidates ({})", propose_from, candidates);
  }
  if (average_of < 1 || average_of > candidates) {
    throw Error("average_of is {}, expected from 1 to candidates ({})", average_of, candidates);
  }
  if (predictor != "auto") check_competitor(predictor);
  sampler.check();
  constraints.check();
  predictors.check();
}

std::vector<int64_t> SearchConfig::proxies_per_round() const {
  std::vector<int64_t> counts;
  for (int64_t count = proxies; static_cast<int>(counts.size()) < rounds; count /= 2) {
    counts.push_back(std::max<int64_t>(count, 1));
  }
  return counts;
}

int64_t SearchConfig::total_proxies() const {
  const auto counts = proxies_per_round();
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

SearchResult search_mixture(const SearchConfig& config,
                            const SearchProblem& problem,
                            const EvaluateProxies& evaluate) {
  config.check();
  Search search(config, problem);
  const auto counts = config.proxies_per_round();
  for (int round = 0; round < config.rounds; ++round) {
    const Points proposals = search.propose(round, counts[round]);
    search.evaluate(round, counts[round], proposals, evaluate);
    search.fit(round);
    search.narrow();
  }
  return search.average_of_best();
}

}  // namespace demix
