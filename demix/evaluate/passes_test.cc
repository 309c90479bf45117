#include "demix/evaluate/passes.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <bit>
#include <limits>

namespace demix {
namespace {

// The pico model: two layers, width 32, 64 tokens.
Architecture pico() {
  Architecture a;
  a.family = Family::kQwen3;
  a.vocabulary = 64;
  a.hidden = 32;
  a.layers = 2;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_dim = 16;
  a.intermediate = 48;
  a.qk_norm = true;
  a.initializer_range = 0.3;  // far from uniform predictions
  return a;
}

Weights weights_in(at::ScalarType dtype) {
  return weights_over(pico(), initial_weights(pico(), Rng(1)).flat.to(dtype));
}

// Items of one to four continuations; the last one is longer than a tile.
std::vector<std::vector<Sequence>> random_items(int count) {
  Rng rng(7);
  const auto tokens = [&](uint64_t size) {
    std::vector<int32_t> ids(size);
    for (int32_t& id : ids) id = static_cast<int32_t>(rng.below(64));
    return ids;
  };
  std::vector<std::vector<Sequence>> items;
  int64_t slot = 0;
  for (int i = 0; i < count; ++i) {
    const auto context = tokens(i + 1 == count ? 290 : 1 + rng.below(40));
    auto& item = items.emplace_back();
    for (uint64_t c = 1 + rng.below(4); c > 0; --c) {
      auto ids = context;
      const auto continuation = tokens(1 + rng.below(9));
      ids.insert(ids.end(), continuation.begin(), continuation.end());
      item.push_back({std::move(ids), static_cast<int64_t>(context.size()), slot++});
    }
  }
  return items;
}

int64_t slots_of(const std::vector<std::vector<Sequence>>& items) {
  return items.back().back().slot + 1;
}

std::vector<AnswerScore> run(const std::vector<std::vector<Sequence>>& items,
                             int64_t slots,
                             int64_t rows,
                             const Weights& weights) {
  std::vector<TokenTree> trees;
  for (const auto& item : items) trees.push_back(merge_sequences(item));
  return log_likelihoods(pack(trees, rows), slots, Decoder(pico(), at::kCPU), weights, nullptr);
}

// By definition: one plain forward pass per sequence, in float64.
AnswerScore expected(const Sequence& sequence) {
  const Decoder decoder(pico(), at::kCPU);
  const auto size = static_cast<int64_t>(sequence.ids.size());
  const at::Tensor ids = at::tensor(sequence.ids, at::kLong).unsqueeze(0);
  const at::Tensor logprobs = at::log_softmax(decoder.logits(weights_in(at::kDouble), ids)[0], -1);
  AnswerScore score;
  for (int64_t i = sequence.first_target; i < size; ++i) {
    const int32_t token = sequence.ids[static_cast<size_t>(i)];
    score.loglikelihood += logprobs[i - 1][token].item<double>();
    score.greedy &= logprobs[i - 1].argmax().item<int64_t>() == token;
  }
  return score;
}

TEST(LogLikelihoods, AreThoseOfOnePlainPassPerSequence) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);  // products this small are slower on several
  auto items = random_items(6);
  // One continuation is the likeliest token.
  Sequence likeliest = items[0][0];
  likeliest.ids.resize(static_cast<size_t>(likeliest.first_target));
  const at::Tensor context = at::tensor(likeliest.ids, at::kLong).unsqueeze(0);
  const at::Tensor logits = Decoder(pico(), at::kCPU).logits(weights_in(at::kDouble), context);
  likeliest.ids.push_back(static_cast<int32_t>(logits[0][-1].argmax().item<int64_t>()));
  likeliest.slot = slots_of(items);
  items.push_back({likeliest});
  const auto in_float32 = run(items, slots_of(items), 512, weights_in(at::kFloat));
  const auto in_bfloat16 = run(items, slots_of(items), 512, weights_in(at::kBFloat16));
  const auto in_float64 = run(items, slots_of(items), 512, weights_in(at::kDouble));
  int greedy_ones = 0;
  for (const auto& item : items) {
    for (const Sequence& sequence : item) {
      const auto [value, greedy] = expected(sequence);
      const auto slot = static_cast<size_t>(sequence.slot);
      EXPECT_NEAR(in_float32[slot].loglikelihood, value, 1e-5 * std::abs(value));
      EXPECT_NEAR(in_bfloat16[slot].loglikelihood, value, 0.05 * std::abs(value));
      // The path for other devices, with masks; RMSNorm and RoPE stay in float32 there too.
      EXPECT_NEAR(in_float64[slot].loglikelihood, value, 1e-5 * std::abs(value));
      EXPECT_EQ(in_float32[slot].greedy, greedy);
      EXPECT_EQ(in_float64[slot].greedy, greedy);
      greedy_ones += greedy;
    }
  }
  EXPECT_GE(greedy_ones, 1);
  at::set_num_threads(threads);
}

TEST(LogLikelihoods, AreBitwiseTheSameWhateverElseIsInTheBatch) {
  const auto items = random_items(20);
  const int64_t slots = slots_of(items);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const Weights weights = weights_in(dtype);
    const auto reference = run(items, slots, 512, weights);
    for (int64_t rows : {1, 256, 4096}) EXPECT_EQ(run(items, slots, rows, weights), reference);
    auto shuffled = items;
    Rng(3).shuffle(std::span(shuffled));
    EXPECT_EQ(run(shuffled, slots, 256, weights), reference);
    const std::vector<std::vector<Sequence>> first(items.begin(), items.begin() + 7);
    const auto limited = run(first, slots, 512, weights);
    for (const auto& item : first)
      for (const Sequence& sequence : item)
        EXPECT_EQ(limited[sequence.slot], reference[sequence.slot]);
    // Nor does it matter what is shared within an item.
    std::vector<std::vector<Sequence>> apart;
    for (const auto& item : items)
      for (const Sequence& sequence : item) apart.push_back({sequence});
    EXPECT_EQ(run(apart, slots, 512, weights), reference);
  }
}

TEST(LogLikelihoods, AreNotFiniteWhenTheModelsLogitsAreNot) {
  Weights weights = weights_in(at::kFloat);
  weights.tensors.back().fill_(std::numeric_limits<float>::quiet_NaN());
  const auto items = random_items(2);
  for (const AnswerScore& score : run(items, slots_of(items), 512, weights)) {
    EXPECT_FALSE(std::isfinite(score.loglikelihood));
    EXPECT_FALSE(score.greedy);
  }
}

TEST(RowsPerPass, GiveEveryThreadTheSameNumberOfPasses) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  EXPECT_EQ(rows_per_pass(4096, 10'000, true), 2560);  // four passes, not three
  EXPECT_EQ(rows_per_pass(4096, 8192, true), 4096);
  EXPECT_EQ(rows_per_pass(4096, 10, true), 64);
  EXPECT_EQ(rows_per_pass(1, 1, true), 64);
  EXPECT_EQ(rows_per_pass(1000, 1'000'000, false), 1000);
  at::set_num_threads(threads);
}

}  // namespace
}  // namespace demix
