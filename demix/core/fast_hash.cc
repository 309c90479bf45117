#include "demix/core/fast_hash.h"

// Arrow's own copy, header-only, of the pinned wheel.
#define XXH_INLINE_ALL
#include <arrow/vendored/xxhash/xxhash.h>
#include <fmt/format.h>

namespace demix {
namespace {

FastDigest digest_of(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  FastDigest digest;
  std::copy(std::begin(canonical.digest), std::end(canonical.digest), digest.begin());
  return digest;
}

}  // namespace

FastDigest fast_hash(std::span<const std::byte> bytes) {
  return digest_of(XXH3_128bits(bytes.data(), bytes.size()));
}

std::string hex_of(const FastDigest& digest) {
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

struct FastHasher::State {
  XXH3_state_t xxh;
};

FastHasher::FastHasher() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->xxh); }
FastHasher::~FastHasher() = default;
FastHasher::FastHasher(FastHasher&&) noexcept = default;
FastHasher& FastHasher::operator=(FastHasher&&) noexcept = default;

void FastHasher::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(&state_->xxh, bytes.data(), bytes.size());
}

FastDigest FastHasher::digest() const { return digest_of(XXH3_128bits_digest(&state_->xxh)); }

}  // namespace demix
