#include "cli/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>
#include <system_error>
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

// Of a write that failed the libraries do not say where to.
std::string message_of(const std::exception& error) {
  const auto* unwritten = dynamic_cast<const std::system_error*>(&error);
  if (unwritten && std::ferror(stdout) != 0)
    return fmt::format("standard output: cannot be written: {}", unwritten->code().message());
  return error_chain(error);
}

}  // namespace

void finish_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    throw std::system_error(errno, std::generic_category());
}

void describe_program(CLI::App& app) {
  app.description(
      "demix finds a good data mixture for pre-training a language model without training a model "
      "for each mixture.");
  app.set_version_flag("--version", DEMIX_VERSION);
  app.require_subcommand(1);
  app.footer("Example: demix run recipes/demo.yaml --out runs/demo");
}

int run_program(CLI::App& app, int argc, char** argv) {
  // A write beyond the limit on file sizes gives an error that says so, instead of the end.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    try {
      refuse_unknown_command(app, argc, argv);
      app.parse(argc, argv);
    } catch (const CLI::ExtrasError& error) {
      throw Error("{}", unknown_argument(app, argc, argv, error.what()));
    } catch (const CLI::ParseError& error) {
      if (app.exit(error) != 0) return 1;
    }
    finish_output();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "demix: %s\n", message_of(error).c_str());
    return 1;
  }
  return 0;
}

}  // namespace demix::cli
