#include "demix/report/chance.h"

#include <cmath>

#include "demix/report/plot.h"
#include "demix/report/words.h"

namespace demix {

bool at_chance(const TaskFacts& task, const std::vector<Score>& scores) {
  if (!std::isfinite(task.chance)) return false;
  bool any = false;
  for (const Score& score : scores) {
    if (!std::isfinite(score.value) || !std::isfinite(score.standard_error)) continue;
    any = true;
    const double above = (score.value - task.chance) * (task.higher_is_better ? 1 : -1);
    if (above > kIntervalErrors * score.standard_error) return false;
  }
  return any;
}

bool at_chance(const RunResult& result, size_t task) {
  std::vector<Score> scores;
  for (const MixtureFacts* facts : {&result.found, &result.natural, &result.uniform})
    for (const ModelScores* models : {&facts->trained, &facts->proxy})
      scores.push_back(score_at(models->tasks, task));
  return at_chance(result.tasks[task], scores);
}

std::string warning_of_chance(const RunResult& result) {
  std::vector<std::string> tasks;
  for (size_t t = 0; t < result.tasks.size(); ++t) {
    const TaskFacts& task = result.tasks[t];
    if (task.domain.empty() || !at_chance(result, t)) continue;
    tasks.push_back(fmt::format("{} ({}, domain {})", task.name, task.metric, task.domain));
  }
  if (tasks.empty()) return "";
  return fmt::format(
      "At chance: {}. No model is clearly better than guessing there, so that what tells mixtures "
      "apart may be noise. Score more items, or a metric that moves earlier (bpb), or leave the "
      "{} out.",
      in_prose(tasks, 6),
      tasks.size() == 1 ? "task" : "tasks");
}

}  // namespace demix
