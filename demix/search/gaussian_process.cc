// Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), chapters 2 and 5:
//
//   z = f(u) + noise,   k(u, u') = s² · Matérn(|u - u'|²) + 1 + a² · (u - ū)·(u' - ū)
//   u_j = (φ(p_j) - φ(0)) / (φ(1) - φ(0)) / ℓ_j,   φ(p) = ((p + ε)^λ - 1) / λ
//   z = sinh(asinh(y) - κ), standardised
//   variance of the noise: τ² + σ² (dz/dy)² + what is known of the scores' errors
//
// Shares pass through a power (Box and Cox 1964), which holds logarithm, square root and identity:
// the first thousandth of a dataset changes more than the last. Each dataset has its own length ℓ.
// Scores pass through a skewed transform whose tails are linear (Jones and Pewsey 2009): far from
// its best a score is rougher and may be noisier: τ is noise that grows with it, in steps of z, σ
// is noise that is the same everywhere. The parameters maximise the marginal likelihood times weak
// priors, by its exact derivatives.
#include "demix/search/gaussian_process.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <optional>

#include "demix/core/error.h"
#include "demix/core/minimise.h"
#include "demix/core/parallel_for.h"
#include "demix/search/matern.h"
#include "demix/search/matrix.h"

namespace demix {
namespace {

// n mixtures, d columns; small letters are vectors
using RowVector = Eigen::RowVectorXd;
using Parameters = GaussianProcessParameters;

constexpr size_t kOwn = 7;  // parameters before the lengths

Eigen::Map<const Vector> as_vector(std::span<const double> values) {
  return {values.data(), static_cast<Eigen::Index>(values.size())};
}

// φ and its derivatives at one share.
struct Power {
  double value, by_share, by_log_offset, by_power;
};

Power power_of(double share, double offset, double power) {
  const double log = std::log(share + offset), scaled = power * log;
  const double slope = std::exp(scaled) / (share + offset);
  if (std::abs(scaled) < 1e-3) {
    return {log * (1 + scaled * (1.0 / 2 + scaled / 6)),
            slope,
            offset * slope,
            log * log * (1.0 / 2 + scaled * (1.0 / 3 + scaled / 8))};
  }
  const double rise = std::expm1(scaled);
  return {
      rise / power, slope, offset * slope, (scaled * std::exp(scaled) - rise) / (power * power)};
}

// Shares to [0, 1]: φ, moved and stretched.
class Feature {
 public:
  explicit Feature(const Parameters& parameters)
      : offset_(parameters.offset),
        power_(parameters.power),
        none_(power_of(0, offset_, power_)),
        range_(power_of(1, offset_, power_)) {
    range_.value -= none_.value;
    range_.by_log_offset -= none_.by_log_offset;
    range_.by_power -= none_.by_power;
  }

  Power operator()(double share) const {
    Power result = power_of(std::max(share, 0.0), offset_, power_);
    result.value = (result.value - none_.value) / range_.value;
    result.by_share /= range_.value;
    result.by_log_offset =
        (result.by_log_offset - none_.by_log_offset - result.value * range_.by_log_offset) /
        range_.value;
    result.by_power =
        (result.by_power - none_.by_power - result.value * range_.by_power) / range_.value;
    return result;
  }

 private:
  double offset_, power_;
  Power none_, range_;
};

// Scores, standardised, to z and back.
class Skew {
 public:
  Skew(std::span<const double> scores, double skew) : skew_(skew) {
    const double n = static_cast<double>(scores.size());
    centre_ = std::accumulate(scores.begin(), scores.end(), 0.0) / n;
    double squares = 0;
    for (double score : scores) squares += (score - centre_) * (score - centre_);
    spread_ = std::sqrt(squares / n);
    // Equal scores differ by rounding at most.
    if (!(spread_ > 1e-12 * std::abs(centre_)) || spread_ < 1e-300) spread_ = 0;
    z_.resize(static_cast<Eigen::Index>(scores.size()));
    slope_ = by_skew_ = z_;
    for (Eigen::Index i = 0; i < z_.size(); ++i) {
      const double y = constant() ? 0 : (scores[static_cast<size_t>(i)] - centre_) / spread_;
      const double t = std::asinh(y) - skew_;
      z_[i] = std::sinh(t);
      slope_[i] = std::cosh(t) / std::sqrt(1 + y * y);
      by_skew_[i] = -std::cosh(t);
    }
    z_centre_ = z_.mean();
    z_.array() -= z_centre_;
    if (constant()) return;
    z_spread_ = std::sqrt(z_.squaredNorm() / n);
    z_ /= z_spread_;
    slope_ /= z_spread_ * spread_;
    const double spread_by_skew = z_.dot(by_skew_) / n;
    // d log cosh(t) / dκ = -tanh(t), and by_skew is -cosh(t) so far.
    log_slope_by_skew_ =
        (z_.array() * z_spread_ + z_centre_) / by_skew_.array() - spread_by_skew / z_spread_;
    by_skew_ =
        ((by_skew_.array() - by_skew_.mean() - z_.array() * spread_by_skew) / z_spread_).matrix();
  }

  bool constant() const { return spread_ == 0; }
  const Vector& z() const { return z_; }
  double spread() const { return spread_; }       // of the scores; 0 where they are constant
  const Vector& slope() const { return slope_; }  // dz/dscore
  const Vector& by_skew() const { return by_skew_; }
  const Vector& log_slope_by_skew() const { return log_slope_by_skew_; }

  double z_of(double score) const {
    if (constant()) return 0;
    return (std::sinh(std::asinh((score - centre_) / spread_) - skew_) - z_centre_) / z_spread_;
  }
  double score(double z) const {
    return centre_ + spread_ * std::sinh(std::asinh(z * z_spread_ + z_centre_) + skew_);
  }
  double score_slope(double z) const {
    const double t = z * z_spread_ + z_centre_;
    return spread_ * z_spread_ * std::cosh(std::asinh(t) + skew_) / std::sqrt(1 + t * t);
  }

 private:
  double skew_, centre_, spread_, z_centre_ = 0, z_spread_ = 1;
  Vector z_, slope_, by_skew_, log_slope_by_skew_;
};

// The process given its data and parameters.
class Posterior {
 public:
  Posterior(const Parameters& parameters,
            const Points& mixtures,
            std::span<const double> scores,
            std::span<const double> standard_errors)
      : parameters_(parameters), feature_(parameters), skew_(scores, parameters.skew) {
    DEMIX_CHECK(mixtures.rows() == scores.size() && !scores.empty());
    DEMIX_CHECK(standard_errors.empty() || standard_errors.size() == scores.size());
    DEMIX_CHECK(parameters.lengths.size() == mixtures.columns());
    u_ = scaled(as_matrix(mixtures));
    u_mean_ = u_.colwise().mean();
    centred_ = u_.rowwise() - u_mean_;
    const Vector squares = u_.rowwise().squaredNorm();
    distances_ = -2 * u_ * u_.transpose();
    distances_.colwise() += squares;
    distances_.rowwise() += squares.transpose();
    distances_ = distances_.cwiseMax(0);
    distances_.diagonal().setZero();
    const double amplitude = square(parameters.amplitude);
    Matrix k = distances_.unaryExpr([&](double x) { return amplitude * matern(x) + 1; });
    k += square(parameters.trend) * centred_ * centred_.transpose();
    k.diagonal().array() += square(parameters.noise);
    const Vector steepness = skew_.slope().array().square();
    score_noise_ = square(parameters.score_noise * skew_.spread()) * steepness;
    varying_noise_ = score_noise_;
    if (!standard_errors.empty()) {
      varying_noise_ +=
          as_vector(standard_errors).array().square().matrix().cwiseProduct(steepness);
    }
    k.diagonal() += varying_noise_;
    factor_.compute(k);
    if (factor_.info() == Eigen::Success) alpha_ = factor_.solve(skew_.z());
  }

  bool valid() const { return factor_.info() == Eigen::Success && alpha_.allFinite(); }

  double log_likelihood() const {
    const auto n = static_cast<double>(alpha_.size());
    return -0.5 * skew_.z().dot(alpha_) - factor_.matrixLLT().diagonal().array().log().sum() -
           0.5 * n * std::log(2 * std::numbers::pi) + skew_.slope().array().log().sum();
  }

  // In the order of log_marginal_likelihood's header.
  void gradient(const Points& mixtures, std::span<double> gradient) const {
    const Eigen::Index n = u_.rows(), d = u_.cols();
    DEMIX_CHECK(gradient.size() == kOwn + static_cast<size_t>(d));
    // dL/dK = ½ (αα' - K⁻¹); K⁻¹ = L⁻ᵀL⁻¹
    Matrix inverse_factor = Matrix::Identity(n, n);
    factor_.matrixL().solveInPlace(inverse_factor);
    Matrix a = Matrix::Zero(n, n);
    a.selfadjointView<Eigen::Lower>().rankUpdate(inverse_factor.transpose(), -1);
    a.selfadjointView<Eigen::Lower>().rankUpdate(alpha_, 1);
    a.triangularView<Eigen::StrictlyUpper>() = a.transpose();

    const double amplitude = square(parameters_.amplitude), trend = square(parameters_.trend);
    const Matrix a_centred = a * centred_;
    gradient[3] = amplitude * a.cwiseProduct(distances_.unaryExpr(&matern)).sum();
    gradient[4] = square(parameters_.noise) * a.trace();
    gradient[5] = a.diagonal().dot(score_noise_);
    gradient[6] = trend * centred_.cwiseProduct(a_centred).sum();
    gradient[2] = -alpha_.dot(skew_.by_skew()) + skew_.log_slope_by_skew().sum() +
                  a.diagonal().cwiseProduct(varying_noise_).dot(skew_.log_slope_by_skew());

    const Matrix b = 0.5 * amplitude * a.cwiseProduct(distances_.unaryExpr(&matern_slope));
    const Vector sums = b.rowwise().sum();
    Matrix by_u = 4 * (sums.asDiagonal() * u_ - b * u_);
    by_u += trend * (a_centred.rowwise() - a_centred.colwise().mean());

    gradient[0] = gradient[1] = 0;
    const auto shares = as_matrix(mixtures);
    for (Eigen::Index j = 0; j < d; ++j) {
      gradient[kOwn + j] = -by_u.col(j).dot(u_.col(j));
      for (Eigen::Index i = 0; i < n; ++i) {
        const Power x = feature_(shares(i, j));
        gradient[0] += by_u(i, j) / parameters_.lengths[j] * x.by_log_offset;
        gradient[1] += by_u(i, j) / parameters_.lengths[j] * x.by_power;
      }
    }
  }

  // Features of mixtures over lengths.
  Matrix scaled(const Eigen::Ref<const Matrix>& shares) const {
    Matrix u(shares.rows(), shares.cols());
    for (Eigen::Index i = 0; i < u.rows(); ++i) {
      for (Eigen::Index j = 0; j < u.cols(); ++j) {
        u(i, j) = feature_(shares(i, j)).value / parameters_.lengths[j];
      }
    }
    return u;
  }

  // Kernel between the rows of scaled features `u` and the data.
  Matrix kernel(const Matrix& u) const {
    Matrix k(u.rows(), u_.rows());
    const double amplitude = square(parameters_.amplitude);
    for (Eigen::Index i = 0; i < k.rows(); ++i) {
      for (Eigen::Index j = 0; j < k.cols(); ++j) {
        k(i, j) = amplitude * matern((u.row(i) - u_.row(j)).squaredNorm()) + 1;
      }
    }
    k += square(parameters_.trend) * (u.rowwise() - u_mean_) * centred_.transpose();
    return k;
  }

  // Variance of f at rows of `u`, in units of z.
  Vector variance(const Matrix& u) const {
    Matrix w = kernel(u).transpose();
    factor_.matrixL().solveInPlace(w);
    Vector result = -w.colwise().squaredNorm().transpose();
    result.array() += square(parameters_.amplitude) + 1;
    result += square(parameters_.trend) * (u.rowwise() - u_mean_).rowwise().squaredNorm();
    return result.cwiseMax(0);
  }

  const Parameters& parameters() const { return parameters_; }
  const Feature& feature() const { return feature_; }
  const Skew& skew() const { return skew_; }
  const Matrix& u() const { return u_; }
  const RowVector& u_mean() const { return u_mean_; }
  const Vector& alpha() const { return alpha_; }
  // Mean of f is Σα + slope·(u - ū) + s² Σ_i α_i Matérn.
  RowVector slope() const { return square(parameters_.trend) * (alpha_.transpose() * centred_); }

 private:
  static double square(double x) { return x * x; }

  Parameters parameters_;
  Feature feature_;
  Skew skew_;
  Matrix u_, centred_, distances_;
  RowVector u_mean_;
  Vector score_noise_, varying_noise_;  // variances in units of z; the latter with known errors
  Eigen::LLT<Matrix> factor_;
  Vector alpha_;
};

// The parameters as one vector for the optimiser: those before the lengths as in
// log_marginal_likelihood's header, the log of a common length, and how far the log of each
// column's length lies from it.
constexpr size_t kLengths = kOwn + 1;

Parameters unpacked(std::span<const double> theta) {
  Parameters parameters{.offset = std::exp(theta[0]),
                        .power = theta[1],
                        .skew = theta[2],
                        .amplitude = std::exp(theta[3]),
                        .noise = std::exp(theta[4]),
                        .score_noise = std::exp(theta[5]),
                        .trend = std::exp(theta[6]),
                        .lengths = {}};
  for (double length : theta.subspan(kLengths)) {
    parameters.lengths.push_back(std::exp(theta[kOwn] + length));
  }
  return parameters;
}

// Normal priors, in the order of the vector; lower and upper bounds.
struct Prior {
  double mean, deviation, lower, upper;
};
constexpr Prior kPriors[] = {
    {-5.8, 1.5, -11.5, 0},  // log offset: around 0.003
    {0.25, 0.25, 0, 1},     // power
    {0, 0.7, -2, 2},        // skew
    {-0.5, 1, -4, 2},       // log amplitude
    {-2.5, 1.5, -7, 0.7},   // log noise
    {-2.5, 1.5, -7, 0.7},   // log score noise
    {-1.5, 1.5, -5, 3},     // log trend
    {0, 1, -4, 4},          // log of the common length
    {0, 1, -4, 4},          // log of a column's length over the common one
};

const Prior& prior_of(size_t parameter) { return kPriors[std::min(parameter, kLengths)]; }

// An even selection of the data's rows.
struct Rows {
  Rows(const Points& all,
       std::span<const double> all_scores,
       std::span<const double> all_errors,
       size_t count)
      : mixtures(all.columns()) {
    for (size_t k = 0; k < count; ++k) {
      const size_t i = k * all.rows() / count;
      mixtures.add(all.row(i));
      scores.push_back(all_scores[i]);
      if (!all_errors.empty()) standard_errors.push_back(all_errors[i]);
    }
  }

  Points mixtures;
  std::vector<double> scores, standard_errors;
};

class GaussianProcess : public Predictor {
 public:
  explicit GaussianProcess(const GaussianProcessConfig& config) : config_(config) {}

  using Predictor::fit;
  using Predictor::predict;

  void fit(const Points& mixtures,
           std::span<const double> scores,
           std::span<const double> standard_errors) override {
    if (mixtures.rows() > static_cast<size_t>(config_.rows)) {
      const Rows some(mixtures, scores, standard_errors, static_cast<size_t>(config_.rows));
      return fit(some.mixtures, some.scores, some.standard_errors);
    }
    std::vector<double> theta(kLengths + mixtures.columns());
    for (size_t k = 0; k < theta.size(); ++k) theta[k] = prior_of(k).mean;
    if (!Skew(scores, 0).constant()) {
      const auto few = static_cast<size_t>(config_.rows_for_start);
      if (mixtures.rows() > few) {
        const Rows some(mixtures, scores, standard_errors, few);
        learn(some.mixtures, some.scores, some.standard_errors, config_.evaluations, theta);
        learn(mixtures, scores, standard_errors, config_.evaluations_on_all, theta);
      } else {
        learn(mixtures, scores, standard_errors, config_.evaluations, theta);
      }
    }
    condition(unpacked(theta), mixtures, scores, standard_errors);
  }

  // Keeps what the data say under these parameters.
  void condition(Parameters parameters,
                 const Points& mixtures,
                 std::span<const double> scores,
                 std::span<const double> standard_errors) {
    posterior_.emplace(parameters, mixtures, scores, standard_errors);
    constexpr double kMostNoise = 1e6;  // of standardised scores
    while (!posterior_->valid()) {
      if (!(parameters.noise < kMostNoise)) {
        const auto [least, most] = std::minmax_element(scores.begin(), scores.end());
        throw Error(
            "the Gaussian process cannot learn from {} scores from {} to {}, expected finite ones "
            "whose squares are finite; look for a model whose score is no measurement",
            scores.size(),
            *least,
            *most);
      }
      parameters.noise *= 2;  // rounding: repeated rows and almost no noise
      posterior_.emplace(parameters, mixtures, scores, standard_errors);
    }
    Points centres(mixtures.columns());
    for (Eigen::Index i = 0; i < posterior_->u().rows(); ++i) {
      centres.add({posterior_->u().row(i).data(), mixtures.columns()});
    }
    const Vector weights = parameters.amplitude * parameters.amplitude * posterior_->alpha();
    sum_.emplace(centres, std::span(weights.data(), static_cast<size_t>(weights.size())));
    slope_ = posterior_->slope();
    constant_ = posterior_->alpha().sum() - slope_.dot(posterior_->u_mean());
  }

  void predict(const Points& mixtures, std::span<double> predicted) const override {
    DEMIX_CHECK(posterior_ && mixtures.columns() == static_cast<size_t>(slope_.size()));
    DEMIX_CHECK(mixtures.rows() == predicted.size());
    const auto shares = as_matrix(mixtures);
    constexpr size_t kRows = 1024;
    parallel_for((mixtures.rows() + kRows - 1) / kRows, config_.threads, [&](size_t block) {
      const size_t begin = block * kRows, count = std::min(kRows, mixtures.rows() - begin);
      const Matrix u = posterior_->scaled(shares.middleRows(begin, count));
      const auto z = predicted.subspan(begin, count);
      (*sum_)(u.data(), count, z.data());
      const Vector linear = u * slope_.transpose();
      for (size_t i = 0; i < count; ++i) {
        z[i] = posterior_->skew().score(z[i] + linear[static_cast<Eigen::Index>(i)] + constant_);
      }
    });
  }

  std::vector<Forecast> forecast(const Points& mixtures) const override {
    const auto means = predict(mixtures);
    const Vector variance = posterior_->variance(posterior_->scaled(as_matrix(mixtures)));
    std::vector<Forecast> forecasts(means.size());
    for (size_t i = 0; i < forecasts.size(); ++i) {
      const Skew& skew = posterior_->skew();
      const double slope = skew.score_slope(skew.z_of(means[i]));
      const Parameters& parameters = posterior_->parameters();
      forecasts[i] = {means[i],
                      slope * std::sqrt(variance[static_cast<Eigen::Index>(i)]),
                      std::hypot(slope * parameters.noise, skew.spread() * parameters.score_noise)};
    }
    return forecasts;
  }

  double slope(std::span<const double> mixture, std::span<double> gradient) const override {
    const Parameters& parameters = posterior_->parameters();
    const auto d = static_cast<Eigen::Index>(mixture.size());
    RowVector u(d), by_share(d);
    for (Eigen::Index j = 0; j < d; ++j) {
      const Power x = posterior_->feature()(mixture[static_cast<size_t>(j)]);
      u[j] = x.value / parameters.lengths[static_cast<size_t>(j)];
      by_share[j] = x.by_share / parameters.lengths[static_cast<size_t>(j)];
    }
    RowVector by_u = slope_;
    double z = constant_ + u.dot(slope_);
    const double amplitude = parameters.amplitude * parameters.amplitude;
    for (Eigen::Index i = 0; i < posterior_->u().rows(); ++i) {
      const RowVector difference = u - posterior_->u().row(i);
      const double squared = difference.squaredNorm();
      const double weight = amplitude * posterior_->alpha()[i];
      z += weight * matern(squared);
      by_u += 2 * weight * matern_slope(squared) * difference;
    }
    const double score = posterior_->skew().score(z);
    const double scale = posterior_->skew().score_slope(z);
    for (Eigen::Index j = 0; j < d; ++j) {
      gradient[static_cast<size_t>(j)] = scale * by_u[j] * by_share[j];
    }
    return score;
  }

 private:
  // Improves theta on these rows.
  static void learn(const Points& mixtures,
                    std::span<const double> scores,
                    std::span<const double> standard_errors,
                    int evaluations,
                    std::vector<double>& theta) {
    const double n = static_cast<double>(scores.size());
    std::vector<double> lower, upper;
    for (size_t k = 0; k < theta.size(); ++k) {
      lower.push_back(prior_of(k).lower);
      upper.push_back(prior_of(k).upper);
    }
    std::vector<double> by_parameter(kOwn + mixtures.columns());
    const SmoothFunction loss = [&](std::span<const double> x, std::span<double> gradient) {
      const double likelihood =
          log_marginal_likelihood(unpacked(x), mixtures, scores, standard_errors, by_parameter);
      double loss = -likelihood;
      gradient[kOwn] = 0;
      for (size_t k = 0; k < kOwn; ++k) gradient[k] = -by_parameter[k];
      for (size_t k = kLengths; k < x.size(); ++k) {
        gradient[k] = -by_parameter[k - 1];
        gradient[kOwn] -= by_parameter[k - 1];
      }
      for (size_t k = 0; k < x.size(); ++k) {
        const Prior& prior = prior_of(k);
        const double away = (x[k] - prior.mean) / prior.deviation;
        loss += 0.5 * away * away;
        gradient[k] += away / prior.deviation;
      }
      for (double& value : gradient) value /= n;
      return loss / n;
    };
    theta =
        minimise(loss,
                 theta,
                 {.lower = lower, .upper = upper, .evaluations = evaluations, .tolerance = 1e-5})
            .x;
  }

  GaussianProcessConfig config_;
  std::optional<Posterior> posterior_;
  std::optional<MaternSum> sum_;
  RowVector slope_;
  double constant_ = 0;
};

}  // namespace

double log_marginal_likelihood(const Parameters& parameters,
                               const Points& mixtures,
                               std::span<const double> scores,
                               std::span<const double> standard_errors,
                               std::span<double> gradient) {
  const Posterior posterior(parameters, mixtures, scores, standard_errors);
  std::fill(gradient.begin(), gradient.end(), 0.0);
  if (!posterior.valid()) return -std::numeric_limits<double>::infinity();
  if (!gradient.empty()) posterior.gradient(mixtures, gradient);
  return posterior.log_likelihood();
}

std::unique_ptr<Predictor> gaussian_process_of(const Parameters& parameters,
                                               const Points& mixtures,
                                               std::span<const double> scores,
                                               std::span<const double> standard_errors) {
  auto predictor = std::make_unique<GaussianProcess>(GaussianProcessConfig());
  predictor->condition(parameters, mixtures, scores, standard_errors);
  return predictor;
}

void GaussianProcessConfig::check() const {
  if (rows < 10) throw Error("rows is {}, expected at least 10", rows);
  if (rows_for_start < 10)
    throw Error("rows_for_start is {}, expected at least 10", rows_for_start);
  if (evaluations < 1) throw Error("evaluations is {}, expected at least 1", evaluations);
  if (evaluations_on_all < 1) {
    throw Error("evaluations_on_all is {}, expected at least 1", evaluations_on_all);
  }
  if (threads < 0) throw Error("threads is {}, expected 0 (all) or more", threads);
}

std::unique_ptr<Predictor> make_gaussian_process(const GaussianProcessConfig& config) {
  config.check();
  return std::make_unique<GaussianProcess>(config);
}

}  // namespace demix
