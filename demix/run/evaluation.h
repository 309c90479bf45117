// How a run scores models: by which tasks, held-out text and evaluation command, and on which items
// of theirs.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/evaluate/experts.h"
#include "demix/evaluate/external_evaluator.h"
#include "demix/evaluate/scorer.h"
#include "demix/run/item_split.h"
#include "demix/run/models.h"
#include "demix/run/score_book.h"

namespace demix {

class Decoder;
class ScoreJournal;
class Tokenizer;

// The same weights get the same scores, whichever process asks; records nothing.
class Evaluation {
 public:
  // What it refers to outlives it. What the evaluation command prints is in `command_log` in the
  // run's folder, which is for this process alone.
  Evaluation(const Workspace& workspace,
             const Models& models,
             const std::map<std::string, DatasetShards>& datasets,
             std::vector<Task> tasks,
             const Tokenizer& tokenizer,
             const std::string& command_log = "evaluation_command.log");
  ~Evaluation();

  // Which items the search selects by, and which gains are reported on.
  const ItemSplit& split() const { return split_; }
  // Ours; the same object for all items and the selection where these are the same.
  const Scorer& scorer(Items items) const;
  // Of all that scores depend on beside the weights, in the dtype in which they are scored.
  std::string hash(Items items) const;
  // The same of what each task is scored by.
  std::map<std::string, std::string> task_hashes(Items items) const;

  // A model's weights as they are scored.
  Weights weights_of(const ModelFacts& model) const;
  // By our scorer and the configured command. `terms`, unless null, receives what each item adds to
  // each metric; `journal` as Scorer::score has it. `whole`: what these weights scored on all
  // items, where that is known, of which the command's scores are taken instead of running it.
  Scores score(const Weights& weights,
               const std::string& name,
               Items items,
               TermsByMetric* terms,
               ScoreJournal& journal,
               const std::optional<ItemisedScores>& whole) const;
  // The models' token probabilities, by one pass of each. `label`: of the progress.
  Experts read_experts(std::span<const ModelFacts> models,
                       Items items,
                       const std::string& label) const;

 private:
  // Of the weights on all items.
  ExternalScores run_command(const Weights& weights, const std::string& name) const;
  // Of those scores the command's.
  ExternalScores command_scores(const ItemisedScores& scores) const;

  const RunConfig& config_;
  const Models& models_;
  ItemSplit split_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<Scorer> scorer_;
  std::unique_ptr<Scorer> searcher_;  // of the selection; null where that is all items
  ExternalEvaluation external_;       // with an empty command where there is none
  std::filesystem::path command_log_;
};

}  // namespace demix
