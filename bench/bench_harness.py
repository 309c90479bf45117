"""Times demix against lm-evaluation-harness on the same model and items, in pairs.

    .venv-parity/bin/python bench/bench_harness.py bin/demix models/smollm2-135m [--dtype bfloat16] [--threads 1]

For each task the harness's best batch size is looked for first; then both programs run in turn. `whole` is all of a
command: start, loading, tokenising, scoring. `scoring` is the harness's scoring of its requests (tokenising included),
and of demix the whole command less one with a single item. Times are processor time over the number of threads, which
other programs on the machine disturb least; with more than one thread it counts the harness's waiting at barriers, so
one thread is what compares the work. tools/parity/README.md says how to set up the environment and the model.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools" / "parity"))
ITEMS = {"arc_easy": 100, "hellaswag": 100, "piqa": 100, "gsm8k": 50}
BATCH_SIZES = (1, 4, 16, 32)


def worker(options: argparse.Namespace) -> None:
    """One command of the harness; prints the processor time of its scoring."""
    import harness

    lm = harness.HFLM(
        pretrained=str(options.model), dtype=options.dtype, device="cpu", batch_size=options.batch_size
    )
    rows = harness.read_rows(options.data, harness.TASKS[options.task][1])
    requests = harness.make_requests(harness.LocalTask(options.task, rows), options.limit)[1]
    start = time.process_time()
    lm.loglikelihood([instance for item in requests for instance in item], disable_tqdm=True)
    print(json.dumps({"scoring": time.process_time() - start}))


def run(command: list, threads: int) -> tuple[float, str]:
    """Processor time of the command over its threads, and what it prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    done = subprocess.run(list(map(str, command)), capture_output=True, env=environment)
    if done.returncode != 0:
        sys.exit(done.stderr.decode())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used / threads, done.stdout.decode()


class Pair:
    def __init__(self, options: argparse.Namespace, task: str):
        self.options, self.task = options, task

    def demix(self, items: int) -> float:
        o = self.options
        command = [o.demix, "evaluate", "--model", o.model, "--tasks", self.task, "--data", o.data]
        command += ["--tasks-dir", ROOT / "tasks", "--limit", items, "--dtype", o.dtype, "--device", "cpu"]
        command += ["--no-generation"]
        return run(command, o.threads)[0]

    def harness(self, items: int, batch_size: int) -> tuple[float, float]:
        """Whole command, scoring."""
        o = self.options
        command = [sys.executable, __file__, o.demix, o.model, "--worker", "--task", self.task, "--data", o.data]
        command += ["--dtype", o.dtype, "--limit", items, "--batch-size", batch_size, "--threads", o.threads]
        whole, printed = run(command, o.threads)
        return whole, json.loads(printed.splitlines()[-1])["scoring"] / o.threads

    def best_batch_size(self, items: int) -> int:
        return min(BATCH_SIZES, key=lambda size: self.harness(items, size)[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demix", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "data/demo/bench")
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=list(ITEMS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--batch-size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options)
        return 0
    print("| task | items | batch size | harness whole, scoring (s) | demix whole, scoring (s) | whole | scoring |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for task in options.tasks:
        pair, items = Pair(options, task), ITEMS[task]
        size = pair.best_batch_size(max(10, items // 4))
        theirs, ours, whole_ratios, ratios = [], [], [], []
        for _ in range(options.times):
            theirs.append(pair.harness(items, size))
            whole, start = pair.demix(items), pair.demix(1)
            ours.append((whole, whole - start))
            whole_ratios.append(theirs[-1][0] / whole)
            ratios.append(theirs[-1][1] / (whole - start))

        def median(times: list[tuple[float, float]]) -> str:
            return ", ".join(f"{statistics.median(column):.2f}" for column in zip(*times))

        def spread(values: list[float]) -> str:
            return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"

        print(
            f"| {task} | {items} | {size} | {median(theirs)} | {median(ours)} | {spread(whole_ratios)} | "
            f"{spread(ratios)} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
