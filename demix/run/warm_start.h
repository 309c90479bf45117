// Proxies that other runs scored, as observations of this run's search.
#pragma once

#include <filesystem>
#include <vector>

#include "demix/run/metrics.h"
#include "demix/run/proxy.h"
#include "demix/run/workspace.h"
#include "demix/search/search.h"

namespace demix {

// Those in the journals of config.search.warm_start that would score the same here, by `setup`:
// same kind of proxy, base, merge method, number type, and tasks of all `metrics`; components are
// matched by the content of their weights. Components that are new here have weight 0; those that
// are gone must have had weight 0, and the method must be a sum of models. The mixtures of
// references are left out. How many come is said on standard error and recorded, with their scores,
// in this run's journal, which a resumed run reads instead. Throws Error where a folder holds no
// journal; where no proxy can be used, a warning says why.
std::vector<KnownProxy> warm_start(Workspace& workspace,
                                   const ProxySetup& setup,
                                   const std::vector<ScoredMetric>& metrics);

// Throws Error where a folder of config.search.warm_start is the run's own, or holds no journal and
// this run has not read it before.
void check_warm_start(Workspace& workspace);
// The same of one folder, for a run that has read none.
void check_warm_start(const std::filesystem::path& folder);

}  // namespace demix
