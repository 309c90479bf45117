#include "demix/run/halves.h"

#include <algorithm>

#include "demix/core/hash.h"

namespace demix {

ItemHalves::ItemHalves(const std::vector<Task>& tasks) {
  for (const Task& task : tasks) {
    for (const Item& item : task.items) halves_[task.name].push_back(half_of(task.name, item.id));
  }
}

Half ItemHalves::half_of(std::string_view task, std::string_view item) {
  const std::string hash = Hasher().field(task).field(item).hex();
  // The last digit of the hash: even or odd.
  const char last = hash.back();
  const int digit = last <= '9' ? last - '0' : last - 'a' + 10;
  return digit % 2 == 0 ? Half::kSelection : Half::kReport;
}

std::vector<Half> ItemHalves::division(const std::string& task, size_t count) const {
  std::vector<Half> halves;
  if (const auto known = halves_.find(task); known != halves_.end()) {
    if (known->second.size() != count) return {};  // terms that are not of single items
    halves = known->second;
  } else {
    for (size_t i = 0; i < count; ++i) halves.push_back(half_of(task, std::to_string(i)));
  }
  const auto selection =
      static_cast<size_t>(std::count(halves.begin(), halves.end(), Half::kSelection));
  if (std::min(selection, count - selection) < kFewestInHalf) return {};
  return halves;
}

TermsByMetric ItemHalves::terms_of(const TermsByMetric& all, Half half) const {
  TermsByMetric result;
  for (const auto& [task, metrics] : all) {
    for (const auto& [metric, terms] : metrics) {
      const auto halves = division(task, terms.x.size());
      ItemTerms& kept = result[task][metric];
      if (halves.empty()) {
        kept = terms;
        continue;
      }
      for (size_t i = 0; i < halves.size(); ++i) {
        if (halves[i] != half) continue;
        kept.x.push_back(terms.x[i]);
        kept.y.push_back(terms.y[i]);
      }
    }
  }
  return result;
}

Scores ItemHalves::scores_of(const TermsByMetric& all, Half half, Scores scores) const {
  for (const auto& [task, metrics] : terms_of(all, half)) {
    for (const auto& [metric, terms] : metrics) scores.tasks[task][metric] = metric_value(terms);
  }
  return scores;
}

std::vector<std::string> ItemHalves::undivided(const TermsByMetric& all) const {
  std::vector<std::string> names;
  for (const auto& [task, metrics] : all) {
    if (!metrics.empty() && division(task, metrics.begin()->second.x.size()).empty())
      names.push_back(task);
  }
  return names;
}

}  // namespace demix
