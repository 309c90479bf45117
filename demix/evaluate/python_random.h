// Python's random.Random, as far as few-shot examples need it: the same seed draws the same sample.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace demix {

class PythonRandom {
 public:
  // The state of random.Random(seed).
  explicit PythonRandom(uint32_t seed);

  // random.sample(range(population), count): distinct indices in drawing order. Requires
  // count <= population < 2^32.
  std::vector<size_t> sample(size_t population, size_t count);

 private:
  size_t below(size_t limit);

  std::mt19937 engine_;
};

}  // namespace demix
