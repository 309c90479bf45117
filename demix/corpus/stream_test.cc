#include "demix/corpus/stream.h"

#include <algorithm>
#include <cmath>

#include "demix/corpus/test_files.h"

namespace demix {
namespace {

using Documents = std::vector<std::vector<int32_t>>;

constexpr int32_t kSeparator = 0;
constexpr int32_t kBegin = 1;

class Stream : public FolderTest {
 protected:
  Shard shard(const std::string& name, const Documents& documents) {
    ShardWriter writer(folder_ / name, 100'000, kSeparator);
    for (const auto& document : documents) writer.add(document, 1);
    writer.finish();
    return Shard::open(folder_ / name);
  }

  // Documents that open with the separator; their other tokens are unique: 1000 * document + place.
  static Documents numbered(size_t documents, size_t tokens, int32_t first = 1) {
    Documents result(documents);
    for (size_t i = 0; i < documents; ++i) {
      result[i].push_back(kSeparator);
      for (size_t j = 1; j < tokens + i % 3; ++j) {
        result[i].push_back(1000 * (static_cast<int32_t>(i) + first) + static_cast<int32_t>(j));
      }
    }
    return result;
  }
};

std::span<const int32_t> row_of(const PackedBatch& batch, int64_t row) {
  return std::span(batch.ids).subspan(static_cast<size_t>(row * (batch.length + 1)),
                                      static_cast<size_t>(batch.length + 1));
}

TEST_F(Stream, EveryDatasetIsWithinOneRowOfItsShareAfterAnyNumberOfRows) {
  const Shard one = shard("one", {{kSeparator, 7}});
  Rng rng(5);
  for (int trial = 0; trial < 60; ++trial) {
    const size_t count = 2 + rng.below(20);
    std::vector<double> weights = rng.dirichlet(std::vector<double>(count, trial % 3 ? 0.3 : 3));
    weights[0] = 0;
    weights[1] = 1e-4;
    if (count == 2) weights[0] = 1;
    double sum = 0;
    for (double weight : weights) sum += weight;
    std::vector<MixedStream::Source> sources;
    for (size_t i = 0; i < count; ++i) {
      weights[i] /= sum;
      sources.push_back({std::to_string(i), one, weights[i]});
    }
    MixedStream stream(sources, 1, 1);
    for (int64_t row = 1; row <= 500; ++row) {
      stream.next(1);
      const Consumed consumed = stream.consumed();
      for (size_t i = 0; i < count; ++i) {
        ASSERT_LT(std::abs(static_cast<double>(consumed.tokens[i]) -
                           weights[i] * static_cast<double>(row)),
                  1 + 1e-9)
            << "trial " << trial << ", row " << row << ", dataset " << i;
      }
    }
    EXPECT_EQ(stream.consumed().tokens[0] == 0, weights[0] == 0);
  }
}

TEST_F(Stream, AWeightOfOneTenThousandthGetsItsRows) {
  const Shard one = shard("one", {{kSeparator, 7}});
  MixedStream stream({{"big", one, 1 - 1e-4}, {"small", one, 1e-4}}, 1, 1);
  stream.seek(40'000);
  EXPECT_NEAR(static_cast<double>(stream.consumed().tokens[1]), 4, 1);
}

TEST_F(Stream, AnEpochReadsEveryTokenOnceInAnOrderThatChanges) {
  const Documents documents = numbered(7, 4);
  const Shard data = shard("data", documents);
  MixedStream stream({{"data", data, 1}}, 3, 1);
  std::vector<std::vector<int32_t>> epochs;
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < data.tokens(); ++i) tokens.push_back(stream.next(1).ids[0]);
    epochs.push_back(tokens);
  }
  EXPECT_DOUBLE_EQ(stream.consumed().epochs[0], 3);
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
  std::vector<int32_t> expected;
  for (const auto& document : documents) {
    expected.insert(expected.end(), document.begin(), document.end());
  }
  std::sort(expected.begin(), expected.end());
  for (auto& epoch : epochs) {
    // Documents stay whole: after a token that is not the last of its document comes the next one.
    for (size_t i = 0; i + 1 < epoch.size(); ++i) {
      if (epoch[i] != kSeparator && epoch[i + 1] != kSeparator) {
        EXPECT_EQ(epoch[i + 1], epoch[i] + 1);
      }
    }
    std::sort(epoch.begin(), epoch.end());
    EXPECT_EQ(epoch, expected);
  }
}

TEST_F(Stream, RowsJoinUpAndTheLastTargetIsTheNextRowsFirstInput) {
  const Shard data = shard("data", numbered(9, 5));
  MixedStream whole({{"data", data, 1}}, 3, 1);
  MixedStream rows({{"data", data, 1}}, 3, 8);
  const PackedBatch batch = rows.next(30);
  for (int64_t row = 0; row < 30; ++row) {
    for (int64_t column = 0; column < 8; ++column) {
      const PackedBatch token = whole.next(1);
      EXPECT_EQ(row_of(batch, row)[static_cast<size_t>(column)], token.ids[0]);
      EXPECT_EQ(row_of(batch, row)[static_cast<size_t>(column) + 1], token.ids[1]);
    }
  }
}

TEST_F(Stream, BeginsPointAtTheDocumentsFirstColumnInItsRow) {
  const Shard data = shard("data", numbered(6, 5));
  MixedStream stream({{"data", data, 1}}, 11, 8);
  const PackedBatch batch = stream.next(20);
  for (int64_t row = 0; row < 20; ++row) {
    int32_t begin = 0;
    for (int32_t column = 0; column < 8; ++column) {
      if (row_of(batch, row)[static_cast<size_t>(column)] == kSeparator) begin = column;
      EXPECT_EQ(batch.begins[static_cast<size_t>(row * 8 + column)], begin);
    }
  }
}

TEST_F(Stream, WithOneSeparatorEveryTokenIsATarget) {
  const Shard data = shard("data", numbered(6, 5));
  MixedStream stream({{"data", data, 1}}, 11, 8);
  for (uint8_t predicts : stream.next(20).predicts) EXPECT_EQ(predicts, 1);
}

TEST_F(Stream, WithBothTokensTheEndIsATargetAndTheNextDocumentsBeginningIsNot) {
  const Shard data = shard("data", {{kBegin, 7, 8, kSeparator}, {kBegin, 9, kSeparator}});
  MixedStream stream({{"data", data, 1}}, 2, 5);
  const PackedBatch batch = stream.next(14);
  for (int64_t row = 0; row < 14; ++row) {
    for (size_t column = 0; column < 5; ++column) {
      const bool crosses = row_of(batch, row)[column + 1] == kBegin;
      EXPECT_EQ(batch.predicts[static_cast<size_t>(row) * 5 + column], crosses ? 0 : 1);
    }
  }
}

TEST_F(Stream, ADatasetSmallerThanARowWrapsAround) {
  const Shard data = shard("data", {{kSeparator, 5, 6}});
  MixedStream stream({{"data", data, 1}}, 1, 7);
  const PackedBatch batch = stream.next(2);
  EXPECT_EQ(batch.ids, (std::vector<int32_t>{0, 5, 6, 0, 5, 6, 0, 5, 5, 6, 0, 5, 6, 0, 5, 6}));
  EXPECT_EQ(batch.begins, (std::vector<int32_t>{0, 0, 0, 3, 3, 3, 6, 0, 0, 2, 2, 2, 5, 5}));
  EXPECT_DOUBLE_EQ(stream.consumed().epochs[0], 14.0 / 3);
}

TEST_F(Stream, SeekingEqualsReading) {
  const Shard a = shard("a", numbered(7, 4)), b = shard("b", numbered(5, 9, 20));
  const std::vector<MixedStream::Source> sources = {{"a", a, 0.3}, {"b", b, 0.7}};
  MixedStream read(sources, 4, 6), sought(sources, 4, 6);
  std::vector<PackedBatch> batches;
  for (int row = 0; row < 60; ++row) batches.push_back(read.next(1));
  for (int64_t row : {59, 0, 17, 18, 3, 40}) {
    sought.seek(row);
    EXPECT_EQ(sought.row(), row);
    const PackedBatch batch = sought.next(1);
    EXPECT_EQ(batch.ids, batches[static_cast<size_t>(row)].ids) << row;
    EXPECT_EQ(batch.begins, batches[static_cast<size_t>(row)].begins) << row;
  }
  sought.seek(60);
  EXPECT_EQ(sought.consumed().tokens, read.consumed().tokens);
}

TEST_F(Stream, TheSameSeedGivesTheSameRowsInAnyBatchSizeAndAnotherSeedOthers) {
  const Shard a = shard("a", numbered(7, 4)), b = shard("b", numbered(5, 9, 20));
  const std::vector<MixedStream::Source> sources = {{"a", a, 0.3}, {"b", b, 0.7}};
  MixedStream one(sources, 4, 6), many(sources, 4, 6), other(sources, 5, 6);
  std::vector<int32_t> ids;
  for (int row = 0; row < 12; ++row) {
    const PackedBatch batch = one.next(1);
    ids.insert(ids.end(), batch.ids.begin(), batch.ids.end());
  }
  EXPECT_EQ(many.next(12).ids, ids);
  EXPECT_NE(other.next(12).ids, ids);
}

TEST_F(Stream, TwoMixturesReadTheSameDatasetInTheSameOrder) {
  const Shard a = shard("a", numbered(7, 4)), b = shard("b", numbered(5, 9, 20));
  const auto rows_of_a = [&](double weight) {
    MixedStream stream({{"a", a, weight}, {"b", b, 1 - weight}}, 4, 6);
    std::vector<int32_t> ids;
    for (int64_t seen = 0; ids.size() < 7 * 10;) {
      const PackedBatch batch = stream.next(1);
      const int64_t now = stream.consumed().tokens[0];
      if (now != seen) ids.insert(ids.end(), batch.ids.begin(), batch.ids.end());
      seen = now;
    }
    return ids;
  };
  EXPECT_EQ(rows_of_a(0.2), rows_of_a(0.9));
}

TEST_F(Stream, TheAuditEqualsACountOverTheBatches) {
  // Tokens of a lie below 20,000, those of b above.
  const Shard a = shard("a", numbered(7, 4)), b = shard("b", numbered(5, 9, 20));
  MixedStream stream({{"a", a, 0.35}, {"b", b, 0.65}}, 4, 16);
  std::vector<int64_t> counted = {0, 0};
  const PackedBatch batch = stream.next(50);
  for (int64_t row = 0; row < 50; ++row) {
    int32_t largest = 0;
    for (int32_t id : row_of(batch, row)) largest = std::max(largest, id);
    counted[largest >= 20'000] += 16;
  }
  EXPECT_EQ(stream.consumed().tokens, counted);
  EXPECT_DOUBLE_EQ(stream.consumed().epochs[1],
                   static_cast<double>(counted[1]) / static_cast<double>(b.tokens()));
}

TEST_F(Stream, MixturesThatCannotBeReadAreRefused) {
  const Shard a = shard("a", numbered(7, 4)), empty = shard("empty", {});
  EXPECT_THROW(MixedStream({{"a", a, 0.9}}, 1, 4), Error);
  EXPECT_THROW(MixedStream({{"a", a, 0.5}, {"a", a, 0.5}}, 1, 4), Error);
  EXPECT_THROW(MixedStream({{"a", a, 1.5}, {"b", a, -0.5}}, 1, 4), Error);
  EXPECT_THROW(MixedStream({{"a", a, std::nan("")}}, 1, 4), Error);
  EXPECT_THROW(MixedStream({{"a", a, 0.5}, {"empty", empty, 0.5}}, 1, 4), Error);
  EXPECT_THROW(MixedStream({{"a", a, 1}}, 1, 0), Error);
  EXPECT_THROW(MixedStream({}, 1, 4), Error);
  ShardWriter writer(folder_ / "other", 500, kSeparator);
  writer.add(std::vector<int32_t>{kSeparator, 3}, 1);
  writer.finish();
  const Shard other = Shard::open(folder_ / "other");
  EXPECT_THROW(MixedStream({{"a", a, 0.5}, {"other", other, 0.5}}, 1, 4), Error);
  EXPECT_NO_THROW(MixedStream({{"a", a, 1}, {"empty", empty, 0}}, 1, 4));
}

}  // namespace
}  // namespace demix
