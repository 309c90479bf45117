#include "demix/merge/merged_folder_files.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

#include "demix/core/files.h"
#include "demix/core/json_file.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// A tokenizer is usable with one of the first four.
constexpr std::array<const char*, 20> kTokenizerFiles = {"tokenizer.json",
                                                         "tokenizer.model",
                                                         "vocab.json",
                                                         "spiece.model",
                                                         "vocab.txt",
                                                         "merges.txt",
                                                         "sentencepiece.bpe.model",
                                                         "tiktoken.model",
                                                         "tekken.json",
                                                         "tokenizer_config.json",
                                                         "special_tokens_map.json",
                                                         "added_tokens.json",
                                                         "chat_template.jinja",
                                                         "chat_template.json",
                                                         "normalizer.json",
                                                         "preprocessor_config.json",
                                                         "processor_config.json",
                                                         "video_preprocessor_config.json",
                                                         "image_processor_config.json",
                                                         "feature_extractor_config.json"};
constexpr size_t kVocabularies = 9;  // of these, each makes a tokenizer, but for merges.txt

void copy(const fs::path& from, const fs::path& to, bool sync) {
  if (fs::is_regular_file(from)) write_file(to, read_file(from), sync);
}

void set_dtype(Json& config, std::string_view name) {
  for (auto& [key, value] : config.items()) {
    if ((key == "dtype" || key == "torch_dtype") && value.is_string())
      value = name;
    else if (value.is_object() && key.ends_with("_config") && key != "quantization_config")
      set_dtype(value, name);
  }
}

}  // namespace

Json config_with_dtype(Json config, NumberFormat format) {
  // Newer versions of transformers read both names, older ones only this.
  if (!config.contains("dtype") && !config.contains("torch_dtype"))
    config["torch_dtype"] = name_of(format);
  for (const char* key : {"dtype", "torch_dtype"})
    if (config.contains(key)) config[key] = name_of(format);
  set_dtype(config, name_of(format));
  return config;
}

void copy_model_files(const fs::path& reference, const fs::path& to, bool sync) {
  copy(reference / "generation_config.json", to / "generation_config.json", sync);
  for (const fs::directory_entry& file : fs::directory_iterator(reference))
    if (file.path().extension() == ".py") copy(file.path(), to / file.path().filename(), sync);
}

bool holds_tokenizer(const fs::path& folder) {
  return std::any_of(
      kTokenizerFiles.begin(), kTokenizerFiles.begin() + kVocabularies, [&](std::string_view name) {
        return name != "merges.txt" && fs::is_regular_file(folder / name);
      });
}

bool copy_tokenizer_files(const fs::path& from,
                          const fs::path& to,
                          const std::optional<std::string>& chat_template,
                          bool sync) {
  const bool usable = holds_tokenizer(from);
  for (const std::string name : kTokenizerFiles)
    if (!chat_template || !name.starts_with("chat_template")) copy(from / name, to / name, sync);
  if (!chat_template || !usable) return usable;
  write_file(to / "chat_template.jinja", *chat_template, sync);
  // Where the template stood before it had a file of its own.
  const fs::path config = to / "tokenizer_config.json";
  if (fs::exists(config)) {
    Json json = read_json_file<Json>(config, 100'000'000);
    if (json.is_object() && json.erase("chat_template") > 0)
      write_file(config, json.dump(2) + "\n", sync);
  }
  return usable;
}

}  // namespace demix
