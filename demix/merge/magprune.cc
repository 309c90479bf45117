#include "demix/merge/magprune.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "demix/core/counter_random.h"
#include "demix/core/error.h"
#include "demix/merge/blocks.h"
#include "demix/merge/kernels.h"

namespace demix {
namespace {

constexpr size_t kMarks = 32;  // to a word

constexpr uint32_t kManyInABin = 32;

}  // namespace

// Memory to rank one row, kept from row to row.
struct MagnitudeRankPruning::Row {
  std::vector<uint32_t> bins, words, starts;
  // Magnitude's bits, then the element's index in the row: one number to sort by.
  std::vector<uint64_t> sorted;

  explicit Row(int64_t size) : bins(size), words(size), sorted(size) {
    starts.resize(std::min<int64_t>(std::bit_ceil(static_cast<uint64_t>(size)), 1 << 16) + 1);
  }

  // Fills `sorted`, smallest magnitude first. Values are dealt into as many bins as there are
  // elements, so that most bins hold one or two; whatever the values, a bin is sorted in n log n.
  void sort(const float* values) {
    const int64_t n = static_cast<int64_t>(sorted.size());
    const int64_t last = static_cast<int64_t>(starts.size()) - 2;
    const double mean = sum_of_magnitudes(values, n) / static_cast<double>(n);
    // Few magnitudes exceed four times their mean; those share the last bin.
    const double scale = static_cast<double>(last) / (4 * mean);
    const float factor = std::isfinite(scale) ? static_cast<float>(scale) : 0.F;
    const float top = static_cast<float>(last);
    std::ranges::fill(starts, 0);
    for (int64_t i = 0; i < n; ++i) {
      const float place = std::abs(values[i]) * factor;
      bins[i] = place < top ? static_cast<uint32_t>(place) : static_cast<uint32_t>(last);
      ++starts[bins[i] + 1];
    }
    const uint32_t most = *std::ranges::max_element(starts);
    for (size_t bin = 1; bin < starts.size(); ++bin) starts[bin] += starts[bin - 1];
    for (int64_t i = 0; i < n; ++i) {
      const uint64_t magnitude = std::bit_cast<uint32_t>(values[i]) & 0x7fffffff;
      sorted[starts[bins[i]]++] = magnitude << 32 | static_cast<uint64_t>(i);
    }
    // Each start has moved to its bin's end. Equal magnitudes are in order already.
    if (most > kManyInABin) {
      int64_t begin = 0;
      for (int64_t bin = 0; bin <= last; begin = starts[bin++]) {
        const auto from = sorted.begin() + begin, to = sorted.begin() + starts[bin];
        if (to - from > kManyInABin && !std::is_sorted(from, to)) std::sort(from, to);
      }
    }
    for (int64_t i = 1; i < n; ++i) {
      const uint64_t element = sorted[i];
      int64_t place = i;
      for (; place > 0 && sorted[place - 1] > element; --place) sorted[place] = sorted[place - 1];
      sorted[place] = element;
    }
  }
};

// Calls visit(index, kept: 0 or 1, p) for all elements of the row that begins at `begin`.
template <typename Visit>
void MagnitudeRankPruning::visit_row(
    size_t k, int64_t begin, const float* update, Row& scratch, const Visit& visit) const {
  scratch.sort(update);
  random_words(keys_[k], begin, row_, scratch.words.data());
  const std::vector<uint64_t>& sorted = scratch.sorted;
  const double least = densities_[k] - epsilons_[k];
  const double step = row_ > 1 ? 2 * epsilons_[k] / static_cast<double>(row_ - 1) : 0;
  for (int64_t first = 0; first < row_;) {
    int64_t last = first;
    while (last + 1 < row_ && (sorted[last + 1] >> 32) == (sorted[first] >> 32)) ++last;
    const double mean_rank = static_cast<double>(first + last) / 2;
    const double p = row_ > 1 ? least + step * mean_rank : densities_[k];
    const uint32_t limit = static_cast<uint32_t>(p * 0x1p32);
    for (; first <= last; ++first) {
      const uint32_t index = static_cast<uint32_t>(sorted[first]);
      visit(index, static_cast<uint32_t>(scratch.words[index] < limit), p);
    }
  }
}

MagnitudeRankPruning::MagnitudeRankPruning(const TensorMerge& tensor, float* out)
    : divide_(rescale_by_expectation(tensor.parameters)) {
  row_ =
      tensor.shape.size() < 2 ? tensor.count : tensor.count / std::max<int64_t>(1, tensor.shape[0]);
  const size_t K = tensor.models.size();
  const std::span<const double> densities = tensor.parameters.of_models("density");
  const std::span<const double> epsilons = tensor.parameters.of_models("epsilon");
  densities_.assign(densities.begin(), densities.end());
  epsilons_.assign(epsilons.begin(), epsilons.end());
  for (size_t k = 0; k < K; ++k) {
    keys_.push_back(tensor.rng.stream("drop", static_cast<int64_t>(k)).next());
  }
  if (divide_ || tensor.count == 0) return;  // then rows are ranked when they are pruned

  std::vector<float*> marks = {out};
  for (size_t done = kMarks; done < K; done += kMarks) {
    marks.push_back(more_marks_.emplace_back(tensor.count).data());
  }
  marks_.assign(marks.begin(), marks.end());
  const int threads = std::max(1, tensor.threads);
  struct Scratch {
    Row row;
    std::vector<float> update;
    std::vector<uint32_t> bits;
  };
  std::vector<Scratch> scratch;
  for (int i = 0; i < threads; ++i) {
    scratch.push_back({Row(row_), std::vector<float>(row_), std::vector<uint32_t>(row_)});
  }
  for_each_item(tensor.count / row_, threads, [&](int thread, int64_t row) {
    Scratch& mine = scratch[thread];
    const int64_t begin = row * row_;
    for (size_t k = 0; k < K; ++k) {
      if (k % kMarks == 0) std::ranges::fill(mine.bits, 0);
      const uint32_t place = static_cast<uint32_t>(k % kMarks);
      if (densities_[k] >= 1) {
        for (uint32_t& bits : mine.bits) bits |= 1U << place;
      } else if (densities_[k] > 0) {
        subtract(tensor.models[k] + begin, tensor.base + begin, row_, mine.update.data());
        visit_row(
            k, begin, mine.update.data(), mine.row, [&](uint32_t index, uint32_t kept, double) {
              mine.bits[index] |= kept << place;
            });
      }
      if (k % kMarks == kMarks - 1 || k + 1 == K) {
        float* const to = marks[k / kMarks] + begin;
        for (int64_t i = 0; i < row_; ++i) to[i] = std::bit_cast<float>(mine.bits[i]);
      }
    }
  });
}

int64_t MagnitudeRankPruning::whole() const { return divide_ ? std::max<int64_t>(1, row_) : 1; }

void MagnitudeRankPruning::prune(size_t k, int64_t begin, int64_t size, float* update) const {
  if (!divide_) {
    return keep_marked(marks_[k / kMarks] + begin, 1U << (k % kMarks), size, update);
  }
  if (densities_[k] >= 1) return;
  if (densities_[k] <= 0) return multiply(0.F, size, update);
  Row scratch(row_);
  for (int64_t done = 0; done < size; done += row_) {
    float* const row = update + done;
    visit_row(k, begin + done, row, scratch, [row](uint32_t index, uint32_t kept, double p) {
      row[index] = kept != 0 ? static_cast<float>(row[index] / p) : row[index] * 0.F;
    });
  }
}

void MagnitudeRankPruning::check(const MergeParameters& parameters, bool) {
  const std::span<const double> densities = parameters.of_models("density");
  const std::span<const double> epsilons = parameters.of_models("epsilon");
  for (size_t k = 0; k < densities.size(); ++k) {
    const double density = densities[k], epsilon = epsilons[k];
    if (density <= 0 || density >= 1) continue;
    if (density - epsilon <= 0 || density + epsilon >= 1) {
      throw Error(
          "model {}: density {} with epsilon {} gives probabilities from {} to {}; expected "
          "them between 0 and 1, so epsilon must be below {}",
          k + 1,
          density,
          epsilon,
          density - epsilon,
          density + epsilon,
          std::min(density, 1 - density));
    }
  }
}

}  // namespace demix
