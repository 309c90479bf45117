// What is fuzzed: parsers of files from outside, and what works on their text. Each target takes
// any bytes and returns normally; a bug is a crash, a sanitizer's report, another exception than
// Error, or a failed check.
//
// Three programs drive them: libFuzzer (`make fuzz`), the unit test that replays the corpus of
// tests/data/fuzz and mutates it (replay_test.cc), and whoever reproduces a finding.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace demix {

struct FuzzTarget {
  std::string_view name;  // of its folder in tests/data/fuzz as well
  void (*run)(std::span<const unsigned char> bytes);
};

// A whole safetensors file.
void fuzz_safetensors(std::span<const unsigned char> bytes);
// A model.safetensors.index.json.
void fuzz_index(std::span<const unsigned char> bytes);
// A task file, ours or lm-evaluation-harness'.
void fuzz_task_file(std::span<const unsigned char> bytes);
// A template of Jinja, filled with a fixed row.
void fuzz_jinja(std::span<const unsigned char> bytes);
// In the first line a Python expression, behind it the text where it is looked for.
void fuzz_regex(std::span<const unsigned char> bytes);
// In the first line a gold answer, behind it what a model has written.
void fuzz_answer(std::span<const unsigned char> bytes);

std::span<const FuzzTarget> fuzz_targets();

// ---- for targets ----

inline std::string_view text_of(std::span<const unsigned char> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Messages are shown to people: they begin with the place, are short, whatever the file holds, and
// have no control characters.
void check_fuzz_message(const std::exception& error, std::string_view place);

}  // namespace demix
