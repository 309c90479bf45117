#include "demix/model/weights.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <type_traits>
#include <utility>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/hash.h"
#include "demix/core/listed.h"
#include "demix/core/parallel_for.h"
#include "demix/model/checkpoint_files.h"
#include "demix/model/large_tensor.h"
#include "demix/model/number_cast.h"

namespace demix {
namespace {

struct DtypeName {
  at::ScalarType type;
  const char* safetensors;
  const char* config;
};
constexpr DtypeName kDtypes[] = {
    {at::kFloat, "F32", "float32"},
    {at::kBFloat16, "BF16", "bfloat16"},
    {at::kHalf, "F16", "float16"},
};

const DtypeName& names_of(at::ScalarType type) {
  for (const DtypeName& entry : kDtypes)
    if (entry.type == type) return entry;
  throw Error("weights of type {} are not supported; supported are float32, bfloat16, float16",
              c10::toString(type));
}

bool same_content(const Checkpoint& checkpoint, std::string_view a, std::string_view b) {
  const StoredTensor left = checkpoint.tensor(a), right = checkpoint.tensor(b);
  return left.entry->dtype == right.entry->dtype && left.entry->shape == right.entry->shape &&
         left.file->read(*left.entry) == right.file->read(*right.entry);
}

// Whether a tensor that no parameter asks for may be passed over.
bool harmless_extra(const std::string& name,
                    const Checkpoint& checkpoint,
                    const Architecture& architecture,
                    const std::string& where) {
  if (name.ends_with(".rotary_emb.inv_freq")) return true;
  if (name != "lm_head.weight" || !architecture.tied_embeddings) return false;
  constexpr std::string_view kEmbedding = "model.embed_tokens.weight";
  if (checkpoint.find(kEmbedding) && !same_content(checkpoint, name, kEmbedding))
    throw Error(
        "{}: lm_head.weight differs from model.embed_tokens.weight, but config.json ties them; "
        "set tie_word_embeddings to false to keep both",
        where);
  return true;
}

void check_names_and_shapes(const Checkpoint& checkpoint,
                            const Architecture& architecture,
                            const std::string& where) {
  std::vector<std::string> problems, missing, misshaped, superfluous;
  std::set<std::string> known;
  for (const ParameterSpec& spec : parameter_layout(architecture)) {
    known.insert(spec.name);
    const TensorEntry* tensor = checkpoint.find(spec.name);
    if (!tensor)
      missing.push_back(spec.name);
    else if (tensor->shape != spec.shape)
      misshaped.push_back(fmt::format("{} [{}] instead of [{}]",
                                      spec.name,
                                      fmt::join(tensor->shape, ", "),
                                      fmt::join(spec.shape, ", ")));
  }
  for (const std::string& name : checkpoint.names())
    if (!known.contains(name) && !harmless_extra(name, checkpoint, architecture, where))
      superfluous.push_back(name);
  if (!missing.empty()) problems.push_back("missing " + listed(missing));
  if (!misshaped.empty()) problems.push_back("wrong shapes: " + listed(misshaped));
  if (!superfluous.empty()) problems.push_back("not of this architecture: " + listed(superfluous));
  if (!problems.empty())
    throw Error("{}: the tensors do not fit config.json: {}", where, fmt::join(problems, "; "));
}

at::ScalarType stored_dtype(const Checkpoint& checkpoint,
                            const std::string& name,
                            const std::string& where) {
  const std::string& dtype = checkpoint.find(name)->dtype;
  for (const DtypeName& entry : kDtypes)
    if (dtype == entry.safetensors) return entry.type;
  throw Error("{}: tensor '{}' has dtype {}; supported are F32, BF16, F16", where, name, dtype);
}

// By the extremes, which are NaN where a value is: one pass, where at::isfinite takes several.
bool are_finite(const at::Tensor& values) {
  if (values.numel() == 0) return true;
  const auto [lowest, highest] = at::aminmax(values);
  return std::isfinite(lowest.item<double>()) && std::isfinite(highest.item<double>());
}

void check_finite(const at::Tensor& values, const at::Tensor& original, const std::string& where) {
  if (are_finite(values)) return;
  if (are_finite(original))
    throw Error("{} has values that overflow in {}", where, c10::toString(values.scalar_type()));
  const int64_t bad = original.numel() - at::isfinite(original).sum().item<int64_t>();
  throw Error("{} has {} values that are not finite, of {}", where, bad, original.numel());
}

// A whole tensor, by the tensor library.
void read_tensor(const StoredTensor& tensor,
                 at::ScalarType stored,
                 const at::Tensor& place,
                 const std::string& where) {
  const at::Tensor values =
      stored == place.scalar_type() ? place : at::empty(place.sizes(), stored);
  tensor.read({static_cast<std::byte*>(values.mutable_data_ptr()), values.nbytes()});
  if (!values.is_same(place)) place.copy_(values);
  check_finite(place, values, where);
}

// Values of a tensor from number `first` on, as many as there is place for; false where they are
// not finite.
template <typename Stored, typename T>
bool read_part_as(const StoredTensor& tensor, int64_t first, std::span<T> place) {
  const auto read = [&](auto values) {
    tensor.read(std::as_writable_bytes(values), static_cast<uint64_t>(first) * sizeof(Stored));
  };
  if constexpr (std::is_same_v<Stored, T>) {
    read(place);
  } else {
    const auto values = std::make_unique_for_overwrite<Stored[]>(place.size());
    const std::span<Stored> span(values.get(), place.size());
    read(span);
    cast(span, place);
  }
  return all_finite(place);
}

// The same for any dtypes; false for those that are left to the tensor library, too.
bool read_part(const StoredTensor& tensor,
               at::ScalarType stored,
               int64_t first,
               int64_t count,
               const at::Tensor& parameter) {
  const auto read_into = [&](auto* place) {
    const std::span values(place + first, static_cast<size_t>(count));
    if (stored == at::kFloat) return read_part_as<float>(tensor, first, values);
    return stored == at::kBFloat16 && read_part_as<BFloat16>(tensor, first, values);
  };
  void* data = parameter.mutable_data_ptr();
  if (parameter.scalar_type() == at::kFloat) return read_into(static_cast<float*>(data));
  return parameter.scalar_type() == at::kBFloat16 && read_into(static_cast<BFloat16*>(data));
}

// Parts that stay in the cache from reading to casting to checking, on all threads.
constexpr int64_t kPart = 1 << 17;
struct Part {
  size_t parameter;
  int64_t first;
};

void read_tensors(const Checkpoint& checkpoint,
                  const std::vector<ParameterSpec>& layout,
                  const Weights& weights,
                  const std::string& where) {
  std::vector<at::ScalarType> stored;
  std::vector<Part> parts;
  for (size_t i = 0; i < layout.size(); ++i) {
    stored.push_back(stored_dtype(checkpoint, layout[i].name, where));
    for (int64_t first = 0; first < layout[i].count; first += kPart) parts.push_back({i, first});
  }
  std::vector<std::atomic<bool>> left(layout.size());  // for the tensor library, or to say why
  parallel_for(parts.size(), at::get_num_threads(), [&](size_t number) {
    const auto [i, first] = parts[number];
    const int64_t count = std::min(kPart, layout[i].count - first);
    const StoredTensor tensor = checkpoint.tensor(layout[i].name);
    if (!read_part(tensor, stored[i], first, count, weights.tensors[i])) left[i] = true;
  });
  for (size_t i = 0; i < layout.size(); ++i)
    if (left[i])
      read_tensor(checkpoint.tensor(layout[i].name),
                  stored[i],
                  weights.tensors[i],
                  fmt::format("{}: tensor '{}'", where, layout[i].name));
}

// A shard: parameters first..last of the layout.
struct Shard {
  size_t first, last;
  std::string name;
};

std::vector<Shard> split_into_shards(const std::vector<ParameterSpec>& layout,
                                     int64_t element_bytes,
                                     int64_t max_shard_bytes) {
  std::vector<Shard> shards;
  int64_t bytes = 0;
  for (size_t i = 0; i < layout.size(); ++i) {
    const int64_t size = layout[i].count * element_bytes;
    if (shards.empty() || size > max_shard_bytes - bytes) {
      shards.push_back({i, i, ""});
      bytes = 0;
    }
    shards.back().last = i;
    bytes += size;
  }
  for (size_t i = 0; i < shards.size(); ++i)
    shards[i].name = shards.size() == 1
                         ? "model.safetensors"
                         : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
  return shards;
}

void copy_tokenizer(const std::filesystem::path& source, const std::filesystem::path& folder) {
  const auto copy = [&](const std::filesystem::path& from, const char* name) {
    const std::filesystem::path to = folder / name;
    if (!std::filesystem::exists(to) || !std::filesystem::equivalent(from, to))
      write_file_atomically(to, read_file(from));
  };
  if (!std::filesystem::is_directory(source)) return copy(source, "tokenizer.json");
  bool found = false;
  for (const char* name : {"tokenizer.json",
                           "tokenizer_config.json",
                           "special_tokens_map.json",
                           "added_tokens.json",
                           "vocab.json",
                           "merges.txt",
                           "chat_template.jinja"}) {
    if (!std::filesystem::exists(source / name)) continue;
    copy(source / name, name);
    found = true;
  }
  if (!found) throw Error("{}: holds no tokenizer files", source.string());
}

bool is_matrix(const ParameterSpec& spec) { return spec.shape.size() == 2; }
bool is_residual_output(const ParameterSpec& spec) {
  return spec.name.ends_with("o_proj.weight") || spec.name.ends_with("down_proj.weight");
}

}  // namespace

Weights weights_over(const Architecture& architecture, at::Tensor flat) {
  DEMIX_CHECK(flat.dim() == 1 && flat.is_contiguous() && flat.size(0) == flat_size(architecture));
  Weights weights;
  for (const ParameterSpec& spec : parameter_layout(architecture))
    weights.tensors.push_back(flat.narrow(0, spec.offset, spec.count).view(spec.shape));
  weights.flat = std::move(flat);
  return weights;
}

Weights initial_weights(const Architecture& architecture, const Rng& rng) {
  Weights weights = weights_over(architecture, at::zeros({flat_size(architecture)}, at::kFloat));
  const std::vector<ParameterSpec> layout = parameter_layout(architecture);
  const double residual_scale = 1 / std::sqrt(2.0 * static_cast<double>(architecture.layers));
  // Every block draws from a stream of its own, so any number of threads makes the same numbers.
  constexpr int64_t kBlock = 1 << 16;
  for (size_t i = 0; i < layout.size(); ++i) {
    const ParameterSpec& spec = layout[i];
    if (spec.name.ends_with("norm.weight")) weights.tensors[i].fill_(1);
    if (!is_matrix(spec)) continue;
    const double scale =
        architecture.initializer_range * (is_residual_output(spec) ? residual_scale : 1);
    float* values = weights.tensors[i].mutable_data_ptr<float>();
    const int64_t blocks = (spec.count + kBlock - 1) / kBlock;
    at::parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
      for (int64_t block = first; block < last; ++block) {
        Rng stream = rng.stream(spec.name, block);
        const int64_t end = std::min(spec.count, (block + 1) * kBlock);
        for (int64_t j = block * kBlock; j < end; ++j)
          values[j] = static_cast<float>(scale * stream.normal());
      }
    });
  }
  return weights;
}

Architecture load_architecture(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  if (!std::filesystem::exists(path))
    throw Error("{}: {}; expected a Hugging Face model folder",
                folder.string(),
                std::filesystem::is_directory(folder) ? "holds no config.json"
                : std::filesystem::exists(folder)     ? "is a file"
                                                      : "no such folder");
  Json json;
  try {
    json = Json::parse(read_file(path));
  } catch (const Json::exception& error) {
    throw Error("{}: not valid JSON: {}", path.string(), error.what());
  }
  return Architecture::from_json(json, path.string());
}

void check_tensors(const Checkpoint& checkpoint, const Architecture& architecture) {
  check_names_and_shapes(checkpoint, architecture, checkpoint.folder().string());
}

Weights load_weights(const std::filesystem::path& folder,
                     const Architecture& architecture,
                     at::ScalarType dtype,
                     at::Device device) {
  const std::string where = folder.string();
  const Checkpoint checkpoint = Checkpoint::open(folder);
  check_tensors(checkpoint, architecture);
  const std::vector<ParameterSpec> layout = parameter_layout(architecture);
  Weights weights = weights_over(architecture, large_zeros(flat_size(architecture), dtype));
  read_tensors(checkpoint, layout, weights, where);
  if (device.is_cpu()) return weights;
  return weights_over(architecture, weights.flat.to(device));
}

void save_model(const std::filesystem::path& folder,
                const Architecture& architecture,
                const Weights& weights,
                at::ScalarType dtype,
                const std::filesystem::path& tokenizer,
                int64_t max_shard_bytes) {
  const DtypeName& names = names_of(dtype);
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) throw Error("{}: cannot be created: {}", folder.string(), failed.message());
  if (!tokenizer.empty()) copy_tokenizer(tokenizer, folder);

  const std::vector<ParameterSpec> layout = parameter_layout(architecture);
  const int64_t element_bytes = dtype_bytes(names.safetensors);
  const std::vector<Shard> shards = split_into_shards(layout, element_bytes, max_shard_bytes);
  Json index;
  index["metadata"]["total_size"] = parameter_count(architecture) * element_bytes;
  for (const Shard& shard : shards) {
    const int64_t begin = layout[shard.first].offset;
    const int64_t end = layout[shard.last].offset + layout[shard.last].count;
    // One shard at a time is converted, so that a large model does not need its memory twice.
    const at::Tensor values =
        weights.flat.detach().narrow(0, begin, end - begin).to(at::kCPU, dtype).contiguous();
    const auto* bytes = static_cast<const std::byte*>(values.const_data_ptr());
    std::vector<TensorView> tensors;
    for (size_t i = shard.first; i <= shard.last; ++i) {
      const ParameterSpec& spec = layout[i];
      tensors.push_back({spec.name,
                         names.safetensors,
                         spec.shape,
                         {bytes + (spec.offset - begin) * element_bytes,
                          static_cast<size_t>(spec.count * element_bytes)}});
      index["weight_map"][spec.name] = shard.name;
    }
    write_safetensors(folder / shard.name, tensors);
  }
  // Of a single file and an index, readers take the single file: an old one must not outlive this
  // save.
  if (shards.size() > 1) {
    write_file_atomically(folder / "model.safetensors.index.json", index.dump(2) + "\n");
    std::filesystem::remove(folder / "model.safetensors");
  }
  write_file_atomically(folder / "config.json", architecture.to_json(names.config).dump(2) + "\n");
}

std::string weights_hash(const Architecture& architecture, const Weights& weights) {
  const at::Tensor flat = weights.flat.detach().to(at::kCPU).contiguous();
  const DtypeName& names = names_of(flat.scalar_type());
  Hasher hasher;
  hasher.field(architecture.to_json(names.config).dump());
  hasher.bytes(flat.const_data_ptr(), flat.nbytes());
  return hasher.hex();
}

}  // namespace demix
