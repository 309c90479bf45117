"""Compares demix's greedy generation with that of transformers, token by token, and times both.

    generate.py compare PROGRAM MODEL PROMPTS [--count 200] [--tokens 64]
    generate.py time PROGRAM MODEL PROMPTS [--count 200] [--tokens 128] [--dtype bfloat16] [--rounds 3] [--ends]
                                           [--batch-size 32]

PROGRAM is build/release/parity_generate, PROMPTS a JSONL file, plain or .zst, with a "question" in each line
(GSM8K). `compare` runs in float32, each prompt of transformers alone, as the library computes it best. Where the
tokens part, it prints the gap between the two largest logits there: a tie within rounding, or an error. It fails
on a gap above 1e-3. `time` gives both programs all prompts; transformers generates in batches, padded on the
left, of --batch-size or the best of several sizes, prompts sorted by length. Neither stops at end tokens, so that both make the
same number of tokens; with --ends both do, and a batch of transformers waits for its longest answer. Wall time of
generation alone, in turns.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import pyarrow
import torch
import transformers

BATCH_SIZES = (8, 16, 32, 64)


def read_prompts(path: pathlib.Path, count: int) -> list[str]:
    compression = "zstd" if path.suffix == ".zst" else None
    with pyarrow.input_stream(str(path), compression=compression) as stream:
        lines = stream.read().decode().splitlines()
    return [f"Question: {json.loads(line)['question']}\nAnswer:" for line in lines[:count]]


def run_demix(options: argparse.Namespace, model: pathlib.Path, prompts: list[list[int]]):
    with tempfile.TemporaryDirectory() as folder:
        requests, out = pathlib.Path(folder) / "requests.jsonl", pathlib.Path(folder) / "out.jsonl"
        requests.write_text(
            "".join(json.dumps({"ids": ids, "max_tokens": options.tokens}) + "\n" for ids in prompts)
        )
        done = subprocess.run(
            [options.program, model, requests, out, options.dtype], check=True, capture_output=True, text=True
        )
        return [json.loads(line)["ids"] for line in out.read_text().splitlines()], json.loads(done.stdout)


def without_end(model: pathlib.Path, folder: str) -> pathlib.Path:
    """The model with an end token that does not exist."""
    copy = pathlib.Path(folder) / "model"
    copy.mkdir()
    for path in model.iterdir():
        if path.name not in ("config.json", "generation_config.json"):
            (copy / path.name).symlink_to(path.resolve())
    config = json.loads((model / "config.json").read_text())
    config["eos_token_id"] = None
    (copy / "config.json").write_text(json.dumps(config))
    return copy


def compare(options: argparse.Namespace) -> int:
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(options.model / "tokenizer.json"))
    model = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32).eval()
    prompts = [tokenizer(text)["input_ids"] for text in read_prompts(options.prompts, options.count)]
    ours, _ = run_demix(options, options.model, prompts)
    end = model.config.eos_token_id
    same, tokens, worst = 0, 0, 0.0
    for number, (prompt, generated) in enumerate(zip(prompts, ours)):
        with torch.no_grad():
            expected = model.generate(
                torch.tensor([prompt]), max_new_tokens=options.tokens, do_sample=False, num_beams=1, pad_token_id=0
            )[0][len(prompt) :].tolist()
        if end in expected:
            expected = expected[: expected.index(end)]
        tokens += len(expected)
        if generated == expected:
            same += 1
            continue
        at = next(
            (i for i, (a, b) in enumerate(zip(generated, expected)) if a != b), min(len(generated), len(expected))
        )
        with torch.no_grad():
            logits = model(torch.tensor([prompt + expected[:at]])).logits[0, -1]
        top = logits.topk(2)
        gap = (top.values[0] - top.values[1]).item()
        worst = max(worst, gap)
        print(f"prompt {number}: parts at token {at}; the two largest logits {top.values.tolist()} differ by {gap:.1e}")
    print(f"{same} of {len(prompts)} prompts the same, {tokens} tokens; largest gap where they part {worst:.1e}")
    return 0 if worst <= 1e-3 else 1


def time_both(options: argparse.Namespace) -> int:
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(options.model / "tokenizer.json"))
    dtype = getattr(torch, options.dtype)
    model = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype).eval()
    prompts = [tokenizer(text)["input_ids"] for text in read_prompts(options.prompts, options.count)]

    def run_transformers(batch_size: int, prompts: list[list[int]]) -> float:
        order = sorted(prompts, key=len)
        start = time.perf_counter()
        for first in range(0, len(order), batch_size):
            batch = order[first : first + batch_size]
            width = max(map(len, batch))
            ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in batch])
            mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in batch])
            with torch.no_grad():
                model.generate(
                    ids,
                    attention_mask=mask,
                    max_new_tokens=options.tokens,
                    min_new_tokens=None if options.ends else options.tokens,
                    do_sample=False,
                    pad_token_id=0,
                )
        return time.perf_counter() - start

    best = options.batch_size
    if not best:
        best = min(BATCH_SIZES, key=lambda size: run_transformers(size, prompts[:64]))
        print(f"transformers' best batch size of {BATCH_SIZES}: {best}", flush=True)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        endless = options.model if options.ends else without_end(options.model, folder)
        for _ in range(options.rounds):
            _, ours = run_demix(options, endless, prompts)
            theirs = run_transformers(best, prompts)
            ratios.append(theirs / ours["seconds"])
            rate = ours["tokens"] / ours["seconds"]
            print(f"demix {ours['seconds']:.1f} s ({rate:.0f} tokens/s), transformers {theirs:.1f} s, {ratios[-1]:.2f}x", flush=True)
    print(f"median {statistics.median(ratios):.2f}x [{min(ratios):.2f}, {max(ratios):.2f}]")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, tokens, dtype in (("compare", 64, "float32"), ("time", 128, "bfloat16")):
        command = commands.add_parser(name)
        command.add_argument("program", type=pathlib.Path)
        command.add_argument("model", type=pathlib.Path)
        command.add_argument("prompts", type=pathlib.Path)
        command.add_argument("--count", type=int, default=200)
        command.add_argument("--tokens", type=int, default=tokens)
        command.add_argument("--dtype", default=dtype)
        command.add_argument("--rounds", type=int, default=3)
        command.add_argument("--batch-size", type=int, help="of transformers, instead of the best")
        command.add_argument("--ends", action="store_true")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    return compare(options) if options.command == "compare" else time_both(options)


if __name__ == "__main__":
    sys.exit(main())
