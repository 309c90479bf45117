"""Makes the expected values of demix/corpus's tokenizer tests with the `tokenizers` library (0.23.1).

    .venv/bin/python tests/data/tokenizer/make.py
"""

import json
import pathlib

from tokenizers import normalizers

HERE = pathlib.Path(__file__).parent


def save(name, value):
    """One element of the outermost list or object to a line."""
    lines = [json.dumps(item, ensure_ascii=False) for item in value]
    (HERE / name).write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def nfc():
    """[text, normalized]: every kind of change that form C knows, and what must stay."""
    above, below, hook = "\u0301", "\u0323", "\u0328"
    texts = [
        "", "plain ASCII, caf\xe9", "e" + above, "x" + above, above, "\u212b", "\u2126", "\ufb01", "\u00bd",
        # Order of marks: below goes before above; equal classes keep their order and block.
        "a" + above + below, "a" + below + above, "a" + above + "\u0300", "q" + above + below + hook,
        # What is composed already is taken apart for a mark that belongs before.
        "\xe9" + hook, "\xc0" + below, "\u1eb2" + hook, "\u1e67\u0326", "\u1f80" + above, "\u0344", "\u0219\u030c",
        "\xe9\u059e" + hook, "\xe9 " + hook, "\xe9" + above, "\u01d5\u0300", "\u0112" + above, "\u1e14" + below,
        # Hangul by rule.
        "\u1112\u1161\u11ab", "\u1112\u1161", "\ud558\u11ab", "\ud55c\u11ab", "\u1161\u11ab", "\u1112\u11ab", "\uac00\u11a7",
        "\u1100\u1161\u0301\u11a8",
        # Exclusions and singletons; compositions of later Unicode versions stay apart.
        "\u0958", "\u0915\u093c", "\u2adc", "\uf900", "\ufa7d", "\U0001d15e", "\U0001d157\U0001d165", "\u0928\u093c",
        "\u09c7\u09be", "\u0b47\u0b56", "\u0cc6\u0cc2\u0cd5", "\u0dd9\u0dcf\u0dca", "\u1025\u102e", "\U00011131\U00011127",
        "\U00011935\U00011930", "\U000105d2\u0307", "\U000113c2\U000113c2", "\U00016121\U0001611f",
        # Marks: of old scripts, and of Unicode after 9, which do not move.
        "\u05e9\u05c1\u05bc", "\u05e9\u05bc\u05c1", "\u0939\u094d\u093c", "\u0f71\u0f72\u0f74", "\u0f73\u0f71", "\u302a\u302c\u0301",
        "a\u0898" + below, "a\u1abf" + above + below, "\u1dfb\u0301", "\U00010eab" + below, "a\U0001e2ec\u0316", "\U0001e944\U0001e94a\u0301",
        # Emoji and other text of several code points.
        "\U0001f468\u200d\U0001f469", "1\ufe0f\u20e3", "\U0001f1e9\U0001f1ea", "\u0e40\u0e01\u0e33", "\u1e9b\u0323", "\u03d3\u0301", "\u0386\u0345",
    ]  # fmt: skip
    normalize = normalizers.NFC().normalize_str
    # Every composed letter of Latin and Greek, and a mark that sorts into its decomposition.
    taken_apart = normalizers.NFD().normalize_str
    composed = [chr(c) for c in [*range(0xC0, 0x250), *range(0x1E00, 0x2000)]]
    composed = [c for c in composed if taken_apart(c) != c]
    texts += [" ".join(c + mark for c in composed) for mark in ["", below, "\u031b", above, "\u0345"]]
    return [[text, normalize(text)] for text in texts]


if __name__ == "__main__":
    save("nfc.json", nfc())
