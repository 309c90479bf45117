// The configuration of a run: one YAML file, every key with its default, checked before any work.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "demix/core/config.h"
#include "demix/core/mixture.h"
#include "demix/corpus/corpus.h"
#include "demix/merge/proxy_method.h"
#include "demix/merge/storage.h"
#include "demix/search/search.h"
#include "demix/train/trainer.h"

namespace demix {

// Shapes of a base that is trained here. An imported base brings its own.
struct ModelConfig {
  std::string family = "llama";                    // llama | qwen2 | qwen3
  int64_t hidden = 128;                            // width
  int64_t layers = 4;                              // blocks of attention and MLP
  int64_t heads = 4, kv_heads = 2, head_dim = 32;  // of attention
  int64_t intermediate = 352;                      // width of the MLPs
  int64_t max_positions = 1024;                    // longest sequence
  bool tied_embeddings = true;                     // one table for input and output
  double rope_theta = 10000;                       // base of the rotary embeddings
  double rms_eps = 1e-5;                           // in the norms
  template <class V>
  void visit(V& v) {
    v("family", family);
    v("hidden", hidden);
    v("layers", layers);
    v("heads", heads);
    v("kv_heads", kv_heads);
    v("head_dim", head_dim);
    v("intermediate", intermediate);
    v("max_positions", max_positions);
    v("tied_embeddings", tied_embeddings);
    v("rope_theta", rope_theta);
    v("rms_eps", rms_eps);
  }
  void check() const;
};

// What a stage of training changes of the common `train` settings.
struct StageTraining {
  int64_t tokens = 0;                      // that one model is trained on
  std::optional<double> learning_rate;     // else train.learning_rate
  std::optional<ScheduleConfig> schedule;  // else train.schedule
  template <class V>
  void visit(V& v) {
    v("tokens", tokens);
    v("learning_rate", learning_rate);
    v("schedule", schedule);
  }
};

struct BaseConfig : StageTraining {
  std::map<std::string, double> mixture;  // of datasets; empty: the anchor alone
  std::filesystem::path import;           // a Hugging Face folder instead of training
  template <class V>
  void visit(V& v) {
    StageTraining::visit(v);
    v("mixture", mixture);
    v("import", import);
  }
};

struct ComponentsConfig : StageTraining {
  // β: share of the anchor dataset in every component, and the least in any mixture of them. The
  // paper's is a half; less of it found better mixtures (docs/fidelity.md).
  double anchor_share = 0.1;
  // Share of their training after which their weights are kept once more: whether estimates by
  // these agree with those by the whole training says if it is long enough (validate/gauge.h). 0:
  // not asked.
  double keep_early = 0.4;
  // What a component is (or, imported, was) trained on where anchor_share does not say it:
  // dataset of the component -> dataset -> share.
  std::map<std::string, std::map<std::string, double>> mixture;
  std::map<std::string, std::filesystem::path> import;  // dataset -> Hugging Face folder
  std::string command;  // trains a model outside: placeholders {mixture} {base} {output} {tokens}
                        // {seed} {name}
  template <class V>
  void visit(V& v) {
    StageTraining::visit(v);
    v("anchor_share", anchor_share);
    v("keep_early", keep_early);
    v("mixture", mixture);
    v("import", import);
    v("command", command);
  }
  void check() const;
};

// How the components become proxies, and where they lie meanwhile.
struct MergeConfig : ProxyMethodConfig, StorageConfig {
  template <class V>
  void visit(V& v) {
    ProxyMethodConfig::visit(v);
    StorageConfig::visit(v);
  }
};

struct EvaluateConfig {
  std::vector<std::string> tasks;      // benchmarks, by name (tasks/)
  std::filesystem::path data;          // folder of the tasks' data files
  std::filesystem::path tasks_folder;  // empty: the tasks that come with demix
  int64_t limit = 0;                   // items per task, or member of a group of tasks; 0: all
  // Task -> examples in front of each prompt, where it is not the task's own number.
  std::map<std::string, int64_t> fewshot;
  int64_t held_out_tokens = 20'000;   // per dataset, for bits per byte of held-out text
  std::vector<std::string> held_out;  // of which datasets; empty: of all
  std::string dtype = "bfloat16";     // of merged weights and products
  int64_t tokens_per_pass = 4096;     // scored at once: memory for speed
  // Domain -> scores whose mean is the domain's: "gsm8k", "arc_easy:choice_prob",
  // "held_out/code_high". Empty: every task under its own domain by its primary metric.
  std::map<std::string, std::vector<std::string>> domains;
  // An evaluator of your own: {model} a checkpoint folder, {output} the JSON file of scores to
  // write, {name}, {seed}, {device} (evaluate/external_evaluator.h). It gives the scores
  // TASK:METRIC under domains whose task is not in `tasks`.
  std::string command;
  double command_seconds = 3600;             // then it is stopped
  std::vector<std::string> lower_is_better;  // metrics of the command of which less is better
  template <class V>
  void visit(V& v) {
    v("tasks", tasks);
    v("data", data);
    v("tasks_folder", tasks_folder);
    v("limit", limit);
    v("fewshot", fewshot);
    v("held_out_tokens", held_out_tokens);
    v("held_out", held_out);
    v("dtype", dtype);
    v("tokens_per_pass", tokens_per_pass);
    v("domains", domains);
    v("command", command);
    v("command_seconds", command_seconds);
    v("lower_is_better", lower_is_better);
  }
  void check() const;
};

// Whether references of this name are the run's own: its baselines, found, random and refined ones.
bool is_own_reference(std::string_view name);

// A model that was trained elsewhere, from the same base, on a known mixture.
struct ReferenceImport {
  std::filesystem::path folder;           // Hugging Face layout
  std::map<std::string, double> mixture;  // data shares, by dataset
  std::optional<int64_t> tokens;          // that it was trained on, if known
  template <class V>
  void visit(V& v) {
    v("folder", folder);
    v("mixture", mixture);
    v("tokens", tokens);
  }
  void check() const;
};

// Models that were trained and scored elsewhere, as a swarm in two CSV files (swarm_csv.h): shares
// of the run's datasets, and scores named as in evaluate.domains.
struct ReferenceScores {
  std::filesystem::path mixtures, scores;  // CSV: a row per model
  template <class V>
  void visit(V& v) {
    v("mixtures", mixtures);
    v("scores", scores);
  }
  void check() const;
};

struct ValidateConfig {
  int references =
      12;  // really trained models inside the statistics, uniform, natural and found among them
  std::optional<int64_t> tokens;  // per reference; default: the components' budget
  double spread = 1.0;            // Dirichlet strength of the random references
  // No more references are trained when the interval of the macro Spearman is no wider than this
  // and there are six; 0: all are trained.
  double stop_width = 0;
  // Further references, one after the other, each where the references before it lead to expect
  // most (demix/validate/calibration.h), outside the statistics. What is expected most of at last,
  // of these and what the search found, is handed over.
  int refine = 0;
  std::map<std::string, ReferenceImport> import;  // by name, beside those that are trained
  std::optional<ReferenceScores> scores;          // of models trained and scored elsewhere
  int bootstrap = 2000;                           // resamples of the intervals
  template <class V>
  void visit(V& v) {
    v("references", references);
    v("tokens", tokens);
    v("spread", spread);
    v("stop_width", stop_width);
    v("refine", refine);
    v("import", import);
    v("scores", scores);
    v("bootstrap", bootstrap);
  }
  void check() const;
};

struct RunConfig {
  uint64_t seed = 1;           // of all that is drawn
  std::string device = "cpu";  // cpu | cuda | auto
  int threads = 0;             // 0: all cores
  int parallel_models =
      0;  // models trained at once, each on its share of the threads; 0: by model size
  std::filesystem::path tokenizer;  // Hugging Face tokenizer.json, or its folder
  ModelConfig model;
  std::map<std::string, DatasetConfig> datasets;
  std::string anchor;  // the general dataset that every component is mixed with
  CorpusConfig corpus;
  TrainConfig train;
  BaseConfig base;
  ComponentsConfig components;
  // What stands in for a model trained on a mixture: "merged", the merge of the components, or
  // "ensemble", their token probabilities averaged, for which no mixture costs a pass of a model.
  // auto: ensembles where they have all the scores that count (docs/fidelity.md says why).
  std::string proxies = "auto";
  MergeConfig merge;
  EvaluateConfig evaluate;
  SearchConfig search;
  ValidateConfig validate;
  std::optional<double> target_tokens;  // budget of the training that the mixture is for

  template <class V>
  void visit(V& v) {
    v("seed", seed);
    v("device", device);
    v("threads", threads);
    v("parallel_models", parallel_models);
    v("tokenizer", tokenizer);
    v("model", model);
    v("datasets", datasets);
    v("anchor", anchor);
    v("corpus", corpus);
    v("train", train);
    v("base", base);
    v("components", components);
    v("proxies", proxies);
    v("merge", merge);
    v("evaluate", evaluate);
    v("search", search);
    v("validate", validate);
    v("target_tokens", target_tokens);
  }
  void check() const;

  // Names of the datasets, in the order used everywhere in the run.
  std::vector<std::string> dataset_names() const;
};

// Instantiated once: in each file that uses them they take several seconds to compile.
extern template std::string write_config(RunConfig&);
extern template RunConfig read_config(const ConfigNode&);

// Calls `work` and gives an Error of it that begins with a key of this configuration file or of all
// configurations, such as "base.import: …", the file and the key's line as far as it is there.
void with_places(const std::filesystem::path& path, const std::function<void()>& work);

// Reads, checks, and resolves paths that are relative to the working directory or, failing that, to
// the configuration file's folder.
RunConfig load_run_config(const std::filesystem::path& path);
// The paths alone; `path` is the file's.
void resolve_paths(RunConfig& config, const std::filesystem::path& path);

// Whose held-out text is scored.
std::vector<std::string> held_out_datasets(const RunConfig& config);

// What each component is trained on: its dataset and the anchor, or its own mixture. Throws Error
// on a mixture that does not sum to one.
Composition composition_of(const RunConfig& config);

// The common training settings as `stage` changes them.
TrainConfig training_of(const TrainConfig& common, const StageTraining& stage);

}  // namespace demix
