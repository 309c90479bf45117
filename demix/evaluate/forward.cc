#include "demix/evaluate/forward.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <type_traits>

#include "demix/core/error.h"
#include "demix/evaluate/attention.h"
#include "demix/evaluate/packed_layers.h"
#include "demix/evaluate/rows.h"

namespace demix {
namespace {

template <typename T>
class Packed final : public PackedModel {
 public:
  Packed(const Decoder& decoder, const Weights& weights, int64_t positions)
      : layers_(decoder, weights, positions), positions_(positions) {}

  ScorePass scorer() const override {
    return [this, memory = std::make_shared<Memory>(layers_.architecture(), positions_)](
               const Pass& pass, std::vector<AnswerScore>& slots) {
      const BlockProducts products;
      const Architecture& a = layers_.architecture();
      std::vector<int64_t> answered;
      for (const Answer& answer : pass.answers) answered.push_back(answer.row);
      const ReadRows read(std::move(answered));
      layers_.run(pass, read.rows, memory->pass, [&](const AttentionRows<T>& rows) {
        attend_over_trees(rows, {a.heads, a.kv_heads, a.head_dim}, memory->attention);
      });
      read_answers(pass, read, memory->pass, slots);
    };
  }

 private:
  struct Memory {
    PassMemory<T> pass;
    AttentionScratch attention;

    Memory(const Architecture& a, int64_t positions)
        : pass(a), attention(a.head_dim, positions, std::is_same_v<T, BFloat16>) {}
  };

  void read_answers(const Pass& pass,
                    const ReadRows& answers,
                    const PassMemory<T>& m,
                    std::vector<AnswerScore>& slots) const {
    const auto read = static_cast<int64_t>(answers.rows.size());
    std::vector<LaneSums> sums(static_cast<size_t>(read), LaneSums::lowest());
    std::vector<float> logits(pass.answers.size());
    // Answers by token, so that those of a block's columns are neighbours.
    std::vector<size_t> order(pass.answers.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto token = [&](size_t i) { return int64_t{pass.answers[i].token}; };
    std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return token(i) < token(j); });
    for (int64_t first = 0; first < read; first += kGroupRows) {
      layers_.head().multiply(
          m.read.row(first),
          m.read.stride,
          std::min(kGroupRows, read - first),
          [&](int64_t row, int64_t column, const Block& block) {
            add_logits(block, sums.data() + first + row);
            auto answer = std::partition_point(
                order.begin(), order.end(), [&](size_t i) { return token(i) < column; });
            for (; answer != order.end() && token(*answer) < column + kBlockColumns; ++answer) {
              const int64_t place = answers.places[*answer] - first - row;
              if (place >= 0 && place < block.rows)
                logits[*answer] = block.values[place * kBlockColumns + token(*answer) - column];
            }
          });
    }
    for (size_t i = 0; i < logits.size(); ++i) {
      const LaneSums& sum = sums[static_cast<size_t>(answers.places[i])];
      AnswerScore& slot = slots[static_cast<size_t>(pass.answers[i].slot)];
      slot.loglikelihood += logits[i] - log_of_sum(sum);
      slot.greedy &= logits[i] >= largest_of(sum);
    }
  }

  PackedLayers<T> layers_;
  int64_t positions_;
};

}  // namespace

std::unique_ptr<PackedModel> pack_model(const Decoder& decoder,
                                        const Weights& weights,
                                        int64_t positions) {
  if (weights.flat.scalar_type() == at::kFloat)
    return std::make_unique<Packed<float>>(decoder, weights, positions);
  DEMIX_CHECK(weights.flat.scalar_type() == at::kBFloat16);
  return std::make_unique<Packed<BFloat16>>(decoder, weights, positions);
}

}  // namespace demix
