"""Runs the reference solutions of HumanEval and MBPP, and spoilt ones, through demix's sandbox.

    programs.py JUDGE FOLDER

JUDGE is the program parity_judge; FOLDER holds humaneval.jsonl and mbpp.jsonl (.zst). Programs are put together as
tasks/humaneval.yaml and tasks/mbpp.yaml say, and a task of MBPP that has set-up code gets it in front of its tests;
the harness leaves it out. All 164 and 500 (MBPP's test split,
task_id 11 to 510) reference solutions must pass and every spoilt one must not, but for those with one
operator changed, some of which are still right; whatever does otherwise is listed. Needs
Python with pyarrow and yaml, such as that of tools/setup.sh.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys

import pyarrow
import yaml


ROOT = pathlib.Path(__file__).resolve().parents[2]
CHANGED = "one operator changed"


def rows_of(folder: pathlib.Path, stem: str) -> list[dict]:
    path = next(p for p in (folder / f"{stem}.jsonl", folder / f"{stem}.jsonl.zst") if p.exists())
    with pyarrow.input_stream(str(path), compression="detect") as stream:
        return [json.loads(line) for line in stream.read().decode().split("\n") if line]


def spoilt(code: str) -> dict[str, str]:
    """Ways in which a generated solution goes wrong. `code` ends with the body of a function."""
    lines = code.rstrip().splitlines()
    ways = {"cut off within the last line": "\n".join(lines)[: -max(1, len(lines[-1].strip()) // 2)] + " ("}
    if re.search(r"\breturn\b(?!\s*$)", code, re.M):
        ways["other type returned"] = re.sub(r"\breturn\b[ (]*(?=\S)(.*)$", "return ('wrong', )", code, flags=re.M)
    # This one may be right by accident or never end, so it is only counted.
    for old, new in ((" + ", " - "), (" < ", " <= "), (" == ", " != "), ("range(", "range(1 + "), ("max(", "min(")):
        if code.count(old):
            ways[CHANGED] = code.replace(old, new)
            break
    ways["exits with status 0"] = re.sub(r"^(\s*)return\b.*$", r"\1import os; os._exit(0)", code, flags=re.M)
    return ways


def main() -> int:
    judge, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    rows, names = [], []

    def add(kind: str, name: str, way: str, program: str) -> None:
        names.append((kind, way, name))
        rows.append({"kind": "program", "program": program})

    for kind, identifier, solution, nothing in (
        ("humaneval", "task_id", "canonical_solution", "    pass\n"),
        ("mbpp", "task_id", "code", ""),
    ):
        task = yaml.safe_load((ROOT / "tasks" / f"{kind}.yaml").read_text())
        generation, keep = task["generation"], task.get("keep", {}).get(identifier)
        for item in rows_of(folder, kind):
            if keep and not keep[0] <= item[identifier] <= keep[1]:
                continue
            # Python's templates are ours, as far as these tasks go.
            before = generation.get("program", "").format(**item)
            behind = "\n" + item.get("test_setup_code", "") + generation["reference"].format(**item)
            ways = {"reference": item[solution], "nothing written": nothing}
            ways |= {way: code for way, code in spoilt(item[solution]).items() if code != item[solution]}
            for way, code in ways.items():
                add(kind, str(item[identifier]), way, before + code + behind)

    lines = "".join(json.dumps(row) + "\n" for row in rows)
    done = subprocess.run([judge], input=lines, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(verdicts) == len(rows)
    counts = collections.defaultdict(collections.Counter)
    wrong = 0
    for (kind, way, name), verdict in zip(names, verdicts, strict=True):
        counts[kind, way][verdict["outcome"]] += 1
        if way != CHANGED and (verdict["outcome"] == "passed") != (way == "reference"):
            wrong += 1
            print(f"{kind} {name}, {way}: {verdict['outcome']}; {verdict['reason']}")
    for (kind, way), outcomes in sorted(counts.items()):
        print(f"{kind}, {way}: " + ", ".join(f"{count} {name}" for name, count in outcomes.most_common()))
    seconds = sum(verdict["wall_s"] for verdict in verdicts)
    print(f"{len(rows)} programs, {seconds / len(rows):.3f} s each")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
