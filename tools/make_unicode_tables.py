#!/usr/bin/env python3
"""Writes demix/corpus/unicode_tables.inc from what the `tokenizers` library does.

Every table is asked of the library itself, code point by code point, because its parts carry tables
of different Unicode versions (tokenizers 0.23.1: Oniguruma and the regex crate 16, the standard
library of Rust 17, the NFC crate and that of Punctuation 9) and ids must be the same as the library's.

    .venv/bin/python tools/make_unicode_tables.py > demix/corpus/unicode_tables.inc
"""

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CATEGORIES = (
    "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()
)
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def matching(regex):
    """Code points that Oniguruma matches with `regex`."""
    split = pre_tokenizers.Split(Regex(regex), "removed")
    found = []
    for begin in range(0, len(CODE_POINTS), 1 << 16):
        chunk = CODE_POINTS[begin : begin + (1 << 16)]
        kept = set()
        for _, (low, high) in split.pre_tokenize_str("".join(map(chr, chunk))):
            kept.update(range(low, high))
        found += [c for i, c in enumerate(chunk) if i not in kept]
    return set(found)


def words():
    r"""Code points that the regex crate matches with \w (single_word of added tokens)."""
    tokenizer = Tokenizer(models.WordLevel({"u": 0}, unk_token="u"))
    tokenizer.add_tokens([AddedToken("@", single_word=True, normalized=False)])
    found = set()
    for begin in range(0, len(CODE_POINTS), 4096):
        chunk = CODE_POINTS[begin : begin + 4096]
        encoding = tokenizer.encode("".join(chr(c) + "@ " for c in chunk))
        matched = {o[0] for o, i in zip(encoding.offsets, encoding.ids) if i == 1}
        found.update(c for i, c in enumerate(chunk) if 3 * i + 1 not in matched)
    return found - {ord("@")}


def numeric():
    """Code points that the Digits pre-tokenizer splits off."""
    digits = pre_tokenizers.Digits(True)
    return {c for c in CODE_POINTS if len(digits.pre_tokenize_str("€" + chr(c))) == 2}


def punctuation():
    """Code points that the Punctuation pre-tokenizer splits off."""
    split = pre_tokenizers.Punctuation()
    return {c for c in CODE_POINTS if len(split.pre_tokenize_str("a" + chr(c))) == 2}


def normalization():
    """(code points that NFC may change, move or join to the one before; first of a composition)."""
    nfc, nfd = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str
    active, first = set(), set()
    for c in CODE_POINTS:
        text = chr(c)
        decomposed = nfd(text)
        if nfc(text) != text:
            active.add(c)
        elif len(decomposed) == 1:
            # A combining class other than 0 changes places with a mark of class 1 or 230.
            for probe in ("\u2205" + text + "\u0334", "\u2205\u0301" + text):
                if nfc(probe) != probe:
                    active.add(c)
        else:
            # Compositions are of the last code point with all before it composed; and a mark that
            # sorts before the last takes the whole apart again (à and a dot below: ạ and a grave).
            first |= {c, ord(nfc(decomposed[:-1]))}
            active.add(ord(decomposed[-1]))
    assert {0x1100, 0xAC00} <= first and {0x1161, 0x11A8, 0x0301} <= active
    return active, first


def ranges(code_points):
    pairs = []
    for c in sorted(code_points):
        if pairs and pairs[-1][1] == c - 1:
            pairs[-1][1] = c
        else:
            pairs.append([c, c])
    return pairs


def print_ranges(name, comment, code_points):
    print(f"\n// {comment}\nconstexpr CodePointRange {name}[] = {{")
    line = "   "
    for low, high in ranges(code_points):
        item = f" {{0x{low:x}, 0x{high:x}}},"
        if len(line) + len(item) > 100:
            print(line)
            line = "   "
        line += item
    print(line + "\n};")


def main():
    category = {}
    for name in CATEGORIES:
        for c in matching(rf"\p{{{name}}}"):
            assert c not in category
            category[c] = name
    of = lambda *names: {c for c, name in category.items() if name in names}

    print(f"// Made by tools/make_unicode_tables.py from tokenizers {tokenizers.__version__}; do not edit.")
    print("\n// General categories as runs, from U+0000 on: count, category. Surrogates count as Cn.")
    print("constexpr char kCategoryRuns[] =")
    runs = []
    for c in range(0x110000):
        name = category.get(c, "Cn")
        if runs and runs[-1][1] == name:
            runs[-1][0] += 1
        else:
            runs.append([1, name])
    line = ""
    for count, name in runs:
        item = f"{count}{name}"
        if len(line) + len(item) > 92:
            print(f'    "{line}"')
            line = ""
        line += item
    print(f'    "{line}";')

    word_categories = of("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "Pc")
    word, number, space = words(), numeric(), matching(r"\s")
    assert word >= word_categories and number >= of("Nd", "Nl", "No")
    print_ranges("kSpaces", r"\s.", space)
    print_ranges("kOtherWords", r"\w beyond L, M, Nd, Nl, Pc.", word - word_categories)
    print_ranges(
        "kOtherNumbers",
        "Numeric for the Digits pre-tokenizer beyond N: assigned in Unicode 17.",
        number - of("Nd", "Nl", "No"),
    )
    print_ranges("kPunctuation", "Split off by the Punctuation pre-tokenizer.", punctuation())
    active, first = normalization()
    print_ranges("kNfcActive", "NFC may change or move these, or join them to what stands before.", active)
    print_ranges("kNfcFirst", "NFC may join these with what follows.", first)


if __name__ == "__main__":
    main()
