#include "demix/evaluate/harness_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <sstream>

#include "demix/core/config.h"
#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/evaluate/harness_generation.h"
#include "demix/evaluate/metrics.h"
#include "demix/evaluate/python_value.h"
#include "demix/evaluate/task_file.h"
#include "demix/evaluate/text.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 22> kRead{
    "task",           "include",          "dataset_path",     "dataset_name",
    "training_split", "validation_split", "test_split",       "fewshot_split",
    "output_type",    "doc_to_text",      "doc_to_target",    "doc_to_choice",
    "description",    "gen_prefix",       "target_delimiter", "fewshot_delimiter",
    "num_fewshot",    "fewshot_config",   "metric_list",      "generation_kwargs",
    "filter_list",    "repeats"};
constexpr std::array<std::string_view, 6> kPassedOver{"tag",
                                                      "task_alias",
                                                      "dataset_kwargs",
                                                      "metadata",
                                                      "should_decontaminate",
                                                      "doc_to_decontamination_query"};
constexpr int kMaxFiles = 10;
constexpr size_t kShown = 100;                   // bytes of a file's text in a message
constexpr std::string_view kEndMark = "\uF8D0";  // of a private area: no text has it

template <typename Range>
bool contains(const Range& range, std::string_view word) {
  return std::find(range.begin(), range.end(), word) != range.end();
}

[[noreturn]] void refuse_key(const ConfigNode& node, std::string_view key) {
  std::string_view near;
  for (const auto& known : {std::span<const std::string_view>(kRead), {kPassedOver}})
    for (const std::string_view word : known)
      if (edit_distance(key, word) <= 2) near = word;
  throw Error(
      "{}: '{}' of lm-evaluation-harness is not read here; {}write a task file of demix instead "
      "(docs/adding.md)",
      node.where(),
      printable(key, kShown),
      near.empty() ? "" : fmt::format("did you mean '{}'? Otherwise ", near));
}

// Of a text in quotes that ends in empty lines yaml-cpp keeps one line break, where YAML has one
// for each. Behind a mark they are not at its end; harness_text() takes it away.
ConfigNode parse_harness_file(const fs::path& path) {
  std::error_code unreadable;
  if (!fs::is_regular_file(path, unreadable)) return ConfigNode::parse_file(path);
  std::istringstream lines(read_file(path));
  std::string text, line;
  for (int empty = 0; std::getline(lines, line);) {
    const std::string_view content = strip(line);
    if ((content == "'" || content == "\"") && empty > 1) line.insert(line.find(content), kEndMark);
    empty = content.empty() ? empty + 1 : 0;
    text += line + "\n";
  }
  return ConfigNode::parse(text, path.string());
}

// A file's keys, and behind them those of the files that it includes.
class Document {
 public:
  explicit Document(const fs::path& path) { add(parse_harness_file(path)); }

  std::optional<ConfigNode> find(std::string_view key) const {
    for (const ConfigNode& file : files_)
      if (const auto node = file.find(key)) {
        if (node->is_null()) return std::nullopt;
        return node;
      }
    return std::nullopt;
  }
  std::string where(std::string_view key) const {
    const auto node = find(key);
    return node ? node->where() : fmt::format("{}: {}", files_.front().where(), key);
  }
  std::string text(std::string_view key, const std::string& otherwise = "") const {
    const auto node = find(key);
    return node ? harness_text(*node) : otherwise;
  }

 private:
  // The last file that is included counts before the others.
  void add(const ConfigNode& node) {
    files_.push_back(node);
    if (files_.size() > kMaxFiles) throw Error("{}: includes more than ten files", node.where());
    if (node.find("group") && node.find("task") && node.find("task")->is_sequence())
      throw Error(
          "{}: group files of lm-evaluation-harness are not read; name its tasks, or write a task "
          "file of demix with 'members' (docs/adding.md)",
          node.find("group")->where());
    for (const std::string& key : node.keys())
      if (!contains(kRead, key) && !contains(kPassedOver, key) && !node.find(key)->is_null())
        refuse_key(*node.find(key), key);
    const auto include = node.find("include");
    if (!include || include->is_null()) return;
    auto names = include->is_sequence() ? include->items() : std::vector{*include};
    std::reverse(names.begin(), names.end());
    for (const ConfigNode& name : names)
      add(parse_harness_file(node.folder() / harness_text(name)));
  }

  std::vector<ConfigNode> files_;
};

// "sciq_test", "sciq", and where the data set's own folders may lie.
std::vector<std::string> stems(const Document& document, const std::string& split) {
  const std::string task = document.text("task"), path = document.text("dataset_path");
  std::string folder = path.substr(path.rfind('/') + 1);
  if (const std::string name = document.text("dataset_name"); !name.empty()) folder += "/" + name;
  return {task + "_" + split, task, folder + "/" + split + "-00000-of-00001"};
}

HarnessText template_of(const ConfigNode& node) {
  return HarnessText(harness_text(node), node.where());
}

HarnessChoices choices_of(const ConfigNode& node) {
  HarnessChoices choices;
  choices.where = node.where();
  if (node.is_sequence()) {
    for (const ConfigNode& item : node.items()) choices.listed.push_back(harness_text(item));
  } else if (node.is_map()) {
    for (const auto& [unused, choice] : node.entries())
      choices.listed.push_back(harness_text(choice));
  } else {
    choices.computed = template_of(node);
  }
  return choices;
}

void read_target(const ConfigNode& node, HarnessPrompts& prompts) {
  prompts.fixed_target.reset();
  prompts.target.emplace(node.is_scalar() ? harness_text(node) : "", node.where());
  const Json value = node.is_scalar() && node.tag() == "!function" ? Json("") : harness_value(node);
  if (value.is_number() || value.is_array())
    prompts.fixed_target = std::make_shared<const Json>(value);
}

void read_prompts(const Document& document, HarnessTask& task) {
  HarnessPrompts& prompts = task.prompts;
  const auto text = document.find("doc_to_text"), target = document.find("doc_to_target");
  prompts.text.emplace(text ? harness_text(*text) : "", document.where("doc_to_text"));
  if (!target || (target->is_scalar() && harness_text(*target).empty()))
    throw Error("{}: expected a value", document.where("doc_to_target"));
  read_target(*target, prompts);
  if (const auto choices = document.find("doc_to_choice")) prompts.choices = choices_of(*choices);
  if (const auto prefix = document.find("gen_prefix"))
    prompts.generated_prefix = template_of(*prefix);
  if (const auto description = document.find("description"))
    task.description = template_of(*description);
  prompts.target_delimiter = document.text("target_delimiter", " ");
  prompts.example_delimiter = document.text("fewshot_delimiter", prompts.example_delimiter);
  task.example_prompts = prompts;
}

void read_fewshot(const Document& document, HarnessTask& task, TaskConfig& config) {
  FewshotConfig& fewshot = config.fewshot;
  HarnessPrompts& prompts = task.example_prompts;
  std::string own = document.text("fewshot_split");
  if (const auto given = document.find("fewshot_config"))
    for (const std::string& key : given->keys()) {
      const ConfigNode node = *given->find(key);
      if (node.is_null()) continue;
      if (key == "sampler") {
        const std::string sampler = harness_text(node);
        if (sampler != "default" && sampler != "first_n")
          throw Error("{}: expected default or first_n, found '{}'",
                      node.where(),
                      printable(sampler, kShown));
        fewshot.sampler = sampler == "default" ? "random" : sampler;
      } else if (key == "split") {
        own = harness_text(node);
      } else if (key == "samples") {
        if (node.is_scalar()) harness_text(node);
        fewshot.examples = node;
      } else if (key == "fewshot_delimiter") {
        prompts.example_delimiter = harness_text(node);
      } else if (key == "target_delimiter") {
        prompts.target_delimiter = harness_text(node);
      } else if (key == "doc_to_text") {
        prompts.text = template_of(node);
      } else if (key == "doc_to_target") {
        read_target(node, prompts);
      } else if (key == "doc_to_choice") {
        prompts.choices = choices_of(node);
      } else if (key == "gen_prefix") {
        prompts.generated_prefix = template_of(node);
      } else {
        refuse_key(node, key);
      }
    }
  const std::string test = document.text("test_split");
  if (!own.empty()) fewshot.examples.reset();  // the split takes precedence
  if (fewshot.examples) {
    for (const ConfigNode& row : fewshot.examples->items())
      task.examples.push_back(harness_value(row));
  } else {
    std::string split = own;
    for (const char* key : {"training_split", "validation_split", "test_split"})
      if (split.empty()) split = document.text(key);
    fewshot.data = stems(document, split);
    const bool is_tested = split == (test.empty() ? document.text("validation_split") : test);
    if (!is_tested) std::erase(fewshot.data, document.text("task"));
  }
  fewshot.leave_out_item = own == test;
  if (const auto number = document.find("num_fewshot")) {
    fewshot.number = number->as_int();
    task.keeps_no_examples = fewshot.number == 0;
  }
}

// What the harness aggregates a metric with unless told otherwise.
std::string_view aggregation_of(std::string_view metric) {
  if (metric == "word_perplexity" || metric == "byte_perplexity") return "weighted_perplexity";
  return metric == "perplexity" || metric == "bits_per_byte" ? metric : "mean";
}

// Those of a file that names none.
std::vector<std::string> default_metrics(const std::string& kind) {
  if (kind == "multiple_choice") return {"acc", "acc_norm"};
  if (kind == "loglikelihood") return {"perplexity", "acc"};
  if (kind == "loglikelihood_rolling")
    return {"word_perplexity", "byte_perplexity", "bits_per_byte"};
  return {};
}

// Those that are computed here under the harness's names.
std::vector<std::string> known_metrics(const std::string& kind) {
  if (kind == "multiple_choice") return {"acc", "acc_norm", "acc_bytes"};
  if (kind == "generate_until") return {"exact_match"};
  return default_metrics(kind);
}

// What generated answers are compared by is read elsewhere (harness_generation.h).
void read_metrics(const Document& document, const std::string& kind, TaskConfig& config) {
  const bool chooses = kind == "multiple_choice";
  const auto add = [&](const std::string& metric) {
    if (!contains(config.metrics, metric)) config.metrics.push_back(metric);
  };
  const auto list = document.find("metric_list");
  if (!list)
    for (const std::string& metric : default_metrics(kind)) add(metric);
  for (const ConfigNode& entry : list ? list->items() : std::vector<ConfigNode>()) {
    const auto node = entry.find("metric");
    if (!node) throw Error("{}: expected 'metric'", entry.where());
    const std::string metric = harness_text(*node);
    const auto known = known_metrics(kind);
    if (!contains(known, metric))
      throw Error("{}: the metric '{}' is not computed here; expected {}",
                  node->where(),
                  printable(metric, kShown),
                  fmt::join(known, " or "));
    if (const auto aggregation = entry.find("aggregation")) {
      const std::string name = harness_text(*aggregation);
      const std::string_view own = aggregation_of(metric);
      if (name != own && !(name == "nanmean" && own == "mean"))
        throw Error("{}: the aggregation '{}' of {} is not computed here; expected {}",
                    aggregation->where(),
                    printable(name, kShown),
                    metric,
                    own);
    }
    if (kind != "generate_until") add(metric);
  }
  if (chooses) add("choice_prob");
  add("bpb");
}

void check_splits(const Document& document) {
  for (const char* key : {"task", "dataset_path"})
    if (document.text(key).empty()) throw Error("{}: expected a value", document.where(key));
  if (document.text("test_split").empty() && document.text("validation_split").empty())
    throw Error("{}: expected test_split or validation_split", document.where("test_split"));
}

}  // namespace

std::string harness_text(const ConfigNode& node) {
  if (node.tag() == "!function")
    throw Error(
        "{}: the Python function {} cannot be run here; write a task file of demix instead "
        "(docs/adding.md)",
        node.where(),
        printable(node.as_string(), kShown));
  std::string text = node.as_string();
  if (text.ends_with(kEndMark)) text.resize(text.size() - kEndMark.size());
  if (text.find(kEndMark) != std::string::npos)
    throw Error("{}: a line with a quote alone behind empty lines is not read here", node.where());
  return text;
}

Json harness_value(const ConfigNode& node) {
  if (node.is_map()) {
    Json object = Json::object();
    for (const auto& [key, value] : node.entries()) object[key] = harness_value(value);
    return object;
  }
  if (node.is_sequence()) {
    Json list = Json::array();
    for (const ConfigNode& item : node.items()) list.push_back(harness_value(item));
    return list;
  }
  if (node.is_null()) return nullptr;
  std::string text = harness_text(node);
  if (node.tag() == "!") return text;
  for (const std::string_view word :
       {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
    if (text == word) return true;
  for (const std::string_view word :
       {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
    if (text == word) return false;
  const bool may_be_number = !text.empty() &&
                             text.find_first_not_of("0123456789+-._eE:") == std::string::npos &&
                             text.find_first_of("0123456789") != std::string::npos;
  if (!may_be_number) return text;
  const size_t sign = text[0] == '-' || text[0] == '+' ? 1 : 0;
  const bool is_octal = text.size() > sign + 1 && text[sign] == '0' &&
                        are_digits(std::string_view(text).substr(sign));
  const bool is_date_or_time =
      text.find(':') != std::string::npos ||
      (text.size() > 7 && text[4] == '-' && are_digits(std::string_view(text).substr(0, 4)));
  if (is_octal || is_date_or_time || text.find('_') != std::string::npos)
    throw Error("{}: '{}' without quotes is no text to YAML; write it in quotes",
                node.where(),
                printable(text, kShown));
  const bool is_real = text.find('.') != std::string::npos;
  if (const auto number = python_literal(text); number && (number->is_number_integer() || is_real))
    return *number;
  return text;
}

bool is_harness_task(const ConfigNode& node) {
  return node.is_map() && (node.find("dataset_path") || node.find("doc_to_text") ||
                           (node.find("task") && (node.find("include") || node.find("group"))));
}

HarnessTask read_harness_task(const fs::path& path, TaskConfig& config) {
  const Document document(path);
  HarnessTask task;
  config.domain = "general";
  const std::string kind = document.text("output_type", "generate_until");
  if (!contains(
          std::array{"multiple_choice", "loglikelihood", "loglikelihood_rolling", "generate_until"},
          kind))
    throw Error(
        "{}: expected multiple_choice, loglikelihood, loglikelihood_rolling or generate_until, "
        "found '{}'; write a task file of demix instead (docs/adding.md)",
        document.where("output_type"),
        printable(kind, kShown));
  check_splits(document);
  std::string split = document.text("test_split");
  if (split.empty()) split = document.text("validation_split");
  config.data = stems(document, split);
  if (const auto repeats = document.find("repeats"); repeats && repeats->as_int() != 1)
    throw Error("{}: expected 1, found {}; several answers are drawn with --answers",
                repeats->where(),
                repeats->as_int());
  read_prompts(document, task);
  config.delimiter = task.prompts.target_delimiter;
  const bool chooses = kind == "multiple_choice";
  if (chooses && !task.prompts.choices)
    throw Error("{}: expected the choices", document.where("doc_to_choice"));
  task.rolls = kind == "loglikelihood_rolling";
  if (kind == "loglikelihood" && task.prompts.choices)
    throw Error(
        "{}: output_type: loglikelihood scores the target alone, and a number would not stand for "
        "one of the choices; leave them out, or write output_type: multiple_choice",
        document.where("doc_to_choice"));
  if (kind == "loglikelihood" || task.rolls) {
    // The harness scores such an answer right behind its context; a rolled text has none.
    config.delimiter = "";
    task.prompts.choices.reset();
  }
  read_fewshot(document, task, config);
  read_metrics(document, kind, config);
  task.generates = kind == "generate_until";
  if (task.generates)
    read_harness_generation({.kwargs = document.find("generation_kwargs"),
                             .filters = document.find("filter_list"),
                             .metrics = document.find("metric_list"),
                             .fewshot_delimiter = task.prompts.example_delimiter},
                            config);
  const bool are_fields = !chooses || (task.prompts.choices->computed &&
                                       !task.prompts.choices->computed->is_constant());
  config.primary_metric = are_fields ? "bpb" : "choice_prob";
  task.places = {{"data", document.where("dataset_path")},
                 {"preamble", document.where("description")},
                 {"context", document.where("doc_to_text")},
                 {"choices", document.where("doc_to_choice")},
                 {"answer", document.where("doc_to_target")},
                 {"gold", document.where("doc_to_target")},
                 {"delimiter", document.where("target_delimiter")},
                 {"fewshot", document.where("fewshot_config")},
                 {"fewshot.data", document.where("fewshot_split")},
                 {"fewshot.examples", document.where("fewshot_config")},
                 {"fewshot.number", document.where("num_fewshot")},
                 {"generation.max_tokens", document.where("generation_kwargs")},
                 {"generation.temperature", document.where("generation_kwargs")},
                 {"generation.top_k", document.where("generation_kwargs")},
                 {"generation.top_p", document.where("generation_kwargs")},
                 {"filters", document.where("filter_list")},
                 {"metrics", document.where("metric_list")},
                 {"primary_metric", document.where("metric_list")}};
  return task;
}

}  // namespace demix
