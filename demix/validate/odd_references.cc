#include "demix/validate/odd_references.h"

#include <algorithm>

#include "demix/core/error.h"
#include "demix/core/ranks.h"

namespace demix {
namespace {

// Those of the references that are not left out.
std::vector<double> without(const std::vector<double>& values, std::span<const size_t> left_out) {
  std::vector<double> kept;
  for (size_t i = 0; i < values.size(); ++i)
    if (std::find(left_out.begin(), left_out.end(), i) == left_out.end()) kept.push_back(values[i]);
  return kept;
}

std::optional<double> macro(const ReferenceScores& chooser,
                            const ReferenceScores& trained,
                            std::span<const size_t> left_out) {
  double sum = 0;
  for (size_t d = 0; d < trained.size(); ++d) {
    const auto agreement = spearman(without(chooser[d], left_out), without(trained[d], left_out));
    if (!agreement) return std::nullopt;
    sum += *agreement;
  }
  return sum / static_cast<double>(trained.size());
}

std::optional<double> mean_macro(std::span<const ReferenceScores> choosers,
                                 const ReferenceScores& trained,
                                 std::span<const size_t> left_out) {
  double sum = 0;
  for (const ReferenceScores& chooser : choosers) {
    const auto agreement = macro(chooser, trained, left_out);
    if (!agreement) return std::nullopt;
    sum += *agreement;
  }
  return sum / static_cast<double>(choosers.size());
}

}  // namespace

std::optional<OddReferences> find_odd(std::span<const ReferenceScores> choosers,
                                      const ReferenceScores& trained,
                                      double limit_factor) {
  DEMIX_CHECK(!choosers.empty() && !trained.empty());
  const size_t references = trained[0].size();
  const auto before = mean_macro(choosers, trained, {});
  if (references < kFewestToFindOdd || !before) return std::nullopt;
  const double scale =
      limit_factor / static_cast<double>(references * std::min<size_t>(3, trained.size()));
  std::vector<size_t> left_out;
  for (const double limit : {kRiseWithoutOne, kRiseWithoutTwo}) {
    std::optional<double> best;
    size_t odd = 0;
    for (size_t i = 0; i < references; ++i) {
      if (std::find(left_out.begin(), left_out.end(), i) != left_out.end()) continue;
      left_out.push_back(i);
      const auto agreement = mean_macro(choosers, trained, left_out);
      left_out.pop_back();
      if (agreement && (!best || *agreement > *best)) {
        best = agreement;
        odd = i;
      }
    }
    if (!best) return std::nullopt;
    left_out.push_back(odd);
    if (*best - *before > limit * scale)
      return OddReferences{
          left_out, *macro(choosers[0], trained, {}), *macro(choosers[0], trained, left_out)};
  }
  return std::nullopt;
}

}  // namespace demix
