#include "demix/study/study_config.h"

#include <algorithm>

#include "demix/core/error.h"

namespace demix {
namespace {

void check_seeds(const char* key, const std::vector<uint64_t>& seeds) {
  if (seeds.empty()) throw Error("{}: at least one seed is needed", key);
  std::vector<uint64_t> sorted = seeds;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    throw Error("{}: the same seed twice is the same model twice", key);
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
}

void StudySection::check() const {
  if (references < 4)
    throw Error("references is {}, expected at least 4: no agreement can be measured on fewer",
                references);
  if (!(spread > 0)) throw Error("spread must be positive");
  check_seeds("reference_seeds", reference_seeds);
  if (arms.empty()) throw Error("arms: name at least one, such as 'full: {{}}'");
  for (const auto& [name, arm] : arms) {
    if (name.find_first_of("/\\\n,\"") != std::string::npos || name.empty() || name[0] == '.')
      throw Error("arms: '{}' cannot be a folder name; use letters, digits, '_' and '-'", name);
  }
  for (const std::string& name : decisions.arms)
    if (!arms.contains(name)) throw Error("decisions.arms: there is no arm '{}'", name);
  if (bootstrap < 100) throw Error("bootstrap must be at least 100");
}

void StudyConfig::check() const {
  RunConfig::check();
  if (!components.import.empty() || !components.command.empty())
    throw Error("components: a study trains its components itself, several of each");
  for (const auto& [name, arm] : study.arms) {
    for (const auto& [chooser, merge] : arm.merges) {
      try {
        ProxyMethod(merge, datasets.size(), seed);
      } catch (const Error& error) {
        throw Error("study.arms.{}.merges.{}: {}", name, chooser, error.what());
      }
    }
  }
}

StudyConfig load_study_config(const std::filesystem::path& path) {
  StudyConfig config = read_config<StudyConfig>(ConfigNode::parse_file(path));
  resolve_paths(config, path);
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
