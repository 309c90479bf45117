#include "demix/evaluate/item.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <span>

#include "demix/core/error.h"
#include "demix/evaluate/text.h"

namespace demix {
namespace {

std::string transformed(std::string text,
                        const std::vector<Transform>& transforms,
                        const std::string& place) {
  for (const Transform& transform : transforms) text = transform.apply(text, place);
  return text;
}

std::vector<std::string> render_all(const std::vector<Prompt>& prompts,
                                    const Json& row,
                                    const std::string& place) {
  if (prompts.size() == 1) return prompts[0].render_list(row, place);
  std::vector<std::string> texts;
  for (const Prompt& prompt : prompts) texts.push_back(prompt.render(row, place));
  return texts;
}

// The index of the right one of `choices`.
int find_gold(const TaskFile& task,
              const ItemPrompts& prompts,
              const Json& row,
              std::span<const std::string> answers,
              const std::string& place) {
  const size_t choices = answers.size();
  const std::string gold = prompts.gold[0].render(row, place);
  const auto labels = render_all(prompts.labels, row, place);
  if (!labels.empty()) {
    if (labels.size() < choices)
      throw Error("{}: {} choices, but {} labels ({})",
                  place,
                  choices,
                  labels.size(),
                  task.where("labels"));
    const auto found = std::find(labels.begin(), labels.end(), gold);
    const auto index = static_cast<size_t>(found - labels.begin());
    if (index < choices) return static_cast<int>(index);
    throw Error("{}: the right answer is '{}' ({}), but the labels are {}",
                place,
                gold,
                task.where("gold"),
                fmt::join(labels, ", "));
  }
  int index = -1;
  const auto parsed = std::from_chars(gold.data(), gold.data() + gold.size(), index);
  if (gold.empty() || parsed.ec != std::errc() || parsed.ptr != gold.data() + gold.size() ||
      index < 0 || static_cast<size_t>(index) >= choices)
    throw Error("{}: expected the right answer as a number from 0 to {} ({}), found '{}'",
                place,
                choices - 1,
                task.where("gold"),
                gold);
  return index;
}

// Checks one answer and adds it with its lengths.
void add_answer(Item& item,
                const std::string& answer,
                const std::string& where,
                const std::string& place) {
  if (strip(answer).empty()) throw Error("{}: {} gives an empty text", place, where);
  item.chars.push_back(count_characters(answer));
  item.bytes.push_back(static_cast<int64_t>(answer.size()));
}

void check_choices(size_t count, const TaskFile& task, const std::string& place) {
  if (count < 2)
    throw Error(
        "{}: expected at least two choices ({}), found {}", place, task.where("choices"), count);
}

// len(re.split(r"\s+", text))
int64_t count_words(std::string_view text) {
  int64_t words = 1;
  bool was_space = false;
  for (const char32_t c : code_points(text)) {
    words += is_space(c) && !was_space ? 1 : 0;
    was_space = is_space(c);
  }
  return words;
}

// Of the field that the filter multi_choice_regex looks into.
std::vector<std::string> named_choices_of(const Json& row,
                                          const std::string& where,
                                          const std::string& place) {
  const auto field = row.find("choices");
  const bool is_list = field != row.end() && field->is_array();
  if (!is_list || field->size() > kMaxLetteredChoices ||
      !std::ranges::all_of(*field, [](const Json& choice) { return choice.is_string(); }))
    throw Error(
        "{}: multi_choice_regex ({}) expects a list of at most {} texts in the field 'choices'",
        place,
        where,
        kMaxLetteredChoices);
  return field->get<std::vector<std::string>>();
}

Item make_harness_item(const TaskFile& task,
                       const HarnessTask& harness,
                       const Json& row,
                       const std::string& place) {
  HarnessDocument document = harness_document(harness.prompts, row, place);
  Item item;
  if (harness.rolls) {
    // An empty text counts as one word and no byte, as in the harness.
    item.contexts = {""};
    item.continuations = {document.targets[0]};
    item.chars = {count_characters(document.targets[0])};
    item.bytes = {static_cast<int64_t>(document.targets[0].size())};
    item.words = count_words(document.targets[0]);
    return item;
  }
  item.contexts = {document.context};
  if (harness.chooses()) {
    check_choices(document.choices.size(), task, place);
    for (const std::string& choice : document.choices) {
      add_answer(item, choice, task.where("choices"), place);
      item.continuations.push_back(task.config().delimiter + choice);
    }
    item.gold = static_cast<int>(*document.gold);
    return item;
  }
  const std::string& answer = document.targets[0];
  add_answer(item, answer, task.where("answer"), place);
  item.continuations = {answer};
  if (harness.generates) {
    item.continuations = {
        harness_answered(harness.prompts, document, answer).substr(document.context.size())};
    item.references = std::move(document.targets);
    if (task.config().generation.rules.need_choices())
      item.named_choices = named_choices_of(row, task.where("filters"), place);
  }
  return item;
}

}  // namespace

Item make_item(const TaskFile& task,
               const ItemPrompts& prompts,
               const Json& row,
               const std::string& place) {
  if (task.harness()) return make_harness_item(task, *task.harness(), row, place);
  const TaskConfig& config = task.config();
  Item item;
  for (size_t i = 0; i < prompts.contexts.size(); ++i) {
    std::string context =
        transformed(prompts.contexts[i].render(row, place), prompts.context_transforms, place);
    if (context.empty() && !config.context[i].empty())
      throw Error("{}: {} gives an empty text", place, task.where("context"));
    item.contexts.push_back(std::move(context));
  }
  const bool partial = item.contexts.size() > 1;
  const bool chooses = !prompts.choices.empty();
  std::vector<std::string> answers;
  if (chooses) {
    answers = render_all(prompts.choices, row, place);
  } else {
    answers.assign(item.contexts.size(), prompts.answer[0].render(row, place));
  }
  if (chooses) check_choices(answers.size(), task, place);
  for (std::string& answer : answers) {
    answer = transformed(std::move(answer), prompts.choice_transforms, place);
    add_answer(item, answer, task.where(chooses ? "choices" : "answer"), place);
    item.continuations.push_back(config.delimiter + answer);
  }
  if (chooses || partial) item.gold = find_gold(task, prompts, row, answers, place);
  return item;
}

}  // namespace demix
