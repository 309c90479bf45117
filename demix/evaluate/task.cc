#include "demix/evaluate/task.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "demix/core/config.h"
#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/corpus/rows.h"
#include "demix/evaluate/metrics.h"
#include "demix/evaluate/prompt.h"
#include "demix/evaluate/text.h"

namespace demix {

// The YAML's fields. Three kinds of task:
//   one context, choices, gold         multiple choice
//   several contexts, answer, gold     partial sentences: which context makes the common answer
//   likeliest one context, answer                bits per byte of the gold answer
struct TaskConfig {
  std::string description;              // for people
  std::string domain;                   // the group whose average the search sees, such as "math"
  std::vector<std::string> data;        // stems of the data file; the first that is there is read
  std::vector<std::string> data_parts;  // where there is none of them: all of these together
  std::map<std::string, std::vector<int64_t>>
      keep;        // field: [smallest, largest]; other rows are left out
  std::string id;  // prompt; empty: the row's number from 0
  std::vector<std::string> context;
  std::vector<std::string> choices;  // prompts, or one field that is a list
  std::string answer;
  std::string gold;                 // prompt: number of the right choice from 0, or one of `labels`
  std::vector<std::string> labels;  // prompts or one list field
  std::string delimiter = " ";      // between context and continuation
  std::vector<std::string> context_transforms, choice_transforms;  // of the whole rendered text
  std::vector<std::string> metrics;
  std::string primary_metric;  // what a search optimises unless told otherwise
  template <class V>
  void visit(V& v) {
    v("description", description);
    v("domain", domain);
    v("data", data);
    v("data_parts", data_parts);
    v("keep", keep);
    v("id", id);
    v("context", context);
    v("choices", choices);
    v("answer", answer);
    v("gold", gold);
    v("labels", labels);
    v("delimiter", delimiter);
    v("context_transforms", context_transforms);
    v("choice_transforms", choice_transforms);
    v("metrics", metrics);
    v("primary_metric", primary_metric);
  }
};

namespace {

namespace fs = std::filesystem;

// The task's texts, ready to be filled in.
struct Prompts {
  std::vector<Prompt> id, contexts, choices, answer, gold, labels;
  std::vector<Transform> context_transforms, choice_transforms;
};

class TaskFile {
 public:
  explicit TaskFile(const fs::path& path)
      : node_(ConfigNode::parse_file(path)), config_(read_config<TaskConfig>(node_)) {
    check_kind();
    check_metrics();
    const std::vector<std::string> kNothing;
    const auto one = [](const std::string& text) {
      return text.empty() ? std::vector<std::string>() : std::vector{text};
    };
    prompts_.id = parse("id", one(config_.id));
    prompts_.contexts = parse("context", config_.context);
    prompts_.choices = parse("choices", config_.choices);
    prompts_.answer = parse("answer", one(config_.answer));
    prompts_.gold = parse("gold", one(config_.gold));
    prompts_.labels = parse("labels", config_.labels);
    for (const std::string& text : config_.context_transforms)
      prompts_.context_transforms.push_back(Transform::parse(text, where("context_transforms")));
    for (const std::string& text : config_.choice_transforms)
      prompts_.choice_transforms.push_back(Transform::parse(text, where("choice_transforms")));
    for (const auto& [field, range] : config_.keep)
      if (range.size() != 2 || range[0] > range[1])
        throw Error("{}: expected '{}: [smallest, largest]'", where("keep"), field);
  }

  const TaskConfig& config() const { return config_; }
  const Prompts& prompts() const { return prompts_; }

  // "tasks/a.yaml:3: context"; the whole file where the key is absent.
  std::string where(std::string_view key) const {
    const auto node = node_.find(key);
    return node ? node->where() : fmt::format("{}: {}", node_.where(), key);
  }

 private:
  std::vector<Prompt> parse(std::string_view key, const std::vector<std::string>& texts) const {
    std::vector<Prompt> prompts;
    for (const std::string& text : texts) prompts.push_back(Prompt::parse(text, where(key)));
    return prompts;
  }

  void check_kind() const {
    if (config_.domain.empty())
      throw Error("{}: expected a domain, such as general, code or math", where("domain"));
    if (config_.data.empty())
      throw Error("{}: expected the stems of the task's data file", where("data"));
    if (config_.context.empty()) throw Error("{}: expected a prompt", where("context"));
    const bool partial = config_.context.size() > 1;
    if (config_.choices.empty() == config_.answer.empty())
      throw Error("{}: expected either 'choices' or 'answer'", where("choices"));
    if (partial && config_.answer.empty())
      throw Error("{}: several contexts need one common 'answer'", where("context"));
    const bool chooses = partial || !config_.choices.empty();
    if (chooses && config_.gold.empty())
      throw Error("{}: expected the right choice", where("gold"));
    if (!chooses && !config_.gold.empty())
      throw Error("{}: there is nothing to choose from; leave it out", where("gold"));
    if (config_.gold.empty() && !config_.labels.empty())
      throw Error("{}: labels without 'gold'", where("labels"));
  }

  void check_metrics() const {
    if (config_.metrics.empty())
      throw Error("{}: expected some of {}", where("metrics"), fmt::join(known_metrics(), ", "));
    for (const std::string& metric : config_.metrics) {
      const auto names = known_metrics();
      if (std::find(names.begin(), names.end(), metric) == names.end()) {
        const std::string_view near = nearest(metric, names);
        throw Error("{}: unknown metric '{}'; known are {}{}",
                    where("metrics"),
                    metric,
                    fmt::join(names, ", "),
                    near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
      }
      if (needs_choices(metric) && config_.gold.empty())
        throw Error("{}: {} compares choices, and this task has none", where("metrics"), metric);
    }
    if (std::find(config_.metrics.begin(), config_.metrics.end(), config_.primary_metric) ==
        config_.metrics.end())
      throw Error("{}: expected one of this task's metrics ({}), found '{}'",
                  where("primary_metric"),
                  fmt::join(config_.metrics, ", "),
                  config_.primary_metric);
  }

  ConfigNode node_;
  TaskConfig config_;
  Prompts prompts_;
};

// The file of this stem, or an empty path.
fs::path find_data_file(const fs::path& folder, const std::string& stem) {
  fs::path found;
  for (const char* extension : {".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet", ".arrow"}) {
    const fs::path path = folder / (stem + extension);
    if (!fs::exists(path)) continue;
    if (!found.empty())
      throw Error("{}: both {} and {} are there; keep one",
                  folder.string(),
                  found.filename().string(),
                  path.filename().string());
    found = path;
  }
  return found;
}

// The task's data files in reading order.
std::vector<fs::path> find_data(const TaskFile& task, const fs::path& folder) {
  if (!fs::is_directory(folder))
    throw Error("{}: no such folder of benchmark data", folder.string());
  for (const std::string& stem : task.config().data)
    if (const fs::path path = find_data_file(folder, stem); !path.empty()) return {path};
  std::vector<fs::path> parts;
  for (const std::string& stem : task.config().data_parts) {
    parts.push_back(find_data_file(folder, stem));
    if (parts.back().empty() && parts.size() > 1)
      throw Error("{}: {} is there, but not {}; {} needs all of {}",
                  folder.string(),
                  task.config().data_parts.front(),
                  stem,
                  task.where("data_parts"),
                  fmt::join(task.config().data_parts, ", "));
    if (parts.back().empty()) break;
  }
  if (!parts.empty() && !parts.back().empty()) return parts;
  throw Error(
      "{}: found no data file for {}: expected {} with .jsonl, .jsonl.gz, .jsonl.zst, .parquet or "
      ".arrow",
      folder.string(),
      task.where("data"),
      fmt::join(task.config().data, " or "));
}

bool is_kept(const TaskConfig& config, const Json& row, const std::string& place) {
  for (const auto& [field, range] : config.keep) {
    if (!row.is_object() || !row.contains(field) || !row[field].is_number_integer())
      throw Error("{}: expected a whole number in field '{}'", place, field);
    const auto value = row[field].get<int64_t>();
    if (value < range[0] || value > range[1]) return false;
  }
  return true;
}

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
int find_gold(const TaskFile& task, const Json& row, size_t choices, const std::string& place) {
  const std::string gold = task.prompts().gold[0].render(row, place);
  const auto labels = render_all(task.prompts().labels, row, place);
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

Item make_item(const TaskFile& task, const Json& row, const std::string& place) {
  const TaskConfig& config = task.config();
  const Prompts& prompts = task.prompts();
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
  if (answers.size() < 2 && chooses)
    throw Error("{}: expected at least two choices ({}), found {}",
                place,
                task.where("choices"),
                answers.size());
  for (std::string& answer : answers) {
    answer = transformed(std::move(answer), prompts.choice_transforms, place);
    if (strip(answer).empty())
      throw Error("{}: {} gives an empty text", place, task.where(chooses ? "choices" : "answer"));
    item.chars.push_back(count_characters(answer));
    item.bytes.push_back(static_cast<int64_t>(answer.size()));
    item.continuations.push_back(config.delimiter + answer);
  }
  if (chooses || partial) item.gold = find_gold(task, row, answers.size(), place);
  return item;
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
  return hasher.hex();
}

}  // namespace

Task load_task(const std::string& name,
               const fs::path& tasks_folder,
               const fs::path& data_folder,
               int64_t limit) {
  const fs::path path = tasks_folder / (name + ".yaml");
  if (name.find('/') != std::string::npos || !fs::exists(path)) {
    const auto known = task_names(tasks_folder);
    const std::string_view near = nearest(name, known);
    throw Error("no task '{}' in {}; there are: {}{}",
                name,
                tasks_folder.string(),
                fmt::join(known, ", "),
                near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
  }
  const TaskFile file(path);
  Task task;
  task.name = name;
  task.domain = file.config().domain;
  task.primary_metric = file.config().primary_metric;
  task.metrics = file.config().metrics;
  const auto data = find_data(file, data_folder);
  const auto is_full = [&] {
    return limit > 0 && static_cast<int64_t>(task.items.size()) >= limit;
  };
  for (const fs::path& part : data) {
    if (is_full()) break;
    const auto rows = read_rows(part, file.config().keep.empty() ? limit : 0);
    for (size_t i = 0; i < rows.size() && !is_full(); ++i) {
      const std::string place = row_place(part, i);
      if (!is_kept(file.config(), rows[i], place)) continue;
      Item item = make_item(file, rows[i], place);
      if (!file.prompts().id.empty()) {
        item.id = file.prompts().id[0].render(rows[i], place);
      } else {
        item.id = data.size() == 1 ? std::to_string(i)
                                   : fmt::format("{}/{}",
                                                 part.filename().string().substr(
                                                     0, part.filename().string().find('.')),
                                                 i);
      }
      task.items.push_back(std::move(item));
    }
  }
  if (task.items.empty()) throw Error("{}: no item for task {}", data[0].string(), name);
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
