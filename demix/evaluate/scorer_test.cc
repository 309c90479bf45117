#include "demix/evaluate/scorer.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/journal.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/experts.h"
#include "demix/evaluate/sandbox.h"
#include "demix/evaluate/score_journal.h"
#include "demix/model/decoder.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = DEMIX_SOURCE_DIR;
// Small models of each family with items of every kind of task; tools/parity/harness.py made them
// and the harness's values.
const fs::path kData = kSource / "tests/data/evaluate";
constexpr const char* kFamilies[] = {"llama", "qwen2", "qwen3"};

std::vector<Task> all_tasks(int64_t limit = 0) {
  std::vector<Task> tasks;
  for (const char* name :
       {"arc_easy", "hellaswag", "piqa", "social_iqa", "winogrande", "gsm8k", "humaneval"})
    tasks.push_back(load_task(name, kSource / "tasks", kData / "items", {.limit = limit}));
  for (const char* name : {"cuts", "no_context"})
    tasks.push_back(load_task(name, kData / "tasks", kData / "items", {.limit = limit}));
  return tasks;
}

// Log-likelihoods by task and item.
using Likelihoods = std::map<std::pair<std::string, std::string>, std::vector<double>>;

struct Model {
  Architecture architecture;
  Tokenizer tokenizer;

  explicit Model(const std::string& family)
      : architecture(load_architecture(kData / family)),
        tokenizer(Tokenizer::load(kData / family)) {}
};

struct Outcome {
  Scores scores;
  Likelihoods likelihoods;
};

Outcome score(const std::string& family,
              std::vector<Task> tasks,
              at::ScalarType dtype,
              int64_t tokens_per_pass = ScorerConfig().tokens_per_pass,
              at::Device device = at::kCPU,
              std::vector<Scorer::HeldOut> held_out = {}) {
  const Model model(family);
  const Weights weights = load_weights(kData / family, model.architecture, dtype, device);
  ScorerConfig config;
  config.tokens_per_pass = tokens_per_pass;
  config.max_length = 128;
  const Scorer scorer(std::move(tasks),
                      std::move(held_out),
                      model.tokenizer,
                      Decoder(model.architecture, device),
                      config);
  Outcome outcome;
  std::vector<ItemScore> samples;
  outcome.scores = scorer.score(weights, /*live=*/false, &samples);
  for (ItemScore& item : samples)
    outcome.likelihoods[{item.task, item.id}] = std::move(item.loglikelihoods);
  return outcome;
}

// ATen's threads, put back at the end of the scope.
struct Threads {
  int before = at::get_num_threads();
  explicit Threads(int count) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before); }
};

TEST(Scorer, AgreesWithTheHarnessItemByItem) {
  const Json expected = Json::parse(read_file(kData / "expected.json"));
  for (const char* family : kFamilies) {
    const auto tasks = all_tasks();
    const Outcome found = score(family, tasks, at::kFloat);
    for (const Task& task : tasks) {
      const Json& values = expected.at("models").at(family).at(task.name);
      const Json& items = values.at("loglikelihoods");
      ASSERT_EQ(task.items.size(), items.size());
      for (size_t i = 0; i < task.items.size(); ++i) {
        const auto& likelihoods = found.likelihoods.at({task.name, task.items[i].id});
        ASSERT_EQ(likelihoods.size(), items[i].size());
        for (size_t c = 0; c < likelihoods.size(); ++c) {
          const double value = items[i][c].get<double>();
          EXPECT_NEAR(likelihoods[c], value, 1e-5 * std::abs(value))
              << family << ", " << task.name << ", item " << task.items[i].id << ", choice " << c;
        }
      }
      for (const char* metric : {"acc", "acc_norm", "acc_bytes"}) {
        const auto& metrics = found.scores.tasks.at(task.name);
        if (values.contains(metric) && metrics.contains(metric)) {
          EXPECT_NEAR(metrics.at(metric).value, values.at(metric).get<double>(), 1e-12)
              << family << ", " << task.name << ", " << metric;
        }
      }
    }
  }
}

TEST(Scorer, AnItemsScoreDoesNotDependBitwiseOnItsBatch) {
  const Threads one(1);
  for (const char* family : kFamilies) {
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      const Likelihoods reference = score(family, all_tasks(), dtype).likelihoods;
      const auto expect_same = [&](std::vector<Task> tasks, int64_t tokens, const char* what) {
        int64_t items = 0;
        for (const Task& task : tasks) items += static_cast<int64_t>(task.items.size());
        const Likelihoods found = score(family, std::move(tasks), dtype, tokens).likelihoods;
        EXPECT_EQ(static_cast<int64_t>(found.size()), items);
        for (const auto& [item, likelihoods] : found)
          EXPECT_EQ(likelihoods, reference.at(item))
              << family << ", " << at::toString(dtype) << ", " << what << ": " << item.first << " "
              << item.second;
      };
      for (const int64_t tokens : {1, 300, 1'000'000})
        expect_same(all_tasks(), tokens, "token budget");
      expect_same(all_tasks(3), 300, "limit");
      for (const Task& task : all_tasks()) expect_same({task}, 300, "one task alone");
      auto shuffled = all_tasks();
      Rng rng(5);
      for (Task& task : shuffled) rng.shuffle(std::span(task.items));
      rng.shuffle(std::span(shuffled));
      expect_same(shuffled, 700, "shuffled");
      const Threads two(2);
      expect_same(all_tasks(), 300, "two threads");
      expect_same(shuffled, 4096, "two threads, shuffled");
    }
  }
}

TEST(Scorer, GeneratedAnswersAreJudgedAndDoNotDependOnTheirBatch) {
  const auto answered = [](int64_t limit, int64_t sequences) {
    const Model model("llama");
    const Weights weights = load_weights(kData / "llama", model.architecture, at::kFloat, at::kCPU);
    Task task =
        load_task("gsm8k", kSource / "tasks", kData / "items", {.limit = limit, .generate = true});
    task.generation->max_tokens = 12;
    const size_t items = task.items.size();
    ScorerConfig config;
    config.generate.sequences_per_thread = sequences;
    const Scorer scorer({task}, {}, model.tokenizer, Decoder(model.architecture, at::kCPU), config);
    std::vector<ItemScore> samples;
    const Scores scores = scorer.score(weights, /*live=*/false, &samples);
    EXPECT_EQ(samples.size(), items);
    EXPECT_EQ(scores.tasks.at("gsm8k").at("exact_match").n, static_cast<int64_t>(items));
    EXPECT_TRUE(scores.tasks.at("gsm8k").contains("bpb"));
    for (const ItemScore& sample : samples) EXPECT_EQ(sample.answers.size(), 1u);
    std::vector<std::string> texts;
    for (const ItemScore& sample : samples) texts.push_back(sample.answers[0].text);
    return texts;
  };
  const auto all = answered(0, 64);
  EXPECT_FALSE(all[0].empty());
  EXPECT_EQ(answered(0, 1), all);
  EXPECT_EQ(answered(2, 64), std::vector<std::string>(all.begin(), all.begin() + 2));
}

// Of tasks with likelihoods, and answers drawn and, where programs can be run, greedy.
std::vector<Task> scored_and_answered() {
  const fs::path tasks_folder = kSource / "tasks", data = kData / "items";
  std::vector<Task> tasks = {
      load_task("arc_easy", tasks_folder, data, {}),
      load_task("gsm8k", tasks_folder, data, {.generate = true, .answers = 3, .temperature = 1.0})};
  if (sandbox_problem().empty()) {
    const TemporaryFolder folder;
    folder.write("programs.yaml",
                 "domain: code\ndata: rows\ncontext: '{q}'\nanswer: '{a}'\ngeneration: {judge: "
                 "program, program: '#', reference: '\n'}\nmetrics: [bpb, pass@1]\nprimary_metric: "
                 "bpb\n");
    folder.write("rows.jsonl", "{\"q\": \"One\", \"a\": \"1\"}\n{\"q\": \"Two\", \"a\": \"2\"}\n");
    tasks.push_back(load_task("programs", folder.path(), folder.path(), {.generate = true}));
  }
  for (Task& task : tasks)
    if (task.generation) task.generation->max_tokens = 12;
  return tasks;
}

struct Evaluation {
  Json scores;
  std::vector<std::vector<double>> likelihoods;
  std::vector<std::string> answers;
  bool operator==(const Evaluation&) const = default;
};

Evaluation evaluate_with(ScoreJournal* journal, std::vector<Task> tasks) {
  const Model model("llama");
  const Weights weights = load_weights(kData / "llama", model.architecture, at::kFloat, at::kCPU);
  const Scorer scorer(
      std::move(tasks), {}, model.tokenizer, Decoder(model.architecture, at::kCPU), {});
  Evaluation result;
  std::vector<ItemScore> samples;
  result.scores = scorer.score(weights, /*live=*/false, &samples, nullptr, journal);
  for (const ItemScore& sample : samples) {
    result.likelihoods.push_back(sample.loglikelihoods);
    for (const JudgedAnswer& answer : sample.answers) result.answers.push_back(answer.text);
  }
  return result;
}

TEST(Scorer, AnInterruptedEvaluationGoesOnWhereItWasAndGivesTheSame) {
  const TemporaryFolder folder;
  const Evaluation whole = evaluate_with(nullptr, scored_and_answered());
  Journal journal(folder / "journal.sqlite");
  ScoreJournal items(journal, "the model", 0);
  EXPECT_EQ(evaluate_with(&items, scored_and_answered()), whole);
  const auto pieces = journal.all("items of the model");
  size_t expected = 0;  // likelihoods, answers, and verdicts on programs
  for (const Task& task : scored_and_answered())
    expected += task.items.size() * (task.name == "gsm8k" ? 4 : task.name == "programs" ? 3 : 1);
  EXPECT_EQ(pieces.size(), expected);
  for (const size_t finished : {size_t{1}, pieces.size() / 2, pieces.size()}) {
    Journal half(folder / fmt::format("half_{}.sqlite", finished));
    half.put("items of the model", std::span(pieces).first(finished));
    ScoreJournal some(half, "the model", 0);
    EXPECT_EQ(some.size(), finished);
    EXPECT_EQ(evaluate_with(&some, scored_and_answered()), whole);
    EXPECT_EQ(half.all("items of the model").size(), pieces.size());
  }
}

// Kept numbers are what comes out, so they can be told from computed ones by changing them.
TEST(Scorer, WhatChangedIsComputedAnewAndTheRestIsNot) {
  const TemporaryFolder folder;
  Journal journal(folder / "journal.sqlite");
  std::vector<Task> tasks = {load_task("arc_easy", kSource / "tasks", kData / "items", {})};
  const Evaluation whole = evaluate_with(nullptr, tasks);
  {
    ScoreJournal items(journal, "the model", 0);
    evaluate_with(&items, tasks);
  }
  auto pieces = journal.all("items of the model");
  for (JournalEntry& piece : pieces)
    for (Json& score : piece.value) score[0] = -1.0;
  journal.put("items of the model", pieces);
  const auto kept = [&](const std::vector<Task>& of_tasks, const std::string& model) {
    ScoreJournal items(journal, model, 1e9);
    std::vector<size_t> places;
    const auto likelihoods = evaluate_with(&items, of_tasks).likelihoods;
    for (size_t i = 0; i < likelihoods.size(); ++i)
      if (likelihoods[i][0] == -1.0) places.push_back(i);
    return places;
  };
  EXPECT_EQ(kept(tasks, "the model").size(), tasks[0].items.size());
  EXPECT_TRUE(kept(tasks, "other weights of the same name").empty());
  tasks[0].items[1].contexts[0] += " please";
  tasks[0].items[2].continuations[0] += "s";
  const auto places = kept(tasks, "the model");
  EXPECT_EQ(places.size(), tasks[0].items.size() - 2);
  EXPECT_TRUE(std::find(places.begin(), places.end(), 1u) == places.end());
  EXPECT_TRUE(std::find(places.begin(), places.end(), 2u) == places.end());
}

TEST(Scorer, HeldOutTextDoesNotDependBitwiseOnItsBatch) {
  const fs::path path = fs::path(testing::TempDir()) / "demix_scorer_held_out";
  const Model model("qwen3");
  ShardWriter writer(path, model.tokenizer.vocabulary_size(), *model.tokenizer.eos());
  for (const Task& task : all_tasks()) {
    for (const Item& item : task.items) {
      std::vector<int32_t> ids{*model.tokenizer.eos()};
      model.tokenizer.encode(item.contexts[0] + item.continuations[0], false, ids);
      writer.add(ids, 1);
    }
  }
  writer.finish();
  const auto bits = [&](at::ScalarType dtype, std::vector<Task> tasks, int64_t tokens) {
    const Outcome outcome = score("qwen3",
                                  std::move(tasks),
                                  dtype,
                                  tokens,
                                  at::kCPU,
                                  {{"own", Shard::open(path), 1'000'000}});
    return outcome.scores.tasks.at("held_out/own").at("bpb").value;
  };
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const double reference = bits(dtype, {}, 4096);
    const Threads two(2);
    EXPECT_EQ(bits(dtype, {}, 1), reference);
    EXPECT_EQ(bits(dtype, all_tasks(), 400), reference);
  }
}

TEST(Scorer, ATextThatIsRolledScoresAsTheSameHeldOutText) {
  const fs::path path = fs::path(testing::TempDir()) / "demix_scorer_rolled";
  const Model model("qwen3");
  std::string text;
  for (int i = 0; i < 100; ++i) text += "The answer is " + std::to_string(i) + ". ";
  ShardWriter writer(path, model.tokenizer.vocabulary_size(), *model.tokenizer.eos());
  std::vector<int32_t> ids{*model.tokenizer.eos()};
  model.tokenizer.encode(text, false, ids);
  ASSERT_GT(ids.size(), 300u);  // several windows
  writer.add(ids, static_cast<int64_t>(text.size()));
  writer.finish();
  Item item;
  item.id = "0";
  item.contexts = {""};
  item.continuations = {text};
  item.chars = item.bytes = {static_cast<int64_t>(text.size())};
  item.words = 400;
  Task task;
  task.name = "rolled";
  task.metrics = {"bits_per_byte", "word_perplexity"};
  task.items = {item};
  task.rolls = true;
  const Outcome found =
      score("qwen3", {task}, at::kFloat, 4096, at::kCPU, {{"own", Shard::open(path), 1'000'000}});
  const double bits = found.scores.tasks.at("rolled").at("bits_per_byte").value;
  EXPECT_EQ(bits, found.scores.tasks.at("held_out/own").at("bpb").value);
  ASSERT_EQ(found.likelihoods.at({"rolled", "0"}).size(), 1u);
  EXPECT_NEAR(std::log(found.scores.tasks.at("rolled").at("word_perplexity").value),
              -found.likelihoods.at({"rolled", "0"})[0] / 400,
              1e-9);
}

// A book is longer than what is scored of a dataset.
TEST(Scorer, OfALongHeldOutDocumentTheBeginningIsScored) {
  const fs::path path = fs::path(testing::TempDir()) / "demix_scorer_long";
  const Model model("qwen3");
  std::string text;
  for (int i = 0; i < 200; ++i) text += "The answer is " + std::to_string(i) + ". ";
  const auto shard = [&](std::string_view first, std::string_view second) {
    ShardWriter writer(path, model.tokenizer.vocabulary_size(), *model.tokenizer.eos());
    for (const std::string_view document : {first, second}) {
      std::vector<int32_t> ids{*model.tokenizer.eos()};
      model.tokenizer.encode(document, false, ids);
      writer.add(ids, static_cast<int64_t>(document.size()));
    }
    writer.finish();
    return Shard::open(path);
  };
  const auto bits = [&](const Shard& text, int64_t tokens) {
    const Scores scores =
        score("qwen3", {}, at::kFloat, 4096, at::kCPU, {{"own", text, tokens}}).scores;
    return scores.tasks.at("held_out/own").at("bpb");
  };
  constexpr int64_t kTokens = 300;
  std::vector<int32_t> ids;
  model.tokenizer.encode(text, false, ids);
  const std::string beginning = model.tokenizer.decode(std::span(ids).first(kTokens - 1));
  ASSERT_EQ(text.substr(0, beginning.size()), beginning);
  const MetricValue expected = bits(shard(beginning, ""), kTokens);
  EXPECT_DOUBLE_EQ(bits(shard(text, "short"), kTokens).value, expected.value);
  EXPECT_EQ(bits(shard(text, "short"), kTokens).n, 1);
  // Where enough fits whole, nothing is cut.
  EXPECT_EQ(bits(shard(beginning, text), kTokens + kTokens / 2).value, expected.value);
}

TEST(Scorer, ADatasetWithoutHeldOutTextIsAnError) {
  const fs::path path = fs::path(testing::TempDir()) / "demix_scorer_none";
  const Model model("qwen3");
  ShardWriter writer(path, model.tokenizer.vocabulary_size(), *model.tokenizer.eos());
  writer.finish();
  EXPECT_THROW(score("qwen3", {}, at::kFloat, 4096, at::kCPU, {{"own", Shard::open(path), 9}}),
               Error);
}

// Elsewhere rounding may differ with the batch.
TEST(Scorer, OtherDtypesAndDevicesAgreeUpToRounding) {
  std::vector<std::tuple<at::ScalarType, at::Device, double>> places{{at::kDouble, at::kCPU, 1e-12},
                                                                     {at::kHalf, at::kCPU, 5e-3}};
  if (at::hasCUDA()) places.emplace_back(at::kFloat, at::kCUDA, 1e-5);
  const Likelihoods in_float32 = score("qwen3", all_tasks(), at::kFloat).likelihoods;
  for (const auto& [dtype, device, tolerance] : places) {
    const Likelihoods reference = score("qwen3", all_tasks(), dtype, 4096, device).likelihoods;
    const auto expect_close = [&](const Likelihoods& found, const Likelihoods& to, double bound) {
      for (const auto& [item, likelihoods] : found)
        for (size_t c = 0; c < likelihoods.size(); ++c)
          EXPECT_NEAR(likelihoods[c], to.at(item)[c], bound * std::abs(likelihoods[c]))
              << at::toString(dtype) << ": " << item.first << " " << item.second;
    };
    expect_close(reference, in_float32, std::max(tolerance, 1e-5));
    expect_close(score("qwen3", all_tasks(), dtype, 300, device).likelihoods, reference, tolerance);
    expect_close(score("qwen3", all_tasks(2), dtype, 64, device).likelihoods, reference, tolerance);
  }
}

// A scorer of one answer, whose log-likelihood is that of all its tokens.
Scorer scorer_of_one_answer(const Model& model) {
  std::vector<Task> tasks{load_task("gsm8k", kSource / "tasks", kData / "items", {.limit = 1})};
  return Scorer(std::move(tasks), {}, model.tokenizer, Decoder(model.architecture, at::kCPU), {});
}

Experts experts_of(const std::vector<float>& a, const std::vector<float>& b) {
  return Experts(std::vector{a, b}, std::vector<std::string>{"a", "b"});
}

TEST(Scorer, TokenLogLikelihoodsAddUpToThoseOfTheAnswers) {
  const Model model("qwen2");
  const Weights weights = load_weights(kData / "qwen2", model.architecture, at::kFloat, at::kCPU);
  const Scorer scorer = scorer_of_one_answer(model);
  std::vector<ItemScore> samples;
  scorer.score(weights, /*live=*/false, &samples);
  const std::vector<float> tokens = scorer.token_log_likelihoods(weights);
  EXPECT_EQ(static_cast<int64_t>(tokens.size()), samples[0].tokens[0]);
  EXPECT_NEAR(std::accumulate(tokens.begin(), tokens.end(), 0.0),
              samples[0].loglikelihoods[0],
              1e-4 * std::abs(samples[0].loglikelihoods[0]));
}

TEST(Scorer, AMixtureOfOneModelScoresAsThatModel) {
  const Model model("llama");
  const Weights weights = load_weights(kData / "llama", model.architecture, at::kFloat, at::kCPU);
  const Scorer scorer(
      all_tasks(), {}, model.tokenizer, Decoder(model.architecture, at::kCPU), {4096, 128});
  const Scores scores = scorer.score(weights, /*live=*/false);
  const std::vector<float> tokens = scorer.token_log_likelihoods(weights);
  TermsByMetric terms;
  const Scores mixed =
      scorer.mixed_score(experts_of(tokens, tokens), std::vector{0.25, 0.75}, &terms);
  for (const auto& [task, metrics] : mixed.tasks) {
    for (const auto& [metric, value] : metrics)
      EXPECT_NEAR(value.value, scores.tasks.at(task).at(metric).value, 1e-4)
          << task << " " << metric;
  }
  EXPECT_TRUE(mixed.tasks.at("arc_easy").contains("acc"));
  EXPECT_EQ(metric_value(terms.at("arc_easy").at("acc")).value,
            scores.tasks.at("arc_easy").at("acc").value);
}

TEST(Scorer, AMixtureOfModelsAveragesTheProbabilitiesOfEachToken) {
  const Model model("qwen2");
  const Weights a = load_weights(kData / "qwen2", model.architecture, at::kFloat, at::kCPU);
  const Weights b = weights_over(model.architecture, a.flat.mul(1.1));
  const Scorer scorer = scorer_of_one_answer(model);
  const std::vector<std::vector<float>> tokens{scorer.token_log_likelihoods(a),
                                               scorer.token_log_likelihoods(b)};
  double expected = 0, of_a = 0;
  for (size_t i = 0; i < tokens[0].size(); ++i) {
    expected += std::log(0.3 * std::exp(tokens[0][i]) + 0.7 * std::exp(tokens[1][i]));
    of_a += tokens[0][i];
  }
  ASSERT_GT(std::abs(expected - of_a), 1e-3 * std::abs(of_a)) << "the models are too alike";
  const double bpb = scorer.score(a, /*live=*/false).tasks.at("gsm8k").at("bpb").value;
  const Scores mixed = scorer.mixed_score(experts_of(tokens[0], tokens[1]), std::vector{0.3, 0.7});
  EXPECT_NEAR(mixed.tasks.at("gsm8k").at("bpb").value, bpb * expected / of_a, 1e-5 * bpb);
}

TEST(Scorer, ScoresThatAreNotFiniteNameTaskAndItem) {
  const Model model("llama");
  Weights weights = load_weights(kData / "llama", model.architecture, at::kFloat, at::kCPU);
  weights.flat.fill_(std::nan(""));
  const Scorer scorer(
      all_tasks(), {}, model.tokenizer, Decoder(model.architecture, at::kCPU), {4096, 128});
  EXPECT_EQ(message_of([&] { scorer.score(weights, /*live=*/false); }),
            "task arc_easy, item own_1: a log-likelihood is nan: the parameter "
            "model.embed_tokens.weight holds values that are not finite");
}

TEST(Scorer, AContinuationLongerThanTheModelReadsIsRefused) {
  const Model model("llama");
  EXPECT_EQ(
      message_of([&] {
        Scorer(all_tasks(), {}, model.tokenizer, Decoder(model.architecture, at::kCPU), {4096, 8});
      }),
      "task arc_easy, item own_2: a continuation of 13 tokens is longer than the 8 that the "
      "model reads");
}

TEST(Scorer, PromptsThatAreCutAreWarnedOfOnceForEachTask) {
  const Model model("llama");
  std::vector<Task> tasks = all_tasks();
  std::erase_if(tasks, [](const Task& task) { return task.name != "arc_easy"; });
  const auto said = [] {
    const std::vector<std::string> all = warnings();
    return std::count_if(all.begin(), all.end(), [](const std::string& warning) {
      return warning.starts_with("Task arc_easy: prompts are cut from the left") &&
             warning.find("into the 40 tokens") != warning.npos;
    });
  };
  const auto plan = [&] {
    Scorer(tasks, {}, model.tokenizer, Decoder(model.architecture, at::kCPU), {4096, 40});
  };
  plan();
  EXPECT_EQ(said(), 1);
  tasks[0].items.pop_back();
  plan();
  EXPECT_EQ(said(), 1);
}

TEST(Scorer, ATokenizerLargerThanTheModelIsRefused) {
  Model model("llama");
  model.architecture.vocabulary = 100;
  EXPECT_EQ(message_of([&] {
              Scorer(all_tasks(), {}, model.tokenizer, Decoder(model.architecture, at::kCPU), {});
            }),
            "the tokenizer has 482 tokens, the model only 100: they do not belong together");
}

}  // namespace
}  // namespace demix
