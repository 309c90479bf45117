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

        def fit(*arguments: str) -> subprocess.CompletedProcess:
            command = [sys.argv[1], "fit", "--mixtures", mixtures, "--scores", scores, *arguments]
            return subprocess.run(command, capture_output=True, text=True)

        found = json.loads(fit("--json", "--predictor", "gaussian_process").stdout)
        assert abs(found["mixture"]["web"] - 0.3) < 0.02, found["mixture"]
        assert found["directions"]["code_bpb"] == {"higher_is_better": False, "assumed": True}, found["directions"]
        assert found["predicted"]["code_bpb"]["low"] <= 1.01 and found["goal_stderr"] > 0, found
        low, high = (found["tolerance"]["web"][end] for end in ("low", "high"))
        assert low < found["mixture"]["web"] < high, found["tolerance"]

        tables = fit("--units", "rank", "--kl", "0.1").stdout
        for heading in ("Predictors, cross-validated", "Proposed mixture", "Predicted scores", "climbs by gradients"):
            assert heading in tables, tables

        mixtures.write_text(mixtures.read_text().replace(f"7,{RUNS[7]},", "7,0.9,"))
        refused = fit()
        assert refused.returncode != 0 and "mixtures.csv" in refused.stderr and "9" in refused.stderr, refused.stderr
    print("demix fit: tables, JSON and errors are as they should be")


if __name__ == "__main__":
    main()
