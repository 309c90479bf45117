// Gradient-boosted trees through LightGBM's C API. The published scripts' settings (300 iterations,
// learning rate 0.01, 31 leaves, at least 20 rows in each, no bagging) allow no split below 40 rows
// and grow few trees of use; the defaults here suit some hundred rows: small trees, each on 70 % of
// the rows. bench/RESULTS.md has both.
#include "demix/search/lightgbm.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "demix/core/error.h"
#include "demix/core/ranks.h"

// What is used of LightGBM/c_api.h, version 4.7.0; the wheel brings the library without its
// headers.
extern "C" {
typedef void* DatasetHandle;
typedef void* BoosterHandle;
const char* LGBM_GetLastError();
int LGBM_DatasetCreateFromMat(const void* data,
                              int data_type,
                              int32_t nrow,
                              int32_t ncol,
                              int is_row_major,
                              const char* parameters,
                              const DatasetHandle reference,
                              DatasetHandle* out);
int LGBM_DatasetSetField(DatasetHandle handle,
                         const char* field_name,
                         const void* field_data,
                         int num_element,
                         int type);
int LGBM_DatasetFree(DatasetHandle handle);
int LGBM_BoosterCreate(const DatasetHandle train_data, const char* parameters, BoosterHandle* out);
int LGBM_BoosterUpdateOneIter(BoosterHandle handle, int* is_finished);
int LGBM_BoosterPredictForMat(BoosterHandle handle,
                              const void* data,
                              int data_type,
                              int32_t nrow,
                              int32_t ncol,
                              int is_row_major,
                              int predict_type,
                              int start_iteration,
                              int num_iteration,
                              const char* parameter,
                              int64_t* out_len,
                              double* out_result);
int LGBM_BoosterFree(BoosterHandle handle);
}

namespace demix {
namespace {

constexpr int kFloat32 = 0, kFloat64 = 1;  // C_API_DTYPE_*
constexpr int kPredictNormal = 0;          // C_API_PREDICT_NORMAL
constexpr int kRowMajor = 1;

void succeed(int status) {
  if (status != 0) throw Error("LightGBM: {}", LGBM_GetLastError());
}

struct FreeDataset {
  void operator()(void* handle) const { LGBM_DatasetFree(handle); }
};
struct FreeBooster {
  void operator()(void* handle) const { LGBM_BoosterFree(handle); }
};

int32_t as_int32(size_t value) {
  DEMIX_CHECK(value <= static_cast<size_t>(std::numeric_limits<int32_t>::max()));
  return static_cast<int32_t>(value);
}

class LightGbm : public Predictor {
 public:
  explicit LightGbm(const LightGbmConfig& config) : config_(config) {}

  using Predictor::fit;
  using Predictor::predict;

  void fit(const Points& mixtures,
           std::span<const double> scores,
           std::span<const double>) override {
    DEMIX_CHECK(mixtures.rows() == scores.size() && !scores.empty());
    columns_ = mixtures.columns();
    const int rows = as_int32(mixtures.rows());
    const int min_data_in_leaf =
        config_.min_data_in_leaf > 0 ? config_.min_data_in_leaf : std::min(2 + rows / 100, 20);
    const std::string parameters = fmt::format(
        "objective=regression learning_rate={} num_leaves={} min_data_in_leaf={} "
        "min_data_in_bin={} bagging_fraction={} bagging_freq=1 "
        "seed={} deterministic=true force_row_wise=true num_threads=1 verbosity=-1",
        config_.learning_rate,
        config_.leaves,
        min_data_in_leaf,
        std::min(3, min_data_in_leaf),
        rows < 10 ? 1 : config_.rows_per_tree,
        config_.seed);

    booster_.reset();
    DatasetHandle handle = nullptr;
    succeed(LGBM_DatasetCreateFromMat(mixtures.values().data(),
                                      kFloat64,
                                      rows,
                                      as_int32(columns_),
                                      kRowMajor,
                                      parameters.c_str(),
                                      nullptr,
                                      &handle));
    dataset_.reset(handle);
    const std::vector<float> labels(scores.begin(),
                                    scores.end());  // LightGBM keeps labels as float
    succeed(LGBM_DatasetSetField(dataset_.get(), "label", labels.data(), rows, kFloat32));
    BoosterHandle booster = nullptr;
    succeed(LGBM_BoosterCreate(dataset_.get(), parameters.c_str(), &booster));
    booster_.reset(booster);
    int finished = 0;  // when no leaf can be split any more
    for (int i = 0; i < config_.iterations && !finished; ++i) {
      succeed(LGBM_BoosterUpdateOneIter(booster_.get(), &finished));
    }
    spread_ = scores.size() > 1 ? standard_deviation(scores) : 0;
  }

  void predict(const Points& mixtures, std::span<double> predicted) const override {
    DEMIX_CHECK(booster_ && mixtures.columns() == columns_ && mixtures.rows() == predicted.size());
    if (predicted.empty()) return;
    const std::string parameters =
        fmt::format("num_threads={} verbosity=-1", config_.threads > 0 ? config_.threads : 0);
    int64_t length = 0;
    succeed(LGBM_BoosterPredictForMat(booster_.get(),
                                      mixtures.values().data(),
                                      kFloat64,
                                      as_int32(mixtures.rows()),
                                      as_int32(columns_),
                                      kRowMajor,
                                      kPredictNormal,
                                      0,
                                      -1,
                                      parameters.c_str(),
                                      &length,
                                      predicted.data()));
    DEMIX_CHECK(length == static_cast<int64_t>(predicted.size()));
  }

  std::vector<Forecast> forecast(const Points& mixtures) const override {
    std::vector<Forecast> forecasts;
    for (double mean : predict(mixtures)) forecasts.push_back({mean, 0, spread_});
    return forecasts;
  }

  double slope(std::span<const double>, std::span<double> gradient) const override {
    std::fill(gradient.begin(), gradient.end(), 0.0);
    return 0;
  }
  bool smooth() const override { return false; }

 private:
  LightGbmConfig config_;
  size_t columns_ = 0;
  // Trees know no error of their own: as much as the scores vary, the same everywhere. Calibration
  // makes it the error in cross-validation.
  double spread_ = 0;
  std::unique_ptr<void, FreeDataset> dataset_;  // outlives the booster, which refers to it
  std::unique_ptr<void, FreeBooster> booster_;
};

}  // namespace

void LightGbmConfig::check() const {
  if (iterations < 1) throw Error("iterations is {}, expected at least 1", iterations);
  if (!(learning_rate > 0 && std::isfinite(learning_rate))) {
    throw Error("learning_rate is {}, expected above 0", learning_rate);
  }
  if (leaves < 2) throw Error("leaves is {}, expected at least 2", leaves);
  if (min_data_in_leaf < 0)
    throw Error("min_data_in_leaf is {}, expected 0 (automatic) or more", min_data_in_leaf);
  if (!(rows_per_tree > 0 && rows_per_tree <= 1)) {
    throw Error("rows_per_tree is {}, expected above 0 and at most 1", rows_per_tree);
  }
  if (seed < 0) throw Error("seed is {}, expected 0 or more", seed);
  if (threads < 0) throw Error("threads is {}, expected 0 (all) or more", threads);
}

std::unique_ptr<Predictor> make_lightgbm(const LightGbmConfig& config) {
  config.check();
  return std::make_unique<LightGbm>(config);
}

}  // namespace demix
