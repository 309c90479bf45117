// demix-torch: see torch_commands.h.
#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/program.h"

int main(int argc, char** argv) {
  CLI::App app;
  demix::cli::describe_program(app);
  demix::cli::add_run(app);
  demix::cli::add_plan(app);
  demix::cli::add_evaluate(app);
  demix::cli::add_study(app);
  demix::cli::add_work(app);
  return demix::cli::run_program(app, argc, argv);
}
