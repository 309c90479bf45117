#include "demix/study/study.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/torch_commands.h"
#include "cli/work.h"
#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/study/agreement.h"
#include "demix/study/calibrated.h"
#include "demix/study/gauges.h"

namespace demix::cli {

void add_study(CLI::App& app) {
  struct Options {
    std::filesystem::path config, out, tables;
    std::string listen;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = add_torch_command(app, "study");
  command->add_option(
      "CONFIG",
      options->config,
      "YAML configuration of the study; with --tables that of their study, whose seed and "
      "number of resamples its intervals had");
  command->add_option(
      "--out", options->out, "its folder (default: runs/NAME of the configuration)");
  command->add_option(
      "--tables",
      options->tables,
      "trains nothing: computes calibrated estimates, gauges and agreement anew from "
      "the tables of an earlier study in this folder, and writes them there");
  add_listen_option(*command, options->listen);
  command->footer(
      "Example: demix study recipes/fidelity/ladder.yaml --out runs/ladder\nRun it again to resume "
      "where it stopped.");
  command->callback([options] {
    if (options->config.empty() && options->tables.empty())
      throw Error("demix study: give a configuration, or the --tables of an earlier study");
    const StudyConfig config =
        options->config.empty() ? StudyConfig() : load_study_config(options->config);
    std::filesystem::path out = options->tables;
    StudyTables tables;
    if (!out.empty()) {
      tables = read_tables(out);
      for (const std::string& experiment : experiments_of(tables)) {
        add_calibrated(tables, experiment);
        add_gauge(tables, experiment);
      }
      write_tables(tables, out);
    } else {
      out = options->out.empty() ? std::filesystem::path("runs") / options->config.stem()
                                 : options->out;
      if (works_for_another(out)) return;
      with_places(options->config,
                  [&] { tables = run_study(config, out, where_to_listen(options->listen)); });
    }
    const std::vector<AgreementRow> rows = agreement_of(
        tables, Rng(config.seed).stream("bootstrap"), {.resamples = config.study.bootstrap});
    write_file_atomically(out / "agreement.csv", agreement_csv(rows));
    const std::string text = agreement_table(rows) + "\n" + decisions_table(tables) + "\n" +
                             (out / "agreement.csv").string() + "\n";
    std::fwrite(text.data(), 1, text.size(), stdout);
  });
}

}  // namespace demix::cli
