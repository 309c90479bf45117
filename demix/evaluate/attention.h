// Attention over token trees on the CPU, one query at a time as far as results are concerned.
//
// A pass holds trees of tokens: sequences that begin alike share the rows of their common
// beginning. A tree is a list of segments, runs of tokens without a branch, parents before children
// and each subtree together. A token sees the tokens of its own segment up to itself and those of
// the segments above.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "demix/core/simd.h"

namespace demix {

struct Segment {
  int64_t row;    // of its first token in the pass
  int64_t count;  // tokens, in successive rows
  int64_t start;  // position of its first token in its sequence; 0 begins a tree
};

struct AttentionShape {
  int64_t heads, kv_heads, head_dim;
};

// softmax(q kᵀ / √head_dim) v for every row that a segment names. q and out are [rows, heads ·
// head_dim], k and v [rows, kv_heads · head_dim], with rows `*_stride` elements apart. Sums are
// float32; of bfloat16 tensors the exponentials, at most 1, may be rounded to bfloat16 before they
// weigh the values. The output row of a token depends bitwise on nothing but its own sequence: not
// on the other rows, nor on how sequences are cut into segments.
struct AttentionInput {
  std::span<const Segment> segments;
  AttentionShape shape;
  int64_t q_stride, k_stride, v_stride, out_stride;
  int64_t first_row = 0;  // the segments' rows are counted from here
};

// Memory for one thread's calls, used again and again.
class AttentionScratch {
 public:
  // For sequences of up to `longest` tokens. `in_bfloat16`: for bfloat16 tensors.
  AttentionScratch(int64_t head_dim, int64_t longest, bool in_bfloat16);
  ~AttentionScratch();

  template <typename C>
  struct Path;

 private:
  friend void tree_attention(
      const AttentionInput&, const float*, const float*, const float*, float*, AttentionScratch&);
  friend void tree_attention(const AttentionInput&,
                             const BFloat16*,
                             const BFloat16*,
                             const BFloat16*,
                             BFloat16*,
                             AttentionScratch&);
  std::unique_ptr<Path<float>> in_float_;
  std::unique_ptr<Path<BFloat16>> in_bfloat16_;
};

void tree_attention(const AttentionInput& input,
                    const float* q,
                    const float* k,
                    const float* v,
                    float* out,
                    AttentionScratch& scratch);
void tree_attention(const AttentionInput& input,
                    const BFloat16* q,
                    const BFloat16* k,
                    const BFloat16* v,
                    BFloat16* out,
                    AttentionScratch& scratch);

}  // namespace demix
