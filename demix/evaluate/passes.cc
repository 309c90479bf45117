#include "demix/evaluate/passes.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <bit>
#include <map>

#include "demix/core/progress.h"
#include "demix/evaluate/forward.h"
#include "demix/evaluate/product.h"
#include "demix/evaluate/threads.h"

// The way for every device and dtype: attention over padded trees with a mask.

namespace demix {
namespace {

using at::Tensor;

Tensor on_device(const std::vector<int64_t>& values, const Tensor& like) {
  return at::tensor(values, at::kLong).to(like.device());
}

// `values`, zeros up to `size`.
Tensor padded(const std::vector<int32_t>& values, int64_t size, const Tensor& like) {
  Tensor result = at::zeros({size}, at::kLong);
  std::copy(values.begin(), values.end(), result.mutable_data_ptr<int64_t>());
  return result.to(like.device());
}

// Trees of similar length, as one masked attention call.
struct Bucket {
  Tensor rows;       // [trees, length]: row in the pass
  Tensor real;       // [tokens]: places in the flattened bucket that hold tokens
  Tensor real_rows;  // [tokens]: their rows
  Tensor mask;       // [trees, 1, length, length]: whether a token sees another
};

std::vector<Bucket> make_buckets(const Pass& pass, const Tensor& like) {
  struct Tree {
    int64_t row, rows;
    std::vector<Segment> segments;
  };
  std::vector<Tree> trees;
  for (const Segment& segment : pass.segments) {
    if (segment.start == 0) trees.push_back({segment.row, 0, {}});
    trees.back().rows += segment.count;
    trees.back().segments.push_back(segment);
  }
  std::map<int64_t, std::vector<const Tree*>> by_length;
  for (const Tree& tree : trees)
    by_length[static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(tree.rows)))].push_back(
        &tree);
  std::vector<Bucket> buckets;
  for (const auto& [length, members] : by_length) {
    const auto count = static_cast<int64_t>(members.size());
    std::vector<int64_t> rows(static_cast<size_t>(count * length), 0), real, real_rows;
    Tensor mask = at::zeros({count, 1, length, length}, at::kBool);
    auto* sees = mask.mutable_data_ptr<bool>();
    for (int64_t t = 0; t < count; ++t) {
      const Tree& tree = *members[static_cast<size_t>(t)];
      std::vector<int64_t> path(static_cast<size_t>(tree.rows));  // position -> place in the tree
      for (const Segment& segment : tree.segments) {
        for (int64_t i = 0; i < segment.count; ++i) {
          const int64_t place = segment.row - tree.row + i, position = segment.start + i;
          path[static_cast<size_t>(position)] = place;
          bool* seen = sees + (t * length + place) * length;
          for (int64_t p = 0; p <= position; ++p) seen[path[static_cast<size_t>(p)]] = true;
        }
      }
      for (int64_t i = 0; i < length; ++i) {
        // A padded row sees itself: a softmax over nothing would be NaN.
        if (i >= tree.rows) sees[(t * length + i) * length + i] = true;
        if (i >= tree.rows) continue;
        rows[static_cast<size_t>(t * length + i)] = tree.row + i;
        real.push_back(t * length + i);
        real_rows.push_back(tree.row + i);
      }
    }
    buckets.push_back({on_device(rows, like),
                       on_device(real, like),
                       on_device(real_rows, like),
                       mask.to(like.device())});
  }
  return buckets;
}

Tensor attend_in_buckets(const std::vector<Bucket>& buckets,
                         const Tensor& q_NHD,
                         const Tensor& k_NGD,
                         const Tensor& v_NGD) {
  Tensor out = at::zeros(q_NHD.sizes(), q_NHD.options());
  for (const Bucket& bucket : buckets) {
    const int64_t trees = bucket.mask.size(0), length = bucket.mask.size(2);
    const auto gather = [&](const Tensor& x) {
      return x.index_select(0, bucket.rows)
          .view({trees, length, x.size(1), x.size(2)})
          .transpose(1, 2);
    };
    const Tensor mixed = at::scaled_dot_product_attention(gather(q_NHD),
                                                          gather(k_NGD),
                                                          gather(v_NGD),
                                                          bucket.mask,
                                                          /*dropout_p=*/0,
                                                          /*is_causal=*/false,
                                                          /*scale=*/std::nullopt,
                                                          /*enable_gqa=*/true);
    out.index_copy_(0,
                    bucket.real_rows,
                    mixed.transpose(1, 2)
                        .reshape({trees * length, q_NHD.size(1), q_NHD.size(2)})
                        .index_select(0, bucket.real));
  }
  return out;
}

void run_anywhere(const Pass& pass,
                  const Decoder& decoder,
                  const Weights& weights,
                  std::vector<AnswerScore>& slots) {
  constexpr int64_t kLogitsRows = 512;
  const auto buckets = make_buckets(pass, weights.flat);
  ForwardPolicy policy;
  policy.attend = [&](int64_t, const Tensor& q_NHD, const Tensor& k_NGD, const Tensor& v_NGD) {
    return attend_in_buckets(buckets, q_NHD, k_NGD, v_NGD);
  };
  const Tensor hidden_NC = decoder.hidden(weights,
                                          padded(pass.ids, pass.rows(), weights.flat),
                                          padded(pass.positions, pass.rows(), weights.flat),
                                          policy);
  const Tensor& head_VC = decoder.head(weights);
  const auto read = static_cast<int64_t>(pass.answers.size());
  for (int64_t first = 0; first < read; first += kLogitsRows) {
    const int64_t count = std::min(kLogitsRows, read - first);
    std::vector<int64_t> rows, tokens;
    for (int64_t i = first; i < first + count; ++i) {
      rows.push_back(pass.answers[static_cast<size_t>(i)].row);
      tokens.push_back(pass.answers[static_cast<size_t>(i)].token);
    }
    const Tensor logits_AV =
        at::linear(hidden_NC.index_select(0, on_device(rows, hidden_NC)), head_VC);
    const auto dtype = logits_AV.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const Tensor all = at::log_softmax(logits_AV, -1, dtype);
    const auto on_cpu = [](const Tensor& x) { return x.to(at::kCPU, at::kDouble).contiguous(); };
    const Tensor asked = on_cpu(all.gather(1, on_device(tokens, hidden_NC).unsqueeze(1)));
    const Tensor largest = on_cpu(all.amax(1));
    const double* values = asked.const_data_ptr<double>();
    const double* bounds = largest.const_data_ptr<double>();
    for (int64_t i = 0; i < count; ++i) {
      AnswerScore& slot =
          slots[static_cast<size_t>(pass.answers[static_cast<size_t>(first + i)].slot)];
      slot.loglikelihood += values[i];
      slot.greedy &= values[i] >= bounds[i];
    }
  }
}

}  // namespace

int64_t rows_per_pass(int64_t rows_wanted, int64_t total_rows, bool on_cpu) {
  if (!on_cpu) return rows_wanted;
  const auto shares = [](int64_t whole, int64_t part) { return (whole + part - 1) / part; };
  const int64_t threads = at::get_num_threads();
  const int64_t passes =
      threads *
      std::max<int64_t>(1, shares(total_rows, threads * std::max<int64_t>(1, rows_wanted)));
  return round_up(std::max<int64_t>(1, shares(total_rows, passes)), kBlockRows);
}

std::vector<AnswerScore> log_likelihoods(std::span<const Pass> passes,
                                         int64_t slots,
                                         const Decoder& decoder,
                                         const Weights& weights,
                                         Progress* progress,
                                         const OnPass& on_pass) {
  std::vector<AnswerScore> result(static_cast<size_t>(slots));
  const auto finish = [&](const Pass& pass) {
    if (progress) progress->add(pass.rows());
    if (on_pass) on_pass(pass, result);
  };
  const auto dtype = weights.flat.scalar_type();
  if (weights.flat.is_cpu() && (dtype == at::kFloat || dtype == at::kBFloat16)) {
    int64_t longest = 0;
    for (const Pass& pass : passes)
      for (const Segment& segment : pass.segments)
        longest = std::max(longest, segment.start + segment.count);
    const auto model = pack_model(decoder, weights, longest);
    in_single_threads(passes.size(), [&] {
      return [&, score = model->scorer()](size_t i) {
        score(passes[i], result);
        finish(passes[i]);
      };
    });
    return result;
  }
  for (const Pass& pass : passes) {
    const c10::InferenceMode inference;
    run_anywhere(pass, decoder, weights, result);
    finish(pass);
  }
  return result;
}

}  // namespace demix
