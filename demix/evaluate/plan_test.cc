#include "demix/evaluate/plan.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "demix/corpus/shard.h"

namespace demix {
namespace {

using Ids = std::vector<int32_t>;

// The ids on the path to `row`, itself included.
Ids path_to(const TokenTree& tree, int64_t row) {
  Ids path(tree.ids.size());
  for (const Segment& segment : tree.segments)
    for (int64_t i = 0; i < segment.count; ++i) {
      path[segment.start + i] = tree.ids[segment.row + i];
      if (segment.row + i == row) return {path.begin(), path.begin() + segment.start + i + 1};
    }
  return {};
}

TEST(MergeSequences, EveryTokenIsAnsweredAfterWhatPrecedesIt) {
  const std::vector<Sequence> sequences{{{1, 2, 3, 4, 5}, 3, 0},
                                        {{1, 2, 3, 4, 6, 7}, 3, 1},
                                        {{1, 2, 3, 8}, 3, 2},
                                        {{1, 9, 3, 8}, 2, 3}};
  const TokenTree tree = merge_sequences(sequences);
  EXPECT_EQ(tree.rows(), 7);  // 1 | 2 3 | 4 | 6 and 9 3; last tokens are not read
  std::map<int64_t, std::vector<std::pair<Ids, int32_t>>> by_slot;
  for (const Answer& answer : tree.answers)
    by_slot[answer.slot].emplace_back(path_to(tree, answer.row), answer.token);
  for (const Sequence& sequence : sequences) {
    std::vector<std::pair<Ids, int32_t>> expected;
    for (auto target = sequence.ids.begin() + sequence.first_target; target != sequence.ids.end();
         ++target)
      expected.emplace_back(Ids(sequence.ids.begin(), target), *target);
    EXPECT_EQ(by_slot[sequence.slot], expected);
  }
  for (const Segment& segment : tree.segments)
    for (int64_t i = 0; i < segment.count; ++i)
      EXPECT_EQ(tree.positions[segment.row + i], segment.start + i);
}

TEST(MergeSequences, EqualSequencesAreComputedOnce) {
  const std::vector<Sequence> sequences{{{1, 2, 3}, 1, 0}, {{1, 2, 3}, 1, 1}};
  const TokenTree tree = merge_sequences(sequences);
  EXPECT_EQ(tree.ids, (Ids{1, 2}));
  EXPECT_EQ(tree.answers.size(), 4u);
}

TEST(Pack, PassesHoldEveryTreeWithinTheirRows) {
  std::vector<TokenTree> trees;
  for (int32_t rows : {5, 30, 3, 7, 2, 10, 1}) {
    Sequence sequence{
        Ids(static_cast<size_t>(rows) + 1, rows), 1, static_cast<int64_t>(trees.size())};
    trees.push_back(merge_sequences({&sequence, 1}));
  }
  const auto passes = pack(trees, 14);
  std::vector<int64_t> rows;
  std::map<int64_t, int64_t> answers;
  for (const Pass& pass : passes) {
    rows.push_back(pass.rows());
    for (const Answer& answer : pass.answers) {
      ++answers[answer.slot];
      EXPECT_EQ(pass.ids[answer.row], trees[answer.slot].ids[0]);
    }
  }
  EXPECT_EQ(rows, (std::vector<int64_t>{30, 14, 14}));  // the longest alone; 10 3 1; 7 5 2
  for (const auto& [slot, count] : answers) EXPECT_EQ(count, trees[slot].rows());
  EXPECT_EQ(answers.size(), trees.size());
}

class WindowsTest : public testing::Test {
 protected:
  Shard shard_of(std::vector<Ids> documents, int32_t separator) {
    const auto path = std::filesystem::path(testing::TempDir()) / "demix_windows";
    ShardWriter writer(path, 100, separator);
    for (const Ids& ids : documents) writer.add(ids, 1);
    writer.finish();
    return Shard::open(path);
  }
};

TEST_F(WindowsTest, EachTextTokenIsScoredOnceAsTheHarnessRolls) {
  const Shard shard = shard_of({{0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2}}, 0);
  const auto windows = document_windows(shard, 0, 3);
  ASSERT_EQ(windows.size(), 3u);
  EXPECT_EQ(windows[0].ids, (Ids{0, 1, 2, 3}));  // at most three tokens are read
  EXPECT_EQ(windows[0].first_target, 1);
  EXPECT_EQ(windows[1].ids, (Ids{3, 4, 5, 6}));
  EXPECT_EQ(windows[1].first_target, 1);
  EXPECT_EQ(windows[2].ids, (Ids{4, 5, 6, 7}));  // filled to the left
  EXPECT_EQ(windows[2].first_target, 3);
  EXPECT_EQ(document_windows(shard, 1, 3)[0].ids, (Ids{0, 1, 2}));
}

TEST_F(WindowsTest, AnEndTokenIsNotText) {
  const Shard shard = shard_of({{9, 1, 2, 0}, {9, 0}}, 0);
  const auto windows = document_windows(shard, 0, 8);
  ASSERT_EQ(windows.size(), 1u);
  EXPECT_EQ(windows[0].ids, (Ids{9, 1, 2}));
  EXPECT_TRUE(document_windows(shard, 1, 8).empty());
}

TEST(Windows, OfATextAreThoseOfItsTokensBehindTheFirst) {
  const Ids ids{9, 1, 2, 3, 4};
  const auto windows = windows_of(ids, 2);
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_EQ(windows[0].ids, (Ids{9, 1, 2}));
  EXPECT_EQ(windows[1].ids, (Ids{2, 3, 4}));
  EXPECT_EQ(windows[1].first_target, 1);
  EXPECT_TRUE(windows_of(Ids{9}, 2).empty());
}

}  // namespace
}  // namespace demix
