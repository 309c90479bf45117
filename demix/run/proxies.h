// Scores of the run's models and of the proxies merged from its components.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "demix/evaluate/scorer.h"
#include "demix/run/models.h"

namespace demix {

class Components;
class Tokenizer;

// Everything is journaled under content keys: hashes of weights, merge weights, tasks, held-out
// text and scoring version. So weights that changed under an old name never get old scores.
class Proxies {
 public:
  Proxies(Workspace& workspace,
          const Models& models,
          const std::map<std::string, DatasetShards>& datasets,
          std::vector<Task> tasks,
          const Tokenizer& tokenizer);
  ~Proxies();

  // Loads the components; needed before score_merge.
  void load_components(const Models& models, const std::vector<ModelFacts>& components);
  const Components& components() const { return *components_; }

  // `terms`, if not null, receives what each item adds to each metric, for paired differences.
  Scores score_model(const Models& models, const ModelFacts& facts, TermsByMetric* terms = nullptr);
  // The linear merge of the components by these weights.
  Scores score_merge(std::span<const double> merge_weights,
                     const std::string& name,
                     TermsByMetric* terms = nullptr);

  const Scorer& scorer() const { return *scorer_; }
  // Distinct proxies and models scored in this run folder, and their items.
  int64_t proxies_scored() const;
  int64_t items_scored() const;

 private:
  // The journal's scores under this key (and terms, if asked for), else those of `score`, recorded.
  Scores kept_or(const std::function<Scores()>& score,
                 const std::string& key,
                 const std::string& name,
                 bool merged,
                 TermsByMetric* terms);

  Workspace& workspace_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<Scorer> scorer_;
  std::unique_ptr<Components> components_;
  std::string components_hash_;
  std::unique_ptr<Weights> merged_;
};

}  // namespace demix
