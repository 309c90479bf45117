// XXH3 with 128 bits: tells contents apart at the speed of memory. It guards against accidents, not
// against forgers; journal keys are SHA-256 (hash.h).
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace demix {

using FastDigest = std::array<unsigned char, 16>;

FastDigest fast_hash(std::span<const std::byte> bytes);
std::string hex_of(const FastDigest& digest);  // 32 lower-case digits, as xxhsum -H2 prints

// The same over bytes that come in pieces.
class FastHasher {
 public:
  FastHasher();
  ~FastHasher();
  FastHasher(FastHasher&&) noexcept;
  FastHasher& operator=(FastHasher&&) noexcept;

  void add(std::span<const std::byte> bytes);
  FastDigest digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace demix
