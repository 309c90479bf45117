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
  double sum = 0;
  for (const std::string& text : options.weights) {
    const auto [name, value] = split("--weights", text);
    if (!wanted.emplace(name, number("--weights " + name, value)).second) {
      throw Error("--weights: '{}' is given twice", name);
    }
    sum += wanted[name];
  }
  const Architecture architecture = load_architecture(options.base);
  const at::Device cpu(at::kCPU);
  std::vector<std::string> names;
  std::vector<Weights> models;
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
    names.push_back(name);
    models.push_back(load_weights(folder, architecture, at::kFloat, cpu));
    weights.push_back(weight->second);
    wanted.erase(weight);
  }
  if (!wanted.empty()) {
    throw Error("--weights: there is no component '{}'", wanted.begin()->first);
  }
  if (!options.raw) {
    if (!(sum > 0))
      throw Error("--weights: they sum to {}, expected a positive sum (or --no-normalize)", sum);
    for (double& weight : weights) weight /= sum;
  }
  const Components components(architecture,
                              names,
                              std::move(models),
                              load_weights(options.base, architecture, at::kFloat, cpu),
                              at::kFloat,
                              cpu);
  Weights merged = components.allocate(dtype);
  components.merge(weights, options.scale, merged);
  save_model(options.out, architecture, merged, dtype, options.base);
  fmt::print("{:<24} {:>10} {:>10}\n", "component", "weight", "drift");
  for (size_t k = 0; k < names.size(); ++k) {
    fmt::print("{:<24} {:>10.5f} {:>10.5f}\n", names[k], weights[k], components.drifts()[k]);
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
