#include "demix/train/trainer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/progress.h"
#include "demix/model/weights.h"
#include "demix/train/pico.h"

namespace demix {
namespace {

struct Stopped {};

class Train : public testing::Test {
 protected:
  // Two datasets of 40 documents each; one counts up, the other down, so both can be learned.
  Train() {
    for (const int direction : {1, -1}) {
      ShardWriter writer(folder_.path() / names_[direction < 0], 64, 0);
      Rng rng(direction + 5);
      for (int document = 0; document < 40; ++document) {
        std::vector<int32_t> ids = {0};
        int64_t id = rng.below(63);
        for (uint64_t n = 10 + rng.below(30); n > 0; --n) {
          ids.push_back(static_cast<int32_t>(1 + id));
          id = (id + 63 + direction) % 63;
        }
        writer.add(ids, static_cast<int64_t>(ids.size()));
      }
      writer.finish();
    }
    config_.sequence_length = 32;
    config_.rows_per_step = 8;
    config_.learning_rate = 1e-2;
  }

  TrainJob job(const std::string& name, int64_t steps = 12) const {
    TrainJob job{.name = name, .key = "key", .architecture = pico()};
    for (int i = 0; i < 2; ++i)
      job.sources.push_back(
          {names_[i], Shard::open(folder_.path() / names_[i]), i == 0 ? 0.75 : 0.25});
    job.tokens = steps * config_.rows_per_step * config_.sequence_length;
    job.seed = 3;
    job.folder = folder_.path() / name;
    return job;
  }

  TrainResult run(const TrainJob& job) const { return run(job, config_); }
  TrainResult run(const TrainJob& job, const TrainConfig& config) const {
    Progress progress(job.name, job.tokens, "tokens");
    return train(job, config, initial_weights(job.architecture, Rng(1)), progress);
  }

  std::string bytes(const TrainJob& job) const {
    return read_file(job.folder / "model.safetensors");
  }
  static std::vector<Json> lines(const TrainJob& job) {
    std::istringstream text(read_file(job.folder / "metrics.jsonl"));
    std::vector<Json> found;
    for (std::string line; std::getline(text, line);) found.push_back(Json::parse(line));
    return found;
  }

  TemporaryFolder folder_;
  const std::string names_[2] = {"up", "down"};
  TrainConfig config_;
};

TEST_F(Train, LearnsATrivialCorpusAndReportsIt) {
  for (const char* dtype : {"float32", "bfloat16"}) {
    config_.dtype = dtype;
    const TrainJob learned = job(dtype, 80);
    const TrainResult result = run(learned);
    const auto metrics = lines(learned);
    ASSERT_EQ(metrics.size(), 81u);
    EXPECT_NEAR(metrics.front().at("loss").get<double>(), std::log(64.0), 0.2) << dtype;
    EXPECT_LT(result.final_loss, 1.5) << dtype;
    EXPECT_EQ(result.steps, 80);
    EXPECT_EQ(metrics[79].at("step"), 80);
    EXPECT_EQ(metrics[79].at("tokens"), result.tokens);
    // Three quarters of the rows come from the first dataset.
    EXPECT_EQ(result.consumed.tokens,
              (std::vector<int64_t>{result.tokens * 3 / 4, result.tokens / 4}));
    EXPECT_EQ(metrics.back().at("consumed").at("up").at("tokens"), result.consumed.tokens[0]);
    const Weights weights = load_weights(learned.folder, pico(), at::kFloat, at::kCPU);
    EXPECT_EQ(weights_hash(pico(), weights), result.weights_hash);
  }
}

TEST_F(Train, StoppedAfterAnyStepItEndsWithTheSameBits) {
  config_.checkpoint_every = 3;
  const TrainJob whole = job("whole");
  const TrainResult expected = run(whole);
  for (const int64_t stop : {1, 3, 7, 12}) {
    TrainJob stopped = job("stopped");
    stopped.after_step = [&](int64_t step) {
      if (step == stop) throw Stopped();
    };
    EXPECT_THROW(run(stopped), Stopped);
    EXPECT_FALSE(std::filesystem::exists(stopped.folder / "result.json"));
    std::vector<int64_t> steps;
    stopped.after_step = [&](int64_t step) { steps.push_back(step); };
    const TrainResult result = run(stopped);
    EXPECT_EQ(steps.front(), (stop - 1) / 3 * 3 + 1) << "resumes at the last checkpoint";
    EXPECT_EQ(result.weights_hash, expected.weights_hash);
    EXPECT_EQ(bytes(stopped), bytes(whole));
    EXPECT_EQ(result.final_loss, expected.final_loss);
    EXPECT_EQ(result.consumed.tokens, expected.consumed.tokens);
    const auto metrics = lines(stopped), expected_metrics = lines(whole);
    ASSERT_EQ(metrics.size(), expected_metrics.size());
    for (size_t i = 0; i + 1 < metrics.size(); ++i)
      for (const char* name : {"step", "tokens", "loss", "lr", "grad_norm"})
        EXPECT_EQ(metrics[i].at(name), expected_metrics[i].at(name)) << name;
    EXPECT_FALSE(std::filesystem::exists(stopped.folder / "checkpoint.safetensors"));
    std::filesystem::remove_all(stopped.folder);
  }
}

TEST_F(Train, KilledInAnotherProcessItGoesOnFromItsCheckpoint) {
  config_.checkpoint_every = 2;
  const TrainJob whole = job("whole", 6);
  run(whole);
  TrainJob killed = job("killed", 6);
  killed.after_step = [](int64_t step) {
    if (step == 5) ::kill(::getpid(), SIGKILL);
  };
  // A forked child keeps only the calling thread, so it must not use torch's threads.
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const pid_t child = ::fork();
  if (child == 0) {
    run(killed);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  at::set_num_threads(threads);
  ASSERT_TRUE(WIFSIGNALED(status));
  std::vector<int64_t> steps;
  killed.after_step = [&](int64_t step) { steps.push_back(step); };
  run(killed);
  EXPECT_EQ(steps, (std::vector<int64_t>{5, 6}));
  EXPECT_EQ(bytes(killed), bytes(whole));
}

TEST_F(Train, KeepsTheWeightsOfAStepOnTheWayHoweverOftenItIsStopped) {
  TrainJob whole = job("whole");
  whole.keep_early = 0.4;  // 5 of 12 steps
  const TrainResult result = run(whole);
  EXPECT_EQ(result.early.tokens, 5 * 8 * 32);
  EXPECT_EQ(result.weights_hash, run(job("without")).weights_hash);
  const Weights early = load_weights(
      whole.folder / kEarlyFolder, whole.architecture, at::kFloat, at::Device(at::kCPU));
  EXPECT_EQ(weights_hash(whole.architecture, early), result.early.weights_hash);
  EXPECT_NE(result.early.weights_hash, result.weights_hash);

  // With a constant rate they are what a training of as many tokens ends with.
  TrainConfig constant = config_;
  constant.schedule = {.kind = "constant", .warmup = 0};
  TrainJob longer = job("longer");
  longer.keep_early = 0.5;
  EXPECT_EQ(run(longer, constant).early.weights_hash,
            run(job("shorter", 6), constant).weights_hash);

  for (const int64_t stop : {4, 5, 6}) {
    TrainConfig config = config_;
    config.checkpoint_every = 2;
    TrainJob stopped = job("stopped" + std::to_string(stop));
    stopped.keep_early = 0.4;
    stopped.after_step = [&](int64_t step) {
      if (step == stop) throw Stopped();
    };
    EXPECT_THROW(run(stopped, config), Stopped);
    stopped.after_step = {};
    EXPECT_EQ(run(stopped, config).early.weights_hash, result.early.weights_hash) << stop;
  }

  TrainJob other = whole;
  other.key = "another";
  other.keep_early = 0.01;  // no step: what lies there is of another training
  EXPECT_EQ(run(other).early.tokens, 0);
}

TEST_F(Train, AFinishedFolderIsReadAndNotTrainedAgain) {
  TrainJob first = job("model", 3);
  const TrainResult result = run(first);
  first.after_step = [](int64_t) { FAIL(); };
  const TrainResult again = run(first);
  EXPECT_EQ(again.weights_hash, result.weights_hash);
  EXPECT_EQ(again.final_loss, result.final_loss);
  EXPECT_EQ(again.datasets, result.datasets);
  EXPECT_EQ(again.consumed.tokens, result.consumed.tokens);
}

TEST_F(Train, AnotherKeyStartsFromTheBeginning) {
  config_.checkpoint_every = 1;
  TrainJob stopped = job("model", 3);
  stopped.after_step = [](int64_t step) {
    if (step == 2) throw Stopped();
  };
  EXPECT_THROW(run(stopped), Stopped);
  TrainJob other = job("model", 3);
  other.key = "other";
  other.seed = 4;
  int64_t steps = 0;
  other.after_step = [&](int64_t) { ++steps; };
  run(other);
  EXPECT_EQ(steps, 3);
  TrainJob fresh = other;
  fresh.folder = folder_.path() / "fresh";
  run(fresh);
  EXPECT_EQ(bytes(other), bytes(fresh));
}

TEST_F(Train, ModelsTrainedAtOnceAreThoseTrainedAlone) {
  const TrainJob alone[] = {job("alone0", 4), job("alone1", 4)};
  const TrainJob at_once[] = {job("together0", 4), job("together1", 4)};
  for (const TrainJob& j : alone) run(j);
  {
    std::vector<std::jthread> pool;
    for (const TrainJob& j : at_once)
      pool.emplace_back([&] {
        at::get_num_threads();
        at::set_num_threads(1);
        run(j);
      });
  }
  for (int i = 0; i < 2; ++i) EXPECT_EQ(bytes(at_once[i]), bytes(alone[i]));
}

TEST_F(Train, ALossThatIsNotFiniteNamesStepRateAndDatasets) {
  config_.learning_rate = 1e30;
  config_.clip_norm = 0;
  config_.schedule.kind = "constant";
  config_.schedule.warmup = 0;
  try {
    run(job("model"));
    FAIL() << "trained on";
  } catch (const Error& error) {
    const std::string message = error.what();
    for (const char* part : {"model: step 2 of 12", "1e+30", "up, down", "learning_rate"})
      EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST_F(Train, ASequenceLongerThanTheModelsPositionsIsRefused) {
  config_.sequence_length = 1024;
  EXPECT_THROW(run(job("model")), Error);
}

}  // namespace
}  // namespace demix
