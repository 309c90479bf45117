"""Makes gaussian_process.json: means, deviations and marginal likelihood by scikit-learn.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 scikit-learn==1.9.1
    venv/bin/python tests/data/search/gaussian_process.py

scikit-learn's GaussianProcessRegressor gets the scaled features and transformed scores that the
formulas at the top of demix/search/gaussian_process.cc define, computed here by numpy. Derivatives
are central differences of its log marginal likelihood.
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

HERE = pathlib.Path(__file__).parent


class Process:
    def __init__(self, theta, shares, scores, errors):
        offset, self.power, self.skew, amplitude, noise, score_noise, trend = theta[:7]
        self.offset, self.noise = np.exp(offset), np.exp(noise)
        self.lengths = np.exp(theta[7:])
        self.centre, self.spread = scores.mean(), scores.std()
        self.score_noise = np.exp(score_noise) * self.spread
        y = (scores - self.centre) / self.spread
        raw = np.sinh(np.arcsinh(y) - self.skew)
        self.z_centre, self.z_spread = raw.mean(), raw.std()
        z = (raw - self.z_centre) / self.z_spread
        slope = np.cosh(np.arcsinh(y) - self.skew) / np.sqrt(1 + y * y)
        slope /= self.z_spread * self.spread
        u = self.features(shares)
        self.mean = u.mean(axis=0)
        kernel = (ConstantKernel(np.exp(2 * amplitude)) * Matern(1.0, nu=1.5) + ConstantKernel(1.0)
                  + ConstantKernel(np.exp(2 * trend)) * DotProduct(0.0))
        self.process = GaussianProcessRegressor(
            kernel, alpha=self.noise**2 + (self.score_noise**2 + errors**2) * slope**2, optimizer=None)
        self.process.fit(u - self.mean, z)
        self.likelihood = self.process.log_marginal_likelihood() + np.log(slope).sum()

    def features(self, shares):
        def phi(p):
            if self.power == 0:
                return np.log(p + self.offset)
            return ((p + self.offset) ** self.power - 1) / self.power
        return (phi(shares) - phi(0.0)) / (phi(1.0) - phi(0.0)) / self.lengths

    def score(self, z):
        raw = z * self.z_spread + self.z_centre
        return self.centre + self.spread * np.sinh(np.arcsinh(raw) + self.skew)

    def predict(self, shares):
        z, deviation = self.process.predict(self.features(shares) - self.mean, return_std=True)
        slope = (self.score(z + 1e-5) - self.score(z - 1e-5)) / 2e-5
        return self.score(z), slope * deviation, np.hypot(slope * self.noise, self.score_noise)


def case(random, power, with_errors):
    n, d = 40, 5
    shares = random.dirichlet([0.5] * d, size=n).round(4)
    shares[:, 0] += 1 - shares.sum(axis=1)
    shares = np.abs(shares)
    scores = (2 + np.exp(-3 * shares[:, 0]) - 0.4 * np.log(shares[:, 1] + 0.02)
              + 0.05 * random.normal(size=n)).round(5)
    errors = random.uniform(0.02, 0.2, size=n).round(4) if with_errors else np.zeros(n)
    probes = random.dirichlet([0.7] * d, size=12).round(4)
    theta = np.concatenate([[np.log(0.004), power, 0.6, np.log(0.7), np.log(0.12), np.log(0.07),
                             np.log(0.3)],
                            np.log(random.uniform(0.3, 3, size=d))])
    process = Process(theta, shares, scores, errors)
    gradient = []
    for k in range(len(theta)):
        step = np.zeros(len(theta))
        step[k] = 1e-5
        low = 1.0 if k == 1 and power == 0 else 0.0  # one-sided at the logarithm
        ahead = Process(theta + step, shares, scores, errors).likelihood
        behind = Process(theta - step * (1 - low), shares, scores, errors).likelihood
        gradient.append((ahead - behind) / (1e-5 * (2 - low)))
    mean, uncertainty, noise = process.predict(probes)
    return {
        "mixtures": shares.tolist(), "scores": scores.tolist(),
        "standard_errors": errors.tolist() if with_errors else [],
        "offset": float(process.offset), "power": power, "skew": 0.6, "amplitude": 0.7,
        "noise": 0.12, "score_noise": 0.07, "trend": 0.3, "lengths": process.lengths.tolist(),
        "log_marginal_likelihood": float(process.likelihood), "gradient": gradient,
        "probes": probes.tolist(), "mean": mean.tolist(), "uncertainty": uncertainty.tolist(),
        "deviation_of_noise": noise.tolist(),
    }


if __name__ == "__main__":
    np.seterr(divide="ignore")  # scikit-learn takes the logarithm of DotProduct's zero
    random = np.random.default_rng(5)
    cases = [case(random, power, with_errors)
             for power, with_errors in ((0.0, False), (0.25, True), (0.5, False), (1.0, True))]
    (HERE / "gaussian_process.json").write_text(
        json.dumps({"versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
                    "cases": cases}, indent=1) + "\n")
