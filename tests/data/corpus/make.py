"""Makes the Parquet and Arrow files of demix/corpus/columns_test.cc with pyarrow.

    .venv/bin/python tests/data/corpus/make.py
"""

import datetime
import decimal
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent

# The field types of published Hugging Face datasets, in three rows: values, other values, nulls.
ROWS = pa.table({
    "question": pa.array(["Wo?", "Qué — 日本", None], pa.string()),
    "context": pa.array(["long", "", None], pa.large_string()),
    "label": pa.array([3, -1, None], pa.int64()),
    "small": pa.array([255, 0, None], pa.uint8()),
    "score": pa.array([0.5, float("nan"), None], pa.float64()),
    "weight": pa.array([0.25, -2.0, None], pa.float32()),
    "half": pa.array([1.5, 2.0, None], pa.float16()),
    "gold": pa.array([True, False, None], pa.bool_()),
    "nothing": pa.nulls(3),
    "choices": pa.array([{"text": ["a", "b"], "label": ["A", "B"]}, {"text": [], "label": []}, None],
                        pa.struct([("text", pa.list_(pa.string())), ("label", pa.list_(pa.string()))])),
    "nested": pa.array([[[1, 2], [3]], [], None], pa.list_(pa.list_(pa.int32()))),
    "pair": pa.array([[1, 2], [3, 4], None], pa.list_(pa.int32(), 2)),
    "raw": pa.array([b"bytes", b"", None], pa.binary()),
    "class": pa.array(["x", "y", None]).dictionary_encode(),
    "day": pa.array([datetime.date(2024, 2, 29), datetime.date(1970, 1, 1), None], pa.date32()),
    "price": pa.array([decimal.Decimal("1.50"), decimal.Decimal("-2.25"), None],
                      pa.decimal128(5, 2)),
})


def write_arrow(name: str, table: pa.Table, new=pa.ipc.new_stream, batch_rows: int = 2) -> None:
    with new(str(HERE / name), table.schema) as writer:
        writer.write_table(table, batch_rows)


pq.write_table(ROWS, HERE / "rows.parquet", compression="zstd", row_group_size=2)
write_arrow("rows_stream.arrow", ROWS)
write_arrow("rows_file.arrow", ROWS, pa.ipc.new_file)

# 600 documents in several record batches, one null, one empty.
texts = [f"document {i}" for i in range(600)]
texts[5], texts[7] = None, ""
number = pa.array(range(600))
for kind, column in {
        "string": pa.array(texts, pa.string()),
        "large_string": pa.array(texts, pa.large_string()),
        "binary": pa.array([None if t is None else t.encode() for t in texts], pa.binary()),
        "dictionary": pa.array(texts).dictionary_encode(),
}.items():
    table = pa.table({"number": number, "text": column})
    pq.write_table(table, HERE / f"texts_{kind}.parquet", row_group_size=250, compression="snappy")
    write_arrow(f"texts_{kind}.arrow", table, batch_rows=250)

# Text that is not UTF-8: "Caf\xe9" in Latin-1, in row 2.
table = pa.table({"text": pa.array([b"fine", b"Caf\xe9 noir", b"also fine"], pa.binary())})
pq.write_table(table, HERE / "latin1.parquet")
