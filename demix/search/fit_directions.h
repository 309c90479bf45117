// Which direction of a metric is better, by its name.
#pragma once

#include <string_view>

namespace demix {

struct Direction {
  bool higher_is_better = true;
  bool has_sign = false;  // whether the name says so; else higher is no more than the usual case
};

// Case makes no difference, nor does what separates words: "val_ce", "eval/cross-entropy" and
// "HellaSwag BPB" are lower-is-better, "arc_easy/acc,none" and "pass@1" higher.
Direction direction_by_name(std::string_view metric);

}  // namespace demix
