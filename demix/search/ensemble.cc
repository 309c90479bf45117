#include "demix/search/ensemble.h"

#include <algorithm>
#include <numeric>

#include "demix/core/quadratic_program.h"

namespace demix {
namespace {

// Both kinds are made of predictors that have been fitted.
class Fitted : public Predictor {
 public:
  void fit(const Points&, std::span<const double>, std::span<const double>) override {
    throw Error("this predictor is made of fitted ones");
  }
};

class Calibrated : public Fitted {
 public:
  Calibrated(std::unique_ptr<Predictor> predictor, double scale)
      : predictor_(std::move(predictor)), scale_(scale) {}

  using Predictor::predict;

  void predict(const Points& mixtures, std::span<double> predicted) const override {
    predictor_->predict(mixtures, predicted);
  }
  std::vector<Forecast> forecast(const Points& mixtures) const override {
    auto forecasts = predictor_->forecast(mixtures);
    for (Forecast& forecast : forecasts) {
      forecast.uncertainty *= scale_;
      forecast.noise *= scale_;
    }
    return forecasts;
  }
  double slope(std::span<const double> mixture, std::span<double> gradient) const override {
    return predictor_->slope(mixture, gradient);
  }
  bool smooth() const override { return predictor_->smooth(); }

 private:
  std::unique_ptr<Predictor> predictor_;
  double scale_;
};

class Ensemble : public Fitted {
 public:
  Ensemble(std::vector<std::unique_ptr<Predictor>> members, std::vector<double> weights)
      : members_(std::move(members)), weights_(std::move(weights)) {
    DEMIX_CHECK(!members_.empty() && members_.size() == weights_.size());
  }

  using Predictor::predict;

  void predict(const Points& mixtures, std::span<double> predicted) const override {
    std::fill(predicted.begin(), predicted.end(), 0.0);
    std::vector<double> one(predicted.size());
    for (size_t k = 0; k < members_.size(); ++k) {
      members_[k]->predict(mixtures, one);
      for (size_t i = 0; i < one.size(); ++i) predicted[i] += weights_[k] * one[i];
    }
  }

  std::vector<Forecast> forecast(const Points& mixtures) const override {
    std::vector<std::vector<Forecast>> of_member;
    for (const auto& member : members_) of_member.push_back(member->forecast(mixtures));
    std::vector<Forecast> forecasts, at_row(members_.size());
    for (size_t i = 0; i < mixtures.rows(); ++i) {
      for (size_t k = 0; k < members_.size(); ++k) at_row[k] = of_member[k][i];
      forecasts.push_back(combined(at_row, weights_));
    }
    return forecasts;
  }

  // Of the smooth members alone, as if they were all: nearer to the trees than what is left of the
  // sum without them.
  double slope(std::span<const double> mixture, std::span<double> gradient) const override {
    std::fill(gradient.begin(), gradient.end(), 0.0);
    double value = 0, sum = 0;
    for (size_t k = 0; k < members_.size(); ++k) sum += members_[k]->smooth() ? weights_[k] : 0;
    if (sum == 0) return 0;
    std::vector<double> one(gradient.size());
    for (size_t k = 0; k < members_.size(); ++k) {
      if (!members_[k]->smooth()) continue;
      const double weight = weights_[k] / sum;
      value += weight * members_[k]->slope(mixture, one);
      for (size_t j = 0; j < one.size(); ++j) gradient[j] += weight * one[j];
    }
    return value;
  }

  bool smooth() const override {
    return std::all_of(
        members_.begin(), members_.end(), [](const auto& member) { return member->smooth(); });
  }

 private:
  std::vector<std::unique_ptr<Predictor>> members_;
  std::vector<double> weights_;
};

}  // namespace

std::unique_ptr<Predictor> calibrated(std::unique_ptr<Predictor> fitted, double scale) {
  return std::make_unique<Calibrated>(std::move(fitted), scale);
}

std::unique_ptr<Predictor> ensemble_of(std::vector<std::unique_ptr<Predictor>> fitted,
                                       std::vector<double> weights) {
  return std::make_unique<Ensemble>(std::move(fitted), std::move(weights));
}

Forecast combined(std::span<const Forecast> members, std::span<const double> weights) {
  Forecast result;
  for (size_t k = 0; k < members.size(); ++k) result.mean += weights[k] * members[k].mean;
  double uncertainty = 0, noise = 0;
  for (size_t k = 0; k < members.size(); ++k) {
    const double away = members[k].mean - result.mean;
    uncertainty += weights[k] * (members[k].uncertainty * members[k].uncertainty + away * away);
    noise += weights[k] * members[k].noise * members[k].noise;
  }
  result.uncertainty = std::sqrt(uncertainty);
  result.noise = std::sqrt(noise);
  return result;
}

std::vector<double> stacking_weights(std::span<const std::vector<double>> predictions,
                                     std::span<const double> scores) {
  const size_t n = predictions.size();
  std::vector<double> hessian(n * n), gradient(n), start(n, 1.0 / static_cast<double>(n));
  std::vector<std::vector<double>> errors(n, std::vector<double>(scores.size()));
  double largest = 0;
  for (size_t k = 0; k < n; ++k) {
    for (size_t i = 0; i < scores.size(); ++i) errors[k][i] = predictions[k][i] - scores[i];
  }
  // Σ w = 1, so the error of the mean is the mean of the errors.
  for (size_t k = 0; k < n; ++k) {
    for (size_t l = 0; l < n; ++l) {
      hessian[k * n + l] =
          std::inner_product(errors[k].begin(), errors[k].end(), errors[l].begin(), 0.0);
    }
    largest = std::max(largest, hessian[k * n + k]);
  }
  if (!(largest > 0)) return start;
  for (double& value : hessian) value /= largest;
  for (size_t k = 0; k < n; ++k) hessian[k * n + k] += 1e-6;  // equal members share equally
  std::vector<LinearConstraint> constraints = {{std::vector<double>(n, 1), 1, true}};
  for (size_t k = 0; k < n; ++k) {
    constraints.push_back({std::vector<double>(n), 0});
    constraints.back().normal[k] = 1;
  }
  auto weights = minimise_quadratic(hessian, gradient, constraints).x;
  double sum = 0;
  for (double& weight : weights) sum += weight = weight < 0.01 ? 0 : weight;
  for (double& weight : weights) weight /= sum;
  return weights;
}

}  // namespace demix
