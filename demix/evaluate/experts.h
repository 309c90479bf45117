// Mixtures of models' token probabilities, Σ_k weights[k] · p_k(token | what precedes it): what an
// ensemble of components says, from one pass of each component and no pass for a mixture.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace demix {

class Experts {
 public:
  // One vector of natural log-likelihoods per model, of the same tokens. Throws Error when they are
  // of different lengths, or where one is not finite: `names` are the models'.
  Experts(std::span<const std::vector<float>> log_likelihoods, std::span<const std::string> names);

  size_t models() const { return models_; }
  int64_t tokens() const { return static_cast<int64_t>(largest_.size()); }

  // log Σ_k weights[k] · p_k of every token. Weights are not negative and not all zero. -infinity
  // where a token is impossible to every model with a weight, as far as float32 can tell.
  std::vector<float> mixed(std::span<const double> weights) const;

 private:
  size_t models_;
  std::vector<float> largest_;   // by token: the largest log-likelihood of any model
  std::vector<float> relative_;  // [token][model]: probabilities over that of the largest
};

}  // namespace demix
