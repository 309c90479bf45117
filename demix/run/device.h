// Where tensors live and how many threads compute.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace demix {

// "cpu", "cuda", "cuda:1" or "auto" (CUDA if there is a device). Throws Error when CUDA is asked
// for and missing.
at::Device resolve_device(const std::string& name);
// "float32" or "bfloat16"; throws Error, naming `where`, on others.
at::ScalarType resolve_dtype(const std::string& name, const std::string& where);
// 0: the machine's cores.
int resolve_threads(int threads);

}  // namespace demix
