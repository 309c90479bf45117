// Named random streams. No global generator: one seed per run, one stream per use.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace demix {

// xoshiro256** (Blackman and Vigna 2018), seeded by a hash of seed and stream names. All draws are
// our own arithmetic, so a seed means the same numbers with every standard library.
class Rng {
 public:
  explicit Rng(uint64_t seed);

  // An independent generator for one named use: root.stream("sampler", round).
  // Depends on this generator's seed and names, not on how many numbers were drawn from it.
  Rng stream(std::string_view name, int64_t index = 0) const;

  uint64_t next();
  // Uniform in [0, 1).
  double uniform();
  // Uniform in {0, …, n-1}, without modulo bias; n > 0.
  uint64_t below(uint64_t n);
  double normal();
  // Gamma with shape > 0 and scale 1 (Marsaglia and Tsang 2000).
  double gamma(double shape);
  // Dirichlet with the given concentrations (each > 0).
  std::vector<double> dirichlet(std::span<const double> concentrations);

  template <typename T>
  void shuffle(std::span<T> values) {
    for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }

 private:
  uint64_t key_;  // identifies the stream; `stream` derives from it
  std::array<uint64_t, 4> state_;
};

}  // namespace demix
