#include "demix/study/study_config.h"

#include <algorithm>

#include "demix/core/error.h"
#include "demix/run/resolve_path.h"

namespace demix {
namespace {

void check_seeds(const char* key, const std::vector<uint64_t>& seeds) {
  if (seeds.empty()) throw Error("{}: at least one seed is needed", key);
  std::vector<uint64_t> sorted = seeds;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    throw Error("{}: the same seed twice is the same model twice", key);
}

// Those of any arm and, besides, the merges of arms.
constexpr const char* kDeciders[] = {"natural",
                                     "natural_unprojected",
                                     "uniform",
                                     "uniform_unprojected",
                                     "merge",
                                     "ensemble",
                                     "interpolation",
                                     "own_share",
                                     "calibrated",
                                     "references_only",
                                     "calibrated_few",
                                     "calibrated_few_cautiously",
                                     "refined",
                                     "refined_boldly",
                                     "refined_cautiously",
                                     "refined_by_shares",
                                     "refined_trained",
                                     "refined_boldly_trained",
                                     "refined_cautiously_trained",
                                     "refined_by_shares_trained",
                                     "trained_proxies",
                                     "regmix",
                                     "climb"};

// Those that begin with the first `taught` references.
bool begins_with_few(const std::string& chooser) {
  const bool ours =
      std::find(std::begin(kDeciders), std::end(kDeciders), chooser) != std::end(kDeciders);
  return ours && (chooser.starts_with("refined") || chooser.starts_with("calibrated_few"));
}

// What stands in estimates.csv beside those.
constexpr const char* kEstimates[] = {"shares", "calibrated_8", "shares_8", "trained_again"};

// A name of the user's own that becomes a folder and a word of a table.
void check_name(const std::string& key, const std::string& name) {
  if (name.find_first_of("/\\\n,\"") != std::string::npos || name.empty() || name[0] == '.')
    throw Error("{}.{}: cannot be a folder name; use letters, digits, '_' and '-'", key, name);
}

void check_own_chooser(const std::string& key, const std::string& name) {
  check_name(key, name);
  const auto is_it = [&](const char* known) { return name == known; };
  if (std::any_of(std::begin(kDeciders), std::end(kDeciders), is_it) ||
      std::any_of(std::begin(kEstimates), std::end(kEstimates), is_it))
    throw Error("{}.{}: every study has a chooser of this name; give it another", key, name);
}

void check_chooser(const std::string& chooser, const std::map<std::string, StudyArm>& arms) {
  std::vector<std::string> names(std::begin(kDeciders), std::end(kDeciders));
  for (const auto& [arm, config] : arms)
    for (const auto& [merge, method] : config.merges) names.push_back(merge);
  if (std::find(names.begin(), names.end(), chooser) != names.end()) return;
  throw Error(
      "decisions.choosers: there is no chooser '{}'; {}", chooser, suggestion(chooser, names));
}

}  // namespace

void StudyArm::check() const {
  check_seeds("seeds", seeds);
  if (tokens && *tokens < 1) throw Error("tokens is {}, expected at least 1", *tokens);
  if (anchor_share && !(*anchor_share >= 0 && *anchor_share < 1))
    throw Error("anchor_share is {}, expected 0 <= anchor_share < 1", *anchor_share);
}

void StudyDecisions::check() const {
  check_seeds("seeds", seeds);
  if (trained_proxies < 8)
    throw Error("trained_proxies is {}, expected at least 8, from which a predictor can learn",
                trained_proxies);
  if (component_seeds < 1) throw Error("component_seeds is 0, expected at least 1");
  if (taught < 3) throw Error("taught is {}, expected at least 3 references to learn from", taught);
  if (refined < 1) throw Error("refined is 0, expected at least 1 reference to place");
}

bool StudyDecisions::wants(const std::string& chooser) const {
  if (choosers.empty()) return !begins_with_few(chooser);
  return std::find(choosers.begin(), choosers.end(), chooser) != choosers.end();
}

bool StudyDecisions::refines() const {
  return std::any_of(choosers.begin(), choosers.end(), begins_with_few);
}

bool StudyDecisions::learns() const {
  return refines() || wants("calibrated") || wants("references_only");
}

void StudySection::check() const {
  if (references < 4)
    throw Error("references is {}, expected at least 4: no agreement can be measured on fewer",
                references);
  if (!(spread > 0)) throw Error("spread must be positive");
  check_seeds("reference_seeds", reference_seeds);
  for (const auto& [name, tokens] : shorter) {
    check_own_chooser("shorter", name);
    if (tokens < 1) throw Error("shorter.{} is {} tokens, expected at least 1", name, tokens);
  }
  if (arms.empty()) throw Error("arms: name at least one, such as 'full: {{}}'");
  if (std::none_of(arms.begin(), arms.end(), [](const auto& arm) { return arm.second.foretells; }))
    throw Error("arms: at least one must foretell the references");
  for (const auto& [name, arm] : arms) {
    check_name("arms", name);
    for (const auto& [merge, method] : arm.merges)
      check_own_chooser(fmt::format("arms.{}.merges", name), merge);
  }
  for (const std::string& name : decisions.arms) {
    const auto arm = arms.find(name);
    if (arm == arms.end()) throw Error("decisions.arms: there is no arm '{}'", name);
    if (!arm->second.foretells && decisions.learns())
      throw Error(
          "decisions: the components of arms.{} need not express the references (`foretells: "
          "false`), so that no "
          "chooser can learn from these; name the others under `choosers`",
          name);
  }
  for (const std::string& chooser : decisions.choosers) check_chooser(chooser, arms);
  if (decisions.refines() && references_from.empty() &&
      decisions.taught > static_cast<size_t>(references))
    throw Error(
        "decisions.taught is {}, but there are {} references", decisions.taught, references);
  if (bootstrap < 100) throw Error("bootstrap must be at least 100");
}

void StudyConfig::check() const {
  RunConfig::check();
  try {
    study.check();  // which the reader leaves out where the file has no such section
  } catch (const Error& error) {
    throw Error("study.{}", error.what());
  }
  if (!components.import.empty() || !components.command.empty())
    throw Error("components: a study trains its components itself, several of each");
  for (const auto& [name, arm] : study.arms) {
    for (const auto& [chooser, merge] : arm.merges) {
      try {
        ProxyMethod(merge, datasets.size(), seed);
      } catch (const Error& error) {
        throw Error("study.arms.{}.merges.{}.{}", name, chooser, error.what());
      }
    }
  }
}

StudyConfig load_study_config(const std::filesystem::path& path) {
  StudyConfig config = read_config<StudyConfig>(ConfigNode::parse_file(path));
  resolve_paths(config, path);
  resolve_path(config.study.references_from, std::filesystem::absolute(path).parent_path());
  return config;
}

RunConfig run_config_of(const StudyConfig& config, const StudyArm& arm) {
  RunConfig run = config;
  if (arm.tokens) run.components.tokens = *arm.tokens;
  if (arm.learning_rate) run.components.learning_rate = arm.learning_rate;
  if (arm.schedule) run.components.schedule = arm.schedule;
  if (arm.anchor_share) run.components.anchor_share = *arm.anchor_share;
  return run;
}

}  // namespace demix
