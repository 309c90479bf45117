#include "demix/run/score_book.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "demix/core/journal.h"
#include "demix/evaluate/score_journal.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

// A book, and an evaluation that counts how often it is asked.
class ScoreBookTest : public testing::Test {
 protected:
  Scores scores_of(const ScoreEntry& entry, TermsByMetric* terms = nullptr) {
    return book_.find_or(entry, terms, [this](TermsByMetric* its_terms, ScoreJournal&) {
      ++evaluations_;
      if (its_terms) (*its_terms)["quiz"]["acc"] = {{1, 0}, {1, 1}};
      Scores scores;
      scores.tasks["quiz"]["acc"] = {0.5, 0.5, 2};
      return scores;
    });
  }

  static ScoreEntry model(const std::string& key) {
    return {.key = key, .name = "components/" + key, .items = 10};
  }
  static ScoreEntry proxy(const std::string& key, std::vector<double> merge_weights) {
    return {.key = key,
            .name = "a proxy",
            .items = 5,
            .proxy = ScoredProxy{std::move(merge_weights), ""}};
  }

  TemporaryFolder folder_;
  Journal journal_{folder_ / "journal.sqlite"};
  ScoreBook book_{journal_};
  int evaluations_ = 0;
};

TEST_F(ScoreBookTest, TheSameKeyReturnsWhatWasRecorded) {
  const Scores first = scores_of(model("a"));
  const Scores again =
      ScoreBook(journal_).find_or(model("a"), nullptr, [](TermsByMetric*, ScoreJournal&) -> Scores {
        throw Error("scored again");
      });
  EXPECT_EQ(Json(again), Json(first));
  EXPECT_EQ(again.tasks.at("quiz").at("acc").value, 0.5);
  EXPECT_EQ(evaluations_, 1);
  scores_of(model("b"));
  EXPECT_EQ(evaluations_, 2);
}

TEST_F(ScoreBookTest, TermsThatAreAskedForLaterAreMadeThen) {
  scores_of(model("a"));
  EXPECT_TRUE(book_.has("a", /*with_terms=*/false));
  EXPECT_FALSE(book_.has("a", /*with_terms=*/true));
  EXPECT_FALSE(book_.find("a"));
  TermsByMetric made, kept;
  scores_of(model("a"), &made);
  EXPECT_EQ(evaluations_, 2);
  EXPECT_TRUE(book_.has("a", /*with_terms=*/true));
  scores_of(model("a"), &kept);
  EXPECT_EQ(evaluations_, 2);
  EXPECT_EQ(kept.at("quiz").at("acc").x, (std::vector<double>{1, 0}));
  EXPECT_EQ(book_.find("a")->terms.at("quiz").at("acc").x, (std::vector<double>{1, 0}));
}

TEST_F(ScoreBookTest, AnInterruptedEvaluationGoesOnWhereItWas) {
  const auto interrupted = [](TermsByMetric*, ScoreJournal& items) -> Scores {
    items.add("item 1", "quiz", 0.25);
    items.flush();
    throw Error("killed");
  };
  const std::string message = message_of([&] { book_.find_or(model("a"), nullptr, interrupted); });
  EXPECT_EQ(message, "components/a cannot be scored\n  because: killed");
  EXPECT_FALSE(book_.has("a", /*with_terms=*/false));

  size_t found = 0;
  const auto resumed = [&](TermsByMetric*, ScoreJournal& items) {
    found = items.size();
    EXPECT_EQ(*items.find("item 1"), 0.25);
    return Scores{};
  };
  book_.find_or(model("a"), nullptr, resumed);
  EXPECT_EQ(found, 1u);
  // Of what is scored no items are left.
  EXPECT_EQ(ScoreJournal(journal_, "a").size(), 0u);
}

TEST_F(ScoreBookTest, AProxyOnTheSelectionAndOnAllItemsIsOneProxy) {
  scores_of(model("a"));
  scores_of(proxy("all", {0.5, 0.5}));
  scores_of(proxy("selection", {0.5, 0.5}));
  scores_of(proxy("another", {1, 0}));
  EXPECT_EQ(book_.proxies(), 2);
  EXPECT_EQ(book_.items(), 10 + 3 * 5);
}

TEST_F(ScoreBookTest, EntriesSayWhatOtherSearchesNeedToStartFromThem) {
  ScoreEntry searched = proxy("p", {0.25, 0.75});
  searched.proxy->setup = "setup";
  scores_of(searched);
  scores_of(model("m"));
  const auto without_scores = [&](const std::string& key) {
    Json entry = *journal_.find("score", key);
    entry.erase("scores");
    return entry.dump();
  };
  EXPECT_EQ(without_scores("p"),
            R"({"items":5,"merged":true,"merge_weights":[0.25,0.75],"setup":"setup"})");
  EXPECT_EQ(without_scores("m"), R"({"items":10,"merged":false})");
}

}  // namespace
}  // namespace demix
