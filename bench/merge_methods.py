"""Every merge method beside mergekit's, in memory, on the same shapes, settings and kind of values.

    python bench/merge_methods.py build/release/bench_merge_methods [--layers 30] [--models 7] [--threads 2]

Runs in an environment with mergekit==0.1.5 and torch==2.13.0 (tools/parity/README.md). Method by method the
two run one after the other; mergekit's own functions are called on tensors in memory with `dtype: float32`,
without the reading and writing of `mergekit-yaml`. Reported: processor time of all threads and wall time, the
ratios mergekit / demix. Checkpoints are random: base N(0, 0.02²), updates N(0, 0.002²), rounded to bfloat16.
"""

import argparse
import subprocess
import time

import torch
from mergekit import merge_methods
from mergekit.merge_methods.base import TensorGroup

LAYER = [(576, 576), (192, 576), (192, 576), (576, 576), (1536, 576), (1536, 576), (576, 1536), (576,), (576,)]
SETTINGS = {
    "linear": {"weight": None}, "task_arithmetic": {"weight": None}, "slerp": {"t": 0.4},
    "nuslerp": {"weight": None}, "multislerp": {"weight": None}, "karcher": {},
    "ties": {"weight": None, "density": 0.4}, "dare_linear": {"weight": None, "density": 0.4},
    "dare_ties": {"weight": None, "density": 0.4}, "della": {"weight": None, "density": 0.4},
    "della_linear": {"weight": None, "density": 0.4}, "breadcrumbs": {"weight": None, "density": 0.4},
    "breadcrumbs_ties": {"weight": None, "density": 0.4}, "model_stock": {}, "sce": {"select_topk": 0.4},
}
WITHOUT_BASE = ("linear", "karcher")


def time_mergekit(name: str, shapes, models: int) -> tuple[float, float]:
    """Processor and wall seconds for all tensors; each is made just before, outside of the clock."""
    method = merge_methods.get(name)
    used = {"slerp": 1, "nuslerp": 2}.get(name, models)
    parameters = {key: 1 / used if value is None else value for key, value in SETTINGS[name].items()}
    processor = wall = 0.0
    generator = torch.Generator().manual_seed(1)
    for shape in shapes:
        base = (0.02 * torch.randn(shape, generator=generator)).bfloat16()
        tensors = [(base + 0.002 * torch.randn(shape, generator=generator)).bfloat16() for _ in range(used)]
        base_index = None
        if name not in WITHOUT_BASE:
            base_index = len(tensors)
            tensors.append(base)
        # Conversion to float32 is not merging; demix's inputs are float32 in memory, too.
        group = TensorGroup.from_tensors([x.float() for x in tensors], base_index=base_index)
        wall_start, processor_start = time.perf_counter(), time.process_time()
        method((group,), parameters=parameters, dtype=torch.float32)
        processor += time.process_time() - processor_start
        wall += time.perf_counter() - wall_start
    return processor, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--models", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--method", action="append", default=[])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    shapes = [(49152, 576)] + LAYER * arguments.layers
    print("| method | mergekit processor s | demix | ratio | mergekit wall s | demix | ratio |\n|---|---|---|---|---|---|---|")
    for name in arguments.method or SETTINGS:
        theirs = time_mergekit(name, shapes, arguments.models)
        output = subprocess.run(
            [arguments.program, str(arguments.layers), str(arguments.models), str(arguments.threads), name],
            capture_output=True, text=True, check=True).stdout
        row = output.splitlines()[-1].split()
        assert row[0] == name, output
        ours = float(row[1]), float(row[2])
        print(f"| {name} | {theirs[0]:.2f} | {ours[0]:.2f} | {theirs[0] / ours[0]:.0f} "
              f"| {theirs[1]:.2f} | {ours[1]:.2f} | {theirs[1] / ours[1]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
