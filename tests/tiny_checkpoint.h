// Small model folders for tests.
#pragma once

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "demix/core/files.h"
#include "demix/core/rng.h"
#include "demix/merge/number_formats.h"
#include "demix/model/checkpoint_files.h"

namespace demix {

struct TinyTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
  std::string dtype = "F32";  // or BF16, F16, and I32, where values are whole
};
using TinyModel = std::map<std::string, TinyTensor>;

inline TinyTensor tiny_tensor(std::vector<int64_t> shape, const Rng& rng, double scale = 1) {
  TinyTensor tensor{std::move(shape), {}, "F32"};
  int64_t count = 1;
  for (const int64_t size : tensor.shape) count *= size;
  Rng stream = rng;
  for (int64_t i = 0; i < count; ++i)
    tensor.values.push_back(static_cast<float>(scale * stream.normal()));
  return tensor;
}

// Two matrices in layers, an embedding, a norm, a scalar and a tensor without elements.
inline TinyModel tiny_base() {
  const Rng rng(1);
  TinyModel model;
  for (const char* name : {"model.layers.0.mlp.weight", "model.layers.1.mlp.weight"})
    model[name] = tiny_tensor({6, 10}, rng.stream(name));
  model["model.embed_tokens.weight"] = tiny_tensor({7, 5}, rng.stream("embed"));
  model["model.norm.weight"] = tiny_tensor({5}, rng.stream("norm"));
  model["scale"] = tiny_tensor({}, rng.stream("scale"));
  model["none"] = {{0, 4}, {}, "F32"};
  return model;
}

// The base with a small update.
inline TinyModel tiny_component(int seed) {
  TinyModel model = tiny_base();
  for (auto& [name, tensor] : model) {
    const TinyTensor update = tiny_tensor(tensor.shape, Rng(seed).stream(name), 0.05);
    for (size_t i = 0; i < update.values.size(); ++i) tensor.values[i] += update.values[i];
  }
  return model;
}

inline std::vector<std::byte> tiny_bytes(const TinyTensor& tensor) {
  const auto count = static_cast<int64_t>(tensor.values.size());
  std::vector<std::byte> bytes(tensor.values.size() *
                               static_cast<size_t>(dtype_bytes(tensor.dtype)));
  if (const auto format = number_format_of(tensor.dtype)) {
    write_numbers(*format, tensor.values.data(), count, bytes.data());
  } else {
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      const auto value = static_cast<int64_t>(tensor.values[i]);
      std::memcpy(bytes.data() + i * static_cast<size_t>(dtype_bytes(tensor.dtype)),
                  &value,
                  static_cast<size_t>(dtype_bytes(tensor.dtype)));
    }
  }
  return bytes;
}

inline void write_tiny_file(const std::filesystem::path& path, const TinyModel& model) {
  std::vector<std::vector<std::byte>> bytes;
  std::vector<TensorView> views;
  for (const auto& [name, tensor] : model) {
    bytes.push_back(tiny_bytes(tensor));
    views.push_back({name, tensor.dtype, tensor.shape, bytes.back()});
  }
  write_safetensors(path, views);
}

// A folder with config.json and model.safetensors.
inline std::filesystem::path write_tiny_model(
    const std::filesystem::path& folder,
    const TinyModel& model,
    std::string_view config = R"({"model_type":"tiny","hidden_size":5})") {
  std::filesystem::create_directories(folder);
  write_tiny_file(folder / kSingleFile, model);
  write_file(folder / "config.json", config, false);
  return folder;
}

inline TinyModel read_tiny_model(const std::filesystem::path& folder) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  TinyModel model;
  for (const std::string& name : checkpoint.names()) {
    const StoredTensor stored = checkpoint.tensor(name);
    std::vector<std::byte> bytes(stored.entry->size_bytes);
    stored.read(bytes);
    const int64_t count = static_cast<int64_t>(bytes.size()) / dtype_bytes(stored.entry->dtype);
    TinyTensor& tensor = model[name];
    tensor = {
        stored.entry->shape, std::vector<float>(static_cast<size_t>(count)), stored.entry->dtype};
    if (const auto format = number_format_of(tensor.dtype))
      read_numbers(*format, bytes.data(), count, tensor.values.data());
  }
  return model;
}

}  // namespace demix
