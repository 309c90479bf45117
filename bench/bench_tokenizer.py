#!/usr/bin/env python3
"""Encoding speed of demix against the `tokenizers` library: one thread each, same texts, taking turns.

    cmake --build --preset release --target demix_tokenize
    .venv/bin/python bench/bench_tokenizer.py --tokenizer T.json [--megabytes 8] [--rounds 7] TEXT...

Each round times the library's encode_batch_fast (its fastest way to ids, without offsets) and then demix's encode on
the same texts in memory, both warm, in processor time, which other programs on the machine disturb less than the clock
on the wall. Prints the medians and the ratio's median and range, and demix's rate for the first pass of a process,
whose word cache is empty.
"""

import argparse
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools" / "parity"))

from tokenizer import PROGRAM, load_tokenizer, read_texts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--tokenizer", action="append", required=True)
    parser.add_argument("--program", default=str(PROGRAM))
    parser.add_argument("--megabytes", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()

    for path in options.tokenizer:
        data, tokenizer = load_tokenizer(path)
        for source in options.texts:
            texts, size = [], 0
            for text in read_texts(source):
                texts.append(text)
                size += len(text.encode())
                if size >= options.megabytes * 1e6:
                    break
            with tempfile.TemporaryDirectory() as folder:
                pathlib.Path(folder, "tokenizer.json").write_bytes(data)
                with open(f"{folder}/texts", "wb") as file:
                    for text in texts:
                        file.write(struct.pack("<I", len(text.encode())) + text.encode())

                def library():
                    begin = time.process_time()
                    tokenizer.encode_batch_fast(texts, add_special_tokens=False)
                    return time.process_time() - begin

                def demix():
                    command = [options.program, f"{folder}/tokenizer.json", f"{folder}/texts", f"{folder}/ids"]
                    result = subprocess.run([*command, "--repeats", "2"], check=True, capture_output=True)
                    return [float(seconds) for seconds in result.stdout.split()]

                library()
                rounds = [(library(), *demix()) for _ in range(options.rounds)]
            rates = [statistics.median(size / 1e6 / times[i] for times in rounds) for i in range(3)]
            ratios = sorted(times[0] / times[2] for times in rounds)
            print(
                f"{pathlib.Path(path).name}  {pathlib.Path(source).name} {size / 1e6:.1f} MB: "
                f"library {rates[0]:.1f} MB/s, demix {rates[2]:.1f} MB/s (first pass {rates[1]:.1f}), "
                f"ratio {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f}, {len(rounds)} rounds)",
                flush=True,
            )


if __name__ == "__main__":
    main()
