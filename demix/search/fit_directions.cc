#include "demix/search/fit_directions.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace demix {
namespace {

// As whole words only: "ce" is in "science", "acc" in "vacc".
constexpr std::array kLowerWords = {
    "loss",  "losses", "ce",  "xent", "nll",    "bpb",        "bpc",       "bpt",    "ppl",
    "error", "errors", "err", "mse",  "rmse",   "mae",        "mape",      "wer",    "cer",
    "ter",   "brier",  "ece", "kl",   "regret", "perplexity", "surprisal", "entropy"};
constexpr std::array kHigherWords = {
    "acc",         "accuracy", "em",        "f1",      "score",  "scores",  "reward",  "rewards",
    "bleu",        "bleu4",    "sacrebleu", "rouge",   "rouge1", "rouge2",  "rougel",  "rougelsum",
    "meteor",      "chrf",     "pass",      "mc1",     "mc2",    "auc",     "auroc",   "mrr",
    "ndcg",        "recall",   "precision", "r2",      "elo",    "mcc",     "pearson", "spearman",
    "correlation", "correct",  "wins",      "winrate", "exact",  "logprob", "logprobs"};
// As the end of a word: "valloss", but not "glossary".
constexpr std::array kLowerEnds = {"loss", "bpb", "ppl", "nll"};
// Anywhere, across what separates words.
constexpr std::array kLowerParts = {
    "crossentropy", "perplexity", "bitsper", "surprisal", "negativeloglikelihood", "errorrate"};
constexpr std::array kHigherParts = {
    "accuracy", "exactmatch", "winrate", "passat", "loglikelihood", "logprob", "reward"};

struct Words {
  std::vector<std::string> words;
  std::string together;
};

// In lower case. A capital after a small letter begins a word.
Words words_of(std::string_view name) {
  Words result;
  bool inside = false, was_small = false;
  for (char c : name) {
    const bool capital = c >= 'A' && c <= 'Z', small = c >= 'a' && c <= 'z';
    const bool in_word = capital || small || (c >= '0' && c <= '9');
    if (in_word && (!inside || (capital && was_small))) result.words.emplace_back();
    if (in_word) {
      if (capital) c = static_cast<char>(c - 'A' + 'a');
      result.words.back() += c;
      result.together += c;
    }
    inside = in_word;
    was_small = small;
  }
  return result;
}

}  // namespace

Direction direction_by_name(std::string_view metric) {
  const Words name = words_of(metric);
  const auto has_word = [&](const auto& words) {
    return std::any_of(name.words.begin(), name.words.end(), [&](const std::string& word) {
      return std::find(words.begin(), words.end(), word) != words.end();
    });
  };
  const auto has_part = [&](const auto& parts) {
    return std::any_of(parts.begin(), parts.end(), [&](const char* part) {
      return name.together.find(part) != std::string::npos;
    });
  };
  const auto has_end = [&](const std::string& word) {
    return std::any_of(
        kLowerEnds.begin(), kLowerEnds.end(), [&](const char* end) { return word.ends_with(end); });
  };
  // Words tell more than parts of them.
  if (has_word(kLowerWords)) return {.higher_is_better = false, .has_sign = true};
  if (has_word(kHigherWords)) return {.higher_is_better = true, .has_sign = true};
  if (has_part(kLowerParts) || std::any_of(name.words.begin(), name.words.end(), has_end))
    return {.higher_is_better = false, .has_sign = true};
  if (has_part(kHigherParts)) return {.higher_is_better = true, .has_sign = true};
  return {};
}

}  // namespace demix
