#include "demix/core/rng.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>

#include "demix/core/error.h"
#include "demix/core/hash.h"

namespace demix {
namespace {

uint64_t splitmix(uint64_t& x) {
  uint64_t z = (x += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

Rng::Rng(uint64_t seed) : key_(seed) {
  for (uint64_t& word : state_) word = splitmix(seed);
}

Rng Rng::stream(std::string_view name, int64_t index) const {
  const std::string digest =
      Hasher().field(static_cast<int64_t>(key_)).field(name).field(index).hex();
  return Rng(std::stoull(digest.substr(0, 16), nullptr, 16));
}

uint64_t Rng::next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double Rng::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

uint64_t Rng::below(uint64_t n) {
  DEMIX_CHECK(n > 0);
  const uint64_t threshold = -n % n;
  for (;;) {
    const uint64_t draw = next();
    if (draw >= threshold) return draw % n;
  }
}

double Rng::normal() {
  // Box-Muller; the sine half is thrown away so that a draw has no hidden state.
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

double Rng::gamma(double shape) {
  DEMIX_CHECK(shape > 0);
  if (shape < 1) return gamma(shape + 1) * std::pow(1 - uniform(), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal(), root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(1 - uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

std::vector<double> Rng::dirichlet(std::span<const double> concentrations) {
  for (;;) {
    std::vector<double> draw;
    double sum = 0;
    for (double concentration : concentrations) sum += draw.emplace_back(gamma(concentration));
    // Tiny concentrations can underflow to all zeros; draw again.
    if (sum <= 0) continue;
    for (double& value : draw) value /= sum;
    return draw;
  }
}

}  // namespace demix
