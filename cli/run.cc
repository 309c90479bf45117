#include "demix/run/run.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/torch_commands.h"
#include "cli/work.h"
#include "demix/core/error.h"
#include "demix/report/result_json.h"

namespace demix::cli {
namespace {

struct Options {
  std::filesystem::path config, out;
  std::string listen;
  bool json = false;
};

std::string estimate_text(const Estimate& estimate) {
  if (std::isnan(estimate.value)) return "no evidence";
  if (std::isnan(estimate.low) || std::isnan(estimate.high))
    return fmt::format("{:.2f}", estimate.value);
  return fmt::format("{:.2f} [{:.2f}, {:.2f}]", estimate.value, estimate.low, estimate.high);
}

// The answer in short; the page has the rest.
std::string summary(const RunResult& result, const std::filesystem::path& out) {
  std::string text;
  if (!result.mixture.empty()) {
    text += fmt::format("{:<24}{:>10}{:>14}\n", "dataset", "share", "merge weight");
    for (size_t i = 0; i < result.datasets.size(); ++i) {
      text += fmt::format("{:<24}{:>10.4f}{:>14.4f}\n",
                          result.datasets[i].name,
                          result.mixture[i],
                          result.merge_weights[i]);
    }
  }
  if (!result.gauge.verdict.empty())
    text += fmt::format("\ngauge {:.2f} of 1: {}\n", result.gauge.value, result.gauge.verdict);
  if (result.fidelity.references > 0) {
    const bool merged = result.proxies == "merged";
    text += fmt::format(
        "\nrank agreement with {} really trained references (Spearman, mean over domains, 95 % "
        "interval)\n"
        "  {:<27}{}\n"
        "  {:<27}{}\n"
        "  interpolation, no merging  {}\n"
        "  own data share, no model   {}\n"
        "  calibrated by references   {}\n",
        result.fidelity.references,
        merged ? "merged proxies" : "ensembles of components",
        estimate_text(result.fidelity.proxy.macro.spearman),
        merged ? "ensembles of components" : "merged proxies",
        estimate_text(result.fidelity.other_proxy.macro.spearman),
        estimate_text(result.fidelity.interpolation.macro.spearman),
        estimate_text(result.fidelity.own_share.macro.spearman),
        estimate_text(result.fidelity.calibrated.macro.spearman));
  }
  if (!result.unfinished.empty()) text += fmt::format("\nunfinished: {}\n", result.unfinished);
  return text + fmt::format("\n{}\n", (out / "report.html").string());
}

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
          options->json ? result_to_json(result).dump(2) + "\n" : summary(result, out);
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
