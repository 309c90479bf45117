#include "demix/evaluate/harness_file.h"

#include <algorithm>
#include <array>
#include <optional>

#include "demix/core/error.h"
#include "demix/evaluate/jinja.h"

namespace demix {
namespace {

constexpr std::array<std::string_view, 18> kRead{"task",
                                                 "include",
                                                 "dataset_path",
                                                 "dataset_name",
                                                 "training_split",
                                                 "validation_split",
                                                 "test_split",
                                                 "fewshot_split",
                                                 "output_type",
                                                 "doc_to_text",
                                                 "doc_to_target",
                                                 "doc_to_choice",
                                                 "description",
                                                 "target_delimiter",
                                                 "fewshot_delimiter",
                                                 "num_fewshot",
                                                 "fewshot_config",
                                                 "metric_list"};
constexpr std::array<std::string_view, 6> kPassedOver{"tag",
                                                      "task_alias",
                                                      "dataset_kwargs",
                                                      "metadata",
                                                      "should_decontaminate",
                                                      "doc_to_decontamination_query"};

template <typename Range>
bool contains(const Range& range, std::string_view word) {
  return std::find(range.begin(), range.end(), word) != range.end();
}

// A file's keys, and behind them those of the file that it includes.
class Document {
 public:
  explicit Document(const ConfigNode& node) {
    for (std::optional<ConfigNode> next = node; next;) {
      files_.push_back(*next);
      if (files_.size() > 10) throw Error("{}: includes more than ten files", node.where());
      for (const std::string& key : next->keys())
        if (!contains(kRead, key) && !contains(kPassedOver, key))
          throw Error(
              "{}: '{}' of lm-evaluation-harness is not read here; write a task file of demix "
              "instead (docs/adding.md)",
              next->find(key)->where(),
              key);
      const auto include = next->find("include");
      next = include ? std::optional(ConfigNode::parse_file(next->folder() / include->as_string()))
                     : std::nullopt;
    }
  }

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
    return node ? text_of(*node) : otherwise;
  }
  static std::string text_of(const ConfigNode& node) {
    if (node.tag() == "!function")
      throw Error(
          "{}: the Python function {} cannot be run here; write a task file of demix instead "
          "(docs/adding.md)",
          node.where(),
          node.as_string());
    return node.as_string();
  }

 private:
  std::vector<ConfigNode> files_;
};

// A text that is a field's name alone, or a template.
std::string prompt_of(const std::string& text, const std::string& where) {
  return is_jinja_name(text) ? "{" + text + "}" : prompt_of_jinja(text, where);
}

// "sciq_test", "sciq", and where the data set's own folders may lie.
std::vector<std::string> stems(const Document& document, const std::string& split) {
  const std::string task = document.text("task"), path = document.text("dataset_path");
  std::string folder = path.substr(path.rfind('/') + 1);
  if (const std::string name = document.text("dataset_name"); !name.empty()) folder += "/" + name;
  return {task + "_" + split, task, folder + "/" + split + "-00000-of-00001"};
}

void read_choices(const Document& document, TaskConfig& config) {
  const auto node = document.find("doc_to_choice");
  if (!node) throw Error("{}: expected the choices", document.where("doc_to_choice"));
  if (node->is_sequence()) {
    for (const ConfigNode& item : node->items())
      config.choices.push_back(prompt_of_jinja(Document::text_of(item), item.where()));
  } else {
    const std::string text = Document::text_of(*node);
    const auto list = list_of_jinja(text, node->where());
    config.choices = list ? *list : std::vector{prompt_of(text, node->where())};
  }
}

void read_target(const Document& document, TaskConfig& config) {
  const std::string text = document.text("doc_to_target"), where = document.where("doc_to_target");
  if (const auto index = index_of_jinja(text, where)) {
    config.labels = {index->list};
    config.gold = index->value;
    return;
  }
  config.gold = prompt_of(text, where);
  config.gold_kind = is_jinja_name(text) ? TaskConfig::Gold::kField : TaskConfig::Gold::kTemplate;
}

void read_fewshot(const Document& document, TaskConfig& config) {
  FewshotConfig& fewshot = config.fewshot;
  fewshot.delimiter = document.text("fewshot_delimiter", fewshot.delimiter);
  fewshot.target_delimiter = document.text("target_delimiter", " ");
  const auto given = document.find("fewshot_config");
  if (given) {
    for (const std::string& key : given->keys()) {
      const ConfigNode node = *given->find(key);
      if (key == "sampler") {
        const std::string sampler = Document::text_of(node);
        if (sampler != "default" && sampler != "first_n")
          throw Error("{}: expected default or first_n, found '{}'", node.where(), sampler);
        fewshot.sampler = sampler == "default" ? "random" : sampler;
      } else if (key == "samples") {
        if (node.is_scalar()) Document::text_of(node);
        fewshot.examples = node;
      } else if (key == "fewshot_delimiter") {
        fewshot.delimiter = Document::text_of(node);
      } else if (key == "target_delimiter") {
        fewshot.target_delimiter = Document::text_of(node);
      } else {
        throw Error(
            "{}: '{}' of lm-evaluation-harness is not read here; write a task file of demix "
            "instead (docs/adding.md)",
            node.where(),
            key);
      }
    }
  }
  const std::string own = document.text("fewshot_split"), test = document.text("test_split");
  if (!own.empty()) fewshot.examples.reset();  // the split takes precedence
  if (!fewshot.examples) {
    std::string split = own;
    for (const char* key : {"training_split", "validation_split", "test_split"})
      if (split.empty()) split = document.text(key);
    fewshot.data = stems(document, split);
    const bool is_tested = split == (test.empty() ? document.text("validation_split") : test);
    if (!is_tested) std::erase(fewshot.data, document.text("task"));
  }
  fewshot.leave_out_item = own == test;
  if (const auto number = document.find("num_fewshot")) fewshot.number = number->as_int();
}

void read_metrics(const Document& document, TaskConfig& config, bool chooses) {
  const auto list = document.find("metric_list");
  if (list)
    for (const ConfigNode& entry : list->items()) {
      const auto node = entry.find("metric");
      if (!node) throw Error("{}: expected 'metric'", entry.where());
      const std::string metric = Document::text_of(*node);
      // Of a gold answer the harness's acc is greedy decoding, which needs more than likelihoods.
      if (metric == "acc" && !chooses) continue;
      config.metrics.push_back(metric);
    }
  const auto add = [&](const std::string& metric) {
    if (!contains(config.metrics, metric)) config.metrics.push_back(metric);
  };
  if (chooses) add("choice_prob");
  add("bpb");
  const bool are_fields =
      config.choices.empty() || config.choices[0].find('{') != std::string::npos;
  config.primary_metric = are_fields ? "bpb" : "choice_prob";
}

}  // namespace

bool is_harness_task(const ConfigNode& node) {
  return node.is_map() && (node.find("dataset_path") || node.find("doc_to_text") ||
                           (node.find("include") && node.find("task")));
}

HarnessTask read_harness_task(const ConfigNode& node) {
  const Document document(node);
  HarnessTask task;
  TaskConfig& config = task.config;
  config.domain = "general";
  const std::string kind = document.text("output_type", "generate_until");
  if (kind != "multiple_choice" && kind != "loglikelihood")
    throw Error(
        "{}: expected multiple_choice or loglikelihood, found '{}'; write a task file of demix "
        "instead (docs/adding.md)",
        document.where("output_type"),
        kind);
  const bool chooses = kind == "multiple_choice";
  for (const char* key : {"task", "dataset_path", "doc_to_target"})
    if (document.text(key).empty()) throw Error("{}: expected a value", document.where(key));
  std::string split = document.text("test_split");
  if (split.empty()) split = document.text("validation_split");
  if (split.empty())
    throw Error("{}: expected test_split or validation_split", document.where("test_split"));
  config.data = stems(document, split);
  config.preamble = document.text("description");
  if (config.preamble.find_first_of("{") != std::string::npos)
    throw Error("{}: a description with fields is not read here", document.where("description"));
  config.context = {prompt_of(document.text("doc_to_text"), document.where("doc_to_text"))};
  config.delimiter = document.text("target_delimiter", " ");
  if (chooses) {
    read_choices(document, config);
    read_target(document, config);
  } else {
    // The harness scores such an answer right behind its context.
    config.delimiter = "";
    config.answer = prompt_of(document.text("doc_to_target"), document.where("doc_to_target"));
  }
  read_fewshot(document, config);
  read_metrics(document, config, chooses);
  task.places = {{"data", document.where("dataset_path")},
                 {"preamble", document.where("description")},
                 {"context", document.where("doc_to_text")},
                 {"choices", document.where("doc_to_choice")},
                 {"answer", document.where("doc_to_target")},
                 {"gold", document.where("doc_to_target")},
                 {"labels", document.where("doc_to_target")},
                 {"delimiter", document.where("target_delimiter")},
                 {"fewshot", document.where("fewshot_config")},
                 {"fewshot.data", document.where("fewshot_split")},
                 {"fewshot.examples", document.where("fewshot_config")},
                 {"fewshot.number", document.where("num_fewshot")},
                 {"metrics", document.where("metric_list")},
                 {"primary_metric", document.where("metric_list")}};
  return task;
}

}  // namespace demix
