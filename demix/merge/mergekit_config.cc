#include "demix/merge/mergekit_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "demix/core/error.h"
#include "demix/core/json_file.h"
#include "demix/core/progress.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// A model's folder and the parameters that were written with it.
struct Input {
  fs::path folder;
  std::string where;
  std::optional<ConfigNode> parameters;
};

void refuse_unknown_keys(const ConfigNode& node, const std::vector<std::string>& known) {
  for (const std::string& key : node.keys()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    throw Error("{}: unknown key '{}'; {}",
                node.find(key)->where(),
                printable(key),
                suggestion(key, known, "known here:"));
  }
}

// The value of `key`, unless it is missing or null.
std::optional<ConfigNode> value_of(const ConfigNode& node, std::string_view key) {
  std::optional<ConfigNode> value = node.find(key);
  if (value && value->is_null()) return std::nullopt;
  return value;
}

// A model by its path: a string, or mergekit's longer form {model: {path: …}}.
fs::path model_folder(const ConfigNode& node) {
  ConfigNode place = node;
  if (node.is_map()) {
    refuse_unknown_keys(node, {"model", "lora", "override_architecture", "path", "revision"});
    for (const char* key : {"lora", "override_architecture", "revision"})
      if (const auto found = value_of(node, key))
        throw Error(
            "{}: '{}' is not supported; give the folder of a whole model", found->where(), key);
    for (const char* key : {"model", "path"})
      if (const auto inner = value_of(node, key)) return model_folder(*inner);
    throw Error("{}: expected the folder of a model", node.where());
  }
  const std::string text = node.as_string();
  if (fs::is_directory(text)) return text;
  if (text.find('+') != text.npos)
    throw Error(
        "{}: '{}': LoRA adapters (model+adapter) are not supported; merge the adapter into the "
        "model first, and give the folder of the result",
        node.where(),
        printable(text));
  throw Error("{}: '{}' is no folder{}",
              node.where(),
              printable(text),
              text.find('/') != text.npos && !text.starts_with('/') && !text.starts_with('.')
                  ? "; models are not downloaded: download it, and give its folder"
                  : "");
}

// ---- Parameters

ParameterSetting setting_of(const ConfigNode& node);

// A number, word or truth value, or a list of them.
std::vector<std::string> values_of(const ConfigNode& node) {
  std::vector<std::string> values;
  for (const ConfigNode& item : node.is_scalar() ? std::vector{node} : node.items()) {
    values.push_back(item.as_string());
    const std::string_view text = values.back();
    const std::string_view digits =
        text.substr(std::min(text.find_first_not_of("+-"), text.size()));
    if (item.tag().empty() && digits.size() > 1 && digits[0] == '0' &&
        digits.find_first_not_of("0123456789_") == digits.npos)
      throw Error(
          "{}: '{}' is octal to mergekit, as all whole numbers that begin with 0; write it without",
          item.where(),
          printable(text));
  }
  return values;
}

void add_condition(const ConfigNode& node, ParameterSetting& setting) {
  refuse_unknown_keys(node, {"filter", "value"});
  const auto value = value_of(node, "value");
  if (!value) throw Error("{}: 'value' is missing", node.where());
  const auto filter = value_of(node, "filter");
  setting.conditions.push_back(
      {filter ? filter->as_string() : "", values_of(*value), value->where()});
}

ParameterSetting setting_of(const ConfigNode& node) {
  ParameterSetting setting;
  if (node.is_map()) {
    add_condition(node, setting);
    return setting;
  }
  const bool conditional = node.is_sequence() && !node.items().empty() && node.items()[0].is_map();
  if (!conditional) {
    setting.conditions.push_back({"", values_of(node), node.where()});
    return setting;
  }
  for (const ConfigNode& item : node.items()) {
    if (!item.is_map())
      throw Error("{}: expected a map of 'filter' and 'value', as before it", item.where());
    add_condition(item, setting);
  }
  return setting;
}

// Appends the conditions of a wider scope, which hold where those of `setting` are silent.
void fall_back_to(ParameterSetting& setting, const ParameterSetting& wider) {
  setting.conditions.insert(
      setting.conditions.end(), wider.conditions.begin(), wider.conditions.end());
}

// Parameters that mergekit's method of the same name does not have, and passes over.
constexpr std::pair<std::string_view, std::string_view> kOnlyHere[] = {
    {"karcher", "weight"}, {"linear", "lambda"}, {"sce", "equal_below"}};

void refuse_only_here(const ConfigNode& parameters, const MergeMethod& method) {
  for (const auto& [name, parameter] : kOnlyHere)
    if (const auto value = name == method.name ? value_of(parameters, parameter) : std::nullopt)
      throw Error("{}: {} has no parameter '{}' in mergekit; leave it out, or merge by flags",
                  value->where(),
                  name,
                  parameter);
}

// Parameters of the scopes, the narrowest first.
void read_parameters(const std::vector<ConfigNode>& shared,
                     const std::vector<Input>& models,
                     ParameterPlan& plan) {
  std::map<std::string, ParameterSetting> for_all;
  for (const ConfigNode& scope : shared) {
    refuse_only_here(scope, plan.method());
    for (const std::string& name : scope.keys())
      if (const auto value = value_of(scope, name)) fall_back_to(for_all[name], setting_of(*value));
  }
  for (const auto& [name, setting] : for_all) plan.set(name, setting);
  for (size_t k = 0; k < models.size(); ++k) {
    if (!models[k].parameters) continue;
    refuse_only_here(*models[k].parameters, plan.method());
    for (const std::string& name : models[k].parameters->keys()) {
      const auto value = value_of(*models[k].parameters, name);
      if (!value) continue;
      const MergeParameter* parameter = plan.method().find_parameter(name);
      if (parameter && parameter->scope == MergeParameter::Scope::kTensor) {
        warn(fmt::format(
            "{}: '{}' of {} has one value for all models; under a model it is passed over, as by "
            "mergekit. Write it into the outer 'parameters'",
            value->where(),
            name,
            plan.method().name));
        continue;
      }
      ParameterSetting setting = setting_of(*value);
      if (const auto wider = for_all.find(name); wider != for_all.end())
        fall_back_to(setting, wider->second);
      plan.set(name, k, std::move(setting));
    }
  }
  for (const MergeParameter& parameter : plan.method().parameters) {
    const std::string name(parameter.name);
    if (!parameter.required() || parameter.scope != MergeParameter::Scope::kModel ||
        for_all.contains(name))
      continue;
    for (size_t k = 0; k < models.size(); ++k)
      if (!plan.for_model(k).contains(name))
        throw Error("{}: '{}' has no '{}', which {} needs for every model: the {}",
                    models[k].where,
                    printable(models[k].folder.string()),
                    name,
                    plan.method().name,
                    parameter.meaning);
  }
}

// ---- Models and slices

std::vector<Input> read_models(const ConfigNode& models) {
  std::vector<Input> inputs;
  for (const ConfigNode& item : models.items()) {
    refuse_unknown_keys(item, {"model", "parameters"});
    const auto model = value_of(item, "model");
    if (!model) throw Error("{}: 'model' is missing", item.where());
    inputs.push_back({model_folder(*model), model->where(), value_of(item, "parameters")});
  }
  return inputs;
}

// Layers by config.json, or nothing where it does not say.
std::optional<int64_t> layers_of(const fs::path& folder) {
  if (!fs::exists(folder / "config.json")) return std::nullopt;
  const Json config = read_json_file<Json>(folder / "config.json", 10'000'000);
  for (const char* key : {"num_hidden_layers", "n_layer", "num_layers", "n_layers"})
    if (config.is_object() && config.contains(key) && config[key].is_number_integer())
      return config[key].get<int64_t>();
  return std::nullopt;
}

// One slice whose sources are whole models is a merge of models; others put models together anew.
std::vector<Input> read_slice(const ConfigNode& slice) {
  refuse_unknown_keys(slice, {"sources", "base_model", "parameters", "residual_weight"});
  for (const char* key : {"base_model", "residual_weight"})
    if (const auto found = value_of(slice, key))
      throw Error("{}: '{}' of a slice is not supported", found->where(), key);
  const auto sources = value_of(slice, "sources");
  if (!sources) throw Error("{}: 'sources' is missing", slice.where());
  std::vector<Input> inputs;
  for (const ConfigNode& source : sources->items()) {
    refuse_unknown_keys(source, {"model", "layer_range", "parameters"});
    const auto model = value_of(source, "model");
    if (!model) throw Error("{}: 'model' is missing", source.where());
    const fs::path folder = model_folder(*model);
    const auto range = value_of(source, "layer_range");
    if (!range || range->items().size() != 2)
      throw Error("{}: expected layer_range: [first, beyond the last]", source.where());
    const int64_t first = range->items()[0].as_int(), end = range->items()[1].as_int();
    const std::optional<int64_t> layers = layers_of(folder);
    if (first != 0 || (layers && end != *layers))
      throw Error(
          "{}: slices of some layers are not supported, only those of all of them ([0, {}]); "
          "frankenmerges need mergekit",
          range->where(),
          layers ? fmt::format("{}", *layers) : "number of layers");
    inputs.push_back({folder, model->where(), value_of(source, "parameters")});
  }
  return inputs;
}

// ---- The rest

NumberFormat format_of(const ConfigNode& node) {
  const auto format = number_format_named(node.as_string());
  if (!format)
    throw Error("{}: dtype '{}' is not supported; expected float32, bfloat16, float16 or float64",
                node.where(),
                printable(node.as_string()));
  return *format;
}

// The folder whose tokenizer is copied; empty for the base's.
fs::path tokenizer_folder(const ConfigNode& source) {
  if (source.is_scalar() && source.as_string() == "base") return {};
  if (source.is_scalar() && source.as_string() == "union")
    throw Error(
        "{}: the tokenizer 'union' is not supported: all models must have one vocabulary, and the "
        "base's tokenizer is copied",
        source.where());
  return model_folder(source);
}

void read_tokenizer(const ConfigNode& config, MergekitConfig& result) {
  const auto source = value_of(config, "tokenizer_source");
  const auto tokenizer = value_of(config, "tokenizer");
  if (source && tokenizer)
    throw Error("{}: tokenizer and tokenizer_source exclude each other", tokenizer->where());
  if (source) result.tokenizer = tokenizer_folder(*source);
  if (tokenizer) {
    refuse_unknown_keys(*tokenizer, {"source", "tokens", "pad_to_multiple_of"});
    for (const char* key : {"tokens", "pad_to_multiple_of"})
      if (const auto found = value_of(*tokenizer, key))
        throw Error(
            "{}: '{}' is not supported: embeddings are merged as they are", found->where(), key);
    const auto inner = value_of(*tokenizer, "source");
    if (!inner)
      throw Error(
          "{}: 'source' is missing; in mergekit it would be 'union', which is "
          "not supported",
          tokenizer->where());
    result.tokenizer = tokenizer_folder(*inner);
  }
  if (const auto chat = value_of(config, "chat_template")) {
    const std::string text = chat->as_string();
    if (text.find('{') == text.npos)
      throw Error(
          "{}: '{}': templates by name and 'auto' are not supported; write the template itself, "
          "or leave it out to keep the tokenizer's",
          chat->where(),
          printable(text));
    result.chat_template = text;
  }
}

// mergekit's linear and karcher know no base: a base_model is one more model there.
bool counts_base_as_model(const MergeMethod& method) {
  return method.name == "linear" || method.name == "karcher";
}

// Whether a model without parameters of its own has a weight. (Without, mergekit refuses a base
// that is not among the models; here it is what distances are measured from.)
bool gives_weight_to_all(const MergeMethod& method, const std::vector<ConfigNode>& shared) {
  return !method.find_parameter("weight")->required() ||
         std::any_of(shared.begin(), shared.end(), [](const ConfigNode& scope) {
           return value_of(scope, "weight").has_value();
         });
}

}  // namespace

MergekitConfig read_mergekit_config(const ConfigNode& config) {
  refuse_unknown_keys(config,
                      {"merge_method",
                       "models",
                       "slices",
                       "modules",
                       "base_model",
                       "parameters",
                       "dtype",
                       "out_dtype",
                       "tokenizer_source",
                       "tokenizer",
                       "chat_template"});
  MergekitConfig result;
  const auto method = value_of(config, "merge_method");
  if (!method) throw Error("{}: 'merge_method' is missing", config.where());
  try {
    result.method = &find_merge_method(method->as_string());
  } catch (const Error& error) {
    throw Error("{}: {}", method->where(), error.what());
  }

  if (const auto modules = value_of(config, "modules"))
    throw Error("{}: 'modules' is not supported; use 'models'", modules->where());
  const auto models = value_of(config, "models"), slices = value_of(config, "slices");
  if (models.has_value() == slices.has_value())
    throw Error("{}: expected either 'models' or 'slices'", config.where());
  std::vector<ConfigNode> shared;
  std::vector<Input> inputs;
  if (models) {
    inputs = read_models(*models);
  } else {
    if (slices->items().empty()) throw Error("{}: there are no slices", slices->where());
    if (slices->items().size() != 1)
      throw Error(
          "{}: several slices are not supported, only one of whole models; frankenmerges need "
          "mergekit",
          slices->where());
    const ConfigNode slice = slices->items()[0];
    inputs = read_slice(slice);
    if (const auto parameters = value_of(slice, "parameters")) shared.push_back(*parameters);
  }
  if (const auto parameters = value_of(config, "parameters")) shared.push_back(*parameters);
  if (inputs.empty()) throw Error("{}: there are no models", config.where());
  std::set<fs::path> folders;
  for (const Input& input : inputs)
    if (!folders.insert(fs::canonical(input.folder)).second)
      throw Error("{}: the same model is given twice", input.where);

  if (const auto base = value_of(config, "base_model")) {
    result.base = model_folder(*base);
    const bool is_listed = folders.contains(fs::canonical(*result.base));
    if (!counts_base_as_model(*result.method)) {
      std::erase_if(inputs,
                    [&](const Input& input) { return fs::equivalent(input.folder, *result.base); });
      if (inputs.empty()) throw Error("{}: there are no models beside the base", config.where());
    } else if (!is_listed && gives_weight_to_all(*result.method, shared)) {
      inputs.push_back({*result.base, base->where(), std::nullopt});
    }
  }
  // Beside a base, slerp would leave it or a model out; mergekit counts all of them.
  if (const size_t count = inputs.size() + (result.base ? 1 : 0);
      result.method->name == "slerp" && count != 2)
    throw Error(
        "{}: slerp goes from one model to another: expected 2 models, the base among them, "
        "found {}",
        (models ? models : slices)->where(),
        count);
  // Names are the folders' own where they tell the models apart.
  const auto name_of = [](const Input& input) {
    return fs::absolute(input.folder / "").lexically_normal().parent_path().filename().string();
  };
  std::set<std::string> names;
  for (const Input& input : inputs) names.insert(name_of(input));
  for (const Input& input : inputs)
    result.models.push_back(
        {names.size() == inputs.size() ? name_of(input) : input.folder.string(), input.folder});

  result.parameters = std::make_unique<ParameterPlan>(*result.method, inputs.size());
  read_parameters(shared, inputs, *result.parameters);

  if (const auto dtype = value_of(config, "dtype")) result.format = format_of(*dtype);
  if (const auto dtype = value_of(config, "out_dtype")) result.format = format_of(*dtype);
  read_tokenizer(config, result);
  return result;
}

}  // namespace demix
