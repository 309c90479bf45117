"""Runs whole evaluations with demix and with lm-evaluation-harness' own command, and compares what they print.

    harness_run.py DEMIX MODEL [--data data/demo/bench] [--items 30] [--windows 128]

Two task files of the harness over the first items of GSM8K's test split, in float32: the harness's own gsm8k.yaml
(five examples, answers generated until a stop, two filters), and loglikelihood_rolling over question and answer, with
a model that reads so few tokens that texts take several windows. Compared are every answer as generated, what each
filter leaves of it, every verdict, every log-likelihood, and the task's values.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import yaml
from harness import HARNESS_TASKS, LIKELIHOOD_BOUND, read_rows, run_demix

GSM8K = HARNESS_TASKS / "gsm8k/gsm8k.yaml"
ROLLING = {
    "task": "gsm8k_rolling",
    "output_type": "loglikelihood_rolling",
    "test_split": "test",
    "doc_to_text": "",
    "doc_to_target": "{{question}}\n{{answer}}",
    "metric_list": [{"metric": name} for name in ("word_perplexity", "byte_perplexity", "bits_per_byte")],
}
EXAMPLES = 200  # rows from the split's end that examples are drawn from


def write_rows(path: pathlib.Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_task(path: pathlib.Path, config: dict, files: dict[str, pathlib.Path]) -> None:
    """A task file with its data in local files."""
    local = {"dataset_path": "json", "dataset_name": None}
    local["dataset_kwargs"] = {"data_files": {split: str(file) for split, file in files.items()}}
    path.write_text(yaml.safe_dump(config | local, allow_unicode=True))


def run_harness(options: argparse.Namespace, tasks: pathlib.Path, task: str, arguments: str) -> tuple[dict, list[dict]]:
    """The task's values, and its samples: one for each item and filter."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "lm_eval", "--model", "hf", "--tasks", task, "--include_path", tasks]
        command += ["--model_args", f"pretrained={options.model},dtype=float32{arguments}", "--device", "cpu"]
        command += ["--batch_size", options.batch_size, "--log_samples", "--output_path", out]
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": f"{out}/cache"}
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)
        if done.returncode:
            raise SystemExit(done.stderr)
        found = pathlib.Path(out)
        (results,) = found.rglob("results_*.json")
        (samples,) = found.rglob(f"samples_{task}_*.jsonl")
        values = json.loads(results.read_text())["results"][task]
        return values, [json.loads(line) for line in samples.read_text().splitlines()]


def compare_values(task: str, ours: dict, theirs: dict, names: dict[str, str]) -> bool:
    good = True
    for mine, its in names.items():
        same = abs(ours[mine] - theirs[its]) <= LIKELIHOOD_BOUND * abs(theirs[its])
        good &= same
        print(f"| {task} | {its} | {theirs[its]:.6f} | {ours[mine]:.6f} | {'yes' if same else 'NO'} |")
    return good


def compare_generation(options: argparse.Namespace, data: pathlib.Path, tasks: pathlib.Path) -> bool:
    config = yaml.safe_load(GSM8K.read_text()) | {"task": "gsm8k_local"}
    config.pop("tag", None)
    splits = {split: data / f"gsm8k_{split}.jsonl" for split in ("train", "test")}
    write_task(tasks / "gsm8k_local.yaml", config, splits)
    values, samples = run_harness(options, tasks, "gsm8k_local", "")
    # demix reads the harness's file as it is.
    items, table = run_demix(
        options.demix, options.model, ["gsm8k"], data, GSM8K.parent, ["--dtype", "float32"])
    ours = items["gsm8k"]
    same_texts = {item["id"]: item for item in ours}
    texts = verdicts = extracted = compared = 0
    for sample in samples:
        item, name = same_texts[str(sample["doc_id"])], f"exact_match,{sample['filter']}"
        compared += 1
        texts += item["generated"] == sample["resps"][0][0]
        verdicts += item[name] == sample["exact_match"]
        if sample["filter"] == "flexible-extract":  # the last filter, which samples show
            extracted += item["extracted"] == sample["filtered_resps"][0]
        if item["generated"] != sample["resps"][0][0]:
            print(f"item {item['id']}: {sample['resps'][0][0]!r} has become {item['generated']!r}", file=sys.stderr)
    print(f"gsm8k: {len(ours)} items, {texts} of {compared} answers equal, {verdicts} of {compared} verdicts, "
          f"{extracted} of {len(ours)} extracted")
    names = {name: name for name in ("exact_match,strict-match", "exact_match,flexible-extract")}
    return compare_values("gsm8k", table["gsm8k"], values, names) and verdicts == compared


def compare_rolling(options: argparse.Namespace, data: pathlib.Path, tasks: pathlib.Path) -> bool:
    task = ROLLING["task"]
    write_rows(data / f"{task}_test.jsonl", read_rows(data, "gsm8k_test"))
    write_task(tasks / f"{task}.yaml", ROLLING, {"test": data / f"{task}_test.jsonl"})
    values, samples = run_harness(options, tasks, task, f",max_length={options.windows}")
    more = ["--dtype", "float32", "--max-length", str(options.windows)]
    items, table = run_demix(options.demix, options.model, [task], data, tasks, more)
    ours = {item["id"]: item["loglikelihoods"][0] for item in items[task]}
    worst = 0.0
    for sample in samples:
        expected = float(sample["filtered_resps"][0])  # samples hold texts
        worst = max(worst, abs(ours[str(sample["doc_id"])] / expected - 1))
    print(f"{task}: {len(samples)} items, largest relative difference of a log-likelihood {worst:.1e}")
    names = {m["metric"]: f"{m['metric']},none" for m in ROLLING["metric_list"]}
    return compare_values(task, table[task], values, names) and worst <= LIKELIHOOD_BOUND


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demix")
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("data/demo/bench"))
    parser.add_argument("--items", type=int, default=30)
    parser.add_argument("--windows", type=int, default=128, help="tokens that the model reads of a rolled text")
    parser.add_argument("--batch-size", type=int, default=8, help="of the harness")
    parser.add_argument("--parts", type=lambda text: text.split(","), default=["rolling", "generation"])
    options = parser.parse_args()
    rows = read_rows(options.data, "gsm8k_test")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        data, tasks = pathlib.Path(folder) / "data", pathlib.Path(folder) / "tasks"
        data.mkdir()
        tasks.mkdir()
        write_rows(data / "gsm8k_test.jsonl", rows[: options.items])
        write_rows(data / "gsm8k_train.jsonl", rows[-EXAMPLES:])
        if "rolling" in options.parts:
            good &= compare_rolling(options, data, tasks)
        if "generation" in options.parts:
            good &= compare_generation(options, data, tasks)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
