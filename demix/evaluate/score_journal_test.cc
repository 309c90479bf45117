#include "demix/evaluate/score_journal.h"

#include <gtest/gtest.h>

#include "demix/core/journal.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

TEST(ScoreJournal, KeepsTheItemsOfEachModelApart) {
  const TemporaryFolder folder;
  Journal journal(folder / "journal.sqlite");
  ScoreJournal a(journal, "a", 0);
  a.add("item", "task t, item 1", 1.5);
  a.add("item", "task t, item 1", 2.5);
  ASSERT_TRUE(ScoreJournal(journal, "a").find("item"));
  EXPECT_EQ(*ScoreJournal(journal, "a").find("item"), Json(2.5));
  EXPECT_EQ(ScoreJournal(journal, "b").find("item"), nullptr);
  EXPECT_EQ(ScoreJournal(journal, "b").size(), 0u);
  EXPECT_EQ(ScoreJournal(journal, "a").find("other item"), nullptr);
  ScoreJournal b(journal, "b", 0);
  b.add("item", "task t, item 1", 3.5);
  ScoreJournal(journal, "a").drop();
  EXPECT_EQ(ScoreJournal(journal, "a").size(), 0u);
  EXPECT_EQ(ScoreJournal(journal, "b").size(), 1u);
}

TEST(ScoreJournal, RecordsNothingOfAShortEvaluationUntilToldSo) {
  const TemporaryFolder folder;
  Journal journal(folder / "journal.sqlite");
  ScoreJournal items(journal, "a", 3600);
  items.add("item", "task t, item 1", 1.5);
  EXPECT_EQ(ScoreJournal(journal, "a").size(), 0u);
  items.flush();
  EXPECT_EQ(ScoreJournal(journal, "a").size(), 1u);
}

TEST(ScoreJournal, AsksForItsPlaceOnceWhenAnEvaluationLasts) {
  const TemporaryFolder folder;
  Journal journal(folder / "journal.sqlite");
  int asked = 0;
  const auto open = [&] {
    ++asked;
    return ScoreJournal::Place{&journal, "a"};
  };
  ScoreJournal brief(open, 3600, 0);
  brief.add("item", "task t, item 1", 1.5);
  brief.flush();
  brief.drop();
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(ScoreJournal(journal, "a").size(), 0u);

  ScoreJournal lasting(open, 1e-9, 3600);
  lasting.add("item", "task t, item 1", 1.5);
  EXPECT_EQ(ScoreJournal(journal, "a").size(), 1u);
  lasting.add("other item", "task t, item 2", 2.5);
  EXPECT_EQ(asked, 1);
  lasting.flush();
  EXPECT_EQ(ScoreJournal(journal, "a").size(), 2u);
}

TEST(ScoreJournal, DoesWithoutAPlace) {
  ScoreJournal items([] { return ScoreJournal::Place{nullptr, ""}; }, 0, 0);
  items.add("item", "task t, item 1", 1.5);
  items.add("item", "task t, item 1", 2.5);
  items.flush();
  EXPECT_EQ(items.size(), 0u);
  EXPECT_EQ(items.find("item"), nullptr);
}

}  // namespace
}  // namespace demix
