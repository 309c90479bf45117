"""Compares how demix reads task files of lm-evaluation-harness 0.4.13 with what the harness makes of them.

    harness_tasks.py coverage PROGRAM                  which of the harness's own task files are read; the others by reason
    harness_tasks.py compare PROGRAM [--match TEXT] [--files N] [--answers N] [--seed N]
                                                       prompts, gold answers, filters and verdicts, item by item
    harness_tasks.py expressions PROGRAM FOLDER...     expressions and texts of build/fuzz/regex, by our matcher and by re
    harness_tasks.py expected tests/data/evaluate/harness_tasks
                                                       remakes the files, rows and values that the unit tests read

PROGRAM is parity_harness_tasks. Rows are made up to fit each file's templates, in the fields that these name; a row
counts where the harness itself accepts it. Answers are random: numbers, letters, sentences of the field, gold answers
and junk, judged by the harness's own filters and metric. README.md beside says how to set it up.
"""

import argparse
import collections
import json
import logging
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings

import datasets
import jinja2
import jinja2.nodes
import yaml
from harness import HARNESS_TASKS, LocalTask, make_requests
from lm_eval.api.instance import Instance
from lm_eval.tasks._yaml_loader import load_yaml

logging.disable(logging.WARNING)
datasets.disable_progress_bars()

METHODS = set("strip lstrip rstrip split replace index join capitalize lower upper keys values items get".split())
TEMPLATES = ("doc_to_text", "doc_to_target", "doc_to_choice", "description", "gen_prefix")
WORDS = "apple river lantern 12 3,400 -7 $5.50 4. é ß don't «so» two  blanks".split(" ")
# Files that the unit tests read, one of a kind: several filters, examples in the file, statements, lists of answers, …
COPIED = """gsm8k/gsm8k gsm8k/gsm8k-cot gsm8k/gsm8k-cot-zeroshot gsm8k/gsm8k-cot-llama triviaqa/default nq_open/nq_open
bbh/cot_fewshot/ruin_names bangla/bangla_commonsenseqa storycloze/storycloze_2018 qa4mre/qa4mre_2012 headqa/headqa_en
french_bench/french_bench_vocab french_bench/french_bench_reading_comp galician_bench/openbookqa_gl asdiv/asdiv-cot-llama
hendrycks_ethics/deontology winogender/winogender_gotcha arithmetic/arithmetic_1dc pile_10k/pile_10k
mmlu/flan_n_shot/generative/mmlu_anatomy""".split()


# Files ---------------------------------------------------------------------------------------------------------------


class Function(str):
    """A Python function of a task file, by its name."""


class Loader(yaml.CSafeLoader):
    pass


Loader.add_constructor("!function", lambda loader, node: Function(loader.construct_scalar(node)))


def load(path: pathlib.Path) -> dict | None:
    """A file's keys with those that it includes, functions by name."""
    config = yaml.load(path.read_bytes(), Loader=Loader)
    if not isinstance(config, dict):
        return None
    included = config.pop("include", None) or []
    merged = {}
    for name in included if isinstance(included, list) else [included]:
        merged |= load(path.parent / name) or {}
    merged.pop("task_list", None)
    return merged | config


def task_files(order: random.Random | None = None):
    """The harness's files that name a task, which groups and files to include do not: path and keys."""
    paths = sorted([*HARNESS_TASKS.rglob("*.yaml"), *HARNESS_TASKS.rglob("*.yml")])
    if order:
        order.shuffle(paths)
    for path in paths:
        config = load(path)
        if config and isinstance(config.get("task"), str):
            yield path, config


class Program:
    def __init__(self, path: str):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **query) -> dict:
        self.process.stdin.write(json.dumps(query) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def reason(error: str) -> str:
    """An error without what is of its file alone."""
    error = re.sub(r"^.*?:\d+: ", "", error, flags=re.S)
    if "the Python function" in error:
        return "a Python function as " + re.sub(r"[\[.].*", "", error.split(":")[0])
    if found := re.search(r"'([a-z_]+)' of lm-evaluation-harness is not read here", error):
        return f"the key {found[1]}"
    if found := re.search(r"output_type: .*found '([a-z_]+)'", error):
        return f"output_type {found[1]}"
    if found := re.search(r"the aggregation '([\w.]+)' of (\w+)", error):
        return "an aggregation that is not the mean"
    if found := re.search(r"unknown metric '([\w.+]+)'|the metric '([\w.+]+)'", error):
        return f"the metric {found[1] or found[2]}"
    if found := re.search(r"the filter '([\w.]+)' is not", error):
        return f"the filter {found[1]}"
    return re.sub(r"'.*?'", "…", error)[:100]


def coverage(options: argparse.Namespace) -> int:
    program, reasons, read = Program(options.program), collections.Counter(), 0
    files = 0
    for path, _ in task_files():
        files += 1
        result = program.ask(kind="read", path=str(path))
        if "error" in result:
            reasons[reason(result["error"])] += 1
            if options.list and reason(result["error"]).startswith(options.list):
                print(path, result["error"])
        else:
            read += 1
    print(f"{files} task files, {read} read")
    for name, count in reasons.most_common():
        print(f"{count:6} {name}")
    return 0


# Rows ----------------------------------------------------------------------------------------------------------------


def text(rng: random.Random) -> str:
    if rng.random() < 0.08:
        return rng.choice(["", " ", "\n", "[1, 2]", "7", "a\nb", "'q'", '"', "\\"])
    if rng.random() < 0.2:
        return rng.choice(["12", "3,400", "-7", "$5.50", "4.", "0.5"])
    words = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 4)))
    return words + rng.choice(["", "", "", " ", "\n", "."])


def shapes(trees: list[jinja2.nodes.Template], rng: random.Random) -> dict:
    """For each name that the templates use, a function that makes values of one type."""
    members, elements = collections.defaultdict(set), set()
    for tree in trees:
        for node in tree.find_all(jinja2.nodes.Name):
            members[node.name]
        for node in tree.find_all((jinja2.nodes.Getattr, jinja2.nodes.Getitem)):
            if not isinstance(node.node, jinja2.nodes.Name):
                continue
            if isinstance(node, jinja2.nodes.Getattr):
                members[node.node.name].add(node.attr)
            elif isinstance(node.arg, jinja2.nodes.Const) and isinstance(node.arg.value, str):
                members[node.node.name].add(node.arg.value)
            else:
                elements.add(node.node.name)
    size = rng.randint(2, 5)

    def one():
        kind = rng.randrange(6)
        letters, digits = "ABCDE"[:size], rng.randint(0, 1)
        if kind == 0:
            return lambda: rng.choice(letters)
        if kind == 1:
            return lambda: rng.randrange(size) + digits
        if kind == 2:
            return lambda: str(rng.randrange(size) + digits)
        return lambda: text(rng)

    def several():
        if rng.random() < 0.3:
            return lambda: list("ABCDE"[:size])
        return lambda: [text(rng) for _ in range(size)]

    makers = {}
    for name, keys in members.items():
        keys = {key for key in keys if key not in METHODS}
        if name in ("range", "loop"):
            continue
        if keys:
            inner = {key: (several if rng.random() < 0.7 else one)() for key in sorted(keys)}
            makers[name] = lambda inner=inner: {key: make() for key, make in inner.items()}
        elif name in elements or rng.random() < 0.15:
            makers[name] = several()
        else:
            makers[name] = one()
    return makers


def fits(task, config: dict, row: dict) -> bool:
    """Whether the harness accepts a row, and demix as well may: one gold answer that is there and not empty."""
    try:
        question, target = task.doc_to_text(row), task.doc_to_target(row)
        choices = task.doc_to_choice(row) if config.get("doc_to_choice") is not None else None
        task.fewshot_context(row, num_fewshot=0, gen_prefix=task.doc_to_prefix(row))
    except Exception:
        return False
    if not isinstance(question, str) or "Undefined" in question:
        return False
    if choices is not None:
        if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(c, str) for c in choices):
            return False
        if not all(choice.strip() for choice in choices):
            return False
        if isinstance(target, str):
            return config["output_type"] == "multiple_choice" and target in choices
        return isinstance(target, int) and 0 <= target < len(choices)
    if config.get("output_type") == "loglikelihood_rolling":
        return isinstance(target, str)
    if isinstance(target, list):
        return bool(target) and all(isinstance(t, str) for t in target) and bool(target[0].strip())
    return bool(str(target).strip()) and (isinstance(target, str) or not config.get("num_fewshot"))


def make_rows(config: dict, count: int, rng: random.Random) -> list[dict]:
    """Rows that fit a file's templates; none where none were found."""
    environment = jinja2.Environment()
    texts = [config[key] for key in TEMPLATES if isinstance(config.get(key), str)]
    trees = [environment.parse(t) for t in texts]
    for _ in range(20):
        makers = shapes(trees, rng)
        for name in texts:
            if re.fullmatch(r"\w+", name) and name not in makers:
                makers[name] = rng.choice([lambda: text(rng), lambda: rng.randrange(2), lambda: [text(rng), text(rng)]])
        if not makers:
            return []
        if names_choices(config):
            size = rng.randint(2, 5)
            makers["choices"] = lambda size=size: [text(rng) for _ in range(size)]
        rows, task = [], None
        for tried in range(3 * count):
            row = {name: make() for name, make in makers.items()}
            try:
                task = task or LocalTask.of_config(plain(config), [row], 0)
            except Exception:
                if tried > 2:
                    break
                continue
            if fits(task, config, row):
                rows.append(row)
            if len(rows) == count:
                return rows
            if tried > 8 and not rows:
                break
    return []


def plain(config: dict) -> dict:
    return json.loads(json.dumps({k: v for k, v in config.items() if k != "metadata"})) | {"num_fewshot": 0}


# Answers -------------------------------------------------------------------------------------------------------------


def answers_of(golds: list[str], patterns: list[str], count: int, rng: random.Random) -> list[str]:
    """Random answers, many with what the file's expressions look for."""
    junk = [*WORDS, *"ABCDE", "(B)", "(C).", "\n", " ", "\t", ".", ",", "$", "####", "#### ", "****", "\\boxed{D}", "İ", "ΑΣ", "ǅ"]
    junk += ["The answer is ", "the answer is ", "The final answer is ", "answer: ", "The best answer is ", "Answer:", "1,234.", "\x00", "\u2003", "😀"]
    for pattern in patterns:
        # The literal pieces of an expression.
        junk += [piece for piece in re.split(r"\\.|\(\?[:=!<]*|[][(){}|.*+?^$]", pattern) if len(piece) > 1]
    leads = ["", "", "#### ", "The answer is ", "The final answer is ", "So the answer is ", "answer: "]
    answers = []
    for _ in range(count):
        if rng.random() < 0.35:
            answers.append(rng.choice(leads) + rng.choice(golds) + rng.choice(["", "", ".", "\n", " ."]))
            continue
        parts = [rng.choice(junk) for _ in range(rng.randint(0, 8))]
        if rng.random() < 0.5:
            gold = rng.choice(golds)
            parts.insert(rng.randint(0, len(parts)), rng.choice([gold, gold.upper(), gold[-3:], gold.strip() + "."]))
        answers.append(rng.choice(["", " "]).join(parts))
    return answers


def judged_by_harness(task, documents: list[dict], answers: list[str]) -> list[dict]:
    """For each answer (one to a document): metric,filter -> (what is left, score)."""
    instances = [
        Instance(request_type="generate_until", doc=document, arguments=("", {}), idx=0, metadata=("t", i, 1))
        for i, document in enumerate(documents)
    ]
    for instance, answer in zip(instances, answers, strict=True):
        instance.resps = [answer]
    task._instances = instances
    task.apply_filters()
    verdicts = []
    for instance in instances:
        verdict = {}
        for name, left in instance.filtered_resps.items():
            scores = task.process_results(instance.doc, [left])
            key = "exact_match" if name == "none" else f"exact_match,{name}"
            verdict[key] = (left, bool(scores["exact_match"]))
        verdicts.append(verdict)
    return verdicts


# Comparison ----------------------------------------------------------------------------------------------------------


def expressions(config: dict) -> list[str]:
    found = [f.get("regex_pattern", "") for entry in config.get("filter_list") or [] for f in entry["filter"]]
    for entry in config.get("filter_list") or []:
        found += [r for f in entry["filter"] for r in f.get("regexes_to_ignore") or []]
    found += [": "] if names_choices(config) else []
    return found + [r for metric in config.get("metric_list") or [] for r in metric.get("regexes_to_ignore") or []]


def names_choices(config: dict) -> bool:
    """Whether a filter looks for the choices of a row."""
    filters = [f["function"] for entry in config.get("filter_list") or [] for f in entry["filter"]]
    return "multi_choice_regex" in filters


def write_rows(path: pathlib.Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


class Comparison:
    """One file of the harness with made-up rows."""

    def __init__(self, path: pathlib.Path, config: dict, rng: random.Random):
        self.path, self.config, self.rng = path, config, rng
        rows = make_rows(config, 36, rng)
        self.rows, self.examples = rows[:6], rows[6:]

    def splits(self) -> tuple[str, str]:
        tested = self.config.get("test_split") or self.config["validation_split"]
        sources = ((self.config.get("fewshot_config") or {}).get("split"), self.config.get("fewshot_split"))
        sources += (self.config.get("training_split"), self.config.get("validation_split"), tested)
        return tested, next(split for split in sources if split)

    def counts(self) -> list[int]:
        samples = (self.config.get("fewshot_config") or {}).get("samples")
        if samples and not self.config.get("fewshot_split"):
            return [0, min(len(samples) - 1, 3)]
        tested, source = self.splits()
        return [0, min(3, len(self.rows) - 1) if source == tested else 3]

    def task(self, count: int) -> LocalTask:
        made = LocalTask.__new__(LocalTask)
        made.begin(plain(self.config), self.rows, count, self.examples)
        return made

    def expected(self, count: int) -> list[dict]:
        task = self.task(count)
        items = []
        documents, _ = make_requests_with_prefix(task)
        task = self.task(count)
        for document, requests in zip(documents, make_requests_with_prefix(task)[1], strict=True):
            item = {"contexts": [requests[0].args[0]]}
            target = task.doc_to_target(document)
            if task.OUTPUT_TYPE == "loglikelihood_rolling":
                item = {"contexts": [""], "continuations": [requests[0].args[0]], "words": task.count_words(target)}
            elif task.OUTPUT_TYPE == "generate_until":
                if self.config.get("doc_to_choice") is not None:
                    target = task.doc_to_choice(document)[target]
                item["references"] = [str(t) for t in target] if isinstance(target, list) else [str(target)]
            else:
                item["continuations"] = [request.args[1] for request in requests]
                if task.OUTPUT_TYPE == "multiple_choice":
                    choices = task.doc_to_choice(document)
                    item["gold"] = target if isinstance(target, int) else choices.index(target)
            items.append(item)
        return items

    def write_data(self, folder: pathlib.Path) -> None:
        tested, source = self.splits()
        write_rows(folder / f"{self.config['task']}_{tested}.jsonl", self.rows)
        if source != tested:
            write_rows(folder / f"{self.config['task']}_{source}.jsonl", self.examples)


def make_requests_with_prefix(task) -> tuple[list[dict], list[list[Instance]]]:
    """As the harness's build_all_requests, with the text that an answer begins with."""
    if task.config.gen_prefix is None:
        return make_requests(task)
    documents, requests = list(task.eval_docs), []
    for index, document in enumerate(documents):
        count = task.config.num_fewshot
        context = task.fewshot_context(document, num_fewshot=count, gen_prefix=task.doc_to_prefix(document))
        made = task.construct_requests(document, context, doc_id=index, metadata=(task.config.task, index, 1))
        requests.append(made if isinstance(made, list) else [made])
    return documents, requests


def compare(options: argparse.Namespace) -> int:
    program, rng = Program(options.program), random.Random(options.seed)
    seen = set()
    made = items = prompts = wrong = judged = verdicts = wrong_verdicts = right = 0
    begin = time.monotonic()
    for path, config in task_files(rng):
        if options.match not in str(path):
            continue
        if made >= options.files or (options.seconds and time.monotonic() - begin > options.seconds):
            break
        # One of those that differ in no more than names.
        kept = {k: v for k, v in config.items() if k not in ("task", "dataset_name", "dataset_path", "metadata", "tag")}
        key = json.dumps(kept, sort_keys=True)
        if key in seen or "error" in program.ask(kind="read", path=str(path)):
            continue
        seen.add(key)
        comparison = Comparison(path, config, rng)
        if not comparison.rows:
            continue
        made += 1
        with tempfile.TemporaryDirectory() as folder:
            comparison.write_data(pathlib.Path(folder))
            for count in comparison.counts():
                try:
                    expected = comparison.expected(count)
                except Exception as error:
                    if options.list:
                        print(path, count, "the harness:", error)
                    continue
                found = program.ask(kind="items", path=str(path), data=folder, fewshot=count)
                if "error" in found:
                    wrong += len(expected)
                    print(path, count, found["error"][:300])
                    continue
                for ours, theirs in zip(found["items"], expected, strict=True):
                    items += 1
                    prompts += len(theirs["contexts"]) + len(theirs.get("continuations", []))
                    if any(ours[key] != value for key, value in theirs.items()):
                        wrong += 1
                        print(path, count, "\n  ours  ", ours, "\n  theirs", theirs)
        if (config.get("output_type", "generate_until")) != "generate_until":
            continue
        task = comparison.task(0)
        documents = [rng.choice(comparison.rows) for _ in range(options.answers)]
        golds = []
        for document in documents:
            target = task.doc_to_target(document)
            if config.get("doc_to_choice") is not None:
                target = task.doc_to_choice(document)[target]
            golds.append([str(t) for t in target] if isinstance(target, list) else [str(target)])
        choices = [document["choices"] if names_choices(config) else [] for document in documents]
        answers = [
            answers_of(gold + named, expressions(config), 1, rng)[0] for gold, named in zip(golds, choices, strict=True)
        ]
        theirs = judged_by_harness(task, documents, answers)
        found = program.ask(kind="judge", path=str(path), answers=list(zip(answers, golds, choices, strict=True)))
        for answer, gold, ours, their in zip(answers, golds, found["verdicts"], theirs, strict=True):
            judged += 1
            for metric, extracted, is_right in ours:
                verdicts += 1
                right += is_right
                if their[metric] != (extracted, is_right):
                    wrong_verdicts += 1
                    print(path, metric, repr(answer), gold, "ours", (extracted, is_right), "theirs", their[metric])
    print(f"{len(seen)} files, {made} with rows: {items} items, {prompts} texts, {wrong} items differ")
    print(f"{judged} answers, {verdicts} verdicts ({right} right), {wrong_verdicts} differ")
    return 1 if wrong or wrong_verdicts else 0


def found_by_python(pattern: str, text: str) -> list[list[str]] | None:
    """What re.findall gives, as groups; None where the expression is wrong or takes too long."""

    def stop(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            regex = re.compile(pattern)
            return [[match.group(0)] if not regex.groups else list(match.groups("")) for match in regex.finditer(text)]
    except (re.error, TimeoutError, RecursionError, OverflowError, MemoryError):
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def compare_expressions(options: argparse.Namespace) -> int:
    """Inputs as of the fuzz target regex: in the first line the expression, behind it the text."""
    program, counts, wrong = Program(options.program), collections.Counter(), 0
    for path in sorted(path for folder in options.folders for path in folder.iterdir()):
        first, _, rest = path.read_bytes().partition(b"\n")
        pattern, text = first.decode(errors="replace"), rest.decode(errors="replace")
        ours, theirs = program.ask(kind="find_all", pattern=pattern, text=text), found_by_python(pattern, text)
        counts["refused here" if "error" in ours else "read here", "no" if theirs is None else "yes"] += 1
        if "error" in ours and theirs is not None and options.list and options.list in ours["error"]:
            print(path, repr(pattern), ours["error"])
        if "error" not in ours and theirs is not None and ours["matches"] != theirs:
            wrong += 1
            print(path, repr(pattern), repr(text[:80]), "\n  ours  ", ours["matches"][:9], "\n  theirs", theirs[:9])
    for (here, there), count in counts.items():
        print(f"{count} {here}, by Python: {there}")
    print(f"{counts['read here', 'yes']} compared, {wrong} differ")
    return 1 if wrong else 0


def included(path: pathlib.Path) -> list[pathlib.Path]:
    """A file and those that it includes."""
    names = yaml.load(path.read_bytes(), Loader=Loader).get("include") or []
    names = names if isinstance(names, list) else [names]
    return [path, *(file for name in names for file in included((path.parent / name).resolve()))]


def expected(options: argparse.Namespace) -> int:
    out = options.out
    values = {}
    if options.add:
        values = json.loads((out / "expected.json").read_text())
    else:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        shutil.copy(out.parent / "harness/LICENSE.md", out)
    for name in options.add or COPIED:
        path = HARNESS_TASKS / f"{name}.yaml"
        rng = random.Random(name)
        config = load(path)
        comparison = Comparison(path, config, rng)
        if not comparison.rows:
            print("no rows for", name)
            continue
        comparison.rows, comparison.examples = comparison.rows[:3], comparison.examples[:9]
        files = included(path)
        if any(file.parent != path.parent for file in files):
            print("files of several folders:", name)
            continue
        for file in files:
            shutil.copy(file, out)
        comparison.write_data(out)
        value = {"items": {str(count): comparison.expected(count) for count in comparison.counts()}}
        if config.get("output_type", "generate_until") == "generate_until":
            task = comparison.task(0)
            documents = [rng.choice(comparison.rows) for _ in range(40)]
            answers, verdicts = [], []
            for document in documents:
                target = task.doc_to_target(document)
                golds = [str(t) for t in target] if isinstance(target, list) else [str(target)]
                choices = document["choices"] if names_choices(config) else []
                answers.append((answers_of(golds + choices, expressions(config), 1, rng)[0], golds, choices))
            for verdict in judged_by_harness(task, documents, [answer for answer, *_ in answers]):
                verdicts.append(verdict)
            value["answers"] = [
                [answer, golds, verdict, *([choices] if choices else [])]
                for (answer, golds, choices), verdict in zip(answers, verdicts, strict=True)
            ]
        values[path.stem] = value
    lines = (f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items())
    (out / "expected.json").write_text("{" + ",\n".join(lines) + "}\n")
    print(len(values), "files")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("coverage", "compare"):
        command = commands.add_parser(name)
        command.add_argument("program")
        command.add_argument("--list", default="", help="print the errors of this reason")
        command.add_argument("--match", default="", help="only files with this in their path")
        command.add_argument("--files", type=int, default=10**9)
        command.add_argument("--answers", type=int, default=20, help="of each file")
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--seconds", type=float, default=0, help="begin no file later; 0: no limit")
    expressions_parser = commands.add_parser("expressions")
    expressions_parser.add_argument("program")
    expressions_parser.add_argument("folders", type=pathlib.Path, nargs="+")
    expressions_parser.add_argument("--list", default="", help="print the refusals with these words")
    expected_parser = commands.add_parser("expected")
    expected_parser.add_argument("out", type=pathlib.Path)
    expected_parser.add_argument("--add", nargs="+", help="only these files, beside what is there")
    options = parser.parse_args()
    run = {"coverage": coverage, "compare": compare, "expressions": compare_expressions, "expected": expected}
    return run[options.command](options)


if __name__ == "__main__":
    sys.exit(main())
