// What the stages of a run found, in the words of its result (demix/report/result.h).
#pragma once

#include <string>

#include "demix/corpus/corpus.h"
#include "demix/report/result.h"
#include "demix/run/models.h"
#include "demix/run/score_sheet.h"
#include "demix/run/workspace.h"
#include "demix/search/search.h"

namespace demix {

// The run as it is before its first stage: what it scores, and by which configuration.
RunResult facts_of_run(const Workspace& workspace,
                       const ScoreSheet& sheet,
                       const std::vector<Task>& tasks);

DatasetFacts facts_of_dataset(const Workspace& workspace,
                              const std::string& name,
                              const DatasetSummary& summary);

// `kind`: "base", "component" or "reference".
TrainedModel facts_of_model(const ModelFacts& facts,
                            const std::string& kind,
                            const std::vector<std::string>& datasets);

// The mixture that is handed over: shares, weights, what is predicted of it, tolerance.
void record_mixture(const SearchResult& found, RunResult& result);
// The same, with what the search did to find it.
void record_search(const SearchResult& found, const Composition& composition, RunResult& result);

// Each of these that is a baseline, or was found, into its place by name.
void record_baselines(const std::vector<MixtureFacts>& mixtures, RunResult& result);

bool is_baseline(const MixtureFacts& facts);

}  // namespace demix
