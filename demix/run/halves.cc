#include "demix/run/halves.h"

#include <algorithm>
#include <cmath>

#include "demix/core/hash.h"

namespace demix {

ItemHalves::ItemHalves(const std::vector<Task>& tasks) {
  for (const Task& task : tasks) {
    for (const Item& item : task.items) {
      halves_[task.name].push_back(half_of(task.name, item.id));
      ids_[task.name].push_back(item.id);
    }
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

std::vector<size_t> ItemHalves::selected(const std::string& task,
                                         size_t count,
                                         double share,
                                         bool on_half) const {
  const auto halves = on_half ? division(task, count) : std::vector<Half>{};
  const auto ids = ids_.find(task);
  std::vector<std::pair<std::string, size_t>> order;
  for (size_t i = 0; i < count; ++i) {
    if (!halves.empty() && halves[i] != Half::kSelection) continue;
    const std::string id = ids == ids_.end() ? std::to_string(i) : ids->second[i];
    order.emplace_back(Hasher().field("order").field(task).field(id).hex(), i);
  }
  std::sort(order.begin(), order.end());
  const auto wanted = static_cast<size_t>(std::ceil(share * static_cast<double>(count) - 1e-9));
  order.resize(std::min(order.size(), std::max(wanted, 2 * kFewestInHalf)));
  std::vector<size_t> chosen;
  for (const auto& [hash, item] : order) chosen.push_back(item);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

Task ItemHalves::selected(Task task, double share, bool on_half) const {
  std::vector<bool> keep(task.items.size());
  for (const size_t i : selected(task.name, task.items.size(), share, on_half)) keep[i] = true;
  size_t begin = 0;
  for (Task::Member& member : task.members) {
    const auto end = begin + static_cast<size_t>(member.items);
    if (std::find(keep.begin() + static_cast<long>(begin),
                  keep.begin() + static_cast<long>(end),
                  true) == keep.begin() + static_cast<long>(end))
      keep[begin] = true;
    member.items = std::count(
        keep.begin() + static_cast<long>(begin), keep.begin() + static_cast<long>(end), true);
    begin = end;
  }
  std::vector<Item> items;
  Hasher hasher;
  hasher.field(task.hash).field("of these items");
  for (size_t i = 0; i < keep.size(); ++i) {
    if (!keep[i]) continue;
    hasher.field(task.items[i].id);
    items.push_back(std::move(task.items[i]));
  }
  if (items.size() < keep.size()) task.hash = hasher.hex();
  task.items = std::move(items);
  return task;
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
