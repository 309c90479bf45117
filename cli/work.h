// Commands whose work is shared among processes (docs/machines.md).
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "demix/run/rendezvous.h"

namespace CLI {
class App;
}

namespace demix::cli {

void add_listen_option(CLI::App& command, std::string& listen);
// Where to listen for workers: as --listen says, or at a free port where a launcher started others.
std::optional<Address> where_to_listen(const std::string& listen);
// Where a launcher made this process a worker: works for the run in `out` until it is over, and
// returns true.
bool works_for_another(const std::filesystem::path& out);

}  // namespace demix::cli
