// Reads the components' scores on held-out text before any proxy is scored: whether each learned
// its own dataset (demix/validate/own_data.h).
#pragma once

#include <vector>

#include "demix/run/state.h"

namespace demix {

class OwnDataCheck {
 public:
  // `run` has its components, and outlives it.
  explicit OwnDataCheck(RunState& run);

  // Whether the run scores held-out text; else nothing is read or said.
  bool reads() const { return reads_; }
  // Of the next component, in order: what each document adds to its scores.
  void add(const TermsByMetric& terms);
  // After all components. Scores the base on the same text, by our own scorer alone; fills in the
  // result and warns.
  void finish();

 private:
  TermsByMetric base_terms();

  RunState& run_;
  bool reads_;
  std::vector<TermsByMetric> components_;  // of held-out text only
};

}  // namespace demix
