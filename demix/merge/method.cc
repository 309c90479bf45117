#include "demix/merge/method.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "demix/core/error.h"

namespace demix {
namespace {

// The words for true and false of YAML 1.1, which mergekit's configurations use.
std::optional<bool> truth(std::string_view text) {
  std::string word(text);
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::array<std::string_view, 3> kTrue = {"true", "yes", "on"};
  constexpr std::array<std::string_view, 3> kFalse = {"false", "no", "off"};
  if (std::ranges::find(kTrue, word) != kTrue.end()) return true;
  if (std::ranges::find(kFalse, word) != kFalse.end()) return false;
  double number = -1;  // mergekit takes 1.0 and 0.0 as well
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end == text.data() + text.size() && (number == 0 || number == 1)) return number == 1;
  return std::nullopt;
}

std::string expectation(const MergeParameter& parameter) {
  using Type = MergeParameter::Type;
  if (parameter.type == Type::kFlag) return "true or false";
  if (parameter.type == Type::kChoice) {
    return fmt::format("one of {}", fmt::join(parameter.choices, ", "));
  }
  const std::string kind = parameter.type == Type::kInteger ? "a whole number" : "a number";
  const bool above = std::isfinite(parameter.least), below = std::isfinite(parameter.most);
  if (above && below) {
    return fmt::format("{} from {} to {}", kind, parameter.least, parameter.most);
  }
  if (above) return fmt::format("{} of at least {}", kind, parameter.least);
  if (below) return fmt::format("{} of at most {}", kind, parameter.most);
  return kind;
}

[[noreturn]] void refuse(const MergeParameter& parameter, const std::string& found) {
  throw Error("parameter '{}': expected {}, found {}; meant is: {}",
              parameter.name,
              expectation(parameter),
              found,
              parameter.meaning);
}

}  // namespace

void MergeParameter::check(double value) const {
  const bool whole = value == std::floor(value);
  bool good = std::isfinite(value) && value >= least && value <= most;
  if (type == Type::kInteger) good &= whole && std::abs(value) < 1e15;
  if (type == Type::kFlag) good &= value == 0 || value == 1;
  if (type == Type::kChoice) good &= whole && value >= 0 && value < double(choices.size());
  if (!good) refuse(*this, fmt::format("{}", value));
}

double MergeParameter::parse(std::string_view text) const {
  const std::optional<bool> flag = truth(text);
  if (type == Type::kFlag) {
    if (!flag) refuse(*this, fmt::format("'{}'", text));
    return *flag ? 1 : 0;
  }
  if (type == Type::kChoice) {
    const std::string_view word = flag ? (*flag ? "true" : "false") : text;
    const auto found = std::ranges::find(choices, word);
    if (found == choices.end()) refuse(*this, fmt::format("'{}'", text));
    return static_cast<double>(found - choices.begin());
  }
  double value = 0;
  const char* const begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error != std::errc{} || stop != end) refuse(*this, fmt::format("'{}'", text));
  check(value);
  return value;
}

MergeParameters::MergeParameters(const MergeMethod& method, size_t models)
    : method_(&method), models_(models) {
  for (const MergeParameter& parameter : method.parameters) {
    const bool per_model = parameter.scope == MergeParameter::Scope::kModel;
    values_.emplace_back(per_model ? models : 1, parameter.default_value);
  }
}

size_t MergeParameters::find(std::string_view name) const {
  const MergeParameter* const parameter = method_->find_parameter(name);
  if (parameter != nullptr) return parameter - method_->parameters.data();
  std::vector<std::string_view> names;
  for (const MergeParameter& known : method_->parameters) names.push_back(known.name);
  throw Error("merge method {} has no parameter '{}'; {}",
              method_->name,
              name,
              names.empty() ? "it has none" : suggestion(name, names, "it has"));
}

void MergeParameters::set(std::string_view name, double value) {
  const size_t i = find(name);
  method_->parameters[i].check(value);
  std::ranges::fill(values_[i], value);
}

void MergeParameters::set(std::string_view name, size_t model, double value) {
  const size_t i = find(name);
  if (method_->parameters[i].scope != MergeParameter::Scope::kModel) {
    throw Error(
        "parameter '{}' of merge method {} has one value for all models, and cannot be set "
        "for one of them",
        name,
        method_->name);
  }
  DEMIX_CHECK(model < models_);
  method_->parameters[i].check(value);
  values_[i][model] = value;
}

void MergeParameters::set(std::string_view name, std::string_view text) {
  set(name, method_->parameters[find(name)].parse(text));
}

void MergeParameters::set(std::string_view name, size_t model, std::string_view text) {
  set(name, model, method_->parameters[find(name)].parse(text));
}

bool MergeParameters::has(std::string_view name) const {
  return method_->find_parameter(name) != nullptr;
}

double MergeParameters::number(std::string_view name) const {
  const size_t i = find(name);
  DEMIX_CHECK(method_->parameters[i].scope == MergeParameter::Scope::kTensor);
  return values_[i][0];
}

std::string_view MergeParameters::choice(std::string_view name) const {
  return method_->parameters[find(name)].choices[static_cast<size_t>(number(name))];
}

std::span<const double> MergeParameters::of_models(std::string_view name) const {
  const size_t i = find(name);
  DEMIX_CHECK(method_->parameters[i].scope == MergeParameter::Scope::kModel);
  return values_[i];
}

std::string_view MergeParameters::missing() const {
  for (size_t i = 0; i < values_.size(); ++i) {
    if (std::ranges::any_of(values_[i], [](double value) { return std::isnan(value); })) {
      return method_->parameters[i].name;
    }
  }
  return {};
}

const MergeParameter* MergeMethod::find_parameter(std::string_view wanted) const {
  const auto found = std::ranges::find(parameters, wanted, &MergeParameter::name);
  return found == parameters.end() ? nullptr : &*found;
}

void check_merge(const MergeMethod& method, const MergeParameters& parameters, bool has_base) {
  if (method.base == BaseUse::kRequired && !has_base) {
    throw Error("merge method {} works on updates and needs a base", method.name);
  }
  const size_t models = parameters.models();
  if (models < method.fewest_models || models > method.most_models) {
    const std::string expected =
        method.fewest_models == method.most_models ? fmt::format("exactly {}", method.fewest_models)
        : models < method.fewest_models ? fmt::format("at least {}", method.fewest_models)
                                        : fmt::format("at most {}", method.most_models);
    throw Error(
        "merge method {} takes {} models beside the base, found {}", method.name, expected, models);
  }
  const std::string_view missing = parameters.missing();
  if (!missing.empty()) {
    const MergeParameter& parameter = *method.find_parameter(missing);
    throw Error("merge method {} needs a value of '{}'{}: the {}",
                method.name,
                missing,
                parameter.scope == MergeParameter::Scope::kModel ? " for every model" : "",
                parameter.meaning);
  }
  if (method.uses_weights()) {
    float sum = 0;  // beyond float32, sums that divide give zeros
    for (const double weight : parameters.of_models("weight")) sum += static_cast<float>(weight);
    if (!std::isfinite(sum)) {
      throw Error("merge method {}: the weights sum to {} in float32; expected smaller ones",
                  method.name,
                  sum);
    }
  }
  if (method.check != nullptr) method.check(parameters, has_base);
}

void check_fit_for_search(const MergeMethod& method) {
  if (method.most_models != std::numeric_limits<size_t>::max()) {
    throw Error(
        "merge method {} takes at most {} models, a search merges any number; take one "
        "without a limit, such as linear",
        method.name,
        method.most_models);
  }
  if (!method.uses_weights()) {
    throw Error(
        "merge method {} does not use weights, so that a search has nothing to vary; "
        "take one that does, such as linear",
        method.name);
  }
}

}  // namespace demix
