#include "demix/evaluate/item_list.h"

#include <algorithm>

#include "demix/core/error.h"
#include "demix/core/files.h"

namespace demix {

std::map<std::string, std::map<std::string, std::string>> read_item_list(
    const std::filesystem::path& path, const std::vector<std::string>& tasks) {
  std::map<std::string, std::map<std::string, std::string>> items;
  const std::string text = read_file(path);
  size_t begin = 0;
  for (size_t number = 1; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    const std::string where = fmt::format("{}:{}", path.string(), number);
    const size_t tab = line.find('\t');
    if (tab == std::string::npos) {
      if (tasks.size() != 1)
        throw Error("{}: expected task<TAB>id, since {} tasks are evaluated; found '{}'",
                    where,
                    tasks.size(),
                    printable(line));
      items[tasks[0]].emplace(line, where);
      continue;
    }
    const std::string task = line.substr(0, tab);
    if (std::find(tasks.begin(), tasks.end(), task) == tasks.end())
      throw Error("{}: task '{}' is not evaluated; expected one of {}",
                  where,
                  printable(task),
                  fmt::join(tasks, ", "));
    items[task].emplace(line.substr(tab + 1), where);
  }
  for (const std::string& task : tasks)
    if (!items.contains(task))
      throw Error(
          "{}: names no item of task {}; add some, or leave the task out", path.string(), task);
  return items;
}

}  // namespace demix
