// Selection on one part of the items, report on the other: what the search gains by fitting the
// luck of its items does not reach the gains that are reported.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "demix/evaluate/metrics.h"

namespace demix {

enum class Part { kSelection, kReport };

// On which items something is scored: all, or those that the search selects by.
enum class Items { kAll, kSelection };

// Which items of each task are in which part. Every item has a place between 0 and 1, by a hash of
// task and item: more items or other tasks leave the rest where it is, and a larger share keeps the
// items of a smaller one. Documents of held-out text go by their number.
class ItemSplit {
 public:
  // A task with fewer items in one of the parts is whole in both, as such a part would say nothing.
  static constexpr size_t kFewestInPart = 4;

  // `select_share`, above 0: items below this place are the selection; 1: all items are in both.
  ItemSplit(const std::vector<Task>& tasks, double select_share);

  TermsByMetric terms_of(const TermsByMetric& all, Part part) const;
  // Of all tasks and metrics in `all`, on the items of one part; others keep their place in
  // `scores`.
  Scores scores_of(const TermsByMetric& all, Part part, Scores scores = {}) const;
  // The tasks of `all` that are whole in both parts.
  std::vector<std::string> undivided(const TermsByMetric& all) const;

  // The items, or of held-out text the first `count` documents, that a search scores its proxies
  // on, ascending: of the selection those of the lowest places, `share` of all `count` but at least
  // 2 · kFewestInPart, as far as there are as many.
  std::vector<size_t> searched(const std::string& task, size_t count, double share) const;
  // The task with the items that `searched` names. Of a group each member keeps at least one, which
  // is none of the selection where the member has none of it.
  Task searched(Task task, double share) const;

 private:
  // By item, of `count` items.
  std::vector<double> places(const std::string& task, size_t count) const;
  // Of items at these places; empty where the task is not divided.
  std::vector<Part> division(const std::vector<double>& places) const;
  // Empty also where there are not as many terms as items: these are not of single items.
  std::vector<Part> division(const std::string& task, size_t terms) const;

  double select_share_;
  std::map<std::string, std::vector<double>> places_;  // by task and item
};

}  // namespace demix
