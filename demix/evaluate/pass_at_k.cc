#include "demix/evaluate/pass_at_k.h"

#include "demix/core/error.h"

namespace demix {

double pass_at_k(int64_t n, int64_t passed, int64_t k) {
  if (passed < 0 || passed > n)
    throw Error("pass@k: {} of {} programs passed; expected 0 to {}", passed, n, n);
  if (k < 1 || k > n)
    throw Error("pass@{} of {} programs: expected 1 to {}; generate more, or lower k", k, n, n);
  if (n - passed < k) return 1;
  double all_fail = 1;
  for (int64_t i = n - passed + 1; i <= n; ++i)
    all_fail *= 1 - static_cast<double>(k) / static_cast<double>(i);
  return 1 - all_fail;
}

}  // namespace demix
