#include "cli/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "demix/core/error.h"

namespace demix::cli {
namespace {

// CLI11 would only say that a command is required.
void refuse_unknown_command(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return;
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  if (std::find(names.begin(), names.end(), argv[1]) != names.end()) return;
  throw Error("there is no command '{}'; {}", argv[1], suggestion(argv[1], names));
}

// What to say of an argument that is none of the command's.
std::string unknown_argument(const CLI::App& app, int argc, char** argv, const std::string& plain) {
  const auto commands = app.get_subcommands();  // those that were called
  if (commands.empty()) return plain;
  std::vector<std::string> names;
  for (const CLI::Option* option : commands[0]->get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  for (int i = 2; i < argc; ++i) {
    const std::string word = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    if (word.starts_with("--") && std::find(names.begin(), names.end(), word) == names.end())
      return fmt::format("{} has no option '{}'; {}", argv[1], word, suggestion(word, names));
  }
  return plain;
}

}  // namespace

void describe_program(CLI::App& app) {
  app.description(
      "demix finds the best data mixture for pre-training a language model by merging models "
      "instead of "
      "training them.");
  app.set_version_flag("--version", DEMIX_VERSION);
  app.require_subcommand(1);
  app.footer("Example: demix run recipes/demo.yaml --out runs/demo");
}

int run_program(CLI::App& app, int argc, char** argv) {
  // A write beyond the limit on file sizes gives an error that says so, instead of the end.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    refuse_unknown_command(app, argc, argv);
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError& error) {
    std::fprintf(stderr, "demix: %s\n", unknown_argument(app, argc, argv, error.what()).c_str());
    return 1;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "demix: %s\n", error_chain(error).c_str());
    return 1;
  }
  return 0;
}

}  // namespace demix::cli
