#include "demix/evaluate/samples.h"

#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/json.h"

namespace demix {
namespace {

// What the answers of an item say, as the value itself where there is one answer.
template <typename Value>
Json of_answers(const std::vector<JudgedAnswer>& answers, const Value& value) {
  if (answers.size() == 1) return value(answers[0]);
  Json values = Json::array();
  for (const JudgedAnswer& answer : answers) values.push_back(value(answer));
  return values;
}

Json line_of(const Task& task, const Item& item, const ItemScore& score) {
  Json line = {{"task", task.name},
               {"id", item.id},
               {"gold", item.gold},
               {"loglikelihoods", score.loglikelihoods},
               {"chars", item.chars},
               {"bytes", item.bytes}};
  if (score.answers.empty()) return line;
  const auto& answers = score.answers;
  line["gold"] = answers[0].judgement.gold;
  line["generated"] = of_answers(answers, [](const auto& a) { return a.text; });
  line["extracted"] = of_answers(answers, [](const auto& a) { return a.judgement.extracted; });
  for (const auto& [metric, first] : answers[0].judgement.metrics)
    line[metric] =
        of_answers(answers, [&](const auto& a) { return a.judgement.metrics.at(metric); });
  return line;
}

}  // namespace

void write_samples(const std::filesystem::path& path,
                   std::span<const Task> tasks,
                   std::span<const ItemScore> scores) {
  AtomicFile file(path);
  auto score = scores.begin();
  for (const Task& task : tasks) {
    for (const Item& item : task.items) {
      DEMIX_CHECK(score != scores.end());
      file.write(
          line_of(task, item, *score++).dump(-1, ' ', false, Json::error_handler_t::replace) +
          "\n");
    }
  }
  file.commit();
}

}  // namespace demix
