#include "demix/validate/calibration.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/ranks.h"

namespace demix {
namespace {

constexpr double kPenalties[] = {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30};

struct Ridge {
  Eigen::VectorXd weights;
  double leave_one_out;  // mean squared error
};

// X standardised with a constant as its first column, y centred on nothing.
Ridge fit(const Eigen::MatrixXd& X, const Eigen::VectorXd& y, double penalty) {
  Eigen::MatrixXd gram = X.transpose() * X;
  gram.diagonal().tail(gram.rows() - 1).array() += penalty;
  const Eigen::MatrixXd solved = gram.ldlt().solve(X.transpose());
  const Eigen::VectorXd weights = solved * y;
  const Eigen::VectorXd leverage = (X.array() * solved.transpose().array()).rowwise().sum();
  const Eigen::ArrayXd left_out = (y - X * weights).array() / (1 - leverage.array()).max(1e-9);
  return {weights, left_out.square().mean()};
}

}  // namespace

Calibration::Calibration(std::span<const std::vector<double>> estimates,
                         std::span<const double> trained) {
  const auto n = static_cast<Eigen::Index>(trained.size());
  const auto columns = static_cast<Eigen::Index>(estimates.size());
  DEMIX_CHECK(n >= 3 && columns > 0);
  Eigen::MatrixXd X = Eigen::MatrixXd::Ones(n, columns + 1);
  std::vector<double> means, scales;
  for (Eigen::Index f = 0; f < columns; ++f) {
    const std::vector<double>& values = estimates[static_cast<size_t>(f)];
    DEMIX_CHECK(values.size() == trained.size());
    means.push_back(mean(values));
    const double deviation = standard_deviation(values);
    // A constant column becomes zeros.
    scales.push_back(deviation > 0 ? 1 / deviation : 0);
    for (Eigen::Index i = 0; i < n; ++i)
      X(i, f + 1) = (values[static_cast<size_t>(i)] - means.back()) * scales.back();
  }
  const Eigen::Map<const Eigen::VectorXd> y(trained.data(), n);
  Ridge best{{}, std::numeric_limits<double>::infinity()};
  for (const double penalty : kPenalties) {
    Ridge ridge = fit(X, y, penalty);
    if (best.weights.size() == 0 || ridge.leave_one_out < best.leave_one_out)
      best = std::move(ridge);
  }
  intercept_ = best.weights(0);
  for (Eigen::Index f = 0; f < columns; ++f) {
    const auto place = static_cast<size_t>(f);
    weights_.push_back(best.weights(f + 1) * scales[place]);
    intercept_ -= weights_.back() * means[place];
  }
}

double Calibration::expected(std::span<const double> estimates) const {
  DEMIX_CHECK(estimates.size() == weights_.size());
  double value = intercept_;
  for (size_t f = 0; f < weights_.size(); ++f) value += weights_[f] * estimates[f];
  return value;
}

namespace {

// What the references `taught` lead to expect of reference `of`.
double expected_from(std::span<const std::vector<double>> estimates,
                     std::span<const double> trained,
                     std::span<const size_t> taught,
                     size_t of) {
  std::vector<std::vector<double>> known(estimates.size());
  std::vector<double> own, known_trained;
  for (size_t f = 0; f < estimates.size(); ++f) {
    own.push_back(estimates[f][of]);
    for (const size_t reference : taught) known[f].push_back(estimates[f][reference]);
  }
  for (const size_t reference : taught) known_trained.push_back(trained[reference]);
  return Calibration(known, known_trained).expected(own);
}

}  // namespace

std::vector<double> calibrated_by_others(std::span<const std::vector<double>> estimates,
                                         std::span<const double> trained) {
  DEMIX_CHECK(trained.size() >= 4);
  std::vector<double> expected;
  for (size_t i = 0; i < trained.size(); ++i) {
    std::vector<size_t> others;
    for (size_t other = 0; other < trained.size(); ++other)
      if (other != i) others.push_back(other);
    expected.push_back(expected_from(estimates, trained, others, i));
  }
  return expected;
}

std::vector<double> calibrated_by_few(std::span<const std::vector<double>> estimates,
                                      std::span<const double> trained,
                                      size_t few) {
  DEMIX_CHECK(few >= 3);
  const size_t groups = trained.size() / few;
  std::vector<double> expected;
  if (groups < 2) return expected;
  for (size_t i = 0; i < trained.size(); ++i) {
    // Those behind the last whole group are foretold by it.
    const size_t before = (std::min(i / few, groups) + groups - 1) % groups;
    std::vector<size_t> taught(few);
    std::iota(taught.begin(), taught.end(), before * few);
    expected.push_back(expected_from(estimates, trained, taught, i));
  }
  return expected;
}

}  // namespace demix
