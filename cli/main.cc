#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/commands.h"
#include "demix/core/error.h"

int main(int argc, char** argv) {
  CLI::App app(
      "demix finds the best data mixture for pre-training a language model by merging models "
      "instead of "
      "training them.");
  app.set_version_flag("--version", DEMIX_VERSION);
  app.require_subcommand(1);
  app.footer("Example: demix run recipes/demo.yaml --out runs/demo");
  demix::cli::add_run(app);
  demix::cli::add_plan(app);
  demix::cli::add_merge(app);
  demix::cli::add_evaluate(app);
  demix::cli::add_report(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "demix: %s\n", demix::error_chain(error).c_str());
    return 1;
  }
  return 0;
}
