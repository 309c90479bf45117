// Do derivatives of the scores by the merge weights pay as further observations?
//
//     cmake --build --preset release --target bench_gradients
//     build/release/bench_gradients TABLE.csv|smooth_7|smooth_15 [--seeds 20] [--plain 15,24,45]
//         [--with 5,8,15] [--noise 0.1] [--slope_noise 0.1]
//
// TABLE.csv is of bench/gradient_table.py: measured losses of merged models and their exact
// derivatives. There each seed learns from some of its rows, and what it predicts is compared with
// the others: root mean square error in deviations of the scores, and by how much the goal (mean of
// the standardised scores) of the row with the best prediction falls short of the best row, in its
// deviations. A smooth landscape gives the same of 300 other draws, with noise on scores and on
// derivatives (in deviations of either). The predictor is a Gaussian process with the kernel of
// demix/search/gaussian_process.cc, without its skew, whose parameters maximise the marginal
// likelihood of all that is observed, derivatives along the simplex included. One row with
// derivatives costs as much as 2.7 without (measured by gradient_table.py; a backward pass alone
// 1.7), so that 5, 9 and 17 rows with them compare with 14, 24 and 45 without.
#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "bench/landscape.h"
#include "bench/paired.h"
#include "demix/core/error.h"
#include "demix/core/parallel_for.h"
#include "demix/search/matern.h"

namespace demix {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

// Rows of mixtures with one domain's score and its derivatives by every share.
struct Observed {
  std::vector<Vector> mixtures;
  std::vector<double> scores;
  std::vector<Vector> slopes;  // as many, or none

  Eigen::Index columns() const { return mixtures[0].size(); }
};

// log offset, power, log amplitude, log noise, log trend, log noise of slopes, log of the common
// length, of each column over it: means, deviations and bounds as in gaussian_process.cc.
constexpr size_t kLengths = 7;
struct Prior {
  double mean, deviation, lower, upper;
};
constexpr Prior kPriors[] = {{-5.8, 1.5, -11.5, 0},
                             {0.25, 0.25, 0, 1},
                             {-0.5, 1, -4, 2},
                             {-2.5, 1.5, -7, 0.7},
                             {-1.5, 1.5, -5, 3},
                             {-2.5, 1.5, -7, 0.7},
                             {0, 1, -4, 4},
                             {0, 1, -4, 4}};
const Prior& prior_of(size_t k) { return kPriors[std::min(k, kLengths)]; }

class Process {
 public:
  // Scores and slopes are standardised by the spread of the scores.
  explicit Process(const Observed& observed) : data_(observed) {
    const double n = static_cast<double>(data_.scores.size());
    centre_ = std::accumulate(data_.scores.begin(), data_.scores.end(), 0.0) / n;
    double squares = 0;
    for (double score : data_.scores) squares += (score - centre_) * (score - centre_);
    spread_ = std::sqrt(squares / n);
    const Eigen::Index rows = static_cast<Eigen::Index>(data_.scores.size()), k = data_.columns();
    const Eigen::Index directions = data_.slopes.empty() ? 0 : k - 1;
    directions_ = Matrix::Zero(k, directions);  // orthonormal, each along the simplex (Helmert)
    for (Eigen::Index j = 0; j < directions; ++j) {
      const double length = std::sqrt(static_cast<double>((j + 1) * (j + 2)));
      directions_.col(j).head(j + 1).setConstant(1 / length);
      directions_(j + 1, j) = -static_cast<double>(j + 1) / length;
    }
    y_.resize(rows * (1 + directions));
    double slope_squares = 0;
    for (Eigen::Index i = 0; i < rows; ++i) {
      const auto at = static_cast<size_t>(i);
      y_[i] = (data_.scores[at] - centre_) / spread_;
      if (directions == 0) continue;
      y_.segment(rows + i * directions, directions) =
          directions_.transpose() * data_.slopes[at] / spread_;
      slope_squares += y_.segment(rows + i * directions, directions).squaredNorm();
    }
    if (directions > 0)
      slope_spread_ = std::sqrt(slope_squares / static_cast<double>(rows * directions));
    learn();
  }

  double predict(const Vector& mixture) const {
    const Matrix cross = covariance({mixture}, false, false);
    return centre_ + spread_ * (cross * alpha_)(0);
  }

 private:
  void unpack(std::span<const double> theta) {
    offset_ = std::exp(theta[0]);
    power_ = theta[1];
    amplitude_ = std::exp(2 * theta[2]);
    noise_ = std::exp(2 * theta[3]);
    trend_ = std::exp(2 * theta[4]);
    slope_noise_ = std::exp(2 * theta[5]) * slope_spread_ * slope_spread_;
    lengths_.resize(data_.columns());
    for (Eigen::Index j = 0; j < lengths_.size(); ++j)
      lengths_[j] = std::exp(theta[6] + theta[kLengths + static_cast<size_t>(j)]);
  }

  // Feature over length, and its derivative by the share.
  std::pair<Vector, Vector> features(const Vector& mixture) const {
    const auto box = [&](double x) {
      return power_ < 1e-3 ? std::log(x + offset_) : (std::pow(x + offset_, power_) - 1) / power_;
    };
    const double none = box(0), range = box(1) - none;
    Vector u(mixture.size()), slope(mixture.size());
    for (Eigen::Index j = 0; j < u.size(); ++j) {
      const double share = std::max(mixture[j], 0.0);
      u[j] = (box(share) - none) / range / lengths_[j];
      slope[j] = std::pow(share + offset_, power_ - 1) / range / lengths_[j];
    }
    return {u, slope};
  }

  // Between scores (and slopes, if wanted) at `points` and all that was observed; the noise is
  // added where `noise` says which observations these are.
  Matrix covariance(const std::vector<Vector>& points, bool slopes, bool noisy) const {
    const auto n = static_cast<Eigen::Index>(points.size());
    const auto m = static_cast<Eigen::Index>(data_.mixtures.size());
    const Eigen::Index d = directions_.cols(), mine = slopes ? d : 0;
    std::vector<std::pair<Vector, Vector>> ours, theirs;
    for (const Vector& point : points) ours.push_back(features(point));
    for (const Vector& point : data_.mixtures) theirs.push_back(features(point));
    Vector mean = Vector::Zero(lengths_.size());
    for (const auto& [u, slope] : theirs) mean += u / static_cast<double>(m);
    Matrix k(n * (1 + mine), m * (1 + d));
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto& [u, du] = ours[static_cast<size_t>(i)];
      const Matrix a = du.asDiagonal() * directions_;  // features by directions
      for (Eigen::Index j = 0; j < m; ++j) {
        const auto& [v, dv] = theirs[static_cast<size_t>(j)];
        const Vector apart = u - v;
        const double t = std::sqrt(3 * apart.squaredNorm()), e = std::exp(-t);
        k(i, j) = amplitude_ * (1 + t) * e + 1 + trend_ * (u - mean).dot(v - mean);
        if (d == 0) continue;
        const Matrix b = dv.asDiagonal() * directions_;
        // d/dv of (1 + t) e⁻ᵗ is 3 (u - v) e⁻ᵗ
        k.block(i, m + j * d, 1, d) =
            ((3 * amplitude_ * e * apart + trend_ * (u - mean)).transpose() * b);
        if (mine == 0) continue;
        k.block(n + i * d, j, d, 1) =
            a.transpose() * (-3 * amplitude_ * e * apart + trend_ * (v - mean));
        Matrix second = Matrix::Identity(u.size(), u.size()) * (3 * amplitude_ * e + trend_);
        if (t > 0) second -= 9 * amplitude_ * e / t * apart * apart.transpose();
        k.block(n + i * d, m + j * d, d, d) = a.transpose() * second * b;
      }
    }
    if (noisy) {
      k.diagonal().head(m).array() += noise_;
      k.diagonal().tail(m * d).array() += slope_noise_;
    }
    return k;
  }

  double loss(std::span<const double> theta) {
    unpack(theta);
    const Eigen::LLT<Matrix> factor(covariance(data_.mixtures, directions_.cols() > 0, true));
    if (factor.info() != Eigen::Success) return 1e6;
    alpha_ = factor.solve(y_);
    double value = 0.5 * y_.dot(alpha_) + factor.matrixLLT().diagonal().array().log().sum();
    for (size_t k = 0; k < theta.size(); ++k) {
      const double away = (theta[k] - prior_of(k).mean) / prior_of(k).deviation;
      value += 0.5 * away * away;
    }
    return value / static_cast<double>(y_.size());
  }

  void learn() {
    std::vector<double> theta, lower, upper;
    for (size_t k = 0; k < kLengths + static_cast<size_t>(data_.columns()); ++k) {
      theta.push_back(prior_of(k).mean);
      lower.push_back(prior_of(k).lower);
      upper.push_back(prior_of(k).upper);
    }
    const SmoothFunction by_differences = [&](std::span<const double> x, std::span<double> slope) {
      constexpr double kStep = 1e-4;
      std::vector<double> moved(x.begin(), x.end());
      const double value = loss(x);
      for (size_t k = 0; k < x.size(); ++k) {
        moved[k] = x[k] + kStep;
        slope[k] = (loss(moved) - value) / kStep;
        moved[k] = x[k];
      }
      return value;
    };
    theta = minimise(by_differences,
                     theta,
                     {.lower = lower, .upper = upper, .evaluations = 40, .tolerance = 1e-4})
                .x;
    loss(theta);
  }

  const Observed& data_;
  double centre_, spread_, slope_spread_ = 1;
  Matrix directions_;
  Vector y_, alpha_;
  double offset_ = 0, power_ = 0, amplitude_ = 0, noise_ = 0, trend_ = 0, slope_noise_ = 0;
  Vector lengths_;
};

struct Options {
  std::string data;
  int seeds = 20, threads = 0;
  std::vector<size_t> plain = {14, 24, 45}, with = {5, 9, 17};
  double noise = 0.1, slope_noise = 0.1;
};

// By domain: all rows that can be learned from or judged.
using Table = std::vector<Observed>;

Table read_table(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) throw Error("{}: cannot be read, or is empty", file);
  std::vector<std::string> names;
  for (size_t from = 0; from <= line.size();) {
    const size_t to = std::min(line.find(',', from), line.size());
    names.push_back(line.substr(from, to - from));
    from = to + 1;
  }
  const auto columns = static_cast<Eigen::Index>(
      std::count_if(names.begin(), names.end(), [](const std::string& name) {
        return name.starts_with("weight_");
      }));
  Table table((names.size() - static_cast<size_t>(columns)) / static_cast<size_t>(columns + 1));
  while (std::getline(in, line)) {
    std::vector<double> values;
    for (size_t from = 0; from < line.size();) {
      const size_t to = std::min(line.find(',', from), line.size());
      values.push_back(std::stod(line.substr(from, to - from)));
      from = to + 1;
    }
    const Eigen::Map<const Vector> row(values.data(), static_cast<Eigen::Index>(values.size()));
    for (size_t d = 0; d < table.size(); ++d) {
      const Eigen::Index at = columns + static_cast<Eigen::Index>(d) * (columns + 1);
      table[d].mixtures.push_back(row.head(columns));
      table[d].scores.push_back(-row[at]);
      table[d].slopes.push_back(-row.segment(at + 1, columns));
    }
  }
  return table;
}

// 400 draws of a landscape, a hundredth of each away from the edges, where its slopes have no
// bound.
Table drawn_table(size_t datasets, uint64_t seed) {
  const Landscape truth = smooth_landscape(datasets, seed);
  Rng rng = Rng(seed).stream("gradients");
  Table table;
  Points points(datasets);
  std::vector<Vector> mixtures;
  for (int i = 0; i < 400; ++i) {
    auto shares = rng.dirichlet(std::vector<double>(datasets, i % 2 ? 1 : 0.4));
    for (double& share : shares) share = 0.99 * share + 0.01 / static_cast<double>(datasets);
    points.add(shares);
    mixtures.push_back(
        Eigen::Map<const Vector>(shares.data(), static_cast<Eigen::Index>(datasets)));
  }
  const auto scores = truth.scores(points);
  for (const auto& domain : scores) {
    table.emplace_back();
    table.back().mixtures = mixtures;
    table.back().scores = domain;
    table.back().slopes.assign(mixtures.size(), Vector(static_cast<Eigen::Index>(datasets)));
  }
  for (size_t j = 0; j < datasets; ++j) {
    constexpr double kStep = 1e-7;
    Points moved(datasets);
    for (const Vector& mixture : mixtures) {
      std::vector<double> shares(mixture.data(), mixture.data() + mixture.size());
      shares[j] += kStep;
      moved.add(shares);
    }
    const auto after = truth.scores(moved);
    for (size_t d = 0; d < table.size(); ++d) {
      for (size_t i = 0; i < mixtures.size(); ++i)
        table[d].slopes[i][static_cast<Eigen::Index>(j)] = (after[d][i] - scores[d][i]) / kStep;
    }
  }
  return table;
}

double slope_deviation(const Observed& domain) {
  double squares = 0;
  for (const Vector& slope : domain.slopes)
    squares +=
        (slope.array() - slope.mean()).matrix().squaredNorm() / static_cast<double>(slope.size());
  return std::sqrt(squares / static_cast<double>(domain.slopes.size()));
}

struct Outcome {
  double error, regret;
};

Outcome learn_and_judge(
    const Table& table, size_t rows, bool with_slopes, uint64_t seed, const Options& options) {
  const bool measured = options.data.ends_with(".csv");
  std::vector<size_t> order(table[0].scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  Rng(seed).stream("rows").shuffle(std::span<size_t>(order));
  if (rows + 20 > order.size()) throw Error("{}: too few rows", options.data);
  std::vector<double> goal(order.size() - rows), predicted_goal(order.size() - rows);
  double squares = 0;
  for (const Observed& domain : table) {
    const double spread = standard_deviation(domain.scores), slopes = slope_deviation(domain);
    Rng noise = Rng(seed).stream("noise");
    Observed seen;
    for (size_t i = 0; i < rows; ++i) {
      seen.mixtures.push_back(domain.mixtures[order[i]]);
      seen.scores.push_back(domain.scores[order[i]] +
                            (measured ? 0 : options.noise * spread * noise.normal()));
      if (!with_slopes) continue;
      seen.slopes.push_back(domain.slopes[order[i]]);
      for (double& slope : seen.slopes.back())
        slope += measured ? 0 : options.slope_noise * slopes * noise.normal();
    }
    const Process process(seen);
    for (size_t i = rows; i < order.size(); ++i) {
      const double error = (process.predict(domain.mixtures[order[i]]) - domain.scores[order[i]]);
      squares += error * error / spread / spread / static_cast<double>(goal.size() * table.size());
      goal[i - rows] += domain.scores[order[i]] / spread;
      predicted_goal[i - rows] += (domain.scores[order[i]] + error) / spread;
    }
  }
  const auto chosen =
      std::max_element(predicted_goal.begin(), predicted_goal.end()) - predicted_goal.begin();
  const double best = *std::max_element(goal.begin(), goal.end());
  return {std::sqrt(squares),
          (best - goal[static_cast<size_t>(chosen)]) / standard_deviation(goal)};
}

void run(const Options& options) {
  const bool measured = options.data.ends_with(".csv");
  std::vector<Table> tables;
  if (measured) {
    tables.push_back(read_table(options.data));
  } else if (options.data.starts_with("smooth_")) {
    for (int seed = 1; seed <= options.seeds; ++seed)
      tables.push_back(
          drawn_table(std::stoul(options.data.substr(7)), static_cast<uint64_t>(seed)));
  } else {
    throw Error("{}: expected TABLE.csv or smooth_N", options.data);
  }
  fmt::print("{}, {} seeds: rows, cost in rows without derivatives, error [95 %], regret [95 %]\n",
             options.data,
             options.seeds);
  const auto print = [&](size_t rows, bool with_slopes) {
    std::vector<double> errors(static_cast<size_t>(options.seeds)), regrets = errors;
    parallel_for(errors.size(), options.threads, [&](size_t seed) {
      const auto outcome =
          learn_and_judge(tables[measured ? 0 : seed], rows, with_slopes, seed + 1, options);
      errors[seed] = outcome.error;
      regrets[seed] = outcome.regret;
    });
    const MeanInterval error = bootstrap(errors), regret = bootstrap(regrets);
    fmt::print("| {} | {} | {:.1f} | {:.3f} [{:.3f}, {:.3f}] | {:.3f} [{:.3f}, {:.3f}] |\n",
               with_slopes ? "with derivatives" : "scores alone",
               rows,
               static_cast<double>(rows) * (with_slopes ? 2.7 : 1),
               error.mean,
               error.low,
               error.high,
               regret.mean,
               regret.low,
               regret.high);
    std::fflush(stdout);
  };
  for (size_t rows : options.plain) print(rows, false);
  for (size_t rows : options.with) print(rows, true);
}

Options read_options(const std::vector<std::string>& arguments) {
  if (arguments.empty()) throw Error("usage: bench_gradients TABLE.csv|smooth_N [OPTIONS]");
  Options options{.data = arguments[0]};
  const auto numbers = [](const std::string& text) {
    std::vector<size_t> values;
    for (size_t from = 0; from < text.size();) {
      const size_t to = std::min(text.find(',', from), text.size());
      values.push_back(std::stoul(text.substr(from, to - from)));
      from = to + 1;
    }
    return values;
  };
  for (size_t i = 1; i + 1 < arguments.size(); i += 2) {
    const std::string &key = arguments[i], &value = arguments[i + 1];
    if (key == "--seeds") {
      options.seeds = std::stoi(value);
    } else if (key == "--threads") {
      options.threads = std::stoi(value);
    } else if (key == "--plain") {
      options.plain = numbers(value);
    } else if (key == "--with") {
      options.with = numbers(value);
    } else if (key == "--noise") {
      options.noise = std::stod(value);
    } else if (key == "--slope_noise") {
      options.slope_noise = std::stod(value);
    } else {
      throw Error("there is no option '{}'", key);
    }
  }
  return options;
}

}  // namespace
}  // namespace demix

int main(int argc, char** argv) {
  try {
    demix::run(demix::read_options({argv + 1, argv + argc}));
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_gradients: {}\n", demix::error_chain(error));
    return 1;
  }
}
