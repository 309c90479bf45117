#!/usr/bin/env python3
"""Makes tokenizer.json files for tokenizer.py: one per pattern and option that demix supports.

    .venv/bin/python tools/parity/make_tokenizers.py OUT TEXT... [--from NAME=FOLDER ...]

TEXT files (see tokenizer.py) train small vocabularies for each pattern. --from gpt2=FOLDER wraps the
vocab.json and merges.txt of a folder in GPT-2's pre-tokenizer, --from smollm2=FOLDER in SmolLM2's.
"""

import argparse
import itertools
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers

from tokenizer import read_texts

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")
# Patterns without a scanner of their own.
O200K = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
QWEN35 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK = [
    r"\p{N}{1,3}",
    r"[一-龥\u3040-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
]
DEEPSEEK_LLM = [  # and DeepSeek-Coder, with \\p{L} for the letters and \\p{P} for the punctuation
    r"[\r\n]",
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅḀ-ἕﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏]+",
    r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    r"\s+$",
    r"[一-龥ࠀ-一가-퟿]+",
]
TEKKEN = O200K.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace(r"\p{N}{1,3}", r"\p{N}")
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
POSSESSIVE = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
    r"|\s+(?!\S)|\s+"
)


def byte_level(regex=False, prefix=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def steps(*parts):
    return pre_tokenizers.Sequence(list(parts))


SHAPES = {
    "gpt2": byte_level(regex=True),
    "gpt2-prefix": byte_level(regex=True, prefix=True),
    "smollm2": steps(pre_tokenizers.Digits(True), byte_level(regex=True)),
    "digit-runs-prefix": steps(pre_tokenizers.Digits(False), byte_level(regex=True, prefix=True)),
    "llama3": steps(split(LLAMA3), byte_level()),
    "llama3-removed": steps(split(LLAMA3, "removed", True), byte_level()),
    "llama3-contiguous": steps(split(LLAMA3, "contiguous"), byte_level()),
    "qwen2": steps(split(QWEN2), byte_level()),
    "o200k": steps(split(O200K), byte_level()),
    "qwen3.5": steps(split(QWEN35), byte_level()),
    "deepseek": steps(*map(split, DEEPSEEK), byte_level()),
    "deepseek-llm": steps(*map(split, DEEPSEEK_LLM), pre_tokenizers.Digits(True), byte_level()),
    "tekken": steps(split(TEKKEN), byte_level()),
    "falcon": steps(
        pre_tokenizers.Punctuation("contiguous"),
        byte_level(regex=True),
        pre_tokenizers.Digits(False),
        split(r"[0-9][0-9][0-9]"),
    ),
    "bloom": steps(split(BLOOM), byte_level()),
    "possessive": steps(split(POSSESSIVE), byte_level()),
    "merged-previous": steps(split(r"[\s\p{P}]", "merged_with_previous"), byte_level()),
    "merged-next": steps(split(r"[\s\p{P}]+?", "merged_with_next", True), byte_level()),
    "removed": steps(split(r"\s+", "removed"), byte_level()),
    "string": steps(pre_tokenizers.Split("the", "isolated"), byte_level()),
    "no-split": byte_level(),
}
NFC = {"qwen2", "smollm2", "o200k"}
ADDED = [
    AddedToken("<|bos|>", special=True),
    AddedToken("<|end|>", special=True, rstrip=True),
    AddedToken("<mask>", lstrip=True, normalized=False),
    AddedToken("word", single_word=True, normalized=True),
    AddedToken("<|x", normalized=True),
    AddedToken("<|x|>", normalized=True, lstrip=True, rstrip=True),
    AddedToken("Å", normalized=True),
    AddedToken("e\u0301t", normalized=True),
    AddedToken("    ", normalized=False),
]


def finish(tokenizer):
    """Adds tokens of every kind and a BOS."""
    tokenizer.add_tokens(ADDED)
    bos = tokenizer.token_to_id("<|bos|>")
    template = processors.TemplateProcessing(
        single="<|bos|> $A", pair="<|bos|> $A $B", special_tokens=[("<|bos|>", bos)]
    )
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def trained(name, texts, vocabulary=6000):
    tokenizer = Tokenizer(models.BPE(ignore_merges=name in {"llama3", "o200k"}))
    tokenizer.pre_tokenizer = SHAPES[name]
    if name in NFC:
        tokenizer.normalizer = normalizers.NFC()
    # "merged-previous" lacks byte symbols, as a vocabulary trained without an alphabet does.
    alphabet = [] if name == "merged-previous" else pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False),
    )
    return finish(tokenizer)


def wrapped(name, folder):
    folder = pathlib.Path(folder)
    tokenizer = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    tokenizer.pre_tokenizer = SHAPES[name]
    tokenizer.decoder = decoders.ByteLevel()
    special = [t for t in tokenizer.get_vocab() if t.startswith("<") and t.endswith(">") and len(t) > 4]
    tokenizer.add_special_tokens(sorted(special, key=tokenizer.token_to_id))
    return tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--from", dest="sources", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--texts-per-file", type=int, default=150)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    texts = [
        text[:4000]
        for path in options.texts
        for text in itertools.islice(read_texts(path), options.texts_per_file)
    ]
    for name in SHAPES:
        trained(name, texts).save(str(options.out / f"trained-{name}.json"))
    for source in options.sources:
        name, folder = source.split("=", 1)
        wrapped(name, folder).save(str(options.out / f"{name}.json"))


if __name__ == "__main__":
    main()
