// multiply_block (product.h) in the tiles of processors with AMX: 16 rows by 16 columns of sums at
// once.
#pragma once

#include "demix/evaluate/product.h"

namespace demix {

// Inputs of one product of tiles.
constexpr int64_t kTileInputs = 32;

// Whether this processor has tiles, and the system lets this process use them.
bool has_bfloat16_tiles();
// As multiply_block; `columns` is a multiple of 16 and `inputs` of kTileInputs. Rows of `a` and of
// the block are read and written up to a multiple of 16. A row's sums are the same in any place of
// the block. `wanted` is brought into the cache meanwhile.
void multiply_bfloat16_tiles(const BlockProduct<BFloat16>& product);
// Gives the thread's tiles back: to be called before other code may use them.
void end_bfloat16_tiles();

}  // namespace demix
