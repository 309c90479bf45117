// Many mixtures as one table, for predictors and samplers.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "demix/core/error.h"

namespace demix {

// A row per mixture, a column per component (or dataset); row by row in memory.
class Points {
 public:
  explicit Points(size_t columns) : columns_(columns) { DEMIX_CHECK(columns > 0); }

  size_t rows() const { return values_.size() / columns_; }
  size_t columns() const { return columns_; }
  std::span<const double> row(size_t i) const { return {values_.data() + i * columns_, columns_}; }
  std::span<const double> values() const { return values_; }

  void reserve(size_t rows) { values_.reserve(rows * columns_); }
  void add(std::span<const double> row) {
    DEMIX_CHECK(row.size() == columns_);
    values_.insert(values_.end(), row.begin(), row.end());
  }

 private:
  size_t columns_;
  std::vector<double> values_;
};

}  // namespace demix
