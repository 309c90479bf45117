#include "demix/merge/proxy_method.h"

#include <cmath>

#include "demix/core/error.h"

namespace demix {
namespace {

const MergeMethod& fitting(const std::string& name) {
  try {
    const MergeMethod& method = find_merge_method(name);
    check_fit_for_search(method);
    return method;
  } catch (const Error& error) {
    throw Error("method: {}", error.what());
  }
}

}  // namespace

ProxyMethod::ProxyMethod(const ProxyMethodConfig& config, size_t components, uint64_t seed)
    : method_(&fitting(config.method)),
      parameters_(*method_, components),
      seed_(seed),
      root_(seed) {
  for (const auto& [name, text] : config.parameters) {
    if (name == "weight")
      throw Error("parameters.weight: a search sets the weights itself; remove it");
    try {
      parameters_.set(name, text);
    } catch (const Error& error) {
      throw Error("parameters.{}: {}", name, error.what());
    }
  }
  // Whatever is wrong is wrong for equal weights, too.
  try {
    parameters(std::vector<double>(components, 1.0 / static_cast<double>(components)));
  } catch (const Error& error) {
    throw Error("parameters: {}", error.what());
  }
}

MergeParameters ProxyMethod::parameters(std::span<const double> merge_weights) const {
  if (merge_weights.size() != parameters_.models()) {
    throw Error("a merge needs one weight per component: expected {}, found {}",
                parameters_.models(),
                merge_weights.size());
  }
  MergeParameters result = parameters_;
  for (size_t k = 0; k < merge_weights.size(); ++k) {
    if (!std::isfinite(merge_weights[k]))
      throw Error("merge weight {} is {}, expected a finite number", k + 1, merge_weights[k]);
    result.set("weight", k, merge_weights[k]);
  }
  check_merge(*method_, result, /*has_base=*/true);
  return result;
}

std::optional<std::vector<double>> ProxyMethod::factors(
    std::span<const double> merge_weights) const {
  const MergeParameters all = parameters(merge_weights);
  const bool linear = method_->name == "linear";
  if (!linear && method_->name != "task_arithmetic") return std::nullopt;
  std::vector<double> factors = method_->effective_weights(all);
  double sum = 0;
  for (const double factor : factors) sum += factor;
  factors.push_back(linear && all.number("lambda") == 1 ? 0 : 1 - sum);
  return factors;
}

std::string ProxyMethod::key() const {
  std::string text = fmt::format("merge by {}", method_->name);
  for (const MergeParameter& parameter : method_->parameters) {
    if (parameter.name == "weight") continue;
    if (parameter.scope == MergeParameter::Scope::kTensor) {
      text += fmt::format(", {} {}", parameter.name, parameters_.number(parameter.name));
    } else {
      text += fmt::format(
          ", {} {}", parameter.name, fmt::join(parameters_.of_models(parameter.name), " "));
    }
  }
  // Methods do not say whether they draw; sums of models certainly do not.
  const bool draws = method_->name != "linear" && method_->name != "task_arithmetic";
  return draws ? fmt::format("{}, seed {}", text, seed_) : text;
}

}  // namespace demix
