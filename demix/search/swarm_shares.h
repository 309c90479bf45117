// The shares in the mixtures' file of a swarm, and which of its columns are datasets.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demix/search/swarm_columns.h"

namespace demix {

class SwarmShares {
 public:
  // `columns` may be datasets, those of them that dataset_columns finds are. Columns of text are
  // none. Refers to the table. Throws Error, with what may be done, on rows that miss one by more
  // than share_tolerance and on shares below zero by more than rounding. `any_sum`: rows are
  // weights, of which each is a share of its row's sum; all columns of numbers are datasets then
  // that are not named like metadata.
  SwarmShares(const SwarmTable& table,
              size_t run_column,
              std::vector<size_t> columns,
              bool any_sum = false);

  const std::vector<size_t>& columns() const { return columns_; }  // of datasets
  // By row of the table, then as columns(): at least 0, rescaled to sum to one.
  const std::vector<std::vector<double>>& rows() const { return rows_; }
  const std::vector<std::string>& left_out() const { return left_out_; }  // names of columns
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  void leave_out(std::span<const size_t> columns, std::string_view why);
  void check_text(std::span<const size_t> text) const;
  double read_row(size_t row);
  double rescale(size_t row);
  void take_weights(size_t row);
  std::string remedy(size_t row, double sum) const;
  bool is_one_too_many(size_t place) const;

  const SwarmTable& table_;
  size_t run_column_;
  double tolerance_ = 0;
  std::vector<size_t> columns_;
  std::vector<std::vector<double>> rows_;
  std::vector<std::string> left_out_, warnings_;
};

}  // namespace demix
