#include "demix/run/models.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/hash.h"
#include "demix/core/listed.h"
#include "demix/core/memory.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/model/checkpoint_files.h"
#include "demix/model/weights.h"
#include "demix/run/coordinator.h"
#include "demix/run/device.h"
#include "demix/run/worker.h"
#include "demix/train/external.h"
#include "demix/train/loss_course.h"
#include "demix/train/threads.h"

namespace demix {
namespace {

// In place of the hash of the base, where that itself is trained.
constexpr const char* kInitial = "initial";

// Raised whenever training would give other weights from the same inputs.
constexpr std::string_view kTrainingVersion = "training 3";

// Below this size one core per model beats several cores on one model's small products.
constexpr int64_t kSmallModel = 20'000'000;

// A model that shares no history with the base lies at about 0.7 from it; training rarely passes
// 0.3, and at twenty times its rate reached 0.57.
constexpr double kUnrelatedDrift = 0.65;

Architecture configured_architecture(const ModelConfig& model, int32_t vocabulary_size) {
  Architecture architecture;
  architecture.family = model.family == "qwen2"   ? Family::kQwen2
                        : model.family == "qwen3" ? Family::kQwen3
                                                  : Family::kLlama;
  // A multiple of 64 suits the products; the surplus rows are never read.
  architecture.vocabulary = (vocabulary_size + 63) / 64 * 64;
  architecture.hidden = model.hidden;
  architecture.layers = model.layers;
  architecture.heads = model.heads;
  architecture.kv_heads = model.kv_heads;
  architecture.head_dim = model.head_dim;
  architecture.intermediate = model.intermediate;
  architecture.max_positions = model.max_positions;
  architecture.tied_embeddings = model.tied_embeddings;
  architecture.rope_theta = model.rope_theta;
  architecture.rms_eps = model.rms_eps;
  architecture.qkv_bias = architecture.family == Family::kQwen2;
  architecture.qk_norm = architecture.family == Family::kQwen3;
  return architecture;
}

// So that neither our trainer nor another takes them for those of a finished training.
void set_aside_weights(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(folder))
    if (file.path().extension() == ".safetensors") files.push_back(file.path());
  for (const std::filesystem::path& file : files)
    std::filesystem::rename(file, file.string() + ".damaged");
}

// File systems of several machines may show a new file late.
void wait_for(const std::filesystem::path& file) {
  for (int tenths = 0; tenths < 900; ++tenths) {
    if (std::filesystem::exists(file)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  throw Error(
      "{}: was made, but is not there; the run's folder must be the same for all who work on it",
      file.string());
}

// Throws Error when the folder holds another tokenizer than the run's.
void check_tokenizer(const std::string& name,
                     const std::filesystem::path& folder,
                     const std::filesystem::path& ours) {
  const std::filesystem::path theirs = folder / "tokenizer.json";
  if (!std::filesystem::exists(theirs)) return;
  const std::filesystem::path own =
      std::filesystem::is_directory(ours) ? ours / "tokenizer.json" : ours;
  if (std::filesystem::file_size(theirs) == std::filesystem::file_size(own) &&
      read_file(theirs) == read_file(own))
    return;  // the usual case, without reading both tables
  if (Tokenizer::load(folder).fingerprint() == Tokenizer::load(ours).fingerprint()) return;
  throw Error(
      "{}: the tokenizer in {} is not the one of this run ({}): other tokens, merges or rules. "
      "Models of different tokenizers cannot be merged or compared; name the models' own tokenizer",
      name,
      folder.string(),
      ours.string());
}

// |Θ − base| / (|Θ| + |base|) over the matrices: norms begin as ones in every model, related or
// not.
double matrix_drift(const Weights& model, const Weights& base) {
  double apart = 0, lengths[2] = {0, 0};
  const auto squares = [](const at::Tensor& x) {
    const double norm = at::norm(x.to(at::kDouble)).item<double>();
    return norm * norm;
  };
  for (size_t i = 0; i < base.tensors.size(); ++i) {
    if (base.tensors[i].dim() < 2) continue;
    apart += squares(model.tensors[i] - base.tensors[i]);
    lengths[0] += squares(model.tensors[i]);
    lengths[1] += squares(base.tensors[i]);
  }
  return std::sqrt(apart) / (std::sqrt(lengths[0]) + std::sqrt(lengths[1]));
}

// Weights that do not fit into memory fail at once, and less clearly.
void check_memory(const Architecture& architecture) {
  const double bytes = 4.0 * static_cast<double>(parameter_count(architecture));
  const auto free = static_cast<double>(available_memory());
  if (bytes > free)
    throw Error(
        "model: {:.3g} parameters take {:.1f} GB as float32, and {:.1f} GB of memory are free; "
        "make "
        "hidden, layers or intermediate smaller, or take a machine with more",
        bytes / 4,
        bytes * 1e-9,
        free * 1e-9);
}

}  // namespace

void to_json(Json& json, const ModelFacts& facts) {
  json = {{"name", facts.name},
          {"folder", facts.folder.string()},
          {"weights_hash", facts.weights_hash},
          {"data_shares", facts.data_shares},
          {"imported", facts.imported},
          {"trained_by", facts.trained_by.string()},
          {"result", facts.result}};
}

void from_json(const Json& json, ModelFacts& facts) {
  json.at("name").get_to(facts.name);
  facts.folder = json.at("folder").get<std::string>();
  json.at("weights_hash").get_to(facts.weights_hash);
  json.at("data_shares").get_to(facts.data_shares);
  json.at("imported").get_to(facts.imported);
  facts.trained_by = json.at("trained_by").get<std::string>();
  json.at("result").get_to(facts.result);
}

Architecture run_architecture(const RunConfig& config, int32_t vocabulary_size) {
  Architecture architecture;
  if (config.base.import.empty()) {
    architecture = configured_architecture(config.model, vocabulary_size);
    architecture.check("model");
    check_memory(architecture);
  } else {
    try {
      architecture = load_architecture(config.base.import);
    } catch (const Error& error) {
      throw Error("base.import: {}", error_chain(error));
    }
    if (architecture.vocabulary < vocabulary_size) {
      throw Error("base.import: {} has a vocabulary of {}, but the tokenizer {} gives ids up to {}",
                  config.base.import.string(),
                  architecture.vocabulary,
                  config.tokenizer.string(),
                  vocabulary_size - 1);
    }
  }
  if (config.train.sequence_length > architecture.max_positions) {
    throw Error("train.sequence_length is {}, but the model has {} positions",
                config.train.sequence_length,
                architecture.max_positions);
  }
  return architecture;
}

void check_fits(const std::string& name,
                const std::filesystem::path& folder,
                const Architecture& architecture,
                const RunConfig& config) {
  check_tokenizer(name, folder, config.tokenizer);
  const Architecture found = load_architecture(folder);
  if (const auto differing = differences(architecture, found); !differing.empty()) {
    throw Error("{}: {} does not have the base's architecture: {}",
                name,
                folder.string(),
                fmt::join(differing, "; "));
  }
  check_tensors(Checkpoint::open(folder), architecture);  // all files are there and whole
}

int parallel_models(const RunConfig& config, const Architecture& architecture) {
  if (config.parallel_models > 0) return config.parallel_models;
  const bool one_each = resolve_device(config.device).is_cpu() &&
                        parameter_count(architecture) < kSmallModel &&
                        config.components.command.empty();
  return one_each ? resolve_threads(config.threads) : 1;
}

Models::Models(Workspace& workspace,
               const std::map<std::string, DatasetShards>& datasets,
               int32_t vocabulary_size)
    : workspace_(workspace),
      datasets_(datasets),
      architecture_(run_architecture(workspace.config(), vocabulary_size)) {}

const ModelFacts& Models::base() {
  if (!base_.name.empty()) return base_;
  const RunConfig& config = workspace_.config();
  if (!config.base.import.empty()) {
    ModelFacts facts;
    check_fits("base", config.base.import, architecture_, config);
    facts.name = "base";
    facts.folder = config.base.import;
    facts.imported = true;
    facts.weights_hash = weights_hash(
        architecture_, load_weights(facts.folder, architecture_, at::kFloat, at::Device(at::kCPU)));
    return base_ = facts;
  }
  ModelRequest request{"base", {}, config.base};
  for (const std::string& name : config.dataset_names()) {
    const auto share = config.base.mixture.find(name);
    request.data_shares.push_back(config.base.mixture.empty() ? (name == config.anchor ? 1 : 0)
                                  : share == config.base.mixture.end() ? 0
                                                                       : share->second);
  }
  return base_ = train({request}, "base").front();
}

std::string Models::key_of(const ModelRequest& request, const std::string& initial) const {
  const RunConfig& config = workspace_.config();
  TrainConfig training = training_of(config.train, request.training);
  Hasher hasher;
  hasher.field(kTrainingVersion).field(architecture_.to_json("float32").dump()).field(initial);
  hasher.field(write_config(training)).field(request.training.tokens);
  hasher.field(static_cast<int64_t>(request.seed.value_or(config.seed)));
  if (initial != kInitial) hasher.field(config.components.command);
  for (const MixedStream::Source& source : sources_of(request))
    hasher.field(source.name).field(source.weight).field(source.shard.hash());
  return hasher.hex();
}

std::vector<MixedStream::Source> Models::sources_of(const ModelRequest& request) const {
  const std::vector<std::string> names = workspace_.config().dataset_names();
  std::vector<MixedStream::Source> sources;
  for (size_t i = 0; i < names.size(); ++i) {
    const double share = request.data_shares[i];
    if (share > 0) sources.push_back({names[i], datasets_.at(names[i]).train, share});
  }
  return sources;
}

std::optional<ModelFacts> Models::known_model(const std::string& key,
                                              const ModelRequest& request) const {
  const auto found = workspace_.journal().find("model", key);
  if (!found) return std::nullopt;
  return model_in(workspace_.folder(), found->get<ModelFacts>(), request);
}

std::optional<ModelFacts> Models::model_of_other_run(const std::string& key,
                                                     const ModelRequest& request) {
  for (const std::filesystem::path& run : workspace_.config().search.warm_start) {
    const std::filesystem::path file = run / "journal.sqlite";
    if (!std::filesystem::exists(file)) continue;  // a resumed run may need it no more
    const auto found = Journal(file).find("model", key);
    if (!found) continue;
    auto facts = model_in(run, found->get<ModelFacts>(), request);
    if (!facts) continue;
    if (facts->trained_by.empty()) facts->trained_by = run;
    say(fmt::format("train {}: taken from {}", request.name, facts->folder.string()));
    workspace_.journal().put("model", key, facts->name, *facts);
    return facts;
  }
  return std::nullopt;
}

std::optional<ModelFacts> Models::model_in(const std::filesystem::path& run,
                                           ModelFacts facts,
                                           const ModelRequest& request) const {
  const auto is_there = [](const std::filesystem::path& folder) {
    return std::filesystem::exists(folder / "config.json");
  };
  // A run's folder may have been moved or copied: its own models went along.
  if (facts.trained_by.empty() && is_there(run / facts.name)) facts.folder = run / facts.name;
  if (!is_there(facts.folder)) return std::nullopt;
  if (const std::string damage = damage_of(facts); !damage.empty()) {
    warn(fmt::format("{} {}: {} is trained anew.", facts.folder.string(), damage, request.name));
    if (facts.trained_by.empty() && run == workspace_.folder()) set_aside_weights(facts.folder);
    return std::nullopt;
  }
  facts.name = request.name;
  facts.data_shares = request.data_shares;
  return facts;
}

std::string Models::damage_of(const ModelFacts& facts) const {
  try {
    return weights_hash(architecture_, load(facts)) == facts.weights_hash
               ? ""
               : "holds other weights than were trained";
  } catch (const Error& error) {
    return fmt::format("cannot be read ({})", error_chain(error));
  }
}

bool Models::is_trained(const ModelRequest& request) const {
  return known_model(key_of(request, base_.weights_hash), request).has_value();
}

std::vector<ModelFacts> Models::train(const std::vector<ModelRequest>& requests,
                                      const std::string& label) {
  const RunConfig& config = workspace_.config();
  const bool from_base = label != "base";
  const std::string initial_hash = from_base ? base_.weights_hash : kInitial;
  StageClock clock(workspace_.journal(), "train " + label);

  std::vector<ModelFacts> models(requests.size());
  std::vector<std::string> keys(requests.size());
  std::vector<size_t> missing;  // of the same models one each
  std::set<std::string> queued;
  for (size_t i = 0; i < requests.size(); ++i) {
    keys[i] = key_of(requests[i], initial_hash);
    auto known = known_model(keys[i], requests[i]);
    if (!known) known = model_of_other_run(keys[i], requests[i]);
    if (known)
      models[i] = *known;
    else if (queued.insert(keys[i]).second)
      missing.push_back(i);
  }
  if (missing.empty()) {
    warn_of_rising_losses(models);
    return models;
  }
  if (!from_base || config.components.command.empty()) warn_of_slow_products();

  const Weights initial =
      from_base ? load(base_)
                : initial_weights(architecture_, Rng(config.seed).stream("initial weights"));
  // Where fewer models are left than are trained at once, each has more threads: a gradient has the
  // same bits by any number of them (train/gradient.h).
  const int workers =
      std::min<int>(parallel_models(config, architecture_), static_cast<int>(missing.size()));
  const int threads_each = std::max(1, resolve_threads(config.threads) / workers);

  std::vector<Unit> units;
  for (const size_t i : missing) {
    units.push_back(
        {.name = requests[i].name,
         .job = training_job(label, requests[i]),
         .here =
             [&, i, threads_each] {
               const ThreadsPerOperation own_share(threads_each);
               const bool outside = from_base && !config.components.command.empty();
               const ModelFacts facts =
                   outside ? train_outside(requests[i]) : train_here(requests[i], keys[i], initial);
               workspace_.journal().put("model", keys[i], facts.name, facts);
             },
         .is_recorded = [&,
                         i] { return workspace_.journal().find("model", keys[i]).has_value(); }});
  }
  // All others wait for the base.
  do_all(
      from_base ? workspace_.coordinator() : nullptr, units, workers, [&](size_t) { clock.lap(); });
  for (size_t i = 0; i < requests.size(); ++i) {
    if (!models[i].name.empty()) continue;
    models[i] = workspace_.journal().find("model", keys[i])->get<ModelFacts>();
    models[i].name = requests[i].name;
    models[i].data_shares = requests[i].data_shares;
    wait_for(models[i].folder / "config.json");
  }
  warn_of_rising_losses(models);
  return models;
}

void Models::warn_of_rising_losses(const std::vector<ModelFacts>& models) const {
  std::vector<std::string> rising;
  for (const ModelFacts& model : models) {
    const auto course = loss_course(read_losses(model.folder / "metrics.jsonl"));
    if (course && course->rose)
      rising.push_back(
          fmt::format("{} (from {:.2f} to {:.2f})", model.name, course->first, course->last));
  }
  if (rising.empty()) return;
  warn(fmt::format(
      "The loss rose over the training of {}: it diverged, or forgot more than it learned. Lower "
      "the rate ({}.learning_rate) or lengthen the warm-up (schedule.warmup).",
      listed(rising),
      models.front().name == "base" ? "base" : "components"));
}

void Models::warn_of_slow_products() {
  const RunConfig& config = workspace_.config();
  if (warned_of_slow_products_ || !is_slow_on_cpu(config.train) ||
      !resolve_device(config.device).is_cpu())
    return;
  warn(
      "This processor has no products of bfloat16, so that training in it takes many times as long "
      "as in float32: leave train.dtype out, or set it to float32.");
  warned_of_slow_products_ = true;
}

ModelFacts Models::train_here(const ModelRequest& request,
                              const std::string& key,
                              const Weights& initial) {
  const RunConfig& config = workspace_.config();
  TrainJob job;
  job.name = request.name;
  job.key = key;
  job.architecture = architecture_;
  job.tokens = request.training.tokens;
  job.seed = request.seed.value_or(config.seed);
  job.folder = workspace_.folder() / request.name;
  job.tokenizer = config.tokenizer;
  job.device = config.device;
  job.sources = sources_of(request);
  job.keep_early = request.keep_early;
  Progress progress("train " + request.name, job.tokens, "tokens");
  ModelFacts facts;
  facts.name = request.name;
  facts.folder = job.folder;
  facts.data_shares = request.data_shares;
  try {
    facts.result =
        demix::train(job, training_of(config.train, request.training), initial, progress);
  } catch (const std::exception&) {
    std::throw_with_nested(Error("training {} failed", request.name));
  }
  facts.weights_hash = facts.result.weights_hash;
  return facts;
}

ModelFacts Models::train_outside(const ModelRequest& request) {
  const RunConfig& config = workspace_.config();
  ExternalJob job;
  job.name = request.name;
  job.command = config.components.command;
  job.mixture = {config.dataset_names(), request.data_shares};
  job.base = base_.folder;
  job.output = workspace_.folder() / request.name;
  job.tokens = request.training.tokens;
  job.seed = request.seed.value_or(config.seed);
  train_externally(job);
  ModelFacts facts = import(request.name, job.output, request.data_shares);
  facts.result.tokens = request.training.tokens;
  return facts;
}

ModelFacts Models::import(const std::string& name,
                          const std::filesystem::path& folder,
                          std::vector<double> data_shares) {
  check_fits(name, folder, architecture_, workspace_.config());
  const Weights weights = load_weights(folder, architecture_, at::kFloat, at::Device(at::kCPU));
  if (const double distance = matrix_drift(weights, load(base_)); distance > kUnrelatedDrift) {
    throw Error(
        "{}: {} lies as far from this base as models that share no history with it: {:.2f} of "
        "their "
        "lengths (those lie at about 0.7, components below 0.3). Train it from {}, or import its "
        "own base",
        name,
        folder.string(),
        distance,
        base_.folder.string());
  }
  ModelFacts facts;
  facts.name = name;
  facts.folder = folder;
  facts.weights_hash = weights_hash(architecture_, weights);
  facts.data_shares = std::move(data_shares);
  facts.imported = true;
  return facts;
}

std::optional<ModelFacts> Models::early(const ModelFacts& facts) const {
  if (facts.result.early.tokens == 0) return std::nullopt;
  ModelFacts early = facts;
  early.name += std::string("/") + kEarlyFolder;
  early.folder /= kEarlyFolder;
  early.weights_hash = facts.result.early.weights_hash;
  early.result.tokens = facts.result.early.tokens;
  early.result.early = {};
  if (!std::filesystem::exists(early.folder / "config.json")) return std::nullopt;
  return early;
}

Weights Models::load(const ModelFacts& facts) const {
  return load_weights(facts.folder, architecture_, at::kFloat, at::Device(at::kCPU));
}

}  // namespace demix
