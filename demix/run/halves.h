// Selection on one half of the items, report on the other: what the search gains by fitting the
// luck of its items does not reach the gains that are reported.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "demix/evaluate/metrics.h"

namespace demix {

enum class Half { kSelection, kReport };

// Which items of each task are in which half: by a hash of task and item, so that more items or
// other tasks leave the rest where it is. Documents of held-out text go by their number. A task
// with fewer than kFewestInHalf items in one of the halves is whole in both, as a half of it would
// say nothing.
class ItemHalves {
 public:
  static constexpr size_t kFewestInHalf = 4;

  explicit ItemHalves(const std::vector<Task>& tasks);

  TermsByMetric terms_of(const TermsByMetric& all, Half half) const;
  // Of all tasks and metrics in `all`, on the items of one half; others keep their place in
  // `scores`.
  Scores scores_of(const TermsByMetric& all, Half half, Scores scores = {}) const;
  // The tasks of `all` that are whole in both halves.
  std::vector<std::string> undivided(const TermsByMetric& all) const;

  // The items, or of held-out text the first `count` documents, that a search scores its proxies
  // on, ascending: this share of them, but at least 2 · kFewestInHalf where there are as many,
  // those with the lowest hashes, so that a larger share keeps those of a smaller one. With
  // `on_half` of the selection half only, where the task is divided.
  std::vector<size_t> selected(const std::string& task,
                               size_t count,
                               double share,
                               bool on_half) const;
  // The task with the items that `selected` names. Of a group each member keeps at least one.
  Task selected(Task task, double share, bool on_half) const;

  static Half half_of(std::string_view task, std::string_view item);

 private:
  // By item, of `count` items; empty where the task is not divided.
  std::vector<Half> division(const std::string& task, size_t count) const;

  std::map<std::string, std::vector<Half>> halves_;  // by task and item
  std::map<std::string, std::vector<std::string>> ids_;
};

}  // namespace demix
