#include "demix/evaluate/generate.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>
#include <mutex>
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

// Requests that wait, a range for each thread. One whose own are done takes half of what another
// has left, but only when it has little else to do: threads that end together would leave each
// other nothing.
class Waiting {
 public:
  Waiting(size_t requests, size_t threads) : ranges_(threads) {
    for (size_t i = 0; i < threads; ++i)
      ranges_[i] = {requests * i / threads, requests * (i + 1) / threads};
  }
  std::optional<size_t> next(size_t thread, bool is_idle) {
    const std::lock_guard lock(mutex_);
    Range& own = ranges_[thread];
    if (own.first == own.end && is_idle) {
      Range& longest =
          *std::max_element(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) {
            return a.end - a.first < b.end - b.first;
          });
      own = {longest.first + (longest.end - longest.first) / 2, longest.end};
      longest.end = own.first;
    }
    if (own.first == own.end) return std::nullopt;
    return own.first++;
  }

 private:
  struct Range {
    size_t first = 0, end = 0;
  };
  std::mutex mutex_;
  std::vector<Range> ranges_;
};

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
  Waiting waiting;
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
  Worker(Job& job, size_t thread, std::unique_ptr<TokenBatch> batch, int64_t places)
      : job_(job),
        thread_(thread),
        batch_(std::move(batch)),
        sequences_(static_cast<size_t>(places)) {}

  void run() {
    for (bool busy = true; busy;) {
      busy = fill_places();
      busy |= step();
    }
  }

 private:
  struct Growing {
    size_t request;
    Rng rng;
  };

  // Once an eighth of the places is free, so that prompts are read several at a time. False when
  // none were.
  bool fill_places() {
    std::vector<int64_t> free;
    for (size_t i = 0; i < sequences_.size(); ++i)
      if (!sequences_[i]) free.push_back(static_cast<int64_t>(i));
    if (free.size() < std::max<size_t>(1, sequences_.size() / 8)) return false;
    size_t filled = 0;
    while (filled < free.size()) {
      const size_t read = read_prompts(std::span(free).subspan(filled));
      if (read == 0) break;
      filled += read;
    }
    return filled > 0;
  }

  // Begins the next requests at these places, as many as are read together; their number.
  size_t read_prompts(std::span<const int64_t> free) {
    std::vector<PlacedPrompt> prompts;
    int64_t tokens = 0;
    for (const int64_t place : free) {
      const auto growing = std::count_if(
          sequences_.begin(), sequences_.end(), [](const auto& one) { return one.has_value(); });
      const auto next = job_.waiting.next(thread_, growing <= std::ssize(sequences_) / 8);
      if (!next) break;
      const GenerationRequest& request = job_.requests[*next];
      sequence(place) = Growing{
          *next, Rng(request.sampling.seed).stream("answer").stream(request.name, request.answer)};
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

  // False when nothing grows.
  bool step() {
    std::vector<PlacedToken> tokens;
    for (size_t i = 0; i < sequences_.size(); ++i)
      if (sequences_[i])
        tokens.push_back(
            {static_cast<int64_t>(i), job_.results[sequences_[i]->request].ids.back()});
    if (tokens.empty()) return false;
    const auto logits = batch_->read_tokens(tokens);
    for (size_t i = 0; i < tokens.size(); ++i)
      extend(tokens[i].place, row(logits, i, tokens.size()));
    return true;
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
  size_t thread_;
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
          .results = results,
          .waiting = Waiting(requests.size(), static_cast<size_t>(threads))};
  const auto work = [&](size_t thread) { Worker(job, thread, model->batch(places), places).run(); };
  if (on_cpu) {
    in_single_threads(static_cast<size_t>(threads), [&] { return work; });
  } else {
    work(0);
  }
  return results;
}

}  // namespace demix
