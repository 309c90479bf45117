#include <algorithm>
#include <cmath>
#include <numbers>

#include "demix/core/error.h"
#include "demix/train/trainer.h"

namespace demix {

void ScheduleConfig::check() const {
  if (kind != "cosine" && kind != "constant" && kind != "wsd")
    throw Error("kind: '{}' is no schedule; expected cosine, constant or wsd", kind);
  const auto share = [](const char* name, double value) {
    if (!(value >= 0 && value <= 1))
      throw Error("{}: expected a share in [0, 1], found {}", name, value);
  };
  share("warmup", warmup);
  share("floor", floor);
  share("decay", decay);
  if (kind == "wsd" && warmup + decay > 1)
    throw Error("warmup + decay: expected at most 1, found {} + {}", warmup, decay);
}

double schedule_factor(const ScheduleConfig& schedule, int64_t step, int64_t steps) {
  DEMIX_CHECK(step >= 0 && step < steps);
  const auto share_of_steps = [&](double share) {
    return std::llround(share * static_cast<double>(steps));
  };
  const int64_t warmup = share_of_steps(schedule.warmup);
  if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
  if (schedule.kind == "constant") return 1;
  // The rate falls over the last `falling` steps and reaches the floor in the very last one.
  const bool cosine = schedule.kind == "cosine";
  const int64_t falling =
      cosine ? steps - warmup : std::min<int64_t>(share_of_steps(schedule.decay), steps - warmup);
  const int64_t fallen = step + 1 - (steps - falling);
  if (fallen <= 0) return 1;
  const double progress = static_cast<double>(fallen) / static_cast<double>(falling);
  const double height = cosine ? 0.5 * (1 + std::cos(std::numbers::pi * progress)) : 1 - progress;
  return schedule.floor + (1 - schedule.floor) * height;
}

void TrainConfig::check() const {
  const auto at_least = [](const char* name, auto value, auto least) {
    if (!(value >= least)) throw Error("{}: expected at least {}, found {}", name, least, value);
  };
  at_least("sequence_length", sequence_length, int64_t{1});
  at_least("rows_per_step", rows_per_step, int64_t{1});
  at_least("rows_per_pass", rows_per_pass, int64_t{0});
  at_least("checkpoint_every", checkpoint_every, int64_t{0});
  at_least("weight_decay", weight_decay, 0.0);
  at_least("clip_norm", clip_norm, 0.0);
  constexpr int64_t kMostRows = 1 << 20;
  if (rows_per_step > kMostRows)
    throw Error("rows_per_step: expected at most {}, found {}", kMostRows, rows_per_step);
  const auto positive = [](const char* name, double value) {
    if (!(value > 0 && std::isfinite(value)))
      throw Error("{}: expected a positive number, found {}", name, value);
  };
  positive("learning_rate", learning_rate);
  positive("epsilon", epsilon);
  const auto below_one = [](const char* name, double value) {
    if (!(value >= 0 && value < 1))
      throw Error("{}: expected a number in [0, 1), found {}", name, value);
  };
  below_one("beta1", beta1);
  below_one("beta2", beta2);
  if (dtype != "auto" && dtype != "bfloat16" && dtype != "float32")
    throw Error("dtype: '{}' is not supported; expected auto, bfloat16 or float32", dtype);
}

}  // namespace demix
