#include "demix/merge/parameter_plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "demix/core/error.h"

namespace demix {
namespace {

// The value of `parameter` for a tensor, or nothing if no condition holds.
std::optional<double> value_at(const MergeParameter& parameter,
                               const ParameterSetting& setting,
                               std::string_view tensor,
                               double depth) {
  for (const ParameterSetting::Condition& condition : setting.conditions) {
    if (!condition.filter.empty() && condition.filter != "*" &&
        tensor.find(condition.filter) == tensor.npos)
      continue;
    const std::vector<std::string>& values = condition.values;
    if (values.empty()) return std::nullopt;
    const double place = depth * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(place);
    const double low = parameter.parse(values[below]);
    const bool is_number = parameter.type == MergeParameter::Type::kNumber ||
                           parameter.type == MergeParameter::Type::kInteger;
    if (!is_number || below + 1 == values.size()) return low;
    const double high = parameter.parse(values[below + 1]);
    const double part = place - static_cast<double>(below);
    const double value = (1 - part) * low + part * high;
    try {
      parameter.check(value);
    } catch (const Error& error) {
      throw Error("{}: for tensor '{}': {}", condition.where, printable(tensor), error.what());
    }
    return value;
  }
  return std::nullopt;
}

// The number of the layer, and where in the name it begins.
std::optional<std::pair<size_t, int64_t>> layer_of(std::string_view tensor) {
  for (size_t begin = 0; begin < tensor.size();) {
    const size_t end = std::min(tensor.find('.', begin), tensor.size());
    int64_t number = 0;
    const auto [stop, error] = std::from_chars(tensor.data() + begin, tensor.data() + end, number);
    if (error == std::errc() && stop == tensor.data() + end && number >= 0)
      return std::pair(begin, number);
    begin = end + 1;
  }
  return std::nullopt;
}

}  // namespace

ParameterSetting ParameterSetting::of(std::string value, std::string where) {
  return {{{"", {std::move(value)}, std::move(where)}}};
}

ParameterPlan::ParameterPlan(const MergeMethod& method, size_t models)
    : method_(method), models_(models), for_model_(models) {}

void ParameterPlan::check(std::string_view name, const ParameterSetting& setting) {
  const MergeParameter* parameter = method_.find_parameter(name);
  const std::string where = setting.conditions.empty() ? "" : setting.conditions[0].where + ": ";
  if (!parameter) {
    std::vector<std::string_view> known;
    for (const MergeParameter& each : method_.parameters) known.push_back(each.name);
    throw Error("{}{} has no parameter '{}'; {}",
                where,
                method_.name,
                printable(name),
                suggestion(name, known, "it has"));
  }
  for (const ParameterSetting::Condition& condition : setting.conditions) {
    for (const std::string& value : condition.values) {
      try {
        parameter->parse(value);
      } catch (const Error& error) {
        throw Error("{}: {}", condition.where, error.what());
      }
    }
    if (condition.values.size() != 1 || !(condition.filter.empty() || condition.filter == "*"))
      constant_ = false;
  }
}

void ParameterPlan::set(std::string_view name, ParameterSetting setting) {
  check(name, setting);
  for_all_.insert_or_assign(std::string(name), std::move(setting));
}

void ParameterPlan::set(std::string_view name, size_t model, ParameterSetting setting) {
  check(name, setting);
  DEMIX_CHECK(method_.find_parameter(name)->scope == MergeParameter::Scope::kModel);
  for_model_.at(model).insert_or_assign(std::string(name), std::move(setting));
}

MergeParameters ParameterPlan::at(std::string_view tensor, double depth) const {
  MergeParameters parameters(method_, models_);
  for (const auto& [name, setting] : for_all_)
    if (const auto value = value_at(*method_.find_parameter(name), setting, tensor, depth))
      parameters.set(name, *value);
  for (size_t k = 0; k < models_; ++k)
    for (const auto& [name, setting] : for_model_[k])
      if (const auto value = value_at(*method_.find_parameter(name), setting, tensor, depth))
        parameters.set(name, k, *value);
  return parameters;
}

std::vector<double> layer_depths(const std::vector<std::string>& tensors) {
  std::map<std::string_view, int64_t> last;  // by what stands before the number
  for (const std::string& tensor : tensors)
    if (const auto layer = layer_of(tensor)) {
      int64_t& most = last[std::string_view(tensor).substr(0, layer->first)];
      most = std::max(most, layer->second);
    }
  std::vector<double> depths;
  for (const std::string& tensor : tensors) {
    const auto layer = layer_of(tensor);
    if (!layer) {
      depths.push_back(0);
      continue;
    }
    const int64_t most = last[std::string_view(tensor).substr(0, layer->first)];
    depths.push_back(most == 0 ? 1
                               : static_cast<double>(layer->second) / static_cast<double>(most));
  }
  return depths;
}

}  // namespace demix
