#include "demix/run/own_data_check.h"

#include <algorithm>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/core/progress.h"
#include "demix/evaluate/scorer.h"
#include "demix/model/decoder.h"
#include "demix/run/device.h"
#include "demix/run/score_book.h"
#include "demix/validate/own_data.h"

namespace demix {
namespace {

constexpr const char* kMetric = "bpb";

std::string task_of(const std::string& dataset) { return "held_out/" + dataset; }

// Whether component d read more of dataset d than any other component did.
bool reads_most(const Composition& composition, size_t d) {
  for (size_t k = 0; k < composition.components().size(); ++k)
    if (k != d && composition.at(k, d) >= composition.at(d, d)) return false;
  return true;
}

}  // namespace

OwnDataCheck::OwnDataCheck(RunState& run)
    : run_(run),
      reads_(reads_held_out(run.config.evaluate, run.sheet.metrics()) &&
             !held_out_datasets(run.config).empty()) {}

void OwnDataCheck::add(const TermsByMetric& terms) {
  if (!reads_) return;
  TermsByMetric& kept = components_.emplace_back();
  for (const std::string& name : held_out_datasets(run_.config))
    kept[task_of(name)] = terms.at(task_of(name));
}

TermsByMetric OwnDataCheck::base_terms() {
  const EvaluateConfig& evaluate = run_.config.evaluate;
  std::vector<Scorer::HeldOut> texts;
  for (const std::string& name : held_out_datasets(run_.config))
    texts.push_back({name, run_.datasets.at(name).held_out, evaluate.held_out_tokens});
  const Decoder decoder(run_.models->architecture(), resolve_device(run_.config.device));
  const Scorer scorer(
      {}, std::move(texts), run_.tokenizer, decoder, {.tokens_per_pass = evaluate.tokens_per_pass});
  const ModelFacts& base = run_.models->base_facts();
  const std::string key = Hasher()
                              .field("held-out text alone")
                              .field(base.weights_hash)
                              .field(evaluate.dtype)
                              .field(scorer.hash())
                              .hex();
  TermsByMetric terms;
  ScoreBook(run_.workspace.journal())
      .find_or({.key = key, .name = base.name, .items = scorer.items()},
               &terms,
               [&](TermsByMetric* its_terms, ScoreJournal& items) {
                 return scorer.score(
                     run_.evaluation->weights_of(base), /*live=*/false, nullptr, its_terms, &items);
               });
  return terms;
}

void OwnDataCheck::finish() {
  if (!reads_) return;
  DEMIX_CHECK(components_.size() == run_.names.size());
  const TermsByMetric base = base_terms();
  const size_t datasets = run_.names.size();
  const std::vector<double> unknown(datasets, kUnknown);
  HeldOutScores scores{.datasets = run_.names,
                       .bits = {datasets, unknown},
                       .errors = {datasets, unknown},
                       .base = unknown,
                       .base_errors = unknown,
                       .reads_most = {}};
  for (size_t d = 0; d < datasets; ++d) {
    scores.reads_most.push_back(reads_most(run_.composition, d));
    const std::string task = task_of(run_.names[d]);
    if (!base.contains(task)) continue;
    const ItemTerms& own = components_[d].at(task).at(kMetric);
    const auto error_beside = [&](const ItemTerms& terms) {
      return paired_difference(own, terms).stderr_;
    };
    for (size_t k = 0; k < datasets; ++k) {
      const ItemTerms& its = components_[k].at(task).at(kMetric);
      scores.bits[k][d] = metric_value(its).value;
      scores.errors[k][d] = error_beside(its);
    }
    scores.base[d] = metric_value(base.at(task).at(kMetric)).value;
    scores.base_errors[d] = error_beside(base.at(task).at(kMetric));
  }
  const OwnDataReading reading = read_own_data(scores);
  run_.result.own_data = {.components = {}, .bits = scores.bits, .base = scores.base};
  for (const OwnDataReading::Component& component : reading.components)
    run_.result.own_data.components.push_back(
        {name_of(component.reading), run_.names[component.best]});
  for (const std::string& warning : reading.warnings) warn(warning);
}

}  // namespace demix
