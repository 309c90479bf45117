#include "demix/search/mean_of_scores.h"

#include <algorithm>

#include "demix/core/ranks.h"
#include "demix/search/folds.h"

namespace demix {
namespace {

class MeanOfScores : public Predictor {
 public:
  using Predictor::fit;
  using Predictor::predict;

  void fit(const Points& mixtures,
           std::span<const double> scores,
           std::span<const double>) override {
    DEMIX_CHECK(mixtures.rows() == scores.size() && !scores.empty());
    everywhere_ = {.mean = mean(scores)};
    if (scores.size() < 2) return;
    everywhere_.uncertainty = error_of_mean(scores, mixture_of_rows(mixtures));
    everywhere_.noise = standard_deviation(scores);
  }
  void predict(const Points&, std::span<double> predicted) const override {
    std::fill(predicted.begin(), predicted.end(), everywhere_.mean);
  }
  std::vector<Forecast> forecast(const Points& mixtures) const override {
    return std::vector<Forecast>(mixtures.rows(), everywhere_);
  }
  double slope(std::span<const double>, std::span<double> gradient) const override {
    std::fill(gradient.begin(), gradient.end(), 0.0);
    return everywhere_.mean;
  }

 private:
  Forecast everywhere_;
};

}  // namespace

std::unique_ptr<Predictor> make_mean_of_scores() { return std::make_unique<MeanOfScores>(); }

}  // namespace demix
