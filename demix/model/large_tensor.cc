#include "demix/model/large_tensor.h"

#include <ATen/ATen.h>

#include <memory>

namespace demix {

at::Tensor tensor_over(LargeBuffer buffer, at::IntArrayRef sizes, at::ScalarType dtype) {
  auto owner = std::make_shared<LargeBuffer>(std::move(buffer));
  void* data = owner->data();
  return at::from_blob(data, sizes, [owner](void*) {}, at::TensorOptions().dtype(dtype));
}

at::Tensor large_zeros(int64_t count, at::ScalarType dtype) {
  const auto bytes = static_cast<int64_t>(at::elementSize(dtype)) * count;
  return tensor_over(LargeBuffer::in_memory(bytes), {count}, dtype);
}

}  // namespace demix
