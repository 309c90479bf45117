#!/usr/bin/env python3
"""How often demix/validate/odd_references.cc takes healthy references for odd, and finds exchanged ones.

    tools/odd_reference_limits.py [REPETITIONS]

Draws references from the tables under docs/fidelity (all settings, first training of each), as many as a
run has, and exchanges the mixtures of two of them. Numbers above the limits are those of the header.
"""

import collections
import csv
import pathlib
import sys

import numpy as np

CHOOSERS = ("ensemble", "merge", "interpolation", "own_share")
WITHOUT_ONE, WITHOUT_TWO = 2.6, 4.2


def scores(row):
    return [float(value) for key, value in row.items() if key.startswith("score.")]


def tables(folder):
    """[chooser, reference, domain] as foretold and [reference, domain] as trained, of each setting."""
    for file in sorted(folder.rglob("estimates.csv")):
        trained, foretold = collections.defaultdict(dict), collections.defaultdict(dict)
        with open(file.with_name("references.csv")) as rows:
            for row in csv.DictReader(rows):
                trained[row["experiment"]].setdefault(row["reference"], scores(row))
        with open(file) as rows:
            for row in csv.DictReader(rows):
                foretold[row["experiment"]].setdefault(row["chooser"], {})[row["reference"]] = scores(row)
        for experiment, by_chooser in foretold.items():
            real = trained.get(experiment) or trained.get("references")
            if not real or any(chooser not in by_chooser for chooser in CHOOSERS):
                continue
            names = [name for name in by_chooser["ensemble"] if name in real]
            yield (np.array([[by_chooser[chooser][name] for name in names] for chooser in CHOOSERS]),
                   np.array([real[name] for name in names]))


def agreement(foretold, trained):
    def ranks(values):
        places = np.argsort(np.argsort(values, -2, kind="stable"), -2).astype(float)
        return places - places.mean(-2, keepdims=True)

    a, b = ranks(foretold), ranks(trained)
    return np.mean((a * b).sum(-2) / np.sqrt((a**2).sum(-2) * (b**2).sum(-2)))


def is_odd(foretold, trained):
    count, domains = trained.shape
    before, scale = agreement(foretold, trained), 1 / (count * min(3, domains))
    for limit in (WITHOUT_ONE, WITHOUT_TWO):
        without = [(np.delete(foretold, i, -2), np.delete(trained, i, -2)) for i in range(len(trained))]
        foretold, trained = max(without, key=lambda pair: agreement(*pair))
        if agreement(foretold, trained) - before > limit * scale:
            return True
    return False


def main():
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    random = np.random.default_rng(1)
    everything = list(tables(pathlib.Path(__file__).parent.parent / "docs/fidelity"))
    print("domains  references  healthy  exchanged")
    for domains in (3, 2, 1):
        for count in (6, 8, 12, 16, 24):
            settings = [table for table in everything if len(table[1]) >= count]
            alarms, found = [], []
            for _ in range(repetitions):
                foretold, trained = settings[random.integers(len(settings))]
                which = random.choice(len(trained), count, replace=False)
                of = random.choice(trained.shape[1], domains, replace=False)
                foretold, trained = foretold[:, which][:, :, of], trained[which][:, of]
                alarms.append(is_odd(foretold, trained))
                pair = random.choice(count, 2, replace=False)
                foretold[:, pair] = foretold[:, pair[::-1]]
                found.append(is_odd(foretold, trained))
            print(f"{domains:7}  {count:10}  {np.mean(alarms):7.3f}  {np.mean(found):9.2f}")


if __name__ == "__main__":
    main()
