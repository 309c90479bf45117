// Items that begin alike, as with the same worked examples in front, computed together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "demix/evaluate/plan.h"

namespace demix {

// The same answers by fewer rows: trees whose tokens begin alike become one, which has their common
// beginning once. A tree has at most `rows` rows, or more where the beginning is most of it; those
// that share nothing stay as they are.
std::vector<TokenTree> share_beginnings(std::span<const TokenTree> trees, int64_t rows);

}  // namespace demix
