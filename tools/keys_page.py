"""Writes docs/keys.md: every key of a configuration file, with type, default and meaning.

    python tools/keys_page.py            # writes it
    python tools/keys_page.py --check    # fails where it is not what this would write

The keys are the `visit` functions of the configuration structs; defaults and meanings are what stands
beside the fields, so that there is one place to change. A key without a meaning is an error.
"""

import dataclasses
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/keys.md"
HEADERS = [
    "demix/run/run_config.h",
    "demix/corpus/corpus.h",
    "demix/train/trainer.h",
    "demix/merge/proxy_method.h",
    "demix/merge/storage.h",
    "demix/search/search.h",
    "demix/search/acquisition.h",
    "demix/search/sampler.h",
    "demix/search/constraints.h",
    "demix/search/predictor.h",
    "demix/search/fit.h",
    "demix/study/study_config.h",
]
ROOTS = [
    ("RunConfig", "", "A run", "`demix run`, `plan`, `train`, `search`, `validate`"),
    ("StudySection", "study", "A study", "`demix study`: a run's keys, and `study`"),
    ("FitConfig", "", "A fit", "`demix fit --config`"),
]
TYPES = {
    "std::string": "text",
    "std::filesystem::path": "path",
    "bool": "true or false",
    "int": "integer",
    "int64_t": "integer",
    "uint64_t": "integer",
    "size_t": "integer",
    "double": "number",
}


@dataclasses.dataclass
class Field:
    type: str
    default: str
    meaning: str


@dataclasses.dataclass
class Struct:
    bases: list[str]
    keys: list[str]
    fields: dict[str, Field]


def comment_of(line: str) -> str | None:
    match = re.match(r"\s*//\s?(.*)", line)
    return match and match[1]


def outside_brackets(text: str, mark: str) -> list[str]:
    """`text` split at `mark` where it stands in no bracket or quote."""
    parts, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == '"'
        if not quoted:
            depth += (character in "<({") - (character in ">)}")
        if character == mark and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def read_fields(body: list[str]) -> dict[str, Field]:
    """The fields of a struct, whose lines up to its first function these are."""
    fields: dict[str, Field] = {}
    above, code, beside = [], "", []
    last: list[str] = []  # fields that a comment going on below belongs to
    for line in body:
        comment = comment_of(line)
        if comment is not None and len(line) - len(line.lstrip()) > 2 and (last or code):
            if code:
                beside.append(comment)
            else:
                for name in last:
                    fields[name].meaning += " " + comment
            continue
        if comment is not None:
            above, last = above + [comment], []
            continue
        text, _, remark = line.partition("  //")
        code += " " + text.strip()
        if remark:
            beside.append(remark.strip())
        if not code.strip().endswith(";"):
            continue
        names = outside_brackets(code.strip()[:-1], ",")
        head = re.match(r"([\w:]+(?:<.*>)?)\s+(\w+)\s*(.*)$", names[0])
        last = []
        for declaration in [head[2] + " " + head[3]] + names[1:]:
            name, default = re.match(r"(\w+)\s*=?\s*(.*)$", declaration).groups()
            fields[name] = Field(head[1], default, " ".join(above + beside))
            last.append(name)
        above, code, beside = [], "", []
    return fields


def read_structs() -> dict[str, Struct]:
    structs = {}
    for header in HEADERS:
        text = (ROOT / header).read_text()
        for match in re.finditer(r"^struct (\w+)(?: : ([^{]*))? \{\n(.*?)^\};", text, re.M | re.S):
            name, bases, body = match.groups()
            if "void visit(V& v)" not in body:
                continue
            before = body[: body.index("template <class V>")].splitlines()
            structs[name] = Struct(
                [base.strip() for base in bases.split(",")] if bases else [],
                re.findall(r'\bv\("(\w+)", (\w+)\)', body),
                read_fields([line for line in before if line.strip()]),
            )
    return structs


class Page:
    def __init__(self, structs: dict[str, Struct]):
        self.structs = structs
        self.lines: list[str] = []
        self.missing: list[str] = []
        self.written: dict[str, str] = {}  # struct -> where its keys stand

    def keys(self, name: str) -> list[tuple[str, Field]]:
        struct = self.structs[name]
        found = []
        for base in struct.bases:
            if base in self.structs and base != "RunConfig":
                found += self.keys(base)
        return found + [(key, struct.fields[member]) for key, member in struct.keys]

    def words_for(self, kind: str, path: str) -> tuple[str, list[tuple[str, str]]]:
        """Words for a type, and the section that it needs: struct and path."""
        if match := re.match(r"std::optional<(.*)>$", kind):
            return self.words_for(match[1], path)
        if match := re.match(r"std::vector<(.*)>$", kind):
            words, needs = self.words_for(match[1], path)
            return f"list of {words}", needs
        if match := re.match(r"std::map<std::string, (.*)>$", kind):
            words, needs = self.words_for(match[1], path + ".NAME")
            return f"name: {words}", needs
        if kind in self.written:
            return f"as [{self.written[kind]}](#{anchor(self.written[kind])})", []
        if kind in self.structs:
            return f"[{path}](#{anchor(path)})", [(kind, path)]
        return TYPES[kind], []

    def section(self, name: str, path: str) -> None:
        self.written[name] = path
        if path:
            self.lines += ["", f"### {path}", ""]
        self.lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        needs = []
        for key, field in self.keys(name):
            here = f"{path}.{key}" if path else key
            words, more = self.words_for(field.type, here)
            needs += more
            if not field.meaning and "](#" not in words:
                self.missing.append(here)
            self.lines.append(
                f"| `{key}` | {words} | {default_words(field, words)} | {field.meaning.replace('|', 'or')} |"
            )
        for kind, where in needs:
            self.section(kind, where)


def anchor(path: str) -> str:
    return re.sub(r"[^\w-]", "", path.lower())


def default_words(field: Field, type_words: str) -> str:
    text = field.default.replace("'", "")
    if field.type.startswith("std::optional"):
        return "–"
    if "](#" in type_words:  # another section has the defaults, but for those that differ here
        return ", ".join(f"`{key}: {value}`" for key, value in re.findall(r"\.(\w+) = (\w+)", text))
    if text in ("", "{}"):
        return "–"
    if text.startswith("{"):
        text = "[" + text[1:-1] + "]"
    return f"`{text}`"


def page() -> tuple[str, list[str]]:
    result = Page(read_structs())
    result.lines += [
        "# Every key of a configuration file",
        "",
        "Written by `tools/keys_page.py` from what stands beside the fields in the code; [settings.md](settings.md) says which values to choose. A misspelt key is an error",
        "with its line. `demix plan CONFIG` checks a file and says what it costs; a run writes all keys with the values that it took into `config.yaml` of its folder.",
    ]
    for name, path, title, words in ROOTS:
        result.lines += ["", f"## {title}", "", words + "."] + ([] if path else [""])
        result.section(name, path)
    return "\n".join(result.lines) + "\n", result.missing


def main() -> None:
    text, missing = page()
    if missing:
        sys.exit("keys without a meaning beside their fields: " + ", ".join(missing))
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text() != text:
            sys.exit(f"{PAGE.relative_to(ROOT)} is not what the code says: run {sys.argv[0]}")
        print(f"keys: {len(re.findall(r'^. `', text, re.M))} in {PAGE.relative_to(ROOT)}, all as the code says")
        return
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
