#include "demix/validate/promised_gains.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/core/ranks.h"

namespace demix {
namespace {

// The 97.5 % quantile of Student's t, by its expansion in 1 / degrees: within 0.01 from four on.
double quantile_975(double degrees) {
  constexpr double z = 1.959964;
  const double z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  return z + (z3 + z) / (4 * degrees) + (5 * z5 + 16 * z3 + 3 * z) / (96 * degrees * degrees) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * degrees * degrees * degrees);
}

}  // namespace

std::optional<PromisedGains> promised_gains(std::span<const double> foretold,
                                            std::span<const double> trained) {
  DEMIX_CHECK(foretold.size() == trained.size());
  constexpr size_t kFewest = 5;
  const size_t n = foretold.size();
  if (n < kFewest) return std::nullopt;
  const double mean_x = mean(foretold), mean_y = mean(trained);
  double xx = 0, xy = 0, yy = 0;
  for (size_t i = 0; i < n; ++i) {
    const double x = foretold[i] - mean_x, y = trained[i] - mean_y;
    xx += x * x;
    xy += x * y;
    yy += y * y;
  }
  if (!(xx > 0)) return std::nullopt;
  const double slope = xy / xx, degrees = static_cast<double>(n) - 2;
  const double error = std::sqrt(std::max(0.0, yy - slope * xy) / degrees / xx);
  const double half = quantile_975(degrees) * error;
  return PromisedGains{slope, slope - half, slope + half};
}

}  // namespace demix
