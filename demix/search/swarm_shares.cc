#include "demix/search/swarm_shares.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/error.h"
#include "demix/search/swarm_datasets.h"

namespace demix {
namespace {

// Less is what rounding to five digits does.
constexpr double kWorthAWord = 1e-4;
constexpr double kExact = 1e-6;
constexpr double kSumTolerance = 0.01;   // more needs a reason
constexpr double kPerhapsRounded = 0.1;  // by which a row misses one

}  // namespace

SwarmShares::SwarmShares(const SwarmTable& table,
                         size_t run_column,
                         std::vector<size_t> columns,
                         bool any_sum)
    : table_(table), run_column_(run_column), columns_(std::move(columns)) {
  check_columns_of_data(table_, columns_, columns_.size());
  const auto text = text_columns(table_, columns_);
  const auto none_of = [](std::vector<size_t> from, std::span<const size_t> out) {
    std::erase_if(from,
                  [&](size_t c) { return std::find(out.begin(), out.end(), c) != out.end(); });
    return from;
  };
  const auto numbers = none_of(columns_, text);
  if (any_sum) {
    columns_ = numbers;
    std::erase_if(columns_, [&](size_t c) { return is_metadata(table_.header[c]); });
    if (!text.empty()) leave_out(text, "as no dataset: no number is in");
    if (columns_.size() < numbers.size())
      leave_out(none_of(numbers, columns_), "as no dataset: named like what runs are made with");
    for (size_t i = 0; i < table_.rows.size(); ++i) take_weights(i);
    return;
  }
  columns_ = dataset_columns(table_, numbers);
  tolerance_ = share_tolerance(table_, columns_);
  if (!text.empty()) {
    check_text(text);
    leave_out(text, "as no dataset: no number is in");
  }
  if (columns_.size() < numbers.size())
    leave_out(none_of(numbers, columns_), "as no dataset: the shares sum to one without");
  double largest = 0;
  for (size_t i = 0; i < table_.rows.size(); ++i) read_row(i);
  for (size_t i = 0; i < rows_.size(); ++i) largest = std::max(largest, rescale(i));
  if (largest <= kWorthAWord) return;
  warnings_.push_back(
      fmt::format("{}: rows sum to one within {:.3g} only{} and were rescaled.",
                  table_.file,
                  largest,
                  largest > kSumTolerance ? ", as the rounding of shares explains," : ""));
}

void SwarmShares::leave_out(std::span<const size_t> columns, std::string_view why) {
  for (size_t c : columns) left_out_.push_back(table_.header[c]);
  warnings_.push_back(
      fmt::format("{}: {} left out {}.", table_.file, words_for_columns(table_, columns), why));
}

// Text in place of shares is an error.
void SwarmShares::check_text(std::span<const size_t> text) const {
  for (const auto& row : table_.rows) {
    double sum = 0;
    for (size_t c : columns_) sum += finite_number(row.fields[c]).value_or(0);
    if (!columns_.empty() && std::abs(sum - 1) <= tolerance_ + kExact) continue;
    if (text.size() == 1) number_in(table_, row, text[0]);
    throw Error(
        "{}:{}: {} passed over, since no share is in them, but without them the shares sum to "
        "{:.6g}, expected 1; leave out what else is no dataset (demix fit --ignore NAME,…)",
        table_.file,
        row.line,
        words_for_columns(table_, text),
        sum);
  }
}

// As it stands in the table, without what is less than nothing. Gives the sum.
double SwarmShares::read_row(size_t row) {
  std::vector<double>& shares = rows_.emplace_back();
  for (size_t c : columns_) shares.push_back(number_in(table_, table_.rows[row], c));
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (size_t k = 0; k < shares.size(); ++k) {
    if (shares[k] < -kExact * std::max(1.0, sum)) {
      throw Error("{}:{}: {}: the share is {}, expected 0 or more",
                  table_.file,
                  table_.rows[row].line,
                  words_for_column(table_, columns_[k]),
                  shares[k]);
    }
    shares[k] = std::max(shares[k], 0.0);  // the rest of one after all others may be -1e-17
  }
  return std::accumulate(shares.begin(), shares.end(), 0.0);
}

void SwarmShares::take_weights(size_t row) {
  const double sum = read_row(row);
  if (!(sum > 0 && std::isfinite(sum)))
    throw Error("{}:{}: the weights of the datasets sum to {:g}, expected above 0",
                table_.file,
                table_.rows[row].line,
                sum);
  for (double& weight : rows_[row]) weight /= sum;
}

// Says by how much the shares missed one.
double SwarmShares::rescale(size_t row) {
  auto& shares = rows_[row];
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (!(std::abs(sum - 1) <= tolerance_ + kExact)) {
    throw Error("{}:{}: the shares sum to {:.6g}, expected 1 (within {}){}",
                table_.file,
                table_.rows[row].line,
                sum,
                tolerance_,
                remedy(row, sum));
  }
  for (double& share : shares) share /= sum;
  return std::abs(sum - 1);
}

// What may have gone wrong where the shares of a row do not sum to one.
std::string SwarmShares::remedy(size_t row, double sum) const {
  const auto one = [](double value) { return std::abs(value - 1) <= kSumTolerance; };
  if (one(sum / 100))
    return "; they look like percentages: divide them by 100 (demix fit --rescale-rows)";
  const auto of_run = finite_number(table_.rows[row].fields[run_column_]);
  if (of_run && one(sum + *of_run))
    return fmt::format(
        "; with {}, which was taken for the runs' names, they do: put a column named run in front, "
        "with the same names in both files",
        words_for_column(table_, run_column_));
  const auto& shares = rows_[row];
  const auto above_one = std::count_if(
      shares.begin(), shares.end(), [](double share) { return share > 1 + kSumTolerance; });
  if (above_one > 1 && above_one > std::ssize(shares) / 2)
    return "; most of them lie above 1: if they are token counts or other weights, demix fit "
           "--rescale-rows divides each row by its sum";
  std::string column;
  for (size_t k = 0; k < shares.size() && column.empty(); ++k) {
    const std::string words = words_for_column(table_, columns_[k]),
                      remedy = how_to_leave_out(table_.header[columns_[k]]);
    if (is_one_too_many(k)) {
      column = fmt::format("; without {} they do: if it is no dataset, {}", words, remedy);
    } else if (shares[k] > 1 + kSumTolerance) {
      column =
          fmt::format("; {} is {:.6g}: if it is no dataset's share, {}", words, shares[k], remedy);
    }
  }
  if (std::abs(sum - 1) <= kPerhapsRounded) {
    return "; if they were rounded and no dataset is missing, divide each share by the sum of its "
           "row (demix fit --rescale-rows)" +
           column;
  }
  if (!column.empty()) return column;
  return "; if no dataset is missing, divide each share by the sum of its row (demix fit "
         "--rescale-rows)";
}

// Whether the rows sum to one without it, as far as they are read.
bool SwarmShares::is_one_too_many(size_t place) const {
  return std::all_of(rows_.begin(), rows_.end(), [&](const std::vector<double>& row) {
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    return row[place] != 0 && std::abs(sum - row[place] - 1) <= kExact;
  });
}

}  // namespace demix
