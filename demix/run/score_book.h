// The scores that a run has made, in its journal, so that none is made twice.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "demix/evaluate/metrics.h"

namespace demix {

class Journal;
class ScoreJournal;

// What is recorded of a proxy beside its scores.
struct ScoredProxy {
  std::vector<double> merge_weights;
  std::string setup;  // setup_key, where other searches may start from it; else empty
};

// What is scored.
struct ScoreEntry {
  std::string key;                        // by content, of all that the scores depend on
  std::string name;                       // for people
  int64_t items = 0;                      // that a model answers for it
  std::optional<ScoredProxy> proxy = {};  // nothing: it is a model
};

struct ItemisedScores {
  Scores scores;
  TermsByMetric terms;  // what each item adds to each metric
};

// Scores lie under their keys, and so do their terms, where somebody asked for them.
class ScoreBook {
 public:
  // Scores of what is to be recorded. Fills in the terms, unless null. The journal has the items
  // that were scored before an interruption, and lasts until scores are returned.
  using Score = std::function<Scores(TermsByMetric* terms, ScoreJournal& items)>;

  // `journal` outlives it.
  explicit ScoreBook(Journal& journal) : journal_(journal) {}

  bool has(const std::string& key, bool with_terms) const;
  // Nothing where scores or terms are missing.
  std::optional<ItemisedScores> find(const std::string& key) const;
  // Those in the book, else those of `score`, which are recorded. `terms`, unless null, receives
  // the terms; scores in the book without them are made again. Errors of `score` are thrown nested
  // in one that has the entry's name.
  Scores find_or(const ScoreEntry& entry, TermsByMetric* terms, const Score& score);

  // Distinct proxies and models' items that are in the book.
  int64_t proxies() const;
  int64_t items() const;

 private:
  Journal& journal_;
};

}  // namespace demix
