// Mixtures as matrices, for predictors that are linear algebra.
#pragma once

#include <Eigen/Core>

#include "demix/search/points.h"

namespace demix {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;

// A row per mixture; the memory stays the points'.
inline Eigen::Map<const Matrix> as_matrix(const Points& points) {
  return {points.values().data(),
          static_cast<Eigen::Index>(points.rows()),
          static_cast<Eigen::Index>(points.columns())};
}

}  // namespace demix
