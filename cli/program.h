// What demix and demix-torch have in common.
#pragma once

namespace CLI {
class App;
}

namespace demix::cli {

// Sets what `app` says of itself.
void describe_program(CLI::App& app);

// Writes what is left of standard output. Throws where it, or something before it, cannot be
// written; every command ends with this, some earlier, with what is done only then.
void finish_output();

// Parses the arguments, which runs the chosen command; errors go to standard error. Returns the
// exit status.
int run_program(CLI::App& app, int argc, char** argv);

}  // namespace demix::cli
