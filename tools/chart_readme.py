"""Writes the tables of the chart's README from the comments in its values.yaml; `--check` only says whether they are fresh.

A comment line `# -- text` describes the key below it. A map without such a line is opened, with one it is one row. Every
value must be described, itself or by a map that it is in.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).resolve().parent.parent / "deploy" / "helm" / "marksim"
BEGIN: Final = "<!-- values: made by make chart-docs -->"
END: Final = "<!-- values: end -->"
KEY: Final = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][\w-]*):(?P<rest>.*)$")
TEXT: Final = re.compile(r"^ *# -- (?P<text>.+)$")


@dataclass(frozen=True, slots=True)
class Row:
    """A key by its path, with its comment; `text` is empty where there is none."""

    path: tuple[str, ...]
    text: str
    heading: str
    """The plain comment right above it."""


class Undescribed(Exception):
    """Values without a word about them."""


def rows(text: str) -> Iterator[Row]:
    """The keys of values.yaml that stand on lines of their own, in their order. Block lists and their items are values."""
    stack: list[tuple[int, str]] = []
    described, heading = "", ""
    for line in text.splitlines():
        if found := TEXT.match(line):
            described = found["text"]
        elif line.lstrip().startswith("#"):
            heading = f"{heading} {line.strip('# ')}".strip()
        elif found := KEY.match(line):
            indent = len(found["indent"])
            while stack and stack[-1][0] >= indent:
                stack.pop()
            stack.append((indent, found["key"]))
            yield Row(tuple(key for _, key in stack), described, heading)
            described, heading = "", ""
        else:
            described, heading = "", ""


def tables(text: str) -> str:
    """Markdown: general values first, then one section for each map at the top level. Raises Undescribed."""
    values = yaml.safe_load(text)
    general: list[str] = []
    sections: list[str] = []
    covered: set[tuple[str, ...]] = set()
    silent = []
    for row in rows(text):
        if any(row.path[:length] in covered for length in range(1, len(row.path))):
            continue
        value = _at(values, row.path)
        opened = isinstance(value, dict) and value and not row.text
        if row.text:
            covered.add(row.path)
        target = sections if isinstance(values[row.path[0]], dict) and row.path[0] not in _scalars(values) else general
        if len(row.path) == 1 and opened:
            sections += ["", f"### {row.path[0]}", "", *([row.heading, ""] if row.heading else []), *HEAD]
        elif row.text:
            target.append(f"| `{'.'.join(row.path)}` | {_shown(value)} | {_escaped(row.text)} |")
        elif not opened and not _known(row.path, values):
            silent.append(".".join(row.path))
    if silent:
        raise Undescribed(f"values.yaml says nothing of {', '.join(silent)}; write `# -- ...` above each")
    return "\n".join([*HEAD, *general, *sections])


HEAD: Final = ["| value | default | what it is |", "| --- | --- | --- |"]


def _scalars(values: dict[str, Any]) -> set[str]:
    """Maps at the top level that are values, not sections: the empty ones."""
    return {key for key, value in values.items() if value == {}}


def _known(path: tuple[str, ...], values: dict[str, Any]) -> bool:
    """Whether a component only changes a default, which is described there."""
    try:
        _at(values["defaults"], path[1:])
    except KeyError:
        return False
    return True


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        values = values[key]
    return values


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return f"`{_escaped(text)}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def filled(readme: str, made: str) -> str:
    """The README with the tables between its two marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"


def main() -> int:
    """Write the README, or with --check compare it; the exit code."""
    readme = CHART / "README.md"
    old = readme.read_text(encoding="utf-8")
    try:
        new = filled(old, tables((CHART / "values.yaml").read_text(encoding="utf-8")))
    except Undescribed as error:
        print(error, file=sys.stderr)
        return 1
    if "--check" not in sys.argv[1:]:
        readme.write_text(new, encoding="utf-8")
    elif new != old:
        print("the chart's README is not made from its values.yaml: run `make chart-docs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
