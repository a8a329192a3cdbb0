"""Tables, as plain text or as Markdown, and the machine they are of."""

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

Cell = str | int | float


BEGIN: Final = "<!-- figures: make bench ARGS=--write -->"
END: Final = "<!-- end of figures -->"


@dataclass
class Report:
    """Prints what is measured as it comes, and keeps it."""

    markdown: bool = False
    lines: list[str] = field(default_factory=list)

    def heading(self, text: str) -> None:
        self._say("", f"### {text}", "") if self.markdown else self._say("", text)

    def note(self, text: str) -> None:
        self._say("", text, "") if self.markdown else self._say(f"  {text}")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """The first column is of words, the others are of figures."""
        cells = [[_text(cell) for cell in row] for row in rows]
        if self.markdown:
            lines = [list(columns), ["---", *["---:"] * (len(columns) - 1)], *cells]
            self._say(*(f"| {' | '.join(line)} |" for line in lines))
            return
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for line in [list(columns), *cells]:
            figures = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
            self._say("  " + "  ".join([line[0].ljust(widths[0]), *figures]))

    def write(self, page: Path) -> None:
        """Put all of it into a page, instead of what is there between BEGIN and END."""
        before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
        _, found, after = rest.partition(END)
        if not found:
            raise SystemExit(f"{page} has no place for figures: {BEGIN} and {END}")
        text = re.sub("\n{3,}", "\n\n", "\n".join([before + BEGIN, *self.lines, "", END + after]))
        page.write_text(text, encoding="utf-8")

    def _say(self, *lines: str) -> None:
        self.lines += lines
        print(*lines, sep="\n", flush=True)


def _text(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def machine() -> str:
    """One line."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    cores = len(os.sched_getaffinity(0))
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "grpcio"))
    return f"{names[0] if names else platform.machine()}, {cores} cores, Python {platform.python_version()}, {packages}"
