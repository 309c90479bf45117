// What cross-validation leaves out together: runs of one mixture never stand on both sides, since
// what they have in common would be known.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "demix/core/rng.h"
#include "demix/search/points.h"

namespace demix {

// By row, the number of its mixture, from 0 in the order of the rows. Mixtures within 0.01 (L1)
// are one; where all are near each other, within a twentieth of what they differ from their mean.
std::vector<size_t> mixture_of_rows(const Points& mixtures);
size_t count_mixtures(std::span<const size_t> mixture_of);

// A balanced random assignment of rows to min(5, rows) parts.
std::vector<int> random_folds(size_t rows, Rng& rng);
// The same with all rows of a mixture in one part; equal to random_folds where no mixture is
// repeated.
std::vector<int> mixture_folds(std::span<const size_t> mixture_of, Rng& rng);

// Standard error of the mean of `values`, where those of one mixture may err together.
double error_of_mean(std::span<const double> values, std::span<const size_t> mixture_of);

}  // namespace demix
