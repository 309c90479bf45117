// Ranks and the two correlations. Torch-free and without hidden NaN: no evidence is no value.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace demix {

// 1 for the smallest, n for the largest; ties share the mean of their ranks. Values must not be
// NaN.
std::vector<double> mean_ranks(std::span<const double> values);

// Correlations in [-1, 1]. No value when there are fewer than three pairs or one side is constant.
// Sizes must agree, values must be finite.
std::optional<double> pearson(std::span<const double> a, std::span<const double> b);
// Pearson correlation of the mean ranks.
std::optional<double> spearman(std::span<const double> a, std::span<const double> b);

double mean(std::span<const double> values);                // of at least one
double median(std::vector<double> values);                  // of at least one
double standard_deviation(std::span<const double> values);  // sample (n - 1), of at least two

}  // namespace demix
