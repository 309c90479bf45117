#include "demix/run/early_checks.h"

#include <functional>
#include <numeric>
#include <optional>

#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/scorer.h"
#include "demix/model/decoder.h"
#include "demix/run/models.h"
#include "demix/search/constraints.h"
#include "demix/search/search.h"

namespace demix {

namespace {

// Gives an Error of `work` the key of the configuration that it is about, unless it begins with it.
void under(const std::string& key, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with(key + ":")) throw;
    throw Error("{}: {}", key, error_chain(error));
  }
}

}  // namespace

Tokenizer run_tokenizer(const RunConfig& config) {
  std::optional<Tokenizer> tokenizer;
  under("tokenizer", [&] { tokenizer = Tokenizer::load(config.tokenizer); });
  return *tokenizer;
}

void check_before_work(const RunConfig& config,
                       const Tokenizer& tokenizer,
                       const std::vector<ScoredMetric>& metrics) {
  for (const auto& [name, dataset] : config.datasets) dataset_files(name, dataset);
  try {
    check_names(config.search, objective_of(metrics), config.dataset_names());
  } catch (const Error& error) {
    throw Error("search.{}", error.what());
  }
  const Architecture architecture = run_architecture(config, tokenizer.vocabulary_size());
  const auto check_import = [&](const std::string& key, const std::filesystem::path& folder) {
    under(key, [&] { check_fits(key, folder, architecture, config); });
  };
  if (!config.base.import.empty()) check_import("base.import", config.base.import);
  for (const auto& [name, folder] : config.components.import)
    check_import("components.import." + name, folder);
  for (const auto& [name, reference] : config.validate.import)
    check_import(fmt::format("validate.import.{}.folder", name), reference.folder);

  ConstraintConfig alone = config.search.constraints;
  alone.max_times_prior = alone.max_epochs = 0;
  const Composition composition = composition_of(config);
  const size_t components = composition.components().size();
  const std::vector<double> prior(components, 1.0 / static_cast<double>(components));
  under("search.constraints",
        [&] { FeasibleSet(composition, share_constraints(alone, composition, prior, {}, 0)); });
}

void check_proxies(const RunConfig& config,
                   const std::vector<ScoredMetric>& metrics,
                   const std::vector<Task>& tasks) {
  if (resolve_proxies(config.proxies, metrics, tasks) == ProxyKind::kEnsemble &&
      config.search.budget.items)
    throw Error(
        "search.budget.items: counts the items that merged proxies answer, and proxies are "
        "ensembles here, which answer none; give search.budget.proxies or seconds, or set "
        "proxies: merged");
}

void check_items(const RunConfig& config,
                 const Tokenizer& tokenizer,
                 const std::vector<Task>& tasks) {
  if (tasks.empty()) return;
  const Decoder decoder(run_architecture(config, tokenizer.vocabulary_size()), at::kCPU);
  Scorer(tasks, {}, tokenizer, decoder, {});
}

void check_constraints(const RunConfig& config, std::span<const int64_t> dataset_tokens) {
  const Composition composition = composition_of(config);
  std::vector<double> prior(dataset_tokens.begin(), dataset_tokens.end());
  const double sum = std::accumulate(prior.begin(), prior.end(), 0.0);
  for (double& weight : prior) weight /= sum;
  under("search.constraints", [&] {
    FeasibleSet(composition,
                share_constraints(config.search.constraints,
                                  composition,
                                  prior,
                                  dataset_tokens,
                                  config.target_tokens.value_or(0)));
  });
}

}  // namespace demix
