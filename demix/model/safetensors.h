// Reading and writing safetensors files.
#pragma once

#include <filesystem>
#include <memory>

#include "demix/model/safetensors_header.h"

namespace demix {

// A file open for reading, its header checked. Tensors are read by position, never mapped into
// memory: a file that shrinks or fails while it is read gives an Error instead of a signal. Copies
// share the descriptor; any number of files may be open, whatever the limit on descriptors. Reading
// from several threads is safe.
class SafetensorsFile {
 public:
  // Throws Error when the file cannot be read or its header lies; see parse_safetensors_header.
  static SafetensorsFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const;
  const std::vector<TensorEntry>& tensors() const;  // in file order
  const TensorEntry* find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const;

  // Fills `out` with the bytes of one of this file's tensors from `offset` on. Throws Error when
  // the file ends before, as one that others truncate does.
  void read(const TensorEntry& tensor, std::span<std::byte> out, uint64_t offset = 0) const;
  std::vector<std::byte> read(const TensorEntry& tensor) const;
  // Asks the system to fetch a part of a tensor that will be read soon. For callers whose threads
  // read different parts, which the system does not recognise as one sequence.
  void prefetch(const TensorEntry& tensor, uint64_t offset, uint64_t size) const;
  // Throws Error when size or time of the last change differ from those at `open`.
  void check_unchanged() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// A tensor in memory, to be written.
struct TensorView {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};

// Writes one file under a temporary name beside it and renames it when complete and on disk: `path`
// holds the whole new content, or what it held before. Throws Error when the disk is full.
void write_safetensors(const std::filesystem::path& path,
                       std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace demix
