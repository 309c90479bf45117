// The files that hold a task's rows.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace demix {

// The first of `stems` that is in `folder` with .jsonl, .jsonl.gz, .jsonl.zst, .parquet or .arrow;
// else all of `parts`, in order. Throws Error, naming `where` ("tasks/a.yaml:2: data"), when there
// is none, when a part is missing, or when a stem has two files.
std::vector<std::filesystem::path> find_task_data(const std::filesystem::path& folder,
                                                  const std::vector<std::string>& stems,
                                                  const std::string& where,
                                                  const std::vector<std::string>& parts = {},
                                                  const std::string& parts_where = "");

}  // namespace demix
