// The Mersenne Twister is the standard library's; Python differs in how a seed becomes a state
// (init_by_array of Matsumoto and Nishimura) and in how words become indices (CPython's
// Modules/_randommodule.c and Lib/random.py, the same from 3.2 to 3.14).
#include "demix/evaluate/python_random.h"

#include <bit>
#include <cmath>
#include <set>
#include <utility>

#include "demix/core/error.h"

namespace demix {
namespace {

// A seed sequence in the sense of <random>: gives the engine the state that init_by_array makes of
// an array with one word.
struct OneWordArray {
  using result_type = uint32_t;
  uint32_t word;

  template <typename Iterator>
  void generate(Iterator begin, Iterator end) {
    const auto size = static_cast<size_t>(end - begin);
    const auto state = [&](size_t i) -> decltype(*begin) {
      return begin[static_cast<std::ptrdiff_t>(i)];
    };
    const auto mixed = [&](size_t i) {
      const auto last = static_cast<uint32_t>(state(i - 1));
      return last ^ (last >> 30);
    };
    state(0) = 19650218u;
    for (size_t i = 1; i < size; ++i)
      state(i) = static_cast<uint32_t>(1812433253u * mixed(i) + static_cast<uint32_t>(i));
    size_t i = 1;
    const auto wrap = [&] {
      if (++i < size) return;
      state(0) = state(size - 1);
      i = 1;
    };
    for (size_t k = 0; k < size; ++k, wrap())
      state(i) = (static_cast<uint32_t>(state(i)) ^ (mixed(i) * 1664525u)) + word;
    for (size_t k = 1; k < size; ++k, wrap())
      state(i) =
          (static_cast<uint32_t>(state(i)) ^ (mixed(i) * 1566083941u)) - static_cast<uint32_t>(i);
    state(0) = 0x80000000u;
  }
};

std::mt19937 engine_of(uint32_t seed) {
  OneWordArray array{seed};
  return std::mt19937(array);
}

}  // namespace

PythonRandom::PythonRandom(uint32_t seed) : engine_(engine_of(seed)) {}

size_t PythonRandom::below(size_t limit) {
  const int bits = std::bit_width(limit);
  while (true) {
    const size_t drawn = engine_() >> (32 - bits);
    if (drawn < limit) return drawn;
  }
}

std::vector<size_t> PythonRandom::sample(size_t population, size_t count) {
  DEMIX_CHECK(count <= population && std::bit_width(population) <= 32);
  std::vector<size_t> result(count);
  // Which of two ways Python takes depends on the memory that each would need there.
  double set_size = 21;
  if (count > 5)
    set_size += std::pow(4, std::ceil(std::log(static_cast<double>(count) * 3) / std::log(4)));
  if (static_cast<double>(population) <= set_size) {
    std::vector<size_t> pool(population);
    for (size_t i = 0; i < population; ++i) pool[i] = i;
    for (size_t i = 0; i < count; ++i) {
      const size_t drawn = below(population - i);
      result[i] = std::exchange(pool[drawn], pool[population - i - 1]);
    }
    return result;
  }
  std::set<size_t> selected;
  for (size_t& index : result) {
    do index = below(population);
    while (!selected.insert(index).second);
  }
  return result;
}

}  // namespace demix
