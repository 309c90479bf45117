#include "demix/search/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/error.h"

namespace demix {
namespace {

// Draws outside the constraints are drawn again so often before the last one is pulled inside. More
// would be truer to the conditional distribution, and slower where constraints are tight.
constexpr int kDraws = 16;

// prior^power, rescaled.
std::vector<double> tempered(std::span<const double> prior, double power) {
  std::vector<double> result;
  double sum = 0;
  for (double p : prior) sum += result.emplace_back(p > 0 ? std::pow(p, power) : 0);
  for (double& p : result) p /= sum;
  return result;
}

std::vector<double> strengths(const SamplerConfig& config) {
  std::vector<double> values;
  const double low = std::log(config.min_strength), high = std::log(config.max_strength);
  for (int k = 0; k < config.strengths; ++k) {
    const double t = config.strengths == 1 ? 0 : static_cast<double>(k) / (config.strengths - 1);
    values.push_back(std::exp(low + t * (high - low)));
  }
  return values;
}

// Weights below the least become zero, the rest are rescaled.
std::vector<double> without_crumbs(std::vector<double> weights, double min_weight) {
  double sum = 0;
  for (double& w : weights) {
    if (w < min_weight) w = 0;
    sum += w;
  }
  for (double& w : weights) w /= sum;
  return weights;
}

class Draw {
 public:
  Draw(const SamplerConfig& config, std::span<const double> prior, const FeasibleSet& feasible)
      : config_(config), feasible_(feasible), strengths_(strengths(config)) {
    const auto base = tempered(prior, config.prior_power);
    for (size_t i = 0; i < base.size(); ++i) {
      if (base[i] > 0) {
        support_.push_back(i);
        base_.push_back(base[i]);
      }
    }
    size_ = base.size();
  }

  std::vector<double> operator()(Rng& rng) const {
    const double strength = strengths_[rng.below(strengths_.size())];
    std::vector<double> concentrations = base_;
    for (double& c : concentrations) c *= strength;
    std::vector<double> weights;
    for (int attempt = 0; attempt < kDraws; ++attempt) {
      const auto drawn = rng.dirichlet(concentrations);
      weights.assign(size_, 0);
      for (size_t k = 0; k < support_.size(); ++k) weights[support_[k]] = drawn[k];
      weights = without_crumbs(std::move(weights), config_.min_weight);
      if (feasible_.contains(weights)) return weights;
    }
    return inside(weights);
  }

 private:
  std::vector<double> inside(const std::vector<double>& drawn) const {
    auto weights = feasible_.pull_inside(drawn);
    // That may bring small weights back: forbid them until none is left, where constraints allow.
    for (size_t pass = 0; pass < size_; ++pass) {
      std::vector<bool> zero(size_);
      bool crumbs = false;
      for (size_t i = 0; i < size_; ++i) {
        zero[i] = weights[i] < config_.min_weight;
        crumbs |= zero[i] && weights[i] > 0;
      }
      if (!crumbs) break;
      const auto without = feasible_.project(weights, zero);
      if (!without) break;
      weights = *without;
    }
    return weights;
  }

  const SamplerConfig& config_;
  const FeasibleSet& feasible_;
  std::vector<double> strengths_;
  std::vector<size_t> support_;  // components with a positive prior
  std::vector<double> base_;     // their tempered prior
  size_t size_ = 0;
};

}  // namespace

void SamplerConfig::check() const {
  if (!(prior_power >= 0 && std::isfinite(prior_power))) {
    throw Error("prior_power is {}, expected 0 (uniform) or more", prior_power);
  }
  if (!(min_strength > 0 && max_strength >= min_strength && std::isfinite(max_strength))) {
    throw Error(
        "min_strength is {} and max_strength is {}, expected 0 < min_strength <= max_strength",
        min_strength,
        max_strength);
  }
  if (strengths < 1) throw Error("strengths is {}, expected at least 1", strengths);
  if (!(min_weight >= 0 && min_weight < 1))
    throw Error("min_weight is {}, expected from 0 to below 1", min_weight);
  if (!(duplicate_l1 >= 0)) throw Error("duplicate_l1 is {}, expected 0 or more", duplicate_l1);
}

std::vector<size_t> distinct_rows(const Points& points, double l1, const Points* known) {
  // |r·x - r·y| <= ‖x - y‖₁ when |r_i| <= 1: in the order of r·x, duplicates of a row stand within
  // l1 of it. The coefficients only have to spread the rows.
  const size_t known_rows = known ? known->rows() : 0;
  const size_t rows = known_rows + points.rows();
  const auto row = [&](size_t i) {
    return i < known_rows ? known->row(i) : points.row(i - known_rows);
  };
  std::vector<double> key(rows);
  for (size_t i = 0; i < rows; ++i) {
    const auto x = row(i);
    for (size_t j = 0; j < x.size(); ++j) {
      const double golden = 0.6180339887498949 * static_cast<double>(j + 1);
      key[i] += x[j] * (golden - std::floor(golden));
    }
  }
  std::vector<size_t> order(rows);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return key[a] != key[b] ? key[a] < key[b] : a < b;
  });
  std::vector<size_t> place(rows);
  for (size_t k = 0; k < rows; ++k) place[order[k]] = k;

  std::vector<bool> kept(rows);
  std::vector<size_t> result;
  const auto repeats = [&](size_t i) {
    const auto near = [&](size_t other) {
      return kept[other] && l1_distance(row(i), row(other)) <= l1;
    };
    for (size_t k = place[i]; k-- > 0 && key[i] - key[order[k]] <= l1;) {
      if (near(order[k])) return true;
    }
    for (size_t k = place[i] + 1; k < rows && key[order[k]] - key[i] <= l1; ++k) {
      if (near(order[k])) return true;
    }
    return false;
  };
  for (size_t i = 0; i < rows; ++i) {
    if (i >= known_rows && repeats(i)) continue;
    kept[i] = true;
    if (i >= known_rows) result.push_back(i - known_rows);
  }
  return result;
}

Points sample_mixtures(const SamplerConfig& config,
                       std::span<const double> prior,
                       const FeasibleSet& feasible,
                       size_t count,
                       Rng& rng,
                       const Points* known) {
  config.check();
  const size_t n = feasible.composition().components().size();
  if (prior.size() != n) throw Error("the prior has {} weights for {} components", prior.size(), n);
  for (size_t i = 0; i < n; ++i) {
    if (!(prior[i] >= 0 && std::isfinite(prior[i]))) {
      throw Error("the prior of component '{}' is {}, expected 0 or more",
                  feasible.composition().components()[i],
                  prior[i]);
    }
  }
  if (!(std::accumulate(prior.begin(), prior.end(), 0.0) > 0))
    throw Error("the prior is zero for every component");

  if (config.min_weight * static_cast<double>(n) > 1) {
    throw Error("min_weight is {}, but the weights of {} components average {:.4g}",
                config.min_weight,
                n,
                1.0 / static_cast<double>(n));
  }

  const Draw draw(config, prior, feasible);
  return distinct_draws([&] { return draw(rng); }, n, count, config.duplicate_l1, known);
}

Points distinct_draws(const std::function<std::vector<double>()>& draw,
                      size_t columns,
                      size_t count,
                      double l1,
                      const Points* known) {
  Points drawn(columns);
  drawn.reserve(count);
  // A set that is nearly a point repeats itself; a few more batches, then what there is.
  constexpr int kBatches = 8;
  for (int batch = 0; batch < kBatches && drawn.rows() < count; ++batch) {
    const size_t before = drawn.rows(), missing = count - before;
    for (size_t k = 0; k < missing + missing / 8 + 16; ++k) drawn.add(draw());
    Points distinct(columns);
    distinct.reserve(count);
    for (size_t i : distinct_rows(drawn, l1, known)) {
      if (distinct.rows() < count) distinct.add(drawn.row(i));
    }
    const bool exhausted = batch > 0 && distinct.rows() == before;
    drawn = std::move(distinct);
    if (exhausted) break;
  }
  return drawn;
}

}  // namespace demix
