// How components become the proxy of a mixture: a merge method with its parameters.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/core/rng.h"
#include "demix/merge/method.h"

namespace demix {

struct ProxyMethodConfig {
  std::string method = "linear";  // of the table, one that takes weights of any number of models
  std::map<std::string, std::string> parameters;  // of the method, as in `demix merge`

  template <class V>
  void visit(V& v) {
    v("method", method);
    v("parameters", parameters);
  }
};

class ProxyMethod {
 public:
  // For merges of `components` models and the base, which random methods draw for from `seed`.
  // Throws Error, by the key of the configuration, on unknown methods, those that do not fit a
  // search, and wrong parameters.
  ProxyMethod(const ProxyMethodConfig& config, size_t components, uint64_t seed);

  const MergeMethod& method() const { return *method_; }
  // All parameters for a mixture of these merge weights. Throws Error unless there is one finite
  // weight per component and the method can work with them (linear cannot where they sum to zero).
  MergeParameters parameters(std::span<const double> merge_weights) const;
  // Where a proxy is a sum of models: their factors, the base's last. The base's is 0 where the
  // method does not read it.
  std::optional<std::vector<double>> factors(std::span<const double> merge_weights) const;
  // The stream of one tensor, the same in every proxy, so that these differ by their weights only,
  // and in `demix merge` with the same seed.
  Rng stream(std::string_view tensor) const { return root_.stream(tensor); }
  // Identifies everything but merge weights and components: part of a score's content key.
  std::string key() const;

 private:
  const MergeMethod* method_;
  MergeParameters parameters_;
  uint64_t seed_;
  Rng root_;
};

}  // namespace demix
