#include "demix/train/trainer.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/progress.h"
#include "demix/core/simd.h"
#include "demix/model/decoder.h"
#include "demix/model/weights.h"
#include "demix/train/checkpoint.h"
#include "demix/train/gradient.h"
#include "demix/train/metrics.h"
#include "demix/train/optimizer.h"
#include "demix/train/threads.h"

namespace demix {

namespace {

using at::Tensor;
using Clock = std::chrono::steady_clock;

constexpr double kCheckpointEvery_s = 60;
// Writing checkpoints takes at most one part in so many of the time.
constexpr double kCheckpointShare = 20;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<std::string> names_of(const std::vector<MixedStream::Source>& sources) {
  std::vector<std::string> names;
  for (const auto& source : sources) names.push_back(source.name);
  return names;
}

// The result of a folder that an earlier call finished for the same key, if its weights are still
// those.
std::optional<TrainResult> finished_result(const TrainJob& job) {
  const auto path = job.folder / "result.json";
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    const Json json = Json::parse(read_file(path));
    if (json.at("key") != job.key) return std::nullopt;
    auto result = json.at("result").get<TrainResult>();
    const Weights weights =
        load_weights(job.folder, job.architecture, at::kFloat, at::Device(at::kCPU));
    if (weights_hash(job.architecture, weights) == result.weights_hash) return result;
  } catch (const std::exception& error) {
    warn(fmt::format("{} cannot be taken up, so that {} is trained again: {}.",
                     path.string(),
                     job.name,
                     error.what()));
  }
  return std::nullopt;
}

at::ScalarType dtype_of_products(const std::string& name, at::Device device) {
  if (name == "auto") return device.is_cpu() && !has_avx512_bf16() ? at::kFloat : at::kBFloat16;
  return name == "bfloat16" ? at::kBFloat16 : at::kFloat;
}

// Weights, optimiser and stream between two steps.
class Training {
 public:
  Training(const TrainJob& job, const TrainConfig& config, const Weights& initial, int threads)
      : job_(job),
        config_(config),
        device_(job.device),
        dtype_(dtype_of_products(config.dtype, device_)),
        tokens_per_step_(config.rows_per_step * config.sequence_length),
        steps_((job.tokens + tokens_per_step_ - 1) / tokens_per_step_),
        early_step_(
            static_cast<int64_t>(std::llround(job.keep_early * static_cast<double>(steps_)))),
        stream_(job.sources, job.seed, config.sequence_length),
        decoder_(job.architecture, device_),
        optimizer_(parameter_layout(job.architecture),
                   flat_size(job.architecture),
                   {config.beta1, config.beta2, config.epsilon, config.weight_decay},
                   device_),
        gradient_of_(
            decoder_, dtype_, device_, config.rows_per_pass, config.sequence_length, threads) {
    master_ = initial.flat.to(device_, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    gradient_ = at::zeros_like(master_);
    resume();
    // In float32 the optimiser's weights are the working ones.
    working_ = dtype_ == at::kFloat ? master_ : master_.to(dtype_);
  }

  TrainResult run(Progress& progress) {
    MetricsFile metrics(job_.folder / "metrics.jsonl", state_.step);
    progress.resume_at(state_.step * tokens_per_step_);
    auto last_checkpoint = Clock::now();
    double checkpoint_s = 0;
    while (state_.step < steps_) {
      metrics.add(step());
      progress.add(tokens_per_step_);
      progress.note(fmt::format("loss {:.3f}", state_.losses.back()));
      if (state_.step == early_step_ && early_step_ < steps_) keep_early();
      if (job_.after_step) job_.after_step(state_.step);
      const double pause_s = std::max(kCheckpointEvery_s, kCheckpointShare * checkpoint_s);
      const bool due = config_.checkpoint_every > 0 ? state_.step % config_.checkpoint_every == 0
                                                    : seconds_since(last_checkpoint) >= pause_s;
      if (due && state_.step < steps_) {
        last_checkpoint = Clock::now();
        // The lines of the steps that the checkpoint holds must not be lost before it is.
        sync_to_disk(job_.folder / "metrics.jsonl");
        save();
        checkpoint_s = seconds_since(last_checkpoint);
        last_checkpoint = Clock::now();
      }
    }
    return finish(metrics);
  }

 private:
  std::filesystem::path checkpoint_path() const { return job_.folder / "checkpoint.safetensors"; }

  static std::span<float> values(const Tensor& tensor) {
    return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
  }

  // Before any checkpoint of a later step, so that a training that is resumed there has it.
  void keep_early() const {
    const std::filesystem::path folder = job_.folder / kEarlyFolder;
    const Weights weights = weights_over(job_.architecture, master_.cpu());
    std::filesystem::remove(folder / "result.json");
    save_model(folder, job_.architecture, weights, at::kFloat, {});
    const EarlyWeights early{state_.step * tokens_per_step_,
                             weights_hash(job_.architecture, weights)};
    const Json json = {{"key", job_.key}, {"early", early}};
    write_file_atomically(folder / "result.json", json.dump(1) + "\n");
  }

  // What this training kept, and not another one in the same folder.
  EarlyWeights kept_early() const {
    const std::filesystem::path file = job_.folder / kEarlyFolder / "result.json";
    if (early_step_ == 0 || !std::filesystem::exists(file)) return {};
    try {
      const Json json = Json::parse(read_file(file));
      if (json.at("key") == job_.key) return json.at("early").get<EarlyWeights>();
    } catch (const Json::exception&) {  // damaged: none
    }
    return {};
  }

  void save() const {
    const Tensor weights = master_.cpu(), mean = optimizer_.mean().cpu(),
                 variance = optimizer_.variance().cpu();
    write_checkpoint(
        checkpoint_path(), job_.key, state_, {values(weights), values(mean), values(variance)});
  }

  void resume() {
    const Tensor weights = at::empty_like(master_, at::kCPU), mean = at::empty_like(weights),
                 variance = at::empty_like(weights);
    auto state = read_checkpoint(
        checkpoint_path(), job_.key, {values(weights), values(mean), values(variance)});
    if (!state) return;
    if (state->step > steps_) {
      warn(fmt::format("{} is of step {} of a training of {} steps and is not used.",
                       checkpoint_path().string(),
                       state->step,
                       steps_));
      return;
    }
    state_ = std::move(*state);
    master_.copy_(weights);
    optimizer_.mean().copy_(mean);
    optimizer_.variance().copy_(variance);
    stream_.seek(state_.step * config_.rows_per_step);
  }

  StepMetrics step() {
    const auto start = Clock::now();
    const Consumed before = stream_.consumed();
    const PackedBatch batch = stream_.next(config_.rows_per_step);
    const double loss = gradient_of_(working_, batch, gradient_);
    const double norm = gradient_norm(gradient_);
    const double rate =
        config_.learning_rate * schedule_factor(config_.schedule, state_.step, steps_);
    if (!std::isfinite(loss) || !std::isfinite(norm)) throw_not_finite(loss, norm, rate, before);
    if (config_.clip_norm > 0 && norm > config_.clip_norm) gradient_.mul_(config_.clip_norm / norm);
    optimizer_.step(master_, gradient_, rate, state_.step + 1);
    if (!working_.is_same(master_)) working_.copy_(master_);

    const double elapsed_s = seconds_since(start);
    ++state_.step;
    state_.seconds += elapsed_s;
    state_.losses.push_back(loss);
    return {.step = state_.step,
            .tokens = state_.step * tokens_per_step_,
            .loss = loss,
            .learning_rate = rate,
            .gradient_norm = norm,
            .tokens_per_second = static_cast<double>(tokens_per_step_) / elapsed_s};
  }

  [[noreturn]] void throw_not_finite(double loss,
                                     double norm,
                                     double rate,
                                     const Consumed& before) const {
    std::vector<std::string> drawn;
    const Consumed after = stream_.consumed();
    for (size_t i = 0; i < after.tokens.size(); ++i)
      if (after.tokens[i] > before.tokens[i]) drawn.push_back(job_.sources[i].name);
    throw Error(
        "{}: step {} of {} at learning rate {:.3g} gave loss {} and gradient norm {}, from rows of "
        "{}; expected "
        "finite numbers. Lower train.learning_rate or train.clip_norm, lengthen the warm-up, or "
        "train with "
        "dtype: float32",
        job_.name,
        state_.step + 1,
        steps_,
        rate,
        loss,
        norm,
        fmt::join(drawn, ", "));
  }

  TrainResult finish(MetricsFile& metrics) const {
    const Weights weights = weights_over(job_.architecture, master_.cpu());
    const auto tail = std::max<int64_t>(1, steps_ / 10);
    const double last_losses =
        std::accumulate(state_.losses.end() - tail, state_.losses.end(), 0.0) /
        static_cast<double>(tail);
    const TrainResult result{.steps = steps_,
                             .tokens = steps_ * tokens_per_step_,
                             .final_loss = last_losses,
                             .datasets = names_of(job_.sources),
                             .consumed = stream_.consumed(),
                             .seconds = state_.seconds,
                             .weights_hash = weights_hash(job_.architecture, weights),
                             .early = kept_early()};
    metrics.add_consumed(steps_, result.datasets, result.consumed);
    save_model(job_.folder, job_.architecture, weights, at::kFloat, job_.tokenizer);
    const Json json = {{"key", job_.key}, {"result", result}};
    write_file_atomically(job_.folder / "result.json", json.dump(1) + "\n");
    std::filesystem::remove(checkpoint_path());
    return result;
  }

  const TrainJob& job_;
  const TrainConfig& config_;
  at::Device device_;
  at::ScalarType dtype_;
  int64_t tokens_per_step_, steps_, early_step_;
  MixedStream stream_;
  Decoder decoder_;
  AdamW optimizer_;
  BatchGradient gradient_of_;
  Tensor master_, gradient_, working_;  // flat buffers; the last in the products' dtype
  TrainState state_;
};

void make_deterministic() {
  // cuBLAS reads this when it starts.
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
}

}  // namespace

void to_json(Json& json, const EarlyWeights& early) {
  json = {{"tokens", early.tokens}, {"weights_hash", early.weights_hash}};
}

void from_json(const Json& json, EarlyWeights& early) {
  json.at("tokens").get_to(early.tokens);
  json.at("weights_hash").get_to(early.weights_hash);
}

void to_json(Json& json, const TrainResult& r) {
  Json consumed = Json::object();
  for (size_t i = 0; i < r.datasets.size(); ++i)
    consumed[r.datasets[i]] = {{"tokens", r.consumed.tokens[i]}, {"epochs", r.consumed.epochs[i]}};
  json = {{"steps", r.steps},
          {"tokens", r.tokens},
          {"final_loss", r.final_loss},
          {"seconds", r.seconds},
          {"consumed", consumed},
          {"weights_hash", r.weights_hash}};
  if (r.early.tokens > 0) json["early"] = r.early;
}

void from_json(const Json& json, TrainResult& r) {
  r = {};
  json.at("steps").get_to(r.steps);
  json.at("tokens").get_to(r.tokens);
  json.at("final_loss").get_to(r.final_loss);
  json.at("seconds").get_to(r.seconds);
  json.at("weights_hash").get_to(r.weights_hash);
  if (const auto early = json.find("early"); early != json.end()) early->get_to(r.early);
  for (const auto& [name, of_dataset] : json.at("consumed").items()) {
    r.datasets.push_back(name);
    r.consumed.tokens.push_back(of_dataset.at("tokens").get<int64_t>());
    r.consumed.epochs.push_back(of_dataset.at("epochs").get<double>());
  }
}

bool is_slow_on_cpu(const TrainConfig& config) {
  return config.dtype == "bfloat16" && !has_avx512_bf16();
}

TrainResult train(const TrainJob& job,
                  const TrainConfig& config,
                  const Weights& initial,
                  Progress& progress) {
  config.check();
  if (job.tokens <= 0)
    throw Error("{}: tokens: expected a positive number, found {}", job.name, job.tokens);
  if (config.sequence_length > job.architecture.max_positions)
    throw Error("{}: sequence_length: expected at most the model's {} positions, found {}",
                job.name,
                job.architecture.max_positions,
                config.sequence_length);
  DEMIX_CHECK(initial.flat.numel() == flat_size(job.architecture));
  if (config.deterministic) make_deterministic();
  if (auto result = finished_result(job)) {
    progress.resume_at(result->tokens);
    return *result;
  }

  std::filesystem::create_directories(job.folder);
  // From here on the folder is unfinished, whatever it was before.
  std::filesystem::remove(job.folder / "result.json");
  const at::NoGradGuard no_grad;
  const OneThreadPerOperation one_thread;
  return Training(job, config, initial, one_thread.before()).run(progress);
}

}  // namespace demix
