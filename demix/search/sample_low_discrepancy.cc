// Points that fill the simplex more evenly than random ones: a Halton sequence with randomly
// permuted digits (Owen, "A randomized Halton algorithm in R", 2017), whose coordinates u become
// -log(u) over their sum.
//
// As with every such sequence the gain is in few dimensions: beyond some twenty components
// neighbouring coordinates repeat each other for the first hundred points, and the permutations
// make the points no worse than random ones.
#include <cmath>
#include <numeric>

#include "demix/search/samplers.h"

namespace demix {
namespace {

std::vector<uint64_t> first_primes(size_t count) {
  std::vector<uint64_t> primes;
  for (uint64_t n = 2; primes.size() < count; ++n) {
    bool prime = true;
    for (uint64_t p : primes) {
      if (p * p > n) break;
      prime &= n % p != 0;
    }
    if (prime) primes.push_back(n);
  }
  return primes;
}

// One coordinate: the digits of the index in `base` behind the point, each place permuted.
class Coordinate {
 public:
  Coordinate(uint64_t base, Rng rng) : base_(base) {
    // As many places as the double has room for.
    for (double scale = 1; scale > 1e-15; scale /= static_cast<double>(base)) {
      std::vector<uint64_t> permutation(base);
      std::iota(permutation.begin(), permutation.end(), uint64_t{0});
      rng.shuffle(std::span<uint64_t>(permutation));
      permutations_.push_back(std::move(permutation));
    }
  }

  double operator()(uint64_t index) const {
    double value = 0, scale = 1;
    for (const auto& permutation : permutations_) {
      scale /= static_cast<double>(base_);
      value += scale * static_cast<double>(permutation[index % base_]);
      index /= base_;
    }
    return value;
  }

 private:
  uint64_t base_;
  std::vector<std::vector<uint64_t>> permutations_;  // by place
};

}  // namespace

Points sample_low_discrepancy(const SampleRequest& request, Rng& rng) {
  const size_t n = request.prior.size();
  std::vector<Coordinate> coordinates;
  const auto primes = first_primes(n);
  for (size_t i = 0; i < n; ++i)
    coordinates.emplace_back(primes[i], rng.stream("digits", static_cast<int64_t>(i)));
  uint64_t index = 0;
  const auto next = [&] {
    std::vector<double> weights;
    double sum = 0;
    for (const Coordinate& u : coordinates)
      sum += weights.emplace_back(-std::log(std::max(u(index), 1e-300)));
    for (double& weight : weights) weight /= sum;
    ++index;
    return weights;
  };
  const auto draw = [&] { return member_of(request.feasible, next); };
  return distinct_draws(draw, n, request.count, request.config.duplicate_l1, request.known);
}

}  // namespace demix
