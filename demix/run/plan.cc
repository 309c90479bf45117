#include "demix/run/plan.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "demix/core/error.h"
#include "demix/corpus/tokenizer.h"
#include "demix/merge/components.h"
#include "demix/model/checkpoint_files.h"
#include "demix/run/device.h"
#include "demix/run/early_checks.h"
#include "demix/run/metrics.h"
#include "demix/run/models.h"
#include "demix/run/plan_counts.h"
#include "demix/run/references.h"
#include "demix/run/warm_start.h"

namespace demix {
namespace {

// Whether the run's components and base are all there already, as bfloat16 and nothing else.
bool components_are_bfloat16(const RunConfig& config) {
  if (config.base.import.empty() || config.components.import.size() < config.datasets.size())
    return false;
  std::vector<std::filesystem::path> folders = {config.base.import};
  for (const auto& [name, folder] : config.components.import) folders.push_back(folder);
  return std::all_of(folders.begin(), folders.end(), [](const std::filesystem::path& folder) {
    const Checkpoint checkpoint = Checkpoint::open(folder);
    const std::vector<std::string> names = checkpoint.names();
    return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
      return checkpoint.find(name)->dtype == "BF16";
    });
  });
}

// Where the components would lie if the search began now.
Storage plan_storage(const RunConfig& config, const Architecture& architecture) {
  const ProxyMethod method(config.merge, config.datasets.size(), config.seed);
  const ProxyTarget target{resolve_device(config.device),
                           resolve_dtype(config.evaluate.dtype, "evaluate.dtype"),
                           std::filesystem::temp_directory_path()};
  return choose_storage(
      storage_need(
          architecture, config.datasets.size(), components_are_bfloat16(config), method, target),
      free_bytes(target),
      config.merge);
}

}  // namespace

Plan make_plan(const RunConfig& config) {
  at::set_num_threads(resolve_threads(config.threads));
  const Tokenizer tokenizer = run_tokenizer(config);
  const std::vector<Task> tasks = load_tasks(config.evaluate);
  const std::vector<ScoredMetric> metrics =
      metrics_of(config.evaluate, tasks, held_out_datasets(config));
  check_before_work(config, tokenizer, metrics);
  check_proxies(config, metrics, tasks);
  for (const std::filesystem::path& folder : config.search.warm_start) check_warm_start(folder);
  if (config.validate.scores) scored_references(config.validate, composition_of(config), metrics);

  const Architecture architecture = run_architecture(config, tokenizer.vocabulary_size());
  const PieceCosts costs =
      measure_pieces(config,
                     architecture,
                     tokenizer,
                     tasks,
                     reads_held_out(config.evaluate, metrics),
                     models_at_once(config, parallel_models(config, architecture)));
  const PlanFacts facts{
      .ensembles = beyond_ensembles(metrics, tasks) == nullptr,
      .merged = resolve_proxies(config.proxies, metrics, tasks) == ProxyKind::kMerged,
      .token_bytes = tokenizer.vocabulary_size() > 65536 ? 4 : 2,
      .activation_numbers =
          architecture.vocabulary + 40 * architecture.hidden * architecture.layers};
  Plan plan = count_work(config, facts, costs);
  try {
    add_storage(plan_storage(config, architecture), plan);
  } catch (const Error& error) {
    plan.warnings.push_back(
        fmt::format("A run on this machine as it is would end: {}.", error.what()));
  }
  return plan;
}

}  // namespace demix
