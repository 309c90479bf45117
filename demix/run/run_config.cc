#include "demix/run/run_config.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/evaluate/external_evaluator.h"
#include "demix/run/references.h"
#include "demix/run/resolve_path.h"
#include "demix/train/external.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

void require(bool condition, std::string_view message) {
  if (!condition) throw Error("{}", message);
}

void require_one_of(std::string_view key,
                    const std::string& value,
                    const std::vector<std::string>& allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
  throw Error(
      "{}: '{}' is not known; {}", key, value, suggestion(value, allowed, "expected one of"));
}

// A name that becomes that of a folder, with a word before it.
bool is_folder_name(const std::string& name) {
  constexpr size_t kMostBytes = 200;
  return !name.empty() && name.size() <= kMostBytes &&
         name.find_first_of("/\\\n,\"") == std::string::npos && name != "." && name != "..";
}

void refuse_repetitions(std::string_view key, std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) throw Error("{}: '{}' is named twice", key, *twice);
}

constexpr int kMostThreads = 1024, kMostReferences = 10000;

}  // namespace

bool is_own_reference(std::string_view name) {
  constexpr std::string_view kNames[] = {
      "uniform", "natural", "natural_unprojected", "found", "flattened", "current"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
         name.starts_with("random_") || name.starts_with("refined_");
}

void ModelConfig::check() const {
  require_one_of("family", family, {"llama", "qwen2", "qwen3"});
  constexpr int64_t kMostSize = int64_t{1} << 24;
  const std::pair<const char*, int64_t> sizes[] = {{"hidden", hidden},
                                                   {"layers", layers},
                                                   {"heads", heads},
                                                   {"kv_heads", kv_heads},
                                                   {"head_dim", head_dim},
                                                   {"intermediate", intermediate},
                                                   {"max_positions", max_positions}};
  for (const auto& [key, size] : sizes)
    if (size < 1 || size > kMostSize)
      throw Error("{} is {}, expected from 1 to {}", key, size, kMostSize);
  require(head_dim % 2 == 0, "head_dim must be even, for RoPE");
  require(heads % kv_heads == 0, "heads must be a multiple of kv_heads");
}

void ComponentsConfig::check() const {
  if (!(keep_early >= 0 && keep_early < 1))
    throw Error("keep_early is {}, expected a share from 0 to below 1", keep_early);
  if (!(anchor_share >= 0 && anchor_share < 1)) {
    throw Error("anchor_share is {}, expected a share from 0 to below 1", anchor_share);
  }
  if (!command.empty()) check_training_command(command);
}

void EvaluateConfig::check() const {
  require_one_of("dtype", dtype, {"float32", "bfloat16"});
  if (limit < 0) throw Error("limit is {}, expected 0 (all items) or more", limit);
  if (held_out_tokens < 0)
    throw Error("held_out_tokens is {}, expected 0 (none) or more", held_out_tokens);
  if (tokens_per_pass < 1)
    throw Error("tokens_per_pass is {}, expected at least 1", tokens_per_pass);
  if (command.empty()) {
    require(lower_is_better.empty(), "lower_is_better: is of the metrics of a command");
  } else {
    check_evaluation_command(command);
    require(!domains.empty(), "command: name its scores under domains, as TASK:METRIC");
    if (!(command_seconds > 0))
      throw Error("command_seconds is {}, expected above 0", command_seconds);
  }
  refuse_repetitions("tasks", tasks);
  refuse_repetitions("held_out", held_out);
  require(!domains.contains(""), "domains: one has no name; give it one");
  require(tasks.empty() || !data.empty(), "data: name the folder that holds the tasks' data files");
}

void ReferenceImport::check() const {
  require(!folder.empty(), "folder: name the model's Hugging Face folder");
  require(!mixture.empty(), "mixture: say what it was trained on, as data shares by dataset");
  if (tokens && *tokens < 1) throw Error("tokens is {}, expected at least 1", *tokens);
}

void ReferenceScores::check() const {
  require(!mixtures.empty() && !scores.empty(), "name both files, mixtures and scores");
}

void ValidateConfig::check() const {
  const int fewest = import.empty() && !scores ? 4 : 3;
  if (references != 0 && (references < fewest || references > kMostReferences))
    throw Error(
        "references is {}, expected 0 or from {} to {}: uniform, natural and found are among "
        "them{}",
        references,
        fewest,
        kMostReferences,
        fewest == 4 ? ", and no agreement can be measured on fewer" : "");
  if (tokens && *tokens < 1) throw Error("tokens is {}, expected at least 1", *tokens);
  if (!(stop_width >= 0)) throw Error("stop_width is {}, expected 0 (off) or more", stop_width);
  if (refine < 0 || refine > kMostReferences)
    throw Error("refine is {}, expected from 0 to {}", refine, kMostReferences);
  const int known = references + static_cast<int>(import.size());
  require(refine == 0 || scores || known >= static_cast<int>(kFewestToCalibrate),
          fmt::format("refine needs at least {} references to learn from, there are {}",
                      kFewestToCalibrate,
                      known));
  for (const auto& [name, reference] : import) {
    require(is_folder_name(name) && name[0] != '.',
            fmt::format("import.{}: cannot be a folder name; use letters, digits, '_' and '-', at "
                        "most 200 of them",
                        name));
    require(!is_own_reference(name),
            fmt::format("import.{}: is the name of a reference of the run's own", name));
  }
  if (!(spread > 0)) throw Error("spread is {}, expected above 0", spread);
  if (bootstrap < 100 || bootstrap > 1'000'000)
    throw Error("bootstrap is {}, expected from 100 to 1000000", bootstrap);
}

void RunConfig::check() const {
  require(!tokenizer.empty(), "tokenizer: name a tokenizer.json or the folder that holds one");
  if (datasets.size() < 2)
    throw Error("datasets: found {}, a mixture needs at least 2", datasets.size());
  std::vector<std::string> names = dataset_names();
  for (const std::string& name : names) {
    require(is_folder_name(name),
            fmt::format("datasets.{}: cannot be a folder name; use letters, digits, '_', '-' and "
                        "'.', at most 200 of them",
                        name));
  }
  const auto known = [&](const std::string& key, const std::string& name) {
    if (datasets.contains(name)) return;
    throw Error("{}: there is no dataset '{}'; {}", key, name, suggestion(name, names));
  };
  require(!anchor.empty() || components.anchor_share == 0,
          "anchor: name the dataset that every component is mixed with, or set "
          "components.anchor_share: 0");
  if (!anchor.empty()) known("anchor", anchor);
  require(base.import.empty() || base.mixture.empty(),
          "base: give either import or mixture, not both");
  require(base.import.empty() || base.tokens == 0,
          "base: give either import or tokens, not both: an imported base is not trained further");
  if (base.import.empty() && base.tokens < 1)
    throw Error("base.tokens is {}, expected at least 1, or a base.import", base.tokens);
  const auto check_mixture = [&](const std::string& key,
                                 const std::map<std::string, double>& mixture) {
    std::vector<std::string> named;
    std::vector<double> weights;
    for (const auto& [name, weight] : mixture) {
      known(key + "." + name, name);
      named.push_back(name);
      weights.push_back(weight);
    }
    checked_mixture(std::move(named), std::move(weights), key);
  };
  if (!base.mixture.empty()) check_mixture("base.mixture", base.mixture);
  for (const auto& [name, mixture] : components.mixture) {
    known("components.mixture." + name, name);
    check_mixture("components.mixture." + name, mixture);
  }
  require(!base.import.empty() || !base.mixture.empty() || !anchor.empty(),
          "base.mixture: needed where there is no anchor");
  for (const auto& [name, folder] : components.import) known("components.import." + name, name);
  for (const std::string& name : evaluate.held_out) known("evaluate.held_out", name);
  for (const auto& [name, reference] : validate.import)
    check_mixture("validate.import." + name + ".mixture", reference.mixture);
  if (components.import.size() < datasets.size() && components.tokens < 1)
    throw Error("components.tokens is {}, expected at least 1", components.tokens);
  require(
      components.tokens >= 1 || validate.tokens || validate.references + validate.refine == 0,
      "validate.tokens: needed where all components are imported and components.tokens does not "
      "say how long references are trained; or set validate.references: 0");
  for (const auto& [name, share] : search.current) known("search.current." + name, name);
  require(search.weights.empty() || std::any_of(search.weights.begin(),
                                                search.weights.end(),
                                                [](const auto& one) { return one.second > 0; }),
          "search.weights: no domain has a weight above 0: nothing to optimise");
  require(!search.budget.items || (!evaluate.tasks.empty() && proxies != "ensemble"),
          "search.budget.items: counts the items of evaluate.tasks that merged proxies answer, of "
          "which there are none here; give search.budget.proxies or seconds instead");
  const ConstraintConfig& constraints = search.constraints;
  for (const auto& [key, shares] : {std::pair("min_share", &constraints.min_share),
                                    std::pair("max_share", &constraints.max_share),
                                    std::pair("fixed_share", &constraints.fixed_share)}) {
    for (const auto& [name, share] : *shares)
      known(fmt::format("search.constraints.{}.{}", key, name), name);
  }
  for (const auto& [group, members] : constraints.groups)
    for (const std::string& name : members.datasets)
      known(fmt::format("search.constraints.groups.{}.datasets", group), name);
  require_one_of("proxies", proxies, {"auto", "merged", "ensemble"});
  try {
    ProxyMethod(merge, datasets.size(), seed);
  } catch (const Error& error) {
    throw Error("merge.{}", error.what());
  }
  if (threads < 0 || threads > kMostThreads)
    throw Error("threads is {}, expected 0 (all cores) or up to {}", threads, kMostThreads);
  if (parallel_models < 0 || parallel_models > kMostThreads)
    throw Error("parallel_models is {}, expected 0 (by model size) or up to {}",
                parallel_models,
                kMostThreads);
  if (target_tokens && !(*target_tokens > 0))
    throw Error("target_tokens is {}, expected above 0", *target_tokens);
  require(search.constraints.max_epochs == 0 || target_tokens,
          "search.constraints.max_epochs: needs target_tokens, the budget of the training that the "
          "mixture is for");
}

std::vector<std::string> RunConfig::dataset_names() const {
  std::vector<std::string> names;
  for (const auto& [name, dataset] : datasets) names.push_back(name);
  return names;
}

std::vector<std::string> held_out_datasets(const RunConfig& config) {
  if (config.evaluate.held_out_tokens == 0) return {};
  return config.evaluate.held_out.empty() ? config.dataset_names() : config.evaluate.held_out;
}

Composition composition_of(const RunConfig& config) {
  const std::vector<std::string> names = config.dataset_names();
  const Composition anchored =
      Composition::anchored(names, config.anchor, config.components.anchor_share);
  std::vector<std::vector<double>> rows;
  for (size_t k = 0; k < names.size(); ++k) {
    std::vector<double>& row = rows.emplace_back();
    const auto own = config.components.mixture.find(names[k]);
    for (size_t i = 0; i < names.size(); ++i) {
      if (own == config.components.mixture.end()) {
        row.push_back(anchored.at(k, i));
      } else {
        const auto share = own->second.find(names[i]);
        row.push_back(share == own->second.end() ? 0 : share->second);
      }
    }
  }
  return Composition(names, names, std::move(rows));
}

void resolve_paths(RunConfig& config, const fs::path& path) {
  const fs::path folder = fs::absolute(path).parent_path();
  resolve_path(config.tokenizer, folder);
  for (auto& [name, dataset] : config.datasets) {
    for (fs::path& file : dataset.paths) resolve_path(file, folder);
  }
  resolve_path(config.base.import, folder);
  for (auto& [name, import] : config.components.import) resolve_path(import, folder);
  for (auto& [name, reference] : config.validate.import) resolve_path(reference.folder, folder);
  if (config.validate.scores) {
    resolve_path(config.validate.scores->mixtures, folder);
    resolve_path(config.validate.scores->scores, folder);
  }
  resolve_path(config.evaluate.data, folder);
  resolve_path(config.evaluate.tasks_folder, folder);
  for (fs::path& run : config.search.warm_start) resolve_path(run, folder);
}

namespace {

// Whether `message` begins with keys that stand within one another in `node`.
bool begins_with_keys(const ConfigNode& node, std::string_view message, std::string_view ends) {
  if (!node.is_map()) return false;
  for (const auto& [key, value] : node.entries()) {
    if (!message.starts_with(key) || message.size() == key.size()) continue;
    const std::string_view rest = message.substr(key.size());
    if (ends.find(rest[0]) != std::string_view::npos) return true;
    if (rest[0] == '.' && begins_with_keys(value, rest.substr(1), ": ,[")) return true;
  }
  return false;
}

}  // namespace

void with_places(const fs::path& path, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    const std::string message = error_chain(error);
    std::string place;
    try {
      const ConfigNode root = ConfigNode::parse_file(path);
      RunConfig known;  // a key may be wrong by its absence
      if (begins_with_keys(root, message, ":") ||
          begins_with_keys(ConfigNode::parse(write_config(known), ""), message, ":"))
        place = root.where_of(message);
    } catch (const Error&) {
      // Whatever is wrong with the file by now, `error` matters more.
    }
    if (place.empty()) throw;
    throw Error("{}: {}", place, message);
  }
}

RunConfig load_run_config(const fs::path& path) {
  RunConfig config = read_config<RunConfig>(ConfigNode::parse_file(path));
  resolve_paths(config, path);
  return config;
}

template std::string write_config(RunConfig&);
template RunConfig read_config(const ConfigNode&);

TrainConfig training_of(const TrainConfig& common, const StageTraining& stage) {
  TrainConfig training = common;
  if (stage.learning_rate) training.learning_rate = *stage.learning_rate;
  if (stage.schedule) training.schedule = *stage.schedule;
  return training;
}

}  // namespace demix
