#include "demix/model/decoder.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <numbers>
#include <string>
#include <utility>

#include "demix/core/error.h"
#include "demix/model/kernels.h"

namespace demix {
namespace {

using at::Tensor;

// θ^(-2i/D), i < D/2; "llama3" divides low frequencies by `factor` and blends in between.
Tensor frequencies_of(const Architecture& a) {
  const int64_t half = a.head_dim / 2;
  Tensor result = at::empty({half}, at::kFloat);
  float* out = result.mutable_data_ptr<float>();
  for (int64_t i = 0; i < half; ++i) {
    const auto exponent = static_cast<float>(2 * i) / static_cast<float>(a.head_dim);
    double frequency = 1.0F / std::pow(static_cast<float>(a.rope_theta), exponent);
    if (a.rope_scaling) {
      const Llama3Scaling& s = *a.rope_scaling;
      const double turns =
          static_cast<double>(s.original_max_positions) * frequency / (2 * std::numbers::pi);
      const double slow = frequency / s.factor;
      if (turns < s.low_freq_factor) {
        frequency = slow;
      } else if (turns <= s.high_freq_factor) {
        const double smooth =
            (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
        frequency = (1 - smooth) * slow + smooth * frequency;
      }
    }
    out[i] = static_cast<float>(frequency);
  }
  return result;
}

}  // namespace

Decoder::Decoder(Architecture architecture, at::Device device)
    : architecture_(std::move(architecture)) {
  architecture_.check("architecture");
  inverse_frequencies_ = frequencies_of(architecture_).to(device);
  std::map<std::string, int64_t> places;
  for (const ParameterSpec& spec : parameter_layout(architecture_))
    places.emplace(spec.name, static_cast<int64_t>(places.size()));
  const auto place = [&](const std::string& name) {
    const auto found = places.find(name);
    return found == places.end() ? -1 : found->second;
  };
  for (int64_t layer = 0; layer < architecture_.layers; ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
    layers_.push_back({.input_norm = place(prefix + "input_layernorm.weight"),
                       .q = place(attention + "q_proj.weight"),
                       .k = place(attention + "k_proj.weight"),
                       .v = place(attention + "v_proj.weight"),
                       .q_bias = place(attention + "q_proj.bias"),
                       .k_bias = place(attention + "k_proj.bias"),
                       .v_bias = place(attention + "v_proj.bias"),
                       .q_norm = place(attention + "q_norm.weight"),
                       .k_norm = place(attention + "k_norm.weight"),
                       .out = place(attention + "o_proj.weight"),
                       .out_bias = place(attention + "o_proj.bias"),
                       .post_norm = place(prefix + "post_attention_layernorm.weight"),
                       .gate = place(mlp + "gate_proj.weight"),
                       .up = place(mlp + "up_proj.weight"),
                       .gate_bias = place(mlp + "gate_proj.bias"),
                       .up_bias = place(mlp + "up_proj.bias"),
                       .down = place(mlp + "down_proj.weight"),
                       .down_bias = place(mlp + "down_proj.bias")});
  }
  embedding_ = place("model.embed_tokens.weight");
  final_norm_ = place("model.norm.weight");
  head_ = architecture_.tied_embeddings ? embedding_ : place("lm_head.weight");
}

Decoder::LayerTensors Decoder::layer(const Weights& weights, int64_t i) const {
  const auto tensor = [&](int64_t place) { return place < 0 ? Tensor() : weights.tensors[place]; };
  const Layer& l = layers_[i];
  return {.input_norm = tensor(l.input_norm),
          .q = tensor(l.q),
          .k = tensor(l.k),
          .v = tensor(l.v),
          .q_bias = tensor(l.q_bias),
          .k_bias = tensor(l.k_bias),
          .v_bias = tensor(l.v_bias),
          .q_norm = tensor(l.q_norm),
          .k_norm = tensor(l.k_norm),
          .out = tensor(l.out),
          .out_bias = tensor(l.out_bias),
          .post_norm = tensor(l.post_norm),
          .gate = tensor(l.gate),
          .up = tensor(l.up),
          .gate_bias = tensor(l.gate_bias),
          .up_bias = tensor(l.up_bias),
          .down = tensor(l.down),
          .down_bias = tensor(l.down_bias)};
}

Tensor Decoder::hidden(const Weights& weights,
                       const Tensor& ids_N,
                       const Tensor& positions_N,
                       const ForwardPolicy& policy) const {
  const Architecture& a = architecture_;
  const int64_t n = ids_N.size(0);
  const auto norm = [&](const Tensor& x, const Tensor& weight) {
    return rms_norm(x, weight, a.rms_eps);
  };

  // Computed for the positions at hand: a table up to max_positions would mostly lie idle.
  const Tensor angles =
      (positions_N.to(at::kFloat).unsqueeze(1) * inverse_frequencies_).unsqueeze(1);
  const Tensor cos = at::cos(angles), sin = at::sin(angles);  // [N, 1, D/2]

  Tensor x_NC = embed(embedding(weights), ids_N);
  for (int64_t i = 0; i < a.layers; ++i) {
    const LayerTensors layer = this->layer(weights, i);
    const Tensor h_NC = norm(x_NC, layer.input_norm);
    Tensor q_NHD = at::linear(h_NC, layer.q, layer.q_bias).view({n, a.heads, a.head_dim});
    Tensor k_NGD = at::linear(h_NC, layer.k, layer.k_bias).view({n, a.kv_heads, a.head_dim});
    const Tensor v_NGD = at::linear(h_NC, layer.v, layer.v_bias).view({n, a.kv_heads, a.head_dim});
    if (a.qk_norm) {
      q_NHD = norm(q_NHD, layer.q_norm);
      k_NGD = norm(k_NGD, layer.k_norm);
    }
    const Tensor mixed_NHD =
        policy.attend(i, apply_rope(q_NHD, cos, sin), apply_rope(k_NGD, cos, sin), v_NGD);
    x_NC =
        x_NC + at::linear(mixed_NHD.reshape({n, a.heads * a.head_dim}), layer.out, layer.out_bias);

    const Tensor m_NC = norm(x_NC, layer.post_norm);
    const Tensor gate = at::linear(m_NC, layer.gate, layer.gate_bias);
    const Tensor up = at::linear(m_NC, layer.up, layer.up_bias);
    x_NC = x_NC + at::linear(swiglu(gate, up), layer.down, layer.down_bias);
  }
  return norm(x_NC, final_norm(weights));
}

const Tensor& Decoder::embedding(const Weights& weights) const {
  return weights.tensors[embedding_];
}

const Tensor& Decoder::final_norm(const Weights& weights) const {
  return weights.tensors[final_norm_];
}

const Tensor& Decoder::head(const Weights& weights) const { return weights.tensors[head_]; }

Tensor Decoder::logits(const Weights& weights, const Tensor& ids_BT) const {
  const int64_t b = ids_BT.size(0), t = ids_BT.size(1);
  ForwardPolicy policy;
  policy.attend = [&](int64_t, const Tensor& q_NHD, const Tensor& k_NGD, const Tensor& v_NGD) {
    const auto by_row = [&](const Tensor& x) {
      return x.view({b, t, x.size(1), x.size(2)}).transpose(1, 2);
    };
    return at::scaled_dot_product_attention(by_row(q_NHD),
                                            by_row(k_NGD),
                                            by_row(v_NGD),
                                            /*attn_mask=*/{},
                                            /*dropout_p=*/0,
                                            /*is_causal=*/true,
                                            /*scale=*/std::nullopt,
                                            /*enable_gqa=*/true)
        .transpose(1, 2)
        .reshape({b * t, q_NHD.size(1), q_NHD.size(2)});
  };
  const Tensor positions_N = at::arange(t, ids_BT.options()).repeat({b});
  const Tensor hidden_NC = hidden(weights, ids_BT.reshape({b * t}), positions_N, policy);
  return at::linear(hidden_NC, head(weights)).view({b, t, architecture_.vocabulary});
}

}  // namespace demix
