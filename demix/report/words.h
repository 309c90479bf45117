// Lists in plain words.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace demix {

// "a", "a and b", "a, b and c"; of more than `most` and one the first `most`: "a, b and 5 more".
std::string in_prose(const std::vector<std::string>& items, size_t most = 12);

}  // namespace demix
