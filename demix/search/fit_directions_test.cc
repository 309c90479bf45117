#include "demix/search/fit_directions.h"

#include <gtest/gtest.h>

namespace demix {
namespace {

TEST(FitDirections, LossesAreKnownHoweverTheirWordsAreSeparated) {
  for (const char* name : {"metric/the_pile_github_val_loss",
                           "HellaSwag BPB",
                           "wiki_ppl",
                           "val_ce",
                           "eval/cross-entropy",
                           "valid_bits_per_char",
                           "bits-per-byte",
                           "mse",
                           "bpc",
                           "brier_score",
                           "wer",
                           "word error rate",
                           "valLoss",
                           "mean_surprisal",
                           "negative_log_likelihood"}) {
    EXPECT_FALSE(direction_by_name(name).higher_is_better) << name;
    EXPECT_TRUE(direction_by_name(name).has_sign) << name;
  }
}

TEST(FitDirections, SoAreScores) {
  for (const char* name : {"arc_easy_acc",
                           "arc_easy/acc,none",
                           "exact_match,strict",
                           "f1",
                           "pass@1",
                           "win_rate",
                           "rougeL",
                           "bleu",
                           "reward",
                           "glossary_acc"}) {
    EXPECT_TRUE(direction_by_name(name).higher_is_better) << name;
    EXPECT_TRUE(direction_by_name(name).has_sign) << name;
  }
}

TEST(FitDirections, OtherNamesSayNothing) {
  for (const char* name : {"mmlu", "science", "apples", "toxicity"}) {
    EXPECT_TRUE(direction_by_name(name).higher_is_better) << name;
    EXPECT_FALSE(direction_by_name(name).has_sign) << name;
  }
}

}  // namespace
}  // namespace demix
