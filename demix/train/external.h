// Models trained by somebody else's program: a command template that gets a mixture and leaves a
// Hugging Face folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "demix/core/mixture.h"
#include "demix/model/architecture.h"

namespace demix {

struct ExternalJob {
  std::string name;  // "components/math_high"
  // For /bin/sh, with placeholders: {mixture} a CSV file "dataset,share", {output} the folder to
  // write, {base} the folder to start from (empty for the base itself), {tokens}, {seed}, {name}.
  // Values are quoted for the shell; {{ and }} stand for braces.
  std::string command;
  Mixture mixture;  // data shares
  std::filesystem::path output, base;
  int64_t tokens = 0;
  uint64_t seed = 0;
};

// Throws Error on an unknown placeholder, and where {mixture} or {output} is missing.
void check_training_command(const std::string& command);

// Runs the command and waits. Beside OUTPUT lie OUTPUT.mixture.csv and OUTPUT.log with all that the
// command printed. What it started in the background ends with it, and all of it when this process
// dies. Throws Error on an unknown placeholder, with the log's last lines when the command fails,
// and when OUTPUT holds no checkpoint that can be opened. OUTPUT is not emptied before: the program
// may resume there.
void train_externally(const ExternalJob& job);

}  // namespace demix
