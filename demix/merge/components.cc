#include "demix/merge/components.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/core/memory.h"
#include "demix/core/near_memory.h"
#include "demix/core/simd.h"
#include "demix/merge/linear.h"
#include "demix/merge/number_formats.h"
#include "demix/merge/update_statistics.h"
#include "demix/model/checkpoint_files.h"
#include "demix/model/large_tensor.h"

// K components, M proxies, P numbers of a flat buffer.

namespace demix {
namespace {

// Numbers that a thread sums at a time: worth its turn, and many turns even in small models.
constexpr int64_t kStretch = 1 << 16;
// Proxies of fewer bytes are likely still in the caches when the evaluator reads them.
constexpr int64_t kStreamingBytes = 32 << 20;
// Numbers of every model that are read at a time; they stay in the second-level cache.
constexpr int64_t kReadBlock = 1 << 14;
// Statistics are kept for each piece and added in order, so that threads do not change the sums.
constexpr int64_t kMostPieces = 2048;
constexpr size_t kMostWithCosines = 32;

// A stretch of one parameter, as a unit of reading.
struct Piece {
  size_t parameter;
  int64_t begin, count;  // within the parameter
};

std::vector<Piece> pieces_of(const std::vector<ParameterSpec>& layout) {
  int64_t total = 0;
  for (const ParameterSpec& spec : layout) total += spec.count;
  const int64_t size =
      std::max(kReadBlock, (total / kMostPieces + kReadBlock) / kReadBlock * kReadBlock);
  std::vector<Piece> pieces;
  for (size_t i = 0; i < layout.size(); ++i) {
    for (int64_t begin = 0; begin < layout[i].count; begin += size)
      pieces.push_back({i, begin, std::min(size, layout[i].count - begin)});
  }
  return pieces;
}

NumberFormat format_in(const Checkpoint& checkpoint, const std::string& name) {
  const std::string& dtype = checkpoint.find(name)->dtype;
  const auto format = number_format_of(dtype);
  if (!format) {
    throw Error("{}: tensor '{}' has dtype {}, which is not merged; expected F32, BF16 or F16",
                checkpoint.folder().string(),
                name,
                dtype);
  }
  return *format;
}

template <typename In, typename Out>
void sum_on_cpu(const at::Tensor& rows,
                std::span<const size_t> used,
                std::span<const float> factors,
                std::span<Weights> proxies) {
  const int64_t P = rows.size(1);
  const int64_t bytes = static_cast<int64_t>(proxies.size() * sizeof(Out)) * P;
  const Stores stores = bytes < kStreamingBytes ? Stores::kCached : Stores::kStreaming;
  for_each_near_memory((P + kStretch - 1) / kStretch, at::get_num_threads(), [&](int64_t item) {
    const int64_t begin = item * kStretch;
    std::vector<const In*> from;
    std::vector<Out*> to;
    for (const size_t k : used) {
      from.push_back(static_cast<const In*>(rows.const_data_ptr()) +
                     static_cast<int64_t>(k) * rows.stride(0) + begin);
    }
    for (Weights& proxy : proxies)
      to.push_back(static_cast<Out*>(proxy.flat.mutable_data_ptr()) + begin);
    merge_linear(from, factors, std::min(kStretch, P - begin), to, stores);
  });
}

template <typename In>
void sum_on_cpu(const at::Tensor& rows,
                std::span<const size_t> used,
                std::span<const float> factors,
                std::span<Weights> proxies) {
  const at::ScalarType type = proxies[0].flat.scalar_type();
  DEMIX_CHECK(type == at::kFloat || type == at::kBFloat16);
  if (type == at::kFloat) return sum_on_cpu<In, float>(rows, used, factors, proxies);
  sum_on_cpu<In, BFloat16>(rows, used, factors, proxies);
}

}  // namespace

StorageNeed storage_need(const Architecture& architecture,
                         size_t components,
                         bool bfloat16_files,
                         const ProxyMethod& method,
                         const ProxyTarget& target) {
  StorageNeed need;
  need.models = static_cast<int64_t>(components) + 1;
  need.numbers = flat_size(architecture);
  need.bfloat16_files = bfloat16_files;
  need.proxy_bytes = need.numbers * static_cast<int64_t>(at::elementSize(target.dtype));
  const std::vector<double> equal(components, 1.0 / static_cast<double>(components));
  if (!method.factors(equal)) {
    int64_t largest = 0;
    for (const ParameterSpec& spec : parameter_layout(architecture))
      largest = std::max(largest, spec.count);
    // A tensor of all models and of the result in float32.
    need.scratch_bytes = 4 * largest * (need.models + 1);
    need.on_device = false;
  }
  return need;
}

FreeBytes free_bytes(const ProxyTarget& target) {
  FreeBytes free;
  if (const auto type = target.device.type(); type != at::kCPU) {
    const auto device = target.device.has_index()
                            ? target.device.index()
                            : c10::impl::VirtualGuardImpl(type).getDevice().index();
    c10::DeviceAllocator* allocator = c10::getDeviceAllocator(type);
    allocator->emptyCache();  // what training has left there counts as free
    free.device = static_cast<int64_t>(allocator->getMemoryInfo(device).first);
  }
  free.memory = available_memory();
  free.disk = available_disk(target.disk.empty() ? "." : target.disk);
  return free;
}

Components::Components(const Architecture& architecture,
                       const std::filesystem::path& base,
                       std::vector<ComponentFolder> components,
                       const ProxyMethod& method,
                       const ProxyTarget& target,
                       const StorageConfig& config)
    : architecture_(architecture),
      layout_(parameter_layout(architecture)),
      method_(method),
      target_(target) {
  DEMIX_CHECK(!components.empty());
  components.push_back({"base", base});
  std::vector<Checkpoint> checkpoints;
  bool bfloat16_files = true;
  for (const ComponentFolder& component : components) {
    const auto differing = differences(architecture, load_architecture(component.folder));
    if (!differing.empty()) {
      throw Error("component '{}': {} does not have the base's architecture: {}",
                  component.name,
                  component.folder.string(),
                  fmt::join(differing, "; "));
    }
    checkpoints.push_back(Checkpoint::open(component.folder));
    check_tensors(checkpoints.back(), architecture);
    for (const ParameterSpec& spec : layout_)
      bfloat16_files &= format_in(checkpoints.back(), spec.name) == NumberFormat::kBfloat16;
    names_.push_back(component.name);
  }
  names_.pop_back();
  storage_ = choose_storage(storage_need(architecture, size(), bfloat16_files, method, target),
                            free_bytes(target),
                            config);
  const std::vector<int64_t> sizes = {static_cast<int64_t>(size()) + 1, flat_size(architecture)};
  const at::ScalarType dtype = storage_.bfloat16 ? at::kBFloat16 : at::kFloat;
  if (storage_.place == Place::kDevice) {
    rows_ = at::zeros(sizes, at::TensorOptions().dtype(dtype).device(target.device));
  } else {
    rows_ = tensor_over(storage_.place == Place::kMemory
                            ? LargeBuffer::in_memory(storage_.bytes)
                            : LargeBuffer::on_disk(storage_.bytes, target.disk),
                        sizes,
                        dtype);
  }
  read(checkpoints);
}

void Components::read(std::span<const Checkpoint> checkpoints) {
  const size_t models = checkpoints.size();
  const std::vector<Piece> pieces = pieces_of(layout_);
  const bool cosines = size() <= kMostWithCosines;
  std::vector<UpdateStatistics> statistics(pieces.size(), UpdateStatistics(size(), cosines));
  const auto element = static_cast<int64_t>(rows_.element_size());
  const auto read_piece = [&](int64_t item) {
    const Piece& piece = pieces[static_cast<size_t>(item)];
    const ParameterSpec& spec = layout_[piece.parameter];
    const at::Tensor place = rows_.narrow(1, spec.offset + piece.begin, piece.count);
    const at::Tensor written =
        place.is_cpu() ? place : at::empty(place.sizes(), at::TensorOptions(place.scalar_type()));
    auto* const rows = static_cast<std::byte*>(written.mutable_data_ptr());
    std::vector<std::byte> stored(kReadBlock * 8);
    std::vector<float> values(models * kReadBlock);
    std::vector<const float*> updated;
    for (size_t k = 0; k < size(); ++k) updated.push_back(&values[k * kReadBlock]);
    for (int64_t done = 0; done < piece.count; done += kReadBlock) {
      const int64_t begin = piece.begin + done, count = std::min(kReadBlock, piece.count - done);
      for (size_t k = 0; k < models; ++k) {
        const NumberFormat format = format_in(checkpoints[k], spec.name);
        const int64_t width = bytes_of(format);
        float* const numbers = &values[k * kReadBlock];
        std::byte* const row =
            rows + (static_cast<int64_t>(k) * written.stride(0) + done) * element;
        checkpoints[k].tensor(spec.name).read(
            std::span(stored).first(static_cast<size_t>(count * width)),
            static_cast<uint64_t>(begin * width));
        const bool finite =
            read_numbers(format, stored.data(), count, numbers) &&
            write_numbers(storage_.bfloat16 ? NumberFormat::kBfloat16 : NumberFormat::kFloat32,
                          numbers,
                          count,
                          row);
        if (!finite) {
          throw Error("{}: tensor '{}' holds numbers that are not finite{}",
                      checkpoints[k].folder().string(),
                      spec.name,
                      storage_.bfloat16 ? " as bfloat16" : "");
        }
      }
      statistics[static_cast<size_t>(item)].add(&values[size() * kReadBlock], updated, count);
    }
    if (!place.is_cpu()) place.copy_(written);
  };
  for_each_near_memory(static_cast<int64_t>(pieces.size()), at::get_num_threads(), read_piece);
  for (const Checkpoint& checkpoint : checkpoints) checkpoint.check_unchanged();
  for (size_t i = 1; i < statistics.size(); ++i) statistics[0].add(statistics[i]);
  keep(statistics[0]);
}

void Components::keep(const UpdateStatistics& statistics) {
  for (size_t k = 0; k < size(); ++k) drifts_.push_back(statistics.drift(k));
  if (!statistics.with_cosines()) return;
  for (size_t a = 0; a < size(); ++a) {
    std::vector<double>& row = cosines_.emplace_back();
    for (size_t b = 0; b < size(); ++b) row.push_back(statistics.cosine(a, b));
  }
}

Weights Components::allocate() const {
  const int64_t P = rows_.size(1);
  if (!target_.device.is_cpu()) {
    return weights_over(
        architecture_,
        at::zeros({P}, at::TensorOptions().dtype(target_.dtype).device(target_.device)));
  }
  return weights_over(architecture_, large_zeros(P, target_.dtype));
}

void Components::merge(const std::vector<double>& mixture, Weights& proxy) const {
  merge({&mixture, 1}, {&proxy, 1});
}

void Components::merge(std::span<const std::vector<double>> mixtures,
                       std::span<Weights> proxies) const {
  DEMIX_CHECK(mixtures.size() == proxies.size());
  std::vector<std::vector<double>> factors;
  for (size_t m = 0; m < mixtures.size(); ++m) {
    if (auto sums = method_.factors(mixtures[m])) {
      factors.push_back(std::move(*sums));
    } else {
      merge_by_tensor(mixtures[m], proxies[m]);
    }
  }
  if (!factors.empty()) sum(factors, proxies);
}

void Components::sum(const std::vector<std::vector<double>>& factors,
                     std::span<Weights> proxies) const {
  // Models without weight in any proxy are not read.
  std::vector<size_t> used;
  for (size_t k = 0; k < size() + 1; ++k) {
    if (std::any_of(factors.begin(), factors.end(), [&](const auto& row) { return row[k] != 0; }))
      used.push_back(k);
  }
  if (used.empty()) used.push_back(0);
  std::vector<float> weights;
  for (const std::vector<double>& row : factors) {
    for (const size_t k : used) weights.push_back(static_cast<float>(row[k]));
  }
  if (rows_.is_cpu() && target_.device.is_cpu()) {
    if (storage_.bfloat16) return sum_on_cpu<BFloat16>(rows_, used, weights, proxies);
    return sum_on_cpu<float>(rows_, used, weights, proxies);
  }
  if (rows_.is_cpu()) {
    // One after another through memory: as many again as on the device may not fit.
    Weights staged = weights_over(architecture_, large_zeros(rows_.size(1), target_.dtype));
    for (size_t m = 0; m < proxies.size(); ++m) {
      const auto row = std::span(weights).subspan(m * used.size(), used.size());
      if (storage_.bfloat16)
        sum_on_cpu<BFloat16>(rows_, used, row, {&staged, 1});
      else
        sum_on_cpu<float>(rows_, used, row, {&staged, 1});
      proxies[m].flat.copy_(staged.flat);
    }
    return;
  }
  const auto models = static_cast<int64_t>(size()) + 1;
  at::Tensor table = at::zeros({static_cast<int64_t>(factors.size()), models}, at::kFloat);
  for (size_t m = 0; m < factors.size(); ++m) {
    for (size_t k = 0; k < factors[m].size(); ++k)
      table.data_ptr<float>()[m * factors[m].size() + k] = static_cast<float>(factors[m][k]);
  }
  std::vector<at::Tensor> outs;
  for (const Weights& proxy : proxies) outs.push_back(proxy.flat);
  sum_by_products(table.to(rows_.device()), rows_, outs);
}

void Components::merge_by_tensor(const std::vector<double>& mixture, Weights& proxy) const {
  const MergeParameters parameters = method_.parameters(mixture);
  const int threads = at::get_num_threads();
  const bool direct = proxy.flat.is_cpu() && proxy.flat.scalar_type() == at::kFloat;
  for (size_t i = 0; i < layout_.size(); ++i) {
    const ParameterSpec& spec = layout_[i];
    const at::Tensor stored = rows_.narrow(1, spec.offset, spec.count);
    const at::Tensor values = stored.to(at::kFloat);  // itself, if it is float32
    std::vector<const float*> models;
    for (size_t k = 0; k < size() + 1; ++k)
      models.push_back(values.const_data_ptr<float>() + static_cast<int64_t>(k) * values.stride(0));
    const at::Tensor merged = direct ? proxy.tensors[i] : at::empty(spec.shape, at::kFloat);
    const Rng stream = method_.stream(spec.name);
    method_.method().merge(
        {.shape = spec.shape,
         .count = spec.count,
         .base = method_.method().base == BaseUse::kNone ? nullptr : models.back(),
         .models = std::span(models).first(size()),
         .parameters = parameters,
         .rng = stream,
         .threads = threads},
        merged.mutable_data_ptr<float>());
    if (!direct) proxy.tensors[i].copy_(merged);
  }
}

void sum_by_products(const at::Tensor& factors,
                     const at::Tensor& rows,
                     std::span<const at::Tensor> outs,
                     int64_t stretch) {
  for (int64_t begin = 0; begin < rows.size(1); begin += stretch) {
    const int64_t count = std::min(stretch, rows.size(1) - begin);
    const at::Tensor merged = at::mm(factors, rows.narrow(1, begin, count).to(at::kFloat));
    for (size_t m = 0; m < outs.size(); ++m)
      outs[m].narrow(0, begin, count).copy_(merged[static_cast<int64_t>(m)]);
  }
}

}  // namespace demix
