// Whether components learned their own datasets, from what all of them score on the datasets'
// held-out text, before any proxy is made of them.
//
// Estimates by components share the components' errors, so that no comparison among estimates shows
// them: a wrong folder, a training that stopped early or diverged. But a component that learned its
// dataset is the best of all on text of it that none has read.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace demix {

// In bits per byte, less is better. Component k is that of dataset k.
struct HeldOutScores {
  std::vector<std::string> datasets;
  std::vector<std::vector<double>> bits;  // [component][dataset]; NaN: that text is not scored
  // [component][dataset]: standard error of the difference from the dataset's own component on the
  // same documents; NaN of a single document.
  std::vector<std::vector<double>> errors;
  std::vector<double> base, base_errors;  // [dataset], the same of the base
  // Whether the component read more of its dataset than any other component did.
  std::vector<bool> reads_most;
};

enum class OwnData {
  kUnchecked,  // its text is not scored, or another component read more of it
  kBest,
  kAlike,      // no better than others beyond noise
  kForgot,     // the best, but worse than the base by less than components typically learned
  kBehind,     // another one is better
  kBelowBase,  // it is worse than the base, and by more, or behind another one too
};
// "best", …; of what was not checked "".
const char* name_of(OwnData reading);
// The inverse; of another name kUnchecked.
OwnData own_data_named(const std::string& name);
// Whether nothing that is made of it can be trusted.
inline bool failed(OwnData reading) {
  return reading == OwnData::kBehind || reading == OwnData::kBelowBase;
}

// A failure is a difference of at least so much of what components typically learned (the median
// over datasets of what the best gained over the base) and of the score, and beyond two standard
// errors. By chance of training, which errors over documents do not have in them, components of
// parts of one dataset differed by 0.6 % of their score.
inline constexpr double kMuchOfLearned = 0.15, kMuchOfScore = 0.01;
// A lead below this share of what was learned tells nothing, however exactly it is measured; a
// larger one must be beyond two standard errors, until it is much.
inline constexpr double kLittleOfLearned = 0.03;

struct OwnDataReading {
  struct Component {
    OwnData reading = OwnData::kUnchecked;
    size_t best = 0;  // of all components on its text
  };
  std::vector<Component> components;
  std::vector<std::string> warnings;  // whole sentences, at most one of each reading
};
OwnDataReading read_own_data(const HeldOutScores& scores);

}  // namespace demix
