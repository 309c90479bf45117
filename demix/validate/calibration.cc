#include "demix/validate/calibration.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/ranks.h"
#include "demix/search/matern.h"

namespace demix {
namespace {

// The grid, in standard deviations of the trained scores and, for ℓ, in Hellinger's distance, which
// is at most √2.
constexpr double kLines[] = {0.2, 0.5, 1, 2};
constexpr double kBumps[] = {0.05, 0.15, 0.4, 1};
constexpr double kLengths[] = {0.3, 0.6, 1.2, 2.4};
constexpr double kNoises[] = {0.05, 0.1, 0.2, 0.4};
// Prior: logarithms are normal with deviation 1 around these.
constexpr double kLikelyLine = 1, kLikelyBump = 0.3, kLikelyNoise = 0.2;
constexpr double kIntercept = 4;      // variance of β₀
constexpr double kNegligible = 1e-4;  // of the posterior

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

double square(double x) { return x * x; }

double squared_distance(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += square(a[i] - b[i]);
  return sum;
}

double product(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

std::vector<double> roots_of(std::span<const double> shares) {
  std::vector<double> roots;
  for (const double share : shares) roots.push_back(std::sqrt(std::max(share, 0.0)));
  return roots;
}

}  // namespace

Calibration::Calibration(std::span<const std::vector<double>> estimates,
                         const Points& shares,
                         std::span<const double> trained)
    : standardised_(std::max<size_t>(estimates.size(), 1)), roots_(shares.columns()) {
  DEMIX_CHECK(trained.size() >= 3 && shares.rows() == trained.size());
  const auto n = static_cast<Eigen::Index>(trained.size());
  mean_ = mean(trained);
  if (const double deviation = standard_deviation(trained); deviation > 0) scale_ = deviation;
  for (const std::vector<double>& values : estimates) {
    DEMIX_CHECK(values.size() == trained.size());
    estimate_means_.push_back(mean(values));
    const double deviation = standard_deviation(values);
    estimate_scales_.push_back(deviation > 0 ? 1 / deviation : 0);
  }
  Eigen::VectorXd y(n);
  for (size_t i = 0; i < trained.size(); ++i) {
    std::vector<double> row(standardised_.columns(), 0);
    for (size_t f = 0; f < estimates.size(); ++f)
      row[f] = (estimates[f][i] - estimate_means_[f]) * estimate_scales_[f];
    standardised_.add(row);
    roots_.add(roots_of(shares.row(i)));
    y(static_cast<Eigen::Index>(i)) = (trained[i] - mean_) / scale_;
  }

  const auto columns = static_cast<double>(standardised_.columns());
  Eigen::MatrixXd lines(n, n), distances(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = 0; j < n; ++j) {
      const auto a = static_cast<size_t>(i), b = static_cast<size_t>(j);
      lines(i, j) = product(standardised_.row(a), standardised_.row(b)) / columns;
      distances(i, j) = squared_distance(roots_.row(a), roots_.row(b));
    }
  }
  std::vector<double> logs;
  for (const double length : kLengths) {
    const Eigen::MatrixXd bumps =
        distances.unaryExpr([&](double d) { return matern(d / square(length)); });
    for (const double line : kLines) {
      for (const double bump : kBumps) {
        for (const double noise : kNoises) {
          Eigen::MatrixXd K = square(line) * lines + square(bump) * bumps;
          K.array() += kIntercept;
          K.diagonal().array() += square(noise);
          const Eigen::LLT<Eigen::MatrixXd> cholesky(K);
          const Eigen::VectorXd solved = cholesky.solve(y);
          const RowMajor lower = cholesky.matrixL();
          logs.push_back(-0.5 * y.dot(solved) - lower.diagonal().array().log().sum() -
                         0.5 * (square(std::log(line / kLikelyLine)) +
                                square(std::log(bump / kLikelyBump)) +
                                square(std::log(noise / kLikelyNoise))));
          const RowMajor inverse =
              lower.triangularView<Eigen::Lower>().solve(Eigen::MatrixXd::Identity(n, n));
          processes_.push_back({0,
                                line,
                                bump,
                                length,
                                noise,
                                {solved.begin(), solved.end()},
                                {inverse.data(), inverse.data() + inverse.size()}});
        }
      }
    }
  }
  const double best = *std::max_element(logs.begin(), logs.end());
  double sum = 0;
  for (size_t i = 0; i < logs.size(); ++i) {
    processes_[i].weight = std::exp(logs[i] - best);
    if (processes_[i].weight < kNegligible) processes_[i].weight = 0;
    sum += processes_[i].weight;
  }
  std::erase_if(processes_, [](const Process& process) { return process.weight == 0; });
  for (Process& process : processes_) process.weight /= sum;
}

Forecast Calibration::expected(std::span<const double> estimates,
                               std::span<const double> shares) const {
  DEMIX_CHECK(estimates.size() == estimate_means_.size() && shares.size() == roots_.columns());
  std::vector<double> own(standardised_.columns(), 0);
  for (size_t f = 0; f < estimates.size(); ++f)
    own[f] = (estimates[f] - estimate_means_[f]) * estimate_scales_[f];
  const std::vector<double> roots = roots_of(shares);
  const auto columns = static_cast<double>(standardised_.columns());
  const size_t n = roots_.rows();
  std::vector<double> lines(n), distances(n);
  for (size_t i = 0; i < n; ++i) {
    lines[i] = product(standardised_.row(i), own) / columns;
    distances[i] = squared_distance(roots_.row(i), roots);
  }
  const double own_line = product(own, own) / columns;

  double first = 0, second = 0, noise = 0;  // moments of the mixture of processes
  Eigen::VectorXd k(static_cast<Eigen::Index>(n));
  for (const Process& process : processes_) {
    for (size_t i = 0; i < n; ++i)
      k(static_cast<Eigen::Index>(i)) =
          square(process.line) * lines[i] +
          square(process.bump) * matern(distances[i] / square(process.length)) + kIntercept;
    const auto rows = static_cast<Eigen::Index>(n);
    const double mean = k.dot(Eigen::Map<const Eigen::VectorXd>(process.solved.data(), rows));
    const Eigen::Map<const RowMajor> inverse(process.inverse_lower.data(), rows, rows);
    const double prior = square(process.line) * own_line + square(process.bump) + kIntercept;
    const double variance =
        std::max(0.0, prior - (inverse.triangularView<Eigen::Lower>() * k).squaredNorm());
    first += process.weight * mean;
    second += process.weight * (square(mean) + variance);
    noise += process.weight * square(process.noise);
  }
  return {mean_ + scale_ * first,
          scale_ * std::sqrt(std::max(0.0, second - square(first))),
          scale_ * std::sqrt(noise)};
}

DomainCalibrations::DomainCalibrations(std::span<const EstimatedMixture> references,
                                       const std::vector<std::vector<double>>& trained) {
  DEMIX_CHECK(!references.empty() && references.size() == trained.size());
  Points shares(references[0].shares.size());
  for (const EstimatedMixture& reference : references) shares.add(reference.shares);
  for (size_t d = 0; d < trained[0].size(); ++d) {
    std::vector<std::vector<double>> estimates;
    used_.emplace_back();
    for (size_t f = 0; f < references[0].estimates.size(); ++f) {
      std::vector<double> values;
      for (const EstimatedMixture& reference : references)
        values.push_back(reference.estimates[f][d]);
      if (!std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }))
        continue;
      estimates.push_back(std::move(values));
      used_.back().push_back(f);
    }
    std::vector<double> truth;
    for (const std::vector<double>& scores : trained) truth.push_back(scores[d]);
    calibrations_.emplace_back(estimates, shares, truth);
  }
}

std::vector<Forecast> DomainCalibrations::expected(const EstimatedMixture& mixture) const {
  std::vector<Forecast> forecasts;
  for (size_t d = 0; d < calibrations_.size(); ++d) {
    std::vector<double> estimates;
    for (const size_t f : used_[d]) estimates.push_back(mixture.estimates[f][d]);
    forecasts.push_back(calibrations_[d].expected(estimates, mixture.shares));
  }
  return forecasts;
}

namespace {

// What the references `taught` lead to expect of those of `of`, into their places in `expected`.
void expect_from(std::span<const EstimatedMixture> references,
                 const std::vector<std::vector<double>>& trained,
                 std::span<const size_t> taught,
                 std::span<const size_t> of,
                 std::vector<std::vector<Forecast>>& expected) {
  std::vector<EstimatedMixture> known;
  std::vector<std::vector<double>> known_trained;
  for (const size_t reference : taught) {
    known.push_back(references[reference]);
    known_trained.push_back(trained[reference]);
  }
  const DomainCalibrations calibrations(known, known_trained);
  for (const size_t reference : of)
    expected[reference] = calibrations.expected(references[reference]);
}

}  // namespace

std::vector<std::vector<Forecast>> calibrated_by_others(
    std::span<const EstimatedMixture> references, const std::vector<std::vector<double>>& trained) {
  DEMIX_CHECK(references.size() >= 4);
  const size_t groups = std::min(references.size(), kGroups);
  std::vector<std::vector<Forecast>> expected(references.size());
  for (size_t group = 0; group < groups; ++group) {
    std::vector<size_t> own, others;
    for (size_t i = 0; i < references.size(); ++i)
      (i % groups == group ? own : others).push_back(i);
    expect_from(references, trained, others, own, expected);
  }
  return expected;
}

std::vector<std::vector<Forecast>> calibrated_by_few(
    std::span<const EstimatedMixture> references,
    const std::vector<std::vector<double>>& trained,
    size_t few) {
  DEMIX_CHECK(few >= 3);
  const size_t groups = references.size() / few;
  if (groups < 2) return {};
  std::vector<std::vector<Forecast>> expected(references.size());
  for (size_t group = 0; group < groups; ++group) {
    std::vector<size_t> taught(few), of;
    std::iota(taught.begin(), taught.end(), group * few);
    // Those behind the last whole group are foretold by it.
    for (size_t i = 0; i < references.size(); ++i)
      if ((std::min(i / few, groups) + groups - 1) % groups == group) of.push_back(i);
    expect_from(references, trained, taught, of, expected);
  }
  return expected;
}

}  // namespace demix
