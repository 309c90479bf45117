// The table of merge methods. Each is defined in the file of its name.
#include <vector>

#include "demix/core/error.h"
#include "demix/merge/method.h"

#define DEMIX_MERGE_METHODS(X) \
  X(linear)                    \
  X(task_arithmetic)           \
  X(slerp)                     \
  X(nuslerp)                   \
  X(multislerp)                \
  X(karcher)                   \
  X(ties)                      \
  X(dare_linear)               \
  X(dare_ties)                 \
  X(della)                     \
  X(della_linear)              \
  X(breadcrumbs)               \
  X(breadcrumbs_ties)          \
  X(model_stock)               \
  X(sce)                       \
  X(nearswap)                  \
  X(passthrough)               \
  X(ram)                       \
  X(ramplus_tl)

namespace demix {
namespace merge_method {

#define DEMIX_DECLARE(name) extern const MergeMethod name;
DEMIX_MERGE_METHODS(DEMIX_DECLARE)
#undef DEMIX_DECLARE

}  // namespace merge_method

std::span<const MergeMethod* const> merge_methods() {
#define DEMIX_LIST(name) &merge_method::name,
  static const MergeMethod* const methods[] = {DEMIX_MERGE_METHODS(DEMIX_LIST)};
#undef DEMIX_LIST
  return methods;
}

const MergeMethod& find_merge_method(std::string_view name) {
  std::vector<std::string_view> names;
  for (const MergeMethod* method : merge_methods()) {
    if (method->name == name) return *method;
    names.push_back(method->name);
  }
  throw Error("unknown merge method '{}'; {}", name, suggestion(name, names));
}

}  // namespace demix
