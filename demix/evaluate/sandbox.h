// Python programs that nobody has read, such as those a model generated, in a sandbox made by
// bubblewrap (`bwrap`).
//
// A program sees the system's programs read-only, an empty /tmp of its own, and nothing else: no
// other folder, no network, no process but its own, no environment, no privileges (it runs as an
// ordinary user even where we are root, and cannot make namespaces of its own). Once it
// runs it dies with this process. There is no way to run one unprotected: where the host cannot
// make a sandbox, running throws an Error that says why.
//
// The memory of all its processes together is looked at from outside, every 50 ms: a limit that
// they cannot pass for a moment would need a control group of its own. Files without a name lie in
// memory too; `files` bounds their number, `file_bytes` each.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

struct SandboxOptions {
  std::string python = "/usr/bin/python3";  // in a folder that is mounted
  double wall_s = 5;                        // for the start of Python (0.05 s) and the program
  int64_t cpu_s = 5;                        // of each process
  int64_t memory_bytes = 1LL << 30;         // address space of each process
  int64_t resident_bytes = 2LL << 30;       // memory of all processes together
  int64_t files = 64;                       // open at a time, in each process
  int64_t processes = 16;                   // and threads
  int64_t file_bytes = 16LL << 20;          // of each file
  int64_t disk_bytes = 64LL << 20;          // of /tmp, which lies in memory
  int64_t output_bytes = 1LL << 20;         // standard output and error together
};

enum class Outcome {
  kPassed,       // ran to its last line
  kFailed,       // an exception, or it ended before its last line, even with status 0
  kTimedOut,     // wall or processor time
  kOutOfMemory,  // MemoryError, or too much of it in all processes together
  kKilled,       // a signal, or too much output
};
std::string_view outcome_name(Outcome outcome);  // "passed", "failed", "timed out", …

struct ProgramResult {
  Outcome outcome = Outcome::kFailed;
  std::string reason;       // one line for people; empty when passed
  std::string output_tail;  // the end of standard output and error, the traceback included
  double wall_s = 0;
};

// Why programs cannot be run here and what helps; empty when they can. Tries it: a program must
// find itself shut in and limited. Once for each set of options, then remembered.
std::string sandbox_problem(const SandboxOptions& options = {});

// Executes the text as code_eval of Hugging Face's evaluate does, which the harness uses: with no
// names defined and with a __name__ that is not "__main__". `kPassed` is proof against mistakes
// (sys.exit, os._exit, a fork), not against a program that searches Python's frames for the word by
// which its end is reported. Throws Error when there is a sandbox_problem.
ProgramResult run_program(std::string_view program, const SandboxOptions& options = {});

// The same for many, `threads` of them at a time (0: one per core), in their order.
std::vector<ProgramResult> run_programs(std::span<const std::string> programs,
                                        const SandboxOptions& options = {},
                                        int threads = 0);

}  // namespace demix
