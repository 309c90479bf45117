"""Compares demix's scores with lm-evaluation-harness, item by item, on the same weights and prompts.

    harness.py tokenizer SOURCE OUT          a tokenizer folder out of a tokenizer.json or of vocab.json and merges.txt
    harness.py model FAMILY TOKENIZER OUT    a random model (llama, qwen2, qwen3) with the tokenizer of a folder
    harness.py compare DEMIX MODEL...        every log-likelihood, choice and metric of both programs
    harness.py expected tests/data/evaluate  remakes the models and values that the unit tests read

The prompts are the harness's own task definitions; only their data come from local files. README.md beside says how
to set it up.
"""

import argparse
import ast
import collections
import json
import logging
import math
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import datasets
import lm_eval.tasks
import make_tokenizers
import torch
import transformers
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks._yaml_loader import load_yaml
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HARNESS_TASKS = pathlib.Path(lm_eval.tasks.__file__).parent

# demix's task -> the harness's file, stems of the data file and of that of the examples
TASKS = {
    "arc_easy": (HARNESS_TASKS / "arc/arc_easy.yaml", "arc_easy_test", "arc_easy_train"),
    "hellaswag": (HARNESS_TASKS / "hellaswag/hellaswag.yaml", "hellaswag_validation", "hellaswag_train"),
    "piqa": (HARNESS_TASKS / "piqa/piqa.yaml", "piqa_validation", "piqa_train"),
    "social_iqa": (HARNESS_TASKS / "siqa/siqa.yaml", "social_iqa_validation", "social_iqa_train"),
    "winogrande": (HARNESS_TASKS / "winogrande/default.yaml", "winogrande_xl_validation", "winogrande_xl_train"),
    "gsm8k": (HERE / "harness_tasks/gsm8k.yaml", "gsm8k_test", "gsm8k_train"),
    "humaneval": (HERE / "harness_tasks/humaneval.yaml", "humaneval", None),
}
# Those of the committed models and their values, which `expected` remakes.
UNIT_TASKS = list(TASKS)
TASKS |= {
    "arc_challenge": (HARNESS_TASKS / "arc/arc_challenge.yaml", "arc_challenge_test", "arc_challenge_train"),
    "openbookqa": (HARNESS_TASKS / "openbookqa/openbookqa.yaml", "openbookqa_test", "openbookqa_train"),
    "commonsense_qa": (
        HARNESS_TASKS / "commonsense_qa/default.yaml",
        "commonsense_qa_validation",
        "commonsense_qa_train",
    ),
    "boolq": (HARNESS_TASKS / "super_glue/boolq/default.yaml", "boolq_validation", "boolq_train"),
    "sciq": (HARNESS_TASKS / "sciq/sciq.yaml", "sciq_test", "sciq_train"),
    "lambada_openai": (
        HARNESS_TASKS / "lambada/lambada_openai.yaml",
        "lambada_openai_test",
        "lambada_openai_test",
    ),
    "mbpp": (HERE / "harness_tasks/mbpp.yaml", "mbpp", None),
    "minerva_math": (HERE / "harness_tasks/minerva_math.yaml", "minerva_math", None),
}
for path in sorted((HARNESS_TASKS / "mmlu/default").glob("mmlu_*.yaml")):
    TASKS[path.stem] = (path, f"{path.stem}_test", f"{path.stem}_dev")
for path in sorted((HARNESS_TASKS / "blimp").glob("[a-z]*.yaml")):
    TASKS[f"blimp_{path.stem}"] = (path, f"blimp_{path.stem}", None)
# Whose examples the harness writes in Python.
WRITTEN_EXAMPLES = {"mbpp": "mbpp/utils.py", "minerva_math": "minerva_math/utils.py"}

# Tasks of our own, for what benchmarks seldom hold; context in the harness's words.
MADE = {"cuts": "{{context}}", "no_context": ""}
MADE_TASKS = ROOT / "tests/data/evaluate/tasks"
METRICS = ("acc", "acc_norm", "acc_bytes", "perplexity")
ANSWERS = {"gsm8k": "answer", "humaneval": "canonical_solution", "mbpp": "code", "minerva_math": "solution"}
LIKELIHOOD_BOUND = 1e-4  # relative
CHOICE_BOUND = 0.999  # of the items


# Data ----------------------------------------------------------------------------------------------------------------


def read_rows(folder: pathlib.Path, stem: str) -> list[dict]:
    path = folder / f"{stem}.jsonl"
    if path.exists():
        lines = path.read_text().splitlines()
    else:
        import zstandard

        with zstandard.open(folder / f"{stem}.jsonl.zst", "rt", encoding="utf-8") as stream:
            lines = stream.read().split("\n")
    return [json.loads(line) for line in lines if line]


def cut_rows(texts: list[str], count: int, lm: HFLM) -> list[dict]:
    """Items whose contexts and choices are pieces of text cut at any character: inside words, runs of blanks, signs
    of several bytes. Some contexts end in blanks of all kinds. Left out are those with a choice that has no token of
    its own, since it merges with the context's last one: demix refuses it, and the harness calls it certain."""
    rng = random.Random(0)
    blanks = ["", "", "", " ", "  ", "\n", "\n\n", "\t", " \u00a0", "\u3000", " \r\n"]
    rows = []
    while len(rows) < count:
        text = rng.choice(texts)
        begin = rng.randrange(max(1, len(text) - 40))
        middle = begin + rng.randrange(1, 250)
        context = text[begin:middle] + rng.choice(blanks)
        choices = [text[middle : middle + rng.randrange(1, 60)]]
        for _ in range(rng.randrange(1, 4)):
            other = rng.choice(texts)
            at = rng.randrange(max(1, len(other) - 60))
            choices.append(other[at : at + rng.randrange(1, 60)])
        if (
            context.strip()
            and all(choice.strip() for choice in choices)
            and all(lm._encode_pair(context, choice)[1] for choice in choices)
        ):
            gold = rng.randrange(len(choices))
            choices[0], choices[gold] = choices[gold], choices[0]
            rows.append({"context": context, "choices": choices, "gold": gold})
    return rows


# Programs ------------------------------------------------------------------------------------------------------------


def written_examples(path: pathlib.Path) -> list[dict]:
    """What list_fewshot_samples() returns; the module itself needs packages that we do not."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name == "list_fewshot_samples":
            return ast.literal_eval(node.body[-1].value)
    raise SystemExit(f"{path}: no list_fewshot_samples()")


class LocalTask(ConfigurableTask):
    """A task of the harness over given rows, with `count` examples out of others."""

    def __init__(self, name: str, rows: list[dict], count: int = 0, examples: list[dict] | None = None):
        if name in TASKS:
            config = load_yaml(TASKS[name][0], resolve_func=True)
            if name in WRITTEN_EXAMPLES:
                samples = written_examples(HARNESS_TASKS / WRITTEN_EXAMPLES[name])
                config["fewshot_config"] = config["fewshot_config"] | {"samples": samples}
        else:
            config = {
                "doc_to_text": MADE[name],
                "doc_to_choice": "choices",
                "doc_to_target": "gold",
                "target_delimiter": "",
                "output_type": "multiple_choice",
                "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}, {"metric": "acc_bytes"}],
                "test_split": "test",
            }
        self.begin(config | {"task": name}, rows, count, examples)

    @classmethod
    def of_config(cls, config: dict, rows: list[dict], count: int) -> "LocalTask":
        task = cls.__new__(cls)
        task.begin(config, rows, count, None)
        return task

    def begin(self, config: dict, rows: list[dict], count: int, examples: list[dict] | None) -> None:
        for key in ("tag", "dataset_path", "dataset_name", "dataset_kwargs"):
            config.pop(key, None)
        # The splits keep their names: which of them agree decides what the sampler leaves out.
        keys = ("training_split", "validation_split", "test_split", "fewshot_split")
        splits = {config.get(key) for key in keys} - {None}
        tested = config.get("test_split") or config["validation_split"]
        data = {split: datasets.Dataset.from_list(rows if split == tested else examples or rows) for split in splits}
        super().__init__(config=config | {"num_fewshot": count, "custom_dataset": lambda **_: data})
        self.set_fewshot_seed(1234)  # the harness's default


def make_requests(task: ConfigurableTask, limit: int | None = None) -> tuple[list[dict], list[list[Instance]]]:
    """The task's first documents, and what is asked about each."""
    documents, requests = list(task.eval_docs)[:limit], []
    for index, document in enumerate(documents):
        context = task.fewshot_context(document, num_fewshot=task.config.num_fewshot)
        metadata = (task.config.task, index, 1)
        made = task.construct_requests(document, context, doc_id=index, metadata=metadata)
        requests.append(made if isinstance(made, list) else [made])
    return documents, requests


def run_harness(
    lm: HFLM,
    name: str,
    rows: list[dict],
    limit: int | None = None,
    count: int = 0,
    examples: list[dict] | None = None,
) -> tuple[list[list[float]], dict[str, float]]:
    """The items' log-likelihoods and the task's metrics."""
    task = LocalTask(name, rows, count, examples)
    documents, requests = make_requests(task, limit)
    flat = [instance for item in requests for instance in item]
    replies = iter(lm.loglikelihood(flat, disable_tqdm=True))
    likelihoods, values = [], collections.defaultdict(list)
    for document, item in zip(documents, requests, strict=True):
        results = [next(replies) for _ in item]
        likelihoods.append([likelihood for likelihood, _ in results])
        for metric, value in task.process_results(document, results).items():
            values[metric].append(value)
    aggregations = task.aggregation()
    return likelihoods, {metric: aggregations[metric](v) for metric, v in values.items() if metric in METRICS}


def run_demix(
    program: str,
    model: pathlib.Path,
    names: list[str],
    data: pathlib.Path,
    tasks: pathlib.Path,
    options: list[str],
) -> tuple[dict[str, list[dict]], dict]:
    """The items of --samples by task, and the table of --json."""
    with tempfile.TemporaryDirectory() as folder:
        samples = pathlib.Path(folder) / "samples.jsonl"
        command = [program, "evaluate", "--model", model, "--tasks", ",".join(names), "--data", data]
        command += ["--tasks-dir", tasks, "--samples", samples, "--json", "--device", "cpu", *options]
        table = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["tasks"]
        items = collections.defaultdict(list)
        for line in samples.read_text().splitlines():
            item = json.loads(line)
            items[item["task"]].append(item)
    return items, table


# Comparison ----------------------------------------------------------------------------------------------------------


def chosen(likelihoods: list[float]) -> int:
    return max(range(len(likelihoods)), key=likelihoods.__getitem__)


def compare_task(name: str, ours: list[dict], table: dict, theirs, metrics: dict, rows: list[dict]) -> dict:
    """How far apart the two programs are; the keys are the columns of the table."""
    worst, same = 0.0, 0
    for item, expected in zip(ours, theirs, strict=True):
        found = item["loglikelihoods"]
        for a, b in zip(found, expected, strict=True):
            worst = max(worst, abs(a - b) / max(abs(b), 1e-30))
        same += chosen(found) == chosen(expected)
    for metric, value in metrics.items():
        bound = LIKELIHOOD_BOUND * value if metric == "perplexity" else 1e-9 + (len(ours) - same) / len(ours)
        if metric in table and abs(table[metric] - value) > bound:
            raise SystemExit(f"{name}: {metric} is {table[metric]}, the harness has {value}")
    if name in ANSWERS:
        size = sum(len(row[ANSWERS[name]].encode()) for row in rows[: len(ours)])
        bits = -sum(likelihood for (likelihood,) in theirs) / math.log(2) / size
        if abs(table["bpb"] / bits - 1) > LIKELIHOOD_BOUND:
            raise SystemExit(f"{name}: bpb is {table['bpb']}, the harness's log-likelihoods give {bits}")
    return {"items": len(ours), "requests": sum(map(len, theirs)), "worst": worst, "same": same, **metrics}


def compare_model(program: str, folder: pathlib.Path, options: argparse.Namespace) -> bool:
    lm = HFLM(
        pretrained=str(folder),
        dtype="float32",
        device="cpu",
        batch_size=options.batch_size,
        max_length=options.max_length or None,
    )
    arguments = ["--dtype", "float32", "--max-length", str(options.max_length)]
    results = {}
    with tempfile.TemporaryDirectory() as temporary:
        made = pathlib.Path(temporary)
        rows = {name: read_rows(options.data, TASKS[name][1]) for name in options.tasks}
        examples = {
            name: read_rows(options.data, TASKS[name][2])
            for name in options.tasks
            if options.fewshot and TASKS[name][2]
        }
        if options.text:
            texts = [path.read_text() for path in options.text]
            for name in MADE:
                rows[name] = cut_rows(texts, options.cuts, lm)
                (made / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[name]))
        limit = ["--limit", str(options.limit)] if options.limit else []
        limit += ["--fewshot", str(options.fewshot)] if options.fewshot else []
        ours, table = {}, {}
        for names, data, tasks, extra in (
            (options.tasks, options.data, ROOT / "tasks", limit),
            (list(MADE) if options.text else [], made, MADE_TASKS, []),
        ):
            if names:
                items, values = run_demix(program, folder, names, data, tasks, arguments + extra)
                ours |= items
                table |= values
        good = True
        for name, task_rows in rows.items():
            number, count = (None, 0) if name in MADE else (options.limit, options.fewshot)
            theirs, metrics = run_harness(lm, name, task_rows, number, count, examples.get(name))
            results[name] = compare_task(name, ours[name], table[name], theirs, metrics, task_rows)
            r = results[name]
            fine = r["worst"] <= LIKELIHOOD_BOUND and r["same"] >= CHOICE_BOUND * r["items"]
            good &= fine
            print(
                f"| {folder.name} | {name} | {r['items']} | {r['requests']} | {r['worst']:.1e} | "
                f"{r['items'] - r['same']} | {'yes' if fine else 'NO'} |",
                flush=True,
            )
    return good


# Models --------------------------------------------------------------------------------------------------------------


def make_model(family: str, tokenizer: pathlib.Path, out: pathlib.Path, vocabulary: int, seed: int, **shape) -> None:
    """A random model whose predictions are far from uniform, beside its tokenizer."""
    shutil.rmtree(out, ignore_errors=True)
    name = {"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3"}[family]
    config = getattr(transformers, name + "Config")(vocab_size=vocabulary, **shape)
    model = getattr(transformers, name + "ForCausalLM")(config)
    generator = torch.Generator().manual_seed(seed)
    for parameter_name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in parameter_name:
            parameter.data.copy_(1 + 0.3 * noise)
        else:
            parameter.data.copy_((0.3 if parameter.dim() == 1 else 1.5 / parameter.shape[-1] ** 0.5) * noise)
    model.to(torch.bfloat16).save_pretrained(out)  # both programs read it as float32
    (out / "generation_config.json").unlink(missing_ok=True)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / file, out / file)


def command_model(options: argparse.Namespace) -> None:
    tokenizer = json.loads((options.tokenizer / "tokenizer.json").read_text())
    ids = [*tokenizer["model"]["vocab"].values(), *(token["id"] for token in tokenizer["added_tokens"])]
    size = max(ids) + 1
    make_model(
        options.family,
        options.tokenizer,
        options.out,
        options.vocabulary or size,
        seed=0,
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=options.family != "llama",
    )


def make_tokenizer_folder(tokenizer: Tokenizer, out: pathlib.Path, tokens: dict[str, str | None]) -> None:
    """`tokens`: bos_token and eos_token, as tokenizer_config.json names them."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": int(1e30), **tokens}
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


def begin_with(tokenizer: Tokenizer, bos: str) -> None:
    """A post-processor that puts `bos` before every text, as Llama-3's does."""
    template = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tokenizer.token_to_id(bos))]
    )
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])


def command_tokenizer(options: argparse.Namespace) -> None:
    source = options.source
    if (source / "tokenizer.json.zst").exists():
        import zstandard

        with zstandard.open(source / "tokenizer.json.zst", "rt", encoding="utf-8") as stream:
            tokenizer = Tokenizer.from_str(stream.read())
    elif (source / "tokenizer.json").exists():
        tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    else:
        tokenizer = make_tokenizers.wrapped(options.pattern, source)
    if options.template:
        begin_with(tokenizer, options.bos)
    make_tokenizer_folder(tokenizer, options.out, {"bos_token": options.bos, "eos_token": options.eos})


# Values for the unit tests -------------------------------------------------------------------------------------------

# Model -> pattern of its tokenizer (make_tokenizers.py), whether texts begin with a BOS, seed.
UNIT_MODELS = {
    "llama": ("llama3", True, {"num_key_value_heads": 1, "tie_word_embeddings": False}),
    "qwen2": ("qwen2", False, {"num_key_value_heads": 2, "tie_word_embeddings": True}),
    "qwen3": ("smollm2", False, {"num_key_value_heads": 4, "tie_word_embeddings": True, "head_dim": 16}),
}
UNIT_MAX_LENGTH = 128  # so that long items are cut from the left


def unit_texts(folder: pathlib.Path) -> list[str]:
    """Every text of the items, which is what the tokenizers are trained on."""

    def texts_in(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, dict)):
            for element in value.values() if isinstance(value, dict) else value:
                yield from texts_in(element)

    return [
        text
        for path in sorted((folder / "items").glob("*.jsonl"))
        for line in path.read_text().splitlines()
        for text in texts_in(json.loads(line))
    ]


def make_unit_tokenizer(pattern: str, texts: list[str], bos: bool, out: pathlib.Path) -> int:
    tokenizer = Tokenizer(models.BPE(ignore_merges=pattern == "llama3"))
    tokenizer.pre_tokenizer = make_tokenizers.SHAPES[pattern]
    tokenizer.decoder = decoders.ByteLevel()
    if pattern in make_tokenizers.NFC:
        tokenizer.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(
        vocab_size=480, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(["<|begin|>", "<|end|>"])
    if bos:
        begin_with(tokenizer, "<|begin|>")
    names = {"bos_token": "<|begin|>" if bos else None, "eos_token": "<|end|>"}
    make_tokenizer_folder(tokenizer, out, names)
    return tokenizer.get_vocab_size()


def command_expected(options: argparse.Namespace) -> None:
    texts = unit_texts(options.out)
    expected = {"max_length": UNIT_MAX_LENGTH, "models": {}}
    for seed, (family, (pattern, bos, shape)) in enumerate(UNIT_MODELS.items()):
        folder = options.out / family
        with tempfile.TemporaryDirectory() as temporary:
            tokenizer = pathlib.Path(temporary)
            size = make_unit_tokenizer(pattern, texts, bos, tokenizer)
            make_model(
                family,
                tokenizer,
                folder,
                size,
                seed,
                hidden_size=32,
                intermediate_size=56,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=512,
                **shape,
            )
        lm = HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=8, max_length=UNIT_MAX_LENGTH)
        values = expected["models"][family] = {}
        for name, stem in [(name, TASKS[name][1]) for name in UNIT_TASKS] + [(name, name) for name in MADE]:
            rows = read_rows(options.out / "items", stem)
            likelihoods, metrics = run_harness(lm, name, rows)
            values[name] = {"loglikelihoods": likelihoods, **metrics}
    (options.out / "expected.json").write_text(json.dumps(expected) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    tokenizer = commands.add_parser("tokenizer")
    tokenizer.add_argument("source", type=pathlib.Path)
    tokenizer.add_argument("out", type=pathlib.Path)
    tokenizer.add_argument("--pattern", default="gpt2", help="where SOURCE holds vocab.json and merges.txt")
    tokenizer.add_argument("--bos")
    tokenizer.add_argument("--eos")
    tokenizer.add_argument("--template", action="store_true", help="texts begin with the BOS")
    model = commands.add_parser("model")
    model.add_argument("family", choices=["llama", "qwen2", "qwen3"])
    model.add_argument("tokenizer", type=pathlib.Path)
    model.add_argument("out", type=pathlib.Path)
    model.add_argument("--vocabulary", type=int, default=0, help="rows of the embedding, if more than tokens")
    comparison = commands.add_parser("compare")
    comparison.add_argument("demix")
    comparison.add_argument("models", type=pathlib.Path, nargs="+")
    comparison.add_argument("--data", type=pathlib.Path, default=ROOT / "data/demo/bench")
    comparison.add_argument("--tasks", type=lambda text: text.split(",") if text else [], default=UNIT_TASKS)
    comparison.add_argument("--text", type=pathlib.Path, nargs="+", help="files that items are cut from")
    comparison.add_argument("--cuts", type=int, default=1000, help="items cut from the text")
    comparison.add_argument("--limit", type=int)
    comparison.add_argument("--fewshot", type=int, default=0, help="examples in front of each prompt")
    comparison.add_argument("--max-length", type=int, default=0, help="cut longer requests from the left")
    comparison.add_argument("--batch-size", type=int, default=8)
    commands.add_parser("expected").add_argument("out", type=pathlib.Path)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    if options.command == "compare":
        print("| model | task | items | requests | largest relative difference | other choices | within bounds |")
        results = [compare_model(options.demix, folder, options) for folder in options.models]
        return 0 if all(results) else 1
    {"tokenizer": command_tokenizer, "model": command_model, "expected": command_expected}[options.command](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
