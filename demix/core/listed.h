// Long lists in messages.
#pragma once

#include <string>
#include <vector>

namespace demix {

// The first eight of `names`, printable: "a, b, c and 12 more".
std::string listed(const std::vector<std::string>& names);

}  // namespace demix
