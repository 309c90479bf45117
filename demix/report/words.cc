#include "demix/report/words.h"

#include <fmt/format.h>

namespace demix {

std::string in_prose(const std::vector<std::string>& items, size_t most) {
  const size_t named = items.size() <= most + 1 ? items.size() : most;
  std::string text;
  for (size_t i = 0; i < named; ++i) {
    const bool last = i + 1 == items.size();
    text += fmt::format("{}{}", i == 0 ? "" : last ? " and " : ", ", items[i]);
  }
  if (named < items.size()) text += fmt::format(" and {} more", items.size() - named);
  return text;
}

}  // namespace demix
