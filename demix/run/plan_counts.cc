#include "demix/run/plan_counts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace demix {
namespace {

// Of the program with its libraries.
constexpr int64_t kProgramBytes = 500'000'000;

int64_t datasets_of(const RunConfig& config) { return std::ssize(config.datasets); }

// Those that are trained here.
int64_t components_of(const RunConfig& config) {
  return datasets_of(config) - std::ssize(config.components.import);
}

// With the natural mixture as it is, where components cannot express it.
int64_t references_of(const RunConfig& config) {
  return config.validate.references > 0 ? config.validate.references + 1 : 0;
}

int64_t reference_tokens(const RunConfig& config) {
  return config.validate.tokens.value_or(config.components.tokens);
}

// Components are kept on the way, and scored there.
bool keeps_early(const RunConfig& config) {
  return config.components.keep_early > 0 && config.components.command.empty();
}

int at_once(int64_t models, int parallel_models) {
  return static_cast<int>(std::clamp<int64_t>(models, 1, parallel_models));
}

class Counts {
 public:
  Counts(const RunConfig& config, const PlanFacts& facts, const PieceCosts& costs)
      : config_(config), facts_(facts), costs_(costs) {}

  Plan count() {
    plan_.parameters = costs_.parameters;
    plan_.train_step_seconds = costs_.step_seconds.at(costs_.parallel_models);
    plan_.score_seconds = costs_.scoring.seconds + costs_.answers.seconds;
    plan_.answers = costs_.answers.answers;
    plan_.answer_seconds = costs_.answers.seconds;
    count_stages();
    for (const PlanStage& stage : plan_.stages) plan_.seconds += stage.seconds;
    count_bytes();
    warn_of_evaluation();
    warn_of_epochs();
    warn_of_the_search();
    return std::move(plan_);
  }

 private:
  void add_training(const std::string& name, int64_t models, int64_t tokens) {
    const int64_t step_tokens = config_.train.rows_per_step * config_.train.sequence_length;
    const int64_t steps = (tokens + step_tokens - 1) / step_tokens;
    const int together = at_once(models, costs_.parallel_models);
    const int64_t waves = (models + together - 1) / together;
    plan_.stages.push_back(
        {name,
         models,
         models * tokens,
         costs_.flops_per_token * static_cast<double>(models * tokens),
         models > 0 ? static_cast<double>(waves * steps) * costs_.step_seconds.at(together) : 0});
  }

  // `whole`: as many models as would take as long on all items.
  void add_scoring(const std::string& name, int64_t models, double whole) {
    const auto tokens = static_cast<double>(costs_.scoring.tokens + costs_.answers.prompt_tokens +
                                            costs_.answers.answer_tokens);
    plan_.stages.push_back({name,
                            models,
                            std::llround(whole * tokens),
                            whole * (costs_.scoring.flops + costs_.answers.flops),
                            whole * plan_.score_seconds});
  }

  // The base reads held-out text beside the components (own_data_check.h).
  void add_text_of_base(PlanStage& stage) {
    if (costs_.scoring.text_tokens == 0) return;
    stage.models += 1;
    stage.tokens += costs_.scoring.text_tokens;
    stage.flops += costs_.scoring.text_flops;
    stage.seconds += costs_.scoring.seconds * static_cast<double>(costs_.scoring.text_tokens) /
                     static_cast<double>(costs_.scoring.tokens);
  }

  void count_stages() {
    const int64_t datasets = datasets_of(config_), references = references_of(config_);
    const int64_t tokens = reference_tokens(config_);
    plan_.stages.push_back({"corpus", 0, costs_.corpus.total_tokens, 0, costs_.corpus.seconds});
    add_training("train base", config_.base.import.empty(), config_.base.tokens);
    add_training("train components", components_of(config_), config_.components.tokens);
    // Components, twice where ensembles are made of them; of merged proxies those of the rounds,
    // found and its baselines, and the references.
    const bool merged = facts_.merged;
    const int64_t on_all =
        datasets * (facts_.ensembles ? 2 : 1) +
        (merged ? baselines() + random_references() : config_.validate.references);
    // The components on their way, and for merges the whole ones too.
    const bool early =
        facts_.ensembles && keeps_early(config_) && components_of(config_) == datasets;
    // On the items that the search selects by.
    const int64_t searched = (merged ? config_.search.total_proxies() + baselines() : datasets) +
                             (early ? (merged ? 2 : 1) * datasets : 0);
    const double share = config_.search.searched_share();
    add_scoring("search",
                on_all + searched,
                static_cast<double>(on_all) + share * static_cast<double>(searched));
    add_text_of_base(plan_.stages.back());
    add_training("train references", references, tokens);
    add_scoring("validate", references, static_cast<double>(references));
    const int64_t refined = config_.validate.refine;
    if (refined == 0) return;
    // For each a search on the searched items; ensembles cost no pass of a model.
    const int64_t proxies = merged ? config_.search.total_proxies() : 0;
    add_training("train refined", refined, tokens);
    add_scoring("refine",
                refined * (proxies + 1),
                static_cast<double>(refined) * (1 + share * static_cast<double>(proxies)));
  }

  void count_bytes() {
    const int64_t model_bytes = 4 * costs_.parameters, workers = costs_.parallel_models;
    const int64_t kept_models = (config_.base.import.empty() ? 1 : 0) +
                                (keeps_early(config_) ? 2 : 1) * components_of(config_) +
                                references_of(config_) + config_.validate.refine;
    // Every model in training also keeps a checkpoint of weights and two moments.
    plan_.disk_bytes = costs_.corpus.total_tokens * facts_.token_bytes + kept_models * model_bytes +
                       3 * workers * model_bytes;
    // Master weights, moments and gradients of the models in training, and activations.
    const int64_t step_tokens = config_.train.rows_per_step * config_.train.sequence_length;
    plan_.memory_bytes = kProgramBytes + 6 * workers * model_bytes +
                         2 * step_tokens * workers * facts_.activation_numbers;
  }

  void warn_of_evaluation() {
    if (costs_.answers.answers > 0)
      plan_.warnings.push_back(fmt::format(
          "Generated answers are counted as long as they may be ({} answers, {} tokens of "
          "each model); where models end them sooner, they take less.",
          costs_.answers.answers,
          costs_.answers.answer_tokens));
    if (config_.evaluate.command.empty()) return;
    const int64_t proxies = config_.search.total_proxies();
    plan_.warnings.push_back(
        fmt::format("The time of evaluate.command is not in the plan: it runs up to {} times.",
                    datasets_of(config_) + proxies + baselines() + random_references() +
                        references_of(config_) + config_.validate.refine * (proxies + 1)));
  }

  void warn_of_epochs() {
    const Composition composition = composition_of(config_);
    for (size_t i = 0; i < composition.datasets().size(); ++i) {
      const std::string& name = composition.datasets()[i];
      if (config_.components.import.contains(name)) continue;
      const double asked = static_cast<double>(config_.components.tokens) * composition.at(i, i);
      const int64_t there = costs_.corpus.tokens.at(name);
      const double epochs = asked / static_cast<double>(std::max<int64_t>(1, there));
      if (epochs > 1) {
        plan_.warnings.push_back(
            fmt::format("Dataset {} has about {} tokens; its component would read it {:.1f} times.",
                        name,
                        there,
                        epochs));
      }
    }
  }

  void warn_of_the_search() {
    if (!config_.search.warm_start.empty()) {
      plan_.warnings.emplace_back(
          "Models and proxies that the run takes from those of search.warm_start are counted here "
          "as if they were still to be trained and scored.");
    }
    const int64_t advised = 3 * (datasets_of(config_) + 1);
    if (config_.search.total_proxies() < advised) {
      plan_.warnings.push_back(
          fmt::format("{} proxies are few for {} datasets; at least {} are advised.",
                      config_.search.total_proxies(),
                      datasets_of(config_),
                      advised));
    }
  }

  // Natural, uniform, flattened, found, and what is used today.
  int64_t baselines() const { return config_.search.current.empty() ? 4 : 5; }
  // Those that are no baselines.
  int64_t random_references() const {
    return std::max<int64_t>(0, config_.validate.references - 3);
  }

  const RunConfig& config_;
  const PlanFacts& facts_;
  const PieceCosts& costs_;
  Plan plan_;
};

}  // namespace

std::set<int> models_at_once(const RunConfig& config, int parallel_models) {
  std::set<int> counts = {parallel_models};
  const int64_t base = config.base.import.empty() ? 1 : 0;
  for (const int64_t models :
       {base, components_of(config), references_of(config), int64_t{config.validate.refine}})
    if (models > 0) counts.insert(at_once(models, parallel_models));
  return counts;
}

Plan count_work(const RunConfig& config, const PlanFacts& facts, const PieceCosts& costs) {
  return Counts(config, facts, costs).count();
}

void add_storage(const Storage& storage, Plan& plan) {
  plan.components = storage.words;
  if (storage.place == Place::kDisk) plan.disk_bytes += storage.bytes;
  // The components are loaded when no model trains.
  int64_t searching = kProgramBytes + storage.proxies * storage.proxy_bytes;
  if (storage.place == Place::kMemory) searching += storage.bytes;
  plan.memory_bytes = std::max(plan.memory_bytes, searching);
}

}  // namespace demix
