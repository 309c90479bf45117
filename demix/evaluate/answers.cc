#include "demix/evaluate/answers.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/judge.h"
#include "demix/evaluate/plan.h"
#include "demix/evaluate/score_journal.h"

namespace demix {
namespace {

// Raised when other answers would be generated, or judged otherwise: older ones are not reused.
constexpr int64_t kGenerationVersion = 3, kJudgingVersion = 1;

// Programs judged between two transactions.
constexpr size_t kProgramsAtOnce = 64;

std::string place_of(const Task& task, const Item& item) {
  return fmt::format("task {}, item {}", task.name, item.id);
}

Json to_json(const Judgement& judgement) {
  return {{"gold", judgement.gold},
          {"extracted", judgement.extracted},
          {"metrics", judgement.metrics},
          {"right", judgement.right}};
}

Judgement judgement_of(const Json& json) {
  return {json.at("gold"), json.at("extracted"), json.at("metrics"), json.at("right")};
}

// Judged in pieces, which the journal keeps where judging takes long: of programs.
std::vector<Judgement> judged(const Task& task,
                              std::span<const GeneratedAnswer> answers,
                              bool live,
                              ScoreJournal* journal) {
  if (task.generation->judge != "program") return judge_answers(task, answers);
  std::unique_ptr<Progress> judging;
  if (live)
    judging = std::make_unique<Progress>(
        "running " + task.name, static_cast<int64_t>(answers.size()), "programs");
  std::vector<Judgement> judgements(answers.size());
  std::vector<std::string> keys(answers.size());
  std::vector<size_t> left;
  for (size_t i = 0; i < answers.size(); ++i) {
    const Item& item = task.items[answers[i].item];
    if (journal)
      keys[i] = Hasher()
                    .field("program")
                    .field(kJudgingVersion)
                    .field(item.program)
                    .field(answers[i].text)
                    .field(item.references[0])
                    .hex();
    if (const Json* known = journal ? journal->find(keys[i]) : nullptr)
      judgements[i] = judgement_of(*known);
    else
      left.push_back(i);
  }
  if (judging) judging->resume_at(static_cast<int64_t>(answers.size() - left.size()));
  for (size_t first = 0; first < left.size(); first += kProgramsAtOnce) {
    const auto some =
        std::span(left).subspan(first, std::min(kProgramsAtOnce, left.size() - first));
    std::vector<GeneratedAnswer> chunk;
    for (const size_t i : some) chunk.push_back(answers[i]);
    const auto of_chunk = judge_answers(task, chunk);
    for (size_t c = 0; c < some.size(); ++c) {
      judgements[some[c]] = of_chunk[c];
      if (journal)
        journal->add(
            keys[some[c]], place_of(task, task.items[chunk[c].item]), to_json(of_chunk[c]));
    }
    if (judging) judging->add(static_cast<int64_t>(some.size()));
  }
  return judgements;
}

}  // namespace

AnswerRoom answer_room(int64_t prompt_tokens, int64_t max_tokens, int64_t positions) {
  if (max_tokens < positions) return {positions - max_tokens, max_tokens};
  const int64_t prompt = std::min(prompt_tokens, positions / 2);
  return {prompt, positions - prompt};
}

void AnswerPlan::add(const Task& task, const Tokenizer& tokenizer, int64_t positions) {
  const TaskGeneration& generation = *task.generation;
  check_judge(generation.judge, "task " + task.name);
  if (positions < 2)
    throw Error("task {}: answers cannot be generated in the {} tokens that the model reads",
                task.name,
                positions);
  int64_t cut = 0, shortest = generation.max_tokens;
  for (const Item& item : task.items) {
    GenerationRequest request{.name = place_of(task, item), .stops = generation.stops};
    auto prompt = tokenize_prompt(tokenizer, item.contexts[0], INT64_MAX, request.name);
    const auto room =
        answer_room(static_cast<int64_t>(prompt.size()), generation.max_tokens, positions);
    if (static_cast<int64_t>(prompt.size()) > room.prompt_tokens) {
      prompt.erase(prompt.begin(), prompt.end() - room.prompt_tokens);
      ++cut;
    }
    shortest = std::min(shortest, room.answer_tokens);
    request.prompt = std::move(prompt);
    request.max_tokens = room.answer_tokens;
    request.sampling = {generation.temperature, generation.top_k, generation.top_p, seed_};
    request.sampling.check();
    for (request.answer = 0; request.answer < generation.answers; ++request.answer)
      requests_.push_back(request);
  }
  if (shortest < generation.max_tokens)
    warn(
        fmt::format("Task {}: answers of up to {} tokens do not fit into the {} that the model "
                    "reads beside a prompt; they end where those end, after {} tokens or more.",
                    task.name,
                    generation.max_tokens,
                    positions,
                    shortest));
  if (cut > 0)
    warn(
        fmt::format("Task {}: the prompts of {} of {} items are cut from the left, so that their "
                    "answers fit into the {} tokens that the model reads.",
                    task.name,
                    cut,
                    task.items.size(),
                    positions));
}

void AnswerPlan::add_to(Hasher& hasher) const {
  if (requests_.empty()) return;
  hasher.field(kGenerationVersion);
  const bool draws = std::any_of(requests_.begin(), requests_.end(), [](const auto& request) {
    return request.sampling.temperature > 0;
  });
  if (draws) hasher.field(static_cast<int64_t>(seed_));
  for (const int32_t stop : stop_tokens_) hasher.field(int64_t{stop});
}

std::string AnswerPlan::key_of(const GenerationRequest& request, const Tokenizer& tokenizer) const {
  Hasher hasher;
  hasher.field("answer").field(kGenerationVersion).field(tokenizer.fingerprint());
  hasher.field(static_cast<int64_t>(request.prompt.size()));
  for (const int32_t id : request.prompt) hasher.field(int64_t{id});
  hasher.field(request.max_tokens).field(static_cast<int64_t>(request.stops.size()));
  for (const std::string& stop : request.stops) hasher.field(stop);
  for (const int32_t stop : stop_tokens_) hasher.field(int64_t{stop});
  const SamplingConfig& sampling = request.sampling;
  hasher.field(sampling.temperature);
  if (sampling.temperature > 0)
    hasher.field(sampling.top_k)
        .field(sampling.top_p)
        .field(static_cast<int64_t>(sampling.seed))
        .field(request.name)
        .field(request.answer);
  return hasher.hex();
}

std::vector<std::string> AnswerPlan::generated(const Tokenizer& tokenizer,
                                               const Decoder& decoder,
                                               const Weights& weights,
                                               const GenerateConfig& config,
                                               bool live,
                                               ScoreJournal* journal) const {
  std::vector<std::string> texts(requests_.size()), keys(requests_.size());
  std::vector<size_t> places;  // of those that are left
  std::vector<GenerationRequest> left;
  for (size_t i = 0; i < requests_.size(); ++i) {
    if (journal) keys[i] = key_of(requests_[i], tokenizer);
    const Json* known = journal ? journal->find(keys[i]) : nullptr;
    if (known) {
      // Ids and length, as a text cut at a stop may not be valid UTF-8.
      texts[i] = tokenizer.decode(known->at("ids").get<std::vector<int32_t>>());
      texts[i].resize(known->at("bytes").get<size_t>());
    } else {
      places.push_back(i);
      left.push_back(requests_[i]);
    }
  }
  std::unique_ptr<Progress> generating;
  if (live) {
    const auto all = static_cast<int64_t>(requests_.size());
    generating = std::make_unique<Progress>("generating", all, "answers");
    generating->resume_at(all - static_cast<int64_t>(left.size()));
  }
  const OnAnswer record = [&](size_t request, const Generation& answer) {
    journal->add(keys[places[request]],
                 left[request].name,
                 {{"ids", answer.ids}, {"bytes", answer.text.size()}});
  };
  auto generations = demix::generate(left,
                                     stop_tokens_,
                                     tokenizer,
                                     decoder,
                                     weights,
                                     config,
                                     generating.get(),
                                     journal ? record : OnAnswer());
  for (size_t i = 0; i < places.size(); ++i) texts[places[i]] = std::move(generations[i].text);
  return texts;
}

std::map<std::string, std::vector<std::vector<JudgedAnswer>>> AnswerPlan::answers(
    const std::vector<Task>& tasks,
    const Tokenizer& tokenizer,
    const Decoder& decoder,
    const Weights& weights,
    const GenerateConfig& config,
    bool live,
    ScoreJournal* journal) const {
  std::map<std::string, std::vector<std::vector<JudgedAnswer>>> result;
  if (requests_.empty()) return result;
  auto texts = generated(tokenizer, decoder, weights, config, live, journal);
  auto next = texts.begin();
  for (const Task& task : tasks) {
    if (!task.generation) continue;
    std::vector<GeneratedAnswer> answers;
    for (size_t item = 0; item < task.items.size(); ++item)
      for (int64_t i = 0; i < task.generation->answers; ++i)
        answers.push_back({item, std::move(*next++)});
    auto judgements = judged(task, answers, live, journal);
    auto& items = result[task.name];
    items.resize(task.items.size());
    for (size_t i = 0; i < answers.size(); ++i)
      items[answers[i].item].push_back({std::move(answers[i].text), std::move(judgements[i])});
  }
  return result;
}

}  // namespace demix
