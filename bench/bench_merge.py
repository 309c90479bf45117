#!/usr/bin/env python3
"""A merge in memory against mergekit's: seven components of 135M parameters, bfloat16, linear.

    cmake --build --preset release --target bench_merge
    build/release/bench_merge make FOLDER
    python bench/bench_merge.py FOLDER --mergekit VENV/bin/mergekit-yaml [--rounds 3] [--threads 2]

mergekit-yaml 0.1.5 reads the checkpoints and writes a merged one for every mixture, which is what a search costs
with it. Here the components are loaded once and a mixture is one merge into the evaluator's weights. Each round runs
both in turn; the ratio is mergekit's time over ours, on the wall and by processor time, which a busy machine disturbs
less. mergekit computes in float32 and writes bfloat16, as we do.
"""

import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import time

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "build" / "release" / "bench_merge"


def children_processor_s():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_mergekit(program, folder, threads):
    out = folder / "mergekit_out"
    shutil.rmtree(out, ignore_errors=True)
    models = [
        f"  - model: {folder / f'component_{k}'}\n    parameters: {{weight: {1 / 7}}}\n"
        for k in range(7)
    ]
    config = folder / "mergekit.yml"
    config.write_text(
        "merge_method: linear\nmodels:\n" + "".join(models) + "dtype: float32\nout_dtype: bfloat16\n"
    )
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), HF_HUB_OFFLINE="1")
    processor, wall = children_processor_s(), time.monotonic()
    subprocess.run([program, config, out], check=True, capture_output=True, env=environment)
    times = time.monotonic() - wall, children_processor_s() - processor
    shutil.rmtree(out)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--mergekit", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()

    walls, processors = [], []
    for _ in range(options.rounds):
        wall, processor = run_mergekit(options.mergekit, options.folder, options.threads)
        result = subprocess.run(
            [PROGRAM, "once", options.folder, str(options.threads)], check=True, capture_output=True
        )
        ours = json.loads(result.stdout)
        walls.append(wall / ours["merge_wall_s"])
        processors.append(processor / ours["merge_processor_s"])
        print(
            f"mergekit {wall:.2f} s, {processor:.2f} s of processors; in memory {ours['merge_wall_s'] * 1e3:.1f} ms, "
            f"{ours['merge_processor_s'] * 1e3:.1f} ms of processors, after loading in {ours['load_wall_s']:.2f} s "
            f"({ours['load_processor_s']:.2f} s of processors; {ours['components_bytes'] / 1e9:.2f} GB of components, "
            f"peak {ours['peak_bytes'] / 1e9:.2f} GB)",
            flush=True,
        )
    for name, ratios in (("wall", walls), ("processor", processors)):
        print(
            f"{name}: {statistics.median(ratios):.0f} times faster "
            f"({min(ratios):.0f} to {max(ratios):.0f}, {len(ratios)} rounds)"
        )


if __name__ == "__main__":
    main()
