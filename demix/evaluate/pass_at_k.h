// The unbiased estimator of Chen et al., "Evaluating Large Language Models Trained on Code"
// (arXiv 2107.03374): of n generated programs c pass; k drawn from them without replacement hold
// one that passes with probability
//   pass@k = 1 − C(n − c, k) / C(n, k) = 1 − Π_{i = n−c+1}^{n} (1 − k / i)
#pragma once

#include <cstdint>

namespace demix {

// Throws Error unless 0 ≤ passed ≤ n and 1 ≤ k ≤ n.
double pass_at_k(int64_t n, int64_t passed, int64_t k);

}  // namespace demix
