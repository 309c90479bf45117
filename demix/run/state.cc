#include "demix/run/state.h"

#include "demix/run/early_checks.h"
#include "demix/run/metrics.h"

namespace demix {

RunState::RunState(RunConfig configuration, const std::filesystem::path& out)
    : workspace(std::move(configuration), out),
      config(workspace.config()),
      names(config.dataset_names()),
      tokenizer(run_tokenizer(config)),
      tasks(load_tasks(config.evaluate)),
      sheet(metrics_of(config.evaluate, tasks, held_out_datasets(config))),
      proxy_kind(resolve_proxies(config.proxies, sheet.metrics(), tasks)),
      composition(composition_of(config)) {}

std::vector<int64_t> RunState::dataset_tokens() const {
  std::vector<int64_t> tokens;
  for (const DatasetFacts& dataset : result.datasets) tokens.push_back(dataset.available_tokens);
  return tokens;
}

}  // namespace demix
