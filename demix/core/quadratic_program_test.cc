#include "demix/core/quadratic_program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "demix/core/rng.h"

namespace demix {
namespace {

std::vector<LinearConstraint> simplex(size_t n) {
  std::vector<LinearConstraint> constraints = {{std::vector<double>(n, 1), 1, true}};
  for (size_t i = 0; i < n; ++i) {
    constraints.push_back({std::vector<double>(n), 0});
    constraints.back().normal[i] = 1;
  }
  return constraints;
}

// Euclidean projection onto the simplex by sorting (Duchi et al. 2008).
std::vector<double> by_sorting(std::vector<double> v) {
  std::vector<double> sorted = v;
  std::sort(sorted.rbegin(), sorted.rend());
  double sum = 0, threshold = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    sum += sorted[i];
    const double t = (sum - 1) / static_cast<double>(i + 1);
    if (sorted[i] > t) threshold = t;
  }
  for (double& x : v) x = std::max(x - threshold, 0.0);
  return v;
}

TEST(QuadraticProgram, NearestPointOfTheSimplexEqualsTheSortingFormula) {
  const Rng root(5);
  for (int trial = 0; trial < 50; ++trial) {
    Rng rng = root.stream("point", trial);
    std::vector<double> target(1 + rng.below(12));
    for (double& x : target) x = rng.normal();
    const auto found = nearest_point(target, simplex(target.size()));
    const auto expected = by_sorting(target);
    ASSERT_TRUE(found.feasible());
    for (size_t i = 0; i < target.size(); ++i) EXPECT_NEAR(found.x[i], expected[i], 1e-12) << trial;
  }
}

TEST(QuadraticProgram, AHandCalculationWithAnUpperBoundHolds) {
  // Nearest to (0.9, 0.1, 0) on the simplex with x0 <= 0.5: the 0.4 taken from x0 go to the others
  // in equal parts.
  auto constraints = simplex(3);
  constraints.push_back({{-1, 0, 0}, -0.5});
  const auto found = nearest_point(std::vector<double>{0.9, 0.1, 0}, constraints);
  EXPECT_NEAR(found.x[0], 0.5, 1e-12);
  EXPECT_NEAR(found.x[1], 0.3, 1e-12);
  EXPECT_NEAR(found.x[2], 0.2, 1e-12);
}

TEST(QuadraticProgram, AGeneralQuadraticMeetsItsOptimalityConditions) {
  // min x² + y² + xy - 4x - 5y is at (1, 2). With x + y <= 2 it lies on the line y = 2 - x, where
  // the objective is x² - x - 6, smallest at x = 0.5.
  const std::vector<double> h = {2, 1, 1, 2}, g = {-4, -5};
  const std::vector<LinearConstraint> constraints = {{{-1, -1}, -2}};
  const auto found = minimise_quadratic(h, g, constraints);
  EXPECT_NEAR(found.x[0], 0.5, 1e-12);
  EXPECT_NEAR(found.x[1], 1.5, 1e-12);
  const auto unconstrained = minimise_quadratic(h, g, {});
  EXPECT_NEAR(unconstrained.x[0], 1, 1e-12);
  EXPECT_NEAR(unconstrained.x[1], 2, 1e-12);
}

TEST(QuadraticProgram, ConflictingConstraintsComeWithAProof) {
  // Lower bounds .6 and .5 on a simplex ask for .1 too much; the bound on x2 has no part in it.
  auto constraints = simplex(3);
  constraints.push_back({{0, 0, 1}, 0.01});
  constraints.push_back({{1, 0, 0}, 0.6});
  constraints.push_back({{0, 1, 0}, 0.5});
  const auto found = nearest_point(std::vector<double>{0.3, 0.3, 0.4}, constraints);
  ASSERT_FALSE(found.feasible());
  EXPECT_TRUE(found.x.empty());
  std::vector<double> sum(3);
  double demanded = 0;
  for (const auto& [i, multiplier] : found.conflict) {
    if (!constraints[i].equality) {
      EXPECT_GT(multiplier, 0);
    }
    for (size_t k = 0; k < 3; ++k) sum[k] += multiplier * constraints[i].normal[k];
    demanded += multiplier * constraints[i].bound;
  }
  for (double s : sum) EXPECT_NEAR(s, 0, 1e-10);
  EXPECT_NEAR(demanded, found.shortfall, 1e-10);
  // Through x2 >= 0.01 the shortfall is .11; through x2 >= 0 it would be .1.
  EXPECT_NEAR(found.shortfall, 0.11, 1e-10);
}

TEST(QuadraticProgram, RandomProgramsMeetEveryConstraintAndNoSampledPointIsCloser) {
  const Rng root(8);
  for (int trial = 0; trial < 100; ++trial) {
    Rng rng = root.stream("program", trial);
    const size_t n = 2 + rng.below(6);
    auto constraints = simplex(n);
    for (size_t k = 0; k < n; ++k) {
      LinearConstraint c{std::vector<double>(n), 0};
      for (double& x : c.normal) x = rng.normal();
      // The centre satisfies it, so the set is not empty.
      for (double x : c.normal) c.bound += x / static_cast<double>(n);
      c.bound -= 0.1 * rng.uniform();
      constraints.push_back(c);
    }
    std::vector<double> target(n);
    for (double& x : target) x = rng.normal();
    const auto found = nearest_point(target, constraints);
    ASSERT_TRUE(found.feasible()) << trial;

    const auto distance = [&](const std::vector<double>& x) {
      double sum = 0;
      for (size_t i = 0; i < n; ++i) sum += (x[i] - target[i]) * (x[i] - target[i]);
      return std::sqrt(sum);
    };
    const auto meets = [&](const std::vector<double>& x, double tolerance) {
      return std::all_of(constraints.begin(), constraints.end(), [&](const auto& c) {
        double value = -c.bound;
        for (size_t i = 0; i < n; ++i) value += c.normal[i] * x[i];
        return c.equality ? std::abs(value) <= tolerance : value >= -tolerance;
      });
    };
    EXPECT_TRUE(meets(found.x, 1e-10)) << trial;
    for (int probe = 0; probe < 200; ++probe) {
      auto other = rng.dirichlet(std::vector<double>(n, 1));
      // Towards the solution, so that many probes are feasible and near.
      const double t = std::pow(10, -3 * rng.uniform());
      for (size_t i = 0; i < n; ++i) other[i] = t * other[i] + (1 - t) * found.x[i];
      if (meets(other, 0)) {
        EXPECT_GE(distance(other), distance(found.x) - 1e-10);
      }
    }
  }
}

}  // namespace
}  // namespace demix
