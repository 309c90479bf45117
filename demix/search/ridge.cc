// Ridge regression: min Σ (y - b - w·x)² + penalty · ‖w‖², the intercept b unpenalised, features as
// they are. The published scripts use it (scikit-learn's Ridge, penalty 0.5) where proxies are few.
#include "demix/search/ridge.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <cmath>

namespace demix {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Map<const Matrix> as_matrix(const Points& points) {
  return {points.values().data(),
          static_cast<Eigen::Index>(points.rows()),
          static_cast<Eigen::Index>(points.columns())};
}

class Ridge : public Predictor {
 public:
  explicit Ridge(const RidgeConfig& config) : penalty_(config.penalty) {}

  void fit(const Points& mixtures, std::span<const double> scores) override {
    DEMIX_CHECK(mixtures.rows() == scores.size() && !scores.empty());
    const auto x = as_matrix(mixtures);
    const Eigen::Map<const Eigen::VectorXd> y(scores.data(), x.rows());
    const Eigen::RowVectorXd centre = x.colwise().mean();
    const Matrix centred = x.rowwise() - centre;
    Matrix normal = centred.transpose() * centred;
    normal.diagonal().array() += penalty_;
    coefficients_ = normal.ldlt().solve(centred.transpose() * (y.array() - y.mean()).matrix());
    intercept_ = y.mean() - centre.dot(coefficients_);
  }

  void predict(const Points& mixtures, std::span<double> predicted) const override {
    DEMIX_CHECK(mixtures.columns() == static_cast<size_t>(coefficients_.size()));
    DEMIX_CHECK(mixtures.rows() == predicted.size());
    Eigen::Map<Eigen::VectorXd> result(predicted.data(),
                                       static_cast<Eigen::Index>(predicted.size()));
    result.noalias() = as_matrix(mixtures) * coefficients_;
    result.array() += intercept_;
  }

 private:
  double penalty_;
  Eigen::VectorXd coefficients_;
  double intercept_ = 0;
};

}  // namespace

void RidgeConfig::check() const {
  // Shares sum to one, so without a penalty the coefficients are not determined.
  if (!(penalty > 0 && std::isfinite(penalty)))
    throw Error("penalty is {}, expected above 0", penalty);
}

std::unique_ptr<Predictor> make_ridge(const RidgeConfig& config) {
  config.check();
  return std::make_unique<Ridge>(config);
}

}  // namespace demix
