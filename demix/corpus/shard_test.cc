#include "demix/corpus/shard.h"

#include <fstream>
#include <vector>

#include "demix/core/files.h"
#include "demix/corpus/test_files.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

class ShardFiles : public FolderTest {
 protected:
  fs::path write_shard(const std::string& name,
                       int32_t vocabulary_size,
                       const std::vector<std::vector<int32_t>>& documents) {
    ShardWriter writer(folder_ / name, vocabulary_size, 0);
    for (const auto& document : documents) {
      writer.add(document, static_cast<int64_t>(3 * document.size()));
    }
    writer.finish();
    return folder_ / name;
  }

  // Writes `value` over a place of a file.
  template <typename T>
  static void damage(const fs::path& path, std::streamoff place, T value) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(place, place < 0 ? std::ios::end : std::ios::beg);
    file.write(reinterpret_cast<const char*>(&value), sizeof value);
  }
};

std::vector<int32_t> all_tokens(const Shard& shard) {
  std::vector<int32_t> tokens(static_cast<size_t>(shard.tokens()));
  shard.copy(0, tokens);
  return tokens;
}

TEST_F(ShardFiles, WhatIsWrittenIsReadInBothWidths) {
  for (int32_t vocabulary_size : {1 << 16, (1 << 16) + 1, 200'000}) {
    const Shard shard =
        Shard::open(write_shard("x", vocabulary_size, {{0, 65'535, 3}, {0}, {0, 4}}));
    EXPECT_EQ(all_tokens(shard), (std::vector<int32_t>{0, 65'535, 3, 0, 0, 4}));
    EXPECT_EQ(std::vector<uint64_t>(shard.offsets().begin(), shard.offsets().end()),
              (std::vector<uint64_t>{0, 3, 4, 6}));
    EXPECT_EQ(shard.documents(), 3);
    EXPECT_EQ(shard.text_bytes(), 18);
    EXPECT_EQ(shard.text_bytes(2), 6);
    EXPECT_EQ(shard.vocabulary_size(), vocabulary_size);
    EXPECT_EQ(shard.separator(), 0);
    EXPECT_NO_THROW(shard.verify());
    const size_t width = vocabulary_size <= 1 << 16 ? 2 : 4;
    EXPECT_EQ(fs::file_size(folder_ / "x.tokens"), 128 + 6 * width);
  }
}

TEST_F(ShardFiles, AnEmptyShardIsAShard) {
  const Shard shard = Shard::open(write_shard("x", 100, {}));
  EXPECT_EQ(shard.tokens(), 0);
  EXPECT_EQ(shard.documents(), 0);
  EXPECT_NO_THROW(shard.verify());
}

TEST_F(ShardFiles, TheHashDependsOnTokensAndBordersAlone) {
  const std::string hash = Shard::open(write_shard("x", 100, {{0, 1}, {0, 2}})).hash();
  EXPECT_EQ(hash.size(), 64u);
  EXPECT_EQ(Shard::open(write_shard("y", 100, {{0, 1}, {0, 2}})).hash(), hash);
  EXPECT_NE(Shard::open(write_shard("y", 100, {{0, 1}, {0, 3}})).hash(), hash);
  EXPECT_NE(Shard::open(write_shard("y", 100, {{0, 1, 0, 2}})).hash(), hash);
}

TEST_F(ShardFiles, WithoutFinishNothingAppears) {
  {
    ShardWriter writer(folder_ / "x", 100, 0);
    writer.add(std::vector<int32_t>{0, 1}, 1);
  }
  EXPECT_TRUE(fs::is_empty(folder_));
  EXPECT_THROW(Shard::open(folder_ / "x"), Error);
}

TEST_F(ShardFiles, FilesOfTwoWritesAreNotTakenForOneShard) {
  write_shard("x", 100, {{0, 1}, {0, 2}});
  write_shard("y", 100, {{0, 1}, {0, 3}});
  fs::rename(folder_ / "y.tokens", folder_ / "x.tokens");
  EXPECT_THROW(Shard::open(folder_ / "x"), Error);
}

TEST_F(ShardFiles, DamagedFilesAreRefused) {
  const std::vector<std::vector<int32_t>> documents = {{0, 1}, {0, 2, 5}};
  const fs::path tokens = folder_ / "x.tokens", borders = folder_ / "x.documents";
  write_shard("x", 100, documents);
  const std::string good_tokens = read_file(tokens), good_borders = read_file(borders);
  const auto refused = [&](auto&& spoil) {
    std::ofstream(tokens, std::ios::binary) << good_tokens;
    std::ofstream(borders, std::ios::binary) << good_borders;
    EXPECT_NO_THROW(Shard::open(folder_ / "x"));
    spoil();
    EXPECT_THROW(Shard::open(folder_ / "x"), Error);
  };
  refused([&] { fs::resize_file(tokens, 0); });
  refused([&] { fs::resize_file(tokens, 127); });
  refused([&] { fs::resize_file(tokens, 129); });
  refused([&] { fs::resize_file(tokens, 136); });
  refused([&] { fs::resize_file(borders, 128); });
  refused([&] { fs::resize_file(borders, 140); });
  refused([&] { damage(tokens, 0, 'X'); });
  refused([&] { damage(tokens, 8, uint32_t{99}); });
  // Lying counts, the same in both headers.
  for (std::streamoff place : {12, 16, 24, 32, 40, 44}) {
    for (uint32_t value : {0xffffffffu, 0x80000000u, 3u}) {
      // A vocabulary of 3 or separator 3 would be possible; `verify` finds those.
      if (place >= 40 && value == 3) continue;
      refused([&] {
        damage(tokens, place, value);
        damage(borders, place, value);
      });
    }
  }
  for (uint64_t place : {128, 136, 144}) {
    for (uint64_t value : {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{6}}) {
      refused([&] { damage(borders, static_cast<std::streamoff>(place), value); });
    }
  }
}

TEST_F(ShardFiles, VerifyFindsAFlippedBit) {
  write_shard("x", 100, {{0, 1}, {0, 2, 5}});
  damage(folder_ / "x.tokens", -1, char{1});
  const Shard shard = Shard::open(folder_ / "x");
  EXPECT_THROW(shard.verify(), Error);
}

}  // namespace
}  // namespace demix
