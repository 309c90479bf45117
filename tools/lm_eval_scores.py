"""Scores a checkpoint with lm-evaluation-harness, for `evaluate.command`: the harness's own tasks, on any device.

    evaluate:
      command: "python tools/lm_eval_scores.py --model {model} --out {output} --device {device} --tasks arc_easy,piqa"
      domains: {general: ["arc_easy:acc", "piqa:acc"]}

Needs `pip install lm-eval[hf]`. Writes one score for each task and metric, with the harness's standard error, and with the
items where the score is their mean: then gains are compared item by item, and the search selects on a part of the items.
"""

import argparse
import json
import math
import os
import pathlib
import sys


def items_of(samples: list[dict], metric: str, value: float) -> list[float] | None:
    """What each item adds, in the order of the documents; None where the score is not their mean."""
    ordered = sorted(samples, key=lambda sample: sample["doc_id"])
    items = [sample.get(metric) for sample in ordered]
    if not items or not all(isinstance(item, (bool, int, float)) for item in items):
        return None
    items = [float(item) for item in items]
    mean = math.fsum(items) / len(items)
    return items if abs(mean - value) <= 1e-9 * max(1.0, abs(value)) else None


def scores_of(results: dict) -> list[dict]:
    scores = []
    for task, metrics in results["results"].items():
        for key, value in metrics.items():
            metric, comma, filtered = key.partition(",")
            if not comma or metric.endswith("_stderr") or not isinstance(value, (int, float)):
                continue
            # "exact_match,strict-match" keeps the filter's name, "acc,none" is "acc".
            score = {"task": task, "metric": metric if filtered == "none" else key, "value": float(value)}
            error = metrics.get(f"{metric}_stderr,{filtered}")
            if isinstance(error, (int, float)) and math.isfinite(error):
                score["stderr"] = float(error)
            samples = [s for s in results.get("samples", {}).get(task, []) if s.get("filter", "none") == filtered]
            items = items_of(samples, metric, float(value))
            if items is not None:
                score["items"] = items
            scores.append(score)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a checkpoint folder: {model}")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="the file to write: {output}")
    parser.add_argument("--tasks", required=True, help="names of the harness's tasks, with commas between them")
    parser.add_argument("--include-path", help="folder of task files of your own")
    parser.add_argument("--device", default="cpu", help="{device}")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--batch-size", default="auto", help="a number, or auto")
    parser.add_argument("--num-fewshot", type=int, help="default: each task's own")
    parser.add_argument("--limit", type=int, help="items of each task")
    arguments = parser.parse_args()

    try:
        import lm_eval
        from lm_eval.tasks import TaskManager
    except ImportError:
        sys.exit("lm_eval_scores.py: lm-eval is not installed here: pip install lm-eval[hf]")

    results = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": arguments.model, "dtype": arguments.dtype},
        tasks=arguments.tasks.split(","),
        task_manager=TaskManager(include_path=arguments.include_path),
        device=arguments.device,
        batch_size=arguments.batch_size,
        num_fewshot=arguments.num_fewshot,
        limit=arguments.limit,
        log_samples=True,
        confirm_run_unsafe_code=True,
    )
    partial = arguments.out.with_name(arguments.out.name + ".part")
    partial.write_text(json.dumps(scores_of(results)))
    os.replace(partial, arguments.out)


if __name__ == "__main__":
    main()
