#include "demix/run/device.h"

#include <ATen/Context.h>

#include <algorithm>
#include <thread>

#include "demix/core/error.h"

namespace demix {

at::Device resolve_device(const std::string& name) {
  const bool has_cuda = at::hasCUDA();
  if (name == "auto") return at::Device(has_cuda ? at::kCUDA : at::kCPU);
  if (name == "cpu") return at::Device(at::kCPU);
  if (name == "cuda" || name.starts_with("cuda:")) {
    if (!has_cuda) {
      throw Error(
          "device: '{}' was asked for, but this libtorch sees no CUDA device; use cpu or auto",
          name);
    }
    return at::Device(name);
  }
  throw Error("device: '{}' is not known; use cpu, cuda, cuda:N or auto", name);
}

at::ScalarType resolve_dtype(const std::string& name, const std::string& where) {
  if (name == "float32") return at::kFloat;
  if (name == "bfloat16") return at::kBFloat16;
  throw Error("{}: dtype '{}' is not known; use float32 or bfloat16", where, name);
}

int resolve_threads(int threads) {
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace demix
