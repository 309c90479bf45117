#include "demix/validate/own_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "demix/core/error.h"
#include "demix/core/listed.h"
#include "demix/core/ranks.h"

namespace demix {
namespace {

constexpr double kBeyondNoise = 2;  // standard errors

// Of a single document there is no error, and the difference's size alone counts.
bool is_beyond_noise(double difference, double error) {
  return std::isnan(error) || std::abs(difference) > kBeyondNoise * error;
}

bool is_scored(const HeldOutScores& scores, size_t d) { return std::isfinite(scores.bits[d][d]); }

size_t best_on(const HeldOutScores& scores, size_t d) {
  size_t best = d;
  for (size_t k = 0; k < scores.bits.size(); ++k)
    if (scores.bits[k][d] < scores.bits[best][d]) best = k;
  return best;
}

// Of differences on text of dataset d.
struct Sizes {
  double little, much;
};
Sizes sizes_on(const HeldOutScores& scores, size_t d, double learned) {
  return {kLittleOfLearned * learned,
          std::max(kMuchOfLearned * learned, kMuchOfScore * scores.bits[d][d])};
}

// What components typically learned; 0 where they learned nothing.
double typically_learned(const HeldOutScores& scores) {
  std::vector<double> gains;
  for (size_t d = 0; d < scores.bits.size(); ++d)
    if (is_scored(scores, d))
      gains.push_back(std::max(0.0, scores.base[d] - scores.bits[best_on(scores, d)][d]));
  return gains.empty() ? 0 : median(std::move(gains));
}

// The components that the own one of dataset d is no better than. A large lead counts though few
// documents, of which some gain more than others, make its error large: parts of one dataset never
// differ by so much.
std::vector<size_t> alike(const HeldOutScores& scores, size_t d, double learned) {
  const Sizes sizes = sizes_on(scores, d, learned);
  std::vector<size_t> found;
  for (size_t k = 0; k < scores.bits.size(); ++k) {
    if (k == d) continue;
    const double lead = scores.bits[k][d] - scores.bits[d][d];
    const bool some = lead > sizes.little && is_beyond_noise(lead, scores.errors[k][d]);
    if (!some && lead <= sizes.much) found.push_back(k);
  }
  return found;
}

OwnData reading_of(const HeldOutScores& scores, size_t d, size_t best, double learned) {
  if (!scores.reads_most[d] || !is_scored(scores, d)) return OwnData::kUnchecked;
  const double much = sizes_on(scores, d, learned).much;
  const auto is_better = [&](double bits, double error) {
    const double lead = scores.bits[d][d] - bits;
    return lead > much && is_beyond_noise(lead, error);
  };
  bool behind = false;
  for (size_t k = 0; k < scores.bits.size(); ++k)
    behind |= k != d && is_better(scores.bits[k][d], scores.errors[k][d]);
  if (is_better(scores.base[d], scores.base_errors[d]))
    return behind || scores.bits[d][d] - scores.base[d] > learned ? OwnData::kBelowBase
                                                                  : OwnData::kForgot;
  if (behind) return OwnData::kBehind;
  return best == d && alike(scores, d, learned).empty() ? OwnData::kBest : OwnData::kAlike;
}

std::vector<std::string> names_of(const HeldOutScores& scores, const std::vector<size_t>& which) {
  std::vector<std::string> names;
  for (const size_t k : which) names.push_back(scores.datasets[k]);
  return names;
}

// "The component of a is", "The components of a, b are".
std::string are(const HeldOutScores& scores, const std::vector<size_t>& which) {
  return fmt::format("The component{} of {} {}",
                     which.size() == 1 ? "" : "s",
                     listed(names_of(scores, which)),
                     which.size() == 1 ? "is" : "are");
}

std::string warning_of_behind(const HeldOutScores& scores, const std::vector<size_t>& which) {
  std::vector<std::string> values, elsewhere;
  for (const size_t d : which) {
    const size_t best = best_on(scores, d);
    values.push_back(fmt::format("{}{:.2f} bits per byte; that of {} {:.2f}",
                                 which.size() == 1 ? "" : scores.datasets[d] + " ",
                                 scores.bits[d][d],
                                 scores.datasets[best],
                                 scores.bits[best][d]));
    for (size_t other = 0; other < scores.bits.size(); ++other)
      if (other != d && is_scored(scores, other) && best_on(scores, other) == d)
        elsewhere.push_back(
            fmt::format("that of {} on {}", scores.datasets[d], scores.datasets[other]));
  }
  std::string warning = fmt::format(
      "{} not the best on held-out text of {} ({}): a wrong folder, or a training that stopped "
      "early or diverged.",
      are(scores, which),
      which.size() == 1 ? scores.datasets[which[0]] : "their own datasets",
      fmt::join(values, which.size() == 1 ? "" : ", "));
  if (!elsewhere.empty()) warning += fmt::format(" Best of all is {}.", fmt::join(elsewhere, ", "));
  return warning +
         fmt::format(" Check {} before anything else.", which.size() == 1 ? "it" : "them");
}

std::string beside_base(const HeldOutScores& scores, const std::vector<size_t>& which) {
  std::vector<std::string> values;
  for (const size_t d : which)
    values.push_back(fmt::format("{}{:.2f} bits per byte; the base {:.2f}",
                                 which.size() == 1 ? "" : scores.datasets[d] + " ",
                                 scores.bits[d][d],
                                 scores.base[d]));
  return fmt::format("{} worse than the base on held-out text of {} ({})",
                     are(scores, which),
                     which.size() == 1 ? scores.datasets[which[0]] : "their own datasets",
                     fmt::join(values, ", "));
}

std::string warning_of_below_base(const HeldOutScores& scores, const std::vector<size_t>& which) {
  return beside_base(scores, which) +
         ": the training diverged, or the weights are damaged or of another dataset. Lower the "
         "rate (components.learning_rate) or import the right ones before anything else.";
}

std::string warning_of_forgot(const HeldOutScores& scores, const std::vector<size_t>& which) {
  return beside_base(scores, which) +
         ": the base had learned such text, and the training forgot more of it than it learned. "
         "Lower the rate (components.learning_rate), or train longer.";
}

std::string warning_of_alike(const HeldOutScores& scores,
                             const std::vector<size_t>& which,
                             double learned) {
  std::set<size_t> others;
  for (const size_t d : which)
    for (const size_t k : alike(scores, d, learned)) others.insert(k);
  const std::string named = listed(names_of(scores, {others.begin(), others.end()}));
  return fmt::format(
      "Nothing tells the component{} of {} from {} on {} own held-out text: the datasets say the "
      "same, or the components were trained too little; which of them a mixture takes is chance.",
      which.size() == 1 ? "" : "s",
      listed(names_of(scores, which)),
      which.size() > 1     ? fmt::format("others ({})", named)
      : others.size() == 1 ? "that of " + named
                           : "those of " + named,
      which.size() == 1 ? "its" : "their");
}

}  // namespace

const char* name_of(OwnData reading) {
  switch (reading) {
    case OwnData::kUnchecked:
      return "";
    case OwnData::kBest:
      return "best";
    case OwnData::kAlike:
      return "alike";
    case OwnData::kForgot:
      return "forgot";
    case OwnData::kBehind:
      return "behind";
    case OwnData::kBelowBase:
      return "below_base";
  }
  return "";
}

OwnData own_data_named(const std::string& name) {
  for (const OwnData reading :
       {OwnData::kBest, OwnData::kAlike, OwnData::kForgot, OwnData::kBehind, OwnData::kBelowBase})
    if (name == name_of(reading)) return reading;
  return OwnData::kUnchecked;
}

OwnDataReading read_own_data(const HeldOutScores& scores) {
  const size_t datasets = scores.datasets.size();
  DEMIX_CHECK(scores.bits.size() == datasets && scores.errors.size() == datasets &&
              scores.base.size() == datasets && scores.base_errors.size() == datasets &&
              scores.reads_most.size() == datasets);
  const double learned = typically_learned(scores);
  OwnDataReading result;
  std::map<OwnData, std::vector<size_t>> by_reading;
  for (size_t d = 0; d < datasets; ++d) {
    const size_t best = best_on(scores, d);
    const OwnData reading = reading_of(scores, d, best, learned);
    result.components.push_back({reading, best});
    by_reading[reading].push_back(d);
  }
  const auto warn_of = [&](OwnData reading, auto warning) {
    if (const auto found = by_reading.find(reading); found != by_reading.end())
      result.warnings.push_back(warning(scores, found->second));
  };
  warn_of(OwnData::kBelowBase, warning_of_below_base);
  warn_of(OwnData::kBehind, warning_of_behind);
  warn_of(OwnData::kForgot, warning_of_forgot);
  warn_of(OwnData::kAlike, [&](const HeldOutScores& all, const std::vector<size_t>& which) {
    return warning_of_alike(all, which, learned);
  });
  return result;
}

}  // namespace demix
