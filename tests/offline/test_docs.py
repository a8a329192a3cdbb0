"""docs/offline.md is so: its flags, its columns, and the tape hash, which anyone can work out from the files."""

import hashlib
import re
import struct
from pathlib import Path

from typer.testing import CliRunner

from marksim.core.feed.orders import ORDER
from marksim.core.feed.positions import POSITION
from marksim.core.types import ExecutionKind, Reason, SessionState, Side
from marksim.offline import simulate
from marksim.offline.command import app

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "offline.md").read_text()
NUMBERS = {"kind": ExecutionKind, "reason": Reason, "side": Side, "session_state": SessionState}
EVENT = (
    *(
        "sequence",
        "time_ns",
        "account",
        "serial",
        "order_id",
        "price_ticks",
        "quantity_lots",
        "leaves_lots",
        "maker_account",
    ),
    *("maker_serial", "maker_order_id", "maker_leaves_lots", "kind", "reason", "side", "session_state"),
)


def record(kind: int, row: dict[str, object], names: tuple[str, ...]) -> bytes:
    """As point 1 of the page says."""
    packed = bytes([16 * 1 + kind])
    for name in names:
        if name in NUMBERS:
            packed += struct.pack("<B", NUMBERS[name][str(row[name])])
        else:
            packed += struct.pack("<q", row[name])
    return packed


def test_the_tape_hash_can_be_worked_out_from_the_files(tmp_path: Path) -> None:
    """By the page alone: from the executions and ticks of an archive, over several minutes and two symbols."""
    result = simulate("two-symbols", seed=4, until="3m", out=tmp_path)
    names = {"executions": EVENT, "ticks": ("sequence", *_tick_columns(result.ticks.column_names))}
    lines = ""
    for symbol in sorted(result.tapes):
        rows = {
            table: [row for row in result.table(table).select([*columns, "symbol"]).to_pylist() if row["symbol"] == symbol]
            for table, columns in names.items()
        }
        ticks = {row["sequence"]: row for row in rows["ticks"]}
        link, records, minute = bytes(32), b"", None
        for event in rows["executions"]:
            if minute not in (None, event["time_ns"] // 60_000_000_000):
                link, records = hashlib.sha256(link + records).digest(), b""
            minute = event["time_ns"] // 60_000_000_000
            records += record(1, event, EVENT)
            if event["sequence"] in ticks:
                records += record(2, ticks[event["sequence"]], names["ticks"])
        shown = hashlib.sha256(link + records).hexdigest()
        assert shown == result.tapes[symbol]
        lines += f"{symbol} {shown}\n"
    assert hashlib.sha256(lines.encode()).hexdigest() == result.tape_hash


def _tick_columns(names: list[str]) -> list[str]:
    """The exact ones behind `sequence`, in their order in the table."""
    exact = [name for name in names if name.endswith(("_ticks", "_lots", "_ns", "_number", "_total", "_state"))]
    return [name for name in exact if not {f"{name}_ticks", f"{name}_lots"} & set(names)]


def test_every_flag_of_the_page_exists_and_none_is_left_out() -> None:
    """A reader can type what the table shows, and finds there what --help shows."""
    shown = set(re.findall(r"--[a-z]+", CliRunner().invoke(app, ["--help"], terminal_width=200, color=False).output)) - {
        "--help"
    }
    named = {flag for row in re.findall(r"^\| (`--.*?) \|", PAGE, re.MULTILINE) for flag in re.findall(r"--[a-z]+", row)}
    assert named == shown


def test_every_column_of_the_two_tables_is_named() -> None:
    """As a name of code, or in words without its unit."""
    for table, dtype in (("orders", ORDER), ("positions", POSITION)):
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{table}`"))
        for name in dtype.names or ():
            plain = re.sub(r"_(tick_lots|ticks|lots)$", "", name)
            assert name in {"sequence", "time_ns"} or re.search(rf"\b{plain}\b", row), (table, name)
