// One target under libFuzzer; tools/fuzz.sh compiles it once per target.
#include <cstdint>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  demix::DEMIX_FUZZ_TARGET({data, size});
  return 0;
}
