// The method: "Decouple Searching from Training: Scaling Data Mixing via Model Merging for Large
// Language Model Pre-training" (arXiv 2602.00747), section on iterative search.
#include "demix/search/search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/ranks.h"
#include "demix/core/rng.h"
#include "demix/search/decision.h"
#include "demix/search/findings.h"
#include "demix/search/folds.h"
#include "demix/search/observations.h"
#include "demix/search/points.h"
#include "demix/search/proposals.h"
#include "demix/search/search_goal.h"
#include "demix/search/surrogates.h"

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
        observations_(problem.composition, objective_),
        surrogates_(config, objective_, search_goal_, observations_),
        candidates_(problem.composition.components().size()),
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
    std::vector<bool> seen(result_.components.size());
    for (size_t i = 0; i < problem_.known.size(); ++i) {
      const KnownProxy& known = problem_.known[i];
      observations_.add(
          -1, known.merge_weights, known.metrics, fmt::format("known proxy {}", i + 1));
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
          config_, prior_, feasible_, static_cast<size_t>(count), observations_.mixtures(), rng);
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
          std::max(1.0, static_cast<double>(observations_.size() - problem_.known.size()));
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
    for (size_t i : distinct_rows(pool_, config_.sampler.duplicate_l1, &observations_.mixtures()))
      left.add(pool_.row(i));
    std::vector<size_t> order(left.rows());
    std::iota(order.begin(), order.end(), size_t{0});
    if (round == 0) {
      rng.shuffle(std::span<size_t>(order));
    } else if (config_.adaptive()) {
      order = choose_batch(
          config_.acquisition, left, surrogates_.forecast(left), best_forecast_, count, 0);
    } else {
      const auto values = surrogates_.goal().values(left);
      std::stable_sort(
          order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
    }
    for (size_t i = 0; i < std::min(count, order.size()); ++i) proposals.add(left.row(order[i]));
    return proposals;
  }

  // The predicted optimum, then what is expected to improve on it most.
  Points by_acquisition(size_t count, Rng& rng) {
    const Points around =
        acquisition_candidates(config_, prior_, feasible_, decision_.merge_weights, rng);
    const auto forecasts = surrogates_.forecast(around);
    Points wanted(around.columns());
    wanted.add(decision_.merge_weights);
    for (size_t i : choose_batch(config_.acquisition,
                                 around,
                                 forecasts,
                                 best_forecast_,
                                 count,
                                 10 * config_.sampler.duplicate_l1)) {
      wanted.add(around.row(i));
    }
    Points proposals(around.columns());
    for (size_t i :
         distinct_rows(wanted, config_.sampler.duplicate_l1, &observations_.mixtures())) {
      if (proposals.rows() < count) proposals.add(wanted.row(i));
    }
    return proposals;
  }

  Points from_best_candidates(int64_t count, Rng& rng) {
    Points best(candidates_.columns());
    const size_t from = std::min(ranking_.size(), static_cast<size_t>(config_.propose_from));
    for (size_t i : std::span(ranking_).first(from)) best.add(candidates_.row(i));
    auto fresh = distinct_rows(best, config_.sampler.duplicate_l1, &observations_.mixtures());
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
      warn("Round {} has {} instead of {}: the constraints leave no more distinct mixtures.",
           round + 1,
           proposals.rows() == 1 ? "one proxy" : fmt::format("{} proxies", proposals.rows()),
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
        surrogates_.empty() ? std::vector<std::vector<double>>{} : surrogates_.predict(proposals);
    for (size_t i = 0; i < batch.size(); ++i) add(round, batch[i], measured[i], i, predicted);
  }

  // Learns each domain's score from all proxies so far.
  void fit(int round) {
    Rng rng = root_.stream("folds", round);
    surrogates_.fit(needs_folds(round)
                        ? mixture_folds(mixture_of_rows(observations_.mixtures()), rng)
                        : std::vector<int>{});
  }

  // Predicts many random mixtures, orders them by the goal, and decides as if this were the end.
  void narrow(int round) {
    if (candidates_.rows() == 0) {
      Rng rng = root_.stream("candidates");
      candidates_ = random_candidates(config_, prior_, feasible_, rng);
    }
    const auto values = surrogates_.set_goal(candidates_);
    decide(values);
    foretell_gain(round, values);
  }

  // Exploring is over: where the proxies show no evidence about any domain, noise decides nothing.
  // Until then it may, since where proxies are placed is how evidence comes about.
  void settle() {
    if (surrogates_.settle()) decide(surrogates_.set_goal(candidates_));
  }

  // Measures what is decided. Where it falls far behind the best proxy, the predictors were wrong
  // there: it becomes a proxy, and true is returned.
  bool learns_from_decision(int round, const EvaluateProxies& evaluate) {
    constexpr double kFarBehind = 0.5;  // standard deviations of the proxies' goals
    const std::vector<double> goals = measured_goals();
    const double deviation = goals.size() < 2 ? 0 : standard_deviation(goals);
    const bool measures = observations_.size() > problem_.known.size() && pool_.rows() == 0;
    if (!config_.to_optimum() || !measures || !(deviation > 0)) return false;
    Points here(decision_.merge_weights.size());
    here.add(decision_.merge_weights);
    if (distinct_rows(here, config_.sampler.duplicate_l1, &observations_.mixtures()).empty())
      return false;  // nothing new
    const Mixture decided{result_.components, decision_.merge_weights};
    const auto measured = evaluate({&decided, 1});
    if (measured.size() != 1)
      throw Error("1 proxy was to be evaluated, {} came back", measured.size());
    const double goal = surrogates_.measured_goal(objective_.domain_scores(
        objective_.oriented(measured[0], "the proxy of what was decided")));
    if (goal >= *std::max_element(goals.begin(), goals.end()) - kFarBehind * deviation)
      return false;
    add(round, decided, measured[0], 0, surrogates_.predict(here));
    return true;
  }

  SearchResult finish() {
    result_.merge_weights = decision_.merge_weights;
    result_.data_shares = problem_.composition.data_shares(decision_.merge_weights);
    result_.decision = decision_.words;
    if (!decision_.warning.empty()) result_.warnings.push_back(decision_.warning);
    add_findings({config_, problem_, feasible_, observations_, surrogates_, decision_, root_},
                 result_);
    result_.evaluated = observations_.ranked();
    if (pool_.rows() > 0) {
      const auto values = surrogates_.goal().values(pool_);
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

  void add(int round,
           const Mixture& mixture,
           const Measurements& measured,
           size_t place,
           const std::vector<std::vector<double>>& predicted) {
    EvaluatedMixture& proxy =
        observations_.add(round,
                          mixture.weights,
                          measured,
                          fmt::format("proxy {} of round {}", place + 1, round + 1));
    if (predicted.empty()) return;
    double percentile = 0;
    for (size_t d = 0; d < predicted.size(); ++d) {
      proxy.predicted_domain_scores.push_back(predicted[d][place]);
      percentile += surrogates_.percentile_among_candidates(d, predicted[d][place]) /
                    static_cast<double>(predicted.size());
    }
    proxy.predicted_objective = percentile;
  }

  // From the goal's values at the candidates.
  void decide(const std::vector<double>& values) {
    ranking_.resize(candidates_.rows());
    std::iota(ranking_.begin(), ranking_.end(), size_t{0});
    // Equal candidates stay in the order drawn.
    std::stable_sort(ranking_.begin(), ranking_.end(), [&](size_t a, size_t b) {
      return values[a] > values[b];
    });
    while (!ranking_.empty() && !std::isfinite(values[ranking_.back()])) ranking_.pop_back();
    if (ranking_.empty()) {
      throw no_mixture_keeps_floors(surrogates_.terms(), candidates_);
    }
    if (auto stayed = stay_if_flat(config_, feasible_, surrogates_, candidates_, ranking_)) {
      decision_ = std::move(*stayed);
    } else if (config_.to_optimum()) {
      decision_ = predicted_optimum(config_, feasible_, surrogates_, candidates_, values);
    } else {
      decision_ = average_decision(config_, feasible_, surrogates_, candidates_, values, ranking_);
    }
  }

  std::vector<double> measured_goals() const {
    std::vector<double> goals;
    for (const auto& proxy : observations_.proxies())
      goals.push_back(surrogates_.measured_goal(proxy.domain_scores));
    return goals;
  }

  // What one more proxy would buy: the largest expected improvement on what is decided, in standard
  // deviations of the goal as the proxies measured it. `values` are the candidates' goals: nothing
  // is less known of a mixture than of a random one.
  void foretell_gain(int round, std::span<const double> values) {
    Points here(decision_.merge_weights.size());
    here.add(decision_.merge_weights);
    best_forecast_ = forecast_goal(surrogates_.terms(), here)[0].mean;
    result_.next_gain.reset();
    if (observations_.size() < kFewestForTournament) return;
    // As measured: where little was learned the predictions hardly differ.
    const double deviation = standard_deviation(measured_goals());
    if (!(deviation > 0)) return;
    Rng rng = root_.stream("next gain", round);
    const auto around = surrogates_.forecast(
        acquisition_candidates(config_, prior_, feasible_, decision_.merge_weights, rng));
    std::vector<double> random;
    for (const size_t i : ranking_) random.push_back(values[i]);
    const double least_known =
        std::hypot(deviation, random.size() > 1 ? standard_deviation(random) : 0);
    double most = 0;
    for (const auto& forecast : around) {
      if (!std::isfinite(forecast.mean)) continue;
      most =
          std::max(most,
                   expected_improvement(
                       forecast.mean, std::min(forecast.uncertainty, least_known), best_forecast_));
    }
    result_.next_gain = most / deviation;
  }

  // Where only the means of one predictor count, nothing is left out until the last round.
  bool needs_folds(int round) const {
    const BudgetConfig& budget = config_.budget;
    const bool last = round + 1 >= static_cast<int>(config_.proxies_per_round().size());
    const bool may_end = budget.items || budget.seconds || budget.regret > 0;
    return last || may_end || config_.adaptive() || config_.caution > 0 ||
           compares_predictors(config_);
  }

  const SearchConfig& config_;
  const SearchProblem& problem_;
  const Objective objective_;
  const std::vector<double> prior_;
  const FeasibleSet feasible_;
  const SearchGoal search_goal_;
  const Rng root_;
  Observations observations_;
  Surrogates surrogates_;
  Points candidates_;            // random mixtures, the same in all rounds
  std::vector<size_t> ranking_;  // of them, best first
  Points pool_;                  // the problem's
  Decision decision_;            // what would be the result if the search ended here
  double best_forecast_ = 0;     // of the goal, there
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
  search.settle();
  constexpr int kDecisions = 4;  // at most
  int round = static_cast<int>(counts.size());
  for (int again = 1; again < kDecisions && search.learns_from_decision(round, evaluate); ++again) {
    search.fit(round);
    search.narrow(round);
    search.settle();
    ++round;
  }
  return search.finish();
}

}  // namespace demix
