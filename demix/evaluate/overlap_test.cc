#include "demix/evaluate/overlap.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"

namespace demix {
namespace {

const char* const kLong =
    "Which of the following is the most likely reason that the leaves of this tree turn red?";

Item item(const std::string& context, const std::string& gold) {
  Item item;
  item.contexts = {context};
  item.continuations = {" something else entirely", " " + gold};
  item.gold = 1;
  return item;
}

Task task(const std::string& name, std::vector<Item> items) {
  Task task;
  task.name = name;
  task.items = std::move(items);
  return task;
}

std::vector<int64_t> seen_in(const Overlap& overlap, const std::string& document) {
  Overlap::Items seen = overlap.none();
  overlap.mark(document, seen);
  return overlap.by_task(seen);
}

using Counts = std::vector<int64_t>;

TEST(Overlap, FindsThirteenWordsWhateverTheirCaseAndPunctuation) {
  const Overlap overlap({task("quiz", {item(kLong, "Cold nights"), item("Two plus two?", "4")}),
                         task("other",
                              {item("A question that has nothing to do with trees, "
                                    "but a good deal with",
                                    "the colours of the sea")})});
  EXPECT_EQ(overlap.by_task(overlap.judged()), (Counts{1, 1}));  // one is too short
  EXPECT_EQ(seen_in(overlap, ""), (Counts{0, 0}));
  EXPECT_EQ(seen_in(overlap, fmt::format("So: {} Who knows.", kLong)), (Counts{1, 0}));
  EXPECT_EQ(seen_in(overlap,
                    "WHICH OF THE FOLLOWING\nis -- the (most) likely reason, that the leaves of"),
            (Counts{1, 0}));
  // Twelve words of them are not enough, nor are thirteen with another between.
  EXPECT_EQ(seen_in(overlap, "which of the following is the most likely reason that the leaves"),
            (Counts{0, 0}));
  EXPECT_EQ(
      seen_in(overlap, "which of the following is the most very likely reason that the leaves of"),
      (Counts{0, 0}));
}

TEST(Overlap, PunctuationOutsideAsciiSeparatesWordsToo) {
  const std::string plain =
      "She said \"it's late\" - and then, without a word to any of them, went home";
  const std::string typeset =
      "She said “it’s late” — and then, without\u00A0a word to any of them, went home";
  EXPECT_EQ(seen_in(Overlap({task("quiz", {item(plain, "alone")})}), typeset), (Counts{1}));
  EXPECT_EQ(seen_in(Overlap({task("quiz", {item(typeset, "alone")})}), plain), (Counts{1}));
  // Letters outside ASCII are parts of words.
  const std::string accented = "le café où l'élève a rêvé d'une forêt près de la mer";
  EXPECT_EQ(seen_in(Overlap({task("quiz", {item(accented, "bleue")})}), accented), (Counts{1}));
  EXPECT_EQ(seen_in(Overlap({task("quiz", {item(accented, "bleue")})}),
                    "le caf  o  l' l ve a r v  d'une for t pr s de la mer"),
            (Counts{0}));
  // Bytes that are no UTF-8 end a word, and nothing is read beyond the text.
  EXPECT_EQ(
      seen_in(Overlap({task("quiz", {item(kLong, "Cold nights")})}), fmt::format("{}\xE2", kLong)),
      (Counts{1}));
}

TEST(Overlap, OfAShortItemAllWordsMustStandThere) {
  const Overlap overlap({task("quiz", {item("The capital of France is the city", "of Paris")})});
  EXPECT_EQ(seen_in(overlap, "As is known, the capital of France is the city of Paris."),
            (Counts{1}));
  EXPECT_EQ(seen_in(overlap, "The capital of France is the city of Lyon"), (Counts{0}));
  EXPECT_EQ(seen_in(overlap, "The capital of France is the city"), (Counts{0}));
}

TEST(Overlap, WhatManyItemsShareSaysNothing) {
  std::vector<Item> items;
  for (int i = 0; i < 12; ++i)
    items.push_back(item(fmt::format("{} Item {} of this row has words of its own: {} {} {} {} {}",
                                     kLong,
                                     i,
                                     i * 7,
                                     i * 11,
                                     i * 13,
                                     i * 17,
                                     i * 19),
                         "red"));
  const Overlap overlap({task("quiz", items)});
  EXPECT_EQ(overlap.by_task(overlap.judged()), (Counts{12}));
  EXPECT_EQ(seen_in(overlap, kLong), (Counts{0}));
  EXPECT_EQ(seen_in(overlap, items[3].contexts[0]), (Counts{1}));
}

TEST(Overlap, RowsOfNumbersSayNothing) {
  const Overlap overlap({task(
      "quiz", {item("assert primes(40) == [2, 3, 5, 7, 11, 13, 17, 19, 23,", "29, 31, 37]")})});
  EXPECT_EQ(overlap.by_task(overlap.judged()), (Counts{0}));
  EXPECT_EQ(seen_in(overlap, "2 3 5 7 11 13 17 19 23 29 31 37 41 43"), (Counts{0}));
}

TEST(Overlap, TakesTheGoldAnswersContextWhereTheyDiffer) {
  Item partial;
  partial.contexts = {"Anna thanked Berta for the help because Anna",
                      "Anna thanked Berta for the help because Berta"};
  partial.continuations = {" had given it so very readily", " had given it so very readily"};
  partial.gold = 1;
  const Overlap overlap({task("quiz", {partial})});
  EXPECT_EQ(
      seen_in(overlap, "Anna thanked Berta for the help because Anna had given it so very readily"),
      (Counts{0}));
  EXPECT_EQ(seen_in(overlap,
                    "Anna thanked Berta for the help because Berta had given it so very readily"),
            (Counts{1}));
}

}  // namespace
}  // namespace demix
