// The commands that need libtorch. It takes a fifth of a second of a processor to load, so they are
// a program of their own, demix-torch, beside demix, which becomes it when one of them is asked
// for.
#pragma once

#include <string_view>

namespace CLI {
class App;
}

namespace demix::cli {

struct TorchCommand {
  std::string_view name, description;
};

inline constexpr TorchCommand kTorchCommands[] = {
    {"run", "The whole loop: corpus, components, search, references, report"},
    {"plan", "What a run will cost before it starts: tokens, FLOPs, time, disk, memory"},
    {"corpus", "Raw text to de-duplicated, tokenised, memory-mapped shards"},
    {"train", "Everything up to the base and component models"},
    {"search", "Everything up to the mixture found"},
    {"validate", "Everything up to the references that measure the proxies' fidelity"},
    {"work", "A worker: does pieces of the work of a run on this or another machine"},
    {"study", "How well proxies of several kinds foretell references: tables as CSV"},
    {"evaluate", "Benchmark scores of a Hugging Face checkpoint"},
};

bool is_torch_command(std::string_view name);

// Adds the command of the table to `app`, with its description.
CLI::App* add_torch_command(CLI::App& app, std::string_view name);

// Replaces this process by the demix-torch beside this program, with the same arguments. Returns
// only if that fails: the exit status, after a message.
int become_torch_program(char** argv);

}  // namespace demix::cli
