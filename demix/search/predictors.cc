// The table of predictors, simplest first: where cross-validation cannot tell two apart, the
// earlier one is used.
#include <array>

#include "demix/core/error.h"
#include "demix/search/gaussian_process.h"
#include "demix/search/lightgbm.h"
#include "demix/search/log_linear.h"
#include "demix/search/predictor.h"
#include "demix/search/ridge.h"

namespace demix {
namespace {

struct Entry {
  const char* name;
  std::unique_ptr<Predictor> (*make)(const PredictorConfig& config);
};

const Entry kPredictors[] = {
    {"ridge", [](const PredictorConfig& config) { return make_ridge(config.ridge); }},
    {"log_linear",
     [](const PredictorConfig& config) { return make_log_linear(config.log_linear); }},
    {"gaussian_process",
     [](const PredictorConfig& config) { return make_gaussian_process(config.gaussian_process); }},
    {"lightgbm", [](const PredictorConfig& config) { return make_lightgbm(config.lightgbm); }},
};

}  // namespace

void PredictorConfig::check() const {
  ridge.check();
  log_linear.check();
  gaussian_process.check();
  lightgbm.check();
}

std::vector<std::string> predictor_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kPredictors) names.emplace_back(entry.name);
  return names;
}

std::unique_ptr<Predictor> make_predictor(const std::string& name, const PredictorConfig& config) {
  for (const Entry& entry : kPredictors) {
    if (name == entry.name) return entry.make(config);
  }
  throw Error("there is no predictor '{}'; there are {}", name, fmt::join(predictor_names(), ", "));
}

}  // namespace demix
