# Every target needs only Debian or Ubuntu, apt and Python 3.11 or newer.
.PHONY: setup build data demo smoke test parity fuzz format check-format check-layers check-keys clean
.NOTPARALLEL:

# One compiler needs up to 1.5 GB.
JOBS ?= $(shell awk '/MemAvailable/ {m = int($$2 / 1500000)} END {"nproc" | getline n; j = m < n ? m : n; print j < 1 ? 1 : j}' /proc/meminfo)
PYTHON := .venv/bin/python
SOURCES = $(shell find demix cli bench tests -name '*.cc' -o -name '*.h' 2>/dev/null)

# One cache for every clone, as far as no precompiled header is used (docs/next.md).
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

# System packages and .venv. TORCH_INDEX=… adds a place where torch is looked for.
setup:
	@tools/setup.sh

build: setup
	cmake --preset release
	cmake --build --preset release -j $(JOBS)

# The demo's datasets, benchmarks and vocabulary, into data/demo.
data: setup
	$(PYTHON) tools/fetch_demo.py

demo: build data
	bin/demix run recipes/demo.yaml --out runs/demo
	@echo "The page is $(CURDIR)/runs/demo/report.html"

# The demo, shortened for continuous integration; always from the beginning.
smoke: build data
	rm -rf runs/smoke
	bin/demix run recipes/smoke.yaml --out runs/smoke
	@echo "The page is $(CURDIR)/runs/smoke/report.html"

# Format, layers, that benches and parity programs build, the targets without libtorch under the sanitizers,
# unit tests, some fuzzing, parity.
test: build check-format check-layers check-keys
	cmake --build --preset release -j $(JOBS) --target demix_extras
	cmake --preset asan
	cmake --build --preset asan -j $(JOBS)
	ctest --preset asan -j $(JOBS)
	ctest --preset release -j $(JOBS)
	$(MAKE) fuzz FUZZ_SECONDS=10
	$(MAKE) parity

# Token ids equal to the tokenizers library's on the demo's text, on made-up Unicode and with random
# tokenizer.json files. Logits equal to transformers' are among the unit tests; more by hand:
# tools/parity/README.md.
parity: build data
	cmake --build --preset release -j $(JOBS) --target demix_tokenize
	$(PYTHON) tools/parity/tokenizer.py --tokenizer data/demo/tokenizer/tokenizer.json \
	    --megabytes 1 --generated 2000 data/demo/*.jsonl.zst
	$(PYTHON) tools/parity/random_files.py --expressions 100 --chains 50 --added 50

# Coverage-guided, FUZZ_SECONDS for each parser of files from outside; only where Clang has libFuzzer.
# The corpus is replayed by the unit tests with any compiler.
FUZZ_SECONDS ?= 60
fuzz: setup
	tools/fuzz.sh $(FUZZ_SECONDS)

format: setup
	.venv/bin/clang-format -i $(SOURCES)

check-format: setup
	@.venv/bin/clang-format --dry-run -Werror $(SOURCES)

check-layers: setup
	$(PYTHON) tools/check_layers.py

check-keys: setup
	$(PYTHON) tools/keys_page.py --check

clean:
	rm -rf build bin
