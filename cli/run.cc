#include "demix/run/run.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "cli/commands.h"

namespace demix::cli {
namespace {

struct Options {
  std::filesystem::path config, out;
};

void add_stage(CLI::App& app, const char* name, const char* description, Stage last) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(name, description);
  command->add_option("CONFIG", options->config, "YAML configuration of the run")->required();
  command->add_option(
      "--out", options->out, "run folder (default: runs/NAME of the configuration)");
  command->footer(std::string("Example: demix ") + name +
                  " recipes/demo.yaml --out runs/demo\nRun it again to resume where it stopped.");
  command->callback([options, last] {
    const std::filesystem::path out = options->out.empty()
                                          ? std::filesystem::path("runs") / options->config.stem()
                                          : options->out;
    run_stages(load_run_config(options->config), out, last);
  });
}

}  // namespace

void add_run(CLI::App& app) {
  add_stage(app,
            "run",
            "The whole loop: corpus, components, search, references, report",
            Stage::kValidate);
  add_stage(
      app, "corpus", "Raw text to de-duplicated, tokenised, memory-mapped shards", Stage::kCorpus);
  add_stage(app, "train", "The same, and the base and component models", Stage::kTrain);
  add_stage(app, "search", "The same, and the search over merged proxies", Stage::kSearch);
  add_stage(app,
            "validate",
            "The same, and references that measure the proxies' fidelity",
            Stage::kValidate);
}

}  // namespace demix::cli
