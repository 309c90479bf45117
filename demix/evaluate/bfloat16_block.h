// multiply_block (product.h) in the dot products of bfloat16 pairs that processors with AVX-512
// have: for those without tiles (bfloat16_tiles.h), and for a few rows.
#pragma once

#include <cstdint>

#include "demix/core/simd.h"

namespace demix {

// Whether this processor has the instructions.
bool has_bfloat16_block();
// As multiply_block; `columns` is a multiple of 16, `inputs` is even. A row's sums are the same in
// any place of the block.
void multiply_bfloat16_block(int64_t rows,
                             int64_t columns,
                             int64_t inputs,
                             const BFloat16* a,
                             int64_t a_stride,
                             const BFloat16* panel,
                             bool add,
                             float* block);

}  // namespace demix
