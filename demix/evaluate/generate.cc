#include "demix/evaluate/generate.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/core/rng.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/first_not_finite.h"
#include "demix/evaluate/kv_cache.h"
#include "demix/evaluate/threads.h"
#include "demix/evaluate/token_batch.h"
#include "demix/model/decoder.h"

namespace demix {
namespace {

// Prompts that are read together have about this many tokens.
constexpr int64_t kPromptTokens = 4096;

// What all threads share.
struct Job {
  std::span<const GenerationRequest> requests;
  std::span<const int32_t> stop_tokens;
  const Tokenizer& tokenizer;
  const Decoder& decoder;
  const Weights& weights;
  Progress* progress;
  const OnAnswer& on_answer;
  std::vector<Generation>& results;
  std::atomic<size_t> next{0};
};

// Where a stop text begins, or nothing. Only the last tokens are looked at: each has at least one
// byte, and what stands before them was looked at already.
std::optional<size_t> find_stop(const Job& job, size_t request) {
  const auto& stops = job.requests[request].stops;
  const auto& ids = job.results[request].ids;
  size_t longest = 0;
  for (const std::string& stop : stops) longest = std::max(longest, stop.size());
  const auto holds_one = [&](const std::string& text) {
    return std::any_of(stops.begin(), stops.end(), [&](const std::string& stop) {
      return !stop.empty() && text.find(stop) != std::string::npos;
    });
  };
  const size_t tail = std::min(ids.size(), longest + 1);
  if (tail == 0 || !holds_one(job.tokenizer.decode(std::span(ids).last(tail)))) return std::nullopt;
  const std::string text = job.tokenizer.decode(ids);
  size_t first = text.size();
  for (const std::string& stop : stops)
    if (!stop.empty()) first = std::min(first, text.find(stop));
  return first;
}

// One thread's sequences.
class Worker {
 public:
  Worker(Job& job, std::unique_ptr<TokenBatch> batch, int64_t places)
      : job_(job), batch_(std::move(batch)), sequences_(static_cast<size_t>(places)) {}

  void run() {
    const auto growing = [](const auto& sequence) { return sequence.has_value(); };
    do {
      fill_places();
      step();
    } while (std::any_of(sequences_.begin(), sequences_.end(), growing) ||
             job_.next < job_.requests.size());
  }

 private:
  struct Growing {
    size_t request;
    Rng rng;
  };

  // Once an eighth of the places is free, so that prompts are read several at a time.
  void fill_places() {
    std::vector<int64_t> free;
    for (size_t i = 0; i < sequences_.size(); ++i)
      if (!sequences_[i]) free.push_back(static_cast<int64_t>(i));
    if (free.size() < std::max<size_t>(1, sequences_.size() / 8)) return;
    for (size_t filled = 0; filled < free.size();) {
      const size_t read = read_prompts(std::span(free).subspan(filled));
      if (read == 0) return;
      filled += read;
    }
  }

  // Begins the next requests at these places, as many as are read together; their number.
  size_t read_prompts(std::span<const int64_t> free) {
    std::vector<PlacedPrompt> prompts;
    int64_t tokens = 0;
    for (const int64_t place : free) {
      const size_t next = job_.next.fetch_add(1);
      if (next >= job_.requests.size()) break;
      const GenerationRequest& request = job_.requests[next];
      sequence(place) = Growing{
          next, Rng(request.sampling.seed).stream("answer").stream(request.name, request.answer)};
      prompts.push_back({place, request.prompt});
      tokens += static_cast<int64_t>(request.prompt.size());
      if (tokens >= kPromptTokens) break;
    }
    if (prompts.empty()) return 0;
    const auto logits = batch_->read_prompts(prompts);
    for (size_t i = 0; i < prompts.size(); ++i)
      extend(prompts[i].place, row(logits, i, prompts.size()));
    return prompts.size();
  }

  void step() {
    std::vector<PlacedToken> tokens;
    for (size_t i = 0; i < sequences_.size(); ++i)
      if (sequences_[i])
        tokens.push_back(
            {static_cast<int64_t>(i), job_.results[sequences_[i]->request].ids.back()});
    if (tokens.empty()) return;
    const auto logits = batch_->read_tokens(tokens);
    for (size_t i = 0; i < tokens.size(); ++i)
      extend(tokens[i].place, row(logits, i, tokens.size()));
  }

  static std::span<const float> row(std::span<const float> logits, size_t i, size_t rows) {
    const size_t vocabulary = logits.size() / rows;
    return logits.subspan(i * vocabulary, vocabulary);
  }

  // Gives the sequence its next token, or ends it.
  void extend(int64_t place, std::span<const float> logits) {
    Growing& growing = *sequence(place);
    const GenerationRequest& request = job_.requests[growing.request];
    Generation& result = job_.results[growing.request];
    const auto token = choose_token(logits, request.sampling, growing.rng);
    if (!token) {
      std::vector<int32_t> ids = request.prompt;
      ids.insert(ids.end(), result.ids.begin(), result.ids.end());
      throw Error(
          "{}: the model's logits are not finite behind {} tokens of prompt and {} generated: {}",
          request.name,
          request.prompt.size(),
          result.ids.size(),
          first_not_finite(job_.decoder, job_.weights, ids));
    }
    const auto& stop = job_.stop_tokens;
    if (std::find(stop.begin(), stop.end(), *token) != stop.end())
      return finish(place, Generation::End::kToken, std::nullopt);
    result.ids.push_back(*token);
    if (const auto cut = find_stop(job_, growing.request))
      return finish(place, Generation::End::kText, cut);
    if (static_cast<int64_t>(result.ids.size()) >= request.max_tokens)
      finish(place, Generation::End::kLength, std::nullopt);
  }

  void finish(int64_t place, Generation::End end, std::optional<size_t> cut) {
    Generation& result = job_.results[sequence(place)->request];
    result.text = job_.tokenizer.decode(result.ids);
    if (cut) result.text.resize(*cut);
    result.end = end;
    if (job_.on_answer) job_.on_answer(sequence(place)->request, result);
    sequence(place).reset();
    if (job_.progress) job_.progress->add(1);
  }

  std::optional<Growing>& sequence(int64_t place) { return sequences_[static_cast<size_t>(place)]; }

  Job& job_;
  std::unique_ptr<TokenBatch> batch_;
  std::vector<std::optional<Growing>> sequences_;  // by place
};

// Positions of the longest sequence that the requests may have.
int64_t positions_needed(std::span<const GenerationRequest> requests, int64_t max_positions) {
  int64_t longest = 0;
  for (const GenerationRequest& request : requests) {
    const auto prompt = static_cast<int64_t>(request.prompt.size());
    if (prompt == 0) throw Error("{}: the prompt has no token to begin with", request.name);
    if (request.max_tokens < 1)
      throw Error("{}: {} tokens are to be generated, expected at least 1",
                  request.name,
                  request.max_tokens);
    if (request.max_tokens > max_positions || prompt > max_positions - request.max_tokens)
      throw Error("{}: a prompt of {} tokens and {} to generate exceed the model's {} positions",
                  request.name,
                  prompt,
                  request.max_tokens,
                  max_positions);
    longest = std::max(longest, prompt + request.max_tokens);
  }
  return longest;
}

}  // namespace

std::vector<Generation> generate(std::span<const GenerationRequest> requests,
                                 std::span<const int32_t> stop_tokens,
                                 const Tokenizer& tokenizer,
                                 const Decoder& decoder,
                                 const Weights& weights,
                                 const GenerateConfig& config,
                                 Progress* progress,
                                 const OnAnswer& on_answer) {
  for (const GenerationRequest& request : requests) request.sampling.check();
  std::vector<Generation> results(requests.size());
  if (requests.empty()) return results;
  const int64_t positions = positions_needed(requests, decoder.architecture().max_positions);

  std::unique_ptr<TokenModel> model;
  const auto dtype = weights.flat.scalar_type();
  const bool on_cpu = weights.flat.is_cpu() && (dtype == at::kFloat || dtype == at::kBFloat16);
  if (!on_cpu) {
    model = tensor_token_model(decoder, weights, positions);
  } else if (dtype == at::kFloat) {
    model = packed_token_model<float>(decoder, weights, positions);
  } else {
    model = packed_token_model<BFloat16>(decoder, weights, positions);
  }

  const auto count = static_cast<int64_t>(requests.size());
  const int64_t threads = on_cpu ? std::min<int64_t>(at::get_num_threads(), count) : 1;
  const int64_t sequence_bytes = model->bytes_per_position() * round_up(positions, kPagePositions);
  const int64_t places = std::clamp<int64_t>(
      std::min((count + threads - 1) / threads, config.cache_bytes / threads / sequence_bytes),
      1,
      std::max<int64_t>(1, config.sequences_per_thread));

  Job job{.requests = requests,
          .stop_tokens = stop_tokens,
          .tokenizer = tokenizer,
          .decoder = decoder,
          .weights = weights,
          .progress = progress,
          .on_answer = on_answer,
          .results = results};
  const auto work = [&](size_t) { Worker(job, model->batch(places), places).run(); };
  if (on_cpu) {
    in_single_threads(static_cast<size_t>(threads), [&] { return work; });
  } else {
    work(0);
  }
  return results;
}

}  // namespace demix
