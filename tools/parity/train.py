"""Expected values of the trainer's tests, computed with torch: writes tests/data/adamw.json.

    .venv/bin/python tools/parity/train.py
"""

import json
import pathlib

import torch


def adamw():
    """Five steps of torch.optim.AdamW on a matrix (decayed) and a norm (not), with clipping."""
    weights = [
        torch.arange(-4, 4, dtype=torch.float32).view(2, 4).div(8).requires_grad_(),
        torch.ones(4).requires_grad_(),
    ]
    options = torch.optim.AdamW(
        [
            {"params": weights[:1], "weight_decay": 0.1},
            {"params": weights[1:], "weight_decay": 0.0},
        ],
        lr=1.0,
        betas=(0.9, 0.95),
        eps=1e-8,
        foreach=False,
    )
    steps = []
    for step in range(1, 6):
        gradients = [torch.sin(torch.arange(w.numel()) * 0.7 + step).view_as(w) * (0.3 * step) for w in weights]
        for weight, gradient in zip(weights, gradients):
            weight.grad = gradient.clone()
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0).item()
        rate = 0.01 * step
        for group in options.param_groups:
            group["lr"] = rate
        options.step()
        steps.append(
            {
                "rate": rate,
                "gradient": torch.cat([g.flatten() for g in gradients]).tolist(),
                "norm": norm,
                "weights": torch.cat([w.detach().flatten() for w in weights]).tolist(),
            }
        )
    return {"matrix": [2, 4], "norm": [4], "clip_norm": 1.0, "weight_decay": 0.1, "steps": steps}


if __name__ == "__main__":
    path = pathlib.Path(__file__).resolve().parents[2] / "tests/data/adamw.json"
    path.write_text(json.dumps(adamw(), indent=1) + "\n")
