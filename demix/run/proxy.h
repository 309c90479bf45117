// A proxy, by content: how it is put together, and what its scores depend on.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "demix/core/json.h"
#include "demix/evaluate/metrics.h"
#include "demix/run/item_split.h"

namespace demix {

// What stands in for a model trained on a mixture: the merge of the components' weights, or the
// ensemble of the components, whose token probabilities are averaged (demix/evaluate/experts.h).
enum class ProxyKind { kMerged, kEnsemble };
// "merged" or "ensemble".
std::string name_of(ProxyKind kind);

// A proxy to be scored.
struct ProxyRequest {
  std::vector<double> merge_weights;
  std::string name;  // for people
  // Receives, if not null, what each item adds to each metric, for paired differences.
  TermsByMetric* terms = nullptr;
  // Other searches may start from scores on the selection.
  Items items = Items::kAll;
};

// What, beside its merge weights, the scores of a proxy depend on; all by content.
struct ProxySetup {
  std::string base;                     // hash of its weights
  std::vector<std::string> components;  // the same, in the order of the merge weights
  std::vector<std::string> names;       // of the components
  std::string merge;                    // the method with its parameters
  bool sum_of_models = false;           // by this method components without weight have no part
  std::string dtype;
  std::map<std::string, std::string> tasks;  // Evaluation::task_hashes of the selection
};
void to_json(Json& json, const ProxySetup& setup);
void from_json(const Json& json, ProxySetup& setup);

// Identifies the setup.
std::string setup_key(const ProxySetup& setup);
// Identifies a proxy and what it is scored on, of which `evaluation` is Evaluation::hash.
std::string proxy_key(const ProxySetup& setup,
                      std::span<const double> merge_weights,
                      const std::string& evaluation);

}  // namespace demix
