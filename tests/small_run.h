// A run small enough for tests: three datasets of a few kilobytes, models of a few thousand
// parameters.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "demix/core/rng.h"
#include "tests/byte_tokenizer.h"

namespace demix {

// Lines of random words over an alphabet, into FOLDER/NAME.jsonl.
inline void write_random_words(const std::filesystem::path& folder,
                               const std::string& name,
                               std::string_view alphabet,
                               int64_t stream) {
  Rng rng = Rng(1).stream("text", stream);
  std::ofstream file(folder / (name + ".jsonl"));
  for (int i = 0; i < 120; ++i) {
    std::string text;
    for (uint64_t left = 20 + rng.below(60); left > 0; --left)
      text += rng.below(6) == 0 ? ' ' : alphabet[rng.below(alphabet.size())];
    file << nlohmann::json{{"text", text}}.dump() << "\n";
  }
}

// What small_run_yaml names: datasets and tokenizer.
inline void write_small_run(const std::filesystem::path& folder) {
  write_byte_tokenizer(folder / "tokenizer");
  write_random_words(folder, "letters", "abcdefgh", 1);
  write_random_words(folder, "digits", "01234567", 2);
  write_random_words(folder, "signs", "+-*/()=.", 3);
}

inline std::string small_run_yaml(const std::filesystem::path& folder) {
  return fmt::format(R"(
seed: 7
threads: 1
tokenizer: {0}/tokenizer
model: {{hidden: 32, layers: 1, heads: 2, kv_heads: 1, head_dim: 16, intermediate: 48, max_positions: 128}}
datasets:
  letters: {{paths: [{0}/letters.jsonl], domain: words}}
  digits: {{paths: [{0}/digits.jsonl], domain: numbers}}
  signs: {{paths: [{0}/signs.jsonl]}}
anchor: letters
corpus: {{held_out: 0.2}}
train: {{sequence_length: 64, rows_per_step: 4, learning_rate: 1.0e-2, dtype: float32}}
base: {{tokens: 2048}}
components: {{tokens: 1024, anchor_share: 0.5}}
proxies: merged
evaluate:
  held_out_tokens: 600
  dtype: float32
  domains: {{words: [held_out/letters], numbers: [held_out/digits]}}
search: {{rounds: 2, proxies: 4, candidates: 400, propose_from: 20, average_of: 20}}
validate: {{references: 4, bootstrap: 100}}
target_tokens: 1e6
)",
                     folder.string());
}

}  // namespace demix
