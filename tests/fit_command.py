"""Runs `demix fit` as a user does, on a swarm that is made up here: tables, JSON, and what bad input is told.

    python3 tests/fit_command.py bin/demix
"""

import json
import pathlib
import subprocess
import sys
import tempfile

RUNS = [(run + 0.5) / 24 for run in range(24)]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        mixtures, scores = folder / "mixtures.csv", folder / "scores.csv"
        mixtures.write_text("index,web,code\n" + "".join(f"{i},{p},{1 - p}\n" for i, p in enumerate(RUNS)))
        # Least at web = 0.3.
        scores.write_text("index,code_bpb\n" + "".join(f"{i},{1 + (p - 0.3) ** 2}\n" for i, p in enumerate(RUNS)))

        def fit(*arguments: str | pathlib.Path) -> subprocess.CompletedProcess:
            files = [] if "--scores" in arguments else ["--scores", scores]
            command = [sys.argv[1], "fit", "--mixtures", mixtures, *files, *arguments]
            return subprocess.run(command, capture_output=True, text=True)

        found = json.loads(fit("--json", "--predictor", "gaussian_process").stdout)
        assert abs(found["mixture"]["web"] - 0.3) < 0.02, found["mixture"]
        assert found["directions"]["code_bpb"]["higher_is_better"] is False, found["directions"]
        assert found["directions"]["code_bpb"]["by"] == "name", found["directions"]
        assert found["predicted"]["code_bpb"]["low"] <= 1.01 and found["goal_stderr"] > 0, found
        low, high = (found["tolerance"]["web"][end] for end in ("low", "high"))
        assert low < found["mixture"]["web"] < high, found["tolerance"]

        with open("/dev/full", "w") as full:
            command = [sys.argv[1], "fit", "--mixtures", mixtures, "--scores", scores, "--predictor", "ridge"]
            lost = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
        assert lost.returncode == 1 and "standard output: cannot be written: No space" in lost.stderr, lost

        tables = fit("--units", "rank", "--kl", "0.1").stdout
        for heading in ("Predictors, cross-validated", "Proposed mixture", "Predicted scores", "climbs by gradients"):
            assert heading in tables, tables

        # Warnings come after the tables, also in one file.
        both = subprocess.run(
            [sys.argv[1], "fit", "--mixtures", mixtures, "--scores", scores, "--predictor", "ridge", "--front", "4",
             "--lower-is-better", "code_bpb", "--prior", "web=1"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ).stdout
        lines = both.splitlines()
        first = next(i for i, line in enumerate(lines) if line.startswith("warning: "))
        assert all(line.startswith("warning: ") for line in lines[first:]), both
        assert "A Pareto front needs two metrics" in both and "KL from the prior infinite" in both, both
        assert "lower is better: code_bpb" in lines and "assumed" not in both, both

        # Names with commas, blanks in lists, columns that are no data.
        wide = folder / "wide.csv"
        wide.write_text(
            'index,"arc/acc,none","arc/acc_stderr,none",val_ce,note,seed\n'
            + "".join(f"{i},{1 - (p - 0.3) ** 2},0.01,{1 + p},x,{i % 3}\n" for i, p in enumerate(RUNS))
        )
        given = ["--scores", wide, "--predictor", "ridge", "--json"]
        assert "'note'" in fit(*given).stderr and "no number is in" in fit(*given).stderr, fit(*given).stderr
        named = fit(*given, "--ignore", "note", "--optimise", "arc/acc,none", "--prior", "web=1, code=1")
        found = json.loads(named.stdout)
        assert set(found["directions"]) == {"arc/acc,none", "val_ce"}, found["directions"]
        assert found["directions"]["val_ce"]["higher_is_better"] is False, found["directions"]
        assert abs(found["mixture"]["web"] - 0.3) < 0.02, found["mixture"]
        assert "'seed' was left out" in named.stderr and found["kl_is_infinite"] is False, named.stderr
        assert "low_floor" in found["tolerance"]["web"], found["tolerance"]
        far = json.loads(fit("--predictor", "ridge", "--json", "--prior", "web=1").stdout)
        assert far["kl"] is None and far["kl_is_infinite"] is True, far["kl"]

        mixtures.write_text(mixtures.read_text().replace(f"7,{RUNS[7]},", "7,0.9,"))
        refused = fit()
        assert refused.returncode != 0 and "mixtures.csv" in refused.stderr and "9" in refused.stderr, refused.stderr
    print("demix fit: tables, JSON and errors are as they should be")


if __name__ == "__main__":
    main()
