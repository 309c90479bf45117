#include "demix/core/counter_random.h"

#include <algorithm>

#include "demix/core/simd.h"

namespace demix {
namespace {

DEMIX_INLINE uint64_t output(uint64_t key, uint64_t position) {
  uint64_t z = key + (position + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

DEMIX_CPU_CLONES void outputs(uint64_t key, uint64_t position, int64_t size, uint64_t* out) {
  for (int64_t i = 0; i < size; ++i) out[i] = output(key, position + static_cast<uint64_t>(i));
}

// The lower half of each number first.
DEMIX_CPU_CLONES void split(const uint64_t* numbers, int64_t size, uint32_t* words) {
  for (int64_t i = 0; i < size; ++i) {
    words[2 * i] = static_cast<uint32_t>(numbers[i]);
    words[2 * i + 1] = static_cast<uint32_t>(numbers[i] >> 32);
  }
}

}  // namespace

void random_words(uint64_t key, int64_t begin, int64_t size, uint32_t* words) {
  constexpr int64_t kChunk = 512;
  uint64_t chunk[kChunk];
  int64_t done = 0;
  if (size > 0 && begin % 2 != 0) {
    words[done++] = static_cast<uint32_t>(output(key, static_cast<uint64_t>(begin / 2)) >> 32);
  }
  while (done < size) {
    const int64_t left = size - done, pairs = left < 2 * kChunk ? (left + 1) / 2 : kChunk;
    outputs(key, static_cast<uint64_t>((begin + done) / 2), pairs, chunk);
    split(chunk, std::min(pairs, left / 2), words + done);
    if (2 * pairs > left) words[size - 1] = static_cast<uint32_t>(chunk[pairs - 1]);
    done += 2 * pairs;
  }
}

}  // namespace demix
