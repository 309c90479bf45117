#include "demix/evaluate/overlap.h"

#include <algorithm>
#include <set>
#include <string>

#include "demix/corpus/unicode.h"
#include "demix/corpus/utf8.h"

namespace demix {
namespace {

// Of polynomials over the words' hashes, modulo 2^64; odd.
constexpr uint64_t kBase = 0x9E3779B97F4A7C15;

uint64_t mixed(uint64_t x) {  // the finaliser of SplitMix64
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

bool is_in_word(char32_t c) {
  return (set_of(properties_of(c).category) & (kLetters | kMarks | kNumbers)) != 0;
}

// Hash of everything before each word and at the end: prefix[n] = Σ_{i<n} word_i · base^{n−1−i}.
// `in_letters`, if not null, receives which words are not of digits alone.
std::vector<uint64_t> prefixes(std::string_view text, std::vector<bool>* in_letters = nullptr) {
  std::string repaired;
  if (!is_valid_utf8(text)) text = repaired = replace_invalid_utf8(text);
  std::vector<uint64_t> prefix = {0};
  uint64_t word = 0;
  bool letters = false;
  for (size_t i = 0, bytes; i <= text.size(); i += bytes) {
    char32_t c = ' ';
    bytes = 1;
    if (i < text.size()) {
      const DecodedCodePoint decoded = decode_utf8(text.data() + i);
      c = decoded.value;
      bytes = decoded.bytes;
    }
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    const bool in_word =
        c < 0x80 ? (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') : is_in_word(c);
    if (in_word) {
      word = (word + c + 1) * 0x100000001B3;
      letters = letters || c > '9';
    } else if (word != 0) {
      prefix.push_back(prefix.back() * kBase + mixed(word));
      if (in_letters) in_letters->push_back(letters);
      word = 0;
      letters = false;
    }
  }
  return prefix;
}

// Of the `length` words from word `first` on.
uint64_t row(const std::vector<uint64_t>& prefix, size_t first, size_t length, uint64_t power) {
  return mixed(prefix[first + length] - prefix[first] * power + length);
}

uint64_t power_of_base(size_t exponent) {
  uint64_t power = 1;
  for (size_t i = 0; i < exponent; ++i) power *= kBase;
  return power;
}

}  // namespace

Overlap::Overlap(const std::vector<Task>& tasks) : begins_{0} {
  std::set<size_t> lengths;
  for (const Task& task : tasks) {
    for (const Item& item : task.items) {
      const auto gold = static_cast<size_t>(item.gold);
      const std::string& context = item.contexts[item.contexts.size() > 1 ? gold : 0];
      std::vector<bool> in_letters;
      const auto prefix = prefixes(context + item.continuations[gold], &in_letters);
      const size_t words = prefix.size() - 1, length = std::min(words, kRow);
      const auto number = static_cast<uint32_t>(judged_.size());
      judged_.push_back(false);
      if (length < static_cast<size_t>(kFewest)) continue;
      lengths.insert(length);
      const uint64_t power = power_of_base(length);
      for (size_t first = 0; first + length <= words; ++first) {
        const auto begin = in_letters.begin() + static_cast<std::ptrdiff_t>(first);
        if (std::count(begin, begin + static_cast<std::ptrdiff_t>(length), true) < kFewest)
          continue;
        rows_.emplace_back(row(prefix, first, length, power), number);
      }
    }
    begins_.push_back(judged_.size());
  }
  lengths_.assign(lengths.begin(), lengths.end());

  std::sort(rows_.begin(), rows_.end());
  rows_.erase(std::unique(rows_.begin(), rows_.end()), rows_.end());
  std::vector<std::pair<uint64_t, uint32_t>> telling;
  for (size_t begin = 0, end; begin < rows_.size(); begin = end) {
    for (end = begin; end < rows_.size() && rows_[end].first == rows_[begin].first;) ++end;
    if (end - begin <= kCommon)
      telling.insert(telling.end(),
                     rows_.begin() + static_cast<std::ptrdiff_t>(begin),
                     rows_.begin() + static_cast<std::ptrdiff_t>(end));
  }
  rows_ = std::move(telling);
  filter_.assign(size_t{1} << kFilterBits, false);
  for (const auto& [hash, item] : rows_) {
    judged_[item] = true;
    filter_[hash >> (64 - kFilterBits)] = true;
  }
}

void Overlap::mark(std::string_view document, Items& seen) const {
  const auto prefix = prefixes(document);
  for (const size_t length : lengths_) {
    const uint64_t power = power_of_base(length);
    for (size_t first = 0; first + length < prefix.size(); ++first) {
      const uint64_t hash = row(prefix, first, length, power);
      if (!filter_[hash >> (64 - kFilterBits)]) continue;
      for (auto found = std::lower_bound(rows_.begin(), rows_.end(), std::pair{hash, uint32_t{0}});
           found != rows_.end() && found->first == hash;
           ++found)
        seen[found->second] = true;
    }
  }
}

std::vector<int64_t> Overlap::by_task(const Items& items) const {
  std::vector<int64_t> counts;
  for (size_t t = 0; t + 1 < begins_.size(); ++t) {
    const auto begin = items.begin() + static_cast<std::ptrdiff_t>(begins_[t]);
    const auto end = items.begin() + static_cast<std::ptrdiff_t>(begins_[t + 1]);
    counts.push_back(std::count(begin, end, true));
  }
  return counts;
}

}  // namespace demix
