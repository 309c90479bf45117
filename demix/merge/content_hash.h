// What identifies the numbers of a checkpoint, whatever files they lie in.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "demix/core/fast_hash.h"
#include "demix/core/hash.h"

namespace demix {

// Elements whose bytes are hashed at once.
constexpr int64_t kHashedChunk = 1 << 14;

// SHA-256 over name, dtype, shape and XXH3 digest of each tensor, in the order of names; the digest
// runs over those of the tensor's chunks, so that threads can work on one tensor together.
class ContentHash {
 public:
  void add_tensor(std::string_view name,
                  std::string_view dtype,
                  std::span<const int64_t> shape,
                  const FastDigest& digest);
  // "content:" and 64 digits. The hash cannot be used afterwards.
  std::string text();

 private:
  Hasher hasher_;
};

}  // namespace demix
