"""Kills a run at random moments, starts it again each time, and compares what comes out in the end with an
uninterrupted run of the same recipe: result.json must be the same but for times.

    .venv/bin/python tools/kill_test.py recipes/smoke.yaml --kills 6 --seed 1 --folder runs/kill_test
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


def start(recipe: pathlib.Path, out: pathlib.Path) -> subprocess.Popen:
    with open(f"{out}.log", "ab") as log:
        return subprocess.Popen(
            [ROOT / "bin" / "demix", "run", recipe, "--out", out], stdout=log, stderr=log
        )


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
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "runs" / "kill_test")
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    whole, killed = options.folder / "whole", options.folder / "killed"

    began = time.monotonic()
    if start(options.recipe, whole).wait() != 0:
        print(f"the uninterrupted run failed; see {whole}.log")
        return 1
    seconds = time.monotonic() - began

    draws = random.Random(options.seed)
    kills = 0
    while kills < options.kills:
        run = start(options.recipe, killed)
        moment = draws.uniform(0.02, 1.5 / options.kills) * seconds
        try:
            run.wait(moment)
            break  # it came to its end between two kills
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.wait()
            kills += 1
            print(f"killed after {moment:.1f} s", flush=True)
    if start(options.recipe, killed).wait() != 0:
        print(f"the resumed run failed; see {killed}.log")
        return 1
    found = differences(result(whole), result(killed))
    for line in found[:20]:
        print(line)
    print(f"{kills} kills; {'the same result' if not found else f'{len(found)} differences'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
