#!/usr/bin/env python3
"""`demix merge` to disk against mergekit-yaml: the same seven checkpoints, configuration and output, taking turns.

    .venv/bin/python bench/bench_merge_disk.py --mergekit ENVIRONMENT/bin/mergekit-yaml [--rounds 3]
        [--methods linear,ties,…] [--work FOLDER] [--program bin/demix] [--copies 1,2,4,8,16]

Makes a base and components of a 135M-parameter Llama in bfloat16 (random weights, random updates; 2.2 GB) in
FOLDER unless they are there. Each round runs both programs once, demix first in every other one; both read
files that the system holds in memory and write without waiting for the disk. Prints medians of wall time,
processor time (user and system) and peak memory, the ratios' median and range, and the share that demix
reaches of the physical limit: bytes read and written over the bandwidth of copying memory on all cores,
measured in the same run. --copies merges so many components linearly instead, with demix alone.
"""

import argparse
import json
import math
import multiprocessing
import os
import pathlib
import shutil
import statistics
import struct
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
VOCABULARY, HIDDEN, INTERMEDIATE, LAYERS, KV = 49152, 576, 1536, 30, 192
# Parameters beside the weights, as in the methods' papers and in the examples of mergekit.
PARAMETERS = {
    "ties": "density: 0.5",
    "dare_linear": "density: 0.5",
    "dare_ties": "density: 0.5",
    "della": "density: 0.5\n  epsilon: 0.1",
    "della_linear": "density: 0.5\n  epsilon: 0.1",
    "breadcrumbs": "density: 0.9\n  gamma: 0.01",
    "breadcrumbs_ties": "density: 0.9\n  gamma: 0.01",
    "sce": "select_topk: 0.5",
}
OUT = "OUT"  # stands for the output folder in commands
QUIET = ("--quiet", "--no-write-model-card", "--no-copy-tokenizer")  # mergekit's own extras are not timed
WITHOUT_BASE = ("linear", "karcher")
WITHOUT_WEIGHTS = ("karcher", "model_stock", "sce")


def shapes() -> dict[str, tuple[int, ...]]:
    result = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,)}
    for layer in range(LAYERS):
        name = f"model.layers.{layer}."
        for part, rows in (("q", HIDDEN), ("k", KV), ("v", KV), ("o", HIDDEN)):
            result[f"{name}self_attn.{part}_proj.weight"] = (rows, HIDDEN)
        for part in ("gate", "up"):
            result[f"{name}mlp.{part}_proj.weight"] = (INTERMEDIATE, HIDDEN)
        result[f"{name}mlp.down_proj.weight"] = (HIDDEN, INTERMEDIATE)
        for part in ("input_layernorm", "post_attention_layernorm"):
            result[f"{name}{part}.weight"] = (HIDDEN,)
    return result


def bfloat16(values):
    """Rounded to nearest, ties to even; the bits."""
    bits = values.view("uint32")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("uint16")


def write_model(folder: pathlib.Path, seed: int) -> None:
    """The base is seed 0; a component is the base plus an update of a tenth of its size."""
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    header, position = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes().items():
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [position, position + size]}
        position += size
    text = json.dumps(header).encode()
    base, update = np.random.default_rng(0), np.random.default_rng(seed)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for shape in shapes().values():
            values = base.standard_normal(shape, np.float32) * np.float32(0.04)
            if seed:
                values += update.standard_normal(shape, np.float32) * np.float32(0.004)
            file.write(bfloat16(values).tobytes())
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE, "num_hidden_layers": LAYERS,
        "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64, "hidden_act": "silu",
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def configuration(method: str, components: int) -> str:
    lines = [f"merge_method: {method}", "models:"]
    for k in range(1, components + 1):
        weight = "" if method in WITHOUT_WEIGHTS else f", parameters: {{weight: {0.05 * (k + 1):.2f}}}"
        lines.append(f"  - {{model: c{k}{weight}}}")
    if method not in WITHOUT_BASE:
        lines.append("base_model: base")
    if method in PARAMETERS:
        lines.append(f"parameters:\n  {PARAMETERS[method]}")
    # mergekit computes in float32 as demix always does; in bfloat16 it is faster and less exact.
    lines.append("dtype: float32\nout_dtype: bfloat16")
    return "\n".join(lines) + "\n"


def measure(command: list, work: pathlib.Path) -> dict[str, float]:
    """Wall and processor seconds and peak memory in MB of one run; its output is removed."""
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    os.sync()  # what was written before shall not be this run's burden
    begin = time.perf_counter()
    process = subprocess.Popen(
        [out if word == OUT else word for word in command], cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    if status:
        sys.exit(f"{command[0]} failed:\n{error.decode()[-2000:]}")
    shutil.rmtree(out)
    return {"wall": wall, "processor": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024}


def copy_bandwidth() -> float:
    """Bytes per second, those read and those written, of copying memory on all cores."""
    import numpy as np

    threads = os.cpu_count() or 1
    sources = [np.ones(1 << 25, np.uint64) for _ in range(threads)]
    targets = [np.ones(1 << 25, np.uint64) for _ in range(threads)]
    best = 0.0
    for _ in range(5):
        workers = [
            threading.Thread(target=np.copyto, args=pair) for pair in zip(targets, sources)
        ]
        begin = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, 2 * sum(source.nbytes for source in sources) / (time.perf_counter() - begin))
    return best


def elsewhere(function, *arguments):
    """Calls it in a process of its own: a child's peak memory begins with its parent's size."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def make_models(work: pathlib.Path, count: int) -> None:
    for k in range(count):
        folder = work / ("base" if k == 0 else f"c{k}")
        if not (folder / "config.json").exists():
            elsewhere(write_model, folder, k)


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def compare(options, work: pathlib.Path, bandwidth: float) -> None:
    model_bytes = (work / "base/model.safetensors").stat().st_size
    print("method, wall s, processor s, peak MB: demix | mergekit | wall and processor ratio | limit")
    for method in options.methods.split(","):
        (work / "merge.yml").write_text(configuration(method, 7))
        commands = {
            "demix": [options.program, "merge", "merge.yml", OUT],
            "mergekit": [options.mergekit, "merge.yml", OUT, *QUIET],
        }
        runs = {name: [] for name in commands}
        for round_ in range(options.rounds):
            for name in list(commands)[:: 1 if round_ % 2 == 0 else -1]:
                runs[name].append(measure(commands[name], work))
        median = {
            name: {key: statistics.median(run[key] for run in each) for key in each[0]}
            for name, each in runs.items()
        }
        ratios = {
            key: [b[key] / a[key] for a, b in zip(runs["demix"], runs["mergekit"])]
            for key in ("wall", "processor")
        }
        inputs = 7 if method in WITHOUT_BASE else 8
        least = (inputs + 1) * model_bytes / bandwidth
        cells = [
            " ".join(f"{each[key]:.2f}" for key in ("wall", "processor")) + f" {each['peak']:.0f}"
            for each in median.values()
        ]
        print(
            f"{method} | {' | '.join(cells)} | {spread(ratios['wall'])}, "
            f"{spread(ratios['processor'])} | {least:.2f} s, {100 * least / median['demix']['wall']:.0f} %",
            flush=True,
        )


def scale(options, work: pathlib.Path) -> None:
    print("components, wall s, processor s, peak MB")
    for components in map(int, options.copies.split(",")):
        make_models(work, components + 1)
        (work / "merge.yml").write_text(configuration("linear", components))
        runs = [
            measure([options.program, "merge", "merge.yml", OUT], work)
            for _ in range(options.rounds)
        ]
        medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        print(f"{components} | {medians['wall']:.2f} | {medians['processor']:.2f} | {medians['peak']:.0f}",
              flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mergekit", type=pathlib.Path)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "bin/demix")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/bench_merge_disk")
    parser.add_argument("--methods", default="linear,task_arithmetic,ties,dare_ties,della,breadcrumbs,karcher")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies")
    options = parser.parse_args()
    options.program = options.program.absolute()
    make_models(options.work, 8)
    if options.copies:
        scale(options, options.work)
    elif options.mergekit:
        options.mergekit = options.mergekit.absolute()
        bandwidth = elsewhere(copy_bandwidth)
        print(f"copy bandwidth {bandwidth / 1e9:.1f} GB/s on {os.cpu_count()} cores")
        compare(options, options.work, bandwidth)
    else:
        parser.error("--mergekit or --copies")


if __name__ == "__main__":
    main()
