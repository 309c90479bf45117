"""Times demix against lm-evaluation-harness on the same model and items, in pairs.

    .venv-parity/bin/python bench/bench_harness.py bin/demix models/smollm2-135m [--dtype bfloat16] [--threads 2]
    … --tasks hellaswag --items 1000 --times 1 --batch-size 16 --pairs FILE

For each task the harness's best batch size is looked for first; then both programs run in turn. `whole` is all of a
command: start, loading, tokenising, scoring. `scoring` is the harness's scoring of its requests (tokenising included),
and of demix the whole command less one with a single item. Both are measured twice over: by the clock on the wall,
which is what a user waits for and wants a machine without other work; and in processor time over the number of
threads, which other programs disturb least. With more than one thread processor time counts the harness's waiting at
barriers, so one thread is what compares the work. With --pairs the pairs are added to those of FILE, and the table is
of them all. tools/parity/README.md says how to set up the environment and the model.
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
ITEMS = {"arc_easy": 100, "hellaswag": 1000, "piqa": 100, "gsm8k": 100}
BATCH_SIZES = (1, 4, 16, 32)
MEASURES = ("wall", "processor")


def worker(options: argparse.Namespace) -> None:
    """One command of the harness; prints the times of its scoring."""
    import harness

    lm = harness.HFLM(
        pretrained=str(options.model), dtype=options.dtype, device="cpu", batch_size=options.batch_size
    )
    rows = harness.read_rows(options.data, harness.TASKS[options.task][1])
    requests = harness.make_requests(harness.LocalTask(options.task, rows), options.limit)[1]
    wall, processor = time.perf_counter(), time.process_time()
    lm.loglikelihood([instance for item in requests for instance in item], disable_tqdm=True)
    print(json.dumps({"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}))


def run(command: list, threads: int) -> tuple[dict[str, float], str]:
    """Times of the command, and what it prints."""
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    done = subprocess.run(list(map(str, command)), capture_output=True, env=environment)
    if done.returncode != 0:
        sys.exit(done.stderr.decode())
    wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "processor": used / threads}, done.stdout.decode()


class Programs:
    """Both, on one task; times are {"whole": …, "scoring": …} of each measure."""

    def __init__(self, options: argparse.Namespace, task: str, items: int):
        self.options, self.task, self.items = options, task, items

    def demix_once(self, items: int) -> dict[str, float]:
        o = self.options
        command = [o.demix, "evaluate", "--model", o.model, "--tasks", self.task, "--data", o.data]
        command += ["--tasks-dir", ROOT / "tasks", "--limit", items, "--dtype", o.dtype, "--device", "cpu"]
        command += ["--no-generation"]
        return run(command, o.threads)[0]

    def demix(self) -> dict:
        whole, start = self.demix_once(self.items), self.demix_once(1)
        return {"whole": whole, "scoring": {measure: whole[measure] - start[measure] for measure in MEASURES}}

    def harness(self, items: int, batch_size: int) -> dict:
        o = self.options
        command = [sys.executable, __file__, o.demix, o.model, "--worker", "--task", self.task, "--data", o.data]
        command += ["--dtype", o.dtype, "--limit", items, "--batch-size", batch_size, "--threads", o.threads]
        whole, printed = run(command, o.threads)
        scoring = json.loads(printed.splitlines()[-1])
        return {"whole": whole, "scoring": scoring | {"processor": scoring["processor"] / o.threads}}

    def best_batch_size(self) -> int:
        items = max(10, min(25, self.items))
        return min(BATCH_SIZES, key=lambda size: self.harness(items, size)["scoring"]["wall"])


def table(pairs: list[dict]) -> None:
    print("| task | items | threads | batch size | measure | harness: whole, scoring (s) | demix | whole | scoring | pairs |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    groups: dict[tuple, list[dict]] = {}
    for pair in pairs:
        groups.setdefault((pair["task"], pair["items"], pair["threads"], pair["batch_size"]), []).append(pair)
    for (task, items, threads, size), group in groups.items():
        for measure in MEASURES:

            def median(program: str) -> str:
                times = [[pair[program][part][measure] for pair in group] for part in ("whole", "scoring")]
                return ", ".join(f"{statistics.median(column):.2f}" for column in times)

            def ratio(part: str) -> str:
                ratios = [pair["harness"][part][measure] / pair["demix"][part][measure] for pair in group]
                return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"

            print(
                f"| {task} | {items} | {threads} | {size} | {measure} | {median('harness')} | {median('demix')} | "
                f"{ratio('whole')} | {ratio('scoring')} | {len(group)} |"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demix", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "data/demo/bench")
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=list(ITEMS))
    parser.add_argument("--items", type=int, help="of each task, instead of its own number")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--batch-size", type=int, help="of the harness, instead of the best")
    parser.add_argument("--pairs", type=pathlib.Path, help="file of pairs, one JSON line each")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options)
        return 0
    pairs = []
    if options.pairs and options.pairs.exists():
        pairs = [json.loads(line) for line in options.pairs.read_text().splitlines()]
    for task in options.tasks:
        items = options.items or ITEMS[task]
        programs = Programs(options, task, items)
        size = options.batch_size or programs.best_batch_size()
        for _ in range(options.times):
            pair = {"task": task, "items": items, "threads": options.threads, "batch_size": size}
            pair |= {"harness": programs.harness(items, size), "demix": programs.demix()}
            pairs.append(pair)
            if options.pairs:
                with options.pairs.open("a") as file:
                    file.write(json.dumps(pair) + "\n")
    table(pairs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
