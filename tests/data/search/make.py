"""Makes the values that the tests of ranks, statistics and predictors compare with.

    .venv/bin/python tests/data/search/make.py

Needs numpy, scipy and lightgbm 4.7.0; writes predictors.json and correlations.json beside itself.
"""

import json
import pathlib

import lightgbm
import numpy as np
import scipy.stats

HERE = pathlib.Path(__file__).parent


def ridge(x, y, penalty):
    """Coefficients and free intercept from the normal equations of the augmented problem."""
    augmented = np.hstack([x, np.ones((len(x), 1))])
    penalties = np.diag([penalty] * x.shape[1] + [0.0])
    solution = np.linalg.solve(augmented.T @ augmented + penalties, augmented.T @ y)
    return solution[:-1], solution[-1]


def predictors():
    random = np.random.default_rng(7)
    x = random.dirichlet([0.7] * 5, size=60).round(6)
    x[:, 0] += 1 - x.sum(axis=1)
    y = 2 - 0.4 * np.log(x[:, 0] + 0.05) + 0.3 * x[:, 1] * x[:, 2] + 0.02 * random.normal(size=60)
    y = y.round(6)
    probes = random.dirichlet([0.7] * 5, size=20).round(6)
    coefficients, intercept = ridge(x, y, 0.5)
    parameters = dict(objective="regression", learning_rate=0.01, num_leaves=31, min_data_in_leaf=6,
                      min_data_in_bin=3, seed=42, deterministic=True, force_row_wise=True,
                      num_threads=1, verbosity=-1)
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y), num_boost_round=300)
    return {
        "versions": {"lightgbm": lightgbm.__version__, "numpy": np.__version__},
        "mixtures": x.tolist(), "scores": y.tolist(), "probes": probes.tolist(),
        "ridge_coefficients": coefficients.tolist(), "ridge_intercept": float(intercept),
        "ridge": (probes @ coefficients + intercept).tolist(),
        "lightgbm": booster.predict(probes).tolist(),
    }


def correlations():
    random = np.random.default_rng(11)
    cases = []
    for n in (3, 4, 12, 50):
        for levels in (0, 3, 6):  # 0: no ties
            a = random.normal(size=n)
            b = 0.6 * a + random.normal(size=n)
            if levels:
                a, b = np.round(a * levels / 3), np.round(b * levels / 3)
            if len(set(a)) < 2 or len(set(b)) < 2:
                continue
            cases.append({
                "a": a.tolist(), "b": b.tolist(),
                "ranks_a": scipy.stats.rankdata(a).tolist(),
                "spearman": float(scipy.stats.spearmanr(a, b).statistic),
                "pearson": float(scipy.stats.pearsonr(a, b).statistic),
            })
    return {"versions": {"scipy": scipy.__version__, "numpy": np.__version__}, "cases": cases}


if __name__ == "__main__":
    for name, make in (("predictors", predictors), ("correlations", correlations)):
        (HERE / f"{name}.json").write_text(json.dumps(make(), indent=1) + "\n")
