// Which columns of the mixtures' file of a swarm are datasets: those that sum to one in every row.
#pragma once

#include <span>
#include <vector>

#include "demix/search/swarm_columns.h"

namespace demix {

// By how much a row's shares may miss one: 0.01, or more where that is what rounding each to the
// file's digits (two or more) explains, half a unit of the last for each column, at most 0.05.
double share_tolerance(const SwarmTable& table, std::span<const size_t> columns);

// Those of `columns` that are datasets, in their order; all of them where nothing can be told,
// whose rows then may not sum to one. Where the rows sum to one better without, columns named like
// metadata are none, nor is the only one too many. Where rows still miss one by more than the
// tolerance and are two or more, these are tried without: all columns that leave [0, 1]; also those
// that are named like scores or lack numbers; up to three others, if no other as few would do; all
// but one unbroken row of columns. Cells that are no number count as zero.
std::vector<size_t> dataset_columns(const SwarmTable& table, std::vector<size_t> columns);

}  // namespace demix
