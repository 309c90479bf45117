// The target that DEMIX_FUZZ_TARGET names, under libFuzzer (tools/fuzz.sh).
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/targets.h"

namespace {

const demix::FuzzTarget& chosen_target() {
  const char* name = std::getenv("DEMIX_FUZZ_TARGET");
  for (const demix::FuzzTarget& target : demix::fuzz_targets())
    if (name && target.name == name) return target;
  std::fprintf(stderr, "DEMIX_FUZZ_TARGET names no target of tests/fuzz/targets.h\n");
  std::exit(1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const demix::FuzzTarget& target = chosen_target();
  target.run({data, size});
  return 0;
}
