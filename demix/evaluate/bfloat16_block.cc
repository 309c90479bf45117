#include "demix/evaluate/bfloat16_block.h"

#include "demix/core/error.h"
#include "demix/evaluate/vector_block.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define DEMIX_DOT_PRODUCTS __attribute__((target("avx512f,avx512bf16")))
#endif

namespace demix {

#ifdef DEMIX_DOT_PRODUCTS
namespace {

// Sums of so many rows by 64 columns, the panel's row and a factor fit into 32 registers.
constexpr int kRows = 6;

#define DEMIX_UNROLL _Pragma("GCC unroll 8")

// R rows by V vectors of 16 columns.
template <int R, int V>
DEMIX_DOT_PRODUCTS void multiply_strip(int64_t inputs,
                                       const BFloat16* a,
                                       int64_t a_stride,
                                       const BFloat16* panel,
                                       bool add,
                                       float* block) {
  __m512 sums[R][V];
  DEMIX_UNROLL for (int r = 0; r < R; ++r) {
    DEMIX_UNROLL for (int v = 0; v < V; ++v) sums[r][v] =
        add ? _mm512_loadu_ps(block + r * kBlockColumns + 16 * v) : _mm512_setzero_ps();
  }
  for (int64_t i = 0; i < inputs; i += 2) {
    __m512i words[V];
    DEMIX_UNROLL for (int v = 0; v < V; ++v) words[v] =
        _mm512_loadu_si512(panel + i * kBlockColumns + 32 * v);
    DEMIX_UNROLL for (int r = 0; r < R; ++r) {
      int32_t pair;
      __builtin_memcpy(&pair, a + r * a_stride + i, sizeof pair);
      const auto factor = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
      DEMIX_UNROLL for (int v = 0; v < V; ++v) sums[r][v] =
          _mm512_dpbf16_ps(sums[r][v], factor, reinterpret_cast<__m512bh>(words[v]));
    }
  }
  DEMIX_UNROLL for (int r = 0; r < R; ++r) {
    DEMIX_UNROLL for (int v = 0; v < V; ++v)
        _mm512_storeu_ps(block + r * kBlockColumns + 16 * v, sums[r][v]);
  }
}

#undef DEMIX_UNROLL

using Strip = void (*)(int64_t, const BFloat16*, int64_t, const BFloat16*, bool, float*);
template <int V>
constexpr Strip kStrips[kRows] = {multiply_strip<1, V>,
                                  multiply_strip<2, V>,
                                  multiply_strip<3, V>,
                                  multiply_strip<4, V>,
                                  multiply_strip<5, V>,
                                  multiply_strip<6, V>};
constexpr const Strip* kStripsOfWidth[] = {kStrips<1>, kStrips<2>, kStrips<3>, kStrips<4>};

}  // namespace

bool has_bfloat16_block() { return has_avx512_bf16(); }

void multiply_bfloat16_block(const BlockProduct<BFloat16>& p) {
  DEMIX_CHECK(p.columns % 16 == 0 && p.columns > 0 && p.columns <= kBlockColumns &&
              p.inputs % 2 == 0);
  static const bool has = has_bfloat16_block();
  if (!has) return multiply_vector_block(p);
  const Strip* strips = kStripsOfWidth[p.columns / 16 - 1];
  for (int64_t row = 0; row < p.rows; row += kRows) {
    const int64_t together = p.rows - row < kRows ? p.rows - row : kRows;
    strips[together - 1](p.inputs,
                         p.a + row * p.a_stride,
                         p.a_stride,
                         p.panel,
                         p.add,
                         p.block + row * kBlockColumns);
  }
}

#else

bool has_bfloat16_block() { return false; }
void multiply_bfloat16_block(const BlockProduct<BFloat16>& p) { multiply_vector_block(p); }

#endif

}  // namespace demix
