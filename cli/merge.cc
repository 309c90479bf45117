#include <ATen/core/Tensor.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <memory>

#include "cli/commands.h"
#include "demix/core/error.h"
#include "demix/merge/components.h"
#include "demix/model/weights.h"
#include "demix/run/device.h"

namespace demix::cli {
namespace {

struct Options {
  std::filesystem::path base, out;
  std::vector<std::string> components, weights;
  std::string method = "linear", dtype = "bfloat16";
  double scale = 1;
  bool raw = false;
};

// "NAME=VALUE" of `option`.
std::pair<std::string, std::string> split(const std::string& option, const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos || equals + 1 == text.size()) {
    throw Error("{}: expected NAME=VALUE, found '{}'", option, text);
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

double number(const std::string& option, const std::string& text) {
  size_t used = 0;
  double value = 0;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used != text.size() || !std::isfinite(value)) {
    throw Error("{}: expected a number, found '{}'", option, text);
  }
  return value;
}

void merge(const Options& options) {
  if (options.method != "linear") {
    throw Error("--method: '{}' is not available; only linear is", options.method);
  }
  const at::ScalarType dtype = resolve_dtype(options.dtype, "--dtype");
  if (std::filesystem::exists(options.out) && !std::filesystem::is_empty(options.out)) {
    throw Error("--out: {} is not empty; name a new folder", options.out.string());
  }
  std::map<std::string, double> wanted;
  for (const std::string& text : options.weights) {
    const auto [name, value] = split("--weights", text);
    if (!wanted.emplace(name, number("--weights " + name, value)).second) {
      throw Error("--weights: '{}' is given twice", name);
    }
  }
  const Architecture architecture = load_architecture(options.base);
  std::vector<ComponentFolder> components;
  std::vector<double> weights;
  for (const std::string& text : options.components) {
    const auto [name, folder] = split("--component", text);
    const auto weight = wanted.find(name);
    if (weight == wanted.end()) throw Error("--weights: no weight for component '{}'", name);
    const Architecture found = load_architecture(folder);
    if (!(found == architecture)) {
      throw Error("component '{}': {} does not have the architecture of {}",
                  name,
                  folder,
                  options.base.string());
    }
    components.push_back({name, folder});
    weights.push_back(weight->second);
    wanted.erase(weight);
  }
  if (!wanted.empty()) {
    throw Error("--weights: there is no component '{}'", wanted.begin()->first);
  }
  const ProxyMethodConfig config{"linear",
                                 {{"normalize", options.raw ? "false" : "true"},
                                  {"lambda", fmt::format("{}", options.scale)}}};
  const ProxyMethod method(config, components.size(), /*seed=*/0);
  const Components merger(
      architecture, options.base, components, method, {at::kCPU, dtype, options.out.parent_path()});
  Weights merged = merger.allocate();
  merger.merge(weights, merged);
  save_model(options.out, architecture, merged, dtype, options.base);
  const std::vector<double> factors = *method.factors(weights);
  fmt::print("{:<24} {:>10} {:>10}\n", "component", "weight", "drift");
  for (size_t k = 0; k < components.size(); ++k) {
    fmt::print("{:<24} {:>10.5f} {:>10.5f}\n", components[k].name, factors[k], merger.drifts()[k]);
  }
  fmt::print("written to {}\n", options.out.string());
}

}  // namespace

void add_merge(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("merge", "A Hugging Face checkpoint merged from components");
  command->add_option("--base", options->base, "checkpoint folder of the base")->required();
  command->add_option("--component", options->components, "NAME=FOLDER, once per component")
      ->required();
  command->add_option("--weights", options->weights, "NAME=WEIGHT, …")->required()->delimiter(',');
  command->add_option("--method", options->method, "linear")->capture_default_str();
  command->add_option("--scale", options->scale, "λ in base + λ Σ w (component − base)")
      ->capture_default_str();
  command->add_flag("--no-normalize",
                    options->raw,
                    "use the weights as they are; else they are scaled to sum to one");
  command->add_option("--dtype", options->dtype, "float32 or bfloat16")->capture_default_str();
  command->add_option("--out", options->out, "folder to write")->required();
  command->footer(
      "Example: demix merge --base runs/demo/base --component math=runs/demo/components/math_high "
      "--component code=runs/demo/components/code_high --weights math=0.7,code=0.3 --out merged");
  command->callback([options] { merge(*options); });
}

}  // namespace demix::cli
