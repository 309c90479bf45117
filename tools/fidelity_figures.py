"""Prints the figures of docs/fidelity.md that agreement.csv does not hold, from the other tables of a study.

    .venv/bin/python tools/fidelity_figures.py [docs/fidelity]
    .venv/bin/python tools/fidelity_figures.py docs/fidelity/schedule quarter_constant quarter_cosine
    .venv/bin/python tools/fidelity_figures.py docs/fidelity/fifteen quarter:ensemble references:trained_quarter
    .venv/bin/python tools/fidelity_figures.py docs/fidelity docs/fidelity/schedule docs/fidelity/four
    .venv/bin/python tools/fidelity_figures.py docs/fidelity:tenth:quarter docs/fidelity/fifteen:tenth:quarter

Decisions with their standard errors over trainings, their differences on the same training seeds, the best
reference, the gauge of every experiment beside what its proxies reached, the same for ensembles, and what the gauge
correlates with. With two arms instead: how much better the first one's estimates rank, on the same references and
seeds of components; with two choosers of arms, the same of these, over the seeds of each. With several folders: the correlations over all their experiments.
With a folder and two arms of other lengths, or several such: how well the estimates of both agree, before any reference, and how well that foretells
how the shorter one ranks them.
"""

import collections
import csv
import math
import pathlib
import statistics
import sys

import numpy
import scipy.stats

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


def macro_spearman(a: numpy.ndarray, b: numpy.ndarray) -> float:
    """Of [reference, domain] tables."""
    rank = scipy.stats.rankdata
    return float(numpy.mean([numpy.corrcoef(rank(x), rank(y))[0, 1] for x, y in zip(a.T, b.T)]))


class Leads:
    """How much better one chooser's estimates rank the references than another's."""

    def __init__(self, references: list[dict], estimates: list[dict]):
        self.domains = [name for name in references[0] if name.startswith("score.")]
        trained = collections.defaultdict(dict)  # the rows are repeated for every experiment
        for row in references:
            trained[row["reference"]][row["seed"]] = self.scores(row)
        self.names = list(trained)
        self.truth = numpy.array([numpy.mean(list(trained[name].values()), axis=0) for name in self.names])
        self.estimates = estimates

    def scores(self, row: dict) -> list[float]:
        return [float(row[domain] or "nan") for domain in self.domains]

    def tables(self, arm: str, chooser: str) -> list[numpy.ndarray]:
        """Of each experiment of the arm, in the order of its seeds."""
        found = collections.defaultdict(dict)
        for row in self.estimates:
            if row["chooser"] == chooser and arm in (row["experiment"], row["experiment"].rpartition(".")[0]):
                found[row["experiment"]][row["reference"]] = self.scores(row)
        return [numpy.array([found[experiment][name] for name in self.names]) for experiment in sorted(found)]

    def agreement(self, tables: list[numpy.ndarray], places: numpy.ndarray) -> float:
        return statistics.mean(macro_spearman(self.truth[places], table[places]) for table in tables)

    def lead(self, first: list[numpy.ndarray], second: list[numpy.ndarray]) -> str:
        """Macro Spearman of the first less that of the second, means over seeds, 95 % by bootstrap over references."""
        random = numpy.random.default_rng(1)
        draws = []
        for places in (random.choice(len(self.names), len(self.names)) for _ in range(2000)):
            draws.append(self.agreement(first, places) - self.agreement(second, places))
        low, high = numpy.percentile(draws, [2.5, 97.5])
        everything = numpy.arange(len(self.names))
        value = self.agreement(first, everything) - self.agreement(second, everything)
        return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def compare_arms(leads: Leads, arms: list[str]) -> None:
    everything = numpy.arange(len(leads.names))
    for chooser in ("ensemble", "merge", "interpolation", "calibrated_8", "calibrated"):
        first, second = (leads.tables(arm, chooser) for arm in arms)
        if not first:
            continue
        by_seed = [leads.agreement([a], everything) - leads.agreement([b], everything) for a, b in zip(first, second)]
        print(f"  {chooser:14} {leads.lead(first, second)}, by seed", ", ".join(f"{value:+.3f}" for value in by_seed))


def compare_choosers(leads: Leads, choosers: list[str]) -> None:
    tables = [leads.tables(*text.split(":")) for text in choosers]
    everything = numpy.arange(len(leads.names))
    named = ", ".join(f"{name} {leads.agreement(of, everything):.3f}" for name, of in zip(choosers, tables))
    print(f"{named}: {leads.lead(*tables)}")


def compare_lengths(pairs: list[str]) -> None:
    found = collections.defaultdict(list)
    for folder, short, long in (pair.split(":") for pair in pairs):
        leads = Leads(rows(pathlib.Path(folder) / "references.csv"), rows(pathlib.Path(folder) / "estimates.csv"))
        everything = numpy.arange(len(leads.names))
        for chooser in ("ensemble", "merge"):
            for a, b in zip(leads.tables(short, chooser), leads.tables(long, chooser)):
                reached = [leads.agreement([table], everything) for table in (a, b)]
                found[chooser].append((macro_spearman(a, b), *reached))
                print(f"{chooser:9} {folder} {short} {long}: agree {found[chooser][-1][0]:.2f}, reach", end=" ")
                print(", ".join(f"{value:.2f}" for value in reached))
    for chooser, values in found.items():
        agree, of_short, of_long = zip(*values)
        print(f"{chooser}, {len(values)} pairs: Pearson (Spearman) of that with what is reached by the shorter", end=" ")
        both = [(scipy.stats.pearsonr(agree, x)[0], scipy.stats.spearmanr(agree, x)[0]) for x in (of_short, of_long)]
        print(", by the longer ".join(f"{pearson:.2f} ({spearman:.2f})" for pearson, spearman in both))


def domain_gauges(proxies: numpy.ndarray, interpolation: numpy.ndarray, merges: bool) -> list[float]:
    """As demix/validate/gauge.h has them, without noise, of [reference, domain] tables."""
    below = interpolation.mean(axis=0) - proxies.mean(axis=0)
    barriers = merges & (below > 0.25 * interpolation.std(axis=0, ddof=1))
    agreements = [scipy.stats.spearmanr(a, b)[0] for a, b in zip(proxies.T, interpolation.T)]
    return [0.0 if barrier else max(0.0, agreement) for barrier, agreement in zip(barriers, agreements)]


def read_experiments(folder: pathlib.Path) -> list[dict]:
    """Of every experiment its signs, and of its merges and ensembles the gauges and what they reached, by domain."""
    table = collections.defaultdict(dict)
    for row in rows(folder / "estimates.csv"):
        scores = [float(row[name] or "nan") for name in row if name.startswith("score.")]
        table[row["experiment"], row["chooser"]][row["reference"]] = scores
    agreement = {
        (row["experiment"], row["chooser"], row["scope"], row["statistic"]): float(row["value"] or "nan")
        for row in rows(folder / "agreement.csv")
    }
    experiments = []
    for signs in rows(folder / "signs.csv"):
        name = signs["experiment"]
        domains = [column.removeprefix("gap.") for column in signs if column.startswith("gap.")]
        interpolation = numpy.array(list(table[name, "interpolation"].values()))
        experiment = {"name": name, "drift": float(signs["drift"])}
        experiment["barriers"] = [domain for domain in domains if float(signs[f"gap.{domain}"]) < 0]
        for chooser in ("merge", "ensemble"):
            proxies = numpy.array(list(table[name, chooser].values()))
            gauges = domain_gauges(proxies, interpolation, merges=chooser == "merge")
            gauges = dict(zip(["macro", *domains], [statistics.mean(gauges), *gauges]))
            experiment[chooser] = {
                f"{scope} {statistic}": (gauge, agreement[name, chooser, scope, statistic])
                for scope, gauge in gauges.items()
                for statistic in (("spearman", "regret") if scope == "macro" else ("spearman",))
            }
        experiments.append(experiment)
    return experiments


def correlate_gauges(experiments: list[dict]) -> None:
    broken = {e["name"]: e["barriers"] for e in experiments if e["barriers"]}
    print(f"experiments with a barrier: {len(broken)} of {len(experiments)} {broken or ''}")
    tame = [e for e in experiments if not e["name"].startswith("hot.")]
    print(f"gauge with what was reached: Pearson, Spearman over {len(experiments)}, and over {len(tame)}, without hot")
    for chooser in ("merge", "ensemble"):
        for reached in experiments[0][chooser]:
            print(f"  {chooser:9} {reached:17}", end="")
            for some in (experiments, tame):
                gauges, values = zip(*(e[chooser][reached] for e in some))
                pearson, spearman = scipy.stats.pearsonr(gauges, values)[0], scipy.stats.spearmanr(gauges, values)[0]
                print(f" {pearson:6.2f} {spearman:6.2f}", end="  ")
            print()


def bin_domains(experiments: list[dict]) -> None:
    """What single domains reached whose gauge lay in a range."""
    for chooser in ("merge", "ensemble"):
        pairs = [pair for e in experiments for key, pair in e[chooser].items() if not key.startswith("macro")]
        for low, high in ((0, 0.6), (0.6, 0.7), (0, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01)):
            reached = [value for gauge, value in pairs if low <= gauge < high]
            if reached:
                print(f"  {chooser:9} gauge {low:.1f} to {min(high, 1):.1f}: {len(reached)} domains,", end=" ")
                print(f"Spearman {statistics.mean(reached):.2f}, from {min(reached):.2f}")


def main() -> None:
    if all(text.count(":") == 2 for text in sys.argv[1:]) and len(sys.argv) > 1:
        return compare_lengths(sys.argv[1:])
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "docs/fidelity")
    if len(sys.argv) > 2 and all(pathlib.Path(name).is_dir() for name in sys.argv[1:]):
        experiments = [e for name in sys.argv[1:] for e in read_experiments(pathlib.Path(name))]
        correlate_gauges(experiments)
        return bin_domains(experiments)
    references, estimates = rows(folder / "references.csv"), rows(folder / "estimates.csv")
    if len(sys.argv) == 4 and ":" in sys.argv[2]:
        return compare_choosers(Leads(references, estimates), sys.argv[2:])
    if len(sys.argv) == 4:
        return compare_arms(Leads(references, estimates), sys.argv[2:])
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

    experiments = read_experiments(folder)
    print("experiment: gauge, merge; gauge of ensembles, ensemble; drift")
    for e in experiments:
        reached = e["merge"]["macro spearman"] + e["ensemble"]["macro spearman"]
        print(f"  {e['name']:20}" + "".join(f" {x:.2f}" for x in reached) + f"  {e['drift']:.3f}")
    if len(experiments) > 2:
        correlate_gauges(experiments)


if __name__ == "__main__":
    main()
