#include "demix/run/plan_costs.h"

#include <ATen/Parallel.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <fstream>
#include <thread>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/progress.h"
#include "demix/corpus/readers.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/answers.h"
#include "demix/evaluate/sandbox.h"
#include "demix/evaluate/scorer.h"
#include "demix/model/decoder.h"
#include "demix/model/weights.h"
#include "demix/run/device.h"
#include "demix/run/models.h"

namespace demix {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Time that the sampling of all datasets, the timed scoring and the timed answers may each take.
constexpr double kSampleSeconds = 4, kScoreSeconds = 4, kAnswerSeconds = 4;
constexpr int kTimedSteps = 3;

// A folder of the probe's own, gone when the probe is.
class ScratchFolder {
 public:
  ScratchFolder() : path_((std::filesystem::temp_directory_path() / "demix-plan-XXXXXX").string()) {
    if (!mkdtemp(path_.data())) throw Error("{}: cannot be created", path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path path() const { return path_; }

 private:
  std::string path_;
};

// Reads and tokenises the beginning of every dataset and extrapolates by the bytes of its files.
CorpusCost sample_corpus(const RunConfig& config, const Tokenizer& tokenizer) {
  CorpusCost sample;
  const int threads = resolve_threads(config.threads);
  const double share = kSampleSeconds / static_cast<double>(config.datasets.size());
  for (const auto& [name, dataset] : config.datasets) {
    double file_bytes = 0;
    const auto files = dataset_files(name, dataset);
    const ReaderOptions options{dataset.text_field,
                                invalid_utf8_policy(dataset.invalid_utf8),
                                config.corpus.max_document_bytes};
    for (const auto& file : files)
      file_bytes += static_cast<double>(std::filesystem::file_size(file));
    const auto start = Clock::now();
    double seconds = 0, read_bytes = 0;
    int64_t tokens = 0;
    std::vector<int32_t> ids;
    for (const auto& file : files) {
      const auto reader = open_documents(file, options);
      while (const auto text = reader->next()) {
        ids.clear();
        tokenizer.encode(*text, false, ids);
        tokens += static_cast<int64_t>(ids.size()) + 1;
        if ((seconds = seconds_since(start)) > share) break;
      }
      read_bytes += static_cast<double>(reader->file_bytes());
      if (seconds > share) break;
    }
    seconds = seconds_since(start);
    const double factor = read_bytes > 0 ? std::max(1.0, file_bytes / read_bytes) : 1;
    const auto extrapolated = static_cast<int64_t>(factor * static_cast<double>(tokens));
    sample.tokens[name] = extrapolated;
    sample.total_tokens += extrapolated;
    sample.seconds += factor * seconds / threads;
  }
  return sample;
}

// A shard of random tokens in documents of 200, which costs a model what text costs it.
Shard random_shard(const std::filesystem::path& path, int64_t vocabulary, int64_t tokens, Rng rng) {
  ShardWriter writer(path, static_cast<int32_t>(vocabulary), 0);
  std::vector<int32_t> document(200);
  for (int64_t written = 0; written < tokens; written += static_cast<int64_t>(document.size())) {
    for (int32_t& id : document)
      id = static_cast<int32_t>(rng.below(static_cast<uint64_t>(vocabulary)));
    writer.add(document, 800);
  }
  writer.finish();
  return Shard::open(path);
}

// Seconds of one optimiser step of a model that trains for a few.
double time_steps(const RunConfig& config,
                  const Architecture& architecture,
                  const Shard& shard,
                  const Weights& initial,
                  const std::string& name,
                  const std::filesystem::path& folder) {
  const int64_t step_tokens = config.train.rows_per_step * config.train.sequence_length;
  TrainJob job;
  job.name = name;
  job.key = "probe";
  job.architecture = architecture;
  job.sources = {{"random", shard, 1.0}};
  job.tokens = kTimedSteps * step_tokens;
  job.folder = folder;
  job.device = config.device;
  Progress progress("time training", job.tokens, "tokens");
  demix::train(job, config.train, initial, progress);
  // The first step also pays for allocations; the last is what most steps cost.
  double seconds = 0;
  std::ifstream metrics(job.folder / "metrics.jsonl");
  std::string line;
  while (std::getline(metrics, line)) {
    const Json step = Json::parse(line);
    if (step.contains("tokens_per_second"))
      seconds = static_cast<double>(step_tokens) / step.at("tokens_per_second").get<double>();
  }
  return seconds;
}

// The same while `at_once` models train, each on its share of the threads. `scratch` is empty.
double time_training_step(const RunConfig& config,
                          const Architecture& architecture,
                          int at_once,
                          const std::filesystem::path& scratch) {
  std::filesystem::create_directories(scratch);
  const int threads_each = std::max(1, resolve_threads(config.threads) / at_once);
  const Weights initial = initial_weights(architecture, Rng(config.seed));
  const int64_t step_tokens = config.train.rows_per_step * config.train.sequence_length;
  const Shard shard = random_shard(scratch / "train",
                                   architecture.vocabulary,
                                   (kTimedSteps + 1) * step_tokens,
                                   Rng(config.seed));
  std::vector<double> step_seconds(static_cast<size_t>(at_once));
  std::vector<std::exception_ptr> failures(static_cast<size_t>(at_once));
  std::vector<std::thread> pool;
  for (size_t worker = 0; worker < step_seconds.size(); ++worker) {
    pool.emplace_back([&, worker] {
      try {
        at::set_num_threads(threads_each);
        step_seconds[worker] = time_steps(config,
                                          architecture,
                                          shard,
                                          initial,
                                          fmt::format("probe {}", worker),
                                          scratch / fmt::format("model_{}", worker));
      } catch (...) {
        failures[worker] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : pool) thread.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
  return *std::max_element(step_seconds.begin(), step_seconds.end());
}

// One model on all tasks and held-out text: counted in full, timed on as many items as fit the
// time.
ScoringCost time_scoring(const RunConfig& config,
                         const Architecture& architecture,
                         const Tokenizer& tokenizer,
                         const std::vector<Task>& tasks,
                         bool with_held_out,
                         const std::filesystem::path& scratch) {
  const at::Device device = resolve_device(config.device);
  const Decoder decoder(architecture, device);
  const Weights initial = initial_weights(architecture, Rng(config.seed));
  const Weights weights =
      weights_over(architecture,
                   initial.flat.to(device, resolve_dtype(config.evaluate.dtype, "evaluate.dtype")));
  const int64_t held_out_tokens = std::max<int64_t>(config.evaluate.held_out_tokens, 1);
  const Shard shard = random_shard(
      scratch / "held_out", architecture.vocabulary, held_out_tokens, Rng(config.seed));
  ScorerConfig scorer;
  scorer.tokens_per_pass = config.evaluate.tokens_per_pass;
  const auto texts_of = [&](size_t datasets) {
    std::vector<Scorer::HeldOut> texts;
    for (const std::string& name : held_out_datasets(config))
      if (texts.size() < datasets) texts.push_back({name, shard, held_out_tokens});
    return texts;
  };
  const auto scorer_of = [&](size_t items, size_t datasets) {
    std::vector<Task> first = tasks;
    for (Task& task : first) {
      task.items.resize(std::min(task.items.size(), items));
      // Only the time counts: no averages of groups, and no generated answers.
      task.members.clear();
      task.members_count_equally = false;
      task.generation.reset();
      std::erase_if(task.metrics, [](const std::string& name) { return needs_generation(name); });
    }
    return Scorer(std::move(first), texts_of(datasets), tokenizer, decoder, scorer);
  };
  const size_t datasets = with_held_out ? config.datasets.size() : 0;
  const Scorer whole = scorer_of(static_cast<size_t>(-1), datasets);
  const Scorer texts({}, texts_of(datasets), tokenizer, decoder, scorer);
  ScoringCost cost{0, whole.flops(), whole.tokens(), texts.flops(), texts.tokens()};
  if (cost.tokens == 0) return cost;
  // Twice as many items each time until the time suffices to extrapolate, or until everything was
  // timed.
  for (size_t items = 4;; items *= 2) {
    const Scorer part = scorer_of(items, with_held_out ? 1 : 0);
    const bool everything = part.tokens() >= whole.tokens();
    const auto start = Clock::now();
    part.score(weights, /*live=*/false);
    const double seconds = seconds_since(start);
    cost.seconds =
        seconds * static_cast<double>(whole.tokens()) / static_cast<double>(part.tokens());
    if (everything || seconds > kScoreSeconds / 8 || items > (size_t{1} << 30)) return cost;
  }
}

// Seconds of each token that is generated, with as many sequences side by side as fit the time.
double time_answer_token(const Decoder& decoder,
                         const Weights& weights,
                         const Tokenizer& tokenizer) {
  constexpr int64_t kTokens = 4;  // beyond the first, which reading the prompt gives
  const auto timed = [&](int64_t sequences, int64_t tokens) {
    GenerationRequest request{
        .name = "probe", .prompt = std::vector<int32_t>(8, 0), .max_tokens = tokens};
    const std::vector<GenerationRequest> requests(static_cast<size_t>(sequences), request);
    const auto start = Clock::now();
    generate(requests, {}, tokenizer, decoder, weights, {});
    return seconds_since(start);
  };
  const int64_t most = GenerateConfig().sequences_per_thread * at::get_num_threads();
  for (int64_t sequences = at::get_num_threads();; sequences = std::min(most, 4 * sequences)) {
    const double first = timed(sequences, 1), all = timed(sequences, 1 + kTokens);
    const double each = std::max(all - first, 1e-9) / static_cast<double>(kTokens * sequences);
    if (sequences == most || first + all > kAnswerSeconds / 8) return each;
  }
}

// One model's answers, as long as they may be; prompts cost what the same tokens cost to score.
AnswersCost time_answers(const RunConfig& config,
                         const Architecture& architecture,
                         const Tokenizer& tokenizer,
                         const std::vector<Task>& tasks,
                         double seconds_per_token) {
  AnswersCost cost;
  AnswerPlan plan({}, config.seed);
  int64_t programs = 0;
  for (const Task& task : tasks) {
    if (!task.generation) continue;
    plan.add(task, tokenizer, architecture.max_positions);
    if (task.generation->judge == "program")
      programs += static_cast<int64_t>(task.items.size()) * task.generation->answers;
  }
  if (plan.empty()) return cost;
  for (const GenerationRequest& request : plan.requests()) {
    cost.prompt_tokens += static_cast<int64_t>(request.prompt.size());
    cost.answer_tokens += request.max_tokens;
  }
  cost.answers = static_cast<int64_t>(plan.requests().size());
  cost.flops =
      forward_flops_per_token(architecture, false) * static_cast<double>(cost.prompt_tokens) +
      forward_flops_per_token(architecture, true) * static_cast<double>(cost.answer_tokens);
  const at::Device device = resolve_device(config.device);
  const Decoder decoder(architecture, device);
  const Weights weights =
      weights_over(architecture,
                   initial_weights(architecture, Rng(config.seed))
                       .flat.to(device, resolve_dtype(config.evaluate.dtype, "evaluate.dtype")));
  cost.seconds =
      seconds_per_token * static_cast<double>(cost.prompt_tokens) +
      time_answer_token(decoder, weights, tokenizer) * static_cast<double>(cost.answer_tokens);
  if (programs > 0) {
    const std::vector<std::string> empty(static_cast<size_t>(resolve_threads(config.threads)));
    const auto start = Clock::now();
    run_programs(empty);
    cost.seconds +=
        seconds_since(start) * static_cast<double>(programs) / static_cast<double>(empty.size());
  }
  return cost;
}

}  // namespace

PieceCosts measure_pieces(const RunConfig& config,
                          const Architecture& architecture,
                          const Tokenizer& tokenizer,
                          const std::vector<Task>& tasks,
                          bool reads_held_out,
                          const std::set<int>& at_once) {
  const ScratchFolder scratch;
  PieceCosts costs;
  costs.parameters = parameter_count(architecture);
  costs.flops_per_token = 3 * forward_flops_per_token(architecture, true);
  costs.parallel_models = parallel_models(config, architecture);
  costs.corpus = sample_corpus(config, tokenizer);
  for (const int models : at_once)
    costs.step_seconds[models] = time_training_step(
        config, architecture, models, scratch.path() / fmt::format("at_once_{}", models));
  costs.scoring =
      time_scoring(config, architecture, tokenizer, tasks, reads_held_out, scratch.path());
  costs.answers = time_answers(
      config,
      architecture,
      tokenizer,
      tasks,
      costs.scoring.seconds / static_cast<double>(std::max<int64_t>(1, costs.scoring.tokens)));
  return costs;
}

}  // namespace demix
