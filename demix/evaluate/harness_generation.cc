#include "demix/evaluate/harness_generation.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "demix/core/error.h"
#include "demix/evaluate/python_regex.h"
#include "demix/evaluate/task_file.h"

namespace demix {
namespace {

[[noreturn]] void refuse(const ConfigNode& node, const std::string& what, std::string_view known) {
  throw Error("{}: {} is not read here; known are {}", node.where(), printable(what), known);
}

// A Python expression that is known to be read.
std::string pattern_of(const ConfigNode& node) {
  std::string pattern = harness_text(node);
  try {
    PythonRegex regex(pattern);
  } catch (const Error& error) {
    throw Error("{}: {}", node.where(), error.what());
  }
  return pattern;
}

void read_kwargs(const HarnessGeneration& given, GenerationConfig& generation) {
  generation.max_tokens = 256;
  generation.stops = {given.fewshot_delimiter};
  if (!given.kwargs) return;
  std::optional<bool> draws;
  std::optional<ConfigNode> draws_node;
  // The first of these that is there counts.
  constexpr std::array<std::string_view, 4> kMaxTokens{
      "max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"};
  size_t best = kMaxTokens.size();
  for (const std::string& key : given.kwargs->keys()) {
    const ConfigNode node = *given.kwargs->find(key);
    if (node.is_null()) continue;
    const auto limit = std::find(kMaxTokens.begin(), kMaxTokens.end(), key);
    if (key == "until") {
      generation.stops.clear();
      for (const ConfigNode& stop : node.is_sequence() ? node.items() : std::vector{node})
        if (std::string text = harness_text(stop); !text.empty())
          generation.stops.push_back(std::move(text));
    } else if (limit != kMaxTokens.end()) {
      const auto place = static_cast<size_t>(limit - kMaxTokens.begin());
      const int64_t tokens = node.as_int();
      if (tokens < 1) throw Error("{}: expected at least 1, found {}", node.where(), tokens);
      if (place < best) generation.max_tokens = tokens;
      best = std::min(best, place);
    } else if (key == "do_sample") {
      const Json value = harness_value(node);
      if (!value.is_boolean())
        throw Error(
            "{}: expected true or false, found '{}'", node.where(), printable(node.as_string()));
      draws = value.get<bool>();
      draws_node = node;
    } else if (key == "temperature") {
      generation.temperature = node.as_double();
    } else if (key == "top_p") {
      generation.top_p = node.as_double();
    } else if (key == "top_k") {
      generation.top_k = node.as_int();
    } else if (key == "num_beams") {
      if (node.as_int() != 1)
        throw Error(
            "{}: expected 1, found {}; beams are not searched here", node.where(), node.as_int());
    } else {
      refuse(node,
             fmt::format("'{}' of generation_kwargs", key),
             "until, max_gen_toks, max_new_tokens, max_tokens, max_completion_tokens, do_sample, "
             "temperature, top_p, top_k, num_beams");
    }
  }
  if (draws && !*draws) generation.temperature = 0;
  if (draws && *draws && generation.temperature == 0)
    throw Error("{}: drawing needs a temperature above 0, found none", draws_node->where());
  if (generation.temperature == 0) {
    generation.top_p = 1;
    generation.top_k = 0;
  }
}

void expect_keys(const ConfigNode& node, std::initializer_list<std::string_view> known) {
  for (const std::string& key : node.keys())
    if (std::find(known.begin(), known.end(), key) == known.end() && !node.find(key)->is_null())
      refuse(*node.find(key), fmt::format("'{}'", key), fmt::format("{}", fmt::join(known, ", ")));
}

bool is_set(const ConfigNode& parent, std::string_view key) {
  const auto node = parent.find(key);
  if (!node || node->is_null()) return false;
  const Json value = harness_value(*node);
  if (!value.is_boolean())
    throw Error(
        "{}: expected true or false, found '{}'", node->where(), printable(node->as_string()));
  return value.get<bool>();
}

std::vector<std::string> patterns_of(const ConfigNode& parent, std::string_view key) {
  std::vector<std::string> patterns;
  if (const auto node = parent.find(key); node && !node->is_null())
    for (const ConfigNode& pattern : node->items()) patterns.push_back(pattern_of(pattern));
  return patterns;
}

AnswerFilter filter_of(const ConfigNode& node, const std::string& function) {
  constexpr std::string_view kKnown =
      "regex, multi_choice_regex, remove_whitespace, lowercase, uppercase, and take_first at the "
      "end";
  AnswerFilter filter;
  if (function == "regex" || function == "multi_choice_regex") {
    if (function == "regex") {
      expect_keys(node, {"function", "regex_pattern", "group_select", "fallback"});
    } else {
      filter.kind = AnswerFilter::Kind::kMultiChoiceRegex;
      expect_keys(node,
                  {"function",
                   "regex_pattern",
                   "group_select",
                   "fallback",
                   "ignore_case",
                   "ignore_punctuation",
                   "regexes_to_ignore"});
      filter.ignore_case = is_set(node, "ignore_case");
      filter.ignore_punctuation = is_set(node, "ignore_punctuation");
      filter.regexes_to_ignore = patterns_of(node, "regexes_to_ignore");
    }
    filter.pattern = R"(#### (\-?[0-9\.\,]+))";
    if (const auto pattern = node.find("regex_pattern")) filter.pattern = pattern_of(*pattern);
    if (const auto select = node.find("group_select")) filter.group_select = select->as_int();
    if (const auto fallback = node.find("fallback")) filter.fallback = harness_text(*fallback);
    return filter;
  }
  if (function == "remove_whitespace") {
    filter.kind = AnswerFilter::Kind::kRemoveWhitespace;
  } else if (function == "lowercase") {
    filter.kind = AnswerFilter::Kind::kLowercase;
  } else if (function == "uppercase") {
    filter.kind = AnswerFilter::Kind::kUppercase;
  } else {
    refuse(*node.find("function"), fmt::format("the filter '{}'", function), kKnown);
  }
  expect_keys(node, {"function"});
  return filter;
}

AnswerPipeline pipeline_of(const ConfigNode& node) {
  AnswerPipeline pipeline;
  const auto name = node.find("name"), filters = node.find("filter");
  if (!name || !filters) throw Error("{}: expected 'name' and 'filter'", node.where());
  expect_keys(node, {"name", "filter"});
  const std::string label = harness_text(*name);
  pipeline.metric = label == "none" ? "exact_match" : "exact_match," + label;
  const auto steps = filters->items();
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto function = steps[i].find("function");
    if (!function) throw Error("{}: expected 'function'", steps[i].where());
    const std::string what = harness_text(*function);
    const bool last = i + 1 == steps.size();
    if (last != (what == "take_first"))
      throw Error("{}: expected take_first as the last filter and nowhere else, found '{}'",
                  function->where(),
                  printable(what));
    if (!last) pipeline.filters.push_back(filter_of(steps[i], what));
  }
  if (steps.empty()) throw Error("{}: expected take_first as the last filter", filters->where());
  return pipeline;
}

void read_exact_match(const ConfigNode& entry, ExactMatch& exact_match) {
  expect_keys(entry,
              {"metric",
               "aggregation",
               "higher_is_better",
               "hf_evaluate",
               "weight_by_size",
               "ignore_case",
               "ignore_punctuation",
               "ignore_numbers",
               "regexes_to_ignore"});
  exact_match.ignore_case = is_set(entry, "ignore_case");
  exact_match.ignore_punctuation = is_set(entry, "ignore_punctuation");
  exact_match.ignore_numbers = is_set(entry, "ignore_numbers");
  exact_match.regexes_to_ignore = patterns_of(entry, "regexes_to_ignore");
}

}  // namespace

void read_harness_generation(const HarnessGeneration& given, TaskConfig& config) {
  GenerationConfig& generation = config.generation;
  generation.judge = kFilterJudge;
  read_kwargs(given, generation);
  std::set<std::string> names;
  if (given.filters)
    for (const ConfigNode& node : given.filters->items()) {
      generation.rules.pipelines.push_back(pipeline_of(node));
      if (!names.insert(generation.rules.pipelines.back().metric).second)
        throw Error("{}: two filters of one name", node.where());
    }
  if (generation.rules.pipelines.empty()) generation.rules.pipelines.push_back({"exact_match", {}});
  // Of two entries of one metric the last counts.
  if (given.metrics)
    for (const ConfigNode& entry : given.metrics->items())
      read_exact_match(entry, generation.rules.exact_match);
  for (const AnswerPipeline& pipeline : generation.rules.pipelines)
    config.metrics.push_back(pipeline.metric);
}

}  // namespace demix
