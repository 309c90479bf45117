#include "demix/corpus/split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "demix/core/rng.h"
#include "demix/corpus/seen_texts.h"

namespace demix {
namespace {

struct Parts {
  std::vector<uint64_t> train, held_out;
  int64_t surplus = 0;
};

// Splits documents of the given ranks, each of `tokens` tokens.
Parts split(const std::vector<uint64_t>& ranks,
            double share,
            int64_t max_tokens,
            size_t tokens = 1) {
  Parts parts;
  HeldOutSplit split(share, max_tokens, [&](const TokenisedDocument& document) {
    parts.train.push_back(document.rank);
  });
  for (uint64_t rank : ranks) split.add({rank, 1, std::vector<int32_t>(tokens)});
  for (const auto& document : split.finish()) parts.held_out.push_back(document.rank);
  parts.surplus = split.surplus();
  return parts;
}

constexpr uint64_t kTenth = 1844674407370955161;  // 2^64 / 10
using Ranks = std::vector<uint64_t>;

TEST(HeldOutSplit, DocumentsBelowTheShareAreHeldOutByRank) {
  const Parts parts = split({5 * kTenth, 30, 9 * kTenth, 10, 20}, 0.1, 100);
  EXPECT_EQ(parts.held_out, (Ranks{10, 20, 30}));
  EXPECT_EQ(parts.train, (Ranks{9 * kTenth, 5 * kTenth}));
  EXPECT_EQ(parts.surplus, 0);
}

TEST(HeldOutSplit, WhatExceedsTheLimitIsInNeitherPart) {
  const Parts parts = split({5 * kTenth, 30, 10, 40, 20}, 0.1, 25, 10);
  EXPECT_EQ(parts.held_out, (Ranks{10, 20}));
  EXPECT_EQ(parts.train, Ranks{5 * kTenth});
  EXPECT_EQ(parts.surplus, 2);
  // A single document longer than the limit is still held out.
  EXPECT_EQ(split({5 * kTenth, 30, 10}, 0.1, 5, 10).held_out, Ranks{10});
}

TEST(HeldOutSplit, PartsDependOnTheDocumentsAndNotOnTheirOrder) {
  Rng rng(1);
  Ranks ranks(500);
  for (uint64_t& rank : ranks) rank = rng.next();
  const Parts expected = split(ranks, 0.05, 10);
  EXPECT_EQ(expected.held_out.size(), 10u);
  for (int trial = 0; trial < 5; ++trial) {
    rng.shuffle(std::span(ranks));
    Parts parts = split(ranks, 0.05, 10);
    EXPECT_EQ(parts.held_out, expected.held_out);
    std::sort(parts.train.begin(), parts.train.end());
    Ranks train = expected.train;
    std::sort(train.begin(), train.end());
    EXPECT_EQ(parts.train, train);
  }
}

TEST(HeldOutSplit, WhereNoneLiesBelowTheShareTheLowestIsHeldOut) {
  const Parts parts = split({5 * kTenth, 3 * kTenth, 9 * kTenth, 4 * kTenth}, 0.1, 100);
  EXPECT_EQ(parts.held_out, Ranks{3 * kTenth});
  EXPECT_EQ(parts.train.size(), 3u);
}

TEST(HeldOutSplit, OneDocumentIsAlwaysLeftForTraining) {
  EXPECT_EQ(split({5 * kTenth}, 0.1, 100).train, Ranks{5 * kTenth});
  EXPECT_EQ(split({5}, 0.1, 100).train, Ranks{5});
  EXPECT_EQ(split({7, 5}, 0.1, 100).train, Ranks{7});
}

TEST(HeldOutSplit, AShareOfZeroHoldsOutNothing) {
  EXPECT_TRUE(split({0, 5, 5 * kTenth}, 0, 100).held_out.empty());
}

TEST(SeenTexts, EachHashIsNewOnce) {
  SeenTexts seen;
  Rng rng(2);
  std::vector<TextHash> hashes = {{0, 0}, {1, 0}, {0, 2}};
  for (int i = 0; i < 5000; ++i) hashes.emplace_back(rng.next(), rng.next());
  for (const TextHash& hash : hashes) EXPECT_TRUE(seen.insert(hash));
  for (const TextHash& hash : hashes) EXPECT_FALSE(seen.insert(hash));
}

}  // namespace
}  // namespace demix
