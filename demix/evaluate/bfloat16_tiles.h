// multiply_block (product.h) in the tiles of processors with AMX: 16 rows by 16 columns of sums at
// once.
#pragma once

#include <cstdint>
#include <span>

#include "demix/core/simd.h"

namespace demix {

// Inputs of one product of tiles.
constexpr int64_t kTileInputs = 32;

// Whether this processor has tiles, and the system lets this process use them.
bool has_bfloat16_tiles();
// As multiply_block; `columns` is a multiple of 16 and `inputs` of kTileInputs. Rows of `a` and of
// the block are read and written up to a multiple of 16. A row's sums are the same in any place of
// the block. `wanted` is memory that the caller will read next: it is brought into the cache
// meanwhile.
void multiply_bfloat16_tiles(int64_t rows,
                             int64_t columns,
                             int64_t inputs,
                             const BFloat16* a,
                             int64_t a_stride,
                             const BFloat16* panel,
                             bool add,
                             float* block,
                             std::span<const BFloat16> wanted = {});
// Gives the thread's tiles back: to be called before other code may use them.
void end_bfloat16_tiles();

}  // namespace demix
