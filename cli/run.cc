#include "demix/run/run.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/torch_commands.h"
#include "cli/work.h"
#include "demix/core/error.h"
#include "demix/report/result_json.h"
#include "demix/report/summary.h"

namespace demix::cli {
namespace {

struct Options {
  std::filesystem::path config, out;
  std::string listen;
  bool json = false;
};

void add_stage(CLI::App& app, const char* name, Stage last) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_torch_command(app, name);
  command->add_option("CONFIG", options->config, "YAML configuration of the run")->required();
  command->add_option(
      "--out", options->out, "run folder (default: runs/NAME of the configuration)");
  add_listen_option(*command, options->listen);
  command->add_flag("--json", options->json, "result.json on standard output");
  command->footer(std::string("Example: demix ") + name +
                  " recipes/demo.yaml --out runs/demo\nRun it again to resume where it stopped.");
  command->callback([options, last] {
    const std::filesystem::path out = options->out.empty()
                                          ? std::filesystem::path("runs") / options->config.stem()
                                          : options->out;
    if (works_for_another(out)) return;
    with_places(options->config, [&] {
      const RunResult result =
          run_stages(load_run_config(options->config), out, last, where_to_listen(options->listen));
      const std::string text =
          options->json
              ? result_to_json(result).dump(2) + "\n"
              : fmt::format("{}\n{}\n", terminal_summary(result), (out / "report.html").string());
      std::fwrite(text.data(), 1, text.size(), stdout);
    });
  });
}

}  // namespace

void add_run(CLI::App& app) {
  add_stage(app, "run", Stage::kValidate);
  add_stage(app, "corpus", Stage::kCorpus);
  add_stage(app, "train", Stage::kTrain);
  add_stage(app, "search", Stage::kSearch);
  add_stage(app, "validate", Stage::kValidate);
}

}  // namespace demix::cli
