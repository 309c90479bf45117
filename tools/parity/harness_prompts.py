"""Remakes what the unit tests know of lm-evaluation-harness 0.4.13: made-up benchmark rows in the published fields, the
requests that the harness makes of them with and without examples, and its averages over groups.

    harness_prompts.py tests/data/evaluate

Rows and values go into the folder `benchmarks`, copies of the harness's own task files that demix can read into
`harness`. Needs no model. README.md beside says how to set it up.
"""

import importlib.metadata
import json
import pathlib
import random
import shutil
import sys

from harness import TASKS, LocalTask, make_requests
from lm_eval.api.metrics import aggregate_subtask_metrics, mean_stderr, pooled_sample_stderr, unweighted_mean_stderr

# Task, numbers of examples, rows to ask about and to draw from. Python draws from up to 21 rows (85 for six and more
# examples) in another way than from more.
CASES = [
    ("arc_challenge", (0, 3), 4, 30),
    ("arc_easy", (5,), 3, 21),
    ("openbookqa", (0, 2), 3, 12),
    ("commonsense_qa", (0, 2), 4, 25),
    ("boolq", (0, 1), 3, 9),
    ("sciq", (0, 2), 3, 8),
    ("lambada_openai", (0, 2), 5, 0),
    ("hellaswag", (2,), 3, 23),
    ("piqa", (6,), 3, 86),
    ("social_iqa", (2,), 3, 10),
    ("winogrande", (3,), 3, 24),
    ("gsm8k", (0, 6), 2, 84),
    ("mbpp", (0, 3), 1, 0),
    ("minerva_math", (0, 4), 1, 0),
    ("mmlu_anatomy", (0, 5), 2, 5),
    ("mmlu_us_foreign_policy", (2,), 2, 5),
    ("blimp_adjunct_island", (0,), 3, 0),
]
# Tasks whose files are copied, with what they include.
COPIED = "arc_challenge arc_easy blimp_adjunct_island boolq commonsense_qa mmlu_anatomy openbookqa piqa sciq".split()
INCLUDED = {"blimp_adjunct_island": "_template_yaml", "mmlu_anatomy": "_default_template_yaml"}
THINGS = "apple river lantern copper window violin thunder saddle candle meadow orbit needle harbor pepper".split()


def sentence(rng: random.Random) -> str:
    a, b = rng.sample(THINGS, 2)
    return f"The {a} stood near the {b} {rng.randrange(100)} days"


def fields(name: str, index: int, rng: random.Random) -> dict:
    """One row of a task in its published fields, some with blanks where the harness strips them."""
    a, b, c, d, e = rng.sample(THINGS, 5)
    blank = rng.choice(["", "", " ", "\n", " \t"])
    gold = rng.randrange(4)
    labels = rng.choice(["ABCDE", "12345"])
    if name in ("arc_challenge", "arc_easy"):
        size = rng.choice([3, 4, 4, 5])
        choices = {"text": [a, b, c, f"{d} and é", e][:size], "label": list(labels[:size])}
        row = {"id": f"own_{index}", "question": f"Which is number {index}?{blank}"}
        return row | {"choices": choices, "answerKey": labels[gold % size]}
    if name == "openbookqa":
        row = {"id": f"7-{index}", "question_stem": sentence(rng), "answerKey": blank + "ABCD"[gold]}
        return row | {"choices": {"text": [a, b, c, d], "label": list("ABCD")}}
    if name == "commonsense_qa":
        row = {"id": f"{index:08x}", "question": f"{blank}Where is the {a}?{blank}", "question_concept": a}
        return row | {"choices": {"label": list("ABCDE"), "text": [a, b, c, d, e]}, "answerKey": "ABCDE"[gold + 1]}
    if name == "boolq":
        return {"question": f"is the {a} a {b}", "passage": f"{sentence(rng)}.", "idx": index, "label": gold % 2}
    if name == "sciq":
        row = {"question": f"What is near the {a}?", "distractor3": d, "distractor1": b, "distractor2": c}
        return row | {"correct_answer": e, "support": rng.choice(["", f"{blank}{sentence(rng)}.{blank}"])}
    if name == "lambada_openai":
        return {"text": f"{sentence(rng)}. \"Yes,\" said the  {a}"}
    if name == "hellaswag":
        row = {"ind": index, "activity_label": "How to find a " + a, "ctx_a": f"[header] {sentence(rng)} [title] Look."}
        row |= {"ctx_b": rng.choice(["", "the " + b]), "ctx": "unused", "endings": [c, d + " [step] now", e, a + "  b"]}
        return row | {"source_id": "x", "split": "val", "split_type": "indomain", "label": str(gold)}
    if name == "piqa":
        return {"goal": sentence(rng), "sol1": f"use a {a}", "sol2": f"use a {b}", "label": gold % 2}
    if name == "social_iqa":
        row = {"context": sentence(rng) + ".", "question": f"Why did {a} do this?", "answerA": b, "answerB": c}
        return row | {"answerC": d, "label": str(gold % 3 + 1)}
    if name == "winogrande":
        row = {"sentence": f"The {a} beat the {b} because the _ was {rng.choice(['old', 'new'])}.", "option1": a}
        return row | {"option2": b, "answer": str(gold % 2 + 1)}
    if name == "gsm8k":
        x, y = rng.randrange(9), rng.randrange(9)
        return {"question": f"Add {x} to {y}.", "answer": f"{x}+{y}=<<{x}+{y}={x + y}>>{x + y}\n#### {x + y}"}
    if name == "mbpp":
        tests = [f"assert f({i}) == {i + index}" for i in range(3)]
        row = {"task_id": 11 + index, "text": f"Write a function to add {index}."}
        return row | {"code": "def f(x):\r\n  return x", "test_list": tests}
    if name == "minerva_math":
        row = {"problem": f"What is ${index}+{gold}$?", "level": "Level 1", "type": "Algebra"}
        return row | {"solution": f"$\\boxed{{{index + gold}}}$"}
    if name.startswith("mmlu_"):
        return {"question": f"{blank}Which {a}?{blank}", "subject": name[5:], "choices": [b, c, d, e], "answer": gold}
    if name.startswith("blimp_"):
        return {"sentence_good": sentence(rng) + ".", "sentence_bad": f"The {a} {b} the.", "UID": name[6:]}
    raise SystemExit(f"no rows for {name}")


def write_rows(path: pathlib.Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def gold_of(task: LocalTask, document: dict) -> int:
    gold = task.doc_to_text(document) if task.multiple_input else task.doc_to_target(document)
    if task.OUTPUT_TYPE == "loglikelihood":
        return 0
    return gold if isinstance(gold, int) else task.doc_to_choice(document).index(gold)


def prompts_of(name: str, count: int, rows: list[dict], examples: list[dict]) -> dict:
    task = LocalTask(name, rows, count, examples)
    documents, requests = make_requests(task)
    return {
        "task": name,
        "fewshot": count,
        "requests": [[instance.args for instance in item] for item in requests],
        "gold": [gold_of(task, document) for document in documents],
    }


def same_split() -> dict:
    """Examples from the tested split, in which rows occur twice: the sampler leaves out the item, and sometimes draws
    anew. A task of ours, `own`."""
    rng = random.Random(5)
    rows = [{"q": f"Say {i}", "a": str(i)} for i in rng.choices(range(4), k=8)]
    config = {
        "task": "own",
        "output_type": "multiple_choice",
        "test_split": "test",
        "fewshot_split": "test",
        "doc_to_text": "{{q}}",
        "doc_to_choice": "{{[a]}}",
        "doc_to_target": 0,
        "description": "Numbers.\n",
        "fewshot_delimiter": "\n--\n",
        "metric_list": [{"metric": "acc"}],
    }
    cases = []
    for sampler in ("default", "first_n"):
        for count in (1, 3):
            task = LocalTask.of_config(config | {"fewshot_config": {"sampler": sampler}}, rows, count)
            requests = [[instance.args for instance in item] for item in make_requests(task)[1]]
            cases.append({"sampler": sampler, "fewshot": count, "requests": requests})
    return {"rows": rows, "cases": cases}


def group() -> dict:
    """Averages of members of different sizes."""
    rng = random.Random(9)
    members = [[rng.randrange(2) for _ in range(size)] for size in (3, 7, 4)]
    means, sizes = [sum(m) / len(m) for m in members], [len(m) for m in members]
    errors = [mean_stderr(m) for m in members]
    return {
        "members": members,
        "items": {"acc": aggregate_subtask_metrics(means, sizes, True), "stderr": pooled_sample_stderr(errors, sizes)},
        "equal": {"acc": aggregate_subtask_metrics(means, sizes, False), "stderr": unweighted_mean_stderr(errors)},
    }


def main() -> int:
    out, copies = pathlib.Path(sys.argv[1]) / "benchmarks", pathlib.Path(sys.argv[1]) / "harness"
    for folder in (out, copies):
        folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copy(TASKS[name][0], copies / f"{name}.yaml")
        if name in INCLUDED:
            shutil.copy(TASKS[name][0].parent / INCLUDED[name], copies)
    licence = next(file for file in importlib.metadata.files("lm_eval") if file.name.startswith("LICENSE"))
    shutil.copy(licence.locate(), copies / "LICENSE.md")
    prompts = []
    for name, counts, size, pool in CASES:
        rng = random.Random(name)
        rows = [fields(name, index, rng) for index in range(size)]
        examples = [fields(name, index + 1000, rng) for index in range(pool)]
        write_rows(out / f"{name}.jsonl", rows)
        if examples:
            split = "xl_train" if name == "winogrande" else "dev" if name.startswith("mmlu_") else "train"
            write_rows(out / f"{name}_{split}.jsonl", examples)
        prompts += [prompts_of(name, count, rows, examples) for count in counts]
    document = {"prompts": prompts, "same_split": same_split(), "group": group()}
    (out / "expected.json").write_text(json.dumps(document, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
