#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/merge/merge_record.h"
#include "demix/merge/merge_to_disk.h"
#include "demix/merge/mergekit_config.h"

namespace demix::cli {
namespace {

struct Options {
  std::filesystem::path config, config_out;  // the mergekit way
  std::filesystem::path base, out, tokenizer;
  std::vector<std::string> components, weights, parameters;
  std::string method = "linear", dtype, max_shard_size = "5GB", memory;
  std::optional<double> scale;
  double max_drift = 0;
  bool raw = false, sync = false, no_tokenizer = false, json = false, list = false;
  int threads = 0;
  uint64_t seed = 0;
};

std::atomic<bool> stopped = false;

// Ctrl-C ends a merge in good order; a second one ends the process.
void stop_on_signals() {
  struct sigaction action = {};
  action.sa_handler = [](int) { stopped = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

// "NAME=VALUE" of `option`.
std::pair<std::string, std::string> split(const std::string& option, const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos || equals + 1 == text.size())
    throw Error("{}: expected NAME={}, found '{}'",
                option,
                option == "--component" ? "FOLDER" : "VALUE",
                text);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

// "500MB", "5GB", "256MiB", or bytes.
uint64_t size_in_bytes(const std::string& option, const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  for (const auto& [name, factor] : {std::pair("", 1.0),
                                     {"B", 1.0},
                                     {"KB", 1e3},
                                     {"MB", 1e6},
                                     {"GB", 1e9},
                                     {"TB", 1e12},
                                     {"KiB", 1024.0},
                                     {"MiB", 1048576.0},
                                     {"GiB", 1073741824.0}})
    if (error == std::errc() && unit == name && number * factor >= 1 && number * factor < 9e18)
      return static_cast<uint64_t>(number * factor);
  throw Error("{}: expected a size such as 5GB, 500MB or 256MiB, found '{}'", option, text);
}

// The place of a component's name, or an Error with the nearest.
size_t find_component(const std::string& option,
                      const std::string& name,
                      const std::vector<MergeSource>& models) {
  std::vector<std::string_view> names;
  for (size_t k = 0; k < models.size(); ++k) {
    if (models[k].name == name) return k;
    names.push_back(models[k].name);
  }
  const std::string_view near = nearest(name, names);
  throw Error("{}: there is no component '{}'{}",
              option,
              name,
              near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

std::vector<MergeSource> read_components(const Options& options) {
  std::vector<MergeSource> models;
  for (const std::string& text : options.components) {
    const auto [name, folder] = split("--component", text);
    for (const MergeSource& other : models)
      if (other.name == name) throw Error("--component: '{}' is given twice", name);
    models.push_back({name, folder});
  }
  if (models.empty())
    throw Error("expected a mergekit configuration, or --base with at least one --component");
  return models;
}

// The method's parameters out of --weights, --param, --scale and --no-normalize.
std::unique_ptr<ParameterPlan> read_parameters(const Options& options,
                                               const std::vector<MergeSource>& models) {
  const MergeMethod& method = find_merge_method(options.method);
  auto plan = std::make_unique<ParameterPlan>(method, models.size());
  std::map<std::string, std::string> given;  // by the flag
  const auto once = [&](const std::string& parameter, const std::string& option) {
    const auto [first, is_new] = given.emplace(parameter, option);
    if (is_new) return;
    throw Error("{}: '{}' is given twice{}; expected it once",
                option,
                parameter,
                first->second == option ? "" : ", by " + first->second + " before");
  };
  if (!options.weights.empty()) once("weight", "--weights");
  if (!options.weights.empty() && !method.uses_weights())
    throw Error("--weights: the method {} decides by the models' numbers and takes no weights",
                method.name);
  std::vector<bool> weighted(models.size());
  for (const std::string& text : options.weights) {
    const auto [name, value] = split("--weights", text);
    const size_t k = find_component("--weights", name, models);
    if (weighted[k]) throw Error("--weights: '{}' is given twice", name);
    weighted[k] = true;
    once(name + ".weight", "--weights");
    plan->set("weight", k, ParameterSetting::of(value, "--weights " + name));
  }
  if (!options.weights.empty())
    for (size_t k = 0; k < models.size(); ++k)
      if (!weighted[k]) throw Error("--weights: no weight for component '{}'", models[k].name);
  if (options.scale) {
    once("lambda", "--scale");
    plan->set("lambda", ParameterSetting::of(fmt::format("{}", *options.scale), "--scale"));
  }
  if (options.raw) {
    once("normalize", "--no-normalize");
    plan->set("normalize", ParameterSetting::of("false", "--no-normalize"));
  }
  for (const std::string& text : options.parameters) {
    const auto [name, value] = split("--param", text);
    once(name, "--param");
    // COMPONENT.PARAMETER=VALUE is for one component; parameters' names have no dots.
    const size_t dot = name.rfind('.');
    if (dot == std::string::npos) {
      plan->set(name, ParameterSetting::of(value, "--param"));
      continue;
    }
    const size_t k = find_component("--param", name.substr(0, dot), models);
    const std::string parameter = name.substr(dot + 1);
    const MergeParameter* found = method.find_parameter(parameter);
    if (found && found->scope == MergeParameter::Scope::kTensor)
      throw Error("--param: '{}' of {} has one value for all components", parameter, method.name);
    plan->set(parameter, k, ParameterSetting::of(value, "--param " + name));
  }
  return plan;
}

// Flags that a configuration file speaks for.
void refuse_beside_config(const CLI::App& command) {
  for (const char* name : {"--base",
                           "--component",
                           "--weights",
                           "--method",
                           "--param",
                           "--scale",
                           "--no-normalize",
                           "--out",
                           "--dtype"})
    if (command.count(name) > 0)
      throw Error("{}: not beside a configuration file, which says it itself", name);
}

std::string weight_text(const std::optional<std::pair<double, double>>& weight) {
  if (!weight) return "by numbers";
  if (weight->first == weight->second) return fmt::format("{:.6g}", weight->first);
  return fmt::format("{:.4g}..{:.4g}", weight->first, weight->second);
}

// What was done with the weights that were given, where that is not obvious.
void explain_weights(const ParameterPlan& plan, const MergeReport& report) {
  if (!plan.constant() || !plan.method().uses_weights()) return;
  const MergeParameters parameters = plan.at("", 0);
  const std::span<const double> given = parameters.of_models("weight");
  double sum = 0, effective = 0;
  bool negative = false, known = true;
  for (size_t k = 0; k < given.size(); ++k) {
    sum += given[k];
    negative |= given[k] < 0;
    known &= report.models[k].weight.has_value();
    if (known) effective += report.models[k].weight->first;
  }
  if (known && std::abs(sum - effective) > 1e-9)
    say(fmt::format("weights sum to {:.6g}; {} uses them as in the table, with the sum {:.6g}",
                    sum,
                    plan.method().name,
                    effective));
  else if (std::abs(sum - 1) > 1e-6)
    say(fmt::format(
        "weights sum to {:.6g}, not to 1; {} takes them as they are", sum, plan.method().name));
  if (negative) say("a negative weight moves the result away from its model");
}

void print_report(const ParameterPlan& plan,
                  const MergeReport& report,
                  const std::filesystem::path& out) {
  explain_weights(plan, report);
  size_t width = 9;
  for (const MergedInput& model : report.models) width = std::max(width, model.name.size());
  fmt::print("method {}; distances from {} {}\n",
             plan.method().name,
             report.has_base ? "the base" : "the first model",
             report.reference.folder.string());
  fmt::print("{:<{}} {:>14} {:>12} {:>8}\n", "component", width, "weight", "distance", "drift");
  for (const MergedInput& model : report.models)
    fmt::print("{:<{}} {:>14} {:>12.6g} {:>8.5f}\n",
               model.name,
               width,
               weight_text(model.weight),
               model.distance,
               model.drift);
  if (report.cosines.size() > 1) {
    fmt::print("cosines between updates\n");
    for (size_t a = 0; a < report.cosines.size(); ++a) {
      fmt::print("{:<{}}", report.models[a].name, width);
      for (size_t b = 0; b <= a; ++b) fmt::print(" {:>6.3f}", report.cosines[a][b]);
      fmt::print("\n");
    }
  }
  fmt::print("{} tensors merged, {} copied, {} left out; {} parameters; written to {}\n",
             report.merged_tensors,
             report.copied_tensors,
             report.dropped.size(),
             report.parameters,
             out.string());
}

void list_methods() {
  for (const MergeMethod* method : merge_methods()) {
    fmt::print("{}\n    {}\n", method->name, method->paper);
    for (const MergeParameter& parameter : method->parameters)
      fmt::print("    {}{}: {}\n",
                 parameter.name,
                 parameter.required() ? " (required)" : "",
                 parameter.meaning);
  }
}

void merge(const Options& options, const CLI::App& command) {
  if (options.list) return list_methods();
  MergekitConfig config;
  std::filesystem::path out = options.out;
  if (!options.config.empty()) {
    refuse_beside_config(command);
    if (options.config_out.empty()) throw Error("expected OUT after the configuration file");
    out = options.config_out;
    config = read_mergekit_config(ConfigNode::parse_file(options.config));
  } else {
    if (out.empty()) throw Error("--out is missing: the folder to write");
    config.models = read_components(options);
    config.parameters = read_parameters(options, config.models);
    if (!options.base.empty()) config.base = options.base;
    if (!options.dtype.empty()) {
      config.format = number_format_named(options.dtype);
      if (!config.format)
        throw Error("--dtype: '{}' is not known; expected float32, bfloat16 or float16",
                    options.dtype);
    }
  }
  if (!options.tokenizer.empty()) config.tokenizer = options.tokenizer;
  if (!options.tokenizer.empty() && options.no_tokenizer)
    throw Error("--tokenizer: not beside --no-tokenizer, which copies none; expected one of them");
  if (!(options.max_drift >= 0))
    throw Error("--max-drift: expected a number of at least 0, found {}", options.max_drift);
  MergeJob job{.parameters = *config.parameters,
               .models = std::move(config.models),
               .base = config.base,
               .out = out,
               .seed = options.seed,
               .format = config.format,
               .tokenizer = config.tokenizer,
               .copy_tokenizer = !options.no_tokenizer,
               .chat_template = config.chat_template,
               .max_shard_bytes = size_in_bytes("--max-shard-size", options.max_shard_size),
               .threads = options.threads,
               .sync = options.sync,
               .stop = &stopped};
  if (!options.memory.empty()) job.memory_bytes = size_in_bytes("--memory", options.memory);
  if (command.count("--max-drift") > 0) job.most_drift = options.max_drift;
  stop_on_signals();
  const MergeReport report = merge_to_disk(job);
  if (options.json)
    fmt::print("{}\n", merge_record(job, report).dump(2));
  else
    print_report(job.parameters, report, out);
}

}  // namespace

void add_merge(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("merge", "A Hugging Face checkpoint merged from components");
  command->add_option("CONFIG", options->config, "mergekit configuration (YAML), then OUT");
  command->add_option("OUT", options->config_out, "folder to write, after CONFIG");
  command->add_option("--base", options->base, "folder of the model that the components come from");
  command->add_option("--component", options->components, "NAME=FOLDER, once per component");
  command->add_option("--weights", options->weights, "NAME=WEIGHT, …")->delimiter(',');
  command->add_option("--method", options->method, "see --list-methods")->capture_default_str();
  command->add_option("--param",
                      options->parameters,
                      "PARAMETER=VALUE of the method, or COMPONENT.PARAMETER=VALUE");
  command->add_option(
      "--scale", options->scale, "λ in base + λ Σ w (component − base), as --param lambda=λ");
  command->add_flag(
      "--no-normalize", options->raw, "weights as they are, as --param normalize=false");
  command->add_option(
      "--dtype", options->dtype, "of the result: float32, bfloat16 or float16; else as the base");
  command->add_option("--out", options->out, "folder to write");
  command->add_option(
      "--tokenizer", options->tokenizer, "folder to copy the tokenizer from; else the base's");
  command->add_flag("--no-tokenizer", options->no_tokenizer, "copy no tokenizer");
  command->add_option("--max-shard-size", options->max_shard_size, "of one file of weights")
      ->capture_default_str();
  command->add_option("--memory",
                      options->memory,
                      "for tensors; else the models' largest tensor in float32, and 128 MiB");
  command->add_option("--threads", options->threads, "0: as many as the machine has")
      ->check(CLI::Range(0, 1024));
  command->add_option("--seed", options->seed, "of methods that draw")
      ->check([](const std::string& text) -> std::string {
        if (!text.starts_with('-')) return "";
        return "expected a whole number of at least 0, found " + text;
      })
      ->capture_default_str();
  command->add_option(
      "--max-drift", options->max_drift, "refuse components that drifted farther from the base");
  command->add_flag("--fsync", options->sync, "return when the result is safe from a power loss");
  command->add_flag("--json", options->json, "print demix_merge.json instead of a table");
  command->add_flag("--list-methods", options->list, "the methods, and their parameters");
  command->footer(
      "Example: demix merge --base runs/demo/base --component math=runs/demo/components/math_high "
      "--component code=runs/demo/components/code_high --weights math=0.7,code=0.3 --out merged\n"
      "or:      demix merge merge.yml merged");
  command->callback([options, command] { merge(*options, *command); });
}

}  // namespace demix::cli
