#!/usr/bin/env python3
"""Compares demix with the `tokenizers` library on random tokenizer.json files.

    cmake --build --preset release --target demix_tokenize
    .venv/bin/python tools/parity/random_files.py [--expressions 2000] [--chains 1000] [--added 2000] [--seed 0]

Expressions of Split in the syntax that demix reads and a little more, chains of pre-tokenizers, and sets of added
tokens with every flag; on each, sixty random texts. Prints how many files gave equal results and how many demix
refused. Exits 1 if a result differs or demix takes a file that the library refuses.
"""

import argparse
import collections
import json
import pathlib
import random
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer, pre_tokenizers

from make_tokenizers import GPT2, LLAMA3, QWEN2
from tokenizer import PROGRAM, demix_ids

TEXTS = 60
CHARACTERS = list("abABsStTkK'1 2-_.,^]&\n\r\t/") + [
    "é", "É", "中", "ß", "ſ", "\u212a", "\u0301", "²", "½", "٣", "\u00a0", "\u2028", "\u0085", "ǆ", "😀", "İ", "ı", "ﬀ", "\u200b",
]  # fmt: skip
CATEGORIES = "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Po Pi Pf S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Co Cn".split()
BEHAVIORS = ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
CONTENTS = [
    "<a>", "<b>", "<ab>", "a", "b", "ab", "é", "e\u0301", "Å", "A\u030a", "\u212b", "@", "_", "-", "中", "1", " ", "  ", "\n", "x",
    "<", "|", "\u0301", "K", "ß", " <a>", "<a> ", "\u0ebd",
]  # fmt: skip
SPACES = [" ", "\t", "\n", "\u00a0", "\u3000", "\u0085", "\u200b", "\u2028"]


class Expressions:
    """Random regular expressions."""

    def __init__(self, random_numbers):
        self.random = random_numbers
        self.characters = CHARACTERS

    def literal(self, c):
        r = self.random.random()
        escapes = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
        if c in escapes and r < 0.8:
            return escapes[c]
        if r < 0.1 and 0x80 <= ord(c) < 0x10000:
            return rf"\u{ord(c):04x}"
        if 0.1 <= r < 0.2:
            return rf"\x{{{ord(c):x}}}"
        return "\\" + c if c in r".^$*+?()[]{}|\-&/" else c

    def shorthand(self):
        r = self.random
        category = r.choice(CATEGORIES)
        negated = r.choice([rf"\P{{{category}}}", rf"\p{{^{category}}}"])
        return r.choice([r"\s", r"\S", r"\d", r"\D", rf"\p{{{category}}}", rf"\p{{{category}}}", negated])

    def bracketed(self, depth=0):
        r = self.random
        text = "[" + ("^" if r.random() < 0.4 else "")
        for _ in range(r.randrange(1, 4)):
            kind = r.random()
            if kind < 0.4:
                text += self.literal(r.choice(self.characters))
            elif kind < 0.6:
                text += "-".join(map(self.literal, sorted(r.choices(self.characters, k=2))))
            elif kind < 0.9 or depth > 1:
                text += self.shorthand()
            else:
                text += self.bracketed(depth + 1)
        return text + "]"

    def quantifier(self):
        r = self.random
        if r.random() < 0.5:
            return ""
        simple = r.choice("?*+") + r.choice(["", "", "", "?", "+"])
        return r.choice([simple, simple, simple, "{2}", "{1,3}", "{2,}", "{0,2}"])

    def without_case(self, depth):
        self.characters = [c for c in CHARACTERS if ord(c) < 128]
        text = "(?i:" + self.alternatives(depth) + ")"
        self.characters = CHARACTERS
        return text

    def atom(self, depth):
        r = self.random
        kind = r.random()
        if kind < 0.35 or (kind > 0.8 and depth > 2):
            return self.literal(r.choice(self.characters))
        if kind < 0.55:
            return self.shorthand()
        if kind < 0.75:
            return self.bracketed()
        if kind < 0.8:
            return r.choice([".", "^", "$"])
        if kind < 0.9:
            return r.choice(["(?:", "("]) + self.alternatives(depth + 1) + ")"
        if kind < 0.95:
            return self.without_case(depth + 1)
        return r.choice(["(?=", "(?!"]) + self.alternatives(depth + 1) + ")"

    def alternatives(self, depth=0):
        r = self.random
        sequence = lambda: "".join(self.atom(depth) + self.quantifier() for _ in range(r.randrange(1, 4)))
        return "|".join(sequence() for _ in range(r.choice([1, 1, 2, 3])))

    def text(self):
        r = self.random
        return "".join(r.choice(CHARACTERS) * r.choice([1, 1, 1, 2, 3]) for _ in range(r.randrange(1, 14)))


def byte_level(prefix=False, regex=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def base_file():
    vocabulary = {symbol: i for i, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocabulary |= {"ab": 256, "\u0120a": 257}
    model = {"type": "BPE", "vocab": vocabulary, "merges": [["a", "b"], ["\u0120", "a"]], "ignore_merges": False}
    return {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": byte_level(), "model": model}


def split(random_numbers, pattern):
    return {
        "type": "Split",
        "pattern": pattern,
        "behavior": random_numbers.choice(BEHAVIORS),
        "invert": random_numbers.random() < 0.3,
    }


def expression_file(r):
    """A file with one random expression, and its texts."""
    expressions = Expressions(r)
    file = base_file()
    pattern = split(r, {"Regex": expressions.alternatives()})
    file["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [pattern, byte_level()]}
    return file, [expressions.text() for _ in range(TEXTS)]


def chain_file(r):
    """A file with a chain of up to four pre-tokenizers, before and after ByteLevel."""
    patterns = [GPT2, LLAMA3, QWEN2, r"\s+$", r"[\r\n]", r"\s?\p{L}+", r"\p{N}{1,3}", r"[0-9][0-9]", r"[一-龥ࠀ-一가-퟿]+"]

    def step():
        kind = r.randrange(4)
        if kind == 0:
            return {"type": "Digits", "individual_digits": r.random() < 0.5}
        if kind == 1:
            return {"type": "Punctuation", "behavior": r.choice(BEHAVIORS)}
        if kind == 2:
            return split(r, {"String": r.choice(["a", " ", "ab", "\n", "Ġ"])})
        return split(r, {"Regex": r.choice(patterns)})

    steps = [step() for _ in range(r.randrange(0, 4))]
    steps.append(byte_level(r.random() < 0.3, r.random() < 0.5))
    steps += [step() for _ in range(r.choice([0, 0, 1, 2]))]
    file = base_file()
    file["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}
    return file, [Expressions(r).text() for _ in range(TEXTS)]


def added_file(r):
    """A file with up to six added tokens, numbered as the library numbers them."""
    content = lambda: "".join(r.choice(CONTENTS) for _ in range(r.randrange(1, 3)))
    file = base_file()
    vocabulary = file["model"]["vocab"]
    identity, step = len(vocabulary), r.choice([1, 1, 3])
    for _ in range(r.randrange(0, 3)):
        if vocabulary.setdefault(content(), identity) == identity:
            identity += r.randrange(1, 1 + step)
    for _ in range(r.randrange(0, 7)):
        flags = {name: r.random() < 0.3 for name in ["single_word", "lstrip", "rstrip", "normalized", "special"]}
        file["added_tokens"].append({"id": 0, "content": content() if r.random() < 0.95 else "", **flags})
    numbering = Tokenizer.from_str(json.dumps(file))
    for token in file["added_tokens"]:
        token["id"] = numbering.token_to_id(token["content"]) or 0
    file["normalizer"] = r.choice([None, {"type": "NFC"}])
    file["pre_tokenizer"] = byte_level(r.random() < 0.3, r.random() < 0.5)
    file["model"]["ignore_merges"] = r.random() < 0.3
    contents = [token["content"] for token in file["added_tokens"]] or ["x"]

    def text():
        parts = [r.choice(contents), r.choice(contents), r.choice(SPACES) * r.randrange(1, 3), r.choice(CONTENTS)]
        return "".join(r.choice(parts) for _ in range(r.randrange(1, 9)))

    return file, [text() for _ in range(TEXTS)]


def library_results(file, texts, words):
    """For each text the bytes of its words, or its ids; None where the library gives up."""
    tokenizer = Tokenizer.from_str(json.dumps(file))

    def result(text):
        try:
            if words:
                return [len(word) for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]
            return tokenizer.encode(text, add_special_tokens=False).ids
        except BaseException:  # a panic of the library
            return None

    return [result(text) for text in texts]


def compare(program, file, texts, words):
    """The outcome in a word."""
    try:
        theirs = library_results(file, texts, words)
    except Exception as error:
        theirs = error
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "tokenizer.json")
        path.write_text(json.dumps(file))
        try:
            ours = demix_ids(program, path, [text.encode() for text in texts], False, words=words)
        except subprocess.CalledProcessError as error:
            if error.returncode != 1:
                return "CRASHED"
            return "refused by both" if isinstance(theirs, Exception) else "refused by demix"
    if isinstance(theirs, Exception):
        print(f"the library refuses: {theirs}\n  {json.dumps(file['pre_tokenizer'])}")
        return "REFUSED BY THE LIBRARY"
    for text, mine, other in zip(texts, ours, theirs):
        if other is not None and mine.tolist() != other:
            about = file["added_tokens"] or file["pre_tokenizer"]
            print(f"{text!a}: demix {mine.tolist()}, library {other}\n  {json.dumps(about)} {file['normalizer']}")
            return "DIFFERENT"
    return "equal"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--expressions", type=int, default=2000)
    parser.add_argument("--chains", type=int, default=1000)
    parser.add_argument("--added", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--program", default=str(PROGRAM))
    options = parser.parse_args()
    sound = True
    for name, make, words in [
        ("expressions", expression_file, True),
        ("chains", chain_file, True),
        ("added", added_file, False),
    ]:
        r = random.Random(f"{name} {options.seed}")
        outcomes = collections.Counter(
            compare(options.program, *make(r), words) for _ in range(getattr(options, name))
        )
        print(f"{name}: " + ", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common()), flush=True)
        sound = sound and not any(outcome.isupper() for outcome in outcomes)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
