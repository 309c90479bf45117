// The mixing law y = c + exp(t·p) of "Data Mixing Laws" (arXiv 2403.16952): a floor and an
// exponential of a linear form of the shares. Since shares sum to one, t also holds the law's
// factor. For scores that grow towards a ceiling it is y = c - exp(t·p); the better of the two is
// kept. Fitted by Huber's loss from several starts: for floors between far below and just below the
// best score the law is linear in log|y - c|, so that least squares gives t.
#include "demix/search/log_linear.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "demix/core/minimise.h"
#include "demix/search/matrix.h"

namespace demix {
namespace {

constexpr double kHuberWidth = 0.5;
// On the spread of t, over the number of rows: keeps datasets that were never sampled at the mean
// of the others, and leaves room for the coefficients around 100 that small shares need.
constexpr double kPenalty = 1e-5;
constexpr double kLargestExponent = 30;
// Predictions stay within the scores and so many of their ranges around them.
constexpr double kRangesBeyond = 3;
constexpr size_t kFollowed = 3;  // descents

// The t that fits log(sign·(y - c)) by weighted least squares; a relative error there is an
// absolute one of y.
Vector start_for(double floor, double sign, const Matrix& p, const Vector& y) {
  const Vector height = (sign * (y.array() - floor)).max(1e-9);
  const Vector logs = height.array().log();
  const Vector weights = height.array().square();
  const double mean = weights.dot(logs) / weights.sum();
  Matrix normal = p.transpose() * weights.asDiagonal() * p;
  normal.diagonal().array() += 1e-3 * weights.sum() / static_cast<double>(p.cols());
  const Vector t =
      normal.ldlt().solve(p.transpose() * weights.cwiseProduct((logs.array() - mean).matrix()));
  return t.array() + mean;
}

class LogLinear : public Predictor {
 public:
  explicit LogLinear(const LogLinearConfig& config) : config_(config) {}

  using Predictor::fit;
  using Predictor::predict;

  void fit(const Points& mixtures,
           std::span<const double> scores,
           std::span<const double>) override {
    DEMIX_CHECK(mixtures.rows() == scores.size() && !scores.empty());
    const Matrix p = as_matrix(mixtures);
    const Eigen::Map<const Vector> given(scores.data(), p.rows());
    centre_ = given.mean();
    scale_ = std::sqrt((given.array() - centre_).square().mean());
    law_.assign(1 + mixtures.columns(), 0.0);
    sign_ = noise_ = 0;  // constant
    covariance_ = Matrix::Zero(1, 1);
    if (!(scale_ > 1e-12 * std::abs(centre_)) || scale_ < 1e-300) return;
    const Vector y = (given.array() - centre_) / scale_;
    const std::span<const double> targets(y.data(), scores.size());

    struct Descent {
      double sign, loss;
      std::vector<double> law;
    };
    std::vector<Descent> descents;
    const double penalty = kPenalty / static_cast<double>(scores.size());
    const auto descend = [&](Descent& descent, int evaluations) {
      const auto minimum = minimise(
          [&](std::span<const double> x, std::span<double> gradient) {
            return log_linear_loss(
                x, descent.sign, mixtures, targets, kHuberWidth, penalty, gradient);
          },
          descent.law,
          {.evaluations = evaluations, .tolerance = 1e-7});
      descent.law = minimum.x;
      descent.loss = minimum.value;
    };
    for (const double sign : {1.0, -1.0}) {
      const double best_score = sign * (sign * y.array()).minCoeff();
      for (int k = 0; k < config_.starts; ++k) {
        // From just below the best score to four standard deviations away.
        const double away = 0.05 * std::pow(80, (k + 0.5) / config_.starts);
        const double floor = best_score - sign * away;
        const Vector t = start_for(floor, sign, p, y);
        descents.push_back({sign, 0, {floor}});
        descents.back().law.insert(descents.back().law.end(), t.begin(), t.end());
        descend(descents.back(), std::max(1, config_.evaluations / 8));
      }
    }
    // Most starts lead to the same few valleys, so only the lowest are followed to the end.
    std::stable_sort(descents.begin(), descents.end(), [](const Descent& a, const Descent& b) {
      return a.loss < b.loss;
    });
    descents.resize(std::min(descents.size(), kFollowed));
    for (Descent& descent : descents) descend(descent, config_.evaluations);
    const auto& best =
        *std::min_element(descents.begin(), descents.end(), [](const Descent& a, const Descent& b) {
          return a.loss < b.loss;
        });
    law_ = best.law;
    sign_ = best.sign;
    bound(y);
    measure_errors(p, y);
  }

  void predict(const Points& mixtures, std::span<double> predicted) const override {
    DEMIX_CHECK(mixtures.columns() + 1 == law_.size() && mixtures.rows() == predicted.size());
    Eigen::Map<Vector> result(predicted.data(), static_cast<Eigen::Index>(predicted.size()));
    result = centre_ + scale_ * (law_[0] + powers(as_matrix(mixtures)).array());
  }

  std::vector<Forecast> forecast(const Points& mixtures) const override {
    const auto means = predict(mixtures);
    std::vector<Forecast> forecasts(means.size());
    if (sign_ == 0) {
      for (size_t i = 0; i < means.size(); ++i) forecasts[i].mean = means[i];
      return forecasts;
    }
    const Matrix jacobian = jacobian_at(as_matrix(mixtures));
    for (size_t i = 0; i < means.size(); ++i) {
      const auto row = jacobian.row(static_cast<Eigen::Index>(i));
      forecasts[i] = {
          means[i], scale_ * std::sqrt(std::max(0.0, row.dot(row * covariance_))), scale_ * noise_};
    }
    return forecasts;
  }

  double slope(std::span<const double> mixture, std::span<double> gradient) const override {
    const Eigen::Map<const Vector> p(mixture.data(), static_cast<Eigen::Index>(mixture.size()));
    const double exponent = p.dot(coefficients());
    const double power = sign_ * std::exp(std::clamp(exponent, least_exponent_, largest_exponent_));
    const bool bounded = exponent < least_exponent_ || exponent > largest_exponent_;
    Eigen::Map<Vector>(gradient.data(), p.size()) = (bounded ? 0 : scale_ * power) * coefficients();
    return centre_ + scale_ * (law_[0] + power);
  }

 private:
  Eigen::Map<const Vector> coefficients() const {
    return {law_.data() + 1, static_cast<Eigen::Index>(law_.size() - 1)};
  }

  // The law's exponential, with its sign, at every mixture.
  Vector powers(const Eigen::Ref<const Matrix>& p) const {
    const Vector exponents = p * coefficients();
    return sign_ * exponents.array().max(least_exponent_).min(largest_exponent_).exp();
  }

  // An exponential extrapolates without limit.
  void bound(const Vector& y) {
    const double range = y.maxCoeff() - y.minCoeff();
    const double one = sign_ * (y.minCoeff() - kRangesBeyond * range - law_[0]);
    const double other = sign_ * (y.maxCoeff() + kRangesBeyond * range - law_[0]);
    const auto log = [](double power) { return std::log(std::max(power, 1e-300)); };
    least_exponent_ = log(std::min(one, other));
    largest_exponent_ = std::min(log(std::max(one, other)), kLargestExponent);
  }

  // Derivatives of the law by c and t at every mixture.
  Matrix jacobian_at(const Eigen::Ref<const Matrix>& p) const {
    Matrix jacobian(p.rows(), p.cols() + 1);
    jacobian.col(0).setOnes();
    jacobian.rightCols(p.cols()) = powers(p).asDiagonal() * p;
    return jacobian;
  }

  // The law's parameters are normal around the fit with the inverse of the loss's curvature.
  void measure_errors(const Matrix& p, const Vector& y) {
    const Matrix jacobian = jacobian_at(p);
    const Vector residuals = y - (law_[0] + powers(p).array()).matrix();
    const auto n = static_cast<double>(p.rows());
    const double squares = residuals.squaredNorm();
    const double free = std::max(1.0, n - static_cast<double>(law_.size()));
    noise_ = std::sqrt(squares / free);
    Matrix normal = jacobian.transpose() * jacobian;
    normal.diagonal().array() += 2 * kPenalty;
    covariance_ =
        noise_ * noise_ * normal.ldlt().solve(Matrix::Identity(normal.rows(), normal.cols()));
  }

  LogLinearConfig config_;
  std::vector<double> law_;  // c, then t, of standardised scores
  double sign_ = 0, centre_ = 0, scale_ = 1, noise_ = 0;
  double least_exponent_ = -kLargestExponent, largest_exponent_ = kLargestExponent;
  Matrix covariance_;  // of law_
};

}  // namespace

double log_linear_loss(std::span<const double> law,
                       double sign,
                       const Points& mixtures,
                       std::span<const double> scores,
                       double width,
                       double penalty,
                       std::span<double> gradient) {
  const auto p = as_matrix(mixtures);
  const Eigen::Map<const Vector> y(scores.data(), p.rows());
  const Eigen::Map<const Vector> t(law.data() + 1, p.cols());
  const auto n = static_cast<double>(p.rows());
  const Vector exponent = p * t;
  const Vector power = sign * exponent.array().min(kLargestExponent).exp();
  const Vector error = (power - y).array() + law[0];
  const Vector clipped = error.cwiseMax(-width).cwiseMin(width);  // Huber's derivative
  // ½e² inside, width·(|e| - ½width) outside: both are clipped·(e - ½clipped).
  double loss = clipped.dot(error - 0.5 * clipped) / n;
  gradient[0] = clipped.sum() / n;
  Eigen::Map<Vector> by_t(gradient.data() + 1, p.cols());
  by_t.noalias() = p.transpose() * clipped.cwiseProduct(power) / n;
  const Vector away = t.array() - t.mean();
  loss += penalty * away.squaredNorm();
  by_t += 2 * penalty * away;
  return loss;
}

void LogLinearConfig::check() const {
  if (starts < 1) throw Error("starts is {}, expected at least 1", starts);
  if (evaluations < 1) throw Error("evaluations is {}, expected at least 1", evaluations);
}

std::unique_ptr<Predictor> make_log_linear(const LogLinearConfig& config) {
  config.check();
  return std::make_unique<LogLinear>(config);
}

}  // namespace demix
