#!/usr/bin/env python3
"""Makes tokenizer.json files for tokenizer.py: one per pattern and option that demix supports.

    .venv/bin/python tools/parity/make_tokenizers.py OUT TEXT... [--from NAME=SOURCE ...]

TEXT files (see tokenizer.py) train small vocabularies for each pattern. --from gpt2=SOURCE wraps the vocabulary of
SOURCE in GPT-2's pre-tokenizer, --from smollm2=SOURCE in SmolLM2's, --from llama3=SOURCE in Llama 3's, with its
ignore_merges and a BOS. SOURCE is a folder with vocab.json and merges.txt, or a tokenizer.json, which may be .zst.
"""

import argparse
import itertools
import json
import pathlib
import re

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers

from tokenizer import load_tokenizer, read_texts

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


def wrapped(name, source):
    source = pathlib.Path(source)
    if source.is_dir():
        model = models.BPE.from_file(str(source / "vocab.json"), str(source / "merges.txt"))
        special = [t for t in json.loads((source / "vocab.json").read_text()) if re.fullmatch(r"<.{3,}>", t)]
    else:
        original = json.loads(load_tokenizer(source)[0])
        merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in original["model"]["merges"]]
        model = models.BPE(vocab=original["model"]["vocab"], merges=merges, ignore_merges=name == "llama3")
        special = [token["content"] for token in original["added_tokens"]]
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = SHAPES[name]
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    if name == "llama3":
        bos = (special[0], tokenizer.token_to_id(special[0]))
        template = processors.TemplateProcessing(single=f"{bos[0]} $A", special_tokens=[bos])
        tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("texts", nargs="*")
    parser.add_argument("--from", dest="sources", action="append", default=[], metavar="NAME=SOURCE")
    parser.add_argument("--texts-per-file", type=int, default=150)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    texts = [
        text[:4000]
        for path in options.texts
        for text in itertools.islice(read_texts(path), options.texts_per_file)
    ]
    for name in SHAPES if texts else []:
        trained(name, texts).save(str(options.out / f"trained-{name}.json"))
    for source in options.sources:
        name, place = source.split("=", 1)
        wrapped(name, place).save(str(options.out / f"{name}.json"))


if __name__ == "__main__":
    main()
