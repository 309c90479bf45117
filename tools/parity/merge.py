"""Merges compared value by value with mergekit 0.1.5.

    python tools/parity/merge.py tests tests/data/merge/merges.json   # remakes the tests' values

Runs in an environment with mergekit==0.1.5 and torch==2.13.0.
"""

import argparse
import json
import pathlib

import torch
from mergekit import merge_methods
from mergekit.merge_methods.base import TensorGroup
from mergekit.sparsify import RescaleNorm, SparsificationMethod, sparsify

# How close results must be: of the larger of one and the value; or of the tensor's largest value.
ELEMENTWISE = {"elementwise": 1e-6}
NORM = {"of_largest": 1e-5}
BFLOAT16 = {"bfloat16_steps": 1}


def rounded(values: torch.Tensor) -> list[float]:
    """Nine digits name a float32 exactly."""
    return [float(f"{value:.9g}") for value in values.float().flatten().tolist()]


def updates(base: torch.Tensor, count: int, scale: float, generator: torch.Generator):
    return [base + scale * torch.randn(base.shape, generator=generator) for _ in range(count)]


def make_inputs() -> dict[str, dict]:
    """Named sets of a base and models of one shape."""
    generator = torch.Generator().manual_seed(20240607)

    def normal(shape):
        return torch.randn(shape, generator=generator)

    sets = {}
    matrix = 0.5 * normal((7, 6))
    sets["matrix"] = [matrix, *updates(matrix, 5, 0.1, generator)]
    # Most elements as in the base, as after training with a mask.
    sparse = [matrix + normal((7, 6)) * 0.1 * (normal((7, 6)) > 0.8) for _ in range(3)]
    sets["sparse"] = [matrix, *sparse]
    # Magnitudes that many elements share, votes that cancel out.
    sets["equal"] = [
        torch.zeros(6, 6),
        *[torch.randint(-2, 3, (6, 6), generator=generator) / 8 for _ in range(4)],
    ]
    norm = 1 + 0.1 * normal((19,))
    sets["norm"] = [norm, *updates(norm, 3, 0.05, generator)]
    cube = normal((4, 3, 5))
    sets["cube"] = [cube, *updates(cube, 3, 0.3, generator)]
    # Updates far smaller than mergekit's absolute floors of 1e-6.
    sets["small"] = [matrix, *updates(matrix, 3, 1e-5, generator)]
    sets["large"] = [1000 * matrix, *updates(1000 * matrix, 3, 300.0, generator)]
    sets["unchanged"] = [matrix, matrix.clone(), matrix.clone(), matrix.clone()]
    sets["one"] = [torch.tensor([0.5]), torch.tensor([0.75]), torch.tensor([-1.25])]
    sets["scalar"] = [torch.tensor(0.5), torch.tensor(0.75), torch.tensor(-1.25)]
    sets["empty"] = [torch.zeros(0, 4), torch.zeros(0, 4), torch.zeros(0, 4)]
    sets["zero"] = [torch.zeros(6, 5)] * 3
    sets["colinear"] = [matrix, matrix * 1.5, matrix * 0.25]
    sets["nearly_colinear"] = [matrix, *updates(matrix, 2, 1e-3, generator)]
    sets["antipodal"] = [torch.zeros(7, 6), matrix, -matrix]
    sets["orthogonal"] = [
        torch.zeros(2, 3),
        torch.tensor([[1.0, 0, 0], [0, 2, 0]]),
        torch.tensor([[0.0, 3, 0], [0, 0, 1]]),
    ]
    half = (0.5 * normal((7, 6))).bfloat16().float()
    sets["bfloat16"] = [half, *[x.bfloat16().float() for x in updates(half, 4, 0.1, generator)]]
    return sets


def cut_and_votes(base, models, weights, kept, elect):
    """Which elements' results are arbitrary: as large as the first that is dropped (mergekit's sort
    is not stable), or with a vote that rounding decides.

    `kept[k]` is the range [first, last) of ranks by magnitude, from the largest, or None.
    """
    excused = torch.zeros(base.shape, dtype=torch.bool)
    pruned = []
    for model, ranks in zip(models, kept):
        update = model - base
        sizes = update.abs().flatten()
        order = sizes.sort(descending=True).values
        mask = torch.ones_like(update, dtype=torch.bool)
        if ranks is not None:
            first, last = ranks
            for cut in (first, last):
                if 0 < cut < len(order) and order[cut - 1] == order[cut]:
                    excused |= update.abs() == order[cut]
            if last <= first:
                mask[...] = False
            else:
                mask = update.abs() >= order[last - 1]
                if first:
                    mask &= update.abs() <= order[first]
        pruned.append(update * mask)
    if elect:
        stacked = torch.stack([w * x for w, x in zip(weights, pruned)])
        vote, size = stacked.double().sum(0).abs(), stacked.double().abs().sum(0)
        excused |= (size > 0) & (vote < 1e-6 * size) & (vote > 0)
    return excused


def mergekit_result(method, tensors, base, parameters, out_dtype=torch.float32):
    """`tensors` in order, base last where one is given, as mergekit itself adds it."""
    ordered = tensors + ([base] if base is not None else [])
    group = TensorGroup.from_tensors(
        ordered, base_index=len(tensors) if base is not None else None, name="test"
    )
    parameters = {
        name: (value + [value[-1]] if name == "weight" and method == "linear" and base is not None
               else value)
        for name, value in parameters.items()
    }
    (result,) = merge_methods.get(method)(
        (group,), parameters=parameters, dtype=torch.float32, out_dtype=out_dtype
    )
    return result


def make_cases(inputs):
    cases = []

    def add(method, of, models, tolerance, base=True, excused=None, expected=None,
            out_dtype=torch.float32, theirs=None, **parameters):
        """`models` are positions in the set, 0 being its base. `theirs` replaces parameters for
        mergekit, which lacks some of ours."""
        tensors = inputs[of]
        if expected is None:
            expected = mergekit_result(
                method, [tensors[k] for k in models], tensors[0] if base else None,
                theirs if theirs is not None else parameters, out_dtype)
        if of == "large":  # values that cancel out keep the rounding of what they came from
            tolerance = NORM
        case = {"method": method, "inputs": of, "models": models, "base": base,
                "parameters": parameters, "expected": rounded(expected), **tolerance}
        if excused is not None and bool(excused.any()):
            case["excused"] = excused.flatten().nonzero().flatten().tolist()
        cases.append(case)

    shapes = ["norm", "cube", "one", "scalar", "empty", "zero"]

    # Linear.
    for weights in ([1.0, 1.0, 1.0], [0.2, 0.5, 0.3], [2.0, -0.5, 0.25], [0.0, 1.0, 0.0]):
        add("linear", "matrix", [1, 2, 3], ELEMENTWISE, base=False, weight=weights)
        add("linear", "matrix", [1, 2, 3], ELEMENTWISE, base=False, weight=weights, normalize=False)
    add("linear", "matrix", [4], ELEMENTWISE, base=False, weight=[0.7])
    add("linear", "large", [1, 2, 3], ELEMENTWISE, base=False, weight=[0.3, 0.3, 0.6])
    for of in shapes:
        add("linear", of, [1, 2], ELEMENTWISE, base=False, weight=[0.4, 0.8])
    # Our λ, against the formula in double precision.
    for scale in (0.0, 0.7, 1.3):
        base, *models = inputs["matrix"]
        mean = sum(w * m.double() for w, m in zip([0.25, 0.75], models))
        add("linear", "matrix", [1, 2], ELEMENTWISE,
            expected=base.double() + scale * (mean - base.double()), weight=[0.5, 1.5],
            **{"lambda": scale})

    # The family of updates.
    def ranks(method, density, gamma, count):
        if density >= 1:
            return None
        kept = int(density * count)
        if method == "ties":
            return (0, 0 if density <= 0 else max(1, kept))
        top = min(int(gamma * count), count - kept)
        return (top, top + kept)

    def add_updates(method, of, models, tolerance=ELEMENTWISE, **parameters):
        base, count = inputs[of][0], inputs[of][0].numel()
        densities = parameters.get("density", [1.0] * len(models))
        gammas = parameters.get("gamma", [0.01] * len(models))
        kept = [None] * len(models)
        if method in ("ties", "breadcrumbs", "breadcrumbs_ties") and count:
            kept = [ranks(method, d, g, count) for d, g in zip(densities, gammas)]
        excused = None
        if count:
            excused = cut_and_votes(base, [inputs[of][k] for k in models], parameters["weight"],
                                    kept, method.endswith("ties") or method == "della")
        add(method, of, models, tolerance, excused=excused, **parameters)

    all_methods = ["task_arithmetic", "ties", "breadcrumbs", "breadcrumbs_ties", "dare_linear",
                   "dare_ties", "della", "della_linear"]
    weight_sets = ([1.0, 1.0, 1.0], [0.2, 0.5, 0.3], [0.8, -0.6, 0.5], [0.0, 1.0, 0.0],
                   [0.0, 0.0, 0.0])
    for method in all_methods:
        for weights in weight_sets:
            for normalize in (True, False):
                add_updates(method, "matrix", [1, 2, 3], weight=weights, normalize=normalize)
        add_updates(method, "matrix", [1, 2, 3, 4, 5], weight=[0.1, 0.2, 0.3, 0.4, 0.5])
        add_updates(method, "matrix", [2], weight=[0.5])
        add_updates(method, "matrix", [1, 2], weight=[0.5, 0.5], **{"lambda": 0.6})
        add_updates(method, "matrix", [1, 2], weight=[0.5, 0.5], int8_mask=True)
        add_updates(method, "equal", [1, 2, 3, 4], weight=[0.25, 0.25, 0.25, 0.25])
        add_updates(method, "sparse", [1, 2, 3], weight=[0.5, 0.4, 0.3])
        add_updates(method, "unchanged", [1, 2], weight=[0.5, 0.4])
        add_updates(method, "large", [1, 2, 3], weight=[0.5, 0.4, 0.3])
        for of in shapes:
            add_updates(method, of, [1, 2], weight=[0.4, 0.8])
    # Weights that cancel out: nothing is divided where they sum to zero.
    add_updates("task_arithmetic", "matrix", [1, 2], weight=[0.5, -0.5], normalize=True)
    add_updates("ties", "matrix", [1, 2], weight=[0.5, -0.5], normalize=True)

    for method in ("ties", "breadcrumbs", "breadcrumbs_ties"):
        for density in (0.0, 0.001, 0.3, 0.9):
            for weights in ([0.2, 0.5, 0.3], [0.8, -0.6, 0.5]):
                add_updates(method, "matrix", [1, 2, 3], weight=weights, density=[density] * 3)
        add_updates(method, "matrix", [1, 2, 3], weight=[1.0] * 3, density=[0.2, 1.0, 0.5])
        add_updates(method, "matrix", [1, 2, 3], weight=[1.0] * 3, density=[0.5] * 3, rescale=True,
                    normalize=False)
        add_updates(method, "sparse", [1, 2, 3], weight=[1.0] * 3, density=[0.1] * 3)
        add_updates(method, "sparse", [1, 2, 3], weight=[1.0] * 3, density=[0.6] * 3)
        add_updates(method, "equal", [1, 2, 3, 4], weight=[0.25] * 4, density=[0.5] * 4)
        add_updates(method, "unchanged", [1, 2], weight=[1.0] * 2, density=[0.5] * 2, rescale=True)
        for of in shapes:
            add_updates(method, of, [1, 2], weight=[0.4, 0.8], density=[0.3] * 2)
    for method in ("breadcrumbs", "breadcrumbs_ties"):
        for gamma in (0.0, 0.1, 0.5, 1.0):
            add_updates(method, "matrix", [1, 2, 3], weight=[0.2, 0.5, 0.3], density=[0.7] * 3,
                        gamma=[gamma] * 3)
        add_updates(method, "equal", [1, 2, 3, 4], weight=[0.25] * 4, density=[0.5] * 4,
                    gamma=[0.1] * 4)
        add_updates(method, "matrix", [1, 2], weight=[0.5, 0.5], density=[1.0, 0.5],
                    gamma=[0.2, 0.3])
    for method in ("dare_linear", "dare_ties", "della", "della_linear"):
        for density in (0.0, 1.0):
            add_updates(method, "matrix", [1, 2, 3], weight=[0.2, 0.5, 0.3], density=[density] * 3)

    # Norms that mergekit restores only when called from Python.
    for norm in ("l1", "l2", "linf"):
        for method, kind, gamma in (("ties", SparsificationMethod.magnitude, 0.0),
                                    ("breadcrumbs", SparsificationMethod.magnitude_outliers, 0.1)):
            base, *models = inputs["matrix"]
            sparse = [sparsify(m - base, 0.4, kind, gamma=gamma, rescale_norm=RescaleNorm(norm))
                      for m in models[:1]]
            extra = {"gamma": [gamma]} if method == "breadcrumbs" else {}
            add(method, "matrix", [1], ELEMENTWISE, expected=base + 0.5 * sparse[0], weight=[0.5],
                density=[0.4], rescale=norm, normalize=False, **extra)

    # Angles.
    for t in (0.0, 0.3, 0.5, 1.0, 1.5):
        add("slerp", "matrix", [1], NORM, t=t)
    for of in ["nearly_colinear", "colinear", "orthogonal", *shapes]:
        add("slerp", of, [1], NORM, t=0.3)
    # Between two models, as mergekit does when the first is its base.
    for of in ("matrix", "antipodal", "orthogonal", "nearly_colinear"):
        add("slerp", of, [1, 2], NORM, base=False, t=0.3,
            expected=mergekit_result("slerp", [inputs[of][2]], inputs[of][1], {"t": 0.3}))

    for base in (True, False):
        for weights in ([0.5, 0.5], [0.3, 0.9], [0.0, 1.0], [1.0, -0.25], [0.0, 0.0]):
            add("nuslerp", "matrix", [1, 2], NORM, base=base, weight=weights)
        for of in ["nearly_colinear", "colinear", "antipodal", "orthogonal", "sparse", "unchanged",
                   *shapes]:
            for options in ({}, {"nuslerp_flatten": False},
                            {"nuslerp_flatten": False, "nuslerp_row_wise": True}):
                # Of opposite vectors mergekit's rounding makes either a straight line or values
                # without bound; here it is always the line.
                opposite = of == "antipodal" or (of == "colinear" and base)
                line = 0.25 * inputs[of][1] + 0.75 * inputs[of][2]
                add("nuslerp", of, [1, 2], NORM, base=base, weight=[0.3, 0.9],
                    expected=line if opposite and options else None, **options)

    for base in (True, False):
        for weights in ([0.2, 0.5, 0.3], [1.0, 1.0, 1.0], [2.0, -0.5, 0.25]):
            for normalize in (True, False):
                add("multislerp", "matrix", [1, 2, 3], NORM, base=base, weight=weights,
                    normalize_weights=normalize)
        add("multislerp", "matrix", [1, 2, 3, 4, 5], NORM, base=base, weight=[0.1, 0.2, 0.3, 0.4, 0.5])
        add("multislerp", "matrix", [3], NORM, base=base, weight=[0.5])
        for of in ["small", "nearly_colinear", "colinear", "antipodal", "orthogonal", "sparse", *shapes]:
            if base and of == "unchanged":
                continue
            add("multislerp", of, [1, 2], NORM, base=base, weight=[0.4, 0.6])
        add("multislerp", "antipodal", [1, 2], NORM, base=base, weight=[0.5, 0.5])

    for models in ([1], [1, 2], [1, 2, 3, 4, 5]):
        add("karcher", "matrix", models, NORM, base=False)
    for options in ({"max_iter": 0}, {"max_iter": 1}, {"tol": 1e-2}, {"max_iter": 50, "tol": 1e-6}):
        add("karcher", "matrix", [1, 2, 3], NORM, base=False, **options)
        add("karcher", "orthogonal", [1, 2], NORM, base=False, **options)
    for of in ["nearly_colinear", "colinear", "antipodal", "sparse", "unchanged", "zero", *shapes]:
        add("karcher", of, [1, 2], NORM, base=False)
    from mergekit.merge_methods.karcher import karcher_merge_tensors
    for alphas in ([0.2, 0.5, 0.3], [1.0, 0.0, 0.0]):
        add("karcher", "matrix", [1, 2, 3], NORM, base=False, weight=alphas,
            expected=karcher_merge_tensors([inputs["matrix"][k] for k in (1, 2, 3)], alphas))

    for of, models in (("matrix", [1, 2]), ("matrix", [1, 2, 3, 4, 5]), ("small", [1, 2, 3]),
                       ("sparse", [1, 2, 3]), ("unchanged", [1, 2, 3]), ("large", [1, 2, 3]),
                       ("antipodal", [1, 2]), ("norm", [1, 2, 3]), ("cube", [1, 2, 3]),
                       ("one", [1, 2]), ("scalar", [1, 2])):
        for filter_wise in (False, True):
            add("model_stock", of, models, NORM, filter_wise=filter_wise)

    def variance_excused(of, models, topk):
        base = inputs[of][0]
        stacked = torch.stack([inputs[of][k] - base for k in models])
        variance = stacked.var(dim=0, unbiased=False).flatten()
        excused = torch.zeros(variance.shape, dtype=torch.bool)
        kept = int(int(torch.count_nonzero(variance)) * topk)
        order = variance.sort(descending=True).values
        if topk < 1 and 0 < kept < len(order):
            near = (order[kept - 1] - order[kept]) <= 1e-6 * order[kept]
            if near:
                excused |= (variance - order[kept]).abs() <= 1e-6 * order[kept]
        vote, size = stacked.double().sum(0).abs(), stacked.double().abs().sum(0)
        excused |= ((size > 0) & (vote < 1e-6 * size) & (vote > 0)).flatten()
        return excused

    for topk in (-0.5, 0.0, 0.01, 0.3, 0.7, 1.0, 2.0):
        for of, models in (("matrix", [1, 2, 3]), ("matrix", [1, 2, 3, 4, 5]), ("sparse", [1, 2, 3])):
            add("sce", of, models, ELEMENTWISE, excused=variance_excused(of, models, topk),
                select_topk=topk)
    for of in ["small", "large", "equal", "unchanged", *[s for s in shapes if s != "empty"]]:
        for topk in (0.5, 1.0):
            add("sce", of, [1, 2], ELEMENTWISE, excused=variance_excused(of, [1, 2], topk),
                select_topk=topk)
    add("sce", "matrix", [1], ELEMENTWISE, select_topk=1.0)
    add("sce", "matrix", [1], ELEMENTWISE, select_topk=0.5)
    add("sce", "matrix", [1, 2], ELEMENTWISE, int8_mask=True)

    for t in (0.0, 0.05, 0.1, 1.0, -0.5):
        add("nearswap", "matrix", [1], ELEMENTWISE, t=t)
    for of in ["sparse", "small", "unchanged", *shapes]:
        add("nearswap", of, [1], ELEMENTWISE, t=1e-4)
    for of in ["matrix", "bfloat16", *shapes]:
        add("passthrough", of, [1], ELEMENTWISE, base=False)
        add("passthrough", of, [1], ELEMENTWISE, base=False, scale=[-0.75])
    for method in ("ram", "ramplus_tl"):
        for of, models in (("matrix", [1, 2, 3]), ("sparse", [1, 2, 3]), ("sparse", [2]),
                           ("equal", [1, 2, 3, 4]), ("small", [1, 2, 3]), ("unchanged", [1, 2])):
            add(method, of, models, ELEMENTWISE)
            add(method, of, models, ELEMENTWISE, epsilon=0.05)
        for of in shapes:
            add(method, of, [1, 2], ELEMENTWISE)
    add("ramplus_tl", "sparse", [1, 2, 3], ELEMENTWISE, r=1.0, alpha=0.05)
    add("ramplus_tl", "sparse", [1, 2, 3], ELEMENTWISE, r=2.0, alpha=10.0)

    # bfloat16 checkpoints, computed in float32 and written as bfloat16.
    for method, parameters in (
            ("linear", {"weight": [0.1, 0.2, 0.3, 0.4]}),
            ("task_arithmetic", {"weight": [0.1, 0.2, 0.3, 0.4]}),
            ("ties", {"weight": [0.1, 0.2, 0.3, 0.4]}),
            ("breadcrumbs", {"weight": [0.1, 0.2, 0.3, 0.4]}),
            ("multislerp", {"weight": [0.1, 0.2, 0.3, 0.4]}),
            ("karcher", {}), ("model_stock", {}), ("sce", {})):
        add(method, "bfloat16", [1, 2, 3, 4], BFLOAT16, out_dtype=torch.bfloat16,
            base=method not in ("linear", "karcher"), **parameters)
    add("nuslerp", "bfloat16", [1, 2], BFLOAT16, out_dtype=torch.bfloat16, weight=[0.3, 0.9])
    add("slerp", "bfloat16", [1], BFLOAT16, out_dtype=torch.bfloat16, t=0.3)
    return cases


def write_tests(path: pathlib.Path) -> None:
    inputs = make_inputs()
    cases = make_cases(inputs)
    document = {
        "inputs": {
            name: {"shape": list(tensors[0].shape), "values": [rounded(x) for x in tensors]}
            for name, tensors in inputs.items()
        },
        "cases": cases,
    }
    # One line for each case keeps differences readable.
    lines = [json.dumps(case) for case in cases]
    text = '{"inputs": ' + json.dumps(document["inputs"]) + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(f"{len(cases)} cases, {path.stat().st_size / 1000:.0f} kB, written to {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    tests = commands.add_parser("tests", help="remake the values of the unit tests")
    tests.add_argument("out", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.command == "tests":
        write_tests(arguments.out)


if __name__ == "__main__":
    main()
