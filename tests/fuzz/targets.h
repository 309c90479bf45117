// What is fuzzed: parsers of files from outside. Each takes any bytes and returns normally; a bug
// is a crash, a sanitizer's report, another exception than Error, or a failed check.
//
// Three programs drive them: libFuzzer (`make fuzz`), the unit test that replays the corpus of
// tests/data/fuzz and mutates it (fuzz_test.cc), and whoever reproduces a finding.
#pragma once

#include <cstddef>
#include <span>

namespace demix {

// A whole safetensors file.
void fuzz_safetensors(std::span<const unsigned char> bytes);
// A model.safetensors.index.json.
void fuzz_index(std::span<const unsigned char> bytes);

}  // namespace demix
