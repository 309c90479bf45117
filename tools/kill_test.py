"""Kills a run at random moments, starts it again each time, and compares what comes out in the end with an
uninterrupted run of the same recipe: result.json must be the same but for times.

    .venv/bin/python tools/kill_test.py recipes/smoke.yaml --kills 6 --seed 1 --folder runs/kill_test

With --workers N the run shares its work with N workers (demix work), proxies are merged, and each kill hits the run
or one of them.
"""

import argparse
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def start(recipe: pathlib.Path, out: pathlib.Path, *options: str) -> subprocess.Popen:
    with open(f"{out}.log", "ab") as log:
        return subprocess.Popen(
            [ROOT / "bin" / "demix", "run", recipe, "--out", out, *options], stdout=log, stderr=log
        )


def start_worker(out: pathlib.Path, number: int) -> subprocess.Popen:
    with open(f"{out}.worker{number}.log", "ab") as log:
        return subprocess.Popen(
            [ROOT / "bin" / "demix", "work", out, "--threads", "1"], stdout=log, stderr=log
        )


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def run_with_workers(
    recipe: pathlib.Path, out: pathlib.Path, count: int, kills: int, moment
) -> tuple[int, int]:
    """The run's exit status, and how many kills there were."""
    listen = ("--listen", "127.0.0.1:0")
    run = start(recipe, out, *listen)
    workers = [start_worker(out, i) for i in range(count)]
    done = 0
    try:
        while True:
            try:
                return run.wait(moment() if done < kills else None), done
            except subprocess.TimeoutExpired:
                done += 1
            victim = random.randrange(count + 1)
            if victim == count:
                kill(run)
                run = start(recipe, out, *listen)
            else:
                kill(workers[victim])
                workers[victim] = start_worker(out, victim)
            print(f"killed {'the run' if victim == count else f'worker {victim}'}", flush=True)
    finally:
        for worker in workers:
            kill(worker)


def result(out: pathlib.Path) -> dict:
    values = json.loads((out / "result.json").read_text())
    values["cost"].pop("seconds")
    return values


def differences(a, b, path="result") -> list[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted(a.keys() | b.keys())
        return [d for k in keys for d in differences(a.get(k), b.get(k), f"{path}.{k}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in differences(x, y, f"{path}[{i}]")]
    # The run's own folder appears in paths.
    return [] if a == b or (isinstance(a, str) and "whole" in a) else [f"{path}: {a!r} and {b!r}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "runs" / "kill_test")
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    whole, killed = options.folder / "whole", options.folder / "killed"
    if options.workers > 0:
        merged = options.folder / "merged.yaml"
        merged.write_text(options.recipe.read_text() + "\nproxies: merged\n")
        options.recipe = merged

    began = time.monotonic()
    if start(options.recipe, whole).wait() != 0:
        print(f"the uninterrupted run failed; see {whole}.log")
        return 1
    seconds = time.monotonic() - began

    random.seed(options.seed)

    def moment() -> float:
        return random.uniform(0.02, 1.5 / options.kills) * seconds

    kills = 0
    if options.workers > 0:
        status, kills = run_with_workers(
            options.recipe, killed, options.workers, options.kills, moment
        )
        if status != 0:
            print(f"the run with workers failed; see {killed}.log")
            return 1
    while options.workers == 0 and kills < options.kills:
        run = start(options.recipe, killed)
        after = moment()
        try:
            run.wait(after)
            break  # it came to its end between two kills
        except subprocess.TimeoutExpired:
            kill(run)
            kills += 1
            print(f"killed after {after:.1f} s", flush=True)
    if options.workers == 0 and start(options.recipe, killed).wait() != 0:
        print(f"the resumed run failed; see {killed}.log")
        return 1
    found = differences(result(whole), result(killed))
    for line in found[:20]:
        print(line)
    print(f"{kills} kills; {'the same result' if not found else f'{len(found)} differences'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
