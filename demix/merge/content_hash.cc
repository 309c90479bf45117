#include "demix/merge/content_hash.h"

namespace demix {

void ContentHash::add_tensor(std::string_view name,
                             std::string_view dtype,
                             std::span<const int64_t> shape,
                             const FastDigest& digest) {
  hasher_.field(name).field(dtype).field(static_cast<int64_t>(shape.size()));
  for (const int64_t size : shape) hasher_.field(size);
  hasher_.bytes(digest.data(), digest.size());
}

std::string ContentHash::text() { return "content:" + hasher_.hex(); }

}  // namespace demix
