// Tensors over large buffers: in huge pages where the system has them, zero without being written.
#pragma once

#include <ATen/core/Tensor.h>

#include "demix/core/memory.h"

namespace demix {

// Takes the buffer, which has room for them.
at::Tensor tensor_over(LargeBuffer buffer, at::IntArrayRef sizes, at::ScalarType dtype);
// Zeros in memory, [count].
at::Tensor large_zeros(int64_t count, at::ScalarType dtype);

}  // namespace demix
