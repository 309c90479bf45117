"""Writes the hand-made seeds of tests/data/fuzz: one small file for each rule of the formats.

    python tools/make_fuzz_corpus.py

A sample of what the fuzzer found to reach further code lies beside them, under names of forty digits, and
is not touched.
"""

import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).parents[1] / "tests/data/fuzz"


def file(header, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(dtype: str, shape: list, begin, end) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


ONE = {"a": tensor("F32", [2], 0, 8)}
SAFETENSORS = {
    "whole": file({"__metadata__": {"format": "pt"}, "a": tensor("F32", [1, 2], 0, 8),
                   "b.c": tensor("BF16", [], 8, 10), "e": tensor("F16", [0, 3], 10, 10)}, bytes(10)),
    "padded": file(json.dumps(ONE).encode() + b"    ", bytes(8)),
    "bits": file({"a": tensor("F4", [2, 3], 0, 3), "b": tensor("F6_E2M3", [4], 3, 6)}, bytes(6)),
    "no_tensors": file({}),
    "truncated_data": file(ONE, bytes(7)),
    "truncated_header": file(ONE)[:20],
    "truncated_length": b"\x10\0\0",
    "long_data": file(ONE, bytes(9)),
    "huge_length": file(ONE, bytes(8), 2**64 - 1),
    "long_length": file(ONE, bytes(8), 100_000_000),
    "overlap": file({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 3, 7)}, bytes(7)),
    "gap": file({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 5, 9)}, bytes(9)),
    "inside": file({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [0], 2, 2)}, bytes(4)),
    "backwards": file({"a": tensor("F32", [2], 8, 0)}, bytes(8)),
    "product_wraps": file({"a": tensor("F32", [2**62], 0, 0)}),
    "product_wraps_twice": file({"a": tensor("U8", [2**32, 2**32], 0, 0)}),
    "offset_2_64": file({"a": tensor("U8", [1], 0, 2**64)}, bytes(1)),
    "negative": file({"a": tensor("U8", [-1], 0, 1)}, bytes(1)),
    "fraction": file(b'{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}', bytes(1)),
    "unknown_dtype": file({"a": tensor("F33", [1], 0, 4)}, bytes(4)),
    "unknown_field": file({"a": {**tensor("U8", [1], 0, 1), "x": 1}}, bytes(1)),
    "key_twice": file(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
                      b'"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', bytes(1)),
    "metadata_number": file({"__metadata__": {"format": 1}}),
    "deep": file(b'{"a":' + b"[" * 200),
    "many_sizes": file({"a": tensor("U8", [1] * 65, 0, 1)}, bytes(1)),
    "zero_byte": file(b"{}\0", b""),
    "bad_utf8": file(b'{"a\xff":{}}'),
    "escapes": file(b'{"\\u001b[2J\\ud83d\\ude00":1}'),
}
INDEX = {
    "whole": {"metadata": {"total_size": 8}, "weight_map": {"a": "1.safetensors", "b": "2"}},
    "leads_out": {"weight_map": {"a": "../../etc/passwd"}},
    "no_map": {"metadata": {"weight_map": {"a": "b"}}},
    "list": {"weight_map": ["a"]},
    "number": {"weight_map": {"a": 1}},
    "twice": b'{"weight_map":{"a":"b","a":"c"}}',
    "map_twice": b'{"weight_map":{},"weight_map":{}}',
    "deep": b'{"x":' + b"[" * 200,
    "nul": {"weight_map": {"a": "b\0"}},
}


def main() -> None:
    for name, content in SAFETENSORS.items():
        (ROOT / "safetensors" / name).write_bytes(content)
    for name, content in INDEX.items():
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        (ROOT / "index" / name).write_bytes(text)


if __name__ == "__main__":
    main()
