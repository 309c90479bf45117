// The questions one by one; trust.h says what they ask, and has them all.
#pragma once

#include <cmath>
#include <optional>

#include "demix/report/trust.h"

namespace demix {

inline bool is_known(const Estimate& e) {
  return std::isfinite(e.value) && std::isfinite(e.low) && std::isfinite(e.high);
}

std::optional<Verdict> memory_verdict(const RunResult& result);
Verdict agreement_verdict(const RunResult& result);
Verdict baseline_verdict(const RunResult& result);
Verdict gain_verdict(const RunResult& result);
std::optional<Verdict> refined_verdict(const RunResult& result);
Verdict gauge_verdict(const RunResult& result);
std::optional<Verdict> length_verdict(const RunResult& result);

}  // namespace demix
