#include "demix/run/plan.h"

#include <ATen/Parallel.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/progress.h"
#include "demix/corpus/readers.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/answers.h"
#include "demix/evaluate/sandbox.h"
#include "demix/evaluate/scorer.h"
#include "demix/merge/components.h"
#include "demix/model/checkpoint_files.h"
#include "demix/model/decoder.h"
#include "demix/model/weights.h"
#include "demix/run/device.h"
#include "demix/run/early_checks.h"
#include "demix/run/metrics.h"
#include "demix/run/models.h"
#include "demix/run/references.h"
#include "demix/run/warm_start.h"

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

struct CorpusSample {
  std::map<std::string, int64_t> tokens;  // of each dataset, extrapolated
  double seconds = 0;                     // to tokenise all of it, all cores
  int64_t total_tokens = 0;
};

// Reads and tokenises the beginning of every dataset and extrapolates by the bytes of its files.
CorpusSample sample_corpus(const RunConfig& config, const Tokenizer& tokenizer) {
  CorpusSample sample;
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

struct ScoringCost {
  double seconds = 0, flops = 0;
  int64_t tokens = 0;
};

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
    std::vector<Scorer::HeldOut> held_out;
    for (const std::string& name : held_out_datasets(config))
      if (held_out.size() < datasets) held_out.push_back({name, shard, held_out_tokens});
    ScorerConfig scorer;
    scorer.tokens_per_pass = config.evaluate.tokens_per_pass;
    return Scorer(std::move(first), std::move(held_out), tokenizer, decoder, scorer);
  };
  const Scorer whole =
      scorer_of(static_cast<size_t>(-1), with_held_out ? config.datasets.size() : 0);
  ScoringCost cost{0, whole.flops(), whole.tokens()};
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

struct AnswersCost {
  double seconds = 0, flops = 0;
  int64_t answers = 0, prompt_tokens = 0, answer_tokens = 0;
};

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

std::string hours(double seconds) {
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

// Whether the run's components and base are all there already, as bfloat16 and nothing else.
bool components_are_bfloat16(const RunConfig& config) {
  if (config.base.import.empty() || config.components.import.size() < config.datasets.size())
    return false;
  std::vector<std::filesystem::path> folders = {config.base.import};
  for (const auto& [name, folder] : config.components.import) folders.push_back(folder);
  return std::all_of(folders.begin(), folders.end(), [](const std::filesystem::path& folder) {
    const Checkpoint checkpoint = Checkpoint::open(folder);
    const std::vector<std::string> names = checkpoint.names();
    return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
      return checkpoint.find(name)->dtype == "BF16";
    });
  });
}

// Where the components would lie if the search began now.
Storage plan_storage(const RunConfig& config, const Architecture& architecture) {
  const ProxyMethod method(config.merge, config.datasets.size(), config.seed);
  const ProxyTarget target{resolve_device(config.device),
                           resolve_dtype(config.evaluate.dtype, "evaluate.dtype"),
                           std::filesystem::temp_directory_path()};
  return choose_storage(
      storage_need(
          architecture, config.datasets.size(), components_are_bfloat16(config), method, target),
      free_bytes(target),
      config.merge);
}

}  // namespace

Plan make_plan(const RunConfig& config) {
  at::set_num_threads(resolve_threads(config.threads));
  const Tokenizer tokenizer = run_tokenizer(config);
  const std::vector<Task> tasks = load_tasks(config.evaluate);
  const std::vector<ScoredMetric> metrics =
      metrics_of(config.evaluate, tasks, held_out_datasets(config));
  check_before_work(config, tokenizer, metrics);
  check_proxies(config, metrics, tasks);
  for (const std::filesystem::path& folder : config.search.warm_start) check_warm_start(folder);
  if (config.validate.scores) scored_references(config.validate, composition_of(config), metrics);
  const Architecture architecture = run_architecture(config, tokenizer.vocabulary_size());
  const ScratchFolder scratch;

  Plan plan;
  plan.parameters = parameter_count(architecture);
  const CorpusSample corpus = sample_corpus(config, tokenizer);
  plan.stages.push_back({"corpus", 0, corpus.total_tokens, 0, corpus.seconds});

  const int64_t step_tokens = config.train.rows_per_step * config.train.sequence_length;
  const int workers = parallel_models(config, architecture);
  std::map<int, double> step_seconds;  // by how many models are trained at once
  const auto step_seconds_of = [&](int at_once) {
    const auto [step, is_new] = step_seconds.try_emplace(at_once);
    if (is_new)
      step->second = time_training_step(
          config, architecture, at_once, scratch.path() / fmt::format("at_once_{}", at_once));
    return step->second;
  };
  plan.train_step_seconds = step_seconds_of(workers);
  const double train_flops = 3 * forward_flops_per_token(architecture, true);
  const auto add_training = [&](const std::string& name, int64_t models, int64_t tokens) {
    const int64_t steps = (tokens + step_tokens - 1) / step_tokens;
    const auto at_once = static_cast<int>(std::clamp<int64_t>(models, 1, workers));
    const int64_t waves = (models + at_once - 1) / at_once;
    plan.stages.push_back(
        {name,
         models,
         models * tokens,
         train_flops * static_cast<double>(models * tokens),
         models > 0 ? static_cast<double>(waves * steps) * step_seconds_of(at_once) : 0});
  };
  const auto datasets = static_cast<int64_t>(config.datasets.size());
  const auto components = datasets - static_cast<int64_t>(config.components.import.size());
  const int64_t references = config.validate.references > 0 ? config.validate.references + 1 : 0;
  add_training("train base", config.base.import.empty(), config.base.tokens);
  add_training("train components", components, config.components.tokens);

  const ScoringCost scoring = time_scoring(config,
                                           architecture,
                                           tokenizer,
                                           tasks,
                                           reads_held_out(config.evaluate, metrics),
                                           scratch.path());
  const AnswersCost answers =
      time_answers(config,
                   architecture,
                   tokenizer,
                   tasks,
                   scoring.seconds / static_cast<double>(std::max<int64_t>(1, scoring.tokens)));
  if (answers.answers > 0)
    plan.warnings.push_back(fmt::format(
        "Generated answers are counted as long as they may be ({} answers, {} tokens of "
        "each model); where models end them sooner, they take less.",
        answers.answers,
        answers.answer_tokens));
  plan.answers = answers.answers;
  plan.answer_seconds = answers.seconds;
  plan.score_seconds = scoring.seconds + answers.seconds;
  // `whole`: as many models as would take as long on all items.
  const auto add_scoring = [&](const std::string& name, int64_t models, double whole) {
    const auto tokens =
        static_cast<double>(scoring.tokens + answers.prompt_tokens + answers.answer_tokens);
    plan.stages.push_back({name,
                           models,
                           std::llround(whole * tokens),
                           whole * (scoring.flops + answers.flops),
                           whole * plan.score_seconds});
  };
  // Components, twice where ensembles are made of them; of merged proxies those of the rounds,
  // found and its baselines, and the references.
  const int64_t baselines = config.search.current.empty() ? 4 : 5;
  const int64_t random_references = std::max<int64_t>(0, config.validate.references - 3);
  const bool ensembles = beyond_ensembles(metrics, tasks) == nullptr;
  const bool merged = resolve_proxies(config.proxies, metrics, tasks) == "merged";
  // The components on their way, and for merges the whole ones too.
  const bool early = ensembles && config.components.keep_early > 0 && components == datasets &&
                     config.components.command.empty();
  const int64_t on_all = datasets * (ensembles ? 2 : 1) +
                         (merged ? baselines + random_references : config.validate.references);
  // On the items that the search selects by.
  const int64_t searched = (merged ? config.search.total_proxies() + baselines : datasets) +
                           (early ? (merged ? 2 : 1) * datasets : 0);
  const double share = config.search.searched_share();
  add_scoring("search",
              on_all + searched,
              static_cast<double>(on_all) + share * static_cast<double>(searched));
  add_training(
      "train references", references, config.validate.tokens.value_or(config.components.tokens));
  add_scoring("validate", references, static_cast<double>(references));
  if (const int64_t refined = config.validate.refine; refined > 0) {
    // For each a search on the searched items; ensembles cost no pass of a model.
    const int64_t proxies = merged ? config.search.total_proxies() : 0;
    add_training(
        "train refined", refined, config.validate.tokens.value_or(config.components.tokens));
    add_scoring("refine",
                refined * (proxies + 1),
                static_cast<double>(refined) * (1 + share * static_cast<double>(proxies)));
  }

  if (!config.evaluate.command.empty()) {
    const int64_t proxies = config.search.total_proxies();
    plan.warnings.push_back(
        fmt::format("The time of evaluate.command is not in the plan: it runs up to {} times.",
                    datasets + proxies + baselines + random_references + references +
                        config.validate.refine * (proxies + 1)));
  }
  for (const PlanStage& stage : plan.stages) plan.seconds += stage.seconds;
  const int64_t model_bytes = 4 * plan.parameters,
                token_bytes = tokenizer.vocabulary_size() > 65536 ? 4 : 2;
  const bool twice = config.components.keep_early > 0 && config.components.command.empty();
  const int64_t kept_models = (config.base.import.empty() ? 1 : 0) + (twice ? 2 : 1) * components +
                              references + config.validate.refine;
  // Every model in training also keeps a checkpoint of weights and two moments.
  plan.disk_bytes =
      corpus.total_tokens * token_bytes + kept_models * model_bytes + 3 * workers * model_bytes;
  // Master weights, moments and gradients of the models in training, or the resident components;
  // and the program with its libraries.
  const int64_t activations =
      step_tokens * workers *
      (architecture.vocabulary + 40 * architecture.hidden * architecture.layers) * 2;
  int64_t searching = 0;
  try {
    const Storage storage = plan_storage(config, architecture);
    plan.components = storage.words;
    searching = storage.proxies * storage.proxy_bytes;
    if (storage.place == Place::kMemory) searching += storage.bytes;
    if (storage.place == Place::kDisk) plan.disk_bytes += storage.bytes;
  } catch (const Error& error) {
    plan.warnings.push_back(
        fmt::format("A run on this machine as it is would end: {}.", error.what()));
  }
  plan.memory_bytes = 500'000'000 + std::max(6 * workers * model_bytes + activations, searching);
  const Composition composition = composition_of(config);
  for (size_t i = 0; i < composition.datasets().size(); ++i) {
    const std::string& name = composition.datasets()[i];
    if (config.components.import.contains(name)) continue;
    const double asked = static_cast<double>(config.components.tokens) * composition.at(i, i);
    const double epochs = asked / static_cast<double>(std::max<int64_t>(1, corpus.tokens.at(name)));
    if (epochs > 1) {
      plan.warnings.push_back(
          fmt::format("Dataset {} has about {} tokens; its component would read it {:.1f} times.",
                      name,
                      corpus.tokens.at(name),
                      epochs));
    }
  }
  if (!config.search.warm_start.empty()) {
    plan.warnings.push_back(
        "Models and proxies that the run takes from those of search.warm_start are counted here as "
        "if they were still to be trained and scored.");
  }
  if (config.search.total_proxies() < 3 * (datasets + 1)) {
    plan.warnings.push_back(
        fmt::format("{} proxies are few for {} datasets; at least {} are advised.",
                    config.search.total_proxies(),
                    datasets,
                    3 * (datasets + 1)));
  }
  return plan;
}

Json to_json(const Plan& plan) {
  Json stages = Json::array();
  for (const PlanStage& stage : plan.stages) {
    stages.push_back({{"name", stage.name},
                      {"models", stage.models},
                      {"tokens", stage.tokens},
                      {"flops", stage.flops},
                      {"seconds", stage.seconds}});
  }
  return {{"stages", stages},
          {"seconds", plan.seconds},
          {"parameters", plan.parameters},
          {"disk_bytes", plan.disk_bytes},
          {"memory_bytes", plan.memory_bytes},
          {"components", plan.components},
          {"train_step_seconds", plan.train_step_seconds},
          {"score_seconds", plan.score_seconds},
          {"answers", plan.answers},
          {"answer_seconds", plan.answer_seconds},
          {"warnings", plan.warnings}};
}

std::string plan_table(const Plan& plan) {
  std::string text =
      fmt::format("{:<18}{:>8}{:>14}{:>12}{:>12}\n", "stage", "models", "tokens", "TFLOP", "time");
  for (const PlanStage& stage : plan.stages) {
    text += fmt::format("{:<18}{:>8}{:>14}{:>12.2f}{:>12}\n",
                        stage.name,
                        stage.models > 0 ? fmt::format("{}", stage.models) : "",
                        stage.tokens,
                        stage.flops * 1e-12,
                        hours(stage.seconds));
  }
  text += fmt::format("{:<18}{:>46}\n", "together", hours(plan.seconds));
  text += fmt::format(
      "\n{} parameters per model; disk {}, memory {}\none training step {:.3f} s, scoring one "
      "model {:.2f} s",
      plan.parameters,
      bytes_text(plan.disk_bytes),
      bytes_text(plan.memory_bytes),
      plan.train_step_seconds,
      plan.score_seconds);
  if (plan.answers > 0)
    text +=
        fmt::format(", {:.2f} s of it for {} generated answers", plan.answer_seconds, plan.answers);
  if (!plan.components.empty()) text += "\n" + plan.components;
  for (const std::string& warning : plan.warnings) text += "\nwarning: " + warning;
  return text;
}

}  // namespace demix
