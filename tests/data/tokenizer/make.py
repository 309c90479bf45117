"""Makes the expected values of demix/corpus's tokenizer tests with the `tokenizers` library (0.23.1).

    .venv/bin/python tests/data/tokenizer/make.py

nfc.json: [text, its form C].
words.json: {texts, shapes: [{name, pre_tokenizer, words}]}, words of each text joined by spaces, in byte symbols.
patterns.json: [pattern, behavior, invert, text, words].
tokenizers.json: {texts, file, tokenizers: [{name, changes, ids, special_ids, decoded}]}: `changes` replace
members of `file` or of its "model" (null: take away); ids of each text without and, where it matters, with special
tokens; what the latter decode to where that is not the text.
"""

import json
import pathlib
import random
import sys

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE.parents[2] / "tools" / "parity"))

from make_tokenizers import SHAPES

# What the patterns, normalizers and added tokens treat in a way of its own.
TEXTS = [
    "", " ", "  ", "\n", "a", " a", "a ", "Hello world, it's  me.", "I'LL don't WE'VE you'Re 'sa x's ' s 't''d",
    "'\u017f '\u017fa \u2019s 'l 'r 'v", "12345 3.14159 1,000,000 v2 x12y 007", "\u0661\u0662\u0663 \u0967\u0968 \u00b2\u00b3 \u2167\u2460 \uff11\uff12 1\u00bd",
    "snake_case camelCase HTTPServer __init__ \u01c5x \u00dfE\u00df", "def f(x):\n    return x + 1  # sum\n\n\n\ty\r\n\r\n  z",
    " \n \n  a \t b\u00a0c\u3000d\u2003 e\u0085f\u2028g\u200bh \r", "trailing   ", "   \n", "\t\ttabs\tin", "a\u00a0\u00a0b \u00a0c\u00a0",
    "caf\u00e9 cafe\u0301 A\u030angstr\u00f6m \u00c0\u0323 q\u0307\u0323", "\u4e2d\u6587\u65e5\u672c\u8a9e\u304b\u306a\u30ab\u30ca123\u6f22\u5b57\uff0c\u3002",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab\u1100\u1173\u11af", "\u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22\u0e19\u0e49\u0e33 \u05e9\u05c1\u05dc\u05d5\u05dd \u0627\u0644\u0652\u0639",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea\u2764\ufe0f 1\ufe0f\u20e3 \U0001fae8", "!?...;;==>// /* */ #$%^&*()[]{}|\\`~", "https://a.b/c?d=e&f#g",
    "<b>x</b> \u00abq\u00bb \u2014 \u2026 \u20ac5 \u00a35 +-\u00d7\u00f7 \u221e\u2202", "\u0000\u0001\u007f\ufffd\ufffe\ue000\U0010ffff\u0378", "\U00011de0\U00016ff4 \U0001e2ec\u0898",
    "\u0301\u0301 a\u0301\u0302b \u20dd", "if (a[1].b == 'c') { return; }\n}\n", "x" * 70 + " " * 70 + "=" * 70, "ab" * 60 + "abc" * 40,
]  # fmt: skip


def save(name, value):
    """One element of every outer list to a line."""

    def lines(items):
        return "[\n" + ",\n".join(json.dumps(item, ensure_ascii=False) for item in items) + "\n]"

    if isinstance(value, list):
        text = lines(value)
    else:
        members = (
            f"{json.dumps(key)}: {lines(item) if isinstance(item, list) else json.dumps(item, ensure_ascii=False)}"
            for key, item in value.items()
        )
        text = "{\n" + ",\n".join(members) + "\n}"
    (HERE / name).write_text(text + "\n", encoding="utf-8")


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


def words():
    shapes = []
    for name, shape in SHAPES.items():
        split = [" ".join(word for word, _ in shape.pre_tokenize_str(text)) for text in TEXTS]
        shapes.append({"name": name, "pre_tokenizer": json.loads(shape.__getstate__()), "words": split})
    return {"texts": TEXTS, "shapes": shapes}


def patterns():
    """Constructs of regular expressions, one by one."""
    cases = [
        # A repeated group that is one repeated class.
        (r"(?:a+)?b", "aab b ab"), (r"(?:\p{L}+)?\p{N}", "abc1 2 x"), (r"(?:a{2})+", "aaaaa"), (r"(?:a?b)+", "abbab a"),
        (r"(?:[ab]{2,3})?c", "abc abac c"), (r"x(?:y*z)*+", "xyyzz xzy"), (r"(?:ab|a)+b", "abab aab"),
        # Order of alternatives, greed and giving back.
        (r"a|ab|abc", "abcab"), (r"abc|ab|a", "abcab"), (r"a+ab", "aaab"), (r"a++ab", "aaab"), (r"a+?b?", "aaab"),
        (r"a{2}", "aaaaa"), (r"a{2,}", "aaaaa a"), (r"a{1,2}", "aaaaa"), (r"\s*[\r\n]+|\s+(?!\S)|\s+", "a \n b  c \r\n"),
        (r"(?:a|b)*c", "abac ab"), (r"a*?c", "aac"), (r"[ab]*+b|a", "aab"), (r"a(?=b)", "abac"), (r"a(?!b)", "abac"),
        (r"(a)(b)?", "abaa"), (r"\p{L}+(?=\s)|\s", "one two"), (r"(?=\p{Lu})\p{L}+", "abC Def"), (r"(?!\d).x|x", "1x ax"),
        # Classes.
        (r"[^a-c\s]+", "abcxyz d"), (r"[\]\-\\^]+", "a]-\\^b"), (r"[a-]+", "a-b"), (r"[+--]+", "+,-."), (r"[ab[cd]]+", "abcde"),
        (r"[^ab[cd]]+", "abxcdy"), (r"[\p{L}\p{M}]+", "e\u0301a 1"), (r"\P{L}+", "ab1 2c"), (r"\p{^L}+", "ab1 2c"), (r"[\P{L}]+", "ab1 2c"),
        (r"[^\P{L}]+", "ab1 2c"), (r"\p{Nd}+|\p{No}+|\p{Nl}+", "1\u00b2\u2167\u0661"), (r".+", "a\r\nb\u2028c"), (r"\d+", "1\u0661\u00b22"),
        (r"\D+", "1\u0661\u00b22"), (r"\s+", "a\u0085b\u00a0\u3000\u200bc\u180ed"), (r"\S+", "a\u0085b\u00a0\u3000\u200bc"), (r"[\s\S]", "a\n"),
        (r"[\x21-\x2f]+", "a!/0"), (r"\x{4e00}+", "\u4e00\u4e01"), (r"[\u4e00-\u9fa5]+", "\u4e2d\u6587a"), (r"[一-龥]+", "\u4e2d\u6587a"),
        (r"\p{Cn}+", "\u0378a"), (r"\p{C}+", "\u0000\u00ad\ue000a"), (r"\t\n\f\v\r", "\t\n\f\v\r"), (r"\.\*\+", ".*+"),
        # Without regard to case.
        (r"(?i:'s|'ll)", "'S '\u017f 'lL 'L"), (r"(?i:k)", "kK\u212a"), (r"(?i:[a-s])+", "AzS\u017fz"), (r"(?i:\p{Lu})", "aA"),
        (r"(?i:[^b-y])+", "aBXz\u017f"), (r"(?i:a)b", "Ab AB"), (r"(?i:l)l", "LL Ll"),
        # Borders of lines.
        (r"\s+$", "a  \n b \n"), (r"^a+", "aa\naab"), (r"[ab]+$", "ab\nab"), (r"a$\n^b", "a\nb\n"), (r"\n^", "\n\n"),
        (r"$\n|^a", "a\na"), (r"a^b|b$a|c", "abac"),
    ]  # fmt: skip
    cases = [(pattern, "isolated", False, text) for pattern, text in cases]
    for behavior in ["removed", "merged_with_previous", "merged_with_next", "contiguous", "isolated"]:
        for invert in [False, True]:
            cases += [(r"-", behavior, invert, text) for text in ["a--b-c", "--", "ab", "-a-"]]
            cases.append((r"\s+|\p{P}", behavior, invert, " the, -end- \u3002."))
    result = []
    for pattern, behavior, invert, text in cases:
        split = pre_tokenizers.Split(Regex(pattern), behavior, invert)
        name = "".join(part.capitalize() for part in behavior.split("_"))
        result.append([pattern, name, invert, text, [word for word, _ in split.pre_tokenize_str(text)]])
    return result


def base_model():
    """A small vocabulary whose merges reach over the borders of words, so that ids show them."""
    made = random.Random(0)
    syllables = ["the", "in", "er", "re", "on", " s", " a", "'s", "12", "  ", "\n  ", "ing ", "\u00e9", "\u4e2d", "x", "ab", "<b>"]
    texts = ["".join(made.choice(syllables) for _ in range(40)) for _ in range(200)] + TEXTS
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, max_token_length=6, show_progress=False)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return json.loads(tokenizer.to_str())


def added(content, identity, **flags):
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return {"id": identity, "content": content, **plain, **flags}


def all_tokenizers():
    base = base_model()
    model = base["model"]
    size = len(model["vocab"])
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    shape = lambda name: json.loads(SHAPES[name].__getstate__())
    bos, eos = added("<|bos|>", size, special=True), added("<|eos|>", size + 1, special=True)
    special = {name["content"]: {"id": name["content"], "ids": [name["id"]], "tokens": [name["content"]]} for name in [bos, eos]}

    def template(*single):
        pieces = [
            {"Sequence": {"id": "A", "type_id": 0}} if piece == "A" else {"SpecialToken": {"id": piece, "type_id": 0}}
            for piece in single
        ]
        return {"type": "TemplateProcessing", "single": pieces, "pair": [*pieces, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": special}

    # A vocabulary without some symbols, and the merges that it leaves.
    missing = {token: i for token, i in model["vocab"].items() if not set(token) & set("\u010aQ0\u00c3x")}
    kept = [pair for pair in model["merges"] if "".join(pair) in missing]
    unknown = {"vocab": {**missing, "<unk>": size}, "merges": kept, "unk_token": "<unk>"}
    symbols = sorted(pre_tokenizers.ByteLevel.alphabet())

    words = {**model["vocab"], "\u0120world": size, "Hello": size + 1, "'ll": size + 2, "\u0120\u0120\u0120": size + 3}
    kinds = [
        added("<m>", size, lstrip=True), added("</b>", size + 1, rstrip=True), added("me", size + 2, single_word=True),
        added("it", size + 3, normalized=True, single_word=True), added("cafe\u0301", size + 4, normalized=True),
        added("A\u030ang", size + 5), added("   ", size + 6), added("<m>x", size + 7, lstrip=True, rstrip=True),
        added("\u212b", size + 8, normalized=True), added("  ", size + 9, normalized=True),
        # Tokens of the vocabulary.
        added("\u00df", model["vocab"]["\u00df"], normalized=True), added("ab", model["vocab"]["ab"], rstrip=True),
    ]  # fmt: skip
    variants = {
        "byte level with GPT-2's pattern": {},
        "merges as lines": {"merges": ["#version: 0.2"] + [" ".join(pair) for pair in model["merges"]]},
        "no type": {"type": None},
        "no splitting": {"pre_tokenizer": {**byte_level, "use_regex": False}},
        "prefix space": {"pre_tokenizer": {**byte_level, "add_prefix_space": True}},
        "NFC": {"normalizer": {"type": "NFC"}},
        "NFC in a sequence": {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]}},
        "empty sequence of normalizers": {"normalizer": {"type": "Sequence", "normalizers": []}},
        **{name: {"pre_tokenizer": shape(name)} for name in ["llama3", "qwen2", "smollm2", "deepseek", "falcon"]},
        "whole words": {"vocab": words, "ignore_merges": True},
        "whole words, not ignoring merges": {"vocab": words},
        "missing symbols": {"vocab": missing, "merges": kept},
        "unknown symbols": unknown,
        "unknown symbols fused": {**unknown, "fuse_unk": True},
        "a merge twice": {"merges": model["merges"] + model["merges"][:40]},
        "byte fallback and unknown token without effect": {"byte_fallback": True, "unk_token": "<nowhere>"},
        "bytes only": {"vocab": {symbol: i for i, symbol in enumerate(sorted(symbols))}, "merges": []},
        "added tokens": {"added_tokens": kinds},
        "added tokens, NFC": {"added_tokens": kinds, "normalizer": {"type": "NFC"}},
        "added tokens, prefix space": {"added_tokens": kinds, "pre_tokenizer": {**byte_level, "add_prefix_space": True}},
        "BOS": {"added_tokens": [bos, eos], "post_processor": template("<|bos|>", "A")},
        "BOS and EOS": {"added_tokens": [bos, eos], "post_processor": template("<|bos|>", "<|bos|>", "A", "<|eos|>")},
        "EOS in a sequence": {
            "added_tokens": [bos, eos],
            "post_processor": {"type": "Sequence", "processors": [byte_level, template("A", "<|eos|>")]},
        },
        "byte level afterwards": {"post_processor": {**byte_level, "trim_offsets": False}},
    }  # fmt: skip
    texts = TEXTS + [
        " <m> x<m>x </b>  \n y", "<m><m>x <m>", "me some me, me_ me\u0301 _me \u3000me", "it wit it it's", "cafe\u0301 caf\u00e9 \u212bA\u030a\u00c5 A\u030ang",
        "a   b    c     d", "ab  ab\u00dfab", "<|bos|>x<|eos|> <|bos|", "<m>\u00a0\u0085<m>\u200b</b>\u2003z", "Hello world",
    ]  # fmt: skip
    result = []
    for name, changes in variants.items():
        file = json.loads(json.dumps(base))
        for key, value in changes.items():
            place = file if key in file else file["model"]
            place[key] = value
            if value is None:
                del place[key]
        tokenizer = Tokenizer.from_str(json.dumps(file))
        # The library numbers added tokens itself.
        assert all(tokenizer.token_to_id(token["content"]) == token["id"] for token in file["added_tokens"])
        encodings = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        around = [tokenizer.encode(text, add_special_tokens=True).ids for text in texts]
        decoded = [tokenizer.decode(ids, skip_special_tokens=False) for ids in around]
        entry = {"name": name, "changes": changes, "ids": encodings}
        if around != encodings:
            entry["special_ids"] = around
        # Only where the text does not come back.
        entry["decoded"] = {str(i): text for i, text in enumerate(decoded) if text != texts[i]}
        result.append(entry)
    return {"texts": texts, "file": base, "tokenizers": result}


if __name__ == "__main__":
    save("nfc.json", nfc())
    save("words.json", words())
    save("patterns.json", patterns())
    save("tokenizers.json", all_tokenizers())
