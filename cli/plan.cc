#include "demix/run/plan.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/torch_commands.h"

namespace demix::cli {

void add_plan(CLI::App& app) {
  struct Options {
    std::filesystem::path config;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = add_torch_command(app, "plan");
  command->add_option("CONFIG", options->config, "YAML configuration of the run")->required();
  command->add_flag("--json", options->json, "one JSON document on standard output");
  command->footer("Example: demix plan recipes/demo.yaml");
  command->callback([options] {
    with_places(options->config, [&] {
      const Plan plan = make_plan(load_run_config(options->config));
      const std::string text = options->json ? to_json(plan).dump(2) : plan_table(plan);
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fputc('\n', stdout);
    });
  });
}

}  // namespace demix::cli
