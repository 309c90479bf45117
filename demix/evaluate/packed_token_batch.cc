// Prompts are read as trees, by the attention of scoring; single tokens by the cache's own.
#include <algorithm>
#include <type_traits>

#include "demix/evaluate/attention.h"
#include "demix/evaluate/kv_cache.h"
#include "demix/evaluate/packed_layers.h"
#include "demix/evaluate/rows.h"
#include "demix/evaluate/token_batch.h"

namespace demix {
namespace {

// The tree of prompts, and the rows that each of them has in it.
struct PromptPass {
  Pass pass;
  std::vector<std::vector<int64_t>> rows;  // of each prompt, by position
};

PromptPass plan_prompts(std::span<const PlacedPrompt> prompts) {
  std::vector<Sequence> sequences;
  for (size_t i = 0; i < prompts.size(); ++i) {
    // The last token of a sequence is only asked for: one more, so that all of the prompt is read.
    Sequence sequence{{prompts[i].ids.begin(), prompts[i].ids.end()},
                      static_cast<int64_t>(prompts[i].ids.size()),
                      static_cast<int64_t>(i)};
    sequence.ids.push_back(0);
    sequences.push_back(std::move(sequence));
  }
  PromptPass planned;
  planned.rows.resize(prompts.size());
  planned.pass.add(merge_sequences(sequences));

  std::vector<int64_t> path;  // row of each position on the way to the current segment
  for (const Segment& segment : planned.pass.segments) {
    path.resize(static_cast<size_t>(segment.start));
    for (int64_t i = 0; i < segment.count; ++i) path.push_back(segment.row + i);
    for (const Answer& answer : planned.pass.answers) {
      if (answer.row < segment.row || answer.row >= segment.row + segment.count) continue;
      const auto length = static_cast<ptrdiff_t>(segment.start + answer.row - segment.row + 1);
      planned.rows[static_cast<size_t>(answer.slot)] = {path.begin(), path.begin() + length};
    }
  }
  return planned;
}

template <typename T>
class PackedBatch final : public TokenBatch {
 public:
  PackedBatch(const PackedLayers<T>& layers, int64_t positions, int64_t places)
      : layers_(layers),
        shape_{layers.architecture().heads,
               layers.architecture().kv_heads,
               layers.architecture().head_dim},
        memory_(layers.architecture()),
        attention_(shape_.head_dim, positions, std::is_same_v<T, BFloat16>) {
    for (int64_t i = 0; i < places; ++i) caches_.emplace_back(layers.architecture().layers, shape_);
  }

  std::span<const float> read_prompts(std::span<const PlacedPrompt> prompts) override {
    const BlockProducts products;
    const PromptPass planned = plan_prompts(prompts);
    std::vector<int64_t> last;
    for (const auto& path : planned.rows) last.push_back(path.back());
    const ReadRows read(std::move(last));
    layers_.run(planned.pass, read.rows, memory_, [&](const AttentionRows<T>& rows) {
      attend_over_trees(rows, shape_, attention_);
      for (size_t i = 0; i < prompts.size(); ++i) {
        const auto& path = planned.rows[i];
        if (path[0] < rows.group.first || path[0] >= rows.group.first + rows.group.rows) continue;
        for (size_t position = 0; position < path.size(); ++position) {
          const int64_t at = (path[position] - rows.group.first) * rows.stride;
          cache(prompts[i].place)
              .write(rows.layer, static_cast<int64_t>(position), rows.k + at, rows.v + at);
        }
      }
    });
    for (size_t i = 0; i < prompts.size(); ++i)
      cache(prompts[i].place).length = static_cast<int64_t>(planned.rows[i].size());
    // Prompts that are the same share a row.
    const auto of_rows = logits(static_cast<int64_t>(read.rows.size()));
    const size_t vocabulary = of_rows.size() / read.rows.size();
    prompt_logits_.clear();
    for (const int64_t place : read.places) {
      const auto row = of_rows.subspan(static_cast<size_t>(place) * vocabulary, vocabulary);
      prompt_logits_.insert(prompt_logits_.end(), row.begin(), row.end());
    }
    return prompt_logits_;
  }

  std::span<const float> read_tokens(std::span<const PlacedToken> tokens) override {
    const BlockProducts products;
    Pass pass;
    std::vector<int64_t> rows_read;
    for (const PlacedToken& token : tokens) {
      const int64_t position = cache(token.place).length++, row = pass.rows();
      pass.ids.push_back(token.token);
      pass.positions.push_back(static_cast<int32_t>(position));
      pass.segments.push_back({row, 1, position});
      rows_read.push_back(row);
    }
    layers_.run(pass, rows_read, memory_, [&](const AttentionRows<T>& rows) {
      for (int64_t i = 0; i < rows.group.rows; ++i) {
        const auto row = static_cast<size_t>(rows.group.first + i);
        const int64_t position = pass.positions[row], at = i * rows.stride;
        Growing& sequence = cache(tokens[row].place);
        sequence.write(rows.layer, position, rows.k + at, rows.v + at);
        sequence.attend(
            rows.layer, position + 1, rows.q + at, rows.out + i * rows.out_stride, scratch_);
      }
    });
    return logits(pass.rows());
  }

 private:
  struct Growing : KvCache<T> {
    using KvCache<T>::KvCache;
    int64_t length = 0;
  };

  Growing& cache(int64_t place) { return caches_[static_cast<size_t>(place)]; }

  // Of the first `count` rows of what was read.
  std::span<const float> logits(int64_t count) {
    const int64_t vocabulary = layers_.architecture().vocabulary;
    logits_.resize(static_cast<size_t>(count * vocabulary));
    layers_.head().multiply(memory_.read.row(0),
                            memory_.read.stride,
                            count,
                            [&](int64_t row, int64_t column, const Block& block) {
                              for (int64_t r = 0; r < block.rows; ++r)
                                std::copy_n(block.values + r * kBlockColumns,
                                            block.columns,
                                            logits_.data() + (row + r) * vocabulary + column);
                            });
    return logits_;
  }

  const PackedLayers<T>& layers_;
  AttentionShape shape_;
  PassMemory<T> memory_;
  AttentionScratch attention_;
  std::vector<Growing> caches_;
  KvScratch<T> scratch_;
  std::vector<float> logits_, prompt_logits_;
};

template <typename T>
class PackedTokenModel final : public TokenModel {
 public:
  PackedTokenModel(const Decoder& decoder, const Weights& weights, int64_t positions)
      : layers_(decoder, weights, positions), positions_(positions) {}

  std::unique_ptr<TokenBatch> batch(int64_t places) const override {
    return std::make_unique<PackedBatch<T>>(layers_, positions_, places);
  }
  int64_t bytes_per_position() const override {
    const Architecture& a = layers_.architecture();
    return KvCache<T>::bytes_per_position(a.layers, {a.heads, a.kv_heads, a.head_dim});
  }

 private:
  PackedLayers<T> layers_;
  int64_t positions_;
};
}  // namespace

template <typename T>
std::unique_ptr<TokenModel> packed_token_model(const Decoder& decoder,
                                               const Weights& weights,
                                               int64_t positions) {
  return std::make_unique<PackedTokenModel<T>>(decoder, weights, positions);
}

template std::unique_ptr<TokenModel> packed_token_model<float>(const Decoder&,
                                                               const Weights&,
                                                               int64_t);
template std::unique_ptr<TokenModel> packed_token_model<BFloat16>(const Decoder&,
                                                                  const Weights&,
                                                                  int64_t);

}  // namespace demix
