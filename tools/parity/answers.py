"""Compares how demix judges generated answers with lm-evaluation-harness, on answers right and wrong.

    answers.py expected OUT.jsonl                  made-up answers with the harness's verdicts, for the unit tests
    answers.py compare JUDGE [--gsm8k FILE...] [--math FILE...] [--made N] [--seed N] [--list N]

`compare` writes variants of gold answers and of made-up values, lets the harness's own scorers (gsm8k.yaml's filters
and metric; exact_match and math_verify of minerva_math) and JUDGE (the program parity_judge) decide, prints every
disagreement with all verdicts, and fails below 99 % agreement. GSM8K files hold the published rows as JSONL
(.zst); MATH files hold rows with "solution", or with "doc" that has one (.gz). MATH's text is its rights holder's: give
your own copy; nothing of it is written anywhere.

Needs lm-eval[math]==0.4.13; see README.md beside.
"""

import argparse
import collections
import json
import logging
import pathlib
import random
import re
import signal
import subprocess
import sys
from fractions import Fraction

import lm_eval.tasks
import pyarrow
import yaml
from lm_eval.api.metrics import exact_match_fn
from lm_eval.filters.extraction import RegexFilter
from lm_eval.tasks.minerva_math import utils as minerva
from math_verify import parse, verify

logging.getLogger("math_verify").setLevel(logging.CRITICAL)
GSM8K_YAML = pathlib.Path(lm_eval.tasks.__file__).parent / "gsm8k/gsm8k.yaml"
FLOOR = 0.99


# The harness's verdicts ----------------------------------------------------------------------------------------------


class HarnessGsm8k:
    def __init__(self):
        config = yaml.safe_load(GSM8K_YAML.read_text())
        self.filters = {}
        for entry in config["filter_list"]:
            options = {k: v for k, v in entry["filter"][0].items() if k != "function"}
            self.filters[entry["name"]] = RegexFilter(**options)
        self.metric = {
            k: v
            for k, v in config["metric_list"][0].items()
            if k in ("ignore_case", "ignore_punctuation", "regexes_to_ignore")
        }

    def judge(self, row: dict) -> dict:
        verdict = {}
        for name, key in (("strict-match", "strict"), ("flexible-extract", "flexible")):
            answer = self.filters[name].apply([[row["generated"]]], [{}])[0][0]
            score = exact_match_fn(predictions=[answer], references=[row["gold"]], **self.metric)
            verdict[key] = answer
            verdict[key + "_match"] = bool(score["exact_match"])
        return verdict


def judge_math(row: dict) -> dict:
    """The harness's exact_match with the normalised answers beside it, and math_verify's verdict.

    The harness gives math_verify the whole text, in which it finds another answer or, without dollar signs, none;
    here it gets the answer itself, as math.
    """
    raw_answer = minerva.get_unnormalized_answer(row["generated"])
    raw_gold = minerva.remove_boxed(minerva.last_boxed_only_string(row["gold"]))
    answer, gold = map(minerva.normalize_final_answer, (raw_answer, raw_gold))
    verdict = {"answer": answer, "gold": gold, "exact_match": minerva.is_equiv(answer, gold)}
    as_math = ["$" + text.strip("$") + "$" for text in (raw_gold, raw_answer)]
    try:
        verdict["equivalent"] = bool(verify(*map(parse, as_math)))
    except Exception:  # noqa: BLE001 (the harness would stop here)
        verdict["equivalent"] = False
    finally:
        signal.alarm(0)
    return verdict


# Answers -------------------------------------------------------------------------------------------------------------


def made_value(rng: random.Random) -> tuple[list[str], list[str]]:
    """Ways to write one value, the first one as a gold answer would be, and values near it."""
    n, m = rng.randint(2, 60), rng.randint(2, 12)
    a, b, c = (rng.choice((-1, 1)) * rng.randint(1, 9) for _ in range(3))
    r = rng.choice((2, 3, 5, 6, 7, 10, 11))
    plus = lambda k: f"+{k}" if k > 0 else str(k)  # noqa: E731
    f = Fraction(n, m)
    kind = rng.randrange(15)
    if kind == 0:
        k = rng.randint(1000, 9_999_999)
        return [str(k), f"{k:,}", f"{k:,}".replace(",", ",\\!"), f"{k}.0", f"+{k}"], [str(k + 1), f"-{k}", str(k)[:-1]]
    if kind in (1, 2):
        p, q = f.numerator, f.denominator
        right = [f"\\frac{{{p}}}{{{q}}}", f"{p}/{q}", f"\\dfrac{{{p}}}{{{q}}}", f"\\frac{{{2 * p}}}{{{2 * q}}}"]
        if p < 10 and q < 10:
            right.append(f"\\frac{p}{q}")
        if 100 * p % q == 0:
            right.append(f"{p / q:g}")
        if q == 1:
            right[0] = str(p)
        return right, [f"\\frac{{{p + 1}}}{{{q}}}", f"-\\frac{{{p}}}{{{q}}}", f"{p}", f"\\frac{{{q}}}{{{p + 1}}}"]
    if kind == 3:
        return (
            [f"{m}\\sqrt{{{r}}}", f"\\sqrt{{{m * m * r}}}", f"{m} \\sqrt{{{r}}}", f"\\frac{{{m * r}}}{{\\sqrt{{{r}}}}}"],
            [f"{m + 1}\\sqrt{{{r}}}", f"\\sqrt{{{m * r}}}", f"{m}"],
        )
    if kind == 4:
        return (
            [f"\\frac{{\\sqrt{{{r}}}}}{{{m}}}", f"\\sqrt{{{r}}}/{m}", f"\\frac{{{r}}}{{{m}\\sqrt{{{r}}}}}"],
            [f"\\frac{{\\sqrt{{{r + 1}}}}}{{{m}}}", f"\\frac{{{r}}}{{{m}}}"],
        )
    if kind == 5:
        return (
            [f"\\frac{{{n}\\pi}}{{{m}}}", f"{n}\\pi/{m}", f"\\frac{{{n}}}{{{m}}}\\pi", f"\\pi\\cdot\\frac{{{n}}}{{{m}}}"],
            [f"\\frac{{{n + 1}\\pi}}{{{m}}}", f"\\frac{{{n}}}{{{m}}}", f"{n * 3.14159265 / m:.4f}"],
        )
    if kind == 6:
        return (
            [f"{m}^{{{abs(c)}}}", str(m ** abs(c)), f"{m}^{abs(c)}"],
            [str(m ** abs(c) + 1), f"{m}^{{{abs(c) + 1}}}"],
        )
    if kind == 7:
        return (
            [f"x^2{plus(a + b)}x{plus(a * b)}".replace("+1x", "+x").replace("-1x", "-x").replace("+0x", ""),
             f"(x{plus(a)})(x{plus(b)})", f"{a * b}{plus(a + b)}x+x^2"],
            [f"x^2{plus(a + b + 1)}x{plus(a * b)}", f"(x{plus(a)})(x{plus(b + 10)})"],
        ) if a + b else (["x^2" + plus(a * b), f"(x{plus(a)})(x{plus(b)})"], ["x^2" + plus(a * b + 1)])
    if kind == 8:
        return (
            [f"({a},{b})", f"({a}, {b})", f"\\left({a},{b}\\right)", f"( {a} , {b} )"],
            [f"({b + 1},{a})", f"({a},{b + 1})", f"[{a},{b}]", f"{a}"],
        )
    if kind == 9:
        return (
            [f"[{a},{a + m})", f"[{a}, {a + m})", f"\\left[{a},{a + m}\\right)"],
            [f"({a},{a + m})", f"[{a},{a + m}]", f"[{a},{a + m + 1})"],
        )
    if kind == 10:
        unit = rng.choice(("cm", "inches", "degrees", "hours", "units", "dollars", "feet"))
        return (
            [str(n), f"{n}\\text{{ {unit}}}", f"{n} {unit}", f"{n}^\\circ", f"\\${n}", f"{n}\\mbox{{ {unit}}}"],
            [f"{n + 1}\\text{{ {unit}}}", f"-{n}", f"{n}0"],
        )
    if kind == 11:
        word = rng.choice(("east", "Monday", "parabola", "odd", "neither", "A", "blue"))
        return [f"\\text{{{word}}}", word, f"\\textbf{{{word}}}"], ["\\text{west}", "B", str(n)]
    if kind == 12:
        return (
            [f"{a}{plus(b)}i", f"{b}i{plus(a)}", f"{a} {'+' if b > 0 else '-'} {abs(b)}i"],
            [f"{a}{plus(-b)}i", f"{a + 1}{plus(b)}i"],
        )
    if kind == 13:
        return (
            [f"y=\\frac{{{m}}}{{{abs(a)}}}x{plus(c)}", f"\\frac{{{m}x}}{{{abs(a)}}}{plus(c)}", f"y = \\frac{{{m}}}{{{abs(a)}}}x {'+' if c > 0 else '-'} {abs(c)}"],
            [f"\\frac{{{m}}}{{{abs(a)}}}x{plus(c + 1)}", f"\\frac{{{m + 1}}}{{{abs(a)}}}x{plus(c)}"],
        )
    return (
        [f"{a}{plus(m)}\\sqrt{{{r}}}", f"{m}\\sqrt{{{r}}}{plus(a)}", f"{a} + {m}\\sqrt{{{r}}}"],
        [f"{a}{plus(-m)}\\sqrt{{{r}}}", f"{a}{plus(m)}\\sqrt{{{r + 1}}}", f"{a + m}\\sqrt{{{r}}}"],
    )


def rewritten(gold: str, rng: random.Random) -> list[str]:
    """A gold answer as others would write it, rightly and wrongly."""
    right = [gold, gold.replace("\\frac", "\\dfrac"), gold.replace(",", ", "), gold.replace("(", "\\left(").replace(")", "\\right)")]
    right.append(re.sub(r"([+-])", r" \1 ", gold))
    simple = re.fullmatch(r"\\frac\{(\d+)\}\{(\d+)\}", gold)
    if simple:
        p, q = map(int, simple.groups())
        right += [f"{p}/{q}", f"\\frac{{{3 * p}}}{{{3 * q}}}"]
        if q and 1000 * p % q == 0:
            right.append(f"{p / q:g}")
    if re.fullmatch(r"-?\d+", gold):
        right += [f"{gold}.0", f"{int(gold):,}", f"{gold}\\text{{ cm}}", f"{gold}^\\circ"]
    wrong = [f"-{gold}", f"{gold}+1", f"2{gold}", str(rng.randint(0, 30)), "x"]
    digits = [m.start() for m in re.finditer(r"\d", gold)]
    if digits:
        at = rng.choice(digits)
        wrong.append(gold[:at] + str((int(gold[at]) + rng.randint(1, 9)) % 10) + gold[at + 1 :])
    return [rng.choice(right), rng.choice(wrong)]


PHRASES = (
    "We get it.\nFinal Answer: The final answer is ${}$. I hope it is correct.",
    "Final Answer: The final answer is ${}$. I hope it is correct.\n\nProblem:",
    "Final Answer: The final answer is {}. I hope it is correct.",
    "Final Answer: The final answer is ${}$. ",
)


def math_row(answer: str, gold: str, rng: random.Random, solution: str | None = None) -> dict:
    phrase = rng.choices(PHRASES, (12, 3, 3, 1))[0]
    if rng.random() < 0.02:
        phrase = "The answer is \\boxed{{{}}}."
    return {
        "kind": "math",
        "generated": phrase.format(answer),
        "gold": solution or f"So the answer is $\\boxed{{{gold}}}$.",
    }


def made_math_rows(count: int, rng: random.Random) -> list[dict]:
    rows = []
    while len(rows) < count:
        right, wrong = made_value(rng)
        rows.append(math_row(rng.choice(right), right[0], rng))
        rows.append(math_row(rng.choice(wrong), right[0], rng))
    return rows[:count]


def gsm8k_rows(golds: list[str], rng: random.Random) -> list[dict]:
    rows = []
    for gold in golds:
        number = gold.split("#### ")[-1].strip()
        wrong = str(rng.randint(0, 99))
        for value in (number, wrong):
            text = rng.choice((
                "So it is {0}.\n#### {0}", "#### {0}", "#### ${0}", "The answer is {0}.", "The answer is ${0}.",
                "{0} dollars", "#### {0}.", "#### {0}.00", "It is **{0}**.\nQuestion", "{0}\n#### 7", "#### -{0}", "$ {0} .",
                "First 3, then {0}", "none", "####{0}", "#### {0} and 12..", "a\n#### {0}\n#### 5", "{0}%", "-{0}-", "{0}..",
            ))
            rows.append({"kind": "gsm8k", "generated": text.format(value), "gold": gold})
    return rows


# Files ---------------------------------------------------------------------------------------------------------------


def rows_of(path: str) -> list[dict]:
    with pyarrow.input_stream(path, compression="detect") as stream:
        data = stream.read()
    rows = [json.loads(line) for line in data.decode().split("\n") if line.strip()]
    return [row.get("doc", row) for row in rows]


def made_gsm8k_golds(count: int, rng: random.Random) -> list[str]:
    numbers = (rng.choice((rng.randint(1, 99), rng.randint(-9, 9), rng.randint(1000, 99999))) for _ in range(count))
    return [f"We add.\n#### {number:,}" for number in numbers]


def expected(out: str) -> None:
    rng = random.Random(1)
    harness = HarnessGsm8k()
    rows = gsm8k_rows(made_gsm8k_golds(60, rng), rng) + made_math_rows(400, rng)
    with open(out, "w") as file:
        for row in rows:
            verdict = harness.judge(row) if row["kind"] == "gsm8k" else judge_math(row)
            verdict.pop("gold", None) if row["kind"] == "gsm8k" else None
            file.write(json.dumps({**row, "harness": verdict}) + "\n")


def compare(options: argparse.Namespace) -> int:
    rng = random.Random(options.seed)
    harness = HarnessGsm8k()
    groups = {}
    golds = [row["answer"] for path in options.gsm8k for row in rows_of(path)]
    if golds:
        groups["GSM8K"] = gsm8k_rows(rng.sample(golds, min(len(golds), 1500)), rng)
    solutions = [row["solution"] for path in options.math for row in rows_of(path)]
    if solutions:
        groups["MATH"] = []
        for solution in rng.sample(solutions, min(len(solutions), options.sample)):
            gold = minerva.remove_boxed(minerva.last_boxed_only_string(solution))
            groups["MATH"] += [math_row(a, gold, rng, solution) for a in rewritten(gold, rng)]
    groups["made-up math"] = made_math_rows(options.made, rng)
    failed = False
    for name, rows in groups.items():
        theirs = [harness.judge(row) if row["kind"] == "gsm8k" else judge_math(row) for row in rows]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        done = subprocess.run([options.judge], input=lines, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        ours = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(ours) == len(theirs) == len(rows)
        agreed = collections.Counter()
        for row, a, b in zip(rows, theirs, ours, strict=True):
            for key in a:
                agreed[key] += a[key] == b[key]
            different = [key for key in a if a[key] != b[key]]
            if set(different) & set(options.list.split(",")):
                print(f"{name}: {row['generated'].splitlines()[-1]!r} for {a.get('gold', row['gold'])!r}: "
                      + "; ".join(f"{key} harness {a[key]!r}, demix {b[key]!r}" for key in a if key != "gold"))
        right = sum(v.get("exact_match", v.get("flexible_match")) for v in theirs)
        print(f"{name}: {len(rows)} answers, {right} of them right")
        for key, count in agreed.items():
            share = count / len(rows)
            print(f"    {key}: {count} agree, {100 * share:.2f} %")
            # math_verify takes intervals for points and sets for lists; its figure is for information.
            failed |= share < FLOOR and key != "equivalent"
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    make = commands.add_parser("expected")
    make.add_argument("out")
    make.set_defaults(run=lambda options: expected(options.out))
    check = commands.add_parser("compare")
    check.add_argument("judge")
    check.add_argument("--gsm8k", nargs="*", default=[])
    check.add_argument("--math", nargs="*", default=[])
    check.add_argument("--sample", type=int, default=1000, help="of MATH's problems; two answers each")
    check.add_argument("--made", type=int, default=2000)
    check.add_argument("--seed", type=int, default=0)
    check.add_argument("--list", default="strict,flexible,strict_match,flexible_match,answer,gold,exact_match",
                       help="verdicts whose disagreements are listed")
    check.set_defaults(run=compare)
    options = parser.parse_args()
    return options.run(options) or 0


if __name__ == "__main__":
    sys.exit(main())
