#include "cli/work.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/torch_commands.h"
#include "demix/core/files.h"
#include "demix/core/progress.h"
#include "demix/run/launch.h"
#include "demix/run/worker.h"

namespace demix::cli {
namespace {

// Nothing of what is in work survives: it is someone else's by now.
[[noreturn]] void start_anew(const std::filesystem::path& working_folder) {
  say("worker: the coordinator does not answer; starting anew, to wait for it");
  std::error_code failed;
  std::filesystem::current_path(working_folder, failed);
  std::string line = read_file("/proc/self/cmdline");  // each argument ends with a zero
  std::vector<char*> arguments;
  for (size_t begin = 0; begin < line.size(); begin = line.find('\0', begin) + 1)
    arguments.push_back(&line[begin]);
  arguments.push_back(nullptr);
  execv("/proc/self/exe", arguments.data());
  std::_Exit(75);  // EX_TEMPFAIL
}

// Where the coordinator is lost, this process starts anew, by the same command.
void work_until_over(WorkerOptions options) {
  options.lost = [here = std::filesystem::current_path()] { start_anew(here); };
  work(options);
}

}  // namespace

void add_listen_option(CLI::App& command, std::string& listen) {
  command.add_option("--listen",
                     listen,
                     "HOST:PORT where workers join (demix work); under torchrun or srun the first "
                     "process listens at a free port, and the others join by themselves");
}

std::optional<Address> where_to_listen(const std::string& listen) {
  if (!listen.empty()) return read_address(listen, "--listen");
  if (launch_of_environment()) return Address{"0.0.0.0", 0};
  return std::nullopt;
}

bool works_for_another(const std::filesystem::path& out) {
  const auto launch = launch_of_environment();
  if (!launch || !launch->is_worker()) return false;
  work_until_over({.run_folder = out, .local_rank = launch->local_rank});
  return true;
}

void add_work(CLI::App& app) {
  auto options = std::make_shared<WorkerOptions>();
  auto patience = std::make_shared<int64_t>(options->patience.count());
  CLI::App* command = add_torch_command(app, "work");
  command->add_option("RUN", options->run_folder, "folder of the run, as seen from here")
      ->required();
  command->add_option("--device", options->device, "cpu, cuda or cuda:N instead of the run's");
  command->add_option("--threads", options->threads, "instead of the run's")
      ->check(CLI::Range(1, 1024));
  command
      ->add_option(
          "--patience", *patience, "seconds to wait for a run, at first and when it is lost")
      ->capture_default_str()
      ->check(CLI::Range(0, 30 * 24 * 3600));
  command->footer(
      "Example: demix run recipes/demo.yaml --out runs/demo --listen HOST:29400\n"
      "         demix work runs/demo    on any machine that sees the same folders");
  command->callback([options, patience] {
    options->patience = std::chrono::seconds(*patience);
    work_until_over(*options);
  });
}

}  // namespace demix::cli
