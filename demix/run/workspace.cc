#include "demix/run/workspace.h"

#include <fstream>
#include <sstream>

#include "demix/core/error.h"
#include "demix/core/files.h"

namespace demix {
namespace {

std::filesystem::path created(std::filesystem::path folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure)
    throw Error("{}: the run's folder cannot be created: {}; name another with --out",
                folder.string(),
                failure.message());
  return folder;
}

// "expected … found …" for the first line in which two texts differ.
std::string first_difference(const std::string& expected, const std::string& found) {
  std::istringstream a(expected), b(found);
  std::string line_a, line_b;
  for (int line = 1;; ++line) {
    const bool more_a = static_cast<bool>(std::getline(a, line_a));
    const bool more_b = static_cast<bool>(std::getline(b, line_b));
    if (!more_a) line_a = "(end of file)";
    if (!more_b) line_b = "(end of file)";
    if (line_a != line_b || (!more_a && !more_b)) {
      return fmt::format(
          "line {}: the folder has '{}', this configuration '{}'", line, line_a, line_b);
    }
  }
}

std::string adopt_config(const std::filesystem::path& folder, std::string text) {
  const std::filesystem::path path = folder / "config.yaml";
  if (!std::filesystem::exists(path)) {
    write_file_atomically(path, text);
  } else if (const std::string present = read_file(path); present != text) {
    throw Error(
        "{}: this run folder was made with another configuration; {}. Use another folder with "
        "--out, or the folder's own configuration, {}",
        folder.string(),
        first_difference(present, text),
        path.string());
  }
  return text;
}

}  // namespace

Workspace::Workspace(RunConfig config, std::filesystem::path folder)
    : Workspace(config, write_config(config), std::move(folder)) {}

Workspace::Workspace(RunConfig config, std::string text, std::filesystem::path folder)
    : folder_(created(std::move(folder))),
      lock_(folder_),
      config_(std::move(config)),
      config_text_(adopt_config(folder_, std::move(text))),
      journal_(folder_ / "journal.sqlite") {}

Workspace::Workspace(RunConfig config,
                     std::filesystem::path folder,
                     const std::filesystem::path& journal)
    : folder_(std::move(folder)), config_(std::move(config)), journal_(journal) {}

StageClock::StageClock(Journal& journal, std::string stage)
    : journal_(journal), stage_(std::move(stage)), last_(std::chrono::steady_clock::now()) {}

StageClock::~StageClock() {
  try {
    lap();
  } catch (const std::exception&) {
    // Only the account of time is lost; an error on its way through here matters more.
  }
}

void StageClock::lap() {
  const auto now = std::chrono::steady_clock::now();
  journal_.add_seconds(stage_, std::chrono::duration<double>(now - last_).count());
  last_ = now;
}

}  // namespace demix
