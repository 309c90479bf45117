#include "demix/train/external.h"

#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/shell.h"
#include "demix/model/checkpoint_files.h"

namespace demix {

namespace {

std::filesystem::path beside(const std::filesystem::path& folder, const char* suffix) {
  std::filesystem::path name = folder;
  if (!name.has_filename()) name = name.parent_path();  // "x/" means "x"
  return name += suffix;
}

std::string expanded(const ExternalJob& job, const std::filesystem::path& mixture) {
  return expand_command(job.command,
                        // Absolute, for commands that change their folder.
                        {{"mixture", std::filesystem::absolute(mixture).string()},
                         {"output", std::filesystem::absolute(job.output).string()},
                         {"base", std::filesystem::absolute(job.base).string()},
                         {"tokens", fmt::format("{}", job.tokens)},
                         {"seed", fmt::format("{}", job.seed)},
                         {"name", job.name}});
}

}  // namespace

void check_training_command(const std::string& command) {
  expanded({.command = command, .output = "output", .base = "base"}, "mixture");
  for (const char* needed : {"{mixture}", "{output}"})
    if (command.find(needed) == std::string::npos)
      throw Error("command: expected {} in: {}", needed, command);
}

void train_externally(const ExternalJob& job) {
  const auto mixture = beside(job.output, ".mixture.csv"), log = beside(job.output, ".log");
  const std::string command = expanded(job, mixture);
  std::filesystem::create_directories(job.output);
  std::string csv = "dataset,share\n";
  for (size_t i = 0; i < job.mixture.size(); ++i)
    csv += fmt::format("{},{}\n", job.mixture.names[i], job.mixture.weights[i]);
  write_file_atomically(mixture, csv);

  const int status = run_shell(command, log, {.append = true}).value();
  if (const std::string failure = failure_of(status); !failure.empty())
    throw Error("{}: the training command {}: {}{}", job.name, failure, command, log_end(log));
  try {
    Architecture::from_json(Json::parse(read_file(job.output / "config.json")),
                            (job.output / "config.json").string());
    Checkpoint::open(job.output);
  } catch (const std::exception&) {
    std::throw_with_nested(
        Error("{}: the training command succeeded, but {} holds no usable checkpoint "
              "(expected config.json and safetensors; its output is in {})",
              job.name,
              job.output.string(),
              log.string()));
  }
}

}  // namespace demix
