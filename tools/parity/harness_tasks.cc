// Reads task files, makes items and judges answers, one JSON object a line from standard input, one
// result a line to standard output:
//     {"kind": "read", "path": …}                  {"metrics": […], "primary": …}
//     {"kind": "items", "path": …, "data": folder, "fewshot": 2}
//                                                  {"items": [{"contexts": […], "continuations":
//                                                  […], "gold": 0, "references": […]}, …]}
//     {"kind": "judge", "path": …, "answers": [[answer, [reference, …], [choice, …]], …]}
//                                                  {"verdicts": [[[metric, extracted, right], …],
//                                                  …]}
//     {"kind": "find_all", "pattern": …, "text": …}
//                                                  {"matches": [[group, …], …]}
// or {"error": …}. Used by harness_tasks.py.
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "demix/core/error.h"
#include "demix/core/json.h"
#include "demix/evaluate/answer_filters.h"
#include "demix/evaluate/python_regex.h"
#include "demix/evaluate/task.h"
#include "demix/evaluate/task_file.h"

namespace {

using demix::Json;

Json items_of(const std::filesystem::path& path, const Json& query) {
  demix::TaskOptions options;
  options.fewshot = query.at("fewshot").get<int64_t>();
  options.generate = true;
  const demix::Task task = demix::load_task(
      path.stem(), path.parent_path(), query.at("data").get<std::string>(), options);
  Json items = Json::array();
  for (const demix::Item& item : task.items)
    items.push_back({{"contexts", item.contexts},
                     {"continuations", item.continuations},
                     {"gold", item.gold},
                     {"words", item.words},
                     {"references", item.references}});
  return {{"items", items}};
}

Json verdicts_of(const std::filesystem::path& path, const Json& query) {
  const demix::AnswerRules rules = demix::TaskFile(path).config().generation.rules;
  const demix::AnswerComparison comparison(rules);
  Json verdicts = Json::array();
  for (const Json& pair : query.at("answers")) {
    Json& verdict = verdicts.emplace_back(Json::array());
    const auto found = comparison.compare(pair.at(0).get<std::string>(),
                                          pair.at(1).get<std::vector<std::string>>(),
                                          pair.at(2).get<std::vector<std::string>>());
    for (size_t i = 0; i < found.size(); ++i)
      verdict.push_back({rules.pipelines[i].metric, found[i].extracted, found[i].right});
  }
  return {{"verdicts", verdicts}};
}

Json answer(const Json& query) {
  if (query.at("kind") == "find_all")
    return {{"matches",
             demix::PythonRegex(query.at("pattern").get<std::string>())
                 .find_all(query.at("text").get<std::string>())}};
  const std::filesystem::path path = query.at("path").get<std::string>();
  if (query.at("kind") == "items") return items_of(path, query);
  if (query.at("kind") == "judge") return verdicts_of(path, query);
  const demix::TaskFile file(path);
  return {{"metrics", file.config().metrics}, {"primary", file.config().primary_metric}};
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    Json result;
    try {
      result = answer(Json::parse(line));
    } catch (const demix::Error& error) {
      result = {{"error", demix::error_chain(error)}};
    }
    std::cout << result.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
  }
}
