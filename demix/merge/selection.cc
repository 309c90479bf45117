#include "demix/merge/selection.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "demix/core/counter_random.h"
#include "demix/core/error.h"
#include "demix/merge/blocks.h"
#include "demix/merge/kernels.h"

namespace demix {
namespace {

constexpr int64_t kBins = 4096;
constexpr int64_t kSample = 2048;
constexpr int64_t kSmall = 1 << 17;  // below that many elements one more pass is cheaper
// Requests searched for at once: bounds the memory for histograms (16 KiB each and thread).
constexpr size_t kTogether = 64;
using Histogram = std::array<int64_t, kBins>;

// The search for one cut: the magnitude of the last element before it lies in [least, end).
struct Search {
  size_t tensor = 0;
  int64_t position = 0;
  uint32_t least = 0, end = kMagnitudeEnd;
  int64_t equal_before = 0;  // once found: how many elements of that magnitude are before the cut,
  int64_t equal = 0;         // and how many there are

  bool found() const { return end - least == 1 && equal > 0; }
  int shift() const { return std::max(0, static_cast<int>(std::bit_width(end - least - 1)) - 12); }
};

// Brackets the wanted magnitude by those of a random sample, four standard deviations wide.
void guess(std::span<Search> searches, int64_t count, int threads, const Magnitudes& read) {
  if (count < kSmall) return;
  std::vector<uint32_t> offsets(kSample);
  random_words(0, 0, kSample, offsets.data());
  for_each_item(static_cast<int64_t>(searches.size()), threads, [&](int, int64_t item) {
    Search& search = searches[item];
    uint32_t sample[kSample];
    const int64_t stride = count / kSample;
    for (int64_t i = 0; i < kSample; ++i) {
      read(search.tensor, i * stride + offsets[i] % stride, 1, &sample[i]);
    }
    const double share = static_cast<double>(search.position) / static_cast<double>(count);
    const double margin = 4 * std::sqrt(share * (1 - share) * kSample) + 2;
    const auto largest = [&sample](double rank) {
      uint32_t* const at = sample + static_cast<int64_t>(rank);
      std::nth_element(sample, at, sample + kSample, std::greater<>());
      return *at;
    };
    const double high = share * kSample - margin, low = share * kSample + margin;
    if (high >= 0) search.end = largest(high) + 1;
    if (low < kSample) search.least = largest(low);
  });
}

// Narrows the bracket to one bin of its histogram, or widens it to everything if the guess missed.
void narrow(Search& search, int64_t above, const Histogram& histogram) {
  const int shift = search.shift();
  for (int64_t bin = kBins - 1; bin >= 0 && above < search.position; --bin) {
    if (above + histogram[bin] >= search.position) {
      const uint32_t least = search.least + (static_cast<uint32_t>(bin) << shift);
      search.end = std::min(search.end, least + (1U << shift));
      search.least = least;
      search.equal_before = search.position - above;
      search.equal = histogram[bin];
      return;
    }
    above += histogram[bin];
  }
  search.least = 0;
  search.end = kMagnitudeEnd;
}

void narrow_all(std::span<Search> searches, int64_t count, int threads, const Magnitudes& read) {
  std::vector<size_t> open;
  for (size_t i = 0; i < searches.size(); ++i) {
    if (!searches[i].found()) open.push_back(i);
  }
  struct Counts {
    int64_t above = 0;
    Histogram histogram = {};
  };
  const size_t workers = static_cast<size_t>(std::max(1, threads));
  std::vector<Counts> counts(workers * open.size());
  for_each_block(count, kBlock, threads, [&](int thread, int64_t, int64_t begin, int64_t size) {
    uint32_t bits[kBlock], found[kBlock + 1];
    for (size_t i = 0; i < open.size(); ++i) {
      const Search& search = searches[open[i]];
      // Requests for the same tensor stand side by side.
      if (i == 0 || searches[open[i - 1]].tensor != search.tensor) {
        read(search.tensor, begin, size, bits);
      }
      Counts& mine = counts[static_cast<size_t>(thread) * open.size() + i];
      mine.above += count_at_least(bits, search.end, size);
      const int64_t n = collect_between(bits, search.least, search.end, size, found);
      const int shift = search.shift();
      for (int64_t j = 0; j < n; ++j) ++mine.histogram[(found[j] - search.least) >> shift];
    }
  });
  for (size_t i = 0; i < open.size(); ++i) {
    Counts& total = counts[i];
    for (size_t thread = 1; thread < workers; ++thread) {
      const Counts& other = counts[thread * open.size() + i];
      total.above += other.above;
      for (int64_t bin = 0; bin < kBins; ++bin) total.histogram[bin] += other.histogram[bin];
    }
    narrow(searches[open[i]], total.above, total.histogram);
  }
}

// The index behind the last element before the cut, among those of its magnitude.
int64_t find_index(const Search& search, int64_t count, int threads, const Magnitudes& read) {
  if (search.equal_before == search.equal) return count;
  std::vector<int64_t> per_part(part_count(count), 0);
  const auto equal_in = [&](int64_t begin, int64_t size, uint32_t* bits, uint32_t* found) {
    read(search.tensor, begin, size, bits);
    return collect_between(bits, search.least, search.end, size, found);
  };
  for_each_block(count, kBlock, threads, [&](int, int64_t part, int64_t begin, int64_t size) {
    uint32_t bits[kBlock], found[kBlock + 1];
    per_part[part] += equal_in(begin, size, bits, found);
  });
  int64_t left = search.equal_before, part = 0;
  while (per_part[part] < left) left -= per_part[part++];
  uint32_t bits[kBlock], found[kBlock + 1];
  for (int64_t begin = part * kPart;; begin += kBlock) {
    DEMIX_CHECK(begin < count);
    const int64_t size = std::min(kBlock, count - begin);
    const int64_t equal = equal_in(begin, size, bits, found);
    if (equal < left) {
      left -= equal;
      continue;
    }
    for (int64_t i = 0;; ++i) {
      left -= bits[i] == search.least;
      if (left == 0) return begin + i + 1;
    }
  }
}

}  // namespace

std::vector<Cut> find_cuts(std::span<const CutRequest> requests,
                           int64_t count,
                           int threads,
                           const Magnitudes& read) {
  std::vector<Cut> cuts(requests.size());
  for (size_t from = 0; from < requests.size(); from += kTogether) {
    const size_t to = std::min(requests.size(), from + kTogether);
    std::vector<Search> searches;
    std::vector<size_t> which;
    for (size_t i = from; i < to; ++i) {
      DEMIX_CHECK(requests[i].position >= 0 && requests[i].position <= count);
      if (requests[i].position == 0) {
        cuts[i] = {kMagnitudeEnd, 0};
      } else if (requests[i].position == count) {
        cuts[i] = {0, count};
      } else {
        searches.push_back({.tensor = requests[i].tensor, .position = requests[i].position});
        which.push_back(i);
      }
    }
    guess(searches, count, threads, read);
    while (!std::ranges::all_of(searches, &Search::found)) {
      narrow_all(searches, count, threads, read);
    }
    for (size_t i = 0; i < searches.size(); ++i) {
      cuts[which[i]] = {searches[i].least, find_index(searches[i], count, threads, read)};
    }
  }
  return cuts;
}

void keep_between_cuts(
    const Cut& first, const Cut& last, int64_t begin, int64_t size, float* values) {
  // Inside a stretch that no cut's index divides, a cut is a plain limit.
  const int64_t end = begin + size;
  int64_t done = begin;
  while (done < end) {
    int64_t stop = end;
    for (const int64_t index : {first.index, last.index}) {
      if (index > done) stop = std::min(stop, index);
    }
    const auto limit = [done](const Cut& cut) {
      return done < cut.index ? cut.bits : cut.bits + 1;
    };
    const uint32_t least = limit(last), above = std::max(limit(first), least);
    keep_between(least, above, stop - done, values + (done - begin));
    done = stop;
  }
}

}  // namespace demix
