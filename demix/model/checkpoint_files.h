// The tensors of a Hugging Face model folder, whether in one file or in shards.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "demix/model/safetensors.h"

namespace demix {

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

// Tensor names and their files, in the order of the index. Throws Error, beginning with `file`,
// unless `text` is JSON with a map 'weight_map' from names to plain file names, no key twice.
std::vector<std::pair<std::string, std::string>> parse_weight_map(std::string_view text,
                                                                  const std::string& file);

// A tensor of a checkpoint; valid while that lives.
struct StoredTensor {
  const SafetensorsFile* file;
  const TensorEntry* entry;

  // As SafetensorsFile::read.
  void read(std::span<std::byte> out, uint64_t offset = 0) const {
    file->read(*entry, out, offset);
  }
};

// All tensors of a folder: model.safetensors, or the shards that model.safetensors.index.json
// names.
class Checkpoint {
 public:
  // Throws Error on missing shards, tensors missing from theirs, duplicate names, and file names
  // that lead out of the folder. Tensors of a shard that the index passes over count, as in
  // transformers.
  static Checkpoint open(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  const TensorEntry* find(std::string_view name) const;
  std::vector<std::string> names() const;  // sorted

  StoredTensor tensor(std::string_view name) const;  // must be here
  void check_unchanged() const;                      // as SafetensorsFile

 private:
  struct Place {
    size_t file;
    const TensorEntry* entry;
  };

  std::filesystem::path folder_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, Place, std::less<>> tensors_;
};

}  // namespace demix
