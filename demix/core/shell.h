// Commands of the user's own, run by /bin/sh.
#pragma once

#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace demix {

// The template with its placeholders {name} replaced by shell-quoted values; {{ and }} stand for
// braces. Throws Error on an unknown one.
std::string expand_command(std::string_view command,
                           const std::vector<std::pair<std::string, std::string>>& values);

struct ShellConfig {
  bool append = false;                                       // to the log, not begun anew
  double seconds = std::numeric_limits<double>::infinity();  // then it is stopped
};

// Runs /bin/sh -c COMMAND with nothing on its standard input and both outputs in `log`, in a
// process group of its own. Returns its end as waitpid gives it, nothing where it was stopped. What
// is left of the group then is killed, and the command with all that it started when this process
// dies, even when it is killed. Throws Error when it cannot be started.
std::optional<int> run_shell(const std::string& command,
                             const std::filesystem::path& log,
                             const ShellConfig& config);

// "ended with exit status 3", "was killed by signal 9"; empty where the command succeeded.
std::string failure_of(int status);

// The end of what a command printed, a few lines under a heading, for the end of a message.
std::string log_end(const std::filesystem::path& log);

}  // namespace demix
