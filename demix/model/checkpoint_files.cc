#include "demix/model/checkpoint_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "demix/core/error.h"
#include "demix/core/files.h"

namespace demix {
namespace {

using nlohmann::json;

// Receives an index piece by piece; everything beside weight_map is passed over without being
// stored.
class IndexHandler final : public nlohmann::json_sax<json> {
 public:
  explicit IndexHandler(std::string file) : file_(std::move(file)) {}

  std::vector<std::pair<std::string, std::string>> weight_map;
  bool seen = false;

  bool start_object(size_t) override {
    if (depth_ == 1 && in_map_ && std::exchange(seen, true)) twice("weight_map");
    return descend();
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ == 0 || (depth_ == 1 && in_map_)) no_map();
    return descend();
  }
  bool end_array() override { return end_object(); }

  bool key(string_t& name) override {
    if (depth_ == 1) in_map_ = name == "weight_map";
    if (depth_ == 2 && in_map_) tensor_ = std::move(name);
    return true;
  }
  bool string(string_t& text) override {
    if (depth_ == 2 && in_map_) {
      // Names come from outside: only plain ones stay inside the folder.
      if (text.empty() || text == "." || text == ".." || text.find('/') != text.npos ||
          text.find('\0') != text.npos)
        throw Error("{}: '{}' is not a file name inside the folder", file_, printable(text));
      weight_map.emplace_back(std::move(tensor_), std::move(text));
      return true;
    }
    return scalar();
  }
  bool number_unsigned(number_unsigned_t) override { return scalar(); }
  bool number_integer(number_integer_t) override { return scalar(); }
  bool number_float(number_float_t, const string_t&) override { return scalar(); }
  bool null() override { return scalar(); }
  bool boolean(bool) override { return scalar(); }
  bool binary(binary_t&) override { return scalar(); }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    throw Error("{}: not valid JSON: {}", file_, printable(error.what()));
  }

  [[noreturn]] void no_map() const {
    throw Error("{}: should have a map 'weight_map' from tensors to files", file_);
  }
  [[noreturn]] void twice(std::string_view name) const {
    throw Error("{}: '{}' occurs twice", file_, printable(name));
  }

 private:
  bool descend() {
    // Inside weight_map there are only strings.
    if (depth_ == 2 && in_map_) not_a_file();
    if (++depth_ > kMaxDepth) throw Error("{}: nested more than {} deep", file_, kMaxDepth);
    return true;
  }
  bool scalar() const {
    if (depth_ == 0 || (depth_ == 1 && in_map_)) no_map();
    if (depth_ == 2 && in_map_) not_a_file();
    return true;
  }
  [[noreturn]] void not_a_file() const {
    throw Error("{}: the file of '{}' should be a string", file_, printable(tensor_));
  }

  static constexpr int kMaxDepth = 64;
  std::string file_, tensor_;
  int depth_ = 0;
  bool in_map_ = false;
};

}  // namespace

std::vector<std::pair<std::string, std::string>> parse_weight_map(std::string_view text,
                                                                  const std::string& file) {
  // The JSON library takes one for the end, and would pass over what follows.
  if (text.find('\0') != text.npos) throw Error("{}: not valid JSON: it has a byte of zero", file);
  IndexHandler handler(file);
  json::sax_parse(text.begin(), text.end(), &handler);
  if (!handler.seen) handler.no_map();
  std::vector<std::string_view> names;
  for (const auto& [name, shard] : handler.weight_map) names.push_back(name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) handler.twice(*twice);
  return std::move(handler.weight_map);
}

Checkpoint Checkpoint::open(const std::filesystem::path& folder) {
  Checkpoint result;
  result.folder_ = folder;
  const auto add = [&](const std::filesystem::path& path) {
    const SafetensorsFile& file = result.files_.emplace_back(SafetensorsFile::open(path));
    for (const TensorEntry& tensor : file.tensors())
      if (!result.tensors_.emplace(tensor.name, Place{result.files_.size() - 1, &tensor}).second)
        throw Error(
            "{}: tensor '{}' is in another shard, too", path.string(), printable(tensor.name));
  };
  if (std::filesystem::exists(folder / kSingleFile)) {
    add(folder / kSingleFile);
    return result;
  }
  const std::filesystem::path index = folder / kIndexFile;
  if (!std::filesystem::exists(index))
    throw Error("{}: holds neither {} nor {}{}",
                folder.string(),
                kSingleFile,
                kIndexFile,
                std::filesystem::exists(folder / "pytorch_model.bin")
                    ? "; pytorch_model.bin is not read: convert it with transformers"
                    : "");
  if (std::filesystem::file_size(index) > kMaxHeaderBytes)
    throw Error("{}: has {} bytes, the most allowed are {}; this is no index",
                index.string(),
                std::filesystem::file_size(index),
                kMaxHeaderBytes);
  const auto weight_map = parse_weight_map(read_file(index), index.string());
  std::map<std::string_view, size_t> shards;
  for (const auto& [tensor, name] : weight_map) {
    const auto [shard, is_new] = shards.emplace(name, result.files_.size());
    if (is_new) {
      if (!std::filesystem::exists(folder / name))
        throw Error("{}: shard '{}' is missing from the folder", index.string(), printable(name));
      add(folder / name);
    }
    if (!result.files_[shard->second].find(tensor))
      throw Error(
          "{}: tensor '{}' is not in '{}'", index.string(), printable(tensor), printable(name));
  }
  return result;
}

const TensorEntry* Checkpoint::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second.entry;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> result;
  for (const auto& [name, place] : tensors_) result.push_back(name);
  return result;
}

StoredTensor Checkpoint::tensor(std::string_view name) const {
  const auto found = tensors_.find(name);
  DEMIX_CHECK(found != tensors_.end());
  return {&files_[found->second.file], found->second.entry};
}

void Checkpoint::check_unchanged() const {
  for (const SafetensorsFile& file : files_) file.check_unchanged();
}

}  // namespace demix
