#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "demix/evaluate/token_batch.h"

// B sequences, T tokens of a call in each, N = B · T; P positions, H query heads, G key-value
// heads, D head dimension, V vocabulary, L layers.

namespace demix {
namespace {

using at::Tensor;

// Keys and values of all places in one tensor; each call is one masked attention over as many
// positions as the longest of its sequences has.
class TensorBatch final : public TokenBatch {
 public:
  TensorBatch(const Decoder& decoder, const Weights& weights, int64_t positions, int64_t places)
      : decoder_(decoder), weights_(weights), lengths_(static_cast<size_t>(places)) {
    const Architecture& a = decoder.architecture();
    for (Tensor* cache : {&keys_LBPGD_, &values_LBPGD_})
      *cache =
          at::zeros({a.layers, places, positions, a.kv_heads, a.head_dim}, weights.flat.options());
  }

  std::span<const float> read_prompts(std::span<const PlacedPrompt> prompts) override {
    for (const PlacedPrompt& prompt : prompts) lengths_[static_cast<size_t>(prompt.place)] = 0;
    return read(prompts);
  }

  std::span<const float> read_tokens(std::span<const PlacedToken> tokens) override {
    std::vector<PlacedPrompt> one_each;
    for (const PlacedToken& token : tokens) one_each.push_back({token.place, {&token.token, 1}});
    return read(one_each);
  }

 private:
  Tensor on_device(const std::vector<int64_t>& values) const {
    return at::tensor(values, at::kLong).to(weights_.flat.device());
  }

  // Rows of the longest run for every sequence; those too many are masked out and not kept.
  std::span<const float> read(std::span<const PlacedPrompt> runs) {
    const c10::InferenceMode inference;
    const auto b = static_cast<int64_t>(runs.size());
    int64_t longest = 0, seen = 0;
    std::vector<int64_t> places;
    for (const PlacedPrompt& run : runs) {
      const auto count = static_cast<int64_t>(run.ids.size());
      longest = std::max(longest, count);
      seen = std::max(seen, length(run.place) + count);
      places.push_back(run.place);
    }
    std::vector<int64_t> ids, positions, kept, kept_places, kept_positions, last;
    for (int64_t i = 0; i < b; ++i) {
      const auto& run = runs[static_cast<size_t>(i)];
      const auto count = static_cast<int64_t>(run.ids.size());
      for (int64_t t = 0; t < longest; ++t) {
        ids.push_back(t < count ? run.ids[static_cast<size_t>(t)] : 0);
        positions.push_back(std::min(length(run.place) + t, seen - 1));
        if (t >= count) continue;
        kept.push_back(i * longest + t);
        kept_places.push_back(run.place);
        kept_positions.push_back(length(run.place) + t);
      }
      last.push_back(i * longest + count - 1);
    }
    for (const PlacedPrompt& run : runs)
      lengths_[static_cast<size_t>(run.place)] += static_cast<int64_t>(run.ids.size());

    const Tensor positions_N = on_device(positions), places_B = on_device(places);
    const Tensor kept_N = on_device(kept);
    const Tensor to_place = on_device(kept_places), to_position = on_device(kept_positions);
    // A token sees what stands at its own position and before.
    const Tensor mask_BTP = at::arange(seen, positions_N.options()).view({1, 1, seen}) <=
                            positions_N.view({b, longest, 1});
    ForwardPolicy policy;
    policy.attend =
        [&](int64_t layer, const Tensor& q_NHD, const Tensor& k_NGD, const Tensor& v_NGD) {
          const auto cached = [&](Tensor& cache_LBPGD, const Tensor& fresh_NGD) {
            Tensor cache_BPGD = cache_LBPGD.select(0, layer);
            cache_BPGD.index_put_({to_place, to_position}, fresh_NGD.index_select(0, kept_N));
            return cache_BPGD.narrow(1, 0, seen).index_select(0, places_B).transpose(1, 2);
          };
          const Tensor k = cached(keys_LBPGD_, k_NGD), v = cached(values_LBPGD_, v_NGD);
          return at::scaled_dot_product_attention(
                     q_NHD.view({b, longest, q_NHD.size(1), q_NHD.size(2)}).transpose(1, 2),
                     k,
                     v,
                     mask_BTP.unsqueeze(1),
                     /*dropout_p=*/0,
                     /*is_causal=*/false,
                     /*scale=*/std::nullopt,
                     /*enable_gqa=*/true)
              .transpose(1, 2)
              .reshape({b * longest, q_NHD.size(1), q_NHD.size(2)});
        };
    const Tensor hidden_NC = decoder_.hidden(weights_, on_device(ids), positions_N, policy);
    logits_BV_ = at::linear(hidden_NC.index_select(0, on_device(last)), decoder_.head(weights_))
                     .to(at::kCPU, at::kFloat)
                     .contiguous();
    return {logits_BV_.const_data_ptr<float>(), static_cast<size_t>(logits_BV_.numel())};
  }

  int64_t length(int64_t place) const { return lengths_[static_cast<size_t>(place)]; }

  const Decoder& decoder_;
  const Weights& weights_;
  std::vector<int64_t> lengths_;  // tokens read at each place
  Tensor keys_LBPGD_, values_LBPGD_;
  Tensor logits_BV_;
};

class TensorTokenModel final : public TokenModel {
 public:
  TensorTokenModel(const Decoder& decoder, const Weights& weights, int64_t positions)
      : decoder_(decoder), weights_(weights), positions_(positions) {}

  std::unique_ptr<TokenBatch> batch(int64_t places) const override {
    const c10::InferenceMode inference;
    return std::make_unique<TensorBatch>(decoder_, weights_, positions_, places);
  }
  int64_t bytes_per_position() const override {
    const Architecture& a = decoder_.architecture();
    return 2 * a.layers * a.kv_heads * a.head_dim *
           static_cast<int64_t>(weights_.flat.element_size());
  }

 private:
  Decoder decoder_;
  const Weights& weights_;
  int64_t positions_;
};
}  // namespace

std::unique_ptr<TokenModel> tensor_token_model(const Decoder& decoder,
                                               const Weights& weights,
                                               int64_t positions) {
  return std::make_unique<TensorTokenModel>(decoder, weights, positions);
}

}  // namespace demix
