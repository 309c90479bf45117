"""Kills `demix evaluate` at random moments, starts it again each time, and compares what comes out in the end with
an uninterrupted evaluation: standard output and --samples must be the same, byte for byte. Then the weights in the
same folder are changed, and with a --journal that has all the old items the new scores must be those of the new
weights computed without a journal.

    .venv/bin/python tools/kill_evaluate.py --model MODEL --data DATA --tasks arc_easy,gsm8k --limit 40 --kills 6
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Evaluation:
    def __init__(self, options, model: pathlib.Path, name: str, *more):
        self.samples = options.folder / f"{name}.jsonl"
        self.log = options.folder / f"{name}.log"
        self.cache = options.folder / f"{name}.cache"
        self.command = [ROOT / "bin/demix", "evaluate", "--model", model, "--data", options.data, "--json",
                        "--tasks", options.tasks, "--limit", str(options.limit), "--dtype", options.dtype,
                        "--samples", self.samples, *options.more, *more]

    def start(self) -> subprocess.Popen:
        environment = os.environ | {"XDG_CACHE_HOME": str(self.cache.resolve())}
        with open(self.log, "ab") as log:
            return subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=log, env=environment)

    def run(self) -> tuple[bytes, bytes]:
        process = self.start()
        output = process.communicate()[0]
        if process.returncode != 0:
            sys.exit(f"the evaluation failed; see {self.log}")
        return output, self.samples.read_bytes()


def change_weights(folder: pathlib.Path) -> None:
    """Another number in the middle of model.safetensors."""
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4 * 4
    data[middle : middle + 4] = struct.pack("<f", 0.5)
    path.write_bytes(data)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--tasks", default="arc_easy,gsm8k")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "runs" / "kill_evaluate")
    parser.add_argument("more", nargs="*", help="further options of demix evaluate, behind --")
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)

    began = time.monotonic()
    whole = Evaluation(options, options.model, "whole", "--no-journal").run()
    seconds = time.monotonic() - began

    killed = Evaluation(options, options.model, "killed")
    draws = random.Random(options.seed)
    kills = 0
    while kills < options.kills:
        process = killed.start()
        try:
            process.communicate(timeout=draws.uniform(0.1, 0.6) * seconds)
            break  # it came to its end
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
    killed.samples.unlink(missing_ok=True)
    began = time.monotonic()
    same = killed.run() == whole
    print(f"{kills} kills; the last start took {time.monotonic() - began:.1f} s of {seconds:.1f} s; "
          f"{'the same bytes' if same else 'OTHER BYTES'}")
    left = [path for path in killed.cache.rglob("*") if path.is_file()]
    print(f"left in the cache: {left or 'nothing'}")

    changed = options.folder / "model"
    shutil.copytree(options.model, changed)
    journal = options.folder / "journal.sqlite"
    before = Evaluation(options, changed, "before", "--journal", journal).run()
    change_weights(changed)
    after = Evaluation(options, changed, "after", "--journal", journal).run()
    anew = Evaluation(options, changed, "anew", "--no-journal").run()
    print(f"changed weights: {'their own scores' if after == anew != before else 'OLD SCORES'}")
    return 0 if same and not left and after == anew != before else 1


if __name__ == "__main__":
    sys.exit(main())
