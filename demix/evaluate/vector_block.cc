#include "demix/evaluate/vector_block.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "demix/core/cpu.h"
#include "demix/core/error.h"

namespace demix {
namespace {

// What a processor's registers hold.
struct Vectors32 {
  static constexpr int64_t kLanes = 8;
  typedef float Floats __attribute__((vector_size(32)));
  typedef uint32_t Words __attribute__((vector_size(32)));
};
struct Vectors16 {
  static constexpr int64_t kLanes = 4;
  typedef float Floats __attribute__((vector_size(16)));
  typedef uint32_t Words __attribute__((vector_size(16)));
};

// The sums of a strip, the panel's vectors and a factor fit into 16 registers.
constexpr int64_t kStripRows = 6;
constexpr int kStripVectors = 2;

// Inputs that are multiplied before the next ones: the panel's and a strip's rows stay in the
// first-level cache.
constexpr int64_t kInputsTogether = 128;
// From one row of converted inputs to the next: not so that they compete for the same places.
constexpr int64_t kConvertedStride = kInputsTogether + 16;

#define DEMIX_UNROLL _Pragma("GCC unroll 8")

// R rows by kStripVectors vectors of columns: sums += rows · panel. `rows` are in float32.
template <typename V, int R, typename T>
DEMIX_INLINE void multiply_strip(
    int64_t inputs, const float* rows, int64_t stride, const T* panel, bool add, float* block) {
  using Floats = typename V::Floats;
  using Words = typename V::Words;
  Floats sums[R][kStripVectors];
  DEMIX_UNROLL for (int r = 0; r < R; ++r) DEMIX_UNROLL for (int v = 0; v < kStripVectors; ++v) {
    sums[r][v] = Floats{};
    if (add) std::memcpy(&sums[r][v], block + r * kBlockColumns + v * V::kLanes, sizeof(Floats));
  }
  const auto add_input = [&](int64_t i,
                             const Floats(&columns)[kStripVectors]) __attribute__((always_inline)) {
    DEMIX_UNROLL for (int r = 0; r < R; ++r) DEMIX_UNROLL for (int v = 0; v < kStripVectors; ++v)
        sums[r][v] += rows[r * stride + i] * columns[v];
  };
  Floats columns[kStripVectors];
  if constexpr (std::is_same_v<T, float>) {
    for (int64_t i = 0; i < inputs; ++i) {
      DEMIX_UNROLL for (int v = 0; v < kStripVectors; ++v)
          std::memcpy(&columns[v], panel + i * kBlockColumns + v * V::kLanes, sizeof(Floats));
      add_input(i, columns);
    }
  } else {
    // A word holds two inputs of a column: the lower half is the first.
    for (int64_t i = 0; i < inputs; i += 2) {
      Words words;
      const auto load_words = [&](int v) __attribute__((always_inline)) {
        std::memcpy(&words, panel + i * kBlockColumns + v * 2 * V::kLanes, sizeof words);
      };
      DEMIX_UNROLL for (int v = 0; v < kStripVectors; ++v) {
        load_words(v);
        columns[v] = reinterpret_cast<Floats>(words << 16);
      }
      add_input(i, columns);
      DEMIX_UNROLL for (int v = 0; v < kStripVectors; ++v) {
        load_words(v);
        columns[v] = reinterpret_cast<Floats>(words & 0xffff0000);
      }
      add_input(i + 1, columns);
    }
  }
  DEMIX_UNROLL for (int r = 0; r < R; ++r) DEMIX_UNROLL for (int v = 0; v < kStripVectors; ++v)
      std::memcpy(block + r * kBlockColumns + v * V::kLanes, &sums[r][v], sizeof(Floats));
}

template <typename V, typename T>
DEMIX_INLINE void multiply_rows(int64_t count,
                                int64_t inputs,
                                const float* rows,
                                int64_t stride,
                                const T* panel,
                                bool add,
                                float* block) {
  switch (count) {
    case 1:
      return multiply_strip<V, 1>(inputs, rows, stride, panel, add, block);
    case 2:
      return multiply_strip<V, 2>(inputs, rows, stride, panel, add, block);
    case 3:
      return multiply_strip<V, 3>(inputs, rows, stride, panel, add, block);
    case 4:
      return multiply_strip<V, 4>(inputs, rows, stride, panel, add, block);
    case 5:
      return multiply_strip<V, 5>(inputs, rows, stride, panel, add, block);
    default:
      return multiply_strip<V, 6>(inputs, rows, stride, panel, add, block);
  }
}

template <typename V, typename T>
DEMIX_INLINE void multiply(const BlockProduct<T>& p) {
  constexpr int64_t kPerWord = 4 / sizeof(T);
  constexpr int64_t kColumns = kStripVectors * V::kLanes;
  alignas(64) float converted[kBlockRows * kConvertedStride];
  for (int64_t first = 0; first < p.inputs; first += kInputsTogether) {
    const int64_t together = std::min(kInputsTogether, p.inputs - first);
    const float* rows;
    int64_t stride;
    if constexpr (std::is_same_v<T, float>) {
      rows = p.a + first, stride = p.a_stride;
    } else {
      rows = converted, stride = kConvertedStride;
      for (int64_t r = 0; r < p.rows; ++r)
        for (int64_t i = 0; i < together; ++i)
          converted[r * stride + i] = to_float(p.a[r * p.a_stride + first + i]);
    }
    for (int64_t column = 0; column < p.columns; column += kColumns) {
      const T* panel = p.panel + first * kBlockColumns + column * kPerWord;
      for (int64_t row = 0; row < p.rows; row += kStripRows)
        multiply_rows<V>(p.rows - row,
                         together,
                         rows + row * stride,
                         stride,
                         panel,
                         p.add || first > 0,
                         p.block + row * kBlockColumns + column);
    }
  }
}

template <typename T>
DEMIX_FOR_X86_64(v3)
void multiply_in_32_bytes(const BlockProduct<T>& p) {
  multiply<Vectors32>(p);
}

}  // namespace

template <typename T>
void multiply_vector_block(const BlockProduct<T>& p) {
  DEMIX_CHECK(p.rows <= kBlockRows && p.columns % 16 == 0 && p.columns <= kBlockColumns);
  static const bool wide = has_x86_64_v3();
  if (wide) return multiply_in_32_bytes(p);
  multiply<Vectors16>(p);
}

template void multiply_vector_block(const BlockProduct<float>&);
template void multiply_vector_block(const BlockProduct<BFloat16>&);

}  // namespace demix
