// Whether a training made the loss worse: no number is infinite then, and every stage after it goes
// on.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <vector>

namespace demix {

struct LossCourse {
  double first = 0;  // of the first step, before any update
  double last = 0;   // mean over the last tenth of the steps, at least three, at most half
  // The last loss is a tenth above the first, and by more than steps differ by; in healthy
  // trainings of a base that knew its data it was at most 0.03 above.
  bool rose = false;
};
// Nothing of fewer than two steps.
std::optional<LossCourse> loss_course(std::span<const double> losses);

// The losses in a model's metrics.jsonl (metrics.h); empty where there is no such file, or another.
std::vector<double> read_losses(const std::filesystem::path& metrics);

}  // namespace demix
