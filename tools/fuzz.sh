#!/usr/bin/env bash
# Fuzzes the parsers of files from outside (tests/fuzz/targets.h) with libFuzzer under the address and
# undefined-behaviour sanitizers.
#
#   tools/fuzz.sh [SECONDS] [TARGET…]     60 seconds for each target unless told otherwise
#
# Needs Clang with libFuzzer, which no user of demix needs; on Debian 12:
#   apt-get install --no-install-recommends clang-19 libclang-rt-19-dev
# Without it nothing is run: the unit test Fuzz replays the corpus with any compiler.
# Inputs that reach new code are kept in build/fuzz/TARGET; a finding is written there as crash-….
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift $(($# > 0))
targets=("${@:-safetensors}")
[ $# -gt 0 ] || targets=(safetensors index)

compiler=
for name in ${FUZZ_CXX:-clang++-19 clang++ clang++-18 clang++-17 clang++-16}; do
  if command -v "$name" >/dev/null &&
    echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
    "$name" -x c++ -fsanitize=fuzzer,address,undefined - -o /dev/null 2>/dev/null; then
    compiler=$name
    break
  fi
done
if [ -z "$compiler" ]; then
  echo "fuzz: no Clang with libFuzzer is installed; skipped (see tools/fuzz.sh)" >&2
  exit 0
fi

# fmt is the one of the torch wheel, as in cmake/Wheels.cmake.
fmt=$(.venv/bin/python -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])')/include
mkdir -p build/fuzz
for target in "${targets[@]}"; do
  "$compiler" -std=c++20 -O2 -g -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=all -DFMT_HEADER_ONLY -DDEMIX_FUZZ_TARGET="fuzz_$target" -I. \
    -isystem "$fmt" tests/fuzz/libfuzzer.cc tests/fuzz/targets.cc demix/core/error.cc \
    demix/core/files.cc demix/model/safetensors_header.cc demix/model/safetensors.cc \
    demix/model/checkpoint_files.cc -o "build/fuzz/fuzz_$target"
  mkdir -p "build/fuzz/$target"
  "build/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=4096 -timeout=5 -rss_limit_mb=2048 \
    -dict=tests/data/fuzz/json.dict -artifact_prefix="build/fuzz/$target/" -print_final_stats=1 \
    ${FUZZ_OPTIONS:-} "build/fuzz/$target" "tests/data/fuzz/$target" 2>&1 |
    grep -Ev '^#[0-9]+.*(NEW|REDUCE|pulse|RELOAD)|^	' | tail -n 40
done
