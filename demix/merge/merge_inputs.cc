#include "demix/merge/merge_inputs.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/json_file.h"
#include "demix/core/listed.h"
#include "demix/core/progress.h"
#include "demix/merge/merged_folder_files.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostConfigBytes = 10'000'000;
constexpr uint64_t kMostTokenizerBytes = 200'000'000;
// In messages, of a tokenizer that is not the base's.
constexpr const char* kTokenizerLabel = "the tokenizer to be copied";

// ---- Tensors

// Whether two tensors of a checkpoint have the same bytes; read piece by piece.
bool same_content(const Checkpoint& checkpoint, std::string_view a, std::string_view b) {
  const StoredTensor left = checkpoint.tensor(a), right = checkpoint.tensor(b);
  if (left.entry->dtype != right.entry->dtype || left.entry->shape != right.entry->shape)
    return false;
  constexpr uint64_t kPiece = 1 << 20;
  std::vector<std::byte> x(kPiece), y(kPiece);
  for (uint64_t begin = 0; begin < left.entry->size_bytes; begin += kPiece) {
    const size_t size = std::min(kPiece, left.entry->size_bytes - begin);
    left.read(std::span(x).first(size), begin);
    right.read(std::span(y).first(size), begin);
    if (std::memcmp(x.data(), y.data(), size) != 0) return false;
  }
  return true;
}

// Output matrices that configurations may tie to the embeddings, by the names of all architectures
// that transformers ties.
bool is_output_matrix(std::string_view name) {
  constexpr std::array<std::string_view, 5> kNames = {"lm_head.weight",
                                                      "embed_out.weight",
                                                      "lm_head.decoder.weight",
                                                      "proj_out.weight",
                                                      "predictions.decoder.weight"};
  return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view known) {
    return name == known || (name.ends_with(known) && name[name.size() - known.size() - 1] == '.');
  });
}

bool is_embedding(std::string_view name) {
  return name.find("embed") != name.npos || name.ends_with("wte.weight");
}

// The embedding of which `name` is a copy, or empty.
std::string tied_embedding(const Checkpoint& checkpoint, const std::string& name) {
  for (const std::string& other : checkpoint.names())
    if (other != name && is_embedding(other) && !is_output_matrix(other) &&
        same_content(checkpoint, name, other))
      return other;
  return "";
}

// What config.json says of the output matrix; nothing where it is silent.
std::optional<bool> config_ties(const ModelFolder& model) {
  if (!model.config) return std::nullopt;
  const auto tie = model.config->find("tie_word_embeddings");
  if (tie == model.config->end() || !tie->is_boolean()) return std::nullopt;
  return tie->get<bool>();
}

// Old checkpoints hold the rotary frequencies, which every program computes anew.
bool is_computed_anew(std::string_view name) { return name.ends_with(".rotary_emb.inv_freq"); }

// Names whose tensors are not merged although some inputs have them.
std::set<std::string> names_to_drop(std::span<const ModelFolder* const> inputs) {
  std::set<std::string> dropped, outputs;
  for (const ModelFolder* input : inputs) {
    for (const std::string& name : input->checkpoint.names()) {
      if (is_computed_anew(name)) dropped.insert(name);
      if (is_output_matrix(name)) outputs.insert(name);
    }
  }
  const std::optional<bool> ties = config_ties(*inputs[0]);
  const bool tied = ties.value_or(false);
  for (const std::string& name : outputs) {
    const auto has = [&](const ModelFolder* input) { return input->checkpoint.find(name); };
    const auto lacking = std::find_if_not(inputs.begin(), inputs.end(), has);
    if (lacking == inputs.end() && !tied) continue;
    if (ties == false && has(inputs[0]))
      throw Error(
          "{} ({}): {} is missing, but config.json of {} says tie_word_embeddings: false; take a "
          "model that has it, or say true there if it is a copy of the embeddings",
          (*lacking)->label,
          (*lacking)->path().string(),
          printable(name),
          inputs[0]->path().string());
    bool copies = true;
    for (const ModelFolder* input : inputs) {
      if (!has(input) || !tied_embedding(input->checkpoint, name).empty()) continue;
      copies = false;
      if (tied)
        throw Error(
            "{} ({}): {} differs from the embeddings, but config.json of {} ties them; set "
            "tie_word_embeddings to false there to keep both",
            input->label,
            input->path().string(),
            printable(name),
            inputs[0]->path().string());
    }
    if (copies) dropped.insert(name);
  }
  return dropped;
}

bool is_copied_dtype(std::string_view dtype) {
  return dtype == "BOOL" || dtype.starts_with('I') || dtype.starts_with('U');
}

// ---- Configurations

// Keys that decide what a model computes from its weights: other values are another architecture.
constexpr std::array<std::string_view, 22> kArchitectureKeys = {"model_type",
                                                                "architectures",
                                                                "vocab_size",
                                                                "hidden_size",
                                                                "n_embd",
                                                                "d_model",
                                                                "intermediate_size",
                                                                "num_hidden_layers",
                                                                "n_layer",
                                                                "num_attention_heads",
                                                                "n_head",
                                                                "num_key_value_heads",
                                                                "head_dim",
                                                                "hidden_act",
                                                                "activation_function",
                                                                "num_local_experts",
                                                                "num_experts",
                                                                "num_experts_per_tok",
                                                                "tie_word_embeddings",
                                                                "attention_bias",
                                                                "mlp_bias",
                                                                "layer_types"};
// Keys that do not touch what is merged.
constexpr std::array<std::string_view, 9> kIgnoredKeys = {"_name_or_path",
                                                          "transformers_version",
                                                          "torch_dtype",
                                                          "dtype",
                                                          "use_cache",
                                                          "_attn_implementation_autoset",
                                                          "bos_token_id",
                                                          "eos_token_id",
                                                          "pad_token_id"};

template <size_t N>
bool contains(const std::array<std::string_view, N>& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

// Values by dotted keys ("text_config.hidden_size").
using FlatConfig = std::map<std::string, const Json*>;

void flatten(const Json& map, const std::string& prefix, FlatConfig& flat) {
  for (const auto& [key, value] : map.items()) {
    if (value.is_object() && !value.empty())
      flatten(value, prefix + key + ".", flat);
    else
      flat[prefix + key] = &value;
  }
}

FlatConfig flattened(const Json& config) {
  FlatConfig flat;
  flatten(config, "", flat);
  return flat;
}

void check_configs(const ModelFolder& reference, const ModelFolder& model) {
  if (!reference.config) return;
  if (!model.config) {
    warn(fmt::format("{}: {} has no config.json to compare", model.label, model.path().string()));
    return;
  }
  const FlatConfig left = flattened(*reference.config), right = flattened(*model.config);
  std::set<std::string> keys;
  for (const FlatConfig* config : {&left, &right})
    for (const auto& [key, value] : *config) keys.insert(key);
  const auto text = [](const FlatConfig& config, const std::string& key) {
    const auto found = config.find(key);
    return found == config.end() ? "no value" : printable(found->second->dump(), 60);
  };
  std::vector<std::string> refused, noted;
  for (const std::string& key : keys) {
    const std::string_view last = std::string_view(key).substr(key.rfind('.') + 1);
    const auto l = left.find(key), r = right.find(key);
    // A key that one of them leaves out has its default there, which may be the other's value.
    const bool both = l != left.end() && r != right.end();
    if (contains(kIgnoredKeys, last) || (both && *l->second == *r->second)) continue;
    (both && contains(kArchitectureKeys, last) ? refused : noted)
        .push_back(fmt::format("{} {} instead of {}", key, text(right, key), text(left, key)));
  }
  if (!refused.empty())
    throw Error("{}: {} is of another architecture than {} ({}): {}",
                model.label,
                model.path().string(),
                reference.label,
                reference.path().string(),
                listed(refused));
  if (!noted.empty())
    warn(fmt::format("{}: config.json of {} differs from that of {}, which the result gets: {}",
                     model.label,
                     model.path().string(),
                     reference.label,
                     listed(noted)));
}

// ---- Vocabularies

using Vocabulary = std::unordered_map<std::string, int64_t>;

// Names of files of which each says what the token ids mean.
constexpr std::array<const char*, 5> kVocabularyFiles = {
    "tokenizer.json", "vocab.json", "tokenizer.model", "spiece.model", "vocab.txt"};

void add_tokens(const nlohmann::json& map, Vocabulary& vocabulary) {
  if (map.is_object())
    for (const auto& [token, id] : map.items())
      if (id.is_number_integer()) vocabulary[token] = id.get<int64_t>();
}

// Of tokenizer.json: the model's tokens, and those that were added to it.
struct TokenizerVocabulary {
  Vocabulary model, added;
};

TokenizerVocabulary read_vocabulary(const fs::path& path) {
  const auto json = read_json_file<nlohmann::json>(path, kMostTokenizerBytes);
  TokenizerVocabulary result;
  if (path.filename() == "vocab.json") {
    add_tokens(json, result.model);
    return result;
  }
  if (!json.is_object()) throw Error("{}: expected a map", path.string());
  if (const auto model = json.find("model"); model != json.end() && model->is_object()) {
    if (const auto vocab = model->find("vocab"); vocab != model->end()) {
      add_tokens(*vocab, result.model);
      if (vocab->is_array())  // Unigram: [token, score], in the order of ids
        for (size_t id = 0; id < vocab->size(); ++id)
          if (const auto& piece = (*vocab)[id];
              piece.is_array() && !piece.empty() && piece[0].is_string())
            result.model[piece[0].get<std::string>()] = static_cast<int64_t>(id);
    }
  }
  if (const auto added = json.find("added_tokens"); added != json.end() && added->is_array())
    for (const auto& token : *added)
      if (token.is_object() && token.contains("content") && token["content"].is_string() &&
          token.contains("id") && token["id"].is_number_integer())
        result.added[token["content"].get<std::string>()] = token["id"].get<int64_t>();
  return result;
}

// All of its tokens; an added one counts before the model's own.
Vocabulary all_of(const TokenizerVocabulary& vocabulary) {
  Vocabulary all = vocabulary.added;
  all.insert(vocabulary.model.begin(), vocabulary.model.end());
  return all;
}

// Tokens that mean another id, and ids that mean another token, in `right` than in `left`.
std::vector<std::string> conflicts(const Vocabulary& left, const Vocabulary& right) {
  std::unordered_map<int64_t, const std::string*> by_id;
  for (const auto& [token, id] : left) by_id[id] = &token;
  std::vector<std::string> found;
  for (const auto& [token, id] : right) {
    const auto same_token = left.find(token);
    const auto same_id = by_id.find(id);
    if (same_token != left.end() && same_token->second != id)
      found.push_back(
          fmt::format("'{}' is {} instead of {}", printable(token, 40), id, same_token->second));
    else if (same_token == left.end() && same_id != by_id.end())
      found.push_back(fmt::format(
          "{} is '{}' instead of '{}'", id, printable(token, 40), printable(*same_id->second, 40)));
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool same_files(const fs::path& a, const fs::path& b) {
  return fs::equivalent(a, b) ||
         (fs::file_size(a) == fs::file_size(b) && read_file(a) == read_file(b));
}

// `label` is the model's, or the tokenizer's, in `folder`.
void check_vocabularies(const ModelFolder& reference,
                        const std::string& label,
                        const fs::path& folder) {
  for (const char* name : kVocabularyFiles) {
    const fs::path left = reference.path() / name, right = folder / name;
    if (!fs::is_regular_file(left) || !fs::is_regular_file(right)) continue;
    if (same_files(left, right)) return;
    if (left.extension() != ".json") {
      warn(fmt::format("{}: {} differs from {}; make sure that both give every token the same id",
                       label,
                       right.string(),
                       left.string()));
      return;
    }
    const TokenizerVocabulary a = read_vocabulary(left), b = read_vocabulary(right);
    if (const auto found = conflicts(a.model, b.model); !found.empty())
      throw Error(
          "{}: {} has another vocabulary than {}, so that rows of the embeddings do not "
          "correspond; {} differences: {}",
          label,
          right.string(),
          left.string(),
          found.size(),
          listed(found));
    // Chat models rename reserved tokens; the rows are few, and the user may know.
    const Vocabulary all = all_of(a);
    auto found = conflicts(all, all_of(b));
    std::set<int64_t> taken;
    for (const auto& [token, id] : all) taken.insert(id);
    for (const auto& [token, id] : b.added)
      if (!all.contains(token) && !taken.contains(id))
        found.push_back(fmt::format("'{}' ({}) is new", printable(token, 40), id));
    std::sort(found.begin(), found.end());
    if (!found.empty())
      warn(fmt::format("{}: added tokens of {} differ from those of {}{}: {}",
                       label,
                       right.string(),
                       left.string(),
                       label == kTokenizerLabel ? "" : ", which the result gets",
                       listed(found)));
    return;
  }
}

// Rows of the embeddings by config.json, or nothing where it does not say.
std::optional<int64_t> vocabulary_size(const ModelFolder& model) {
  if (!model.config) return std::nullopt;
  for (const auto& [key, value] : flattened(*model.config))
    if ((key == "vocab_size" || key == "text_config.vocab_size") && value->is_number_integer())
      return value->get<int64_t>();
  return std::nullopt;
}

}  // namespace

ModelFolder ModelFolder::open(std::string label, const fs::path& folder) {
  if (!fs::is_directory(folder))
    throw Error(
        "{}: {} is no folder; expected a Hugging Face model folder", label, folder.string());
  ModelFolder model;
  try {
    model.checkpoint = Checkpoint::open(folder);
    const fs::path config = folder / "config.json";
    if (fs::exists(config)) {
      model.config = std::make_shared<Json>(read_json_file<Json>(config, kMostConfigBytes));
      if (!model.config->is_object()) throw Error("{}: expected a map", config.string());
    }
  } catch (const std::exception&) {
    std::throw_with_nested(Error("{} cannot be read", label));
  }
  model.label = std::move(label);
  return model;
}

MergePlan plan_merge(std::span<const ModelFolder* const> inputs,
                     std::optional<NumberFormat> format) {
  const std::set<std::string> dropped = names_to_drop(inputs);
  const ModelFolder& reference = *inputs[0];
  const std::vector<std::string> names = reference.checkpoint.names();
  std::vector<std::string> problems;
  for (const ModelFolder* input : inputs.subspan(1)) {
    std::vector<std::string> missing, misshaped, superfluous, other_dtype;
    for (const std::string& name : names) {
      if (dropped.contains(name)) continue;
      const TensorEntry *left = reference.checkpoint.find(name),
                        *right = input->checkpoint.find(name);
      if (!right)
        missing.push_back(name);
      else if (left->shape != right->shape)
        misshaped.push_back(fmt::format(
            "{} {} instead of {}", name, shape_text(right->shape), shape_text(left->shape)));
      else if (left->dtype != right->dtype)
        other_dtype.push_back(fmt::format("{} {} instead of {}", name, right->dtype, left->dtype));
    }
    for (const std::string& name : input->checkpoint.names())
      if (!reference.checkpoint.find(name) && !dropped.contains(name)) superfluous.push_back(name);
    std::vector<std::string> parts;
    if (!missing.empty()) parts.push_back("it lacks " + listed(missing));
    if (!superfluous.empty()) parts.push_back("it has beyond them " + listed(superfluous));
    if (!misshaped.empty()) parts.push_back("shapes differ: " + listed(misshaped));
    if (!parts.empty())
      problems.push_back(
          fmt::format("{} ({}): {}", input->label, input->path().string(), fmt::join(parts, "; ")));
    if (!other_dtype.empty())
      warn(fmt::format("{} ({}) holds {} tensors in another dtype than {}: {}",
                       input->label,
                       input->path().string(),
                       other_dtype.size(),
                       reference.label,
                       listed(other_dtype)));
  }
  if (!problems.empty())
    throw Error("the models do not have the tensors of {} ({}):\n  {}",
                reference.label,
                reference.path().string(),
                fmt::join(problems, "\n  "));

  MergePlan plan;
  plan.dropped.assign(dropped.begin(), dropped.end());
  for (const std::string& name : names) {
    if (dropped.contains(name)) continue;
    PlannedTensor& tensor = plan.tensors.emplace_back();
    const TensorEntry& entry = *reference.checkpoint.find(name);
    tensor.name = name;
    tensor.shape = entry.shape;
    tensor.merged = !is_copied_dtype(entry.dtype);
    tensor.dtype = tensor.merged && format ? dtype_of(*format) : entry.dtype;
    for (const ModelFolder* input : inputs) {
      const std::string& dtype = input->checkpoint.find(name)->dtype;
      if (tensor.merged ? !number_format_of(dtype) : dtype != entry.dtype)
        throw Error(
            "{} ({}): tensor '{}' has dtype {}; merged are F32, BF16, F16 and F64 (quantised "
            "models "
            "must be dequantised first), and integers only where all models have the same",
            input->label,
            input->path().string(),
            printable(name),
            dtype);
      tensor.dtypes.push_back(dtype);
    }
    tensor.count = static_cast<int64_t>(8 * entry.size_bytes) / dtype_bits(entry.dtype);
  }
  return plan;
}

void check_same_family(const ModelFolder& reference, const ModelFolder& model) {
  check_configs(reference, model);
  check_vocabularies(reference, model.label, model.path());
}

void check_tokenizer(const ModelFolder& reference, const fs::path& folder) {
  if (!holds_tokenizer(folder))
    throw Error("{}: {} {}; expected a folder with one, such as a model's",
                kTokenizerLabel,
                folder.string(),
                fs::is_directory(folder) ? "holds none" : "is no folder");
  check_vocabularies(reference, kTokenizerLabel, folder);
  const std::optional<int64_t> rows = vocabulary_size(reference);
  if (!rows || !fs::is_regular_file(folder / "tokenizer.json")) return;
  for (const auto& [token, id] : all_of(read_vocabulary(folder / "tokenizer.json")))
    if (id >= *rows)
      throw Error(
          "{}: {} has the token '{}' with id {}, but the embeddings of {} have {} rows; expected a "
          "tokenizer of these models",
          kTokenizerLabel,
          (folder / "tokenizer.json").string(),
          printable(token, 40),
          id,
          reference.path().string(),
          *rows);
}

}  // namespace demix
