#include "demix/run/score_sheet.h"

#include <cmath>

#include "demix/core/error.h"

namespace demix {
namespace {

const ItemTerms* terms_of(const TermsByMetric& terms, const ScoredMetric& scored) {
  const auto task = terms.find(scored.task);
  if (task == terms.end()) return nullptr;
  const auto measure = task->second.find(scored.measure);
  return measure == task->second.end() ? nullptr : &measure->second;
}

}  // namespace

ScoreSheet::ScoreSheet(std::vector<ScoredMetric> metrics)
    : metrics_(std::move(metrics)), objective_(objective_of(metrics_)) {}

ModelScores ScoreSheet::filled(const Measurements& measurements, const std::string& model) const {
  const std::vector<double> domains =
      objective_.domain_scores(objective_.oriented(measurements, model));
  const std::vector<double> errors = objective_.domain_errors(measurements);
  ModelScores result;
  for (size_t d = 0; d < domains.size(); ++d)
    result.domains.push_back({domains[d], errors[d] > 0 ? errors[d] : kUnknown});
  for (const ScoredMetric& scored : metrics_) {
    const Measurement& measured = measurements.at(scored.metric.name);
    result.tasks.push_back({measured.value, measured.standard_error});
  }
  return result;
}

ModelScores ScoreSheet::of(const Scores& scores, const std::string& model) const {
  return filled(measurements_of(scores, metrics_, model), model);
}

ModelScores ScoreSheet::gain(const Itemised& a, const Itemised& b) const {
  // Orienting and averaging are linear, so a domain's gain is the score of the metrics' gains.
  Measurements gains;
  for (size_t i = 0; i < metrics_.size(); ++i) {
    const auto *from = terms_of(a.terms, metrics_[i]), *to = terms_of(b.terms, metrics_[i]);
    Measurement& gain = gains[metrics_[i].metric.name];
    if (from && to) {
      if (metrics_[i].external && from->x.size() != to->x.size())
        throw Error(
            "evaluate.command: gave {} with {} items of one model and with {} of another, expected "
            "the same items of every model, since gains are compared item by item; leave 'items' "
            "out where they differ, change the command's text and use a new run folder",
            metrics_[i].metric.name,
            from->x.size(),
            to->x.size());
      const MetricValue paired = paired_difference(*from, *to);
      gain = {paired.value, paired.stderr_};
    } else {
      const Score &less = a.scores.tasks[i], &more = b.scores.tasks[i];
      gain = {more.value - less.value, std::hypot(less.standard_error, more.standard_error)};
    }
  }
  return filled(gains, "gain");
}

std::vector<std::string> ScoreSheet::without_items(const TermsByMetric& terms) const {
  std::vector<std::string> names;
  for (const ScoredMetric& scored : metrics_)
    if (!terms_of(terms, scored)) names.push_back(scored.metric.name);
  return names;
}

}  // namespace demix
