#include "demix/evaluate/task_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "demix/core/error.h"
#include "demix/evaluate/judge.h"
#include "demix/evaluate/metrics.h"

namespace demix {
namespace {

Json to_row(const ConfigNode& node) {
  if (node.is_map()) {
    Json object = Json::object();
    for (const auto& [key, value] : node.entries()) object[key] = to_row(value);
    return object;
  }
  if (node.is_sequence()) {
    Json list = Json::array();
    for (const ConfigNode& item : node.items()) list.push_back(to_row(item));
    return list;
  }
  return node.as_string();
}

std::vector<std::string> one(const std::string& text) {
  return text.empty() ? std::vector<std::string>() : std::vector{text};
}

}  // namespace

TaskFile::TaskFile(const std::filesystem::path& path) : node_(ConfigNode::parse_file(path)) {
  if (is_harness_task(node_)) {
    harness_ = read_harness_task(path, config_);
  } else {
    config_ = read_config<TaskConfig>(node_);
    check_kind();
  }
  check_fewshot();
  check_generation();
  check_metrics();
  if (!harness_) read_prompts();
}

void TaskFile::read_prompts() {
  if (!config_.id.empty()) id_ = Prompt::parse(config_.id, where("id"));
  const auto optional = [&](std::string_view key, const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(Prompt::parse(text, where(key)));
  };
  reference_ = optional("generation.reference", config_.generation.reference);
  program_ = optional("generation.program", config_.generation.program);
  prompts_.contexts = parse("context", config_.context);
  prompts_.choices = parse("choices", config_.choices);
  prompts_.answer = parse("answer", one(config_.answer));
  prompts_.gold = parse("gold", one(config_.gold));
  prompts_.labels = parse("labels", config_.labels);
  for (const std::string& text : config_.context_transforms)
    prompts_.context_transforms.push_back(Transform::parse(text, where("context_transforms")));
  for (const std::string& text : config_.choice_transforms)
    prompts_.choice_transforms.push_back(Transform::parse(text, where("choice_transforms")));
  example_prompts_ = prompts_;
  const FewshotConfig& fewshot = config_.fewshot;
  if (!fewshot.context.empty())
    example_prompts_.contexts = parse("fewshot.context", fewshot.context);
  if (!fewshot.answer.empty())
    example_prompts_.answer = parse("fewshot.answer", one(fewshot.answer));
}

std::vector<Json> TaskFile::examples() const {
  if (harness_) return harness_->examples;
  std::vector<Json> rows;
  if (config_.fewshot.examples)
    for (const ConfigNode& node : config_.fewshot.examples->items()) rows.push_back(to_row(node));
  return rows;
}

std::string TaskFile::where(std::string_view key) const {
  if (harness_)
    if (const auto place = harness_->places.find(std::string(key)); place != harness_->places.end())
      return place->second;
  const size_t dot = key.find('.');
  auto node = node_.find(key.substr(0, dot));
  if (node && dot != std::string_view::npos) node = node->find(key.substr(dot + 1));
  return node ? node->where() : fmt::format("{}: {}", node_.where(), key);
}

std::vector<Prompt> TaskFile::parse(std::string_view key,
                                    const std::vector<std::string>& texts) const {
  std::vector<Prompt> prompts;
  for (const std::string& text : texts) prompts.push_back(Prompt::parse(text, where(key)));
  return prompts;
}

void TaskFile::check_kind() const {
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
  if (chooses && config_.gold.empty()) throw Error("{}: expected the right choice", where("gold"));
  if (!chooses && !config_.gold.empty())
    throw Error("{}: there is nothing to choose from; leave it out", where("gold"));
  if (config_.gold.empty() && !config_.labels.empty())
    throw Error("{}: labels without 'gold'", where("labels"));
  for (const auto& [field, range] : config_.keep)
    if (range.size() != 2 || range[0] > range[1])
      throw Error("{}: expected '{}: [smallest, largest]'", where("keep"), printable(field));
  if (config_.average != "items" && config_.average != "members")
    throw Error(
        "{}: expected items or members, found '{}'", where("average"), printable(config_.average));
  std::set<std::string> members;
  for (const std::string& member : config_.members)
    if (member.empty() || !members.insert(member).second)
      throw Error("{}: expected different names, found '{}'{}",
                  where("members"),
                  printable(member),
                  member.empty() ? "" : " twice");
}

void TaskFile::check_fewshot() const {
  const FewshotConfig& fewshot = config_.fewshot;
  if (fewshot.number < 0)
    throw Error(
        "{}: expected a number of examples, found {}", where("fewshot.number"), fewshot.number);
  if (fewshot.sampler != "random" && fewshot.sampler != "first_n")
    throw Error("{}: expected random or first_n, found '{}'",
                where("fewshot.sampler"),
                printable(fewshot.sampler));
  if (!fewshot.data.empty() && fewshot.examples)
    throw Error("{}: examples come from 'data' or from 'examples', not from both",
                where("fewshot.examples"));
  if (fewshot.examples && !fewshot.examples->is_sequence())
    throw Error("{}: expected a list of rows", where("fewshot.examples"));
  if (node_.find("fewshot") && fewshot.data.empty() && !fewshot.examples)
    throw Error("{}: expected 'data' or 'examples', where the examples come from",
                where("fewshot"));
  if (!fewshot.context.empty() && fewshot.context.size() != config_.context.size())
    throw Error("{}: expected {} prompts as in 'context', found {}",
                where("fewshot.context"),
                config_.context.size(),
                fewshot.context.size());
  if (!fewshot.answer.empty() && config_.answer.empty())
    throw Error("{}: the task has 'choices'; an example's answer is the right one of them",
                where("fewshot.answer"));
}

void TaskFile::check_generation() const {
  const GenerationConfig& generation = config_.generation;
  if (!node_.find("generation") && generation.judge.empty()) return;
  const auto judges = judge_names();
  if (!harness_ && std::find(judges.begin(), judges.end(), generation.judge) == judges.end())
    throw Error("{}: expected one of {}, found '{}'",
                where("generation.judge"),
                fmt::join(judges, ", "),
                printable(generation.judge));
  if (generation.max_tokens < 1)
    throw Error(
        "{}: expected at least 1, found {}", where("generation.max_tokens"), generation.max_tokens);
  if (generation.answers < 1)
    throw Error(
        "{}: expected at least 1, found {}", where("generation.answers"), generation.answers);
  if (!(generation.temperature >= 0))
    throw Error("{}: expected 0 (the likeliest token) or more, found {}",
                where("generation.temperature"),
                generation.temperature);
  if (generation.top_k < 0)
    throw Error(
        "{}: expected 0 (all) or more, found {}", where("generation.top_k"), generation.top_k);
  if (!(generation.top_p > 0 && generation.top_p <= 1))
    throw Error(
        "{}: expected above 0, at most 1, found {}", where("generation.top_p"), generation.top_p);
  if (generation.answers > 1 && generation.temperature == 0)
    throw Error("{}: {} answers of temperature 0 are all the same; set generation.temperature",
                where("generation.answers"),
                generation.answers);
  if (harness_) return;
  if (generation.reference.empty())
    throw Error("{}: expected what the judge compares with, such as \"{{answer}}\"",
                where("generation.reference"));
  if (config_.context.size() > 1 || !config_.choices.empty())
    throw Error("{}: answers are generated behind one context, without choices",
                where("generation"));
}

void TaskFile::check_metrics() const {
  if (config_.metrics.empty())
    throw Error("{}: expected some of {}", where("metrics"), fmt::join(known_metrics(), ", "));
  for (const std::string& metric : config_.metrics) {
    const auto names = known_metrics();
    if (!is_metric(metric)) {
      const std::string_view near = nearest(metric, names);
      throw Error("{}: unknown metric '{}'; known are {}{}",
                  where("metrics"),
                  printable(metric),
                  fmt::join(names, ", "),
                  near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
    }
    if (needs_generation(metric)) {
      if (config_.generation.judge.empty())
        throw Error("{}: {} is of generated answers, and there is no 'generation'",
                    where("metrics"),
                    printable(metric));
      if (const auto k = pass_k(metric); k && *k > config_.generation.answers)
        throw Error("{}: {} needs {} answers of each item, and generation.answers is {}",
                    where("metrics"),
                    printable(metric),
                    *k,
                    config_.generation.answers);
      const auto judged = judged_metrics(config_.generation);
      if (!pass_k(metric) && std::find(judged.begin(), judged.end(), metric) == judged.end())
        throw Error("{}: judge {} gives {}, not {}",
                    where("metrics"),
                    config_.generation.judge,
                    printable(fmt::format("{}", fmt::join(judged, " and "))),
                    printable(metric));
    }
    if (needs_texts(metric) && !(harness_ && harness_->rolls))
      throw Error(
          "{}: {} is of texts that are scored whole: loglikelihood_rolling in a file of "
          "lm-evaluation-harness",
          where("metrics"),
          metric);
    const bool chooses = harness_ ? harness_->chooses() : !config_.gold.empty();
    if (needs_choices(metric) && !chooses)
      throw Error(
          "{}: {} compares choices, and this task has none", where("metrics"), printable(metric));
  }
  if (std::find(config_.metrics.begin(), config_.metrics.end(), config_.primary_metric) ==
      config_.metrics.end())
    throw Error("{}: expected one of this task's metrics ({}), found '{}'",
                where("primary_metric"),
                printable(fmt::format("{}", fmt::join(config_.metrics, ", "))),
                printable(config_.primary_metric));
}

}  // namespace demix
