// The weights of a checkpoint, written in any order by several threads into files whose layout is
// known beforehand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "demix/model/safetensors_header.h"

namespace demix {

class CheckpointWriter {
 public:
  // Lays `tensors` out in their order (`begin` is not read), in one file or in shards of at most
  // `max_shard_bytes` of data unless a single tensor is larger, and reserves the space. Throws
  // Error when the disk is too full for them.
  CheckpointWriter(std::filesystem::path folder,
                   std::span<const TensorEntry> tensors,
                   uint64_t max_shard_bytes,
                   bool sync);
  ~CheckpointWriter();

  // Writes a part of tensor `tensor` (its place in `tensors`). Every byte must be written once.
  // Thread-safe. Throws Error when the disk is full.
  void write(size_t tensor, uint64_t offset, std::span<const std::byte> bytes);
  // Writes the index where there are shards. Everything must have been written.
  void finish();

 private:
  struct Shard;
  std::filesystem::path folder_;
  std::vector<TensorEntry> tensors_;
  std::vector<size_t> shard_of_;
  std::vector<std::unique_ptr<Shard>> shards_;
  bool sync_;
};

}  // namespace demix
