#include "demix/evaluate/passes.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <exception>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <thread>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/evaluate/log_softmax.h"

// N rows of a pass (padded to whole tiles), A rows whose logits are read, C hidden width, V
// vocabulary; H query heads, G key-value heads, D head dimension.

namespace demix {
namespace {

using at::Tensor;

// Logits in memory at once: few enough to stay in a core's cache.
constexpr int64_t kVocabularyBlock = 1024;

// Calls `work` for 0, …, count - 1 from as many threads as ATen would use, within which ATen's
// operations run serially: no barrier within a pass, and its data stay in one core's cache. ATen's
// own parallel_for would need this file compiled with OpenMP, and a second OpenMP runtime beside
// that of the wheel.
void in_single_threads(size_t count, const std::function<void(size_t)>& work) {
  const int threads = at::get_num_threads();
  std::atomic<size_t> next{0};
  std::exception_ptr failure;
  std::mutex failing;
  const auto take = [&] {
    at::set_num_threads(1);  // of this thread, and of threads that begin later
    try {
      for (size_t i; (i = next.fetch_add(1)) < count;) work(i);
    } catch (...) {
      const std::lock_guard lock(failing);
      failure = std::current_exception();
      next = count;
    }
  };
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < threads; ++i) workers.emplace_back(take);
  }
  at::set_num_threads(threads);
  if (failure) std::rethrow_exception(failure);
}

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

Tensor on_device(const std::vector<int64_t>& values, const Tensor& like) {
  return at::tensor(values, at::kLong).to(like.device());
}

// `values`, zeros up to `size`.
Tensor padded(const std::vector<int32_t>& values, int64_t size, const Tensor& like) {
  Tensor result = at::zeros({size}, at::kLong);
  std::copy(values.begin(), values.end(), result.mutable_data_ptr<int64_t>());
  return result.to(like.device());
}

// Rows whose logits are read, each once, in order; and for each answer its place among them.
struct AnswerRows {
  std::vector<int64_t> rows;
  std::vector<int64_t> places;

  explicit AnswerRows(const Pass& pass) {
    for (const Answer& answer : pass.answers) rows.push_back(answer.row);
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    for (const Answer& answer : pass.answers)
      places.push_back(std::lower_bound(rows.begin(), rows.end(), answer.row) - rows.begin());
  }
};

// --- CPU, float32 and bfloat16: results independent of the batch ---

// x wᵀ + bias in tiles of kRows rows.
template <int64_t kRows>
Tensor tiled_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const int64_t rows = x.size(0);
  DEMIX_CHECK(rows % kRows == 0);
  Tensor out = at::empty({rows, weight.size(0)}, x.options());
  const Tensor transposed = weight.t();
  for (int64_t row = 0; row < rows; row += kRows) {
    Tensor tile = out.narrow(0, row, kRows);
    if (bias.defined()) {
      at::addmm_out(tile, bias, x.narrow(0, row, kRows), transposed);
    } else {
      at::mm_out(tile, x.narrow(0, row, kRows), transposed);
    }
  }
  return out;
}

template <typename T>
const T* data_of(const Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

template <typename T>
Tensor attend_over_trees(const Pass& pass,
                         const Tensor& q_NHD,
                         const Tensor& k_NGD,
                         const Tensor& v_NGD) {
  const auto rows_together = [](const Tensor& x) {
    return x.stride(2) == 1 && x.stride(1) == x.size(2) ? x : x.contiguous();
  };
  const Tensor q = rows_together(q_NHD), k = rows_together(k_NGD), v = rows_together(v_NGD);
  Tensor out = at::empty(q.sizes(), q.options());
  // Rows behind the last token are in no segment.
  out.narrow(0, pass.rows(), q.size(0) - pass.rows()).zero_();
  const AttentionInput input{pass.segments,
                             {q.size(1), k.size(1), q.size(2)},
                             q.stride(0),
                             k.stride(0),
                             v.stride(0),
                             out.stride(0)};
  tree_attention(
      input, data_of<T>(q), data_of<T>(k), data_of<T>(v), static_cast<T*>(out.mutable_data_ptr()));
  return out;
}

// Adds the answers' log-probabilities to `slots`. The logits exist one block of the vocabulary at a
// time.
template <typename T>
void add_answers(const Pass& pass,
                 const Tensor& hidden_NC,
                 const Tensor& head_VC,
                 std::vector<double>& slots) {
  const AnswerRows answers(pass);
  const auto read = static_cast<int64_t>(answers.rows.size());
  const int64_t vocabulary = head_VC.size(0);
  Tensor hidden_AC =
      at::zeros({round_up(read, kHeadTileRows), hidden_NC.size(1)}, hidden_NC.options());
  Tensor filled = hidden_AC.narrow(0, 0, read);
  at::index_select_out(filled, hidden_NC, 0, on_device(answers.rows, hidden_NC));

  std::vector<RunningSum> sums(static_cast<size_t>(read),
                               {-std::numeric_limits<float>::infinity(), 0});
  std::vector<float> logits(pass.answers.size());
  Tensor block =
      at::empty({kHeadTileRows * std::min(kVocabularyBlock, vocabulary)}, hidden_NC.options());
  for (int64_t first = 0; first < vocabulary; first += kVocabularyBlock) {
    const int64_t tokens = std::min(kVocabularyBlock, vocabulary - first);
    const Tensor head_block = head_VC.narrow(0, first, tokens).t();
    for (int64_t row = 0; row < read; row += kHeadTileRows) {
      Tensor logits_tile = block.narrow(0, 0, kHeadTileRows * tokens).view({kHeadTileRows, tokens});
      at::mm_out(logits_tile, hidden_AC.narrow(0, row, kHeadTileRows), head_block);
      const int64_t here = std::min(kHeadTileRows, read - row);
      add_logits(data_of<T>(logits_tile),
                 tokens,
                 tokens,
                 std::span(sums).subspan(static_cast<size_t>(row), static_cast<size_t>(here)));
      for (size_t i = 0; i < logits.size(); ++i) {
        const int64_t place = answers.places[i] - row, token = pass.answers[i].token - first;
        if (place >= 0 && place < here && token >= 0 && token < tokens)
          logits[i] = to_float(data_of<T>(logits_tile)[place * tokens + token]);
      }
    }
  }
  for (size_t i = 0; i < logits.size(); ++i) {
    const RunningSum& sum = sums[static_cast<size_t>(answers.places[i])];
    slots[static_cast<size_t>(pass.answers[i].slot)] +=
        static_cast<double>(logits[i] - sum.largest) - std::log(static_cast<double>(sum.sum));
  }
}

template <typename T>
void run_on_cpu(const Pass& pass,
                const Decoder& decoder,
                const Weights& weights,
                std::vector<double>& slots) {
  ForwardPolicy policy;
  policy.linear = tiled_linear<kTileRows>;
  policy.attend = [&](int64_t, const Tensor& q_NHD, const Tensor& k_NGD, const Tensor& v_NGD) {
    return attend_over_trees<T>(pass, q_NHD, k_NGD, v_NGD);
  };
  const int64_t rows = round_up(pass.rows(), kTileRows);
  const Tensor hidden_NC = decoder.hidden(weights,
                                          padded(pass.ids, rows, weights.flat),
                                          padded(pass.positions, rows, weights.flat),
                                          policy);
  add_answers<T>(pass, hidden_NC, decoder.head(weights), slots);
}

// --- Any device and dtype: attention over padded trees with a mask ---

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
                  std::vector<double>& slots) {
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
    const Tensor logprobs = at::log_softmax(logits_AV, -1, dtype)
                                .gather(1, on_device(tokens, hidden_NC).unsqueeze(1))
                                .to(at::kCPU, at::kDouble)
                                .contiguous();
    const double* values = logprobs.const_data_ptr<double>();
    for (int64_t i = 0; i < count; ++i)
      slots[static_cast<size_t>(pass.answers[static_cast<size_t>(first + i)].slot)] += values[i];
  }
}

}  // namespace

int64_t rows_per_pass(int64_t rows_wanted, int64_t total_rows, bool on_cpu) {
  if (!on_cpu) return rows_wanted;
  const int64_t share = (total_rows + at::get_num_threads() - 1) / at::get_num_threads();
  return round_up(std::max<int64_t>(1, std::min(rows_wanted, share)), kTileRows);
}

std::vector<double> log_likelihoods(std::span<const Pass> passes,
                                    int64_t slots,
                                    const Decoder& decoder,
                                    const Weights& weights,
                                    Progress* progress) {
  std::vector<double> result(static_cast<size_t>(slots), 0);
  const auto dtype = weights.flat.scalar_type();
  const bool invariant = weights.flat.is_cpu() && (dtype == at::kFloat || dtype == at::kBFloat16);
  const auto run = [&](size_t i) {
    const c10::InferenceMode inference;
    if (!invariant) {
      run_anywhere(passes[i], decoder, weights, result);
    } else if (dtype == at::kFloat) {
      run_on_cpu<float>(passes[i], decoder, weights, result);
    } else {
      run_on_cpu<BFloat16>(passes[i], decoder, weights, result);
    }
    if (progress) progress->add(passes[i].rows());
  };
  if (weights.flat.is_cpu()) {
    in_single_threads(passes.size(), run);
  } else {
    for (size_t i = 0; i < passes.size(); ++i) run(i);
  }
  return result;
}

}  // namespace demix
