#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "demix/merge/storage.h"
#include "demix/run/plan.h"

namespace demix {
namespace {

std::string hours(double seconds) {
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

}  // namespace

Json to_json(const Plan& plan) {
  Json stages = Json::array();
  for (const PlanStage& stage : plan.stages) {
    stages.push_back({{"name", stage.name},
                      {"models", stage.models},
                      {"tokens", stage.tokens},
                      {"flops", stage.flops},
                      {"seconds", stage.seconds}});
  }
  return {{"stages", stages},
          {"seconds", plan.seconds},
          {"parameters", plan.parameters},
          {"disk_bytes", plan.disk_bytes},
          {"memory_bytes", plan.memory_bytes},
          {"components", plan.components},
          {"train_step_seconds", plan.train_step_seconds},
          {"score_seconds", plan.score_seconds},
          {"answers", plan.answers},
          {"answer_seconds", plan.answer_seconds},
          {"warnings", plan.warnings}};
}

std::string plan_table(const Plan& plan) {
  std::string text =
      fmt::format("{:<18}{:>8}{:>14}{:>12}{:>12}\n", "stage", "models", "tokens", "TFLOP", "time");
  for (const PlanStage& stage : plan.stages) {
    text += fmt::format("{:<18}{:>8}{:>14}{:>12.2f}{:>12}\n",
                        stage.name,
                        stage.models > 0 ? fmt::format("{}", stage.models) : "",
                        stage.tokens,
                        stage.flops * 1e-12,
                        hours(stage.seconds));
  }
  text += fmt::format("{:<18}{:>46}\n", "together", hours(plan.seconds));
  text += fmt::format(
      "\n{} parameters per model; disk {}, memory {}\none training step {:.3f} s, scoring one "
      "model {:.2f} s",
      plan.parameters,
      bytes_text(plan.disk_bytes),
      bytes_text(plan.memory_bytes),
      plan.train_step_seconds,
      plan.score_seconds);
  if (plan.answers > 0)
    text +=
        fmt::format(", {:.2f} s of it for {} generated answers", plan.answer_seconds, plan.answers);
  if (!plan.components.empty()) text += "\n" + plan.components;
  for (const std::string& warning : plan.warnings) text += "\nwarning: " + warning;
  return text;
}

}  // namespace demix
