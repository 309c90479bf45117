// The whole loop: corpus → base and components → search over proxies → references → report.
//
// Every stage asks the journal for each piece of its work by content key and does only what is
// missing, so a run that was killed goes on where it stopped, and nothing about resuming is
// special.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "demix/report/result.h"
#include "demix/run/rendezvous.h"
#include "demix/run/run_config.h"

namespace demix {

enum class Stage { kCorpus, kTrain, kSearch, kValidate };

// Runs every stage up to `last` in folder `out` (created; refused when it belongs to another
// configuration or another process works in it), and writes
// the report of what there is, which it returns. With `listen` it shares its work with workers that
// join there (coordinator.h).
RunResult run_stages(RunConfig config,
                     const std::filesystem::path& out,
                     Stage last,
                     const std::optional<Address>& listen = {});

}  // namespace demix
