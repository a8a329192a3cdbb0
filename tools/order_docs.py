"""Writes the drawn and listed parts of docs/orders.md from the tables of an order's life and of the session, and from the
contract's reasons.

python tools/order_docs.py [--check]
"""

import re
import sys
from pathlib import Path

from marksim.core.book.life import STEPS, Step
from marksim.core.book.plain_sessions import AFTER, BEFORE_THE_OPEN, COLLECTING, SHUT, uncrosses
from marksim.core.types import SessionState

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


def sessions() -> str:
    """What each state of the session takes, and where it leads."""
    rows = ["| session | new orders | with an end, ends in | uncrosses when it follows |", "| --- | --- | --- | --- |"]
    states = [state for state in SessionState if state]
    for state in states:
        taken = "none" if state in SHUT else "are collected" if state in COLLECTING else "trade as they come"
        for_the_open = ", AT_THE_OPEN too" if state in BEFORE_THE_OPEN else ""
        after = f"`{AFTER[state].name}`" if state in AFTER else ""
        before = [f"`{one.name}`" for one in states if uncrosses(one, state)]
        follows = "any other" if len(before) == len(states) - 1 else ", ".join(before)
        rows.append(f"| `{state.name}` | {taken}{for_the_open} | {after} | {follows} |")
    return "\n".join([*rows, ""])


def reasons() -> str:
    """Every reason with what the contract says of it."""
    rows = ["| number | reason | |", "| --- | --- | --- |"]
    for comment, name, number in REASON.findall(CONTRACT.read_text(encoding="utf-8")):
        told = " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        rows.append(f"| {number} | `{name.removeprefix('REASON_')}` | {told} |")
    return "\n".join([*rows, ""])


def main() -> int:
    """Write the page, or with --check say whether it is as it would be written."""
    made = {"drawing": drawing, "steps": steps, "sessions": sessions, "reasons": reasons}
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
