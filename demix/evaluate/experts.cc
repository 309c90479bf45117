#include "demix/evaluate/experts.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"

namespace demix {

Experts::Experts(std::span<const std::vector<float>> log_likelihoods,
                 std::span<const std::string> names)
    : models_(log_likelihoods.size()) {
  DEMIX_CHECK(models_ > 0 && names.size() == models_);
  const size_t count = log_likelihoods[0].size();
  for (size_t k = 0; k < models_; ++k) {
    if (log_likelihoods[k].size() != count)
      throw Error("{} has {} token log-likelihoods, {} has {}: they were scored on other text",
                  names[0],
                  count,
                  names[k],
                  log_likelihoods[k].size());
    for (const float value : log_likelihoods[k])
      if (!std::isfinite(value))
        throw Error("{}: the log-likelihood of a token is {}; its weights give no finite logits",
                    names[k],
                    value);
  }
  largest_.resize(count);
  relative_.resize(count * models_);
  for (size_t t = 0; t < count; ++t) {
    float largest = log_likelihoods[0][t];
    for (size_t k = 1; k < models_; ++k) largest = std::max(largest, log_likelihoods[k][t]);
    largest_[t] = largest;
    for (size_t k = 0; k < models_; ++k)
      relative_[t * models_ + k] = std::exp(log_likelihoods[k][t] - largest);
  }
}

std::vector<float> Experts::mixed(std::span<const double> weights) const {
  DEMIX_CHECK(weights.size() == models_);
  std::vector<float> mixed(largest_.size());
  for (size_t t = 0; t < mixed.size(); ++t) {
    double sum = 0;
    for (size_t k = 0; k < models_; ++k)
      sum += weights[k] * static_cast<double>(relative_[t * models_ + k]);
    mixed[t] = largest_[t] + static_cast<float>(std::log(sum));
  }
  return mixed;
}

}  // namespace demix
