"""The demo's vocabulary: byte-level BPE as GPT-2's, with the pre-tokenizer pattern of Llama 3."""

import json
import os

# The library counts words on several threads; one keeps the order of ties.
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers  # noqa: E402

VOCABULARY = 4096
END_OF_TEXT = "<|endoftext|>"
FILES = ["tokenizer.json", "tokenizer_config.json"]
BYTES_PER_DATASET = 1_000_000
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def balanced_sample(texts: dict[str, list[str]]) -> list[str]:
    """The first BYTES_PER_DATASET bytes of each dataset, whose documents are in random order already."""
    sample = []
    for name in sorted(texts):
        size = 0
        for text in texts[name]:
            size += len(text.encode())
            if size > BYTES_PER_DATASET:
                break
            sample.append(text)
    return sample


def train(texts: dict[str, list[str]], vocabulary: int) -> dict[str, bytes]:
    """Dataset -> texts gives file name -> bytes."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Split(tokenizers.Regex(PATTERN), behavior="isolated"),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        show_progress=False,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(balanced_sample(texts), trainer)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "bos_token": None,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
    }
    return {
        "tokenizer.json": (tokenizer.to_str(pretty=True) + "\n").encode(),
        "tokenizer_config.json": (json.dumps(config, indent=1) + "\n").encode(),
    }
