#include "demix/evaluate/task.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/corpus/rows.h"
#include "demix/evaluate/answer_filters.h"
#include "demix/evaluate/fewshot.h"
#include "demix/evaluate/item.h"
#include "demix/evaluate/metrics.h"
#include "demix/evaluate/task_data.h"
#include "demix/evaluate/task_file.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

bool is_kept(const TaskConfig& config, const Json& row, const std::string& place) {
  for (const auto& [field, range] : config.keep) {
    if (!row.is_object() || !row.contains(field) || !row[field].is_number_integer())
      throw Error("{}: expected a whole number in field '{}'", place, field);
    const auto value = row[field].get<int64_t>();
    if (value < range[0] || value > range[1]) return false;
  }
  return true;
}

void add_rules(const AnswerRules& rules, Hasher& hasher) {
  for (const AnswerPipeline& pipeline : rules.pipelines) {
    hasher.field(pipeline.metric).field(static_cast<int64_t>(pipeline.filters.size()));
    for (const AnswerFilter& filter : pipeline.filters)
      hasher.field(static_cast<int64_t>(filter.kind))
          .field(filter.pattern)
          .field(filter.group_select)
          .field(filter.fallback);
    for (const AnswerFilter& filter : pipeline.filters) {
      if (filter.kind != AnswerFilter::Kind::kMultiChoiceRegex) continue;
      hasher.field(int64_t{filter.ignore_case}).field(int64_t{filter.ignore_punctuation});
      for (const std::string& regex : filter.regexes_to_ignore) hasher.field(regex);
    }
  }
  const ExactMatch& match = rules.exact_match;
  for (const std::string& regex : match.regexes_to_ignore) hasher.field(regex);
  hasher.field(int64_t{match.ignore_case})
      .field(int64_t{match.ignore_punctuation})
      .field(int64_t{match.ignore_numbers});
}

std::string hash_of(const Task& task) {
  Hasher hasher;
  hasher.field(task.name).field(task.domain).field(task.primary_metric);
  hasher.field(static_cast<int64_t>(task.metrics.size()));
  for (const std::string& metric : task.metrics) hasher.field(metric);
  hasher.field(static_cast<int64_t>(task.items.size()));
  for (const Item& item : task.items) {
    hasher.field(item.id).field(static_cast<int64_t>(item.contexts.size()));
    for (const std::string& context : item.contexts) hasher.field(context);
    hasher.field(static_cast<int64_t>(item.continuations.size()));
    for (size_t i = 0; i < item.continuations.size(); ++i)
      hasher.field(item.continuations[i]).field(item.chars[i]).field(item.bytes[i]);
    hasher.field(static_cast<int64_t>(item.gold));
  }
  // Only of groups: the hashes of other tasks stay what they were.
  for (const Task::Member& member : task.members) hasher.field(member.name).field(member.items);
  if (task.members_count_equally) hasher.field("members");
  if (task.rolls) hasher.field("rolls");
  if (task.generation) {
    hasher.field(task.generation->judge).field(task.generation->max_tokens);
    for (const std::string& stop : task.generation->stops) hasher.field(stop);
    for (const Item& item : task.items) {
      hasher.field(item.program);
      for (const std::string& reference : item.references) hasher.field(reference);
      for (const std::string& choice : item.named_choices) hasher.field(choice);
    }
    // The hashes of tasks with one likeliest answer stay what they were.
    if (task.generation->temperature > 0)
      hasher.field(task.generation->answers)
          .field(task.generation->temperature)
          .field(task.generation->top_k)
          .field(task.generation->top_p);
    if (task.generation->rules) add_rules(*task.generation->rules, hasher);
  }
  return hasher.hex();
}

// `texts` with the member's name at {member}.
std::vector<std::string> of_member(const std::vector<std::string>& texts,
                                   const std::string& member,
                                   const std::string& where) {
  if (member.empty()) return texts;
  std::vector<std::string> filled;
  for (const std::string& text : texts)
    filled.push_back(Prompt::parse(text, where).render({{"member", member}}, where));
  return filled;
}

// A task, or one member of a group.
struct Part {
  std::string name;
  std::string member;     // empty: no group
  std::string id_prefix;  // in front of the items' ids
  bool generates;
};

// The part's wanted items; `ids` grows by the ids of all.
std::vector<Item> load_items(const TaskFile& file,
                             const Part& part,
                             const fs::path& data_folder,
                             const TaskOptions& options,
                             std::set<std::string>& ids) {
  const TaskConfig& config = file.config();
  const auto stems = [&](const char* key, const std::vector<std::string>& texts) {
    return of_member(texts, part.member, file.where(key));
  };
  const auto data = find_task_data(data_folder,
                                   stems("data", config.data),
                                   file.where("data"),
                                   stems("data_parts", config.data_parts),
                                   file.where("data_parts"));
  const HarnessTask* harness = file.harness();
  const bool rolls = harness && harness->rolls;
  Fewshot fewshot(file,
                  rolls ? 0 : options.fewshot.value_or(config.fewshot.number),
                  stems("fewshot.data", config.fewshot.data),
                  data_folder);
  const std::string preamble = stems("preamble", {config.preamble})[0];
  std::vector<Item> items;
  bool is_empty = true;
  const auto is_full = [&] {
    return options.limit > 0 && static_cast<int64_t>(items.size()) >= options.limit;
  };
  const bool are_first_rows = config.keep.empty() && options.items.empty();
  for (const fs::path& path : data) {
    if (is_full()) break;
    const auto rows = read_rows(path, are_first_rows ? options.limit : 0);
    const std::string name = path.filename().string();
    std::string id_prefix = part.id_prefix;
    if (data.size() > 1 && !file.id()) id_prefix += name.substr(0, name.find('.')) + "/";
    for (size_t i = 0; i < rows.size() && !is_full(); ++i) {
      const std::string place = row_place(path, i);
      if (!is_kept(config, rows[i], place)) continue;
      is_empty = false;
      std::string id =
          id_prefix + (file.id() ? file.id()->render(rows[i], place) : std::to_string(i));
      // Drawn for every item, so that an item keeps its examples whatever others are wanted.
      const std::string examples = fewshot.next(rows[i], place);
      ids.insert(id);
      if (!options.items.empty() && !options.items.contains(id)) continue;
      Item item = make_item(file, file.prompts(), rows[i], place);
      item.id = std::move(id);
      const std::string begin =
          harness && harness->description ? harness->description->text(rows[i], place) : preamble;
      if (!rolls)
        for (std::string& context : item.contexts) context.insert(0, begin + examples);
      if (part.generates && file.reference()) {
        item.references = {file.reference()->render(rows[i], place)};
        if (file.program()) item.program = file.program()->render(rows[i], place);
      }
      items.push_back(std::move(item));
    }
  }
  if (is_empty) throw Error("{}: no item for task {}", data[0].string(), part.name);
  return items;
}

TaskGeneration generation_of(const GenerationConfig& config,
                             const TaskOptions& options,
                             const std::string& task) {
  TaskGeneration generation;
  generation.stops = config.stops;
  generation.max_tokens = config.max_tokens;
  generation.judge = config.judge;
  if (config.judge == kFilterJudge)
    generation.rules = std::make_shared<const AnswerRules>(config.rules);
  generation.answers = options.answers.value_or(config.answers);
  generation.temperature = options.temperature.value_or(config.temperature);
  generation.top_k = options.top_k.value_or(config.top_k);
  generation.top_p = options.top_p.value_or(config.top_p);
  if (generation.answers < 1)
    throw Error(
        "task {}: expected at least one answer of each item, found {}", task, generation.answers);
  if (generation.answers > 1 && generation.temperature == 0)
    throw Error(
        "task {}: {} answers of temperature 0 are all the same; name a temperature "
        "(--temperature 0.8)",
        task,
        generation.answers);
  return generation;
}

// The metrics that the number of answers allows and, where it is not the task's own, asks for.
void fit_to_answers(Task& task, const TaskOptions& options) {
  const int64_t answers = task.generation->answers;
  const auto is_beyond = [&](const std::string& metric) {
    const auto k = pass_k(metric);
    return k && *k > answers;
  };
  if (is_beyond(task.primary_metric))
    throw Error("task {}: its primary metric {} needs more than {} answers of each item",
                task.name,
                task.primary_metric,
                answers);
  std::erase_if(task.metrics, is_beyond);
  if (!options.answers || answers == 1) return;
  for (int64_t k = 1; k <= answers; k *= 10) {
    const std::string metric = fmt::format("pass@{}", k);
    if (std::find(task.metrics.begin(), task.metrics.end(), metric) == task.metrics.end())
      task.metrics.push_back(metric);
  }
}

// A task's file, and the member of it that is meant: a group's tasks can be named one by one.
struct Found {
  fs::path path;
  std::string member;
};

Found find_task(const std::string& name, const fs::path& folder) {
  const auto known = task_names(folder);
  if (std::find(known.begin(), known.end(), name) != known.end())
    return {folder / (name + ".yaml"), ""};
  for (const std::string& group : known) {
    if (!name.starts_with(group + "_")) continue;
    const fs::path path = folder / (group + ".yaml");
    const std::string member = name.substr(group.size() + 1);
    const TaskFile file(path);
    const auto& members = file.config().members;
    if (std::find(members.begin(), members.end(), member) != members.end()) return {path, member};
    if (members.empty()) continue;
    const std::string_view near = nearest(member, members);
    throw Error("no task '{}': {} has no member '{}'; there are: {}{}",
                name,
                file.where("members"),
                member,
                fmt::join(members, ", "),
                near.empty() ? "" : fmt::format("; did you mean '{}_{}'?", group, near));
  }
  const std::string_view near = nearest(name, known);
  throw Error("no task '{}' in {}; there are: {}{}",
              name,
              folder.string(),
              fmt::join(known, ", "),
              near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

}  // namespace

Task load_task(const std::string& name,
               const fs::path& tasks_folder,
               const fs::path& data_folder,
               const TaskOptions& options) {
  const Found found = find_task(name, tasks_folder);
  const TaskFile file(found.path);
  const TaskConfig& config = file.config();
  Task task;
  task.name = name;
  task.domain = config.domain;
  task.primary_metric = config.primary_metric;
  task.metrics = config.metrics;
  task.rolls = file.harness() && file.harness()->rolls;
  const bool generates = !config.generation.judge.empty() &&
                         (options.generate || needs_generation(config.primary_metric));
  if (generates) {
    task.generation = generation_of(config.generation, options, name);
    fit_to_answers(task, options);
  } else {
    std::erase_if(task.metrics, [](const std::string& name) { return needs_generation(name); });
  }
  std::set<std::string> ids;
  if (config.members.empty() || !found.member.empty()) {
    task.items = load_items(file, {name, found.member, "", generates}, data_folder, options, ids);
  } else {
    task.members_count_equally = config.average == "members";
    for (const std::string& member : config.members) {
      const Part part{name + "_" + member, member, member + "/", generates};
      auto items = load_items(file, part, data_folder, options, ids);
      if (items.empty()) continue;
      task.members.push_back({part.name, static_cast<int64_t>(items.size())});
      std::move(items.begin(), items.end(), std::back_inserter(task.items));
    }
  }
  for (const auto& [id, where] : options.items) {
    if (ids.contains(id)) continue;
    const std::string_view near = nearest(id, ids);
    throw Error("{}: task {} has no item '{}'{}",
                where,
                name,
                id,
                near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
  }
  task.hash = hash_of(task);
  return task;
}

std::vector<std::string> task_names(const fs::path& tasks_folder) {
  if (!fs::is_directory(tasks_folder))
    throw Error("{}: no such folder of tasks", tasks_folder.string());
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(tasks_folder))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::filesystem::path default_tasks_folder() {
  std::error_code unreadable;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", unreadable);
  const std::filesystem::path beside = program.parent_path().parent_path() / "tasks";
  const std::filesystem::path source = std::filesystem::path(DEMIX_SOURCE_DIR) / "tasks";
  for (const std::filesystem::path& folder : {beside, source}) {
    if (!unreadable && std::filesystem::exists(folder / "arc_easy.yaml")) return folder;
  }
  throw Error(
      "no benchmarks found in {} or {}; name their folder (--tasks-dir, evaluate.tasks_folder)",
      beside.string(),
      source.string());
}

}  // namespace demix
