// Every method against mergekit on the same tensors. tools/parity/merge.py made the values.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "demix/core/files.h"
#include "demix/merge/method.h"

namespace demix {
namespace {

struct Inputs {
  std::vector<int64_t> shape;
  std::vector<std::vector<float>> tensors;  // the base first
};

float to_bfloat16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000);
}

// How many bfloat16 numbers lie between two, both of bfloat16.
int64_t bfloat16_steps(float a, float b) {
  const auto place = [](float x) {
    const int64_t magnitude = (std::bit_cast<uint32_t>(x) & 0x7fffffff) >> 16;
    return std::signbit(x) ? -magnitude : magnitude;
  };
  return std::abs(place(a) - place(b));
}

class MergeParity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    document_ = new nlohmann::json(
        nlohmann::json::parse(read_file(DEMIX_SOURCE_DIR "/tests/data/merge/merges.json")));
    for (const auto& [name, set] : (*document_)["inputs"].items()) {
      inputs_[name] = {set["shape"], set["values"]};
    }
  }
  static void TearDownTestSuite() {
    delete document_;
    inputs_.clear();
  }

  static std::vector<float> merge(const nlohmann::json& one, int threads) {
    const MergeMethod& method = find_merge_method(one["method"].get<std::string>());
    const Inputs& inputs = inputs_.at(one["inputs"]);
    std::vector<const float*> models;
    for (size_t k : one["models"]) models.push_back(inputs.tensors[k].data());
    MergeParameters parameters(method, models.size());
    for (const auto& [name, value] : one["parameters"].items()) {
      if (value.is_array()) {
        for (size_t k = 0; k < value.size(); ++k) parameters.set(name, k, value[k].get<double>());
      } else if (value.is_string()) {
        parameters.set(name, value.get<std::string>());
      } else if (value.is_boolean()) {
        parameters.set(name, value.get<bool>() ? "true" : "false");
      } else {
        parameters.set(name, value.get<double>());
      }
    }
    const bool has_base = one["base"];
    check_merge(method, parameters, has_base);
    std::vector<float> out(inputs.tensors[0].size(), -12345.F);
    method.merge({.shape = inputs.shape,
                  .count = static_cast<int64_t>(out.size()),
                  .base = has_base ? inputs.tensors[0].data() : nullptr,
                  .models = models,
                  .parameters = parameters,
                  .rng = Rng(1),
                  .threads = threads},
                 out.data());
    return out;
  }

  // Compares all cases of one method; returns how many there are.
  static int compare(std::string_view method) {
    int cases = 0;
    for (const nlohmann::json& one : (*document_)["cases"]) {
      if (one["method"] != method) continue;
      ++cases;
      const std::vector<float> found = merge(one, 1);
      EXPECT_EQ(found, merge(one, 3)) << "threads change the result";
      const std::vector<double> expected = one["expected"];
      double largest = 0;
      for (double value : expected) largest = std::max(largest, std::abs(value));
      std::set<size_t> excused;
      if (one.contains("excused")) excused = one["excused"].get<std::set<size_t>>();
      EXPECT_EQ(found.size(), expected.size());
      for (size_t i = 0; i < expected.size(); ++i) {
        if (excused.contains(i)) continue;
        const float wanted = static_cast<float>(expected[i]);
        bool good = false;
        if (one.contains("bfloat16_steps")) {
          good = bfloat16_steps(to_bfloat16(found[i]), wanted) <= one["bfloat16_steps"];
        } else if (one.contains("of_largest")) {
          good = std::abs(found[i] - wanted) <= one["of_largest"].get<double>() * largest;
        } else {
          good = std::abs(found[i] - wanted) <=
                 one["elementwise"].get<double>() * std::max(1.F, std::abs(wanted));
        }
        if (!good) {
          nlohmann::json shown = one;
          shown.erase("expected");
          ADD_FAILURE() << shown.dump() << "\nelement " << i << ": found " << found[i]
                        << ", expected " << wanted;
          break;
        }
      }
    }
    return cases;
  }

  static nlohmann::json* document_;
  static std::map<std::string, Inputs> inputs_;
};

nlohmann::json* MergeParity::document_ = nullptr;
std::map<std::string, Inputs> MergeParity::inputs_;

TEST_F(MergeParity, EveryMethodGivesMergekitsValues) {
  std::set<std::string> methods;
  for (const nlohmann::json& one : (*document_)["cases"]) methods.insert(one["method"]);
  EXPECT_EQ(methods.size(), 19);
  for (const std::string& method : methods) EXPECT_GE(compare(method), 12) << method;
}

}  // namespace
}  // namespace demix
