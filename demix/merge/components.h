// The components of a run, loaded once, and the proxies merged from them.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "demix/merge/proxy_method.h"
#include "demix/merge/storage.h"
#include "demix/model/weights.h"

namespace demix {

class UpdateStatistics;

struct ComponentFolder {
  std::string name;
  std::filesystem::path folder;  // Hugging Face layout
};

// Where proxies lie, and what for.
struct ProxyTarget {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
  std::filesystem::path disk;  // folder for components that fit nowhere else
};

// K models and their base as rows of one matrix, in one place (see Storage). A proxy never touches
// the disk: `merge` writes straight into the weights that the evaluator reads.
class Components {
 public:
  // Reads every file once, on at::get_num_threads() threads, straight into place. Throws Error on
  // what cannot be read or does not have `architecture`, numbers that are not finite (or not in
  // bfloat16, where that is asked for), and when nothing has room.
  Components(const Architecture& architecture,
             const std::filesystem::path& base,
             std::vector<ComponentFolder> components,
             const ProxyMethod& method,
             const ProxyTarget& target,
             const StorageConfig& config = {});

  size_t size() const { return names_.size(); }
  const std::vector<std::string>& names() const { return names_; }
  const Storage& storage() const { return storage_; }

  // Weights to merge into, zeros, in huge pages where memory has them.
  Weights allocate() const;
  // Proxies of M mixtures of merge weights. Where the method is a sum of models, the components are
  // read once for all of them; a proxy does not depend, to the bit, on the others. Summed in
  // float32, rounded once. Throws Error unless there is one finite weight per component.
  void merge(std::span<const std::vector<double>> mixtures, std::span<Weights> proxies) const;
  void merge(const std::vector<double>& mixture, Weights& proxy) const;

  // δ_k = |Θ_k − base| / (|Θ_k| + |base|): how far training carried component k. The merge stands
  // in for training only while δ is much smaller than one.
  const std::vector<double>& drifts() const { return drifts_; }
  // Cosines between the updates Θ_k − base, [K][K]; 0 where an update is zero. Empty for more than
  // 32 components.
  const std::vector<std::vector<double>>& cosines() const { return cosines_; }

 private:
  void read(std::span<const Checkpoint> checkpoints);
  void keep(const UpdateStatistics& statistics);
  // proxies[m] = Σ_k factors[m][k] · row k
  void sum(const std::vector<std::vector<double>>& factors, std::span<Weights> proxies) const;
  void merge_by_tensor(const std::vector<double>& mixture, Weights& proxy) const;

  Architecture architecture_;
  std::vector<ParameterSpec> layout_;
  std::vector<std::string> names_;
  ProxyMethod method_;
  ProxyTarget target_;
  Storage storage_;
  at::Tensor rows_;  // [K + 1, flat_size], the base last
  std::vector<double> drifts_;
  std::vector<std::vector<double>> cosines_;
};

// What components of this architecture take, and what there is of it now.
StorageNeed storage_need(const Architecture& architecture,
                         size_t components,
                         bool bfloat16_files,
                         const ProxyMethod& method,
                         const ProxyTarget& target);
FreeBytes free_bytes(const ProxyTarget& target);

// The same sum by products of tensors, on any device: factors [M, K] · rows [K, P] into M flat
// buffers, in float32, a stretch of P at a time so that temporaries stay small. Equal to the CPU's
// kernel up to rounding.
void sum_by_products(const at::Tensor& factors,
                     const at::Tensor& rows,
                     std::span<const at::Tensor> outs,
                     int64_t stretch = int64_t{1} << 22);

}  // namespace demix
