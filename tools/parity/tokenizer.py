#!/usr/bin/env python3
"""Compares demix's ids with the `tokenizers` library's, text by text.

    cmake --build --preset release --target demix_tokenize
    .venv/bin/python tools/parity/tokenizer.py --tokenizer T.json [--tokenizer …] [--generated 20000] [--unicode] TEXT...

TEXT: plain files, or JSON Lines with a "text" member (or --field), plain, .gz or .zst. A tokenizer may be
.zst too. --generated N adds N made-up texts of every kind of Unicode, half of them with broken UTF-8, which
the library gets by way of Python's errors="replace". --unicode adds every code point in several neighbourhoods
and, if the tokenizer normalizes, every pair of a letter or mark and a mark. Exits 1 if any id differs.
"""

import argparse
import io
import itertools
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unicodedata

os.environ["TOKENIZERS_PARALLELISM"] = "true"

import numpy
import pyarrow
from tokenizers import Tokenizer, normalizers

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "demix_tokenize"
CHUNK_BYTES = 16 << 20


def open_bytes(path):
    """A readable of the decompressed file."""
    compression = {".zst": "zstd", ".gz": "gzip"}.get(pathlib.Path(path).suffix)
    return pyarrow.input_stream(str(path), compression=compression)


def read_texts(path, field="text"):
    name = pathlib.Path(path).name
    with open_bytes(path) as stream:
        if ".jsonl" in name:
            for line in io.BufferedReader(stream, 1 << 20):
                if line.strip():
                    yield json.loads(line)[field]
        else:
            while text := stream.read(1 << 16):
                yield text.decode("utf-8", errors="replace")


def load_tokenizer(path):
    with open_bytes(path) as stream:
        text = stream.read()
    tokenizer = Tokenizer.from_buffer(text)
    tokenizer.no_truncation()
    return text, tokenizer


class Generator:
    """Texts made to break tokenizers."""

    SPACES = " \t\n\r\v\f\x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\ufeff"
    PARTS = [
        "'s", "'S", "'t", "'T", "'re", "'RE", "'Re", "'ve", "'vE", "'m", "'M", "'ll", "'lL", "'d", "'D",
        "'\u017f", "\u2019s", "''", "'x", "' s", "'\u212a", "don't", "I'LL", "\r\n", "\r\n\r\n", "\n \n", "   \n",
        " \u00a0 ", "  ", "    ", "\t\t", "word", "word's", "sword", "<mask>", " <mask> ", "<|bos|>",
        "<|end|>  ", "<|x", "<|x|>", " <|x|> ", "<|endoftext|>", "<|im_start|>", "A\u030a", "\u212b", "\u00c5",
        "e\u0301t", "\u00e9t", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f44d\U0001f3fd",
        "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "1\ufe0f\u20e3", "\u0967\u0968\u0969", "\u0661\u0662", "\u00b2\u00b3",
        "\u2167", "\u2460", "\uff11\uff12", "12345", "3.14", "\u4e2d\u6587", "\u65e5\u672c\u8a9e", "\ud55c\uad6d\uc5b4", "\u1112\u1161\u11ab",
        "\u0e44\u0e17\u0e22", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u05e9\u05c1\u05dc\u05d5\u05dd", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\u0391\u03b8\u03ae\u03bd\u03b1", "\u00df\u1e9e\ufb06", "if (x) {", "};",
        "==", "->", "//", "/* */", "https://a.b/c?d=e", "_snake_case", "camelCase", "\\n", "\x00", "\x7f", "\ufffd",
        "\ufffe", "\U0010ffff", "\ue000", "\U000e0041", "\u0378", "\U0001fae8", "\U00011de0", "\U00016ff4",
    ]  # fmt: skip

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.by_category = {}
        for c in range(0x110000):
            if not 0xD800 <= c < 0xE000:
                self.by_category.setdefault(unicodedata.category(chr(c)), []).append(chr(c))
        self.categories = sorted(self.by_category)
        self.combining = [c for c in self.by_category["Mn"] + self.by_category["Mc"]]
        self.decomposed = [
            unicodedata.normalize("NFD", chr(c))
            for c in itertools.chain(range(0xA0, 0x3000), range(0xF900, 0xFB50), range(0xAC00, 0xAC80))
            if unicodedata.normalize("NFD", chr(c)) != chr(c)
        ]

    def part(self):
        r = self.random
        kind = r.randrange(11)
        if kind <= 3:
            return r.choice(self.PARTS)
        if kind == 4:
            return "".join(r.choice(self.SPACES) for _ in range(r.randrange(1, 5)))
        if kind == 5:
            return r.choice(self.by_category[r.choice(self.categories)])
        if kind == 6:
            return chr(r.choice([r.randrange(0xD800), r.randrange(0xE000, 0x110000), r.randrange(0x10D00, 0x11F00)]))
        if kind == 7:
            return r.choice("aeoAK\u00e9\u03b1\u0915 1.") + "".join(r.choice(self.combining) for _ in range(r.randrange(1, 6)))
        if kind == 8:
            return r.choice(self.decomposed) + r.choice(["", *self.combining[:40]])
        if kind == 9:
            return "".join(r.choice("abcdefghijklmnopqrstuvwxyzABCDEF") for _ in range(r.randrange(1, 12)))
        return r.choice([" ", "", r.choice(self.PARTS) * r.randrange(1, 40), "x" * r.randrange(1, 400)])

    def text(self):
        return "".join(self.part() for _ in range(self.random.randrange(1, 30)))

    def broken(self):
        data = bytearray(self.text().encode())
        for _ in range(self.random.randrange(1, 6)):
            place = self.random.randrange(len(data) + 1)
            action = self.random.randrange(3)
            if action == 0:
                data[place:place] = bytes([self.random.randrange(128, 256)])
            elif action == 1:
                del data[place : place + 1]
            else:
                data[place : place + 1] = bytes([self.random.choice(
                    [0x80, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xA0, 0xEF, 0xF0, 0x90, 0xF4, 0xF5, 0xFF])])
        return bytes(data)

    def texts(self, count):
        yield b""
        for i in range(count):
            yield self.broken() if i % 2 else self.text().encode()


def every_code_point():
    """A text for each code point: among letters, digits, white space, marks and beside itself."""
    for c in map(chr, itertools.chain(range(0xD800), range(0xE000, 0x110000))):
        yield f"{c} a{c}b {c}1{c}2{c}'{c}s\n{c}\n\u00e9{c}\u0323 \u4e2d{c}{c}{c}.{c} {c}".encode()


def every_pair():
    """All pairs of a code point that normalization changes, joins or moves and of a mark, two thousand to a text."""
    taken_apart = normalizers.NFD().normalize_str
    marks = [chr(c) for c in range(0x110000) if unicodedata.combining(chr(c))]
    letters = [c for c in map(chr, itertools.chain(range(0xAC00), range(0xF900, 0x30000))) if taken_apart(c) != c]
    pairs = (first + mark for first in [*letters, *marks, "\uac00", "\uac01", "\u1100", "\u1161"] for mark in marks)
    while lines := list(itertools.islice(pairs, 2000)):
        yield "\n".join(lines).encode()


def demix_ids(program, tokenizer_path, texts, special, words=False):
    """An array for each text: its ids, or the bytes of its words."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/texts", f"{folder}/ids"
        with open(source, "wb") as file:
            for text in texts:
                file.write(struct.pack("<I", len(text)) + text)
        options = ["--special"] * special + ["--words"] * words
        subprocess.run([program, tokenizer_path, source, target, *options], check=True, capture_output=True)
        data = numpy.fromfile(target, dtype=numpy.int32)
    ids, at = [], 0
    for _ in texts:
        count = int(data[at])
        ids.append(data[at + 1 : at + 1 + count])
        at += 1 + count
    return ids


def chunks(texts):
    chunk, size = [], 0
    for text in texts:
        chunk.append(text)
        size += len(text)
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def compare(program, path, tokenizer, texts, show):
    """(texts, bytes, tokens, mismatches)"""
    totals = [0, 0, 0, 0]
    for number, chunk in enumerate(chunks(texts)):
        special = number % 2 == 0
        ours = demix_ids(program, path, chunk, special)
        library = tokenizer.encode_batch_fast(
            [text.decode("utf-8", errors="replace") for text in chunk], add_special_tokens=special
        )
        for text, mine, encoding in zip(chunk, ours, library):
            theirs = encoding.ids
            totals[0] += 1
            totals[1] += len(text)
            totals[2] += len(theirs)
            if len(mine) != len(theirs) or not numpy.array_equal(mine, theirs):
                totals[3] += 1
                if totals[3] <= show:
                    first = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b), -1)
                    around = slice(max(first - 3, 0), first + 5)
                    print(f"  differs at token {first}: demix {list(mine[around])} library {theirs[around]}")
                    print(f"    library tokens {[tokenizer.id_to_token(i) for i in theirs[around]]}")
                    print(f"    text {text[:300]!r}")
    return totals


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("texts", nargs="*")
    parser.add_argument("--tokenizer", action="append", required=True)
    parser.add_argument("--program", default=str(PROGRAM))
    parser.add_argument("--field", default="text")
    parser.add_argument("--generated", type=int, default=0, metavar="N")
    parser.add_argument("--unicode", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--megabytes", type=float, default=1e9, help="at most so much of each file")
    parser.add_argument("--show", type=int, default=3, help="mismatches to print per file")
    options = parser.parse_args()

    total = [0, 0, 0, 0]
    for path in options.tokenizer:
        text, tokenizer = load_tokenizer(path)
        with tempfile.NamedTemporaryFile(suffix=".json") as plain:
            plain.write(text)
            plain.flush()

            def limited(source):
                left = options.megabytes * 1e6
                for item in read_texts(source, options.field):
                    # JSON can hold lone surrogates, which no UTF-8 text does.
                    data = item.encode("utf-8", errors="replace")
                    yield data
                    left -= len(data)
                    if left <= 0:
                        return

            sources = [(source, limited(source)) for source in options.texts]
            if options.generated:
                made = Generator(options.seed).texts(options.generated)
                sources.append((f"{options.generated} generated texts", made))
            if options.unicode:
                sources.append(("every code point", every_code_point()))
                if tokenizer.normalizer:
                    sources.append(("every pair with a mark", every_pair()))
            sums = [0, 0, 0, 0]
            for name, texts in sources:
                result = compare(options.program, plain.name, tokenizer, texts, options.show)
                sums = [a + b for a, b in zip(sums, result)]
                print_line(f"{pathlib.Path(path).name}  {pathlib.Path(name).name}", result)
            print_line(f"{pathlib.Path(path).name}  all", sums)
        total = [a + b for a, b in zip(total, sums)]
    print_line("total", total)
    return 1 if total[3] else 0


def print_line(name, result):
    count, size, tokens, mismatches = result
    print(f"{name}: {count} texts, {size / 1e6:.1f} MB, {tokens} tokens, {mismatches} mismatches", flush=True)


if __name__ == "__main__":
    sys.exit(main())
