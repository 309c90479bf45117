#include "demix/run/proxy.h"

#include <nlohmann/json.hpp>

#include "demix/core/hash.h"

namespace demix {

std::string name_of(ProxyKind kind) { return kind == ProxyKind::kMerged ? "merged" : "ensemble"; }

void to_json(Json& json, const ProxySetup& setup) {
  json = {{"base", setup.base},
          {"components", setup.components},
          {"names", setup.names},
          {"merge", setup.merge},
          {"sum_of_models", setup.sum_of_models},
          {"dtype", setup.dtype},
          {"tasks", setup.tasks}};
}

void from_json(const Json& json, ProxySetup& setup) {
  json.at("base").get_to(setup.base);
  json.at("components").get_to(setup.components);
  json.at("names").get_to(setup.names);
  json.at("merge").get_to(setup.merge);
  json.at("sum_of_models").get_to(setup.sum_of_models);
  json.at("dtype").get_to(setup.dtype);
  json.at("tasks").get_to(setup.tasks);
}

std::string setup_key(const ProxySetup& setup) { return sha256(Json(setup).dump()); }

std::string proxy_key(const ProxySetup& setup,
                      std::span<const double> merge_weights,
                      const std::string& evaluation) {
  Hasher components;
  components.field(setup.base);
  for (const std::string& component : setup.components) components.field(component);
  Hasher hasher;
  hasher.field(setup.merge).field(components.hex());
  for (const double weight : merge_weights) hasher.field(weight);
  return hasher.field(setup.dtype).field(evaluation).hex();
}

}  // namespace demix
