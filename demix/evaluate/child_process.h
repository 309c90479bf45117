// One command with its input, its output and a deadline.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

struct ChildLimits {
  double wall_s = 10;
  int64_t output_bytes = 1 << 20;  // of standard output and error together
  int64_t tail_bytes = 4096;       // of these, what is kept
  // Of memory that it and all that it started hold, counted process by process, looked at every
  // 50 ms.
  int64_t resident_bytes = INT64_MAX;
};

struct ChildResult {
  // As waitpid gives it.
  int status = 0;
  // Why it was killed before it ended; none holds otherwise.
  bool timed_out = false;
  bool too_much_output = false;
  bool too_much_memory = false;
  // The end of what it wrote to standard output and error, as it came.
  std::string output_tail;
  // What it wrote to descriptor 3, at most 256 bytes. One line there ends the run: the command is
  // killed if it still goes on.
  std::string report;
  double wall_s = 0;
};

// Runs `command`, found on PATH, with `input` as its standard input, an environment of
// `environment` alone, and no other descriptor of ours. Nothing of this process is copied, so it is
// cheap from a large one. Threads may call it at the same time. Kills the command with all that it
// started, as far as the system shows that; that nothing outlives it is the command's task, and an
// Error where it fails in that. Throws Error when the command cannot be started.
ChildResult run_child(const std::vector<std::string>& command,
                      const std::vector<std::string>& environment,
                      std::string_view input,
                      const ChildLimits& limits);

}  // namespace demix
