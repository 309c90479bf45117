// Scores of the run's models and of the proxies put together from its components.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "demix/evaluate/external_evaluator.h"
#include "demix/evaluate/scorer.h"
#include "demix/run/item_split.h"
#include "demix/run/models.h"

namespace demix {

class Components;
class Experts;
class ScoreJournal;
class Tokenizer;

// What stands in for a model trained on a mixture: the merge of the components' weights, or the
// ensemble of the components, whose token probabilities are averaged (demix/evaluate/experts.h).
enum class ProxyKind { kMerged, kEnsemble };

// A proxy to be scored.
struct MergeRequest {
  std::vector<double> merge_weights;
  std::string name;
  // Receives, if not null, what each item adds to each metric, for paired differences.
  TermsByMetric* terms = nullptr;
  // Scored on the items that the search selects by. Other searches may start from these.
  bool on_selection = false;
};

// What, beside its merge weights, the scores of a proxy depend on; all by content.
struct ProxySetup {
  std::string base;                     // hash of its weights
  std::vector<std::string> components;  // the same, in the order of the merge weights
  std::vector<std::string> names;       // of the components
  std::string merge;                    // the method with its parameters
  bool sum_of_models = false;           // by this method components without weight have no part
  std::string dtype;
  std::map<std::string, std::string> tasks;  // Scorer::task_hashes
};
void to_json(Json& json, const ProxySetup& setup);
void from_json(const Json& json, ProxySetup& setup);

// Everything is journaled under content keys: hashes of weights, merge weights, tasks, held-out
// text and scoring version. So weights that changed under an old name never get old scores.
class Proxies {
 public:
  // What the evaluation command prints is in `command_log` in the run's folder, which is for this
  // process alone.
  Proxies(Workspace& workspace,
          const Models& models,
          const std::map<std::string, DatasetShards>& datasets,
          std::vector<Task> tasks,
          const Tokenizer& tokenizer,
          const std::string& command_log = "evaluation_command.log");
  ~Proxies();

  // Loads the components, in place of others; needed before score_proxies, and `models` as long as
  // this. Their place is said on standard error.
  void load_components(const Models& models,
                       const std::vector<ModelFacts>& components,
                       const MergeConfig& merge);
  const Components& components() const { return *components_; }
  // Gives their memory back, and that of the proxies; they are loaded again by the next merge.
  // What ensembles are made of, the components' token probabilities, stays.
  void release_components();

  // `terms`, if not null, receives what each item adds to each metric, for paired differences.
  Scores score_model(const Models& models, const ModelFacts& facts, TermsByMetric* terms = nullptr);
  // Has the run's workers, if there are any, score some of those whose scores score_model would
  // have to make, so that it finds them. `with_terms`: as it would be asked for terms.
  void share_models(const Models& models,
                    std::span<const ModelFacts> facts,
                    bool with_terms,
                    const std::function<void()>& done);
  // A model's weights as they are scored.
  Weights scored_weights(const Models& models, const ModelFacts& facts) const;
  // The proxies by these weights, in order. Merged by the configured method, as many at once as
  // their storage allows, by this process and the run's workers. Each one's scores are recorded as
  // soon as they are known; `done` is called then.
  std::vector<Scores> score_proxies(
      ProxyKind kind,
      std::span<const MergeRequest> requests,
      const std::function<void()>& done = [] {});

  // Token probabilities of the models `names`, by one pass of the weights of each, on the items
  // that the search selects by or on all. `label`: of the progress.
  Experts read_experts(std::span<const std::string> names,
                       const std::function<Weights(size_t)>& weights,
                       bool on_selection,
                       const std::string& label) const;

  const Scorer& scorer() const { return *scorer_; }
  // Of the items that the search selects by; the same object where these are all.
  const Scorer& searcher() const { return searcher_ ? *searcher_ : *scorer_; }
  // Which items the search selects by, and which gains are reported on.
  const ItemSplit& split() const { return split_; }
  // Of proxies of the search.
  ProxySetup setup(ProxyKind kind) const;
  // Identifies proxies merged by these weights, in this order, and what they are scored on.
  std::string key_of(ProxyKind kind, std::span<const MergeRequest> requests) const;
  // Distinct proxies and models scored in this run folder, and their items.
  int64_t proxies_scored() const;
  int64_t items_scored() const;

 private:
  // Of all that scores depend on beside the weights.
  std::string evaluation_hash(bool on_selection) const;
  std::string setup_key(ProxyKind kind) const;  // of its entry in the journal
  std::string proxy_key(ProxyKind kind, const MergeRequest& request) const;
  std::string model_key(const ModelFacts& facts) const;
  // Those that are not in the journal yet are shared with the run's workers.
  void share_merges(std::span<const MergeRequest> requests, const std::function<void()>& done);
  std::vector<Scores> score_merges(std::span<const MergeRequest> requests,
                                   const std::function<void()>& done);
  std::vector<Scores> score_ensembles(std::span<const MergeRequest> requests,
                                      const std::function<void()>& done);
  // Of the loaded components; each is run once, when they are first needed.
  const Experts& experts(bool on_selection);
  // Whether the journal has all that is asked for under this key.
  bool is_kept(const std::string& key, bool with_terms) const;
  // What scores are of: a proxy, or else a model.
  struct Origin {
    ProxyKind kind = ProxyKind::kMerged;
    const MergeRequest* proxy = nullptr;
  };
  // What the command gave for the weights that are journaled under this key with their terms.
  std::optional<ExternalScores> known_external(const std::string& key) const;
  // By our scorer and the configured command, which is not run again for the items of the selection
  // where the journal has its scores on all of them, under `whole_key`.
  Scores score(const Weights& weights,
               const std::string& name,
               const std::string& whole_key,
               bool on_selection,
               TermsByMetric* terms,
               ScoreJournal& items) const;
  // The journal's scores under this key (and what else is asked for), else those of `score`,
  // recorded. `score` fills in the terms that it is given, and takes items that an interrupted run
  // had scored from the journal's, which last until all are.
  Scores kept_or(const std::function<Scores(TermsByMetric*, ScoreJournal&)>& score,
                 const std::string& key,
                 const std::string& name,
                 const Origin& origin,
                 TermsByMetric* terms);

  Workspace& workspace_;
  ItemSplit split_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<Scorer> scorer_, searcher_;
  ExternalEvaluation external_;  // with an empty command where there is none
  std::filesystem::path command_log_;
  std::unique_ptr<Components> components_;  // null once they are released
  std::function<void()> make_components_;
  std::function<Weights(size_t)> component_weights_;  // one of the loaded ones, as it is scored
  std::unique_ptr<Experts> experts_, selection_experts_;
  std::string components_hash_;
  std::vector<ModelFacts> component_facts_;
  MergeConfig merge_;
  ProxySetup setup_;              // of merged proxies
  std::vector<Weights> proxies_;  // to merge into, as many as were needed at once
};

}  // namespace demix
