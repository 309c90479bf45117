"""Prints the figures of docs/fidelity.md that agreement.csv does not hold, from the other tables of a study.

    .venv/bin/python tools/fidelity_figures.py [docs/fidelity]

Decisions with their standard errors over trainings, their differences on the same training seeds, the best
reference, the gauge of every experiment beside what its proxies reached, and the same for ensembles.
"""

import collections
import csv
import math
import pathlib
import statistics
import sys

import numpy

PAIRS = [("ensemble", "merge"), ("ensemble", "interpolation"), ("merge", "interpolation")] + [
    (chooser, other) for chooser in ("ensemble", "merge", "calibrated_linear") for other in ("regmix", "own_share")
]
PAIRS += [("calibrated_few", "ensemble"), ("refined", "ensemble"), ("refined", "calibrated_few")]
PAIRS += [("refined", "refined_by_shares"), ("refined", "refined_trained")]
PAIRS += [("calibrated_few_cautiously", "calibrated_few")]
PAIRS += [("refined_cautiously", other) for other in ("refined", "ensemble", "interpolation")]
PAIRS += [("refined", other) for other in ("own_share", "interpolation", "regmix")]


def rows(path: pathlib.Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def mean_with_error(values: list[float]) -> str:
    return f"{statistics.mean(values):6.2f} ± {statistics.stdev(values) / math.sqrt(len(values)):.2f}"


def ranks(values: numpy.ndarray) -> numpy.ndarray:
    return numpy.argsort(numpy.argsort(values))


def macro_spearman(a: numpy.ndarray, b: numpy.ndarray) -> float:
    """Of [reference, domain] tables without ties."""
    return float(numpy.mean([numpy.corrcoef(ranks(x), ranks(y))[0, 1] for x, y in zip(a.T, b.T)]))


def main() -> None:
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "docs/fidelity")
    references, estimates = rows(folder / "references.csv"), rows(folder / "estimates.csv")
    domains = [name for name in references[0] if name.startswith("score.")]

    decided = collections.defaultdict(list)
    for row in rows(folder / "decisions.csv"):
        decided[row["experiment"], row["chooser"]].append(float(row["aggregate"]))
    print("decisions: aggregate, mean over trainings")
    for (experiment, chooser), values in sorted(
        decided.items(), key=lambda item: (item[0][0], -statistics.mean(item[1]))
    ):
        print(f"  {experiment:12} {chooser:26} {mean_with_error(values)}")
    print("differences on the same training seeds")
    arms = collections.defaultdict(list)
    for experiment in sorted({key[0] for key in decided}):
        for a, b in PAIRS:
            gains = [x - y for x, y in zip(decided.get((experiment, a), []), decided.get((experiment, b), []))]
            if gains:
                print(f"  {experiment:12} {a} - {b:18} {mean_with_error(gains)}")
                arms[experiment.split(".")[0], f"{a} - {b}"].append(statistics.mean(gains))
    print("over the seeds of the components: decisions, then differences")
    for (experiment, chooser), values in decided.items():
        arms[experiment.split(".")[0], chooser].append(statistics.mean(values))
    for (arm, what), values in sorted(arms.items(), key=lambda item: (item[0][0], " - " in item[0][1])):
        if len(values) > 1:
            print(f"  {arm:12} {what:32} {mean_with_error(values)}")

    trained = collections.defaultdict(list)
    for row in references:
        if row["experiment"] == references[0]["experiment"]:
            trained[row["reference"]].append([float(row[name]) for name in domains])
    truth = numpy.array([numpy.mean(scores, axis=0) for scores in trained.values()])
    standard = (truth - truth.mean(axis=0)) / truth.std(axis=0, ddof=1)
    print(f"best reference: aggregate {standard.mean(axis=1).max():.2f}")

    table = collections.defaultdict(dict)
    for row in estimates:
        scores = table[row["experiment"]].setdefault(row["chooser"], {})
        scores[row["reference"]] = [float(row[name]) for name in domains]
    drifts = {row["experiment"]: float(row["drift"]) for row in rows(folder / "signs.csv")}
    reached = []
    print("experiment: gauge, merge; ensemble with interpolation, ensemble; drift")
    for experiment, choosers in table.items():
        merge, ensemble, interpolation = (
            numpy.array([choosers[chooser][name] for name in trained])
            for chooser in ("merge", "ensemble", "interpolation")
        )
        reached.append(
            [
                macro_spearman(merge, interpolation),
                macro_spearman(merge, truth),
                macro_spearman(ensemble, interpolation),
                macro_spearman(ensemble, truth),
            ]
        )
        print(f"  {experiment:20}" + "".join(f" {x:.2f}" for x in reached[-1]) + f"  {drifts[experiment]:.3f}")
    if len(reached) < 3:
        return
    correlations = numpy.corrcoef(numpy.array(reached).T)
    print(f"correlation over experiments: {correlations[0, 1]:.2f} merge, {correlations[2, 3]:.2f} ensemble")


if __name__ == "__main__":
    main()
