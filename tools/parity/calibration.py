"""Computes calibrated estimates of docs/fidelity anew with numpy and scipy and compares them with those of demix.

    .venv/bin/python tools/parity/calibration.py [docs/fidelity] [--one-training]

With --one-training it prints instead what docs/fidelity.md says of single trainings: macro Spearman with the last training of
the references where only their first taught. The model is written out in demix/validate/calibration.h. Fails where one differs by more than 1e-5 of the references'
standard deviation: the tables have eight digits, half a unit of the last one is 5e-6 of it in the domain of the least spread.
"""

import collections
import csv
import itertools
import pathlib
import sys

import numpy
import scipy.linalg
import scipy.spatial.distance
import scipy.stats

FROM = ("ensemble", "interpolation", "own_share")
LENGTHS, LINES, BUMPS, NOISES = (0.3, 0.6, 1.2, 2.4), (0.2, 0.5, 1, 2), (0.05, 0.15, 0.4, 1), (0.05, 0.1, 0.2, 0.4)
FEW = 8
EVERY = 5  # references


def matern(distance: numpy.ndarray) -> numpy.ndarray:
    t = numpy.sqrt(3) * distance
    return (1 + t) * numpy.exp(-t)


def expected(estimates, shares, trained, own, own_shares):
    """Of mixtures with the estimates `own` [mixture, estimate], learned from references."""
    mean, scale = trained.mean(), trained.std(ddof=1)
    y = (trained - mean) / scale
    centre, spread = estimates.mean(axis=0), estimates.std(axis=0, ddof=1)
    a, b = (estimates - centre) / spread, (own - centre) / spread
    lines, own_lines = (a @ a.T / a.shape[1], b @ a.T / a.shape[1]) if a.shape[1] else (0, 0)
    roots, own_roots = numpy.sqrt(shares), numpy.sqrt(own_shares)
    distances, own_distances = (
        scipy.spatial.distance.cdist(roots, roots),
        scipy.spatial.distance.cdist(own_roots, roots),
    )
    posteriors, means = [], []
    for length, line, bump, noise in itertools.product(LENGTHS, LINES, BUMPS, NOISES):
        covariance = line**2 * lines + bump**2 * matern(distances / length) + 4
        likelihood = scipy.stats.multivariate_normal(cov=covariance + noise**2 * numpy.eye(len(y))).logpdf(y)
        prior = sum(numpy.log(x / likely) ** 2 for x, likely in ((line, 1), (bump, 0.3), (noise, 0.2)))
        posteriors.append(likelihood - prior / 2)
        cross = line**2 * own_lines + bump**2 * matern(own_distances / length) + 4
        means.append(cross @ scipy.linalg.solve(covariance + noise**2 * numpy.eye(len(y)), y, assume_a="pos"))
    weights = numpy.exp(numpy.array(posteriors) - max(posteriors))
    weights[weights < 1e-4] = 0
    return mean + scale * (weights @ numpy.array(means)) / weights.sum()


def macro_spearman(a: numpy.ndarray, b: numpy.ndarray) -> float:
    return float(numpy.mean([scipy.stats.spearmanr(x, y).statistic for x, y in zip(a.T, b.T)]))


def one_training(shares: numpy.ndarray, trained: dict, tables: dict, domains: list) -> None:
    first, last = (numpy.array([scores[k] for scores in trained.values()]) for k in (0, -1))
    print(f"first training against last: {macro_spearman(first, last):.2f}")
    by_few = [(range(g * FEW, g * FEW + FEW), range((g + 1) % 4 * FEW, (g + 1) % 4 * FEW + FEW)) for g in range(4)]
    parts = numpy.array_split(numpy.arange(len(trained)), 8)
    by_others = [([i for i in range(len(trained)) if i not in part], part) for part in parts]
    for experiment in ("tenth.1", "quarter.1", "equal.1"):
        choosers = tables[experiment]
        estimates = numpy.array([[choosers[name][reference] for name in FROM] for reference in trained])
        line = f"{experiment}: ensemble {macro_spearman(estimates[:, 0], last):.2f}"
        for name, groups, used in (
            ("calibrated_8", by_few, 3),
            ("shares_8", by_few, 0),
            ("calibrated by 28", by_others, 3),
            ("shares by 28", by_others, 0),
        ):
            scores = numpy.zeros_like(first)
            for taught, of in map(lambda group: (list(group[0]), list(group[1])), groups):
                for d in range(len(domains)):
                    scores[of, d] = expected(
                        estimates[taught, :used, d], shares[taught], first[taught, d], estimates[of, :used, d], shares[of]
                    )
            line += f", {name} {macro_spearman(scores, last):.2f}"
        print(line, flush=True)


def main() -> int:
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    folder = pathlib.Path(arguments[0] if arguments else "docs/fidelity")
    with (folder / "references.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [row for row in rows if row["experiment"] == rows[0]["experiment"]]
    domains = [name for name in rows[0] if name.startswith("score.")]
    trained, shares = collections.defaultdict(list), {}
    for row in rows:
        trained[row["reference"]].append([float(row[name]) for name in domains])
        shares[row["reference"]] = [float(row[name]) for name in row if name.startswith("share.")]
    truth = numpy.array([numpy.mean(scores, axis=0) for scores in trained.values()])
    shares = numpy.array([shares[name] for name in trained])
    tables = collections.defaultdict(lambda: collections.defaultdict(dict))
    with (folder / "estimates.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            tables[row["experiment"]][row["chooser"]][row["reference"]] = [float(row[name]) for name in domains]

    if "--one-training" in sys.argv:
        one_training(shares, trained, tables, domains)
        return 0
    count, worst = len(trained), 0.0
    for experiment, choosers in tables.items():
        estimates = numpy.array([[choosers[name][reference] for name in FROM] for reference in trained])
        for name, few, used in (("calibrated", 0, 3), ("calibrated_8", FEW, 3), ("shares", 0, 0), ("shares_8", FEW, 0)):
            ours = numpy.array([choosers[name][reference] for reference in trained])
            for i in range(0, count, EVERY):
                before = (min(i // FEW, count // FEW) - 1) % (count // FEW)
                taught = list(range(before * FEW, before * FEW + FEW)) if few else [j for j in range(count) if j != i]
                for d in range(len(domains)):
                    theirs = expected(
                        estimates[taught, :used, d],
                        shares[taught],
                        truth[taught, d],
                        estimates[[i], :used, d],
                        shares[[i]],
                    )
                    worst = max(worst, abs(theirs[0] - ours[i, d]) / truth[:, d].std(ddof=1))
        print(f"{experiment}: {worst:.1e} so far", flush=True)
    print(f"largest difference: {worst:.1e} of the references' standard deviation")
    return worst > 1e-5


if __name__ == "__main__":
    sys.exit(main())
