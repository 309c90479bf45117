#include "demix/evaluate/first_not_finite.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "demix/core/error.h"
#include "demix/model/decoder.h"

namespace demix {
namespace {

using at::Tensor;

bool all_finite(const Tensor& x) { return at::isfinite(x).all().item<bool>(); }

// A row without a finite number comes from what lies before the products.
bool has_empty_row(const Tensor& x) {
  return at::isfinite(x).flatten(1).any(1).logical_not().any().item<bool>();
}

Tensor attend_causally(const Tensor& q_NHD, const Tensor& k_NGD, const Tensor& v_NGD) {
  const auto batch = [](const Tensor& x) { return x.transpose(0, 1).unsqueeze(0); };
  return at::scaled_dot_product_attention(batch(q_NHD),
                                          batch(k_NGD),
                                          batch(v_NGD),
                                          /*attn_mask=*/{},
                                          /*dropout_p=*/0,
                                          /*is_causal=*/true,
                                          /*scale=*/std::nullopt,
                                          /*enable_gqa=*/true)
      .squeeze(0)
      .transpose(0, 1);
}

}  // namespace

std::string first_not_finite(const Decoder& decoder,
                             const Weights& weights,
                             std::span<const int32_t> ids) {
  const c10::InferenceMode inference;
  const Architecture& architecture = decoder.architecture();
  const auto layout = parameter_layout(architecture);
  for (size_t i = 0; i < layout.size(); ++i)
    if (!all_finite(weights.tensors[i]))
      return fmt::format("the parameter {} holds values that are not finite", layout[i].name);

  int64_t first = -1;
  ForwardPolicy policy;
  policy.attend = [&](int64_t layer, const Tensor& q, const Tensor& k, const Tensor& v) {
    if (first < 0 && !(all_finite(q) && all_finite(k) && all_finite(v)))
      first = layer > 0 && has_empty_row(v) ? layer - 1 : layer;
    Tensor mixed = attend_causally(q, k, v);
    if (first < 0 && !all_finite(mixed)) first = layer;
    return mixed;
  };
  const Tensor ids_N =
      at::tensor(std::vector<int64_t>(ids.begin(), ids.end()), at::kLong).to(weights.flat.device());
  const Tensor hidden_NC =
      decoder.hidden(weights, ids_N, at::arange(ids_N.size(0), ids_N.options()), policy);
  if (first < 0 && !all_finite(hidden_NC)) first = architecture.layers - 1;
  const std::string weights_are =
      fmt::format("all weights are finite, so they are too large for {}",
                  c10::toString(weights.flat.scalar_type()));
  if (first >= 0)
    return fmt::format("layer {} of {} (from 0) gives values that are not finite; {}",
                       first,
                       architecture.layers,
                       weights_are);
  return fmt::format("the output projection gives logits that are not finite; {}", weights_are);
}

}  // namespace demix
