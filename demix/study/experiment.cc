#include "demix/study/experiment.h"

#include <cmath>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/merge/components.h"
#include "demix/model/weights.h"
#include "demix/run/references.h"

namespace demix {

Experiment::Experiment(StudyContext& context,
                       const std::string& arm_name,
                       const StudyArm& arm,
                       uint64_t seed)
    : context_(context),
      name_(fmt::format("{}.{}", arm_name, seed)),
      merges_(arm.merges),
      composition_(composition_of(run_config_of(context.config(), arm))) {
  merges_["merge"] = context.config().merge;
  const RunConfig run = run_config_of(context.config(), arm);
  const std::vector<std::string>& names = context.datasets();
  std::vector<ModelRequest> requests;
  for (size_t k = 0; k < names.size(); ++k) {
    std::vector<double> only(names.size(), 0);
    only[k] = 1;
    // Far from one another, so that no component has the seed of another experiment.
    const uint64_t order = arm.shared_order ? seed : seed + 10'000 * (k + 1);
    requests.push_back({fmt::format("components/{}/{}", name_, names[k]),
                        composition_.data_shares(only),
                        run.components,
                        order});
  }
  components_ = context.models().train(requests, "components");
  for (const ModelFacts& component : components_) tokens_ += component.result.tokens;
  component_scores_ = context.score_models(components_, "components");
}

std::vector<std::string> Experiment::merge_names() const {
  std::vector<std::string> names;
  for (const auto& [name, method] : merges_) names.push_back(name);
  return names;
}

void Experiment::load(const std::string& merge) {
  if (loaded_ == merge) return;
  MergeConfig config = context_.config().merge;
  static_cast<ProxyMethodConfig&>(config) = merges_.at(merge);
  context_.proxies().load_components(components_, config);
  loaded_ = merge;
}

Experiment::DomainScores Experiment::proxies(ProxyKind kind,
                                             const std::string& merge,
                                             const std::vector<std::vector<double>>& weights) {
  load(merge);
  const std::string what =
      fmt::format("{} {}", name_, kind == ProxyKind::kMerged ? merge : "ensemble");
  std::vector<ProxyRequest> requests;
  for (const auto& alpha : weights) requests.push_back({alpha, "a proxy of " + what});
  Progress progress(what, static_cast<int64_t>(requests.size()), "proxies");
  const std::vector<Scores> scores =
      context_.proxies().score(kind, requests, [&] { progress.add(1); });
  DomainScores result;
  for (const Scores& one : scores) result.push_back(context_.domain_scores(one, what));
  return result;
}

Experiment::DomainScores Experiment::merged(const std::string& merge,
                                            const std::vector<std::vector<double>>& weights) {
  return proxies(ProxyKind::kMerged, merge, weights);
}

Experiment::DomainScores Experiment::ensembles(const std::vector<std::vector<double>>& weights) {
  // Of the loaded components, whatever they are merged by.
  return proxies(ProxyKind::kEnsemble, loaded_.empty() ? "merge" : loaded_, weights);
}

Experiment::DomainScores Experiment::interpolations(
    const std::vector<std::vector<double>>& weights) const {
  DomainScores result;
  for (const auto& alpha : weights) result.push_back(interpolated_scores(alpha, component_scores_));
  return result;
}

Experiment::DomainScores Experiment::own_shares(
    const std::vector<std::vector<double>>& weights) const {
  DomainScores result;
  for (const auto& alpha : weights)
    result.push_back(context_.own_shares_of(composition_.data_shares(alpha)));
  return result;
}

SignRow Experiment::signs() {
  load("merge");
  const Components& components = context_.proxies().components();
  SignRow row{name_, {}};
  const size_t count = components.size();
  double drift = 0, cosine = 0;
  for (size_t k = 0; k < count; ++k) {
    drift += components.drifts()[k] / static_cast<double>(count);
    for (size_t l = 0; l < k && !components.cosines().empty(); ++l)
      cosine += 2 * components.cosines()[k][l] / static_cast<double>(count * (count - 1));
  }
  row.values["drift"] = drift;
  if (!components.cosines().empty()) row.values["cosine"] = cosine;

  // Merges half-way between two components against the mean of their scores, for neighbours in a
  // ring, in units of the spread of the components' scores.
  std::vector<std::vector<double>> middles;
  for (size_t k = 0; k < count; ++k) {
    middles.emplace_back(count, 0);
    middles.back()[k] += 0.5;
    middles.back()[(k + 1) % count] += 0.5;
  }
  const DomainScores scores = merged("merge", middles);
  for (size_t d = 0; d < context_.domains().size(); ++d) {
    double mean = 0, square = 0, error = 0, gap = 0;
    for (size_t k = 0; k < count; ++k) {
      const Score& score = component_scores_[k][d];
      mean += score.value / static_cast<double>(count);
      square += score.value * score.value / static_cast<double>(count);
      error += score.standard_error / static_cast<double>(count);
      gap +=
          (scores[k][d].value - 0.5 * (score.value + component_scores_[(k + 1) % count][d].value)) /
          static_cast<double>(count);
    }
    const double spread = std::sqrt(std::max(0.0, square - mean * mean));
    row.values["spread." + context_.domains()[d]] = spread;
    row.values["gap." + context_.domains()[d]] = gap / spread;
    row.values["noise." + context_.domains()[d]] = error / spread;
  }
  return row;
}

}  // namespace demix
