#include "demix/run/refinement.h"

#include <algorithm>

#include "demix/core/error.h"
#include "demix/core/ranks.h"

namespace demix {
namespace {

// Standard deviations of what references leave unknown that are taken off what they lead to expect.
// A search goes where a calibration is wrong in its favour: with fifteen datasets, without, it left
// out all code (docs/fidelity.md).
constexpr double kCaution = 1;

}  // namespace

bool teaches(const MixtureFacts& facts) {
  return !facts.merge_weights.empty() && !facts.trained.domains.empty();
}

Refinement::Refinement(const SearchConfig& search,
                       SearchProblem problem,
                       const Foretelling& foretelling,
                       const ScoreSheet& sheet)
    : config_(search), problem_(std::move(problem)), foretelling_(foretelling), sheet_(sheet) {
  config_.front = 0;
  // What is expected is smooth and has no noise.
  if (config_.predictor == "auto") config_.predictor = "gaussian_process";
}

void Refinement::learn(const std::vector<MixtureFacts>& references,
                       const SelectedScores& selected) {
  std::vector<ProxyRequest> requests;
  std::vector<std::vector<double>> by_items, whole;
  for (const MixtureFacts& facts : references) {
    if (!teaches(facts)) continue;
    requests.push_back(selection_request(facts.merge_weights, "the proxy of " + facts.name));
    whole.push_back(values_of(facts.trained.domains));
    const auto found = selected.find(facts.name);
    if (found != selected.end()) by_items.push_back(found->second);
  }
  const auto& taught = by_items.size() == whole.size() ? by_items : whole;
  calibrations_.emplace(foretelling_.estimated(requests, foretelling_.score(requests)), taught);

  goal_weights_.clear();
  for (size_t d = 0; d < sheet_.domains().size(); ++d) {
    std::vector<double> scores;
    for (const auto& trained : taught) scores.push_back(trained[d]);
    goal_weights_.push_back(weight_of(sheet_.domains()[d]) /
                            std::max(standard_deviation(scores), 1e-12));
  }
}

// As the search takes them: with some named, the others do not count.
double Refinement::weight_of(const std::string& domain) const {
  if (config_.weights.empty()) return 1;
  const auto weight = config_.weights.find(domain);
  return weight == config_.weights.end() ? 0 : weight->second;
}

SearchResult Refinement::place() const {
  DEMIX_CHECK(calibrations_);
  const std::vector<std::string>& domains = sheet_.domains();
  return search_mixture(config_, problem_, [&](std::span<const Mixture> mixtures) {
    std::vector<ProxyRequest> requests;
    for (const Mixture& mixture : mixtures)
      requests.push_back(selection_request(mixture.weights, "a proxy"));
    const std::vector<Scores> scores = foretelling_.score(requests);
    const std::vector<EstimatedMixture> estimates = foretelling_.estimated(requests, scores);
    std::vector<Measurements> expected;
    for (size_t i = 0; i < requests.size(); ++i) {
      const std::vector<Forecast> forecasts = calibrations_->expected(estimates[i]);
      Measurements& one =
          expected.emplace_back(measurements_of(scores[i], sheet_.metrics(), requests[i].name));
      // A domain's score is the mean of its oriented metrics: each moves by what the domain does.
      for (const ScoredMetric& scored : sheet_.metrics()) {
        const auto d = static_cast<size_t>(
            std::find(domains.begin(), domains.end(), scored.metric.domain) - domains.begin());
        const double moved =
            forecasts[d].mean - kCaution * forecasts[d].uncertainty - estimates[i].estimates[0][d];
        one.at(scored.metric.name).value += scored.metric.higher_is_better ? moved : -moved;
      }
    }
    return expected;
  });
}

size_t Refinement::best_of(const std::vector<const MixtureFacts*>& mixtures) const {
  DEMIX_CHECK(calibrations_ && !mixtures.empty());
  std::vector<ProxyRequest> requests;
  for (const MixtureFacts* facts : mixtures)
    requests.push_back(selection_request(facts->merge_weights, "the proxy of " + facts->name));
  std::vector<double> goals;
  for (const EstimatedMixture& mixture :
       foretelling_.estimated(requests, foretelling_.score(requests))) {
    const std::vector<Forecast> forecasts = calibrations_->expected(mixture);
    goals.push_back(0);
    for (size_t d = 0; d < forecasts.size(); ++d)
      goals.back() += goal_weights_[d] * forecasts[d].mean;
  }
  return static_cast<size_t>(std::max_element(goals.begin(), goals.end()) - goals.begin());
}

}  // namespace demix
