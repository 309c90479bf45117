// From mixtures to one score: what was learned from the proxies evaluated so far.
#pragma once

#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "demix/search/points.h"

namespace demix {

// What a predictor says of the score at one mixture.
struct Forecast {
  double mean = 0;
  double uncertainty = 0;  // standard deviation of `mean` around the expected score: more proxies
                           // would lower it
  double noise = 0;        // standard deviation of one measurement around the expected score

  double deviation() const { return std::hypot(uncertainty, noise); }  // of a measurement
};

// One per metric. Deterministic: the same data gives the same predictions.
class Predictor {
 public:
  virtual ~Predictor() = default;
  // Replaces whatever was learned before. One finite score per row, at least one row. The standard
  // errors of the scores, where they are known (else empty), are used by predictors that can.
  virtual void fit(const Points& mixtures,
                   std::span<const double> scores,
                   std::span<const double> standard_errors) = 0;
  // One prediction per row, into `predicted`. After fit, with as many columns as there.
  virtual void predict(const Points& mixtures, std::span<double> predicted) const = 0;
  // The same means with their errors, as the predictor itself sees them; slower.
  virtual std::vector<Forecast> forecast(const Points& mixtures) const = 0;
  // The prediction at one mixture with its derivatives by each column into `gradient`, or what
  // stands in for it where the predictor is not smooth: the smooth members of an ensemble, 0 for
  // trees alone.
  virtual double slope(std::span<const double> mixture, std::span<double> gradient) const = 0;
  virtual bool smooth() const { return true; }

  void fit(const Points& mixtures, std::span<const double> scores) { fit(mixtures, scores, {}); }
  std::vector<double> predict(const Points& mixtures) const {
    std::vector<double> predicted(mixtures.rows());
    predict(mixtures, predicted);
    return predicted;
  }
};

struct RidgeConfig {
  double penalty = 0;  // on the squared coefficients, the intercept is free; 0: the one with the
                       // smallest leave-one-out error
  bool interactions = true;  // products of two shares beside the shares

  template <class V>
  void visit(V& v) {
    v("penalty", penalty);
    v("interactions", interactions);
  }
  void check() const;
};

struct LogLinearConfig {
  int starts = 12;        // for each sign of the exponential
  int evaluations = 300;  // an eighth for each start, then as many for the best three

  template <class V>
  void visit(V& v) {
    v("starts", starts);
    v("evaluations", evaluations);
  }
  void check() const;
};

struct GaussianProcessConfig {
  int rows = 1500;              // learned from at most, evenly chosen; time grows with the cube
  int rows_for_start = 200;     // the search for its parameters begins on this many rows
  int evaluations = 60;         // of the marginal likelihood there
  int evaluations_on_all = 12;  // and then on all rows
  int threads = 0;              // for predictions, 0: all

  template <class V>
  void visit(V& v) {
    v("rows", rows);
    v("rows_for_start", rows_for_start);
    v("evaluations", evaluations);
    v("evaluations_on_all", evaluations_on_all);
    v("threads", threads);
  }
  void check() const;
};

struct LightGbmConfig {
  int iterations = 500;         // trees
  double learning_rate = 0.03;  // what a tree adds
  int leaves = 7;               // of a tree
  int min_data_in_leaf = 0;     // 0: from the number of rows, see lightgbm.cc
  double rows_per_tree = 0.7;   // share of the rows, drawn anew for each tree
  int seed = 42;                // of the rows
  int threads = 0;  // for predictions, 0: all; fitting uses one, which small tables prefer

  template <class V>
  void visit(V& v) {
    v("iterations", iterations);
    v("learning_rate", learning_rate);
    v("leaves", leaves);
    v("min_data_in_leaf", min_data_in_leaf);
    v("rows_per_tree", rows_per_tree);
    v("seed", seed);
    v("threads", threads);
  }
  void check() const;
};

struct PredictorConfig {
  RidgeConfig ridge;
  LogLinearConfig log_linear;
  GaussianProcessConfig gaussian_process;
  LightGbmConfig lightgbm;

  template <class V>
  void visit(V& v) {
    v("ridge", ridge);
    v("log_linear", log_linear);
    v("gaussian_process", gaussian_process);
    v("lightgbm", lightgbm);
  }
  void check() const;
};

// The table in predictors.cc, simplest first.
std::vector<std::string> predictor_names();
// Throws Error when there is no predictor of that name.
std::unique_ptr<Predictor> make_predictor(const std::string& name,
                                          const PredictorConfig& config = {});

}  // namespace demix
