// multiply_block (product.h) in vectors that any processor has: in bfloat16 for those without
// instructions for it, in float where the tensor library has no kernel for blocks.
#pragma once

#include "demix/evaluate/product.h"

namespace demix {

// A row's sums are the same in any place of the block. T is float or BFloat16.
template <typename T>
void multiply_vector_block(const BlockProduct<T>& product);

}  // namespace demix
