// multiply_block (product.h) in the dot products of bfloat16 pairs that processors with AVX-512
// have, on others in their vectors (vector_block.h): where there are no tiles (bfloat16_tiles.h),
// and for a few rows.
#pragma once

#include "demix/evaluate/product.h"

namespace demix {

// Whether this processor has the instructions.
bool has_bfloat16_block();
// As multiply_block; `columns` is a multiple of 16, `inputs` is even, and only `rows` rows are read
// and written. A row's sums are the same in any place of the block.
void multiply_bfloat16_block(const BlockProduct<BFloat16>& product);

}  // namespace demix
