// The shares in the mixtures' file of a swarm, and which of its columns are datasets.
#pragma once

#include <string>
#include <vector>

#include "demix/search/swarm_columns.h"

namespace demix {

constexpr double kSumTolerance = 0.01;  // by which a row's shares may miss one

class SwarmShares {
 public:
  // `columns` may be datasets. Those named like metadata are none where the rows sum to one better
  // without them, nor is the only one without which all rows sum to one exactly. Refers to the
  // table. Throws Error, with what may be done, on rows that miss one by more than 0.01 and on
  // shares below zero by more than rounding.
  SwarmShares(const SwarmTable& table, size_t run_column, std::vector<size_t> columns);

  const std::vector<size_t>& columns() const { return columns_; }  // of datasets
  // By row of the table, then as columns(): at least 0, rescaled to sum to one.
  const std::vector<std::vector<double>>& rows() const { return rows_; }
  const std::vector<std::string>& left_out() const { return left_out_; }  // names of columns
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  double largest_miss(const std::vector<bool>& out) const;
  void leave_out(const std::vector<bool>& out);
  void leave_out_metadata();
  void leave_out_the_only_one_too_many();
  double rescale(size_t row);
  std::string remedy(size_t row, double sum) const;

  const SwarmTable& table_;
  size_t run_column_;
  std::vector<size_t> columns_;
  std::vector<std::vector<double>> rows_;
  std::vector<std::string> left_out_, warnings_;
};

}  // namespace demix
