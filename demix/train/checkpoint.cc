#include "demix/train/checkpoint.h"

#include <algorithm>
#include <map>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/core/progress.h"
#include "demix/model/safetensors.h"

namespace demix {

namespace {

// Damage inside the tensors would otherwise go unnoticed into the result.
std::string checksum(std::span<const std::span<const std::byte>> parts) {
  Hasher hasher;
  for (const auto part : parts) hasher.bytes(part.data(), part.size());
  return hasher.hex();
}

// Throws Error unless the tensor has `size_bytes` of `dtype`.
std::vector<std::byte> read_tensor(const SafetensorsFile& file,
                                   const char* name,
                                   const char* dtype,
                                   size_t size_bytes) {
  const TensorEntry* entry = file.find(name);
  if (entry == nullptr) throw Error("has no tensor '{}'", name);
  if (entry->dtype != dtype || entry->size_bytes != size_bytes)
    throw Error("tensor '{}': expected {} bytes of {}, found {} of {}",
                name,
                size_bytes,
                dtype,
                entry->size_bytes,
                entry->dtype);
  return file.read(*entry);
}

}  // namespace

void write_checkpoint(const std::filesystem::path& path,
                      const std::string& key,
                      const TrainState& state,
                      const TrainTensors& tensors) {
  DEMIX_CHECK(static_cast<int64_t>(state.losses.size()) == state.step);
  const auto view = [](const char* name, const char* dtype, auto values) {
    return TensorView{name, dtype, {static_cast<int64_t>(values.size())}, std::as_bytes(values)};
  };
  const TensorView views[] = {view("weights", "F32", tensors.weights),
                              view("mean", "F32", tensors.mean),
                              view("variance", "F32", tensors.variance),
                              view("losses", "F64", std::span(state.losses))};
  std::vector<std::span<const std::byte>> parts;
  for (const TensorView& v : views) parts.push_back(v.bytes);
  write_safetensors(path,
                    views,
                    {{"key", key},
                     {"step", fmt::format("{}", state.step)},
                     {"seconds", fmt::format("{}", state.seconds)},
                     {"checksum", checksum(parts)}});
}

std::optional<TrainState> read_checkpoint(const std::filesystem::path& path,
                                          const std::string& key,
                                          const TrainTensors& tensors) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    const SafetensorsFile file = SafetensorsFile::open(path);
    const auto entry = [&](const char* name) {
      const auto found = file.metadata().find(name);
      if (found == file.metadata().end()) throw Error("has no entry '{}'", name);
      return found->second;
    };
    if (entry("key") != key) throw Error("belongs to another configuration");
    TrainState state;
    state.step = std::stoll(entry("step"));
    state.seconds = std::stod(entry("seconds"));
    const TensorEntry* losses = file.find("losses");
    if (losses == nullptr || state.step < 0 ||
        losses->size_bytes / sizeof(double) != static_cast<size_t>(state.step))
      throw Error("does not hold one loss per step");
    const std::vector<std::byte> contents[] = {
        read_tensor(file, "weights", "F32", tensors.weights.size_bytes()),
        read_tensor(file, "mean", "F32", tensors.mean.size_bytes()),
        read_tensor(file, "variance", "F32", tensors.variance.size_bytes()),
        read_tensor(file, "losses", "F64", losses->size_bytes)};
    const std::vector<std::span<const std::byte>> parts(std::begin(contents), std::end(contents));
    if (checksum(parts) != entry("checksum")) throw Error("its checksum does not fit its tensors");

    state.losses.resize(state.step);
    const std::span<std::byte> to[] = {std::as_writable_bytes(tensors.weights),
                                       std::as_writable_bytes(tensors.mean),
                                       std::as_writable_bytes(tensors.variance),
                                       std::as_writable_bytes(std::span(state.losses))};
    for (size_t i = 0; i < std::size(contents); ++i)
      std::copy(contents[i].begin(), contents[i].end(), to[i].begin());
    return state;
  } catch (const std::exception& error) {
    std::string reason = error_chain(error);
    if (!reason.starts_with(path.string())) reason = path.string() + ": " + reason;
    warn(fmt::format("A checkpoint is not used, training starts from the beginning: {}.", reason));
    return std::nullopt;
  }
}

}  // namespace demix
