#include "demix/run/score_book.h"

#include <nlohmann/json.hpp>
#include <set>

#include "demix/core/error.h"
#include "demix/core/journal.h"
#include "demix/evaluate/score_journal.h"

namespace demix {
namespace {

// Kinds of entries in the journal. Other runs read the former (warm_start.h).
constexpr const char* kScore = "score";
constexpr const char* kTerms = "terms";

}  // namespace

bool ScoreBook::has(const std::string& key, bool with_terms) const {
  return journal_.find(kScore, key) && (!with_terms || journal_.find(kTerms, key));
}

std::optional<ItemisedScores> ScoreBook::find(const std::string& key) const {
  const auto entry = journal_.find(kScore, key);
  const auto terms = journal_.find(kTerms, key);
  if (!entry || !terms) return std::nullopt;
  return ItemisedScores{entry->at("scores").get<Scores>(), terms->get<TermsByMetric>()};
}

Scores ScoreBook::find_or(const ScoreEntry& entry, TermsByMetric* terms, const Score& score) {
  if (has(entry.key, terms)) {
    if (terms) *terms = journal_.find(kTerms, entry.key)->get<TermsByMetric>();
    return journal_.find(kScore, entry.key)->at("scores").get<Scores>();
  }
  ScoreJournal items(journal_, entry.key);
  const Scores scores = [&] {
    try {
      return score(terms, items);
    } catch (const std::exception&) {
      std::throw_with_nested(Error("{} cannot be scored", entry.name));
    }
  }();
  // A score tells that its terms are there too, so it comes last.
  if (terms) journal_.put(kTerms, entry.key, entry.name, *terms);
  Json value = {{"scores", scores}, {"items", entry.items}, {"merged", entry.proxy.has_value()}};
  if (entry.proxy) value["merge_weights"] = entry.proxy->merge_weights;
  if (entry.proxy && !entry.proxy->setup.empty()) value["setup"] = entry.proxy->setup;
  journal_.put(kScore, entry.key, entry.name, value);
  items.drop();  // of every proxy of a search they would fill the journal
  return scores;
}

int64_t ScoreBook::proxies() const {
  // One that was scored on the search's items and on all is one proxy.
  std::set<std::string> distinct;
  for (const JournalEntry& entry : journal_.all(kScore)) {
    if (!entry.value.at("merged").get<bool>()) continue;
    const auto weights = entry.value.find("merge_weights");
    distinct.insert(weights == entry.value.end() ? entry.key : weights->dump());
  }
  return static_cast<int64_t>(distinct.size());
}

int64_t ScoreBook::items() const {
  int64_t count = 0;
  for (const JournalEntry& entry : journal_.all(kScore))
    count += entry.value.at("items").get<int64_t>();
  return count;
}

}  // namespace demix
