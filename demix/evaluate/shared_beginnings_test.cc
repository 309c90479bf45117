#include "demix/evaluate/shared_beginnings.h"

#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "demix/core/rng.h"

namespace demix {
namespace {

using Ids = std::vector<int32_t>;

TokenTree tree_of(std::vector<Sequence> sequences) { return merge_sequences(sequences); }

// Of each slot, what its answers follow and what they are.
std::map<int64_t, std::vector<std::pair<Ids, int32_t>>> questions(
    std::span<const TokenTree> trees) {
  std::map<int64_t, std::vector<std::pair<Ids, int32_t>>> result;
  for (const TokenTree& tree : trees) {
    Ids path;
    std::vector<Ids> of_row(tree.ids.size());
    int64_t next = 0;
    for (const Segment& segment : tree.segments) {
      EXPECT_EQ(segment.row, next);  // one after the other
      next += segment.count;
      EXPECT_GT(segment.count, 0);
      EXPECT_LE(segment.start, std::ssize(path));
      path.resize(static_cast<size_t>(segment.start));
      for (int64_t i = 0; i < segment.count; ++i) {
        const auto row = static_cast<size_t>(segment.row + i);
        EXPECT_EQ(tree.positions[row], segment.start + i);
        path.push_back(tree.ids[row]);
        of_row[row] = path;
      }
    }
    EXPECT_EQ(next, tree.rows());
    for (const Answer& answer : tree.answers)
      result[answer.slot].emplace_back(of_row[static_cast<size_t>(answer.row)], answer.token);
  }
  return result;
}

int64_t rows_of(std::span<const TokenTree> trees) {
  int64_t rows = 0;
  for (const TokenTree& tree : trees) rows += tree.rows();
  return rows;
}

TEST(ShareBeginnings, GivesEachAnswerTheSameTokensBefore) {
  Rng rng(1);
  std::vector<TokenTree> trees;
  int64_t slot = 0;
  for (int i = 0; i < 200; ++i) {
    const auto ids = [&](uint64_t most) {
      Ids some(rng.below(most));
      for (int32_t& id : some) id = static_cast<int32_t>(rng.below(2));
      return some;
    };
    const Ids context = ids(9);
    std::vector<Sequence> sequences;
    for (uint64_t choices = 1 + rng.below(3); choices > 0; --choices) {
      Sequence sequence{context, std::max<int64_t>(1, std::ssize(context)), slot++};
      for (const int32_t id : ids(5)) sequence.ids.push_back(id);
      while (std::ssize(sequence.ids) <= sequence.first_target) sequence.ids.push_back(3);
      sequences.push_back(std::move(sequence));
    }
    trees.push_back(merge_sequences(sequences));
  }
  const auto shared = share_beginnings(trees, 64);
  EXPECT_EQ(questions(shared), questions(trees));
  EXPECT_LT(rows_of(shared), rows_of(trees));
  for (const TokenTree& tree : shared) EXPECT_LE(tree.rows(), 64);
}

TEST(ShareBeginnings, ComputesWorkedExamplesOnce) {
  Ids examples(100, 7);
  std::vector<TokenTree> trees;
  for (int32_t i = 0; i < 4; ++i) {
    Ids ids = examples;
    ids.insert(ids.end(), {i, 8, 9});
    trees.push_back(tree_of({{ids, 102, i}}));
  }
  const Ids other{7, 5, 5};  // shares one token: no reason to give up a hundred
  trees.push_back(tree_of({{other, 1, 4}}));
  const auto shared = share_beginnings(trees, 50);
  ASSERT_EQ(shared.size(), 2u);
  EXPECT_EQ(rows_of(shared), 100 + 4 * 2 + 2);
  EXPECT_EQ(questions(shared), questions(trees));
}

TEST(ShareBeginnings, LeavesWhatHasNothingInCommon) {
  const std::vector<TokenTree> trees{tree_of({{{1, 2, 3}, 1, 0}}), tree_of({{{2, 2, 3}, 1, 1}})};
  const auto shared = share_beginnings(trees, 50);
  EXPECT_EQ(shared.size(), 2u);
  EXPECT_EQ(rows_of(shared), rows_of(trees));
  EXPECT_TRUE(share_beginnings({}, 50).empty());
}

}  // namespace
}  // namespace demix
