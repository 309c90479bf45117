#include "demix/run/launch.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "demix/core/error.h"

namespace demix {
namespace {

std::optional<int> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text) return std::nullopt;
  int number = 0;
  const std::string_view view(text);
  const auto [end, error] = std::from_chars(view.begin(), view.end(), number);
  if (error != std::errc() || end != view.end() || number < 0)
    throw Error("the environment's {} is '{}', expected a number", variable, printable(view));
  return number;
}

}  // namespace

std::optional<Launch> launch_of_environment() {
  constexpr const char* kLaunchers[][3] = {
      {"RANK", "WORLD_SIZE", "LOCAL_RANK"},
      {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"}};
  for (const auto& [rank, processes, local_rank] : kLaunchers) {
    const auto own = number_in(rank), all = number_in(processes);
    if (!own || !all || *all < 2) continue;
    if (*own >= *all)
      throw Error("the environment's {} is {}, but {} is {}", rank, *own, processes, *all);
    return Launch{*own, *all, number_in(local_rank).value_or(0)};
  }
  return std::nullopt;
}

}  // namespace demix
