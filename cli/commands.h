// One function per command: adds its subcommand and what runs when it is chosen.
#pragma once

namespace CLI {
class App;
}

namespace demix::cli {

void add_run(CLI::App& app);  // run, corpus, train, search, validate: the loop up to a stage
void add_plan(CLI::App& app);
void add_merge(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_fit(CLI::App& app);
void add_report(CLI::App& app);
void add_study(CLI::App& app);
void add_work(CLI::App& app);

}  // namespace demix::cli
