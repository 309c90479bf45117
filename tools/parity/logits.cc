// logits MODEL IDS OUT [WRITTEN]: the logits [B, T, V] of a Hugging Face folder for the "ids" [B,
// T] of a safetensors file, in float32; saves the model again as WRITTEN. tools/parity/model.py
// compares.

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <exception>

#include "demix/core/error.h"
#include "demix/model/decoder.h"
#include "demix/model/safetensors.h"

namespace {

void run(const std::vector<std::filesystem::path>& arguments) {
  using namespace demix;
  const c10::InferenceMode no_gradients;
  const Architecture architecture = load_architecture(arguments[0]);
  const Weights weights = load_weights(arguments[0], architecture, at::kFloat, at::kCPU);
  const SafetensorsFile file = SafetensorsFile::open(arguments[1]);
  const TensorEntry* ids = file.find("ids");
  if (!ids || ids->dtype != "I64" || ids->shape.size() != 2)
    throw Error("{}: expected 'ids', I64 of shape [B, T]", arguments[1].string());
  at::Tensor ids_BT = at::empty(ids->shape, at::kLong);
  file.read(*ids, {static_cast<std::byte*>(ids_BT.mutable_data_ptr()), ids_BT.nbytes()});

  const at::Tensor logits_BTV =
      Decoder(architecture, at::kCPU).logits(weights, ids_BT).contiguous();
  const TensorView out{
      "logits",
      "F32",
      logits_BTV.sizes().vec(),
      {static_cast<const std::byte*>(logits_BTV.const_data_ptr()), logits_BTV.nbytes()}};
  write_safetensors(arguments[2], std::span(&out, 1));
  if (arguments.size() > 3) save_model(arguments[3], architecture, weights, at::kFloat, {});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: logits MODEL IDS OUT [WRITTEN]\n");
    return 1;
  }
  try {
    run({argv + 1, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", demix::error_chain(error));
    return 1;
  }
}
