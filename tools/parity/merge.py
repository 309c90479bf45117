"""Merges compared value by value with mergekit 0.1.5.

    python tools/parity/merge.py tests tests/data/merge/merges.json   # remakes the tests' values
    python tools/parity/merge.py checkpoints bin/demix                # whole checkpoints, every method

`checkpoints` makes a Llama from a configuration and models around it by random updates, once in float32 and once
in bfloat16, merges them with mergekit and with `demix merge` from the same YAML, and compares all tensors. It
fails on any value outside the bounds. Norm and angle methods are held to what mergekit computes with
`dtype: float64`, because its float32 norms of large tensors are wrong (by 1.7e-3 for 28 million elements); how far
its float32 results are from those is printed beside. Runs in an environment with mergekit==0.1.5 and torch==2.13.0.
"""

import argparse
import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import torch
import yaml
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


# ---- Whole checkpoints


def make_checkpoints(folder: pathlib.Path, dtype: torch.dtype, models: int, layers: int, vocabulary: int) -> None:
    """base, m1 … in `folder`: the shapes of a 135M-parameter Llama, with fewer layers and tokens."""
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    config = LlamaConfig(hidden_size=576, intermediate_size=1536, num_hidden_layers=layers,
                         num_attention_heads=9, num_key_value_heads=3, vocab_size=vocabulary,
                         tie_word_embeddings=True)
    base = LlamaForCausalLM(config).to(dtype)
    base.save_pretrained(folder / "base")
    state = {name: tensor for name, tensor in base.state_dict().items() if name != "lm_head.weight"}
    for k in range(1, models + 1):
        generator = torch.Generator().manual_seed(k)
        moved = {
            name: (tensor.float() + 0.002 * torch.randn(tensor.shape, generator=generator)).to(dtype)
            for name, tensor in state.items()
        }
        target = folder / f"m{k}"
        target.mkdir()
        (target / "config.json").write_bytes((folder / "base/config.json").read_bytes())
        save_file(moved, target / "model.safetensors", metadata={"format": "pt"})


def read_folder(folder: pathlib.Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors.update(load_file(path))
    return tensors


def configuration(folder, method, out_dtype, models, parameters, per_model, base=True):
    entries = []
    for k in models:
        own = {name: values[(k - 1) % len(values)] for name, values in per_model.items()}
        entries.append({"model": str(folder / f"m{k}"), **({"parameters": own} if own else {})})
    text = {"models": entries, "merge_method": method, "dtype": "float32", "out_dtype": out_dtype}
    if base:
        text["base_model"] = str(folder / "base")
    if parameters:
        text["parameters"] = parameters
    return yaml.dump(text)


def run_mergekit(config: str, out: pathlib.Path, seed: int = 0) -> None:
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    torch.manual_seed(1000 + seed)  # not the streams that the checkpoints were drawn from
    run_merge(MergeConfiguration.model_validate(yaml.safe_load(config)), str(out),
              MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True))


def run_demix(demix: str, config: str, out: pathlib.Path, *more: str) -> None:
    path = out.with_suffix(".yml")
    path.write_text(config)
    done = subprocess.run([demix, "merge", str(path), str(out), "--no-tokenizer", *more],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{demix} merge: {done.stderr}")


def bfloat16_steps(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    def place(x):
        bits = x.view(torch.int16).int()
        return torch.where(bits < 0, -(bits & 0x7FFF), bits)

    return (place(a) - place(b)).abs()


# method, models, per model, for all, kind, base
DETERMINISTIC = [
    ("linear", 4, {"weight": [0.4, 0.3, 0.2, 0.1]}, {}, "elementwise", False),
    ("linear", 4, {"weight": [1.5, -0.5, 0.7, 0.1]}, {"normalize": False}, "elementwise", False),
    ("task_arithmetic", 4, {"weight": [0.4, 0.9, -0.2, 0.3]}, {"lambda": 0.8}, "elementwise", True),
    ("task_arithmetic", 4, {"weight": [0.4, 0.9, 0.2, 0.3]}, {"normalize": True}, "elementwise", True),
    ("slerp", 1, {}, {"t": 0.35}, "norm", True),
    ("nuslerp", 2, {"weight": [0.7, 0.5]}, {}, "norm", False),
    ("nuslerp", 2, {"weight": [0.7, 0.5]}, {"nuslerp_flatten": False}, "norm", True),
    ("nuslerp", 2, {"weight": [0.7, 0.5]}, {"nuslerp_flatten": False, "nuslerp_row_wise": True}, "norm", True),
    ("multislerp", 4, {"weight": [0.4, 0.3, 0.2, 0.1]}, {}, "norm", False),
    ("multislerp", 4, {"weight": [0.4, 0.3, 0.2, 0.1]}, {}, "norm", True),
    ("karcher", 4, {}, {}, "norm", False),
    ("model_stock", 4, {}, {}, "norm", True),
    ("model_stock", 4, {}, {"filter_wise": True}, "norm", True),
    ("ties", 4, {"weight": [0.4, 0.9, 0.2, 0.3], "density": [0.3, 0.5, 0.7, 1.0]}, {}, "rank", True),
    ("ties", 4, {"weight": [0.4, -0.9, 0.2, 0.3], "density": [0.2]},
     {"normalize": False, "lambda": 1.2, "rescale": True, "int8_mask": True}, "rank", True),
    ("breadcrumbs", 4, {"weight": [0.4, 0.9, 0.2, 0.3], "density": [0.7], "gamma": [0.02]}, {}, "rank", True),
    ("breadcrumbs_ties", 4, {"weight": [0.4, 0.9, 0.2, 0.3], "density": [0.5], "gamma": [0.01]},
     {"normalize": True}, "rank", True),
    ("sce", 4, {}, {"select_topk": 0.3}, "rank", True),
    ("sce", 4, {}, {}, "rank", True),
    ("dare_linear", 4, {"weight": [0.4, 0.9, 0.2, 0.3]}, {}, "elementwise", True),
    ("dare_ties", 4, {"weight": [0.4, 0.9, 0.2, 0.3]}, {}, "rank", True),
    ("della", 4, {"weight": [0.4, 0.9, 0.2, 0.3]}, {}, "rank", True),
    ("della_linear", 4, {"weight": [0.4, 0.9, 0.2, 0.3]}, {}, "elementwise", True),
    ("nearswap", 1, {}, {"t": 0.001}, "elementwise", True),
    ("passthrough", 1, {"scale": [0.5]}, {}, "elementwise", False),
    ("ram", 4, {}, {"epsilon": 0.002}, "elementwise", True),
    ("ramplus_tl", 4, {}, {"epsilon": 0.002}, "elementwise", True),
]

RANDOM = [("dare_linear", {}), ("dare_ties", {}), ("della", {"epsilon": [0.2]}), ("della_linear", {"epsilon": [0.2]})]


def equal_at_the_cut(method, per_model, parameters, base, models) -> torch.Tensor:
    """Where a magnitude (or, for sce, a variance) equals that of the first element that is dropped, so that
    the method leaves open which of them are kept; or a vote is within rounding of zero."""
    count = base.numel()
    updates = torch.stack([model.float() - base.float() for model in models])
    weights = torch.tensor([per_model.get("weight", [1.0])[k % len(per_model.get("weight", [1.0]))]
                            for k in range(len(models))])
    near = 1e-6
    if method == "sce":
        excused = torch.zeros(base.shape, dtype=torch.bool)
        topk = parameters.get("select_topk", 1.0)
        if topk < 1:
            variance = updates.var(dim=0, unbiased=False)
            kept = int(int(torch.count_nonzero(variance)) * topk)
            cut = variance.flatten().sort(descending=True).values[min(kept, count - 1)]
            excused |= (variance - cut).abs() <= near * cut
        pruned, factors = updates, torch.ones(len(models))
    else:
        excused = torch.zeros(base.shape, dtype=torch.bool)
        pruned, factors = updates.clone(), weights
        for k, update in enumerate(updates):
            density = per_model.get("density", [1.0])[k % len(per_model.get("density", [1.0]))]
            if method not in ("ties", "breadcrumbs", "breadcrumbs_ties") or density >= 1:
                continue
            gamma = per_model.get("gamma", [0.0 if method == "ties" else 0.01])[0]
            kept = max(1, int(density * count)) if method == "ties" else int(density * count)
            first = 0 if method == "ties" else min(int(gamma * count), count - kept)
            order = update.abs().flatten().sort(descending=True).values
            for cut in {first, first + kept} - {0, count}:
                excused |= (update.abs() - order[cut]).abs() <= near * order[cut]
            mask = update.abs() >= order[first + kept - 1]
            if first:
                mask &= update.abs() <= order[first]
            pruned[k] = update * mask
    votes = pruned.double() * factors.double().reshape(-1, *[1] * base.dim())
    size = votes.abs().sum(0)
    return excused | ((votes.sum(0).abs() <= near * size) & (size > 0))


def compare_deterministic(demix: str, folder: pathlib.Path, out_dtype: str, wanted: list[str]) -> bool:
    good = True
    print("largest difference, and as a part of what is allowed; the same for mergekit's float32 from its float64;\n"
          "shares of values that the method leaves open, and of those that differ there; values outside the bounds")
    print(f"{'method':<18}{'values':>11}{'difference':>12}{'part':>8}{'mergekit':>10}{'open':>11}{'differ':>11}"
          f"{'outside':>9}{'mergekit s':>12}{'demix s':>9}")
    for number, (method, count, per_model, parameters, kind, base) in enumerate(DETERMINISTIC):
        if wanted and method not in wanted:
            continue
        models = list(range(1, count + 1))
        config = configuration(folder, method, out_dtype, models, parameters, per_model, base)
        theirs_folder, ours_folder = folder / f"mergekit_{number}", folder / f"demix_{number}"
        start = time.perf_counter()
        run_mergekit(config, theirs_folder)
        middle = time.perf_counter()
        run_demix(demix, config, ours_folder)
        end = time.perf_counter()
        theirs, ours = read_folder(theirs_folder), read_folder(ours_folder)
        assert theirs.keys() == ours.keys(), theirs.keys() ^ ours.keys()
        exact = None
        if kind == "norm":
            exact_folder = folder / f"mergekit64_{number}"
            run_mergekit(config.replace("dtype: float32", "dtype: float64", 1), exact_folder)
            exact = read_folder(exact_folder)
            shutil.rmtree(exact_folder)
        inputs = [read_folder(folder / name) for name in ["base", *[f"m{k}" for k in models]]]
        total = at_cut = differ_at_cut = outside = 0
        largest = share_of_bound = their_share = 0.0
        for name, expected in theirs.items():
            if exact is not None:
                their_bound = 1e-5 * exact[name].float().abs().max()
                their_difference = (expected.float() - exact[name].float()).abs().max()
                their_share = max(their_share, float(their_difference / their_bound))
                expected = exact[name]
            found = ours[name]
            assert found.dtype == expected.dtype and found.shape == expected.shape, name
            a, b = found.float(), expected.float()
            bound = 1e-6 * b.abs().clamp(min=1) if kind == "elementwise" else 1e-5 * b.abs().max()
            difference = (a - b).abs()
            bad = difference > bound
            if found.dtype == torch.bfloat16:
                bad &= bfloat16_steps(found, expected) > 1
            total += found.numel()
            if kind == "rank":
                excused = equal_at_the_cut(method, per_model, parameters, inputs[0][name],
                                           [other[name] for other in inputs[1:]])
                at_cut += int(excused.sum())
                differ_at_cut += int((bad & excused).sum())
                difference = torch.where(excused, 0, difference)
                bad &= ~excused
            outside += int(bad.sum())
            largest = max(largest, float(difference.max()))
            share_of_bound = max(share_of_bound, float((difference / bound).max()))
        good &= outside == 0
        print(f"{method:<18}{total:>11}{largest:>12.1e}{share_of_bound:>8.3f}"
              f"{their_share if exact is not None else math.nan:>10.3f}{at_cut / total:>11.5%}"
              f"{differ_at_cut / total:>11.5%}{outside:>9}{middle - start:>12.1f}{end - middle:>9.1f}", flush=True)
        shutil.rmtree(theirs_folder)
        shutil.rmtree(ours_folder)
    return good


def compare_random(demix: str, folder: pathlib.Path, wanted: list[str]) -> bool:
    """One model with weight one shows which elements were kept and their factor. Compared by tensor: the share
    that is kept, by tenths of magnitude; the factor; and the mean and variance of what is added, over seeds."""
    good = True
    base, model = read_folder(folder / "base"), read_folder(folder / "m1")
    names = [name for name in base if base[name].dim() == 2 and base[name].numel() > 300_000][:3]
    seeds = range(6)
    print(f"{'method':<14}{'rescale':<13}{'kept':>8}{'mergekit':>10}{'worst tenth, σ':>16}{'factor':>9}{'mergekit':>10}"
          f"{'mean/update':>13}{'variance ratio':>16}  same seed")
    for method, extra in RANDOM:
        if wanted and method not in wanted:
            continue
        for rescale in (True, False, "expectation"):
            per_model = {"weight": [1.0], "density": [0.4], **extra}
            config = configuration(folder, method, "float32", [1], {"rescale": rescale}, per_model)
            kept = {"demix": [], "mergekit": []}
            added = {"demix": [], "mergekit": []}
            for seed in seeds:
                for program in kept:
                    if program == "mergekit" and rescale == "expectation":
                        continue
                    out = folder / f"{program}_random"
                    if program == "demix":
                        run_demix(demix, config, out, "--seed", str(seed))
                    else:
                        run_mergekit(config, out, seed)
                    result = read_folder(out)
                    added[program].append([result[name].float() - base[name].float() for name in names])
                    shutil.rmtree(out)
            updates = [model[name].float() - base[name].float() for name in names]
            # Elements too small for the difference to show are left out.
            usable = [update.abs() > 1e-5 for update in updates]
            for program in kept:
                kept[program] = [[x.abs() > 1e-6 for x in one] for one in added[program]]
            order = torch.cat([u.abs().flatten() for u in updates])
            tenths = torch.quantile(order[:: max(1, len(order) // 100_000)], torch.linspace(0, 1, 11))
            worst = 0.0
            shares = {program: [] for program in kept}
            for low, high in zip(tenths[:-1], tenths[1:]):
                share, number = {}, 0
                for program, runs in kept.items():
                    if not runs:
                        continue
                    inside = [u & (x.abs() >= low) & (x.abs() < high) for u, x in zip(usable, updates)]
                    number = sum(int(i.sum()) for i in inside) * len(runs)
                    share[program] = sum(int((m & i).sum()) for run in runs for m, i in zip(run, inside)) / number
                    shares[program].append(share[program])
                if "mergekit" in share:
                    deviation = math.sqrt(2 * 0.25 / number)
                    worst = max(worst, abs(share["demix"] - share["mergekit"]) / deviation)
            factor, means, variances = {}, {}, {}
            for program, runs in added.items():
                if not runs:
                    continue
                ratio = [(x / u)[m & k] for run, mask in zip(runs, kept[program])
                         for x, u, m, k in zip(run, updates, mask, usable)]
                factor[program] = float(torch.cat(ratio).median())
                stacked = [torch.stack([run[i] for run in runs]) for i in range(len(names))]
                means[program] = float(sum((s.mean(0) * u).sum() for s, u in zip(stacked, updates)) /
                                       sum((u * u).sum() for u in updates))
                variances[program] = float(sum(s.var(0).sum() for s in stacked))
            once, twice = folder / "seed_once", folder / "seed_twice"
            for out in (once, twice):
                run_demix(demix, config, out, "--seed", "11", "--threads", "1" if out == once else "2")
            same = all(torch.equal(a, b) for a, b in zip(read_folder(once).values(), read_folder(twice).values()))
            shutil.rmtree(once)
            shutil.rmtree(twice)
            overall = {program: sum(values) / len(values) for program, values in shares.items() if values}
            good &= same and abs(overall["demix"] - 0.4) < 0.002
            if "mergekit" in means:
                good &= worst < 5 and abs(factor["demix"] / factor["mergekit"] - 1) < 5e-3
                good &= abs(means["demix"] / means["mergekit"] - 1) < 5e-3
                good &= abs(variances["demix"] / variances["mergekit"] - 1) < 2e-2
            else:
                good &= abs(means["demix"] - 1) < 5e-3
            print(f"{method:<14}{str(rescale):<13}{overall['demix']:>8.4f}{overall.get('mergekit', math.nan):>10.4f}"
                  f"{worst:>16.2f}{factor['demix']:>9.4f}{factor.get('mergekit', math.nan):>10.4f}"
                  f"{means['demix']:>13.4f}"
                  f"{variances['demix'] / variances.get('mergekit', math.nan):>16.4f}  {'equal' if same else 'DIFFERS'}",
                  flush=True)
    return good


def compare_checkpoints(arguments) -> None:
    good = True
    demix = str(pathlib.Path(arguments.demix).resolve())
    with tempfile.TemporaryDirectory(prefix="demix-merge-parity-") as name:
        for dtype, out_dtype in ((torch.float32, "float32"), (torch.bfloat16, "bfloat16")):
            folder = pathlib.Path(name) / out_dtype
            folder.mkdir()
            make_checkpoints(folder, dtype, 4, arguments.layers, arguments.vocabulary)
            print(f"\n{out_dtype} checkpoints, computed in float32, written as {out_dtype}")
            good &= compare_deterministic(demix, folder, out_dtype, arguments.method)
            if dtype == torch.float32:
                print("\nrandom methods")
                good &= compare_random(demix, folder, arguments.method)
    if not good:
        sys.exit("some values are outside the bounds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    tests = commands.add_parser("tests", help="remake the values of the unit tests")
    tests.add_argument("out", type=pathlib.Path)
    checkpoints = commands.add_parser("checkpoints", help="compare whole checkpoints")
    checkpoints.add_argument("demix", help="the program, such as bin/demix")
    checkpoints.add_argument("--layers", type=int, default=2)
    checkpoints.add_argument("--vocabulary", type=int, default=2048)
    checkpoints.add_argument("--method", action="append", default=[], help="only these")
    arguments = parser.parse_args()
    if arguments.command == "tests":
        write_tests(arguments.out)
    else:
        compare_checkpoints(arguments)


if __name__ == "__main__":
    main()
