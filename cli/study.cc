#include "demix/study/study.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/torch_commands.h"
#include "demix/core/files.h"
#include "demix/study/agreement.h"

namespace demix::cli {

void add_study(CLI::App& app) {
  struct Options {
    std::filesystem::path config, out;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = add_torch_command(app, "study");
  command->add_option("CONFIG", options->config, "YAML configuration of the study")->required();
  command->add_option(
      "--out", options->out, "its folder (default: runs/NAME of the configuration)");
  command->footer(
      "Example: demix study recipes/fidelity/ladder.yaml --out runs/ladder\nRun it again to resume "
      "where it stopped.");
  command->callback([options] {
    const std::filesystem::path out = options->out.empty()
                                          ? std::filesystem::path("runs") / options->config.stem()
                                          : options->out;
    StudyConfig config = load_study_config(options->config);
    const Rng rng = Rng(config.seed).stream("bootstrap");
    const int resamples = config.study.bootstrap;
    const StudyTables tables = run_study(std::move(config), out);
    const std::vector<AgreementRow> rows = agreement_of(tables, rng, {.resamples = resamples});
    write_file_atomically(out / "agreement.csv", agreement_csv(rows));
    const std::string text = agreement_table(rows) + "\n" + decisions_table(tables) + "\n" +
                             (out / "agreement.csv").string() + "\n";
    std::fwrite(text.data(), 1, text.size(), stdout);
  });
}

}  // namespace demix::cli
