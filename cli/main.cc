#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/program.h"
#include "cli/torch_commands.h"

int main(int argc, char** argv) {
  if (argc > 1 && demix::cli::is_torch_command(argv[1]))
    return demix::cli::become_torch_program(argv);
  CLI::App app;
  demix::cli::describe_program(app);
  // For the list of commands only.
  for (const auto& command : demix::cli::kTorchCommands)
    demix::cli::add_torch_command(app, command.name);
  demix::cli::add_merge(app);
  demix::cli::add_fit(app);
  demix::cli::add_report(app);
  return demix::cli::run_program(app, argc, argv);
}
