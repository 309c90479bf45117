#include "demix/merge/linear.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "demix/core/error.h"

namespace demix {
namespace {

// One clone per instruction set, chosen when the program starts; sanitizers cannot instrument that
// choice.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define DEMIX_VECTOR_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DEMIX_VECTOR_CLONES
#endif

// Small enough to stay in the first-level cache while the models stream past.
constexpr int64_t kBlock = 2048;

inline float to_float(float x) { return x; }
inline float to_float(Bf16 x) {
  return std::bit_cast<float>(static_cast<uint32_t>(static_cast<uint16_t>(x)) << 16);
}

inline void round_to(float x, float* out) { *out = x; }
inline void round_to(float x, Bf16* out) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  // Rounding would carry a NaN's payload away into infinity.
  const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
  *out = static_cast<Bf16>(is_nan ? (bits >> 16) | 0x40 : rounded);
}

template <typename In, typename Out>
inline __attribute__((always_inline)) void merge(std::span<const In* const> models,
                                                 std::span<const float> weights,
                                                 int64_t count,
                                                 Out* out) {
  alignas(64) float sum[kBlock];
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t size = std::min(kBlock, count - begin);
    std::fill_n(sum, size, 0.f);
    for (size_t k = 0; k < models.size(); ++k) {
      const In* model = models[k] + begin;
      const float weight = weights[k];
      for (int64_t i = 0; i < size; ++i) sum[i] += weight * to_float(model[i]);
    }
    for (int64_t i = 0; i < size; ++i) round_to(sum[i], out + begin + i);
  }
}

}  // namespace

#define DEMIX_DEFINE_MERGE(In, Out)                                        \
  DEMIX_VECTOR_CLONES void merge_linear(std::span<const In* const> models, \
                                        std::span<const float> weights,    \
                                        int64_t count,                     \
                                        Out* out) {                        \
    DEMIX_CHECK(models.size() == weights.size());                          \
    merge<In, Out>(models, weights, count, out);                           \
  }
DEMIX_DEFINE_MERGE(float, float)
DEMIX_DEFINE_MERGE(float, Bf16)
DEMIX_DEFINE_MERGE(Bf16, float)
DEMIX_DEFINE_MERGE(Bf16, Bf16)
#undef DEMIX_DEFINE_MERGE

}  // namespace demix
