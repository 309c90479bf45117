// A fidelity study: references really trained once, foretold by components trained and merged in
// several ways, and the mixtures that the choosers decide for, really trained too.
#pragma once

#include <filesystem>
#include <optional>

#include "demix/run/rendezvous.h"
#include "demix/study/study_config.h"
#include "demix/study/tables.h"

namespace demix {

// Works in folder `out`, and goes on where it stopped, as a run does. The tables are written anew
// after each experiment. With `listen` it shares its work with workers that join there.
StudyTables run_study(StudyConfig config,
                      const std::filesystem::path& out,
                      const std::optional<Address>& listen = {});

}  // namespace demix
