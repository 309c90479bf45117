#include "demix/model/architecture.h"

#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "demix/core/error.h"

namespace demix {
namespace {

struct FamilyName {
  Family family;
  const char* model_type;
  const char* architecture;
};
constexpr FamilyName kFamilies[] = {
    {Family::kLlama, "llama", "LlamaForCausalLM"},
    {Family::kQwen2, "qwen2", "Qwen2ForCausalLM"},
    {Family::kQwen3, "qwen3", "Qwen3ForCausalLM"},
};

const FamilyName& names_of(Family family) {
  for (const FamilyName& entry : kFamilies)
    if (entry.family == family) return entry;
  DEMIX_CHECK(false);
}

// config.json, one level of it: absent keys and nulls are the same, as in transformers.
class Fields {
 public:
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

  const std::string& where() const { return where_; }
  const Json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  bool has(const char* key) const { return find(key) != nullptr; }

  int64_t required_int(const char* key) const {
    if (!has(key)) throw Error("{}: '{}' is missing", where_, key);
    return int_or(key, 0);
  }
  int64_t int_or(const char* key, int64_t fallback) const {
    const Json* value = find(key);
    if (!value) return fallback;
    const bool fits = value->is_number_integer() && !(value->is_number_unsigned() &&
                                                      value->get<uint64_t>() > uint64_t{INT64_MAX});
    if (!fits)
      throw Error("{}: '{}' should be a whole number, found {}", where_, key, shown(*value));
    return value->get<int64_t>();
  }
  double required_double(const char* key) const {
    if (!has(key)) throw Error("{}: '{}' is missing", where_, key);
    return double_or(key, 0);
  }
  double double_or(const char* key, double fallback) const {
    const Json* value = find(key);
    if (!value) return fallback;
    if (!value->is_number())
      throw Error("{}: '{}' should be a number, found {}", where_, key, shown(*value));
    return value->get<double>();
  }
  bool bool_or(const char* key, bool fallback) const {
    const Json* value = find(key);
    if (!value) return fallback;
    if (!value->is_boolean())
      throw Error("{}: '{}' should be true or false, found {}", where_, key, shown(*value));
    return value->get<bool>();
  }
  std::string string_or(const char* key, const char* fallback) const {
    const Json* value = find(key);
    if (!value) return fallback;
    if (!value->is_string())
      throw Error("{}: '{}' should be a string, found {}", where_, key, shown(*value));
    return value->get<std::string>();
  }

  // Lists and maps are not spelt out: hostile ones are long, or deep enough to exhaust the stack.
  static std::string shown(const Json& value) {
    if (value.is_structured()) return fmt::format("a {} of {}", value.type_name(), value.size());
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 80) text = text.substr(0, 77) + "...";
    return text;
  }

 private:
  const Json& object_;
  std::string where_;
};

Family read_family(const Fields& config) {
  const std::string model_type = config.string_or("model_type", "");
  std::vector<std::string> known;
  for (const FamilyName& entry : kFamilies) {
    if (model_type == entry.model_type) return entry.family;
    known.emplace_back(entry.model_type);
  }
  if (model_type.empty())
    throw Error(
        "{}: 'model_type' is missing; supported are {}", config.where(), fmt::join(known, ", "));
  throw Error("{}: model_type '{}' is not supported; supported are {}",
              config.where(),
              model_type,
              fmt::join(known, ", "));
}

// Parts of other models that change the computation, under whatever model_type they come.
void refuse_unsupported(const Fields& config) {
  const std::string activation = config.string_or("hidden_act", "silu");
  if (activation != "silu" && activation != "swish")
    throw Error(
        "{}: hidden_act '{}' is not supported; supported is silu", config.where(), activation);
  for (const char* key : {"quantization_config",
                          "num_experts",
                          "num_local_experts",
                          "n_routed_experts",
                          "moe_intermediate_size",
                          "attn_logit_softcapping",
                          "final_logit_softcapping",
                          "no_rope_layers"}) {
    const Json* value = config.find(key);
    if (!value || (value->is_number() && value->get<double>() == 0)) continue;
    const std::string_view name = key;
    const char* remedy = name == "quantization_config" ? "; save the model dequantised first"
                         : name.find("expert") != name.npos || name.starts_with("moe")
                             ? " (mixture-of-experts)"
                             : "";
    throw Error("{}: '{}' is not supported{}", config.where(), key, remedy);
  }
}

// transformers' rules: `layer_types` decides when it is given; else Qwen's three settings do.
void refuse_sliding_windows(const Fields& config, Family family, int64_t layers) {
  if (const Json* types = config.find("layer_types")) {
    if (!types->is_array())
      throw Error(
          "{}: 'layer_types' should be a list, found {}", config.where(), Fields::shown(*types));
    for (const Json& type : *types)
      if (type != "full_attention")
        throw Error(
            "{}: layer_types has {}, which is not supported; supported is \"full_attention\"",
            config.where(),
            Fields::shown(type));
    return;
  }
  const bool in_use = family == Family::kLlama
                          ? config.has("sliding_window")
                          : config.bool_or("use_sliding_window", false) &&
                                config.int_or("max_window_layers", 28) < layers;
  if (in_use)
    throw Error("{}: sliding-window attention is in use, which is not supported", config.where());
}

// Older files have rope_theta and rope_scaling, newer ones both inside rope_parameters.
void read_rope(const Fields& config, Architecture& architecture) {
  double partial = config.double_or("partial_rotary_factor", 1);
  std::optional<double> theta;
  if (config.has("rope_theta")) theta = config.required_double("rope_theta");
  std::string type_seen;
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const Json* object = config.find(key);
    if (!object) continue;
    if (!object->is_object())
      throw Error(
          "{}: '{}' should be a map, found {}", config.where(), key, Fields::shown(*object));
    const Fields rope(*object, config.where() + ": " + key);
    if (rope.has("full_attention") || rope.has("sliding_attention"))
      throw Error("{}: RoPE by layer type is not supported", rope.where());
    partial = rope.double_or("partial_rotary_factor", partial);
    if (rope.has("rope_theta")) {
      const double inner = rope.required_double("rope_theta");
      if (theta && *theta != inner)
        throw Error("{}: two different rope_theta, {} and {}", config.where(), *theta, inner);
      theta = inner;
    }
    const std::string older = rope.string_or("type", "default");
    const std::string type = rope.string_or("rope_type", older.c_str());
    if (!type_seen.empty() && type != type_seen)
      throw Error("{}: rope_scaling and rope_parameters disagree: '{}' and '{}'",
                  config.where(),
                  type_seen,
                  type);
    type_seen = type;
    if (type == "default") continue;
    if (type != "llama3")
      throw Error("{}: RoPE of type '{}' is not supported; supported are default, llama3",
                  rope.where(),
                  type);
    const Llama3Scaling scaling{
        .factor = rope.required_double("factor"),
        .low_freq_factor = rope.required_double("low_freq_factor"),
        .high_freq_factor = rope.required_double("high_freq_factor"),
        .original_max_positions = rope.required_int("original_max_position_embeddings")};
    if (architecture.rope_scaling && *architecture.rope_scaling != scaling)
      throw Error("{}: rope_scaling and rope_parameters disagree", config.where());
    architecture.rope_scaling = scaling;
  }
  if (partial != 1)
    throw Error(
        "{}: partial_rotary_factor {} is not supported; supported is 1", config.where(), partial);
  architecture.rope_theta = theta.value_or(10000);
}

// A token id, or the first of a list of them.
std::optional<int64_t> read_token(const Fields& config, const char* key) {
  const Json* value = config.find(key);
  if (!value) return std::nullopt;
  if (value->is_array()) {
    if (value->empty()) return std::nullopt;
    const Json first = Json{{key, value->front()}};
    return Fields(first, config.where()).required_int(key);
  }
  return config.required_int(key);
}

// Elements that parameters start at a multiple of.
constexpr int64_t kAlignment = 64;

int64_t aligned(int64_t count) { return (count + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

Architecture Architecture::from_json(const Json& json, const std::string& where) {
  if (!json.is_object()) throw Error("{}: expected a map, found {}", where, Fields::shown(json));
  const Fields config(json, where);
  Architecture result;
  result.family = read_family(config);
  refuse_unsupported(config);

  // Defaults are those of transformers' configuration classes.
  const bool llama = result.family == Family::kLlama;
  result.vocabulary = config.required_int("vocab_size");
  result.hidden = config.required_int("hidden_size");
  result.layers = config.required_int("num_hidden_layers");
  result.heads = config.required_int("num_attention_heads");
  result.intermediate = config.required_int("intermediate_size");
  result.kv_heads = config.int_or("num_key_value_heads", result.heads);
  result.max_positions = config.int_or("max_position_embeddings", llama ? 2048 : 32768);
  result.rms_eps = config.double_or("rms_norm_eps", 1e-6);
  result.initializer_range = config.double_or("initializer_range", 0.02);
  result.tied_embeddings = config.bool_or("tie_word_embeddings", false);
  result.bos = read_token(config, "bos_token_id");
  result.eos = read_token(config, "eos_token_id");

  const bool attention_bias = config.bool_or("attention_bias", false);
  result.qkv_bias = result.family == Family::kQwen2 || attention_bias;
  result.out_bias = result.family != Family::kQwen2 && attention_bias;
  result.mlp_bias = llama && config.bool_or("mlp_bias", false);
  result.qk_norm = result.family == Family::kQwen3;

  if (config.has("head_dim")) {
    result.head_dim = config.required_int("head_dim");
  } else if (result.family == Family::kQwen3) {
    result.head_dim = 128;
  } else {
    if (result.heads <= 0 || result.hidden % result.heads != 0)
      throw Error(
          "{}: hidden_size {} is not a multiple of num_attention_heads {}, and 'head_dim' is "
          "missing",
          where,
          result.hidden,
          result.heads);
    result.head_dim = result.hidden / result.heads;
  }
  refuse_sliding_windows(config, result.family, result.layers);
  read_rope(config, result);
  result.check(where);
  return result;
}

void Architecture::check(const std::string& where) const {
  const auto in_range = [&](const char* key, int64_t value) {
    constexpr int64_t kMost = int64_t{1} << 28;
    if (value < 1 || value > kMost)
      throw Error("{}: '{}' should lie in 1..{}, found {}", where, key, kMost, value);
  };
  in_range("vocab_size", vocabulary);
  in_range("hidden_size", hidden);
  in_range("num_hidden_layers", layers);
  in_range("num_attention_heads", heads);
  in_range("num_key_value_heads", kv_heads);
  in_range("head_dim", head_dim);
  in_range("intermediate_size", intermediate);
  in_range("max_position_embeddings", max_positions);
  constexpr int64_t kMostLayers = 10000;
  if (layers > kMostLayers)
    throw Error("{}: {} layers are too many; at most {} are supported", where, layers, kMostLayers);
  if (heads % kv_heads != 0)
    throw Error("{}: num_attention_heads {} is not a multiple of num_key_value_heads {}",
                where,
                heads,
                kv_heads);
  if (head_dim % 2 != 0)
    throw Error("{}: head_dim {} is odd; rotary embeddings need pairs", where, head_dim);
  const auto positive = [&](const char* key, double value) {
    if (!(std::isfinite(value) && value > 0))
      throw Error("{}: '{}' should be positive, found {}", where, key, value);
  };
  positive("rms_norm_eps", rms_eps);
  positive("rope_theta", rope_theta);
  if (!(std::isfinite(initializer_range) && initializer_range >= 0))
    throw Error(
        "{}: 'initializer_range' should not be negative, found {}", where, initializer_range);
  if (rope_scaling) {
    positive("factor", rope_scaling->factor);
    positive("low_freq_factor", rope_scaling->low_freq_factor);
    if (!(rope_scaling->high_freq_factor > rope_scaling->low_freq_factor))
      throw Error("{}: high_freq_factor {} should exceed low_freq_factor {}",
                  where,
                  rope_scaling->high_freq_factor,
                  rope_scaling->low_freq_factor);
    in_range("original_max_position_embeddings", rope_scaling->original_max_positions);
  }
  // Only what the family's config.json can say may be written to one.
  const bool qwen2 = family == Family::kQwen2;
  if (qkv_bias != (qwen2 || out_bias) || (qwen2 && out_bias) ||
      (mlp_bias && family != Family::kLlama) || qk_norm != (family == Family::kQwen3))
    throw Error(
        "{}: model_type {} cannot have these biases and norms (attention {}, output {}, mlp {}, "
        "query and key norms {})",
        where,
        names_of(family).model_type,
        qkv_bias,
        out_bias,
        mlp_bias,
        qk_norm);
  // Everything below counts in 64-bit integers; in floating point nothing wraps.
  const double width = static_cast<double>(head_dim) * static_cast<double>(heads + kv_heads) * 2 +
                       static_cast<double>(intermediate) * 3;
  const double parameters = static_cast<double>(hidden) * (width * static_cast<double>(layers) +
                                                           static_cast<double>(vocabulary) * 2);
  if (parameters > 1e15)
    throw Error("{}: the sizes make {:.1e} parameters; more than 1e15 are not supported",
                where,
                parameters);
}

Json Architecture::to_json(const std::string& dtype) const {
  const FamilyName& names = names_of(family);
  Json json;
  json["architectures"] = {names.architecture};
  json["model_type"] = names.model_type;
  json["vocab_size"] = vocabulary;
  json["hidden_size"] = hidden;
  json["intermediate_size"] = intermediate;
  json["num_hidden_layers"] = layers;
  json["num_attention_heads"] = heads;
  json["num_key_value_heads"] = kv_heads;
  json["head_dim"] = head_dim;
  json["hidden_act"] = "silu";
  json["max_position_embeddings"] = max_positions;
  json["initializer_range"] = initializer_range;
  json["rms_norm_eps"] = rms_eps;
  json["rope_theta"] = rope_theta;
  json["rope_scaling"] = nullptr;
  if (rope_scaling)
    json["rope_scaling"] = {
        {"rope_type", "llama3"},
        {"factor", rope_scaling->factor},
        {"low_freq_factor", rope_scaling->low_freq_factor},
        {"high_freq_factor", rope_scaling->high_freq_factor},
        {"original_max_position_embeddings", rope_scaling->original_max_positions}};
  json["tie_word_embeddings"] = tied_embeddings;
  // Qwen2 has its biases by definition, and no setting for them.
  if (family != Family::kQwen2) json["attention_bias"] = qkv_bias;
  if (family == Family::kLlama) json["mlp_bias"] = mlp_bias;
  if (family != Family::kLlama) json["use_sliding_window"] = false;
  json["attention_dropout"] = 0.0;
  json["use_cache"] = true;
  json["bos_token_id"] = bos ? Json(*bos) : Json(nullptr);
  json["eos_token_id"] = eos ? Json(*eos) : Json(nullptr);
  json["torch_dtype"] = dtype;
  return json;
}

std::vector<std::string> differences(const Architecture& a, const Architecture& b) {
  std::vector<std::string> found;
  const auto compare = [&](const char* name, const auto& of_a, const auto& of_b) {
    if (of_a != of_b) found.push_back(fmt::format("{}: {} and {}", name, of_a, of_b));
  };
  compare("model_type",
          std::string(names_of(a.family).model_type),
          std::string(names_of(b.family).model_type));
  compare("vocab_size", a.vocabulary, b.vocabulary);
  compare("hidden_size", a.hidden, b.hidden);
  compare("num_hidden_layers", a.layers, b.layers);
  compare("num_attention_heads", a.heads, b.heads);
  compare("num_key_value_heads", a.kv_heads, b.kv_heads);
  compare("head_dim", a.head_dim, b.head_dim);
  compare("intermediate_size", a.intermediate, b.intermediate);
  compare("rms_norm_eps", a.rms_eps, b.rms_eps);
  compare("rope_theta", a.rope_theta, b.rope_theta);
  const auto scaling = [](const Architecture& x) {
    return x.rope_scaling ? fmt::format("llama3 ({}, {}, {}, {})",
                                        x.rope_scaling->factor,
                                        x.rope_scaling->low_freq_factor,
                                        x.rope_scaling->high_freq_factor,
                                        x.rope_scaling->original_max_positions)
                          : std::string("none");
  };
  compare("rope_scaling", scaling(a), scaling(b));
  compare("tie_word_embeddings", a.tied_embeddings, b.tied_embeddings);
  compare("attention_bias (query, key, value)", a.qkv_bias, b.qkv_bias);
  compare("attention_bias (output)", a.out_bias, b.out_bias);
  compare("mlp_bias", a.mlp_bias, b.mlp_bias);
  compare("query and key norms", a.qk_norm, b.qk_norm);
  return found;
}

std::vector<ParameterSpec> parameter_layout(const Architecture& a) {
  std::vector<ParameterSpec> layout;
  int64_t offset = 0;
  const auto add = [&](std::string name, std::vector<int64_t> shape) {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    layout.push_back({std::move(name), std::move(shape), offset, count});
    offset += aligned(count);
  };
  const int64_t q_width = a.heads * a.head_dim, kv_width = a.kv_heads * a.head_dim;

  add("model.embed_tokens.weight", {a.vocabulary, a.hidden});
  for (int64_t layer = 0; layer < a.layers; ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
    add(prefix + "input_layernorm.weight", {a.hidden});
    add(attention + "q_proj.weight", {q_width, a.hidden});
    add(attention + "k_proj.weight", {kv_width, a.hidden});
    add(attention + "v_proj.weight", {kv_width, a.hidden});
    if (a.qkv_bias) {
      add(attention + "q_proj.bias", {q_width});
      add(attention + "k_proj.bias", {kv_width});
      add(attention + "v_proj.bias", {kv_width});
    }
    if (a.qk_norm) {
      add(attention + "q_norm.weight", {a.head_dim});
      add(attention + "k_norm.weight", {a.head_dim});
    }
    add(attention + "o_proj.weight", {a.hidden, q_width});
    if (a.out_bias) add(attention + "o_proj.bias", {a.hidden});
    add(prefix + "post_attention_layernorm.weight", {a.hidden});
    add(mlp + "gate_proj.weight", {a.intermediate, a.hidden});
    add(mlp + "up_proj.weight", {a.intermediate, a.hidden});
    if (a.mlp_bias) {
      add(mlp + "gate_proj.bias", {a.intermediate});
      add(mlp + "up_proj.bias", {a.intermediate});
    }
    add(mlp + "down_proj.weight", {a.hidden, a.intermediate});
    if (a.mlp_bias) add(mlp + "down_proj.bias", {a.hidden});
  }
  add("model.norm.weight", {a.hidden});
  if (!a.tied_embeddings) add("lm_head.weight", {a.vocabulary, a.hidden});
  return layout;
}

int64_t flat_size(const Architecture& architecture) {
  const ParameterSpec last = parameter_layout(architecture).back();
  return last.offset + aligned(last.count);
}

int64_t parameter_count(const Architecture& architecture) {
  int64_t count = 0;
  for (const ParameterSpec& spec : parameter_layout(architecture)) count += spec.count;
  return count;
}

double forward_flops_per_token(const Architecture& a, bool with_head) {
  const int64_t attention = a.hidden * a.head_dim * (a.heads + a.kv_heads) * 2;
  const int64_t mlp = a.hidden * a.intermediate * 3;
  const int64_t head = with_head ? a.vocabulary * a.hidden : 0;
  return 2.0 * static_cast<double>(a.layers * (attention + mlp) + head);
}

}  // namespace demix
