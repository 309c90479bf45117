#include "demix/search/swarm_datasets.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "demix/search/fit_directions.h"

namespace demix {
namespace {

constexpr double kSumTolerance = 0.01;
constexpr double kMostOfRounding = 0.05;
constexpr double kExact = 1e-6;

// Digits behind the point of the cell that has most.
int digits_of(const SwarmTable& table, size_t column) {
  int most = 0;
  for (const auto& row : table.rows) {
    const std::string& cell = row.fields[column];
    const size_t exponent = std::min(cell.find_first_of("eE"), cell.size());
    const size_t point = std::min(cell.find('.'), exponent);
    const auto power = exponent < cell.size() ? finite_number(cell.substr(exponent + 1)) : 0;
    const auto digits = static_cast<int>(exponent - std::min(point + 1, exponent));
    most = std::max(most, digits - static_cast<int>(power.value_or(0)));
  }
  return most;
}

double rounding(int digits, size_t columns) {
  if (digits < 2) return 0;
  return std::min(0.5 * std::pow(10, -digits) * static_cast<double>(columns), kMostOfRounding);
}

using Set = std::vector<size_t>;  // places of columns, ascending

class Search {
 public:
  Search(const SwarmTable& table, const std::vector<size_t>& columns)
      : table_(table), columns_(columns) {
    for (size_t c : columns) {
      std::vector<double> values;
      bool whole = true;
      for (const auto& row : table.rows) {
        const auto value = finite_number(row.fields[c]);
        whole = whole && value;
        values.push_back(value.value_or(0));
      }
      digits_.push_back(digits_of(table, c));
      is_whole_.push_back(whole);
      values_.push_back(std::move(values));
    }
  }

  std::vector<size_t> run() const {
    Set set;
    for (size_t k = 0; k < columns_.size(); ++k) set.push_back(k);
    set = without_metadata(set);
    if (const auto fewer = without_the_only_one_too_many(set)) set = *fewer;
    if (rows() > 1 && miss(set) > tolerance(set)) set = searched(set).value_or(set);
    std::vector<size_t> found;
    for (size_t k : set) found.push_back(columns_[k]);
    return found;
  }

 private:
  size_t rows() const { return table_.rows.size(); }
  int digits(const Set& set) const {
    int most = 0;
    for (size_t k : set) most = std::max(most, digits_[k]);
    return most;
  }
  double tolerance(const Set& set) const { return std::max(kSumTolerance, exact(set)); }
  // What rounding explains.
  double exact(const Set& set) const { return kExact + rounding(digits(set), set.size()); }

  double miss_of_row(const Set& set, size_t row) const {
    double sum = 0;
    for (size_t k : set) sum += values_[k][row];
    return std::abs(sum - 1);
  }
  // The most by which a row misses one.
  double miss(const Set& set) const {
    double most = 0;
    for (size_t i = 0; i < rows(); ++i) most = std::max(most, miss_of_row(set, i));
    return most;
  }
  // As miss(set) <= limit, but stops early.
  bool within(const Set& set, double limit) const {
    for (size_t i = 0; i < rows(); ++i)
      if (!(miss_of_row(set, i) <= limit)) return false;
    return true;
  }

  template <typename Out>
  static Set without(const Set& set, const Out& is_out) {
    Set rest;
    for (size_t k : set)
      if (!is_out(k)) rest.push_back(k);
    return rest;
  }
  const std::string& name(size_t k) const { return table_.header[columns_[k]]; }

  Set without_metadata(const Set& set) const {
    const Set rest = without(set, [&](size_t k) { return is_metadata(name(k)); });
    const double with = miss(set), less = miss(rest);
    const bool better =
        (with > kExact && less < with) || (with > exact(set) && less <= exact(rest));
    return better && less <= tolerance(rest) ? rest : set;
  }

  // One row tells too little: any share may be the wrong one.
  std::optional<Set> without_the_only_one_too_many(const Set& set) const {
    if (rows() < 2 || within(set, exact(set))) return std::nullopt;
    return without_any(set, 1);
  }

  // Only where no other `count` columns would do.
  std::optional<Set> without_any(const Set& set, size_t count) const {
    std::optional<Set> found;
    bool several = false;
    Set out;
    const auto pick = [&](const auto& self, size_t from) -> void {
      if (several) return;
      if (out.size() == count) {
        const Set rest = without(
            set, [&](size_t k) { return std::find(out.begin(), out.end(), k) != out.end(); });
        if (!within(rest, exact(rest))) return;
        several = found.has_value();
        found = rest;
        return;
      }
      for (size_t i = from; i < set.size(); ++i) {
        out.push_back(set[i]);
        self(self, i + 1);
        out.pop_back();
      }
    };
    pick(pick, 0);
    return several ? std::nullopt : found;
  }

  bool leaves_unit(size_t k) const {
    return std::any_of(values_[k].begin(), values_[k].end(), [](double value) {
      return value < -kExact || value > 1 + kMostOfRounding;
    });
  }
  bool varies(size_t k) const {
    const auto [least, most] = std::minmax_element(values_[k].begin(), values_[k].end());
    return *most > *least;
  }

  std::optional<Set> searched(const Set& all) const {
    const Set inside =
        without(all, [&](size_t k) { return leaves_unit(k) || is_metadata(name(k)); });
    const Set likely = without(
        inside, [&](size_t k) { return !is_whole_[k] || direction_by_name(name(k)).has_sign; });
    for (const Set& set : {inside, likely})
      if (!set.empty() && within(set, tolerance(set))) return set;
    constexpr size_t kMostForTriples = 80, kMostForPairs = 600;
    for (const Set& set : {inside, likely}) {
      for (size_t count : {1, 2, 3}) {
        if (set.size() <= count + 1 || set.size() > (count == 3 ? kMostForTriples : kMostForPairs))
          break;
        if (const auto rest = without_any(set, count)) return rest;
      }
      if (const auto rest = longest_row(set)) return rest;
    }
    return std::nullopt;
  }

  // The longest unbroken row of columns that fits, where any other that does is a part of it.
  std::optional<Set> longest_row(const Set& set) const {
    struct Range {
      size_t begin, end;
    };
    std::vector<Range> ranges;
    std::vector<double> sums(rows());
    for (size_t i = 0; i < set.size(); ++i) {
      if (!varies(set[i])) continue;
      std::fill(sums.begin(), sums.end(), 0.0);
      for (size_t j = i; j < set.size(); ++j) {
        bool above = false;
        for (size_t row = 0; row < rows(); ++row) {
          sums[row] += values_[set[j]][row];
          above = above || sums[row] > 1 + kMostOfRounding;
        }
        if (above) break;
        const Set part(set.begin() + std::ptrdiff_t(i), set.begin() + std::ptrdiff_t(j + 1));
        if (j > i && varies(set[j]) && within(part, exact(part))) ranges.push_back({i, j + 1});
      }
    }
    if (ranges.empty()) return std::nullopt;
    const Range best =
        *std::max_element(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
          return a.end - a.begin < b.end - b.begin;
        });
    for (const Range& range : ranges)
      if (range.begin < best.begin || range.end > best.end) return std::nullopt;
    return Set(set.begin() + std::ptrdiff_t(best.begin), set.begin() + std::ptrdiff_t(best.end));
  }

  const SwarmTable& table_;
  const std::vector<size_t>& columns_;
  // By place of the column.
  std::vector<std::vector<double>> values_;  // then by row
  std::vector<bool> is_whole_;               // a number in every row
  std::vector<int> digits_;
};

}  // namespace

double share_tolerance(const SwarmTable& table, std::span<const size_t> columns) {
  int digits = 0;
  for (size_t c : columns) digits = std::max(digits, digits_of(table, c));
  return std::max(kSumTolerance, rounding(digits, columns.size()));
}

std::vector<size_t> dataset_columns(const SwarmTable& table, std::vector<size_t> columns) {
  return Search(table, columns).run();
}

}  // namespace demix
