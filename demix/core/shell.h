// Commands of the user's own, run by /bin/sh.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

namespace demix {

struct ShellConfig {
  bool append = false;     // to the log, instead of beginning it anew
  bool own_group = false;  // the shell leads a process group, which can be killed as a whole
};

// Starts /bin/sh -c COMMAND with nothing on its standard input and both outputs in `log`. The
// caller waits for it. Throws Error when it cannot be started.
pid_t start_shell(const std::string& command,
                  const std::filesystem::path& log,
                  const ShellConfig& config);

}  // namespace demix
