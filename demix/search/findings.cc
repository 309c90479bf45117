#include "demix/search/findings.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/search/tolerance.h"

namespace demix {
namespace {

class Findings {
 public:
  Findings(const EndOfSearch& end, SearchResult& result)
      : end_(end), result_(result), here_(end.decision.merge_weights.size()) {
    here_.add(end.decision.merge_weights);
  }

  // What the found mixture and the baselines are expected to score.
  void foretell() {
    const auto& domains = end_.surrogates.domains();
    for (const auto& fitted : domains) record(fitted.name, fitted);
    Points mixtures = here_;
    for (const auto& [name, merge_weights] : end_.problem.baselines) {
      mixtures.add(merge_weights);
      result_.foretold.push_back(
          {.name = name, .metrics = {}, .domain_scores = {}, .domain_errors = {}});
    }
    double percentile = 0;
    for (size_t d = 0; d < domains.size(); ++d) {
      const auto forecasts = domains[d].predictor->forecast(mixtures);
      const double score = forecasts[0].mean;
      result_.predicted_domain_scores.push_back(score);
      result_.predicted_domain_errors.push_back(forecasts[0].deviation());
      percentile += end_.surrogates.percentile_among_candidates(d, score) /
                    static_cast<double>(domains.size());
      for (size_t i = 1; i < forecasts.size(); ++i) {
        result_.foretold[i - 1].domain_scores.push_back(forecasts[i].mean);
        result_.foretold[i - 1].domain_errors.push_back(forecasts[i].deviation());
      }
    }
    const auto& worst = end_.decision.worst_averaged;
    if (worst && end_.surrogates.ranks_plainly() && percentile < *worst) {
      warn(
          "The average of the best mixtures is itself predicted worse (mean percentile {:.3f}) "
          "than each of them (at least {:.3f}): the best lie apart, and their average lies between "
          "them.",
          percentile,
          *worst);
    }

    Rng rng = end_.root.stream("folds of metrics");
    const auto folds = mixture_folds(mixture_of_rows(end_.observations.mixtures()), rng);
    const auto& metrics = end_.problem.metrics;
    for (size_t m = 0; m < metrics.size(); ++m) {
      FittedTarget own;
      const auto domain = domain_of_only(m);
      if (!domain) {
        const Points& proxies = end_.observations.mixtures();
        const auto values = end_.observations.values_of_metric(m);
        own = fit_target(end_.config, metrics[m].name, proxies, values, folds);
        settle_target(own, proxies, values, folds);
      }
      const FittedTarget& fitted = domain ? domains[*domain] : own;
      const auto forecasts = fitted.predictor->forecast(mixtures);
      for (size_t i = 0; i < forecasts.size(); ++i) {
        Prediction prediction{
            .metric = metrics[m].name, .value = forecasts[i].mean, .standard_error = std::nullopt};
        if (fitted.cross_validation()) prediction.standard_error = forecasts[i].deviation();
        (i == 0 ? result_.predicted : result_.foretold[i - 1].metrics).push_back(prediction);
      }
      record(metrics[m].name, fitted);
    }
  }

  void measure_tolerance() {
    const Goal& goal = end_.surrogates.goal();
    result_.goal_error = goal_error();
    result_.tolerance =
        tolerances(goal.values, end_.feasible, end_.decision.merge_weights, result_.goal_error);
  }

  void draw_front() {
    const size_t domains = result_.domains.size();
    if (end_.config.front == 0 || domains < 2) return;
    constexpr size_t kStarts = 6;
    const Points& all = end_.decision.starts;
    Points starts(all.columns());
    for (size_t i = 0; i < std::min(kStarts, all.rows()); ++i) starts.add(all.row(i));
    const auto terms = end_.surrogates.terms();
    if (is_flat(terms.first(domains), starts)) return;
    result_.front = pareto_front(terms.first(domains),
                                 terms.subspan(domains),
                                 end_.feasible,
                                 starts,
                                 static_cast<size_t>(end_.config.front));
  }

  void warn_of_weak_evidence() {
    const size_t n = end_.observations.size();
    if (n == 1) return warn("One proxy says nothing of how mixtures differ.");
    for (size_t d = 0; d < result_.domains.size(); ++d) {
      const auto scores = end_.observations.domain_scores(d);
      if (std::all_of(scores.begin(), scores.end(), [&](double s) { return s == scores[0]; })) {
        warn("All {} proxies score the same on {}: it had no part in the choice.",
             n,
             result_.domains[d]);
        continue;
      }
      const auto& fitted = end_.surrogates.domains()[d];
      if (!fitted.lacks_evidence()) continue;
      warn(
          "The predictor of {} ranks left-out proxies no better than chance ({}): there is no "
          "evidence that the found mixture is good for it.",
          result_.domains[d],
          fitted.evidence->words("proxies"));
    }
    for (const auto& fitted : end_.surrogates.metrics_with_floors()) {
      if (!fitted.lacks_evidence()) continue;
      warn(
          "The predictor of {} ranks left-out proxies no better than chance ({}): nothing says "
          "which mixtures keep its floor.",
          fitted.name,
          fitted.evidence->words("proxies"));
    }
    const size_t mixtures = count_mixtures(mixture_of_rows(end_.observations.mixtures()));
    if (mixtures < kFewestForTournament) {
      warn("{} are too few to check the predictor by cross-validation.",
           count_in_words(n, mixtures, "proxies"));
    }
  }

  void warn_of_extrapolation() {
    const auto& decided = end_.decision.merge_weights;
    for (size_t k = 0; k < decided.size(); ++k) {
      double most = 0;
      for (const auto& proxy : end_.observations.proxies())
        most = std::max(most, proxy.merge_weights[k]);
      if (decided[k] <= 1.001 * most + 1e-9) continue;
      warn(
          "The weight {:.3f} of {} lies beyond the largest of any proxy ({:.3f}): what is "
          "predicted of the found mixture is extrapolated.",
          decided[k],
          result_.components[k],
          most);
    }
  }

  // A dataset that every component has read, such as an anchor, has a share below which no mixture
  // of them goes.
  void warn_of_least_shares() {
    constexpr double kAtTheEnd = 0.005;
    const Composition& composition = end_.problem.composition;
    const auto shares = composition.data_shares(end_.decision.merge_weights);
    for (size_t j = 0; j < shares.size(); ++j) {
      double least = 1;
      for (size_t k = 0; k < composition.components().size(); ++k)
        least = std::min(least, composition.at(k, j));
      if (least == 0 || shares[j] > least + kAtTheEnd) continue;
      warn(
          "The share {:.3f} of {} is the least that the components can express: less might be "
          "better. Components trained with less of it (components.anchor_share) would tell; "
          "ensembles of such have found far better mixtures (docs/fidelity.md).",
          shares[j],
          composition.datasets()[j]);
    }
  }

 private:
  template <typename... Args>
  void warn(fmt::format_string<Args...> pattern, Args&&... args) {
    result_.warnings.push_back(fmt::format(pattern, std::forward<Args>(args)...));
  }

  // Of one measurement.
  double goal_error() const {
    const auto terms = end_.surrogates.terms();
    const auto& domains = end_.surrogates.domains();
    std::vector<std::vector<double>> scores;
    std::vector<MeasuredTerm> measured;
    for (size_t d = 0; d < domains.size(); ++d) {
      const CrossValidation* cv = domains[d].cross_validation();
      if (!cv) break;
      scores.push_back(end_.observations.domain_scores(d));
      measured.push_back({scores.back(), cv->forecasts});
    }
    return measured.size() == domains.size() ? goal_deviation(terms.first(domains.size()), measured)
                                             : expected_goal_deviation(terms, here_);
  }

  // Keeps a target's table.
  void record(const std::string& target, const FittedTarget& fitted) {
    const Tournament& tournament = fitted.tournament;
    for (size_t k = 0; k < tournament.names.size(); ++k) {
      if (tournament.results.empty() && k != fitted.chosen) continue;
      PredictorTrial trial{.predictor = tournament.names[k],
                           .target = target,
                           .cv_spearman = std::nullopt,
                           .cv_mae = std::nullopt,
                           .coverage90 = std::nullopt,
                           .chosen = k == fitted.chosen};
      if (!tournament.results.empty()) {
        trial.cv_spearman = tournament.results[k].spearman;
        trial.cv_mae = tournament.results[k].mae;
        trial.coverage90 = tournament.results[k].coverage90;
      }
      result_.trials.push_back(std::move(trial));
    }
  }

  // The domain whose score is this metric and nothing else, if there is one.
  std::optional<size_t> domain_of_only(size_t m) const {
    const auto& metrics = end_.problem.metrics;
    const auto in_domain = std::count_if(metrics.begin(), metrics.end(), [&](const Metric& other) {
      return other.domain == metrics[m].domain;
    });
    if (in_domain != 1 || !metrics[m].higher_is_better) return std::nullopt;
    const auto& domains = result_.domains;
    return std::find(domains.begin(), domains.end(), metrics[m].domain) - domains.begin();
  }

  const EndOfSearch& end_;
  SearchResult& result_;
  Points here_;  // the decision
};

}  // namespace

void add_findings(const EndOfSearch& end, SearchResult& result) {
  Findings findings(end, result);
  findings.foretell();
  findings.measure_tolerance();
  findings.draw_front();
  findings.warn_of_weak_evidence();
  findings.warn_of_extrapolation();
  findings.warn_of_least_shares();
}

}  // namespace demix
