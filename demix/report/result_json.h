// RunResult as JSON and back.
#pragma once

#include "demix/core/json.h"
#include "demix/report/result.h"

namespace demix {

// The part of the result that other programs rely on (result.json): version, mixture,
// merge_weights, predicted, own_data (of each component its bits per byte on every dataset's
// held-out text, those of the base, and whether it is the best on its own:
// demix/validate/own_data.h has the readings; null where no such text is scored), fidelity,
// baselines, cost, verdicts (the page's questions, each with its kind by name_of() and its answer:
// written, and never read back), warnings; and the datasets, domains and tasks they speak of.
// Unknown numbers are null. The names of datasets, of domains and of tasks must be distinct.
Json result_to_json(const RunResult& result);

// Everything else that the page shows (details.json): references, search, models, configuration.
Json details_to_json(const RunResult& result);

// The inverse of both. Keys that are missing leave their fields unknown or empty, so older and
// partly finished runs can be read. Throws Error when a key is missing that all have, when a value
// has the wrong type or names a dataset, domain or task that the result does not list, when the two
// are of different runs, or when the version is not 1.
RunResult result_from_json(const Json& result, const Json& details);

}  // namespace demix
