"""What a recorded session is, how large, and who still needs what of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from marksim.core.types import CommandKind
from marksim.journal.exported import ExportedPart
from marksim.journal.session import Part, Session, ShardPart
from marksim.runtime.durations import format_moment
from marksim.store.journal_schema import connect, naming_errors

SAMPLE_WINDOWS: Final = 1_024
"""Bytes of an order are those of so many of the newest windows, as all of them may be many."""


@dataclass(frozen=True, slots=True)
class Needs:
    """The first window that each of these needs; None where it needs none of the journal."""

    readers: Mapping[str, int]
    engine: int
    books: int
    """The older of the newest two snapshots of the books."""
    newest_books: int

    @property
    def first(self) -> int:
        return min(self.engine, self.books, *self.readers.values())

    def who(self, window: int) -> list[str]:
        """For people: who needs that window, or one before it."""
        found = [
            f"reader {name} (from window {first} on)" for name, first in sorted(self.readers.items()) if first <= window
        ]
        found += [f"the engine's snapshot (from window {self.engine} on)"] if self.engine <= window else []
        found += [f"the books' snapshots (from window {self.books} on)"] if self.books <= window else []
        return found


def needs_of(part: ShardPart) -> Needs:
    """Who needs which windows of a shard. Raises Damaged."""
    info, snapshots = part.reader.info(), part.snapshots()
    readers = {name: window + 1 for name, window in info.readers.items()}
    newest, older = (snapshots[0], snapshots[:2][-1]) if snapshots else (-1, -1)
    return Needs(readers, info.saved + 1, older + 1, newest + 1)


def describe(session: Session) -> dict[str, Any]:
    """The facts as plain values, for a table or JSON. Raises Damaged."""
    run = session.run
    first = max(part.first_window for part in session.parts)
    last = session.common_window
    facts: dict[str, Any] = {
        "path": str(session.path),
        "run": run.run,
        "scenario": run.scenario,
        "scenario_hash": run.scenario_hash,
        "seed": run.seed,
        "symbols": list(run.symbols),
        "shards": session.parts[0].run.shards,
        "first_window": first,
        "last_window": last,
        "lookahead_ns": run.lookahead_ns,
        "start_time_ns": run.start_time_ns,
        "first_time": format_moment(run.end_ns(first - 1) if first > 0 else run.start_time_ns),
        "last_time": format_moment(run.end_ns(last)) if last >= 0 else None,
        "simulated_s": (last + 1 - first) * run.lookahead_ns / 1e9 if last >= 0 else 0.0,
        "parts": [_part(part) for part in session.parts],
    }
    return facts


def _part(part: Part) -> dict[str, Any]:
    told: dict[str, Any] = {"name": part.name, "path": str(part.path), "symbols": list(part.run.symbols)}
    told |= {"first_window": part.first_window, "last_window": part.last_window, "snapshots": list(part.snapshots())}
    if isinstance(part, ShardPart):
        told |= _shard(part)
    elif isinstance(part, ExportedPart):
        told |= {"file_bytes": part.path.stat().st_size, "orders": part.about["orders"], "made_by": part.about["made_by"]}
        told["bytes_per_order"] = _ratio(told["file_bytes"], told["orders"])
    windows = part.last_window + 1 - part.first_window if part.last_window >= 0 else 0
    told["bytes_per_window"] = _ratio(told["used_bytes"] if "used_bytes" in told else told["file_bytes"], windows)
    return told


def _shard(part: ShardPart) -> dict[str, Any]:
    info, needs = part.reader.info(), needs_of(part)
    sums = "count(*), coalesce(sum(length(control) + coalesce(length(input), 0)), 0), coalesce(sum(length(output)), 0)"
    with naming_errors(part.path):
        connection = connect(part.path, query_only=True)
        try:
            rows, inputs, outputs = connection.execute(f"SELECT {sums} FROM windows").fetchone()  # noqa: S608
        finally:
            connection.close()
    commands, orders, input_bytes = _newest(part)
    return {
        "schema": info.schema,
        "term": info.term,
        "rows": rows,
        "file_bytes": info.file_bytes,
        "used_bytes": info.used_bytes,
        "log_bytes": info.log_bytes,
        "input_bytes": inputs,
        "output_bytes": outputs,
        "input_bytes_per_command": _ratio(input_bytes, commands),
        "newest_orders": orders,
        "readers": dict(info.readers),
        "engine_saved": info.saved,
        "needed_from": needs.first,
        "gaps": [asdict(gap) for gap in info.gaps],
    }


def _newest(part: ShardPart) -> tuple[int, int, int]:
    """Commands, new orders, and bytes of input of the newest windows."""
    first = max(part.first_window, part.last_window + 1 - SAMPLE_WINDOWS, 0)
    commands = orders = 0
    for block in part.blocks(first, part.last_window) if part.last_window >= first else ():
        for inputs in block.symbols.values():
            commands += len(inputs.commands)
            orders += int(np.count_nonzero(inputs.commands["kind"] == CommandKind.NEW))
    with naming_errors(part.path):
        connection = connect(part.path, query_only=True)
        try:
            (size,) = connection.execute(
                "SELECT coalesce(sum(length(input)), 0) FROM windows WHERE first >= ? AND first <= ?",
                (first, part.last_window),
            ).fetchone()
        finally:
            connection.close()
    return commands, orders, int(size)


def _ratio(size: int, count: int) -> float | None:
    return round(size / count, 2) if count else None


def lines(facts: Mapping[str, Any]) -> list[str]:
    """The same for people."""
    rows = [
        ("run", f"{facts['run']}, {facts['scenario']} with seed {facts['seed']}"),
        ("scenario", f"hash {facts['scenario_hash']}"),
        ("symbols", ", ".join(facts["symbols"])),
        ("windows", _windows(facts)),
    ]
    for part in facts["parts"]:
        rows.append(
            (part["name"], f"windows {part['first_window']:,} to {part['last_window']:,}, {', '.join(part['symbols'])}")
        )
        rows += [("", line) for line in _part_lines(part)]
    return [f"{name:<10} {text}" for name, text in rows]


def _windows(facts: Mapping[str, Any]) -> str:
    if facts["last_window"] < 0:
        return "none yet"
    span = f"{facts['first_time']} to {facts['last_time']}, {facts['simulated_s'] / 3_600:,.2f} h simulated"
    return f"{facts['first_window']:,} to {facts['last_window']:,} of {facts['lookahead_ns'] / 1e6:g} ms: {span}"


def _part_lines(part: Mapping[str, Any]) -> list[str]:
    per_window = f", {part['bytes_per_window']:,.1f} bytes a window" if part["bytes_per_window"] is not None else ""
    if "rows" not in part:
        per_order = f", {part['bytes_per_order']:,.1f} an order" if part["bytes_per_order"] is not None else ""
        made = f"{part['orders']:,} orders, exported by marksim {part['made_by']}"
        begins = [f"begins with the books after window {window:,}" for window in part["snapshots"]]
        return [f"{part['file_bytes']:,} bytes{per_window}{per_order}: {made}", *begins]
    told = [f"{part['file_bytes']:,} bytes, {part['used_bytes']:,} in use, {part['log_bytes']:,} in its log{per_window}"]
    parts = f"input {part['input_bytes']:,} bytes, output {part['output_bytes']:,} bytes, in {part['rows']:,} rows"
    if part["input_bytes_per_command"] is not None:
        parts += f"; lately {part['input_bytes_per_command']:,.1f} bytes of input a command"
    told.append(parts)
    books = ", ".join(f"{window:,}" for window in part["snapshots"]) or "none"
    engine = f"window {part['engine_saved']:,}" if part["engine_saved"] >= 0 else "none"
    told.append(f"snapshots: of the books after windows {books}; the engine's: {engine}; term {part['term']}")
    told += [f"reader {name} has all up to window {window:,}" for name, window in sorted(part["readers"].items())]
    told += [f"gap: windows {gap['first']:,} to {gap['last']:,}: {gap['reason']}" for gap in part["gaps"]]
    return told
