// Loss and gradient of a packed batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "demix/corpus/stream.h"
#include "demix/model/decoder.h"

namespace demix {

// The batch is cut into passes of some rows, which bound memory and fit the cache; gradients of
// passes are added in float32 in the order of the passes. On the CPU every pass runs on one thread
// and the passes of a batch are shared among `threads` of them, so the result is bit-identical for
// any number.
class BatchGradient {
 public:
  // `dtype` is that of weights and products. rows_per_pass 0: chosen for the device by `length`,
  // the tokens of a row.
  BatchGradient(const Decoder& decoder,
                at::ScalarType dtype,
                at::Device device,
                int64_t rows_per_pass,
                int64_t length,
                int threads);
  ~BatchGradient();

  // Mean of -ln p over the predicted targets, in nats; `gradient` (flat, float32 unless dtype is
  // float64) becomes its gradient. `weights` is a flat buffer in `dtype`. A loss that is not finite
  // is returned, not thrown.
  double operator()(const at::Tensor& weights,
                    const PackedBatch& batch,
                    const at::Tensor& gradient);

 private:
  struct Worker;
  double pass(Worker& worker,
              const PackedBatch& batch,
              int64_t first_row,
              int64_t rows,
              double scale) const;
  std::vector<std::unique_ptr<Worker>> workers_;
  const Decoder& decoder_;
  at::ScalarType dtype_;
  at::Device device_;
  int64_t rows_per_pass_;
  int threads_;
};

}  // namespace demix
