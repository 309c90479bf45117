#include "demix/evaluate/scorer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>
#include <numeric>
#include <optional>
#include <set>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/answers.h"
#include "demix/evaluate/experts.h"
#include "demix/evaluate/first_not_finite.h"
#include "demix/evaluate/passes.h"
#include "demix/evaluate/plan.h"
#include "demix/evaluate/score_journal.h"
#include "demix/evaluate/shared_beginnings.h"

namespace demix {
namespace {

// Raised when the numbers that scoring gives change: scores of an older version are not reused.
constexpr int64_t kScoringVersion = 4;

// Rows of trees that share a beginning: several of them are a pass, so that threads get equal
// shares.
constexpr int64_t kSharingRows = 256;

// With a journal, passes of at most so many operations: a few seconds.
constexpr double kPassFlops = 1e12;
constexpr int64_t kFewestRows = 512;

// A range of slots: the continuations of an item, or the windows of a document.
struct Slots {
  int64_t first = 0, count = 0;
};

// One held-out document.
struct Document {
  Slots windows;
  double bytes;
};

// Of what a tree's log-likelihoods depend on beside the model.
std::string key_of(const TokenTree& tree, int64_t first_slot) {
  Hasher hasher;
  hasher.field("likelihoods").field(kScoringVersion);
  const auto add = [&](const auto& values) {
    hasher.field(static_cast<int64_t>(values.size()));
    hasher.bytes(values.data(), values.size() * sizeof(values[0]));
  };
  add(tree.ids);
  add(tree.positions);
  for (const Segment& segment : tree.segments)
    hasher.field(segment.row).field(segment.count).field(segment.start);
  for (const Answer& answer : tree.answers)
    hasher.field(answer.row).field(int64_t{answer.token}).field(answer.slot - first_slot);
  return hasher.hex();
}

// The trees as they are run. Elsewhere than on the CPU attention is computed between all tokens of
// a tree, so that it had better be small.
std::vector<TokenTree> run_as(std::span<const TokenTree> trees, bool on_cpu) {
  if (on_cpu) return share_beginnings(trees, kSharingRows);
  return {trees.begin(), trees.end()};
}

int64_t rows_of(std::span<const TokenTree> trees) {
  return std::accumulate(trees.begin(), trees.end(), int64_t{0}, [](int64_t sum, const auto& tree) {
    return sum + tree.rows();
  });
}

// Once for each task, although a search scores its items and some of them, and a plan fewer again.
void warn_of_cut_prompts(const std::string& task, int64_t max_length, int64_t cut, size_t items) {
  const std::string begin = fmt::format(
      "Task {}: prompts are cut from the left, so that they fit with their answers into the {} "
      "tokens that the model reads: those of ",
      task,
      max_length);
  for (const std::string& warning : warnings())
    if (warning.starts_with(begin)) return;
  warn(fmt::format("{}{} of {} items.", begin, cut, items));
}

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
  AnswerPlan answers;
  GenerateConfig generate;
  Tokenizer tokenizer;
  Decoder decoder;
  int64_t slots = 0;
  int64_t max_length = 0;
  std::vector<TokenTree> trees;
  // Of each tree, for the journal: its name for people, its key, and its slots, which no other tree
  // has.
  std::vector<std::string> tree_names, tree_keys;
  std::vector<Slots> tree_slots;
  int64_t rows = 0;
  int64_t answer_rows = 0;
  int64_t rows_wanted = 0;
  std::string hash;
  std::map<std::string, std::string> task_hashes;

  Plan(const Decoder& model, const Tokenizer& its_tokenizer, AnswerPlan its_answers)
      : answers(std::move(its_answers)), tokenizer(its_tokenizer), decoder(model) {}

  void add_task(Task task);
  double part_of_text(const Shard& shard, int64_t document, int64_t tokens) const;
  // The number of tokens that the last document was cut to; 0: none was.
  int64_t add_text(const HeldOut& held_out);
  // Sequences of successive slots.
  void add_tree(std::span<const Sequence> sequences, std::string name);
  // Of all trees, when they are there.
  void count_rows();
  // Of all slots. What the journal has is not computed.
  std::vector<AnswerScore> likelihoods(const Weights& weights,
                                       bool live,
                                       ScoreJournal* journal) const;
  double pass_flops_per_row() const {
    return forward_flops_per_token(decoder.architecture(), false);
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

void Scorer::Plan::add_tree(std::span<const Sequence> sequences, std::string name) {
  for (const Sequence& sequence : sequences) {
    DEMIX_CHECK(sequence.slot == static_cast<int64_t>(tokens_of_slot.size()));
    tokens_of_slot.push_back(static_cast<int64_t>(sequence.ids.size()) - sequence.first_target);
  }
  tree_names.push_back(std::move(name));
  tree_slots.push_back({sequences[0].slot, static_cast<int64_t>(sequences.size())});
  trees.push_back(merge_sequences(sequences));
  const TokenTree& tree = trees.back();
  tree_keys.push_back(key_of(tree, tree_slots.back().first));
}

void Scorer::Plan::count_rows() {
  for (const TokenTree& tree : run_as(trees, decoder.inverse_frequencies().is_cpu())) {
    rows += tree.rows();
    std::set<int64_t> read;
    for (const Answer& answer : tree.answers) read.insert(answer.row);
    answer_rows += static_cast<int64_t>(read.size());
  }
}

void Scorer::Plan::add_task(Task task) {
  std::vector<Slots> task_items;
  int64_t cut = 0;  // items with a prompt that is
  for (const Item& item : task.items) {
    const std::string place = fmt::format("task {}, item {}", task.name, item.id);
    std::vector<Sequence> sequences;
    if (task.rolls) {
      auto windows = text_windows(tokenizer, item.continuations[0], max_length, place);
      task_items.push_back({slots, static_cast<int64_t>(windows.size())});
      for (Sequence& window : windows) {
        window.slot = slots++;
        add_tree({&window, 1}, place);
      }
      continue;
    }
    task_items.push_back({slots, static_cast<int64_t>(item.continuations.size())});
    for (size_t i = 0; i < item.continuations.size(); ++i) {
      const std::string& context = item.contexts[item.contexts.size() == 1 ? 0 : i];
      sequences.push_back(
          tokenize_pair(tokenizer, context, item.continuations[i], max_length, place));
      sequences.back().slot = slots++;
    }
    if (std::any_of(sequences.begin(), sequences.end(), [](const auto& one) { return one.is_cut; }))
      ++cut;
    add_tree(sequences, place);
  }
  if (cut > 0) warn_of_cut_prompts(task.name, max_length, cut, task.items.size());
  if (task.generation) answers.add(task, tokenizer, max_length);
  tasks.push_back(std::move(task));
  items.push_back(std::move(task_items));
}

// The share of a document's text that its first `tokens` tokens are.
double Scorer::Plan::part_of_text(const Shard& shard, int64_t document, int64_t tokens) const {
  const auto offsets = shard.offsets().subspan(static_cast<size_t>(document), 2);
  std::vector<int32_t> ids(offsets[1] - offsets[0]);
  shard.copy(static_cast<int64_t>(offsets[0]), ids);
  // The first one is no text, nor is the last where it separates.
  const auto bytes = [&](std::span<const int32_t> part) {
    if (part.size() > 1 && part.back() == shard.separator()) part = part.first(part.size() - 1);
    return static_cast<double>(tokenizer.decode(part.subspan(1)).size());
  };
  return bytes(std::span(ids).first(static_cast<size_t>(tokens))) / bytes(ids);
}

int64_t Scorer::Plan::add_text(const HeldOut& held_out) {
  const Shard& shard = held_out.shard;
  Text text{held_out.dataset, {}};
  int64_t number = -1, cut = 0;
  for (int64_t document = 0; document < shard.documents() && cut == 0; ++document) {
    const auto begin = static_cast<int64_t>(shard.offsets()[static_cast<size_t>(document)]);
    const auto end = static_cast<int64_t>(shard.offsets()[static_cast<size_t>(document) + 1]);
    if (end > held_out.max_tokens) {
      // Long documents, such as books, would leave hardly any text.
      if (begin > held_out.max_tokens / 2) break;
      cut = std::max<int64_t>(held_out.max_tokens - begin, 2);
    }
    auto windows = document_windows(shard, document, max_length, cut == 0 ? INT64_MAX : cut);
    if (windows.empty()) continue;
    ++number;
    if (!held_out.only.empty() &&
        !std::binary_search(held_out.only.begin(), held_out.only.end(), number))
      continue;
    const double part = cut == 0 ? 1 : part_of_text(shard, document, cut);
    text.documents.push_back({{slots, static_cast<int64_t>(windows.size())},
                              part * static_cast<double>(shard.text_bytes(document))});
    for (Sequence& window : windows) {
      window.slot = slots++;
      add_tree({&window, 1},
               fmt::format("held-out text of dataset {}, document {}", held_out.dataset, document));
    }
  }
  if (text.documents.empty())
    throw Error(
        "dataset {} has no held-out text to score: none of its documents was kept from "
        "training. It needs more documents than one; or leave it out of evaluate.held_out",
        held_out.dataset);
  texts.push_back(std::move(text));
  return cut;
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
  if (tasks[task].rolls) {
    // Of all windows.
    score.loglikelihoods = {
        std::accumulate(score.loglikelihoods.begin(), score.loglikelihoods.end(), 0.0)};
    score.tokens = {std::accumulate(score.tokens.begin(), score.tokens.end(), int64_t{0})};
    score.greedy = false;
    return score;
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
    bits.x.push_back(-loglikelihood / std::numbers::ln2);
    bits.y.push_back(document.bytes);
  }
  return bits;
}

namespace {

Json to_json(std::span<const AnswerScore> scores) {
  Json json = Json::array();
  for (const AnswerScore& score : scores) json.push_back({score.loglikelihood, score.greedy});
  return json;
}

// The tokens that a slot's last answer follows.
std::vector<int32_t> tokens_of(const TokenTree& tree, int64_t slot) {
  int64_t last = 0;
  for (const Answer& answer : tree.answers)
    if (answer.slot == slot) last = answer.row;
  std::vector<int32_t> ids;
  for (const Segment& segment : tree.segments) {
    ids.resize(static_cast<size_t>(segment.start));  // parents come first
    for (int64_t row = segment.row; row < segment.row + segment.count; ++row) {
      ids.push_back(tree.ids[static_cast<size_t>(row)]);
      if (row == last) return ids;
    }
  }
  return ids;
}

// Each once, in order.
std::vector<int32_t> stop_tokens(const Tokenizer& tokenizer,
                                 const Decoder& decoder,
                                 const ScorerConfig& config) {
  std::set<int32_t> tokens(config.end_tokens.begin(), config.end_tokens.end());
  if (tokenizer.eos()) tokens.insert(*tokenizer.eos());
  if (const auto eos = decoder.architecture().eos) tokens.insert(static_cast<int32_t>(*eos));
  return {tokens.begin(), tokens.end()};
}

bool is_finite(std::span<const AnswerScore> scores) {
  return std::all_of(scores.begin(), scores.end(), [](const AnswerScore& score) {
    return std::isfinite(score.loglikelihood);
  });
}

}  // namespace

std::vector<AnswerScore> Scorer::Plan::likelihoods(const Weights& weights,
                                                   bool live,
                                                   ScoreJournal* journal) const {
  std::vector<AnswerScore> known(static_cast<size_t>(slots));
  std::vector<bool> is_known(static_cast<size_t>(slots));
  std::vector<size_t> tree_of_slot(static_cast<size_t>(slots));
  const bool goes_on = journal && journal->size() > 0;
  std::vector<TokenTree> left;
  int64_t known_rows = 0;
  for (size_t i = 0; i < trees.size(); ++i) {
    const Json* scores = goes_on ? journal->find(tree_keys[i]) : nullptr;
    for (int64_t slot = 0; slot < tree_slots[i].count; ++slot) {
      const auto at = static_cast<size_t>(tree_slots[i].first + slot);
      tree_of_slot[at] = i;
      if (!scores) continue;
      is_known[at] = true;
      known[at] = {scores->at(slot).at(0), scores->at(slot).at(1)};
    }
    if (scores)
      known_rows += trees[i].rows();
    else if (goes_on)
      left.push_back(trees[i]);
  }
  int64_t wanted = rows_wanted;
  if (journal) {
    const auto few = static_cast<int64_t>(kPassFlops / pass_flops_per_row());
    wanted = std::min(wanted, std::max(few, kFewestRows));
  }
  const bool on_cpu = weights.flat.is_cpu();
  const auto run = run_as(goes_on ? left : trees, on_cpu);
  const int64_t run_rows = rows_of(run);
  const auto passes = pack(run, rows_per_pass(wanted, run_rows, on_cpu));
  std::unique_ptr<Progress> scoring;
  if (live) {
    scoring = std::make_unique<Progress>("scoring", known_rows + run_rows, "tokens");
    scoring->resume_at(known_rows);
  }
  const auto start = std::chrono::steady_clock::now();
  std::atomic<size_t> items_done = 0;
  const auto finish = [&](const Pass& pass, std::span<const AnswerScore> scores) {
    std::set<size_t> finished;
    for (const Answer& answer : pass.answers)
      finished.insert(tree_of_slot[static_cast<size_t>(answer.slot)]);
    items_done += finished.size();
    if (scoring) {
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      scoring->note(
          fmt::format("{:.1f} items/s", static_cast<double>(items_done) / elapsed.count()));
    }
    for (const size_t tree : finished) {
      if (!journal) break;
      const auto [first, count] = tree_slots[tree];
      const auto of_tree = scores.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
      if (is_finite(of_tree)) journal->add(tree_keys[tree], tree_names[tree], to_json(of_tree));
    }
  };
  auto scores = log_likelihoods(passes, slots, decoder, weights, scoring.get(), finish);
  for (size_t slot = 0; slot < known.size(); ++slot)
    if (is_known[slot]) scores[slot] = known[slot];
  for (size_t i = 0; i < trees.size(); ++i) {
    const auto [first, count] = tree_slots[i];
    for (int64_t slot = first; slot < first + count; ++slot) {
      const double loglikelihood = scores[static_cast<size_t>(slot)].loglikelihood;
      if (!std::isfinite(loglikelihood))
        throw Error("{}: a log-likelihood is {}: {}",
                    tree_names[i],
                    loglikelihood,
                    first_not_finite(decoder, weights, tokens_of(trees[i], slot)));
    }
  }
  return scores;
}

Scorer::Scorer(std::vector<Task> tasks,
               std::vector<HeldOut> held_out,
               const Tokenizer& tokenizer,
               const Decoder& decoder,
               const ScorerConfig& config)
    : plan_(std::make_unique<Plan>(
          decoder, tokenizer, AnswerPlan(stop_tokens(tokenizer, decoder, config), config.seed))) {
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

  const auto begun = [&] {
    Hasher common;
    common.field(kScoringVersion).field(tokenizer.fingerprint()).field(plan_->max_length);
    common.field(int64_t{start_token(tokenizer).value_or(-1)});
    return common;
  };
  Hasher hasher = begun();
  std::set<std::string> names;
  std::vector<std::string> generating;
  for (Task& task : tasks) {
    if (!names.insert(task.name).second) throw Error("task {} is named twice", task.name);
    hasher.field(task.hash);
    Hasher alone = begun();
    alone.field(task.hash);
    if (task.generation) generating.push_back(task.name);
    plan_->task_hashes[task.name] = alone.hex();
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
    Hasher alone = begun();
    alone.field(text.shard.hash()).field(text.max_tokens);
    for (const int64_t document : text.only) {
      hasher.field(document);
      alone.field(document);
    }
    if (const int64_t cut = plan_->add_text(text); cut > 0) {
      hasher.field(cut);
      alone.field(cut);
    }
    plan_->task_hashes["held_out/" + text.dataset] = alone.hex();
  }
  plan_->count_rows();
  plan_->answers.add_to(hasher);
  for (const std::string& name : generating) {
    Hasher alone;
    alone.field(plan_->task_hashes.at(name));
    plan_->answers.add_to(alone);
    plan_->task_hashes[name] = alone.hex();
  }
  plan_->hash = hasher.hex();
}

Scorer::~Scorer() = default;

Scores Scorer::score(const Weights& weights,
                     bool live,
                     std::vector<ItemScore>* samples,
                     TermsByMetric* terms,
                     ScoreJournal* journal) const {
  const Plan& plan = *plan_;
  const auto slots = plan.likelihoods(weights, live, journal);
  auto answers = plan.answers.answers(
      plan.tasks, plan.tokenizer, plan.decoder, weights, plan.generate, live, journal);

  Scores scores;
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    const Task& task = plan.tasks[t];
    std::vector<ItemScore> items;
    for (size_t i = 0; i < task.items.size(); ++i) {
      ItemScore& score = items.emplace_back(plan.item_score(t, i, slots));
      if (task.generation) score.answers = std::move(answers.at(task.name)[i]);
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
  const bool on_cpu = weights.flat.is_cpu();
  const auto run = run_as(trees, on_cpu);
  const auto passes = pack(run, rows_per_pass(plan.rows_wanted, rows_of(run), on_cpu));
  const auto scores = log_likelihoods(passes, begins.back(), plan.decoder, weights, nullptr);
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
    const Task& task = plan.tasks[t];
    std::vector<ItemScore> items;
    for (size_t i = 0; i < task.items.size(); ++i) items.push_back(plan.item_score(t, i, slots));
    std::vector<std::string> metrics;
    std::copy_if(task.metrics.begin(),
                 task.metrics.end(),
                 std::back_inserter(metrics),
                 [&](const std::string& metric) { return is_of_mixtures(task, metric); });
    scores.tasks[task.name] = task_metrics(task, metrics, items);
    if (terms)
      for (const std::string& metric : metrics)
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

int64_t Scorer::documents(const std::string& dataset) const {
  for (const Plan::Text& text : plan_->texts) {
    if (text.dataset == dataset) return static_cast<int64_t>(text.documents.size());
  }
  return 0;
}

const std::string& Scorer::hash() const { return plan_->hash; }

const std::map<std::string, std::string>& Scorer::task_hashes() const { return plan_->task_hashes; }

int64_t Scorer::items() const {
  int64_t count = 0;
  for (const auto& task_items : plan_->items) count += static_cast<int64_t>(task_items.size());
  return count;
}

}  // namespace demix
