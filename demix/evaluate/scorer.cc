#include "demix/evaluate/scorer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <set>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/experts.h"
#include "demix/evaluate/judge.h"
#include "demix/evaluate/passes.h"
#include "demix/evaluate/plan.h"

namespace demix {
namespace {

// Raised when the numbers that scoring gives change: scores of an older version are not reused.
constexpr int64_t kScoringVersion = 2;
constexpr int64_t kGenerationVersion = 1;

// A range of slots: the continuations of an item, or the windows of a document.
struct Slots {
  int64_t first = 0, count = 0;
};

// One held-out document.
struct Document {
  Slots windows;
  double bytes;
};

struct Judged {
  std::string generated;
  Judgement judgement;
};

}  // namespace

struct Scorer::Plan {
  struct Text {
    std::string dataset;
    std::vector<Document> documents;
  };

  std::vector<Task> tasks;
  std::vector<std::vector<Slots>> items;  // of each task
  std::vector<int64_t> tokens_of_slot;    // whose log-likelihood is asked for
  std::vector<Text> texts;
  // Of the tasks that generate, all items of one after those of another.
  std::vector<GenerationRequest> requests;
  std::vector<int32_t> stop_tokens;
  GenerateConfig generate;
  Tokenizer tokenizer;
  Decoder decoder;
  int64_t slots = 0;
  int64_t max_length = 0;
  std::vector<TokenTree> trees;
  int64_t rows = 0;
  int64_t answer_rows = 0;
  int64_t rows_wanted = 0;
  std::string hash;

  Plan(const Decoder& model, const Tokenizer& its_tokenizer)
      : tokenizer(its_tokenizer), decoder(model) {}

  void add_task(Task task);
  void add_requests(const Task& task);
  // The judged answers of the tasks that generate; by task, then item.
  std::map<std::string, std::vector<Judged>> answers(const Weights& weights, bool live) const;
  void add_text(const HeldOut& held_out);
  void add_tree(std::span<const Sequence> sequences);
  std::vector<Pass> passes_of(std::span<const TokenTree> some_trees, const Weights& weights) const {
    return pack(some_trees, rows_per_pass(rows_wanted, rows, weights.flat.is_cpu()));
  }
  // Where each slot's tokens begin among those of all slots, and their number.
  std::vector<int64_t> slot_begins() const;
  ItemScore item_score(size_t task, size_t item, std::span<const AnswerScore> slots) const;
  // What the documents of a text add to its bits per byte.
  ItemTerms text_terms(const Text& text, std::span<const AnswerScore> slots) const;
};

std::vector<int64_t> Scorer::Plan::slot_begins() const {
  std::vector<int64_t> begins(1, 0);
  for (const int64_t tokens : tokens_of_slot) begins.push_back(begins.back() + tokens);
  return begins;
}

void Scorer::Plan::add_tree(std::span<const Sequence> sequences) {
  for (const Sequence& sequence : sequences) {
    DEMIX_CHECK(sequence.slot == static_cast<int64_t>(tokens_of_slot.size()));
    tokens_of_slot.push_back(static_cast<int64_t>(sequence.ids.size()) - sequence.first_target);
  }
  trees.push_back(merge_sequences(sequences));
  const TokenTree& tree = trees.back();
  rows += tree.rows();
  std::set<int64_t> read;
  for (const Answer& answer : tree.answers) read.insert(answer.row);
  answer_rows += static_cast<int64_t>(read.size());
}

void Scorer::Plan::add_task(Task task) {
  std::vector<Slots> task_items;
  for (const Item& item : task.items) {
    const std::string place = fmt::format("task {}, item {}", task.name, item.id);
    std::vector<Sequence> sequences;
    task_items.push_back({slots, static_cast<int64_t>(item.continuations.size())});
    for (size_t i = 0; i < item.continuations.size(); ++i) {
      const std::string& context = item.contexts[item.contexts.size() == 1 ? 0 : i];
      sequences.push_back(
          tokenize_pair(tokenizer, context, item.continuations[i], max_length, place));
      sequences.back().slot = slots++;
    }
    add_tree(sequences);
  }
  if (task.generation) add_requests(task);
  tasks.push_back(std::move(task));
  items.push_back(std::move(task_items));
}

void Scorer::Plan::add_requests(const Task& task) {
  check_judge(task.generation->judge, "task " + task.name);
  const int64_t left = max_length - task.generation->max_tokens;
  if (left < 1)
    throw Error(
        "task {}: answers of {} tokens leave no room for a prompt in the {} tokens that the model "
        "reads; leave generated answers out (demix evaluate --no-generation)",
        task.name,
        task.generation->max_tokens,
        max_length);
  for (const Item& item : task.items) {
    const std::string place = fmt::format("task {}, item {}", task.name, item.id);
    requests.push_back({.name = place,
                        .prompt = tokenize_prompt(tokenizer, item.contexts[0], left, place),
                        .max_tokens = task.generation->max_tokens,
                        .stops = task.generation->stops});
  }
}

std::map<std::string, std::vector<Judged>> Scorer::Plan::answers(const Weights& weights,
                                                                 bool live) const {
  std::map<std::string, std::vector<Judged>> judged;
  if (requests.empty()) return judged;
  std::vector<Generation> generations;
  {
    std::unique_ptr<Progress> generating;
    if (live)
      generating = std::make_unique<Progress>(
          "generating", static_cast<int64_t>(requests.size()), "answers");
    generations = demix::generate(
        requests, stop_tokens, tokenizer, decoder, weights, generate, generating.get());
  }
  auto next = generations.begin();
  for (const Task& task : tasks) {
    if (!task.generation) continue;
    std::vector<std::string> texts;
    for (size_t i = 0; i < task.items.size(); ++i) texts.push_back((next++)->text);
    auto judgements = judge_answers(task, texts);
    for (size_t i = 0; i < texts.size(); ++i)
      judged[task.name].push_back({std::move(texts[i]), std::move(judgements[i])});
  }
  return judged;
}

void Scorer::Plan::add_text(const HeldOut& held_out) {
  const Shard& shard = held_out.shard;
  Text text{held_out.dataset, {}};
  for (int64_t document = 0; document < shard.documents(); ++document) {
    if (static_cast<int64_t>(shard.offsets()[static_cast<size_t>(document) + 1]) >
        held_out.max_tokens)
      break;
    auto windows = document_windows(shard, document, max_length);
    if (windows.empty()) continue;
    text.documents.push_back({{slots, static_cast<int64_t>(windows.size())},
                              static_cast<double>(shard.text_bytes(document))});
    for (Sequence& window : windows) {
      window.slot = slots++;
      add_tree({&window, 1});
    }
  }
  if (text.documents.empty())
    throw Error("held-out text of dataset {}: no document fits into {} tokens",
                held_out.dataset,
                held_out.max_tokens);
  texts.push_back(std::move(text));
}

ItemScore Scorer::Plan::item_score(size_t task,
                                   size_t item,
                                   std::span<const AnswerScore> slots_of_all) const {
  const Slots& range = items[task][item];
  ItemScore score;
  score.task = tasks[task].name;
  score.id = tasks[task].items[item].id;
  score.gold = tasks[task].items[item].gold;
  for (int64_t slot = range.first; slot < range.first + range.count; ++slot) {
    score.loglikelihoods.push_back(slots_of_all[static_cast<size_t>(slot)].loglikelihood);
    score.tokens.push_back(tokens_of_slot[static_cast<size_t>(slot)]);
  }
  score.greedy = slots_of_all[static_cast<size_t>(range.first + score.gold)].greedy;
  return score;
}

ItemTerms Scorer::Plan::text_terms(const Text& text,
                                   std::span<const AnswerScore> slots_of_all) const {
  ItemTerms bits;
  for (const Document& document : text.documents) {
    double loglikelihood = 0;
    for (int64_t i = 0; i < document.windows.count; ++i)
      loglikelihood += slots_of_all[static_cast<size_t>(document.windows.first + i)].loglikelihood;
    if (!std::isfinite(loglikelihood))
      throw Error(
          "held-out text of dataset {}, document {}: the log-likelihood is {}; the model's weights "
          "give no finite logits here",
          text.dataset,
          bits.x.size(),
          loglikelihood);
    bits.x.push_back(-loglikelihood / std::numbers::ln2);
    bits.y.push_back(document.bytes);
  }
  return bits;
}

Scorer::Scorer(std::vector<Task> tasks,
               std::vector<HeldOut> held_out,
               const Tokenizer& tokenizer,
               const Decoder& decoder,
               const ScorerConfig& config)
    : plan_(std::make_unique<Plan>(decoder, tokenizer)) {
  const Architecture& architecture = decoder.architecture();
  if (tokenizer.vocabulary_size() > architecture.vocabulary)
    throw Error("the tokenizer has {} tokens, the model only {}: they do not belong together",
                tokenizer.vocabulary_size(),
                architecture.vocabulary);
  if (config.tokens_per_pass < 1)
    throw Error("tokens_per_pass is {}, expected at least 1", config.tokens_per_pass);
  if (config.max_length < 0 || config.max_length > architecture.max_positions)
    throw Error("max_length is {}, expected at most the {} positions of the model",
                config.max_length,
                architecture.max_positions);
  plan_->max_length = config.max_length == 0 ? architecture.max_positions : config.max_length;
  plan_->rows_wanted = config.tokens_per_pass;
  plan_->generate = config.generate;
  if (tokenizer.eos()) plan_->stop_tokens.push_back(*tokenizer.eos());
  if (architecture.eos) plan_->stop_tokens.push_back(static_cast<int32_t>(*architecture.eos));

  Hasher hasher;
  hasher.field(kScoringVersion).field(tokenizer.fingerprint()).field(plan_->max_length);
  hasher.field(int64_t{start_token(tokenizer).value_or(-1)});
  std::set<std::string> names;
  for (Task& task : tasks) {
    if (!names.insert(task.name).second) throw Error("task {} is named twice", task.name);
    hasher.field(task.hash);
    plan_->add_task(std::move(task));
  }
  for (const HeldOut& text : held_out) {
    if (!names.insert("held_out/" + text.dataset).second)
      throw Error("held-out text of dataset {} is named twice", text.dataset);
    if (text.shard.vocabulary_size() > architecture.vocabulary)
      throw Error(
          "held-out text of dataset {}: made by a tokenizer of {} tokens, the model has only {}",
          text.dataset,
          text.shard.vocabulary_size(),
          architecture.vocabulary);
    hasher.field(text.dataset).field(text.shard.hash()).field(text.max_tokens);
    plan_->add_text(text);
  }
  if (!plan_->requests.empty()) {
    const SamplingConfig& sampling = config.generate.sampling;
    sampling.check();
    hasher.field(kGenerationVersion).field(sampling.temperature);
    if (sampling.temperature > 0)
      hasher.field(sampling.top_k).field(sampling.top_p).field(static_cast<int64_t>(sampling.seed));
    for (const int32_t stop : plan_->stop_tokens) hasher.field(int64_t{stop});
  }
  plan_->hash = hasher.hex();
}

Scorer::~Scorer() = default;

Scores Scorer::score(const Weights& weights,
                     bool live,
                     std::vector<ItemScore>* samples,
                     TermsByMetric* terms) const {
  const Plan& plan = *plan_;
  std::vector<AnswerScore> slots;
  {
    std::unique_ptr<Progress> scoring;
    if (live) scoring = std::make_unique<Progress>("scoring", plan.rows, "tokens");
    slots = log_likelihoods(
        plan.passes_of(plan.trees, weights), plan.slots, plan.decoder, weights, scoring.get());
  }
  auto answers = plan.answers(weights, live);

  Scores scores;
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    const Task& task = plan.tasks[t];
    std::vector<ItemScore> items;
    for (size_t i = 0; i < task.items.size(); ++i) {
      ItemScore& score = items.emplace_back(plan.item_score(t, i, slots));
      if (!task.generation) continue;
      Judged& answer = answers.at(task.name)[i];
      score.generated = std::move(answer.generated);
      score.judgement = std::move(answer.judgement);
    }
    scores.tasks[task.name] = task_metrics(task, items);
    if (terms)
      for (const std::string& metric : task.metrics)
        (*terms)[task.name][metric] = item_terms(task, metric, items);
    if (samples) std::move(items.begin(), items.end(), std::back_inserter(*samples));
  }
  for (const Plan::Text& text : plan.texts) {
    ItemTerms bits = plan.text_terms(text, slots);
    const std::string name = "held_out/" + text.dataset;
    scores.tasks[name]["bpb"] = metric_value(bits);
    if (terms) (*terms)[name]["bpb"] = std::move(bits);
  }
  return scores;
}

std::vector<float> Scorer::token_log_likelihoods(const Weights& weights) const {
  const Plan& plan = *plan_;
  std::vector<TokenTree> trees = plan.trees;
  const std::vector<int64_t> begins = plan.slot_begins();
  std::vector<int64_t> next(begins.begin(), begins.end() - 1);
  for (TokenTree& tree : trees)
    for (Answer& answer : tree.answers) answer.slot = next[static_cast<size_t>(answer.slot)]++;
  const auto scores = log_likelihoods(
      plan.passes_of(trees, weights), begins.back(), plan.decoder, weights, nullptr);
  std::vector<float> tokens;
  tokens.reserve(scores.size());
  for (const AnswerScore& score : scores) tokens.push_back(static_cast<float>(score.loglikelihood));
  return tokens;
}

Scores Scorer::mixed_score(const Experts& experts,
                           std::span<const double> weights,
                           TermsByMetric* terms) const {
  const Plan& plan = *plan_;
  const std::vector<int64_t> begins = plan.slot_begins();
  DEMIX_CHECK(experts.tokens() == begins.back());
  const std::vector<float> tokens = experts.mixed(weights);
  std::vector<AnswerScore> slots(static_cast<size_t>(plan.slots));
  for (size_t slot = 0; slot < slots.size(); ++slot)
    for (int64_t token = begins[slot]; token < begins[slot + 1]; ++token)
      slots[slot].loglikelihood += tokens[static_cast<size_t>(token)];

  Scores scores;
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    Task task = plan.tasks[t];
    std::vector<ItemScore> items;
    for (size_t i = 0; i < task.items.size(); ++i) items.push_back(plan.item_score(t, i, slots));
    std::erase_if(task.metrics, [&](const std::string& metric) {
      const bool of_likeliest_token = metric == "acc" && task.items[0].continuations.size() == 1;
      return needs_generation(metric) || of_likeliest_token;
    });
    task.generation.reset();
    scores.tasks[task.name] = task_metrics(task, items);
    if (terms)
      for (const std::string& metric : task.metrics)
        (*terms)[task.name][metric] = item_terms(task, metric, items);
  }
  for (const Plan::Text& text : plan.texts) {
    const std::string name = "held_out/" + text.dataset;
    ItemTerms bits = plan.text_terms(text, slots);
    scores.tasks[name]["bpb"] = metric_value(bits);
    if (terms) (*terms)[name]["bpb"] = std::move(bits);
  }
  return scores;
}

int64_t Scorer::tokens() const { return plan_->rows; }

double Scorer::flops() const {
  const Architecture& architecture = plan_->decoder.architecture();
  const double body = forward_flops_per_token(architecture, false);
  return body * static_cast<double>(plan_->rows) +
         (forward_flops_per_token(architecture, true) - body) *
             static_cast<double>(plan_->answer_rows);
}

const std::string& Scorer::hash() const { return plan_->hash; }

int64_t Scorer::items() const {
  int64_t count = 0;
  for (const auto& task_items : plan_->items) count += static_cast<int64_t>(task_items.size());
  return count;
}

}  // namespace demix
