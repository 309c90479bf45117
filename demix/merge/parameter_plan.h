// The parameters of a merge method over all tensors of a model: each a number, a gradient over the
// layers, or a choice by parts of tensor names, for all models or for one.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "demix/merge/method.h"

namespace demix {

// What was written for one parameter.
struct ParameterSetting {
  // Holds for tensors whose name contains `filter`; empty and "*" hold for all.
  struct Condition {
    std::string filter;
    // More than one: a gradient from the first layer to the last. Numbers are interpolated; of
    // flags and choices, the one at the place is taken.
    std::vector<std::string> values;
    std::string where;  // for messages: "merge.yml:12: parameters.density"
  };
  std::vector<Condition> conditions;  // the first that holds decides; none: the setting is silent

  static ParameterSetting of(std::string value, std::string where);
};

class ParameterPlan {
 public:
  using Settings = std::map<std::string, ParameterSetting, std::less<>>;

  ParameterPlan(const MergeMethod& method, size_t models);

  // Throw Error, beginning with the setting's place, for names the method does not have and values
  // that it does not take. A setting for one model goes before one for all.
  void set(std::string_view name, ParameterSetting setting);
  void set(std::string_view name, size_t model, ParameterSetting setting);

  const MergeMethod& method() const { return method_; }
  // Whether all tensors have the same values.
  bool constant() const { return constant_; }
  size_t models() const { return models_; }
  const Settings& for_all() const { return for_all_; }
  const Settings& for_model(size_t model) const { return for_model_[model]; }
  // The values for one tensor, at `depth` from 0 (first layer) to 1 (last).
  MergeParameters at(std::string_view tensor, double depth) const;

 private:
  void check(std::string_view name, const ParameterSetting& setting);

  const MergeMethod& method_;
  size_t models_;
  bool constant_ = true;
  Settings for_all_;
  std::vector<Settings> for_model_;
};

// The depth of each tensor: its layer's number, which is the first whole number among the parts of
// its name ("model.layers.7.mlp.up_proj.weight"), over the last one's; 1 where there is one layer,
// 0 outside of layers.
std::vector<double> layer_depths(const std::vector<std::string>& tensors);

}  // namespace demix
