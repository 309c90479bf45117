#include "demix/corpus/bpe.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <memory>
#include <queue>

#include "demix/core/error.h"

namespace demix {
namespace {

constexpr uint64_t kEmpty = ~uint64_t{0};
constexpr uint32_t kNoRank = std::numeric_limits<uint32_t>::max();
// Up to here searching all pairs for the lowest rank is faster than keeping a heap.
constexpr size_t kFewSymbols = 64;

uint64_t pair_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

// Multiplicative hashing: the high bits of the product are well mixed.
uint64_t hash_pair(uint64_t pair) { return (pair ^ pair >> 31) * 0x9E3779B97F4A7C15u; }

// Direct-mapped cache of one thread: a word replaces what stands in its place, so memory is fixed.
struct CachedWord {
  static constexpr size_t kMaxBytes = 38;
  static constexpr size_t kMaxIds = 5;

  uint32_t serial;  // 0: empty
  uint8_t bytes;
  uint8_t count;
  char word[kMaxBytes];
  int32_t ids[kMaxIds];
};
static_assert(sizeof(CachedWord) == 64, "one cache line");

constexpr int kCacheBits = 15;

CachedWord& cached_word(uint32_t serial, std::string_view word) {
  thread_local const auto cache = std::make_unique<CachedWord[]>(size_t{1} << kCacheBits);
  uint64_t hash = serial ^ word.size() << 32;
  const char* at = word.data();
  size_t left = word.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t chunk;
    std::memcpy(&chunk, at, 8);
    hash = (std::rotl(hash, 23) ^ chunk) * 0x9E3779B97F4A7C15u;
  }
  uint64_t chunk = 0;
  if (left >= 4) {
    uint32_t low, high;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + left - 4, 4);
    chunk = uint64_t{high} << 32 | low;
  } else {
    for (size_t i = 0; i < left; ++i) chunk = chunk << 8 | static_cast<unsigned char>(at[i]);
  }
  hash = (std::rotl(hash, 23) ^ chunk) * 0x9E3779B97F4A7C15u;
  hash = (hash ^ hash >> 32) * 0x9E3779B97F4A7C15u;
  return cache[hash >> (64 - kCacheBits)];
}

}  // namespace

Bpe::Bpe(std::span<const Merge> merges, Options options) : options_(std::move(options)) {
  static std::atomic<uint32_t> next_serial{1};
  serial_ = next_serial++;
  const size_t size = std::bit_ceil(std::max<size_t>(2 * merges.size(), 16));
  shift_ = 64 - std::countr_zero(size);
  slots_.assign(size, {kEmpty, kNoRank, -1});
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto [left, right, result] = merges[rank];
    const uint64_t pair = pair_of(left, right);
    size_t i = hash_pair(pair) >> shift_;
    while (slots_[i].pair != kEmpty && slots_[i].pair != pair) i = (i + 1) & (size - 1);
    slots_[i] = {pair, static_cast<uint32_t>(rank), result};
  }
}

const Bpe::Slot* Bpe::find(int32_t left, int32_t right) const {
  const uint64_t pair = pair_of(left, right);
  for (size_t i = hash_pair(pair) >> shift_;; i = (i + 1) & (slots_.size() - 1)) {
    if (slots_[i].pair == pair) return &slots_[i];
    if (slots_[i].pair == kEmpty) return nullptr;
  }
}

void Bpe::encode(std::string_view word, std::vector<int32_t>& ids) const {
  if (word.size() > CachedWord::kMaxBytes) return encode_uncached(word, ids);
  CachedWord& cached = cached_word(serial_, word);
  if (cached.serial == serial_ && cached.bytes == word.size() &&
      std::memcmp(cached.word, word.data(), word.size()) == 0) {
    ids.insert(ids.end(), cached.ids, cached.ids + cached.count);
    return;
  }
  const size_t before = ids.size();
  encode_uncached(word, ids);
  const size_t count = ids.size() - before;
  if (count > CachedWord::kMaxIds) return;
  cached.serial = serial_;
  cached.bytes = static_cast<uint8_t>(word.size());
  cached.count = static_cast<uint8_t>(count);
  std::copy(word.begin(), word.end(), cached.word);
  std::copy(ids.begin() + static_cast<ptrdiff_t>(before), ids.end(), cached.ids);
}

void Bpe::encode_uncached(std::string_view word, std::vector<int32_t>& ids) const {
  if (!options_.whole_words.empty()) {
    const auto found = options_.whole_words.find(std::string(word));
    if (found != options_.whole_words.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  thread_local std::vector<int32_t> symbols;
  symbols.clear();
  bool after_unknown = false;
  for (const char c : word) {
    const int32_t id = options_.byte_ids[static_cast<unsigned char>(c)];
    if (id >= 0) {
      symbols.push_back(id);
    } else if (options_.unknown >= 0 && !(after_unknown && options_.fuse_unknown)) {
      symbols.push_back(options_.unknown);
    }
    after_unknown = id < 0;
  }
  if (symbols.size() <= kFewSymbols) {
    merge_few(symbols);
  } else {
    merge_many(symbols);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.end());
  if (symbols.capacity() > (size_t{1} << 20)) symbols = {};
}

void Bpe::merge_few(std::vector<int32_t>& symbols) const {
  // merges[i]: rank and result of the pair (i, i + 1).
  std::array<std::pair<uint32_t, int32_t>, kFewSymbols> merges;
  size_t size = symbols.size();
  const auto look_up = [&](size_t i) {
    const Slot* slot = find(symbols[i], symbols[i + 1]);
    merges[i] = slot ? std::pair(slot->rank, slot->result) : std::pair(kNoRank, -1);
  };
  for (size_t i = 0; i + 1 < size; ++i) look_up(i);
  while (size > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < size; ++i) {
      if (merges[i].first < merges[best].first) best = i;
    }
    if (merges[best].first == kNoRank) break;
    symbols[best] = merges[best].second;
    for (size_t i = best + 1; i + 1 < size; ++i) {
      symbols[i] = symbols[i + 1];
      merges[i] = merges[i + 1];
    }
    --size;
    if (best > 0) look_up(best - 1);
    if (best + 1 < size) look_up(best);
  }
  symbols.resize(size);
}

void Bpe::merge_many(std::vector<int32_t>& symbols) const {
  // A linked list of symbols and a heap of pairs by (rank, place), as n log n matters for long
  // words.
  DEMIX_CHECK(symbols.size() < std::numeric_limits<uint32_t>::max());
  const auto size = static_cast<uint32_t>(symbols.size());
  constexpr int32_t kGone = -1;
  std::vector<uint32_t> previous(size), next(size);
  for (uint32_t i = 0; i < size; ++i) {
    previous[i] = i - 1;  // of the first: the largest number, which is not below `size`
    next[i] = i + 1;
  }
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> queue;
  const auto push = [&](uint32_t i) {
    if (const Slot* slot = find(symbols[i], symbols[next[i]])) {
      queue.push(uint64_t{slot->rank} << 32 | i);
    }
  };
  for (uint32_t i = 0; i + 1 < size; ++i) push(i);
  while (!queue.empty()) {
    const auto rank = static_cast<uint32_t>(queue.top() >> 32);
    const auto i = static_cast<uint32_t>(queue.top());
    queue.pop();
    if (symbols[i] == kGone || next[i] >= size) continue;
    // The pair that was put into the queue may have been changed by other merges since.
    const Slot* slot = find(symbols[i], symbols[next[i]]);
    if (!slot || slot->rank != rank) continue;
    const uint32_t right = next[i];
    symbols[i] = slot->result;
    symbols[right] = kGone;
    next[i] = next[right];
    if (next[i] < size) {
      previous[next[i]] = i;
      push(i);
    }
    if (previous[i] < size) push(previous[i]);
  }
  std::erase(symbols, kGone);
}

}  // namespace demix
