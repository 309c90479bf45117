// From mixtures to one score: what was learned from the proxies evaluated so far.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "demix/search/points.h"

namespace demix {

// One per metric. Deterministic: the same data gives the same predictions.
class Predictor {
 public:
  virtual ~Predictor() = default;
  // Replaces whatever was learned before. One finite score per row, at least one row.
  virtual void fit(const Points& mixtures, std::span<const double> scores) = 0;
  // One prediction per row, into `predicted`. After fit, with as many columns as there.
  virtual void predict(const Points& mixtures, std::span<double> predicted) const = 0;

  std::vector<double> predict(const Points& mixtures) const {
    std::vector<double> predicted(mixtures.rows());
    predict(mixtures, predicted);
    return predicted;
  }
};

struct RidgeConfig {
  double penalty = 0.5;  // on the squared coefficients; the intercept is free

  template <class V>
  void visit(V& v) {
    v("penalty", penalty);
  }
  void check() const;
};

struct LightGbmConfig {
  int iterations = 300;
  double learning_rate = 0.01;
  int leaves = 31;
  int min_data_in_leaf = 0;  // 0: from the number of rows, see lightgbm.cc
  int seed = 42;
  int threads = 0;  // for predictions, 0: all; fitting uses one, which small tables prefer

  template <class V>
  void visit(V& v) {
    v("iterations", iterations);
    v("learning_rate", learning_rate);
    v("leaves", leaves);
    v("min_data_in_leaf", min_data_in_leaf);
    v("seed", seed);
    v("threads", threads);
  }
  void check() const;
};

struct PredictorConfig {
  RidgeConfig ridge;
  LightGbmConfig lightgbm;

  template <class V>
  void visit(V& v) {
    v("ridge", ridge);
    v("lightgbm", lightgbm);
  }
};

// The table in predictors.cc, simplest first.
std::vector<std::string> predictor_names();
// Throws Error when there is no predictor of that name.
std::unique_ptr<Predictor> make_predictor(const std::string& name,
                                          const PredictorConfig& config = {});

}  // namespace demix
