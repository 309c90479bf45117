// Reading and writing the safetensors format. Files come from outside: every length, offset, shape
// and dtype is checked before use, without arithmetic that can wrap.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

struct TensorView {
  std::string name;
  std::string dtype;  // "F32", "BF16", "F16", …
  std::vector<int64_t> shape;
  // Into the mapping; valid while the file object lives. Not aligned to the element's size.
  std::span<const std::byte> bytes;
};

// Bytes of one element, or 0 when the format does not know `dtype`.
int64_t dtype_bytes(std::string_view dtype);

// A memory-mapped file, not to be changed by others while open. Copies share the mapping.
class SafetensorsFile {
 public:
  // Throws Error when the file cannot be read or its header lies: tensors that overlap, leave gaps,
  // do not fit their shape or lie outside the file, duplicate names, unknown dtypes.
  static SafetensorsFile open(const std::filesystem::path& path);
  const std::vector<TensorView>& tensors() const;  // in file order
  const TensorView* find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// All tensors of a checkpoint folder: model.safetensors, or the shards that
// model.safetensors.index.json names. Throws Error on missing shards, tensors missing from theirs,
// duplicate names, and file names that lead out of the folder.
class Checkpoint {
 public:
  static Checkpoint open(const std::filesystem::path& folder);
  const TensorView* find(std::string_view name) const;
  std::vector<std::string> names() const;  // sorted

 private:
  std::vector<SafetensorsFile> files_;
  std::map<std::string, const TensorView*, std::less<>> tensors_;
};

// Writes one file under a temporary name beside it and renames it when complete and on disk: `path`
// holds the whole new content, or what it held before. Throws Error when the disk is full.
void write_safetensors(const std::filesystem::path& path,
                       std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace demix
