"""Fails when code of one stage includes a later stage.

    python tools/check_layers.py [ROOT]

Stages are the folders demix/STAGE and cli, in the order below. A planted violation is checked first,
so that a check that can no longer fail does not pass in silence.
"""

import pathlib
import re
import sys
import tempfile

STAGES = "core corpus model train merge evaluate search validate report run study cli".split()
INCLUDE = re.compile(r'^\s*#\s*include\s*["<](?:demix/(\w+)/|(cli)/)[^">]*[">]')


def violations(root: pathlib.Path) -> list[str]:
    """One line for each include of a later or unknown stage below `root`."""
    found = []
    folders = [path for path in sorted((root / "demix").glob("*")) if path.is_dir()]
    for folder in folders + [root / "cli"]:
        if folder.name not in STAGES:
            found.append(
                f"{folder.relative_to(root)}: not a stage; the stages are {', '.join(STAGES)}"
            )
            continue
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".h", ".cc")):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                included = match and (match[1] or match[2])
                if not included:
                    continue
                where = f"{path.relative_to(root)}:{number}"
                if included not in STAGES:
                    found.append(f"{where}: '{included}' is not a stage")
                elif STAGES.index(included) > STAGES.index(folder.name):
                    found.append(f"{where}: stage '{folder.name}' includes the later '{included}'")
    return found


def check_that_it_can_fail() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for stage in ("core", "merge", "search"):
            (root / "demix" / stage).mkdir(parents=True)
        (root / "demix/merge/good.cc").write_text('#include "demix/core/error.h"\n')
        assert violations(root) == [], violations(root)
        (root / "demix/merge/bad.cc").write_text('\n#include "demix/search/loop.h"\n')
        assert violations(root) == [
            "demix/merge/bad.cc:2: stage 'merge' includes the later 'search'"
        ], violations(root)


def main() -> int:
    check_that_it_can_fail()
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
    found = violations(root)
    for line in found:
        print(line, file=sys.stderr)
    if not found:
        print("layers: no stage includes a later one")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
