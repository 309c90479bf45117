// A file that names the items to evaluate.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace demix {

// Task -> ids -> the line that asks for it ("items.txt:3"), from lines `task<TAB>id`, or `id` where
// only one of `tasks` is evaluated; empty lines are skipped. Throws Error when a line names another
// task, or none where several could be meant, or a task has no line.
std::map<std::string, std::map<std::string, std::string>> read_item_list(
    const std::filesystem::path& path, const std::vector<std::string>& tasks);

}  // namespace demix
