#include "demix/merge/merge_record.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"

namespace demix {
namespace {

// Sums of float32 have no more digits that mean something.
double rounded(double value) { return std::stod(fmt::format("{:.9g}", value)); }

Json setting_json(const ParameterSetting& setting) {
  Json conditions = Json::array();
  for (const ParameterSetting::Condition& condition : setting.conditions) {
    const Json value =
        condition.values.size() == 1 ? Json(condition.values[0]) : Json(condition.values);
    if (condition.filter.empty() && setting.conditions.size() == 1) return value;
    conditions.push_back({{"filter", condition.filter}, {"value", value}});
  }
  return conditions;
}

Json settings_json(const ParameterPlan::Settings& settings) {
  Json json = Json::object();
  for (const auto& [name, setting] : settings) json[name] = setting_json(setting);
  return json;
}

Json input_json(const MergedInput& input) {
  Json json;
  json["name"] = input.name;
  json["folder"] = input.folder.string();
  json["content"] = input.content;
  json["norm"] = rounded(input.norm);
  return json;
}

}  // namespace

Json merge_record(const MergeJob& job, const MergeReport& report) {
  const ParameterPlan& plan = job.parameters;
  Json json;
  json["version"] = 1;
  json["program"] = "demix " DEMIX_VERSION;
  json["method"] = plan.method().name;
  json["parameters"] = settings_json(plan.for_all());
  json["seed"] = job.seed;
  json["dtype"] = job.format ? Json(name_of(*job.format)) : Json("as in the reference");
  json["reference"] = input_json(report.reference);
  json["reference"]["is_base"] = report.has_base;
  json["models"] = Json::array();
  for (size_t k = 0; k < report.models.size(); ++k) {
    const MergedInput& model = report.models[k];
    Json& entry = json["models"].emplace_back(input_json(model));
    entry["parameters"] = settings_json(plan.for_model(k));
    if (model.weight && model.weight->first == model.weight->second)
      entry["effective_weight"] = rounded(model.weight->first);
    else if (model.weight)
      entry["effective_weight"] = {rounded(model.weight->first), rounded(model.weight->second)};
    else
      entry["effective_weight"] = nullptr;
    entry["distance"] = rounded(model.distance);
    entry["drift"] = rounded(model.drift);
  }
  json["cosines"] = nullptr;
  if (!report.cosines.empty()) {
    json["cosines"] = Json::array();
    for (const std::vector<double>& row : report.cosines) {
      Json& values = json["cosines"].emplace_back(Json::array());
      for (const double value : row) values.push_back(rounded(value));
    }
  }
  json["merged_tensors"] = report.merged_tensors;
  json["copied_tensors"] = report.copied_tensors;
  json["dropped_tensors"] = report.dropped;
  json["parameter_count"] = report.parameters;
  json["warnings"] = report.warnings;
  return json;
}

}  // namespace demix
