"""Makes the values that the tests of ranks, statistics and predictors compare with.

    .venv/bin/python tests/data/search/make.py

Needs numpy, scipy and lightgbm 4.7.0; writes predictors.json and correlations.json beside itself.
"""

import json
import pathlib

import lightgbm
import numpy as np
import scipy.optimize
import scipy.stats

HERE = pathlib.Path(__file__).parent


def ridge(x, y, penalty):
    """Coefficients and free intercept from the normal equations of the augmented problem."""
    augmented = np.hstack([x, np.ones((len(x), 1))])
    penalties = np.diag([penalty] * x.shape[1] + [0.0])
    solution = np.linalg.solve(augmented.T @ augmented + penalties, augmented.T @ y)
    return solution[:-1], solution[-1]


def pairs(x):
    """Shares and the products of two of them."""
    j, k = np.triu_indices(x.shape[1])
    return np.hstack([x, x[:, j] * x[:, k]])


def best_penalty(x, y):
    """The ridge penalty, a quarter power of ten of the largest eigenvalue, with the smallest
    leave-one-out error, by really leaving rows out."""
    centred = x - x.mean(axis=0)
    largest = np.linalg.eigvalsh(centred @ centred.T)[-1]
    penalties = largest * 10.0 ** np.arange(-7, 1.01, 0.25)

    def error(penalty):
        total = 0.0
        for i in range(len(x)):
            others = np.arange(len(x)) != i
            w, b = ridge(x[others], y[others], penalty)
            total += (x[i] @ w + b - y[i]) ** 2
        return total

    return min(penalties, key=error)


def log_linear(x, y, width=0.5, penalty=1e-5):
    """The smallest Huber loss of c + sign·exp(t·p) over both signs and many starts."""
    y = (y - y.mean()) / y.std()

    def loss(law, sign):
        error = law[0] + sign * np.exp(np.minimum(x @ law[1:], 30)) - y
        huber = np.where(np.abs(error) < width, error**2 / 2, width * (np.abs(error) - width / 2))
        return huber.mean() + penalty / len(x) * ((law[1:] - law[1:].mean()) ** 2).sum()

    random = np.random.default_rng(3)
    best = None
    for sign in (1, -1):
        for _ in range(40):
            start = np.concatenate([[sign * random.uniform(-4, 0)], random.normal(size=x.shape[1])])
            found = scipy.optimize.minimize(loss, start, args=(sign,), method="BFGS",
                                            options={"gtol": 1e-9, "maxiter": 5000})
            if best is None or found.fun < best[0]:
                best = (float(found.fun), sign, found.x)
    return best


def predictors():
    random = np.random.default_rng(7)
    x = random.dirichlet([0.7] * 5, size=60).round(6)
    x[:, 0] += 1 - x.sum(axis=1)
    y = 2 - 0.4 * np.log(x[:, 0] + 0.05) + 0.3 * x[:, 1] * x[:, 2] + 0.02 * random.normal(size=60)
    y = y.round(6)
    probes = random.dirichlet([0.7] * 5, size=20).round(6)
    coefficients, intercept = ridge(x, y, 0.5)
    penalty = best_penalty(pairs(x), y)
    pair_coefficients, pair_intercept = ridge(pairs(x), y, penalty)
    law_y = (np.round(1.4 + np.exp(x @ [-4.0, 1.0, 0.3, -1.0, 0.5]) + 0.02 * random.normal(size=60), 6))
    law_loss, law_sign, law = log_linear(x, law_y)
    parameters = dict(objective="regression", learning_rate=0.03, num_leaves=7, min_data_in_leaf=2,
                      min_data_in_bin=2, bagging_fraction=0.7, bagging_freq=1, seed=42,
                      deterministic=True, force_row_wise=True, num_threads=1, verbosity=-1)
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y), num_boost_round=500)
    return {
        "versions": {"lightgbm": lightgbm.__version__, "numpy": np.__version__},
        "mixtures": x.tolist(), "scores": y.tolist(), "probes": probes.tolist(),
        "ridge_coefficients": coefficients.tolist(), "ridge_intercept": float(intercept),
        "ridge": (probes @ coefficients + intercept).tolist(),
        "pairs_penalty": float(penalty),
        "pairs": (pairs(probes) @ pair_coefficients + pair_intercept).tolist(),
        "law_scores": law_y.tolist(), "law_loss": law_loss, "law_sign": law_sign,
        "law": law.tolist(),
        "law_predicted": (law_y.mean() + law_y.std()
                          * (law[0] + law_sign * np.exp(probes @ law[1:]))).tolist(),
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
