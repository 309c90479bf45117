#include "demix/merge/linear.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "demix/core/cpu.h"
#include "demix/core/error.h"

namespace demix {
namespace {

// M merges, K models, W vectors of 16 numbers at a time. Of a block of the models, every group of
// merges reads what the group before it left in the caches; sums of a group stay in registers.
constexpr int64_t kBlock = 1024;
// More streams than the processor's prefetchers follow are merged in groups, over a buffer of sums.
constexpr size_t kModelGroup = 8;
// Their reach ends at a page; asking ahead keeps more reads under way.
constexpr int64_t kPrefetchBytes = 512;

// Vectors as wide as the registers: of wider ones compilers make a mess. kMostMerges have their
// sums in registers at once.
struct WideVectors {
  typedef demix::Floats Floats;
  typedef demix::Words Words;
  static constexpr int64_t kLanes = 16;
  static constexpr size_t kMostMerges = 8;
};
struct NarrowVectors {
  typedef HalfFloats Floats;
  typedef HalfWords Words;
  static constexpr int64_t kLanes = 8;
  static constexpr size_t kMostMerges = 4;
};

// Bfloat16 numbers are taken apart into those at even and those at odd places, and put together
// again: no number changes its lane, which is most of the cost of the conversion otherwise.
template <typename In>
constexpr bool kPairs = false;
template <>
constexpr bool kPairs<BFloat16> = true;

template <typename V>
DEMIX_INLINE void load_one(const float* from, typename V::Floats& to) {
  std::memcpy(&to, from, sizeof to);
}
template <typename V>
DEMIX_INLINE void load_one(const BFloat16* from, typename V::Floats& to) {
  uint16_t halves __attribute__((vector_size(sizeof(to) / 2)));
  std::memcpy(&halves, from, sizeof halves);
  const typename V::Words words = __builtin_convertvector(halves, typename V::Words) << 16;
  std::memcpy(&to, &words, sizeof to);
}
template <typename V>
DEMIX_INLINE void store_one(const typename V::Floats& from, float* to) {
  std::memcpy(to, &from, sizeof from);
}
// Rounds to nearest, ties to even; NaN stays NaN.
template <typename V>
DEMIX_INLINE void store_one(const typename V::Floats& from, BFloat16* to) {
  using Words = typename V::Words;
  Words words;
  std::memcpy(&words, &from, sizeof words);
  const Words rounded = (words + 0x7fff + ((words >> 16) & 1)) >> 16;
  const Words nan = (words & 0x7fffffff) > 0x7f800000 ? (words >> 16) | 0x40 : rounded;
  typedef uint16_t Halves __attribute__((vector_size(sizeof(Words) / 2)));
  const Halves halves = __builtin_convertvector(nan, Halves);
  std::memcpy(to, &halves, sizeof halves);
}

template <typename V, bool pairs, typename T>
DEMIX_INLINE void load_two(const T* from, typename V::Floats& a, typename V::Floats& b) {
  if constexpr (!pairs || std::is_same_v<T, float>) {
    load_one<V>(from, a);
    load_one<V>(from + V::kLanes, b);
  } else {
    typename V::Words both;
    std::memcpy(&both, from, sizeof both);
    const typename V::Words even = both << 16, odd = both & 0xffff0000;
    std::memcpy(&a, &even, sizeof a);
    std::memcpy(&b, &odd, sizeof b);
  }
}

template <typename V, bool pairs, typename T>
DEMIX_INLINE void store_two(const typename V::Floats& a, const typename V::Floats& b, T* to) {
  if constexpr (!pairs || std::is_same_v<T, float>) {
    store_one<V>(a, to);
    store_one<V>(b, to + V::kLanes);
  } else {
    // As store_one, but NaN need no care: those that come from bfloat16 have no bits to round.
    typename V::Words even, odd;
    std::memcpy(&even, &a, sizeof even);
    std::memcpy(&odd, &b, sizeof odd);
    even = (even + 0x7fff + ((even >> 16) & 1)) >> 16;
    odd = odd + 0x7fff + ((odd >> 16) & 1);
    const typename V::Words both = (odd & 0xffff0000) | even;
    std::memcpy(to, &both, sizeof both);
  }
}

// Past the caches. `to` is aligned to 16 bytes, which divide `bytes`.
DEMIX_INLINE void stream(const void* from, void* to, int64_t bytes) {
#if defined(__SSE2__)
  const auto* source = static_cast<const __m128i*>(from);
  auto* target = static_cast<__m128i*>(to);
  for (int64_t i = 0; i < bytes / 16; ++i) _mm_stream_si128(target + i, _mm_load_si128(source + i));
#else
  std::memcpy(to, from, static_cast<size_t>(bytes));
#endif
}

// K models out of a longer list, where their block to be merged begins.
template <typename In>
struct Group {
  const In* const* models;
  const float* weights;  // of M merges, `stride` apart
  size_t K, stride;
  int64_t count;  // of numbers; a multiple of what is taken at a time
  bool first, last;
};

// The sums stay in registers only where the loops over them are unrolled early.
#define DEMIX_UNROLL _Pragma("GCC unroll 8")

// One group of models for M merges. Between groups the sums lie in `sums`, kBlock apart.
template <typename V, typename In, typename Out, int M, int W>
DEMIX_INLINE void merge_group(const Group<In>& group, float* sums, Out* const* outs, bool past) {
  constexpr bool pairs = kPairs<In> && kPairs<Out>;
  using Floats = typename V::Floats;
  constexpr int64_t kLanes = V::kLanes, step = W * kLanes;
  float weights[kModelGroup * M];
  for (size_t k = 0; k < group.K; ++k) {
    for (int m = 0; m < M; ++m) weights[k * M + m] = group.weights[m * group.stride + k];
  }
  for (int64_t i = 0; i < group.count; i += step) {
    Floats sum[M][W];
    DEMIX_UNROLL for (int m = 0; m < M; ++m) {
      DEMIX_UNROLL for (int w = 0; w < W; ++w) {
        if (group.first)
          sum[m][w] = Floats{};
        else
          load_one<V>(sums + m * kBlock + i + w * kLanes, sum[m][w]);
      }
    }
    // A load of its own for every model: some prefetchers learn strides by instruction, and see
    // none where one instruction reads all models in turn.
#pragma GCC unroll 8
    for (size_t k = 0; k < kModelGroup; ++k) {
      if (k == group.K) break;
      const In* from = group.models[k] + i;
      for (int64_t line = 0; line < step * int64_t{sizeof(In)}; line += 64) {
        __builtin_prefetch(reinterpret_cast<const char*>(from) + kPrefetchBytes + line);
      }
      Floats x[W];
      DEMIX_UNROLL for (int w = 0; w < W; w += 2) {
        load_two<V, pairs>(from + w * kLanes, x[w], x[w + 1]);
      }
      DEMIX_UNROLL for (int m = 0; m < M; ++m) {
        DEMIX_UNROLL for (int w = 0; w < W; ++w) sum[m][w] += weights[k * M + m] * x[w];
      }
    }
    DEMIX_UNROLL for (int m = 0; m < M; ++m) {
      if (!group.last) {
        DEMIX_UNROLL for (int w = 0; w < W; ++w) {
          store_one<V>(sum[m][w], sums + m * kBlock + i + w * kLanes);
        }
        continue;
      }
      alignas(64) Out merged[step];
      Out* to = past ? merged : outs[m] + i;
      DEMIX_UNROLL for (int w = 0; w < W; w += 2) {
        store_two<V, pairs>(sum[m][w], sum[m][w + 1], to + w * kLanes);
      }
      if (past) stream(merged, outs[m] + i, sizeof merged);
    }
  }
}

#undef DEMIX_UNROLL

// Numbers that every merge_group takes at a time divide it.
constexpr int64_t kStep = 4 * WideVectors::kLanes;
static_assert(kBlock % kStep == 0);

template <typename V, typename In, typename Out>
DEMIX_INLINE void merge_block(const In* const* models,
                              size_t K,
                              const float* weights,
                              int64_t count,
                              std::vector<float>& sums,
                              Out* const* outs,
                              size_t M,
                              bool past) {
  for (size_t k = 0; k < K; k += kModelGroup) {
    Group<In> group{models + k, nullptr, std::min(kModelGroup, K - k), K, count, k == 0, false};
    group.last = k + group.K == K;
    for (size_t m = 0; m < M;) {
      group.weights = weights + m * K + k;
      float* const between = sums.empty() ? nullptr : &sums[m * kBlock];
      constexpr bool wide = V::kMostMerges == 8;
      if (wide && M - m >= 8) {
        if constexpr (wide) merge_group<V, In, Out, 8, 2>(group, between, outs + m, past);
        m += 8;
      } else if (M - m >= 4) {
        merge_group<V, In, Out, 4, wide ? 4 : 2>(group, between, outs + m, past);
        m += 4;
      } else if (M - m >= 2) {
        merge_group<V, In, Out, 2, 4>(group, between, outs + m, past);
        m += 2;
      } else {
        merge_group<V, In, Out, 1, 4>(group, between, outs + m, past);
        m += 1;
      }
    }
  }
}

template <typename V, typename In, typename Out>
DEMIX_INLINE void merge(std::span<const In* const> models,
                        std::span<const float> weights,
                        int64_t count,
                        std::span<Out* const> outs,
                        Stores stores) {
  const size_t K = models.size(), M = outs.size();
  DEMIX_CHECK(weights.size() == K * M && K > 0);
  bool past = stores == Stores::kStreaming;
  for (const Out* out : outs) past &= reinterpret_cast<uintptr_t>(out) % 16 == 0;
  std::vector<float> sums(K > kModelGroup ? M * kBlock : 0);
  std::vector<const In*> from(K);
  std::vector<Out*> to(M);
  std::vector<In> padded;
  std::vector<Out> merged;
  // What is read once needs no blocks.
  const bool once = K <= kModelGroup && M <= V::kMostMerges && std::has_single_bit(M);
  const int64_t block = once ? count : kBlock;
  for (int64_t begin = 0, size = 0; begin < count; begin += size) {
    const int64_t rest = count - begin;
    const bool whole = rest >= kStep;
    size = whole ? std::min(block, rest / kStep * kStep) : rest;
    for (size_t k = 0; k < K; ++k) from[k] = models[k] + begin;
    for (size_t m = 0; m < M; ++m) to[m] = outs[m] + begin;
    if (!whole) {  // the last numbers, with zeros behind them
      padded.resize(K * kStep);
      merged.resize(M * kStep);
      for (size_t k = 0; k < K; ++k) {
        std::copy_n(from[k], rest, &padded[k * kStep]);
        from[k] = &padded[k * kStep];
      }
      for (size_t m = 0; m < M; ++m) to[m] = &merged[m * kStep];
    }
    merge_block<V>(
        from.data(), K, weights.data(), whole ? size : kStep, sums, to.data(), M, past && whole);
    if (!whole) {
      for (size_t m = 0; m < M; ++m) std::copy_n(to[m], rest, outs[m] + begin);
    }
  }
#if defined(__SSE2__)
  if (past) _mm_sfence();
#endif
}

}  // namespace

#define DEMIX_PARAMETERS(In, Out)     \
  (std::span<const In* const> models, \
   std::span<const float> weights,    \
   int64_t count,                     \
   std::span<Out* const> outs,        \
   Stores stores)
#define DEMIX_DEFINE_MERGE(In, Out)                                         \
  DEMIX_FOR_X86_64(v4) static void merge_wide DEMIX_PARAMETERS(In, Out) {   \
    merge<WideVectors>(models, weights, count, outs, stores);               \
  }                                                                         \
  DEMIX_FOR_X86_64(v3) static void merge_narrow DEMIX_PARAMETERS(In, Out) { \
    merge<NarrowVectors>(models, weights, count, outs, stores);             \
  }                                                                         \
  static void merge_anywhere DEMIX_PARAMETERS(In, Out) {                    \
    merge<NarrowVectors>(models, weights, count, outs, stores);             \
  }                                                                         \
  void merge_linear DEMIX_PARAMETERS(In, Out) {                             \
    static const bool wide = has_x86_64_v4(), narrow = has_x86_64_v3();     \
    if (wide) return merge_wide(models, weights, count, outs, stores);      \
    if (narrow) return merge_narrow(models, weights, count, outs, stores);  \
    merge_anywhere(models, weights, count, outs, stores);                   \
  }
DEMIX_DEFINE_MERGE(float, float)
DEMIX_DEFINE_MERGE(float, BFloat16)
DEMIX_DEFINE_MERGE(BFloat16, float)
DEMIX_DEFINE_MERGE(BFloat16, BFloat16)
#undef DEMIX_DEFINE_MERGE
#undef DEMIX_PARAMETERS

}  // namespace demix
