#include "demix/evaluate/token_choice.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "demix/core/error.h"

namespace demix {
namespace {

// The place of the largest, the first of equal ones.
std::optional<int32_t> likeliest(std::span<const float> logits) {
  size_t best = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) return std::nullopt;
    if (logits[i] > logits[best]) best = i;
  }
  if (!std::isfinite(logits[best])) return std::nullopt;
  return static_cast<int32_t>(best);
}

}  // namespace

void SamplingConfig::check() const {
  if (!(temperature >= 0 && std::isfinite(temperature)))
    throw Error("temperature is {}, expected 0 (greedy) or more", temperature);
  if (top_k < 0) throw Error("top_k is {}, expected 0 (all) or more", top_k);
  if (!(top_p > 0 && top_p <= 1)) throw Error("top_p is {}, expected above 0, at most 1", top_p);
}

std::optional<int32_t> choose_token(std::span<const float> logits,
                                    const SamplingConfig& config,
                                    Rng& rng) {
  const auto best = likeliest(logits);
  if (!best || config.temperature == 0) return best;

  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto likelier = [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  if (config.top_k > 0 && static_cast<size_t>(config.top_k) < order.size()) {
    std::nth_element(order.begin(), order.begin() + config.top_k, order.end(), likelier);
    order.resize(static_cast<size_t>(config.top_k));
  }
  if (config.top_p < 1) std::sort(order.begin(), order.end(), likelier);
  std::vector<double> weights;
  for (int32_t token : order)
    weights.push_back(std::exp((double{logits[token]} - logits[*best]) / config.temperature));
  double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (config.top_p < 1) {
    double kept = 0;
    size_t count = 0;
    while (count < weights.size() && kept < config.top_p * total) kept += weights[count++];
    weights.resize(count);
    total = kept;
  }
  double left = rng.uniform() * total;
  for (size_t i = 0; i < weights.size(); ++i)
    if ((left -= weights[i]) < 0) return order[i];
  return order[weights.size() - 1];  // rounding
}

}  // namespace demix
