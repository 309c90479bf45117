#include "demix/corpus/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace demix {
namespace {

using Ids = std::vector<int32_t>;

Bpe::Options every_byte() {
  Bpe::Options options;
  for (int32_t byte = 0; byte < 256; ++byte) options.byte_ids[static_cast<size_t>(byte)] = byte;
  return options;
}

Ids encode(const Bpe& bpe, std::string_view word) {
  Ids ids;
  bpe.encode(word, ids);
  return ids;
}

// By definition: the pair of lowest rank, the leftmost first, again and again.
Ids merged_by_definition(const std::vector<Bpe::Merge>& merges, Ids symbols) {
  std::map<std::pair<int32_t, int32_t>, size_t> rank_of;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    rank_of[{merges[rank].left, merges[rank].right}] = rank;
  }
  while (true) {
    size_t best = merges.size();
    size_t place = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = rank_of.find({symbols[i], symbols[i + 1]});
      if (found == rank_of.end() || found->second >= best) continue;
      best = found->second;
      place = i;
    }
    if (best == merges.size()) return symbols;
    symbols[place] = merges[best].result;
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(place) + 1);
  }
}

// Short and long words take different ways; both, and the cache, must keep to the definition.
TEST(Bpe, MergesTheLowestRankFirstAndOfEqualTheLeftmost) {
  std::mt19937 random(0);
  const auto below = [&random](size_t n) { return static_cast<int32_t>(random() % n); };
  for (int round = 0; round < 30; ++round) {
    std::vector<Bpe::Merge> merges;
    std::vector<int32_t> symbols = {'a', 'b', 'c'};
    for (int32_t id = 256; id < 256 + 20; ++id) {
      merges.push_back({symbols[static_cast<size_t>(below(symbols.size()))],
                        symbols[static_cast<size_t>(below(symbols.size()))],
                        id});
      symbols.push_back(id);
    }
    std::shuffle(merges.begin(), merges.end(), random);
    const Bpe bpe(merges, every_byte());
    for (const size_t size : {0, 1, 2, 3, 5, 20, 38, 39, 63, 64, 65, 66, 200, 1000}) {
      std::string word;
      for (size_t i = 0; i < size; ++i) word.push_back(static_cast<char>('a' + below(3)));
      const Ids expected = merged_by_definition(merges, Ids(word.begin(), word.end()));
      EXPECT_EQ(encode(bpe, word), expected) << word;
      EXPECT_EQ(encode(bpe, word), expected) << word << ", cached";
    }
  }
}

TEST(Bpe, OfTwoMergesOfOnePairTheLaterHolds) {
  const std::vector<Bpe::Merge> merges = {{'a', 'b', 256}, {'b', 'c', 257}, {'a', 'b', 256}};
  EXPECT_EQ(encode(Bpe(merges, every_byte()), "abc"), (Ids{'a', 257}));
}

TEST(Bpe, UnknownBytesVanishOrBecomeTheUnknownToken) {
  Bpe::Options options = every_byte();
  options.byte_ids['x'] = -1;
  const std::vector<Bpe::Merge> merges = {{'a', 'b', 256}};
  EXPECT_EQ(encode(Bpe(merges, options), "axbxxa"), (Ids{256, 'a'}));
  options.unknown = 300;
  EXPECT_EQ(encode(Bpe(merges, options), "xabxxa"), (Ids{300, 256, 300, 300, 'a'}));
  options.fuse_unknown = true;
  EXPECT_EQ(encode(Bpe(merges, options), "xabxxa"), (Ids{300, 256, 300, 'a'}));
}

TEST(Bpe, WholeWordsAreTakenBeforeMerges) {
  Bpe::Options options = every_byte();
  options.whole_words = {{"abc", 300}, {std::string(100, 'a'), 301}};
  const std::vector<Bpe::Merge> merges = {{'a', 'b', 256}, {'a', 'a', 257}};
  const Bpe bpe(merges, options);
  EXPECT_EQ(encode(bpe, "abc"), Ids{300});
  EXPECT_EQ(encode(bpe, "abcd"), (Ids{256, 'c', 'd'}));
  EXPECT_EQ(encode(bpe, std::string(100, 'a')), Ids{301});
  EXPECT_EQ(encode(bpe, std::string(102, 'a')), Ids(51, 257));
}

// Quadratic merging would need hours here.
TEST(Bpe, LongWordsTakeLittleTime) {
  const std::vector<Bpe::Merge> merges = {{'a', 'a', 256}, {256, 256, 257}, {257, 257, 258}};
  EXPECT_EQ(encode(Bpe(merges, every_byte()), std::string(800'000, 'a')), Ids(100'000, 258));
}

}  // namespace
}  // namespace demix
