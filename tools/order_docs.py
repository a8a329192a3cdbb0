"""Writes the drawn and listed parts of docs/orders.md from the table of an order's life and from the contract's reasons.

python tools/order_docs.py [--check]
"""

import re
import sys
from pathlib import Path

from marksim.core.book.life import STEPS, Step

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "orders.md"
CONTRACT = ROOT / "proto" / "marksim" / "v1" / "types.proto"
PART = re.compile(r"(<!-- (\w+): made by make order-docs -->\n).*?(<!-- end -->)", re.DOTALL)
REASON = re.compile(r"((?:^  //[^\n]*\n)*)^  (REASON_\w+) = (\d+);", re.MULTILINE)


def words(step: Step) -> str:
    """What an arrow says."""
    event = step.event.name.lower().replace("_", " ")
    of = {"traded": " whole", "cancelled": ""}.get(event, "") if not step.left else {"cancelled": " in part"}.get(event, "")
    return f"{event}{of}" + (" (a stop)" if step.waits else "")


def drawing() -> str:
    """The table as a Mermaid state diagram; events that change nothing are in a list below it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for step in STEPS:
        arrows.setdefault((step.before.name, step.after.name), []).append(words(step))
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> PENDING"]
    lines += [f"    {before} --> {after}: {', '.join(told)}" for (before, after), told in arrows.items()]
    ends = sorted({step.after.name for step in STEPS} - {step.before.name for step in STEPS})
    return "\n".join([*lines, *(f"    {end} --> [*]" for end in ends), "```", ""])


def steps() -> str:
    """The same as a table."""
    rows = ["| status | event | status after |", "| --- | --- | --- |"]
    return "\n".join([*rows, *(f"| {step.before.name} | {words(step)} | {step.after.name} |" for step in STEPS), ""])


def reasons() -> str:
    """Every reason with what the contract says of it."""
    rows = ["| number | reason | |", "| --- | --- | --- |"]
    for comment, name, number in REASON.findall(CONTRACT.read_text(encoding="utf-8")):
        told = " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        rows.append(f"| {number} | `{name.removeprefix('REASON_')}` | {told} |")
    return "\n".join([*rows, ""])


def main() -> int:
    """Write the page, or with --check say whether it is as it would be written."""
    made = {"drawing": drawing, "steps": steps, "reasons": reasons}
    page = PAGE.read_text(encoding="utf-8")
    fresh = PART.sub(lambda part: f"{part[1]}{made[part[2]]()}{part[3]}", page)
    if "--check" in sys.argv[1:]:
        if fresh != page:
            print("docs/orders.md is not what its tables say: make order-docs", file=sys.stderr)
        return int(fresh != page)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
