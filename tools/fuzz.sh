#!/usr/bin/env bash
# Fuzzes the targets of tests/fuzz/targets.h with libFuzzer under the address and undefined-behaviour
# sanitizers.
#
#   tools/fuzz.sh [SECONDS] [TARGET…]     60 seconds for each target unless told otherwise
#
# Needs Clang with libFuzzer, which no user of demix needs; on Debian 12:
#   apt-get install --no-install-recommends clang-19 libclang-rt-19-dev
# Without it nothing is run: the unit test Fuzz replays the corpus with any compiler.
# Inputs that reach new code are kept in build/fuzz/TARGET; a finding is written there as crash-…,
# timeout-… or oom-….
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift $(($# > 0))
targets=("$@")
[ $# -gt 0 ] || targets=(safetensors index task_file jinja regex answer)

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

# What the targets need, without Arrow and libtorch. One program serves all targets.
sources=(tests/fuzz/libfuzzer.cc tests/fuzz/targets.cc tests/fuzz/evaluate_targets.cc
  demix/core/{config,error,files}.cc demix/corpus/utf8.cc
  demix/model/{safetensors_header,safetensors,checkpoint_files}.cc
  demix/evaluate/{answer_filters,child_process,harness_file,harness_generation,harness_prompts}.cc
  demix/evaluate/{jinja,jinja_functions,jinja_parser,judge,latex_tokens,metrics,pass_at_k}.cc
  demix/evaluate/{math_answer,math_equal,math_expression,math_functions,math_number,math_parts}.cc
  demix/evaluate/{prompt,python_regex,python_regex_parser,python_value,sandbox,task_file,text}.cc)
# fmt is the one of the torch wheel, as in cmake/Wheels.cmake.
fmt=$(.venv/bin/python -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])')/include
flags=(-std=c++20 -O1 -g1 -fno-omit-frame-pointer -fno-sanitize-recover=all -DFMT_HEADER_ONLY
  -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow -I. -isystem "$fmt")
command -v ccache >/dev/null && compiler="ccache $compiler"
mkdir -p build/fuzz/objects
objects=()
for source in "${sources[@]}"; do objects+=("build/fuzz/objects/$(tr / _ <<<"${source%.cc}").o"); done
paste <(printf '%s\n' "${sources[@]}") <(printf '%s\n' "${objects[@]}") |
  xargs -P "${FUZZ_JOBS:-$(nproc)}" -n 2 sh -c "$compiler ${flags[*]} -c \"\$0\" -o \"\$1\""
${compiler#ccache } -fsanitize=fuzzer,address,undefined "${objects[@]}" -lyaml-cpp -lutf8proc -lsimdjson \
  -o build/fuzz/fuzz

for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/$target"
  dictionary=tests/data/fuzz/$target.dict
  [ -e "$dictionary" ] || dictionary=tests/data/fuzz/json.dict
  DEMIX_FUZZ_TARGET=$target build/fuzz/fuzz -max_total_time="$seconds" -max_len=4096 -timeout=10 \
    -rss_limit_mb=2048 -dict="$dictionary" -artifact_prefix="build/fuzz/$target/" \
    -print_final_stats=1 ${FUZZ_OPTIONS:-} "build/fuzz/$target" "tests/data/fuzz/$target" 2>&1 |
    grep -Ev '^#[0-9]+.*(NEW|REDUCE|pulse|RELOAD)|^	' | tail -n 40
done
