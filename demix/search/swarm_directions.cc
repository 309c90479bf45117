#include "demix/search/swarm_directions.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "demix/core/error.h"
#include "demix/search/fit_directions.h"
#include "demix/search/swarm_median.h"

namespace demix {
namespace {

constexpr double kTypicalPercentage = 20;  // medians of losses lie below, of percentages above

// As file names are matched: * is any text, ? any character.
bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() == '*') {
    for (size_t skipped = 0; skipped <= name.size(); ++skipped)
      if (matches(pattern.substr(1), name.substr(skipped))) return true;
    return false;
  }
  return !name.empty() && (pattern.front() == '?' || pattern.front() == name.front()) &&
         matches(pattern.substr(1), name.substr(1));
}

enum Said { kNothing, kAll, kPattern, kName };  // the later, the more it counts

// By metric, what the entries of one list say of it.
std::vector<Said> said_of(const std::vector<std::string>& metrics,
                          const std::vector<std::string>& entries,
                          const char* key) {
  std::vector<Said> said(metrics.size(), kNothing);
  for (const std::string& entry : entries) {
    const bool is_name = std::find(metrics.begin(), metrics.end(), entry) != metrics.end();
    const bool is_pattern = entry.find_first_of("*?") != std::string::npos;
    const Said how = is_name ? kName : entry == "all" ? kAll : kPattern;
    if (how == kPattern && !is_pattern)
      throw Error("{}: there is no metric '{}'; {}", key, entry, suggestion(entry, metrics));
    bool found = false;
    for (size_t m = 0; m < metrics.size(); ++m) {
      if (how == kName ? metrics[m] != entry : how == kPattern && !matches(entry, metrics[m]))
        continue;
      said[m] = std::max(said[m], how);
      found = true;
    }
    if (!found) throw Error("{}: no metric matches '{}', such as '{}'", key, entry, metrics[0]);
  }
  return said;
}

bool is_letter_or_digit(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

// The name without the word that negates it, such as "log_loss" of "log_loss_neg". A "minus" after
// another word is a difference.
std::optional<std::string> without_negation(std::string_view name) {
  for (size_t begin = 0; begin < name.size();) {
    if (!is_letter_or_digit(name[begin])) {
      ++begin;
      continue;
    }
    size_t end = begin;
    std::string word;
    const auto begins_word = [&](size_t at) {  // a capital after a small letter
      return at > begin && std::isupper(static_cast<unsigned char>(name[at])) &&
             std::islower(static_cast<unsigned char>(name[at - 1]));
    };
    while (end < name.size() && is_letter_or_digit(name[end]) && !begins_word(end))
      word += lower(name[end++]);
    const bool first = begin == 0 || name[begin - 1] == '/' || name[begin - 1] == ':';
    if (word == "neg" || word == "negative" || word == "negated" || (word == "minus" && first))
      return fmt::format("{}{}", name.substr(0, begin), name.substr(end));
    begin = end;
  }
  return std::nullopt;
}

// "negative log-likelihood" is a loss, however it is written.
bool is_log_likelihood(std::string_view name) {
  std::string together;
  for (char c : name)
    if (is_letter_or_digit(c)) together += lower(c);
  return together.find("loglik") != std::string::npos ||
         together.find("logprob") != std::string::npos;
}

struct Spread {
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();

  void add(std::span<const double> values) {
    for (double value : values) {
      least = std::min(least, value);
      most = std::max(most, value);
    }
  }
};

Spread spread_of(std::span<const double> values) {
  Spread spread;
  spread.add(values);
  return spread;
}

std::string words_for(const std::vector<std::string>& names) {
  constexpr size_t kFew = 6;
  const size_t shown = names.size() > kFew + 1 ? kFew : names.size();
  std::string words =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + std::ptrdiff_t(shown), ", "));
  if (shown < names.size()) words += fmt::format(" and {} more", names.size() - shown);
  return words;
}

class Directions {
 public:
  explicit Directions(const Swarm& swarm) : swarm_(swarm) {
    const size_t metrics = swarm.metrics.size();
    found_.higher_is_better.assign(metrics, true);
    found_.told.assign(metrics, false);
    found_.by_values.assign(metrics, false);
  }

  SwarmDirections read(const std::vector<std::string>& higher,
                       const std::vector<std::string>& lower) && {
    const auto said_higher = said_of(swarm_.metrics, higher, "higher_is_better"),
               said_lower = said_of(swarm_.metrics, lower, "lower_is_better");
    std::vector<size_t> unknown;
    for (size_t m = 0; m < swarm_.metrics.size(); ++m) {
      if (said_higher[m] != kNothing || said_lower[m] != kNothing) {
        if (said_higher[m] == said_lower[m]) {
          throw Error("metric '{}' is named both higher and lower is better", swarm_.metrics[m]);
        }
        found_.told[m] = true;
        found_.higher_is_better[m] = said_higher[m] > said_lower[m];
      } else if (!read_name(m)) {
        unknown.push_back(m);
      }
    }
    if (!unknown.empty()) read_values(unknown);
    warn_of(negated_by_name_, "By the name a negated loss or score");
    warn_of(negated_by_values_, "By the name a loss, but one that is negated, all below zero");
    return std::move(found_);
  }

 private:
  // False where the name says nothing.
  bool read_name(size_t m) {
    const std::string& name = swarm_.metrics[m];
    Direction direction = direction_by_name(name);
    if (const auto rest = without_negation(name)) {
      const Direction positive = direction_by_name(*rest);
      if (is_log_likelihood(*rest)) {
        direction = {.higher_is_better = false, .has_sign = true};
      } else if (!positive.has_sign || !positive.higher_is_better) {
        found_.higher_is_better[m] = true;
        negated_by_name_.push_back(name);
        return true;
      }
    }
    if (!direction.has_sign) return false;
    found_.higher_is_better[m] = direction.higher_is_better;
    if (!direction.higher_is_better && spread_of(swarm_.scores[m]).most < 0) {
      found_.higher_is_better[m] = true;
      negated_by_values_.push_back(name);
    }
    return true;
  }

  // One file's columns are of one kind. Those that never change tell nothing of it.
  void read_values(const std::vector<size_t>& metrics) {
    std::vector<std::string> names;
    Spread all, changing;
    std::vector<double> medians, changing_medians;
    for (size_t m : metrics) {
      names.push_back(swarm_.metrics[m]);
      const auto& scores = swarm_.scores[m];
      const Spread own = spread_of(scores);
      const bool changes = own.most > own.least;
      all.add(scores);
      medians.push_back(median_of(scores));
      if (!changes) continue;
      changing.add(scores);
      changing_medians.push_back(medians.back());
    }
    if (!changing_medians.empty()) {
      all = changing;
      medians = changing_medians;
    }
    const double typical = median_of(medians);
    bool higher = true;
    std::string evidence;
    if (all.least >= 0 && all.most <= 1) {
      evidence = "as those of accuracies do";
    } else if (all.least < 0) {
      evidence = "and no loss is negative";
    } else if (all.most <= 100 && typical > kTypicalPercentage) {
      evidence = fmt::format("with a typical median of {:.3g}, as percentages do", typical);
    } else {
      higher = false;
      evidence = fmt::format(
          "with a typical median of {:.3g}, as those of losses and bits per byte do; accuracies "
          "lie between 0 and 1",
          typical);
    }
    for (size_t m : metrics) {
      found_.higher_is_better[m] = higher;
      found_.by_values[m] = true;
    }
    found_.warnings.push_back(fmt::format(
        "Nothing in the name says which direction is better of {}: {} was taken as better{}, since "
        "{} values lie between {:.3g} and {:.3g}, {}. If that is wrong, --{}-is-better {} "
        "({}_is_better in the "
        "configuration) says so.",
        words_for(names),
        higher ? "HIGHER" : "LOWER",
        names.size() > 1 ? fmt::format(" of all {}", names.size()) : std::string(),
        names.size() > 1 ? "their" : "its",
        all.least,
        all.most,
        evidence,
        higher ? "lower" : "higher",
        metrics.size() == swarm_.metrics.size() ? "all" : "NAME,…",
        higher ? "lower" : "higher"));
  }

  void warn_of(const std::vector<std::string>& names, std::string_view what) {
    if (names.empty()) return;
    found_.warnings.push_back(
        fmt::format("{}: HIGHER was taken as better of {}. If that is wrong, --lower-is-better "
                    "NAME,… (lower_is_better in the configuration) says so.",
                    what,
                    words_for(names)));
  }

  const Swarm& swarm_;
  SwarmDirections found_;
  std::vector<std::string> negated_by_name_, negated_by_values_;
};

}  // namespace

SwarmDirections swarm_directions(const Swarm& swarm,
                                 const std::vector<std::string>& higher,
                                 const std::vector<std::string>& lower) {
  return Directions(swarm).read(higher, lower);
}

}  // namespace demix
