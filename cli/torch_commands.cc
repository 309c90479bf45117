#include "cli/torch_commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include "demix/core/error.h"

namespace demix::cli {
namespace {

const TorchCommand* find(std::string_view name) {
  return std::ranges::find(kTorchCommands, name, &TorchCommand::name);
}

}  // namespace

bool is_torch_command(std::string_view name) { return find(name) != std::end(kTorchCommands); }

CLI::App* add_torch_command(CLI::App& app, std::string_view name) {
  DEMIX_CHECK(is_torch_command(name));
  return app.add_subcommand(std::string(name), std::string(find(name)->description));
}

int become_torch_program(char** argv) {
  std::error_code unreadable;  // then the path is empty, and starting it fails
  const std::filesystem::path program =
      std::filesystem::read_symlink("/proc/self/exe", unreadable).parent_path() / "demix-torch";
  ::execv(program.c_str(), argv);
  std::fprintf(stderr,
               "demix: cannot start %s, which does '%s': %s; 'make build' makes it, and it stays "
               "beside demix\n",
               program.c_str(),
               argv[1],
               std::strerror(errno));
  return 1;
}

}  // namespace demix::cli
