// Ridge regression: min Σ (y - b - w·x)² + penalty · ‖w‖², the intercept b unpenalised. x are the
// shares p, and with interactions also the products p_j·p_k, j <= k. The published scripts use
// scikit-learn's Ridge with penalty 0.5 on plain shares where proxies are few. Without a given
// penalty it is the one whose leave-one-out error is smallest, in closed form from the eigenvalues
// of the rows' products (Golub, Heath and Wahba 1979). Errors are the Bayesian posterior's.
#include "demix/search/ridge.h"

#include <Eigen/Eigenvalues>
#include <cmath>
#include <limits>

#include "demix/search/matrix.h"

namespace demix {
namespace {

class Ridge : public Predictor {
 public:
  explicit Ridge(const RidgeConfig& config) : config_(config) {}

  using Predictor::fit;
  using Predictor::predict;

  void fit(const Points& mixtures,
           std::span<const double> scores,
           std::span<const double>) override {
    DEMIX_CHECK(mixtures.rows() == scores.size() && !scores.empty());
    columns_ = static_cast<Eigen::Index>(mixtures.columns());
    Matrix x = features(as_matrix(mixtures));
    const Eigen::Index n = x.rows();
    const Eigen::Map<const Vector> y(scores.data(), n);
    const double mean = y.mean();
    centre_ = x.colwise().mean();
    x.rowwise() -= centre_;
    const Vector centred = y.array() - mean;

    // With XXᵀ = V diag(e) Vᵀ, residuals of the fit are V diag(penalty/(e+penalty)) Vᵀy.
    const Eigen::SelfAdjointEigenSolver<Matrix> eigen(x * x.transpose());
    const Vector values = eigen.eigenvalues().cwiseMax(0);
    const Matrix& vectors = eigen.eigenvectors();
    const Vector turned = vectors.transpose() * centred;
    penalty_ = config_.penalty > 0 ? config_.penalty : best_penalty(values, vectors, turned);

    const Vector shrunk = turned.array() / (values.array() + penalty_);
    coefficients_ = x.transpose() * (vectors * shrunk);
    intercept_ = mean - centre_.dot(coefficients_);
    const double squares = (penalty_ * shrunk).squaredNorm();
    const double used = 1 + (values.array() / (values.array() + penalty_)).sum();
    noise_ = std::sqrt(squares / std::max(1.0, static_cast<double>(n) - used));
    // Posterior covariance of w over noise²: (XᵀX + penalty)⁻¹ = (I - Xᵀ(XXᵀ+penalty)⁻¹X)/penalty
    projection_ =
        (vectors * (values.array() + penalty_).rsqrt().matrix().asDiagonal()).transpose() * x;
    rows_ = static_cast<double>(n);
  }

  void predict(const Points& mixtures, std::span<double> predicted) const override {
    check(mixtures);
    DEMIX_CHECK(mixtures.rows() == predicted.size());
    const auto shares = as_matrix(mixtures);
    Eigen::Map<Vector> result(predicted.data(), shares.rows());
    result.noalias() = shares * coefficients_.head(columns_);
    if (config_.interactions) {
      const Matrix products = interactions();
      constexpr Eigen::Index kRows = 1024;
      for (Eigen::Index begin = 0; begin < shares.rows(); begin += kRows) {
        const auto block = shares.middleRows(begin, std::min(kRows, shares.rows() - begin));
        result.segment(begin, block.rows()) +=
            (block * products).cwiseProduct(block).rowwise().sum();
      }
    }
    result.array() += intercept_;
  }

  std::vector<Forecast> forecast(const Points& mixtures) const override {
    const auto means = predict(mixtures);
    const Matrix x = features(as_matrix(mixtures)).rowwise() - centre_;
    const Matrix seen = x * projection_.transpose();
    std::vector<Forecast> forecasts(means.size());
    for (size_t i = 0; i < means.size(); ++i) {
      const auto k = static_cast<Eigen::Index>(i);
      const double unseen = (x.row(k).squaredNorm() - seen.row(k).squaredNorm()) / penalty_;
      forecasts[i] = {means[i], noise_ * std::sqrt(std::max(0.0, unseen) + 1 / rows_), noise_};
    }
    return forecasts;
  }

  double slope(std::span<const double> mixture, std::span<double> gradient) const override {
    const Eigen::Map<const Vector> p(mixture.data(), columns_);
    Eigen::Map<Vector> result(gradient.data(), columns_);
    result = coefficients_.head(columns_);
    double value = intercept_ + p.dot(result);
    if (config_.interactions) {
      const Matrix products = interactions();
      const Vector half = products * p;
      value += p.dot(half);
      result += 2 * half;
    }
    return value;
  }

 private:
  void check(const Points& mixtures) const {
    DEMIX_CHECK(static_cast<Eigen::Index>(mixtures.columns()) == columns_);
  }

  Matrix features(const Eigen::Ref<const Matrix>& shares) const {
    if (!config_.interactions) return shares;
    Matrix x(shares.rows(), columns_ + columns_ * (columns_ + 1) / 2);
    x.leftCols(columns_) = shares;
    Eigen::Index column = columns_;
    for (Eigen::Index j = 0; j < columns_; ++j) {
      for (Eigen::Index k = j; k < columns_; ++k) {
        x.col(column++) = shares.col(j).cwiseProduct(shares.col(k));
      }
    }
    return x;
  }

  // The products' coefficients as a symmetric matrix Q of the form pᵀQp.
  Matrix interactions() const {
    Matrix products(columns_, columns_);
    Eigen::Index column = columns_;
    for (Eigen::Index j = 0; j < columns_; ++j) {
      products(j, j) = coefficients_[column++];
      for (Eigen::Index k = j + 1; k < columns_; ++k) {
        products(j, k) = products(k, j) = 0.5 * coefficients_[column++];
      }
    }
    return products;
  }

  // The leave-one-out residual of row i is r_i / (1 - h_i); the intercept adds 1/n to h_i.
  static double best_penalty(const Vector& values, const Matrix& vectors, const Vector& turned) {
    const auto n = static_cast<double>(values.size());
    const double scale = std::max(values.maxCoeff(), 1e-12);
    const Matrix squares = vectors.cwiseAbs2();
    double best = scale, least = std::numeric_limits<double>::infinity();
    for (double power = -7; power <= 1; power += 0.25) {
      const double penalty = scale * std::pow(10, power);
      const Vector kept = penalty / (values.array() + penalty);
      const Vector residuals = vectors * kept.cwiseProduct(turned);
      const Vector leverage_left = (squares * kept).array() - 1 / n;
      const double error =
          (residuals.array() / leverage_left.array().max(1e-9)).matrix().squaredNorm();
      if (error < least) {
        least = error;
        best = penalty;
      }
    }
    return best;
  }

  RidgeConfig config_;
  Eigen::Index columns_ = 0;
  Vector coefficients_;
  Eigen::RowVectorXd centre_;
  Matrix projection_;
  double intercept_ = 0, noise_ = 0, penalty_ = 0, rows_ = 1;
};

}  // namespace

void RidgeConfig::check() const {
  if (!(penalty >= 0 && std::isfinite(penalty)))
    throw Error("penalty is {}, expected 0 (by leave-one-out error) or more", penalty);
}

std::unique_ptr<Predictor> make_ridge(const RidgeConfig& config) {
  config.check();
  return std::make_unique<Ridge>(config);
}

}  // namespace demix
