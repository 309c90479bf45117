#include "demix/run/item_split.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>

#include "demix/core/error.h"
#include "demix/core/hash.h"

namespace demix {
namespace {

// In [0, 1): the first 48 bits of a hash.
double place_of(std::string_view task, std::string_view item) {
  const std::string hash = Hasher().field(task).field(item).hex();
  return std::ldexp(static_cast<double>(std::stoull(hash.substr(0, 12), nullptr, 16)), -48);
}

}  // namespace

ItemSplit::ItemSplit(const std::vector<Task>& tasks, double select_share)
    : select_share_(select_share) {
  DEMIX_CHECK(select_share > 0 && select_share <= 1);
  for (const Task& task : tasks)
    for (const Item& item : task.items) places_[task.name].push_back(place_of(task.name, item.id));
}

std::vector<double> ItemSplit::places(const std::string& task, size_t count) const {
  if (const auto known = places_.find(task); known != places_.end()) {
    DEMIX_CHECK(known->second.size() == count);
    return known->second;
  }
  std::vector<double> places;
  for (size_t i = 0; i < count; ++i) places.push_back(place_of(task, std::to_string(i)));
  return places;
}

std::vector<Part> ItemSplit::division(const std::vector<double>& places) const {
  std::vector<Part> parts;
  for (const double place : places)
    parts.push_back(place < select_share_ ? Part::kSelection : Part::kReport);
  const auto selection =
      static_cast<size_t>(std::count(parts.begin(), parts.end(), Part::kSelection));
  if (std::min(selection, parts.size() - selection) < kFewestInPart) return {};
  return parts;
}

std::vector<Part> ItemSplit::division(const std::string& task, size_t terms) const {
  const auto known = places_.find(task);
  if (known != places_.end() && known->second.size() != terms) return {};
  return division(places(task, terms));
}

std::vector<size_t> ItemSplit::searched(const std::string& task, size_t count, double share) const {
  const std::vector<double> places = this->places(task, count);
  const std::vector<Part> parts = division(places);
  std::vector<size_t> chosen(count);
  std::iota(chosen.begin(), chosen.end(), size_t{0});
  std::erase_if(chosen, [&](size_t i) { return !parts.empty() && parts[i] == Part::kReport; });
  std::stable_sort(
      chosen.begin(), chosen.end(), [&](size_t a, size_t b) { return places[a] < places[b]; });
  const auto wanted = static_cast<size_t>(std::ceil(share * static_cast<double>(count) - 1e-9));
  chosen.resize(std::min(chosen.size(), std::max(wanted, 2 * kFewestInPart)));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

Task ItemSplit::searched(Task task, double share) const {
  const std::vector<double> places = this->places(task.name, task.items.size());
  std::vector<bool> keep(task.items.size());
  for (const size_t i : searched(task.name, task.items.size(), share)) keep[i] = true;
  size_t first = 0;
  for (Task::Member& member : task.members) {
    const size_t end = first + static_cast<size_t>(member.items);
    size_t lowest = first;  // of the selection, if the member has any of it
    for (size_t i = first; i < end; ++i)
      if (places[i] < places[lowest]) lowest = i;
    keep[lowest] = true;
    member.items = std::count(keep.begin() + static_cast<std::ptrdiff_t>(first),
                              keep.begin() + static_cast<std::ptrdiff_t>(end),
                              true);
    first = end;
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

TermsByMetric ItemSplit::terms_of(const TermsByMetric& all, Part part) const {
  TermsByMetric result;
  for (const auto& [task, metrics] : all) {
    for (const auto& [metric, terms] : metrics) {
      const std::vector<Part> parts = division(task, terms.x.size());
      ItemTerms& kept = result[task][metric];
      if (parts.empty()) {
        kept = terms;
        continue;
      }
      for (size_t i = 0; i < parts.size(); ++i) {
        if (parts[i] != part) continue;
        kept.x.push_back(terms.x[i]);
        kept.y.push_back(terms.y[i]);
      }
    }
  }
  return result;
}

Scores ItemSplit::scores_of(const TermsByMetric& all, Part part, Scores scores) const {
  for (const auto& [task, metrics] : terms_of(all, part)) {
    for (const auto& [metric, terms] : metrics) scores.tasks[task][metric] = metric_value(terms);
  }
  return scores;
}

std::vector<std::string> ItemSplit::undivided(const TermsByMetric& all) const {
  std::vector<std::string> names;
  for (const auto& [task, metrics] : all) {
    if (!metrics.empty() && division(task, metrics.begin()->second.x.size()).empty())
      names.push_back(task);
  }
  return names;
}

}  // namespace demix
