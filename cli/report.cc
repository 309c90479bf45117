#include "demix/report/report.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "cli/commands.h"

namespace demix::cli {

void add_report(CLI::App& app) {
  auto run = std::make_shared<std::filesystem::path>();
  CLI::App* command =
      app.add_subcommand("report", "Writes report.html and mixture.csv anew from a run's result");
  command->add_option("RUN", *run, "run folder")->required();
  command->footer("Example: demix report runs/demo");
  command->callback([run] {
    rebuild_report(*run);
    std::puts((*run / "report.html").c_str());
  });
}

}  // namespace demix::cli
