#include "demix/core/fast_hash.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace demix {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(FastHash, EqualsTheToolOfTheAlgorithm) {
  // xxhash.xxh3_128_hexdigest of the Python package
  EXPECT_EQ(hex_of(fast_hash(bytes_of(""))), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hex_of(fast_hash(bytes_of("a demix"))), "38c7ee6c4dd9e8f8b12c859d22012206");
}

TEST(FastHash, PiecesGiveTheHashOfTheWhole) {
  std::vector<std::byte> bytes(100'003);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i >> 3);
  FastHasher hasher;
  for (size_t begin = 0; begin < bytes.size(); begin += 777)
    hasher.add(std::span(bytes).subspan(begin, std::min<size_t>(777, bytes.size() - begin)));
  EXPECT_EQ(hasher.digest(), fast_hash(bytes));
  bytes.back() ^= std::byte{1};
  EXPECT_NE(hasher.digest(), fast_hash(bytes));
}

}  // namespace
}  // namespace demix
