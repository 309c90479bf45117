#include "demix/train/loss_course.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>

#include "demix/core/json.h"

namespace demix {
namespace {

constexpr double kRise = 1.1;
// From here on no spread of the steps explains it: those of a diverging training differ wildly.
constexpr double kCertainRise = 1.5;

// Median difference of successive losses, in the second half.
double step_difference(std::span<const double> losses) {
  std::vector<double> differences;
  for (size_t i = std::max<size_t>(1, losses.size() / 2); i < losses.size(); ++i)
    differences.push_back(std::abs(losses[i] - losses[i - 1]));
  const auto middle = differences.begin() + static_cast<std::ptrdiff_t>(differences.size() / 2);
  std::nth_element(differences.begin(), middle, differences.end());
  return *middle;
}

}  // namespace

std::optional<LossCourse> loss_course(std::span<const double> losses) {
  if (losses.size() < 2) return std::nullopt;
  const size_t window = std::min(std::max<size_t>(3, losses.size() / 10), (losses.size() + 1) / 2);
  const auto last = losses.last(window);
  LossCourse course{
      .first = losses.front(),
      .last = std::accumulate(last.begin(), last.end(), 0.0) / static_cast<double>(window)};
  course.rose = course.last > kCertainRise * course.first ||
                (course.last > kRise * course.first &&
                 course.last - course.first > 2 * step_difference(losses));
  return course;
}

std::vector<double> read_losses(const std::filesystem::path& metrics) {
  std::vector<double> losses;
  std::ifstream file(metrics);
  for (std::string line; std::getline(file, line);) {
    const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return {};
    const auto loss = json.find("loss");
    if (loss != json.end() && loss->is_number()) losses.push_back(loss->get<double>());
  }
  return losses;
}

}  // namespace demix
