// Small merges for the methods' tests.
#pragma once

#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "demix/core/rng.h"
#include "demix/merge/method.h"

namespace demix::testing_merge {

using Values = std::vector<float>;

// A tensor of several models.
struct Example {
  std::vector<int64_t> shape;
  Values base;  // empty: none
  std::vector<Values> models;
  uint64_t seed = 1;
  int threads = 1;
};

// A parameter and its value, or several values separated by commas: one for each model.
using Settings = std::vector<std::pair<std::string, std::string>>;

inline MergeParameters settings_of(const MergeMethod& method,
                                   size_t models,
                                   const Settings& settings) {
  MergeParameters parameters(method, models);
  for (const auto& [name, text] : settings) {
    if (text.find(',') == std::string::npos) {
      parameters.set(name, text);
      continue;
    }
    size_t begin = 0;
    for (size_t k = 0; k < models; ++k) {
      const size_t end = text.find(',', begin);
      parameters.set(name, k, text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return parameters;
}

inline Values merged(std::string_view name, const Example& example, const Settings& settings) {
  const MergeMethod& method = find_merge_method(name);
  const MergeParameters parameters = settings_of(method, example.models.size(), settings);
  check_merge(method, parameters, !example.base.empty());
  std::vector<const float*> models;
  for (const Values& model : example.models) models.push_back(model.data());
  Values out(example.models[0].size(), -12345.F);
  method.merge({.shape = example.shape,
                .count = static_cast<int64_t>(out.size()),
                .base = example.base.empty() ? nullptr : example.base.data(),
                .models = models,
                .parameters = parameters,
                .rng = Rng(example.seed),
                .threads = example.threads},
               out.data());
  return out;
}

inline Values normal_values(int64_t count, uint64_t seed, double scale = 1) {
  Rng rng(seed);
  Values values(count);
  for (float& value : values) value = static_cast<float>(scale * rng.normal());
  return values;
}

// A base and models around it; larger than one part, with a tail, when `rows` is.
inline Example random_example(int64_t rows, int64_t columns, size_t models) {
  Example example = {.shape = {rows, columns}, .base = normal_values(rows * columns, 100)};
  for (size_t k = 0; k < models; ++k) {
    Values model = normal_values(rows * columns, 101 + k, 0.1);
    for (size_t i = 0; i < model.size(); ++i) model[i] += example.base[i];
    example.models.push_back(std::move(model));
  }
  return example;
}

inline double dot_of(const Values& a, const Values& b) {
  return std::inner_product(
      a.begin(), a.end(), b.begin(), 0.0, std::plus<>(), [](float x, float y) {
        return double{x} * double{y};
      });
}
inline double length_of(const Values& a) { return std::sqrt(dot_of(a, a)); }
inline double cosine_of(const Values& a, const Values& b) {
  return dot_of(a, b) / (length_of(a) * length_of(b));
}

inline Values difference(const Values& a, const Values& b) {
  Values result(a.size());
  for (size_t i = 0; i < a.size(); ++i) result[i] = a[i] - b[i];
  return result;
}

inline double largest_difference(const Values& a, const Values& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(double{a[i]} - b[i]));
  return largest;
}

}  // namespace demix::testing_merge
