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
#include "demix/search/proposals.h"
#include "demix/search/search_goal.h"
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
        search_goal_(config, objective_, problem.composition, prior_),
        root_(Rng(problem.seed).stream("search")),
        evaluated_points_(problem.composition.components().size()),
        candidates_(problem.composition.components().size()),
        starts_(problem.composition.components().size()),
        pool_(problem.composition.components().size()) {
    for (const auto& merge_weights : problem.pool) {
      if (!feasible_.contains(merge_weights))
        throw Error("pool: mixture {} does not meet the constraints", pool_.rows() + 1);
      pool_.add(merge_weights);
    }
    result_.components = problem.composition.components();
    result_.datasets = problem.composition.datasets();
    result_.domains = objective_.domains();
  }

  // Learns from the proxies that were known before. Returns how many are left of the `count` of the
  // first round.
  int64_t take_known(int64_t count) {
    std::vector<bool> seen(evaluated_points_.columns());
    for (size_t i = 0; i < problem_.known.size(); ++i) {
      const KnownProxy& known = problem_.known[i];
      add(-1, {result_.components, known.merge_weights}, known.metrics, i, {});
      for (size_t k = 0; k < seen.size(); ++k) seen[k] = seen[k] || known.merge_weights[k] > 0;
    }
    const auto unseen = std::count(seen.begin(), seen.end(), false);
    const auto all = static_cast<int64_t>(seen.size());
    return std::max(count - static_cast<int64_t>(problem_.known.size()),
                    (count * unseen + all - 1) / all);
  }

  // Round 0 comes from the samplers; later rounds are chosen by what the proxies so far say.
  Points propose(int round, int64_t count) {
    Rng rng = root_.stream("propose", round);
    if (pool_.rows() > 0) return from_pool(round, static_cast<size_t>(count), rng);
    if (round == 0)
      return first_design(
          config_, prior_, feasible_, static_cast<size_t>(count), evaluated_points_, rng);
    return config_.adaptive() ? by_acquisition(static_cast<size_t>(count), rng)
                              : from_best_candidates(count, rng);
  }

  // As many proxies as the budget leaves of the `count` of this round; says so where it ends the
  // search.
  int64_t affordable(int round, int64_t count) {
    const BudgetConfig& budget = config_.budget;
    if (budget.regret > 0 && result_.next_gain && *result_.next_gain < budget.regret) {
      return end_search(
          "the next proxy is expected to gain {:.3g} standard deviations, less than budget.regret "
          "({:g})",
          *result_.next_gain,
          budget.regret);
    }
    if (!problem_.spent || !(budget.seconds || budget.items)) return count;
    const Spent spent = problem_.spent(round - 1);
    if (budget.seconds && spent.seconds >= *budget.seconds) {
      return end_search(
          "{:.0f} s of budget.seconds ({:g}) are spent", spent.seconds, *budget.seconds);
    }
    if (budget.items) {
      const auto each =
          static_cast<double>(spent.items) /
          std::max(1.0, static_cast<double>(result_.evaluated.size() - problem_.known.size()));
      const auto most = static_cast<int64_t>(
          std::floor(static_cast<double>(*budget.items - spent.items) / std::max(each, 1.0)));
      if (most < 1) {
        return end_search("{} of budget.items ({}) are scored", spent.items, *budget.items);
      }
      count = std::min(count, most);
    }
    return count;
  }

  // Of the pool, what was not measured yet: at random in round 0, then what is predicted best or
  // expected to improve most.
  Points from_pool(int round, size_t count, Rng& rng) {
    Points left(pool_.columns()), proposals(pool_.columns());
    for (size_t i : distinct_rows(pool_, config_.sampler.duplicate_l1, &evaluated_points_))
      left.add(pool_.row(i));
    std::vector<size_t> order(left.rows());
    std::iota(order.begin(), order.end(), size_t{0});
    if (round == 0) {
      rng.shuffle(std::span<size_t>(order));
    } else if (config_.adaptive()) {
      order = choose_batch(
          config_.acquisition, left, limited_forecasts(left), best_forecast_, count, 0);
    } else {
      const auto values = goal_.values(left);
      std::stable_sort(
          order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
    }
    for (size_t i = 0; i < std::min(count, order.size()); ++i) proposals.add(left.row(order[i]));
    return proposals;
  }

  // The predicted optimum, then what is expected to improve on it most.
  Points by_acquisition(size_t count, Rng& rng) {
    const Points around = acquisition_candidates(config_, prior_, feasible_, decided_, rng);
    const auto forecasts = limited_forecasts(around);
    Points wanted(around.columns());
    wanted.add(decided_);
    for (size_t i : choose_batch(config_.acquisition,
                                 around,
                                 forecasts,
                                 best_forecast_,
                                 count,
                                 10 * config_.sampler.duplicate_l1)) {
      wanted.add(around.row(i));
    }
    Points proposals(around.columns());
    for (size_t i : distinct_rows(wanted, config_.sampler.duplicate_l1, &evaluated_points_)) {
      if (proposals.rows() < count) proposals.add(wanted.row(i));
    }
    return proposals;
  }

  Points from_best_candidates(int64_t count, Rng& rng) {
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
    const auto folds =
        needs_folds(round) ? random_folds(evaluated_points_.rows(), rng) : std::vector<int>{};
    fitted_domains_.clear();
    for (size_t d = 0; d < result_.domains.size(); ++d) {
      fitted_domains_.push_back(fit_target(result_.domains[d], domain_scores_of_proxies(d), folds));
    }
    fitted_floors_.clear();
    for (size_t m : search_goal_.metrics_with_floors())
      fitted_floors_.push_back(fit_target(problem_.metrics[m].name, metric_of_proxies(m), folds));
  }

  // Predicts many random mixtures, orders them by the goal, and decides as if this were the end.
  void narrow(int round) {
    if (candidates_.rows() == 0) {
      Rng rng = root_.stream("candidates");
      candidates_ = random_candidates(config_, prior_, feasible_, rng);
    }
    candidate_scores_ = predict(candidates_);
    set_goal();
    const auto values = search_goal_.plain_rank() ? mean_percentile_rank(candidate_scores_)
                                                  : goal_.values(candidates_);
    ranking_.resize(candidates_.rows());
    std::iota(ranking_.begin(), ranking_.end(), size_t{0});
    // Equal candidates stay in the order drawn.
    std::stable_sort(ranking_.begin(), ranking_.end(), [&](size_t a, size_t b) {
      return values[a] > values[b];
    });
    while (!ranking_.empty() && !std::isfinite(values[ranking_.back()])) ranking_.pop_back();
    if (ranking_.empty()) {
      throw Error("no mixture among {} that meet the constraints keeps all floors",
                  candidates_.rows());
    }
    worst_averaged_ = values[best_candidates(config_.average_of).back()];
    decided_ = config_.to_optimum() ? optimum(values) : average_of_best();
    foretell_gain(round);
  }

  // Measures what is decided. Where it falls far behind the best proxy, the predictors were wrong
  // there: it becomes a proxy, and true is returned.
  bool learns_from_decision(int round, const EvaluateProxies& evaluate) {
    constexpr double kFarBehind = 0.5;  // standard deviations of the proxies' goals
    const std::vector<double> goals = measured_goals();
    const double deviation = goals.size() < 2 ? 0 : standard_deviation(goals);
    const bool measures = result_.evaluated.size() > problem_.known.size() && pool_.rows() == 0;
    if (!config_.to_optimum() || !measures || !(deviation > 0)) return false;
    const Mixture decided{result_.components, decided_};
    const auto measured = evaluate({&decided, 1});
    if (measured.size() != 1)
      throw Error("1 proxy was to be evaluated, {} came back", measured.size());
    const double goal = measured_goal(objective_.domain_scores(
        objective_.oriented(measured[0], "the proxy of what was decided")));
    if (goal >= *std::max_element(goals.begin(), goals.end()) - kFarBehind * deviation)
      return false;
    Points here(decided_.size());
    here.add(decided_);
    add(round, decided, measured[0], 0, predict(here));
    return true;
  }

  SearchResult finish() {
    result_.merge_weights = decided_;
    result_.data_shares = problem_.composition.data_shares(decided_);
    for (const auto& fitted : fitted_domains_) record(fitted.target, fitted);
    foretell();
    rank_proxies();
    measure_tolerance();
    draw_front();
    warn_of_weak_evidence();
    warn_of_extrapolation();
    if (pool_.rows() > 0) {
      const auto values = goal_.values(pool_);
      result_.best_of_pool = std::max_element(values.begin(), values.end()) - values.begin();
    }
    if (!problem_.known.empty()) {
      result_.decision += fmt::format("; {} of the {} proxies came from other runs",
                                      problem_.known.size(),
                                      result_.evaluated.size());
    }
    if (result_.stopped.empty()) result_.stopped = "all rounds are done";
    return std::move(result_);
  }

 private:
  template <typename... Args>
  void warn(fmt::format_string<Args...> pattern, Args&&... args) {
    result_.warnings.push_back(fmt::format(pattern, std::forward<Args>(args)...));
  }

  template <typename... Args>
  int64_t end_search(fmt::format_string<Args...> pattern, Args&&... args) {
    result_.stopped = fmt::format(pattern, std::forward<Args>(args)...);
    return 0;
  }

  // Of the goal; -infinity where a floor is broken.
  std::vector<GoalForecast> limited_forecasts(const Points& mixtures) const {
    auto forecasts = forecast_goal(terms_, mixtures);
    const auto values = goal_.values(mixtures);
    for (size_t i = 0; i < forecasts.size(); ++i) {
      if (!std::isfinite(values[i])) forecasts[i].mean = values[i];
    }
    return forecasts;
  }

  void set_goal() {
    std::vector<Learned> domains, floors;
    for (size_t d = 0; d < fitted_domains_.size(); ++d)
      domains.push_back(learned(fitted_domains_[d], domain_scores_of_proxies(d)));
    const auto& metrics = search_goal_.metrics_with_floors();
    for (size_t k = 0; k < metrics.size(); ++k)
      floors.push_back(learned(fitted_floors_[k], metric_of_proxies(metrics[k])));
    terms_ = search_goal_.terms(domains, floors, candidate_scores_);
    goal_ = goal_of(terms_);
  }

  Learned learned(const FittedTarget& fitted, std::vector<double> scores) const {
    const Predictor& predictor = *fitted.predictor;
    return {&predictor, std::move(scores), predictor.predict(evaluated_points_)};
  }

  std::vector<double> optimum(std::span<const double> values) {
    constexpr double kApart = 0.05;  // L1
    Points starts(candidates_.columns());
    for (size_t i : best_apart(candidates_, values, static_cast<size_t>(config_.climbs), kApart)) {
      if (std::isfinite(values[i])) starts.add(candidates_.row(i));
    }
    starts_ = starts;
    const Optimum found =
        maximise(config_.caution > 0 ? goal_of(terms_, config_.caution) : goal_, feasible_, starts);
    result_.decision = fmt::format(
        "the optimum of the predictions{}: {} of {} climbs ended equally high{}",
        config_.caution > 0 ? fmt::format(" less {:g} standard deviations", config_.caution) : "",
        found.agreed,
        found.starts,
        found.smooth ? "" : ", small moves followed what has no gradients");
    return without_crumbs(found.merge_weights);
  }

  // Weights below min_weight are of climbs that slid to an edge: zero, where the constraints allow.
  std::vector<double> without_crumbs(std::vector<double> weights) const {
    std::vector<bool> zero;
    for (double weight : weights) zero.push_back(weight < config_.sampler.min_weight);
    const auto rounded = feasible_.project(weights, zero);
    return rounded ? *rounded : weights;
  }

  std::vector<double> average_of_best() {
    const auto best = best_candidates(config_.average_of);
    std::vector<double> average(candidates_.columns());
    for (size_t i : best) {
      for (size_t k = 0; k < average.size(); ++k) average[k] += candidates_.row(i)[k];
    }
    const double sum = std::accumulate(average.begin(), average.end(), 0.0);
    for (double& weight : average) weight /= sum;
    // Convex, so the mean of members is a member.
    DEMIX_CHECK(feasible_.violation(average) <= 2 * FeasibleSet::kTolerance);
    starts_ = Points(candidates_.columns());
    for (size_t i : best_candidates(config_.climbs)) starts_.add(candidates_.row(i));
    result_.decision = fmt::format(
        "the average of the best {} of {} random mixtures", best.size(), candidates_.rows());
    return average;
  }

  // The goal of a proxy by its measured scores, of whatever domains count.
  double measured_goal(const std::vector<double>& domain_scores) const {
    double goal = 0;
    for (size_t d = 0; d < result_.domains.size(); ++d) {
      const GoalTerm& term = terms_[d];
      goal += term.weight * (term.rank ? (*term.rank)(domain_scores[d]) : domain_scores[d]);
    }
    return goal;
  }

  std::vector<double> measured_goals() const {
    std::vector<double> goals;
    for (const auto& proxy : result_.evaluated) goals.push_back(measured_goal(proxy.domain_scores));
    return goals;
  }

  // What one more proxy would buy: the largest expected improvement on what is decided, in standard
  // deviations of the goal as the proxies measured it.
  void foretell_gain(int round) {
    Points here(decided_.size());
    here.add(decided_);
    best_forecast_ = forecast_goal(terms_, here)[0].mean;
    result_.next_gain.reset();
    if (result_.evaluated.size() < kFewestForTournament) return;
    // As measured: where little was learned the predictions hardly differ.
    const double deviation = standard_deviation(measured_goals());
    if (!(deviation > 0)) return;
    Rng rng = root_.stream("next gain", round);
    const auto around =
        limited_forecasts(acquisition_candidates(config_, prior_, feasible_, decided_, rng));
    double most = 0;
    for (const auto& forecast : around) {
      if (!std::isfinite(forecast.mean)) continue;
      most =
          std::max(most, expected_improvement(forecast.mean, forecast.uncertainty, best_forecast_));
    }
    result_.next_gain = most / deviation;
  }

  void measure_tolerance() {
    Points here(decided_.size());
    here.add(decided_);
    if (!std::isfinite(goal_.values(here)[0])) return;  // an average that breaks a floor
    double squares = 0;
    for (const GoalTerm& term : terms_) {
      if (term.weight == 0) continue;
      const Forecast forecast = term.predictor->forecast(here)[0];
      const double slope = term.rank ? term.rank->slope(term.sign * forecast.mean) : 1;
      squares += std::pow(term.weight * slope * forecast.deviation(), 2);
    }
    result_.goal_error = std::sqrt(squares);
    result_.tolerance = tolerances(goal_.values, feasible_, decided_, result_.goal_error);
  }

  void draw_front() {
    if (config_.front == 0 || result_.domains.size() < 2) return;
    constexpr size_t kStarts = 6;
    Points starts(starts_.columns());
    for (size_t i = 0; i < std::min(kStarts, starts_.rows()); ++i) starts.add(starts_.row(i));
    const std::span<const GoalTerm> terms(terms_);
    result_.front = pareto_front(terms.first(result_.domains.size()),
                                 terms.subspan(result_.domains.size()),
                                 feasible_,
                                 starts,
                                 static_cast<size_t>(config_.front));
  }

  void warn_of_extrapolation() {
    for (size_t k = 0; k < decided_.size(); ++k) {
      double most = 0;
      for (const auto& proxy : result_.evaluated) most = std::max(most, proxy.merge_weights[k]);
      if (decided_[k] <= 1.001 * most + 1e-9) continue;
      warn(
          "The weight {:.3f} of {} lies beyond the largest of any proxy ({:.3f}): what is "
          "predicted "
          "of the found mixture is extrapolated.",
          decided_[k],
          result_.components[k],
          most);
    }
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
    const std::string name = round < 0 ? fmt::format("known proxy {}", place + 1)
                                       : fmt::format("proxy {} of round {}", place + 1, round + 1);
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

  std::vector<double> metric_of_proxies(size_t m) const {
    std::vector<double> values;
    for (const auto& proxy : result_.evaluated) values.push_back(proxy.metrics[m].value);
    return values;
  }

  FittedTarget fit_target(const std::string& target,
                          const std::vector<double>& scores,
                          std::span<const int> folds) const {
    const auto names =
        compares_all() ? competitor_names() : std::vector<std::string>{config_.predictor};
    FittedTarget fitted{.target = target, .tournament = {.names = names}, .predictor = nullptr};
    if (!folds.empty()) {
      fitted.tournament =
          compete(names, config_.predictors, evaluated_points_, scores, {}, folds, 0);
    }
    fitted.chosen = fitted.tournament.winner;
    if (config_.predictor != "auto") {
      if (compares_all()) fitted.chosen = names.size() - 1;
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
  void record(const std::string& target, const FittedTarget& fitted) {
    const Tournament& tournament = fitted.tournament;
    for (size_t k = 0; k < tournament.names.size(); ++k) {
      if (tournament.results.empty() && k != fitted.chosen) continue;
      PredictorTrial trial{.predictor = tournament.names[k],
                           .target = target,
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
    result_.choice += fmt::format("{}: {}", target, tournament.reason);
  }

  // Where only the means of one predictor count, nothing is left out until the last round.
  bool needs_folds(int round) const {
    const BudgetConfig& budget = config_.budget;
    const bool last = round + 1 >= static_cast<int>(config_.proxies_per_round().size());
    const bool may_end = budget.items || budget.seconds || budget.regret > 0;
    return last || may_end || config_.adaptive() || config_.caution > 0 || compares_all();
  }
  bool compares_all() const {
    return config_.predictor == "auto" || config_.predictor == kEnsemble;
  }

  // The domain whose score is this metric and nothing else, if there is one.
  std::optional<size_t> domain_of_only(size_t m) const {
    const Metric& metric = problem_.metrics[m];
    const auto in_domain =
        std::count_if(problem_.metrics.begin(), problem_.metrics.end(), [&](const Metric& other) {
          return other.domain == metric.domain;
        });
    if (in_domain != 1 || !metric.higher_is_better) return std::nullopt;
    const auto& domains = result_.domains;
    return std::find(domains.begin(), domains.end(), metric.domain) - domains.begin();
  }

  // What the found mixture and the baselines are expected to score.
  void foretell() {
    Points mixtures(candidates_.columns());
    mixtures.add(result_.merge_weights);
    for (const auto& [name, merge_weights] : problem_.baselines) {
      mixtures.add(merge_weights);
      result_.foretold.push_back(
          {.name = name, .metrics = {}, .domain_scores = {}, .domain_errors = {}});
    }
    double percentile = 0;
    for (size_t d = 0; d < fitted_domains_.size(); ++d) {
      const auto forecasts = fitted_domains_[d].predictor->forecast(mixtures);
      const double score = forecasts[0].mean;
      result_.predicted_domain_scores.push_back(score);
      result_.predicted_domain_errors.push_back(forecasts[0].deviation());
      percentile +=
          percentile_among_candidates(d, score) / static_cast<double>(fitted_domains_.size());
      for (size_t i = 1; i < forecasts.size(); ++i) {
        result_.foretold[i - 1].domain_scores.push_back(forecasts[i].mean);
        result_.foretold[i - 1].domain_errors.push_back(forecasts[i].deviation());
      }
    }
    if (!config_.to_optimum() && search_goal_.plain_rank() && percentile < worst_averaged_) {
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
      FittedTarget own;
      const auto domain = domain_of_only(m);
      if (!domain) own = fit_target(problem_.metrics[m].name, metric_of_proxies(m), folds);
      const FittedTarget& fitted = domain ? fitted_domains_[*domain] : own;
      const auto forecasts = fitted.predictor->forecast(mixtures);
      for (size_t i = 0; i < forecasts.size(); ++i) {
        Prediction prediction{.metric = problem_.metrics[m].name,
                              .value = forecasts[i].mean,
                              .standard_error = std::nullopt};
        if (fitted.cross_validation()) prediction.standard_error = forecasts[i].deviation();
        (i == 0 ? result_.predicted : result_.foretold[i - 1].metrics).push_back(prediction);
      }
      record(problem_.metrics[m].name, fitted);
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
  const SearchGoal search_goal_;
  const Rng root_;
  Points evaluated_points_;  // merge weights of result_.evaluated
  Points candidates_;
  std::vector<FittedTarget> fitted_domains_;
  std::vector<std::vector<double>> candidate_scores_;  // by domain, then candidate
  std::vector<size_t> ranking_;                        // candidates, best first
  double worst_averaged_ = 0;
  // The goal, its parts, and what would be the result if the search ended here.
  std::vector<FittedTarget> fitted_floors_;  // of the metrics with floors
  std::vector<GoalTerm> terms_;
  Goal goal_;
  Points starts_;  // of climbs
  Points pool_;    // the problem's
  std::vector<double> decided_;
  double best_forecast_ = 0;  // of the goal, there
  SearchResult result_;
};

}  // namespace

SearchResult search_mixture(const SearchConfig& config,
                            const SearchProblem& problem,
                            const EvaluateProxies& evaluate) {
  config.check();
  Search search(config, problem);
  const auto counts = config.proxies_per_round();
  for (int round = 0; round < static_cast<int>(counts.size()); ++round) {
    int64_t count = counts[static_cast<size_t>(round)];
    count = round == 0 ? search.take_known(count) : search.affordable(round, count);
    if (count == 0 && round > 0) break;
    if (count > 0) search.evaluate(round, count, search.propose(round, count), evaluate);
    search.fit(round);
    search.narrow(round);
  }
  constexpr int kDecisions = 4;  // at most
  int round = static_cast<int>(counts.size());
  for (int again = 1; again < kDecisions && search.learns_from_decision(round, evaluate); ++again) {
    search.fit(round);
    search.narrow(round);
    ++round;
  }
  return search.finish();
}

}  // namespace demix
