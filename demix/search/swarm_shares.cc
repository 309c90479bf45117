#include "demix/search/swarm_shares.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"

namespace demix {
namespace {

// Less is what rounding to five digits does.
constexpr double kWorthAWord = 1e-4;
constexpr double kExact = 1e-6;

}  // namespace

SwarmShares::SwarmShares(const SwarmTable& table, size_t run_column, std::vector<size_t> columns)
    : table_(table), run_column_(run_column), columns_(std::move(columns)) {
  check_columns_of_data(table_, columns_, columns_.size());
  for (const auto& row : table_.rows) {
    rows_.emplace_back();
    for (size_t c : columns_) rows_.back().push_back(number_in(table_, row, c));
  }
  leave_out_metadata();
  leave_out_the_only_one_too_many();
  double largest = 0;
  for (size_t i = 0; i < rows_.size(); ++i) largest = std::max(largest, rescale(i));
  if (largest <= kWorthAWord) return;
  warnings_.push_back(fmt::format(
      "{}: rows sum to one within {:.3g} only and were rescaled.", table_.file, largest));
}

// The most by which a row misses one without columns of `out`, by their place in columns_.
double SwarmShares::largest_miss(const std::vector<bool>& out) const {
  double miss = 0;
  for (const auto& row : rows_) {
    double sum = 0;
    for (size_t k = 0; k < row.size(); ++k) sum += out[k] ? 0 : row[k];
    miss = std::max(miss, std::abs(sum - 1));
  }
  return miss;
}

void SwarmShares::leave_out(const std::vector<bool>& out) {
  std::vector<size_t> kept;
  std::vector<std::string> words;
  for (size_t k = 0; k < columns_.size(); ++k) {
    if (out[k]) {
      words.push_back(words_for_column(table_, columns_[k]));
      left_out_.push_back(table_.header[columns_[k]]);
    } else {
      kept.push_back(columns_[k]);
    }
  }
  for (auto& row : rows_) {
    size_t k = 0;
    std::erase_if(row, [&](double) { return out[k++]; });
  }
  columns_ = std::move(kept);
  warnings_.push_back(
      fmt::format("{}: {} {} left out as no dataset: the shares sum to one without.",
                  table_.file,
                  fmt::join(words, ", "),
                  words.size() > 1 ? "were" : "was"));
}

void SwarmShares::leave_out_metadata() {
  const std::vector<bool> none(columns_.size());
  std::vector<bool> out = none;
  for (size_t k = 0; k < out.size(); ++k) out[k] = is_metadata(table_.header[columns_[k]]);
  const double with = largest_miss(none), without = largest_miss(out);
  if (with > kExact && without < with && without <= kSumTolerance) leave_out(out);
}

void SwarmShares::leave_out_the_only_one_too_many() {
  std::vector<bool> out(columns_.size());
  // One row tells too little: any share may be the wrong one.
  if (rows_.size() < 2 || largest_miss(out) <= kExact) return;
  std::vector<size_t> fitting;
  for (size_t k = 0; k < out.size(); ++k) {
    out[k] = true;
    if (largest_miss(out) <= kExact) fitting.push_back(k);
    out[k] = false;
  }
  if (fitting.size() != 1) return;
  out[fitting[0]] = true;
  leave_out(out);
}

// Says by how much the shares missed one.
double SwarmShares::rescale(size_t row) {
  auto& shares = rows_[row];
  double sum = 0;
  for (size_t k = 0; k < shares.size(); ++k) {
    if (shares[k] < -kExact) {
      throw Error("{}:{}: {}: the share is {}, expected 0 or more",
                  table_.file,
                  table_.rows[row].line,
                  words_for_column(table_, columns_[k]),
                  shares[k]);
    }
    shares[k] = std::max(shares[k], 0.0);  // the rest of one after all others may be -1e-17
    sum += shares[k];
  }
  if (!(std::abs(sum - 1) <= kSumTolerance)) {
    throw Error("{}:{}: the shares sum to {:.6g}, expected 1 (within {}){}",
                table_.file,
                table_.rows[row].line,
                sum,
                kSumTolerance,
                remedy(row, sum));
  }
  for (double& share : shares) share /= sum;
  return std::abs(sum - 1);
}

// What may have gone wrong where the shares of a row do not sum to one.
std::string SwarmShares::remedy(size_t row, double sum) const {
  const auto one = [](double value) { return std::abs(value - 1) <= kSumTolerance; };
  if (one(sum / 100)) return "; they look like percentages: divide them by 100";
  const auto of_run = finite_number(table_.rows[row].fields[run_column_]);
  if (of_run && one(sum + *of_run))
    return fmt::format(
        "; with {}, which was taken for the runs' names, they do: put a column named run in front, "
        "with the same names in both files",
        words_for_column(table_, run_column_));
  const auto& shares = rows_[row];
  for (size_t k = 0; k < shares.size(); ++k) {
    const std::string words = words_for_column(table_, columns_[k]),
                      remedy = how_to_leave_out(table_.header[columns_[k]]);
    if (shares[k] != 0 && std::abs(sum - shares[k] - 1) <= kExact)
      return fmt::format("; without {} they do: if it is no dataset, {}", words, remedy);
    if (shares[k] > 1 + kSumTolerance)
      return fmt::format(
          "; {} is {:.6g}: if it is no dataset's share, {}", words, shares[k], remedy);
  }
  return "; if no dataset is missing, divide each share by the sum of its row";
}

}  // namespace demix
