"""One Parquet file of the archive: which columns it has, and how it comes to the disk.

Integers are the truth: ticks, lots, nanoseconds. Beside each of them stands what people want to read:

- `time_ns` is exact; `ts` is the same moment as timestamp[us, UTC], because Spark refuses nanoseconds and DuckDB cuts them.
- every `*_ticks`, `*_lots` and `*_tick_lots` has a float64 twin without the suffix (`price`, `bid_quantity`, `cash`): the
  correctly rounded double of ticks * tick_size, as in the feed.
- enums are strings, dictionary-encoded on the disk (`BUY`, `TRADED`). The Arrow schema is not embedded, so that all readers
  see a plain string column and files merge with the partition keys `run` and `symbol`, which each row carries as well.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from marksim.core.feed.orders import ORDER
from marksim.core.feed.positions import POSITION
from marksim.core.rows import choose
from marksim.core.types import (
    DEPTH,
    EXECUTION,
    NS_PER_US,
    QUOTE,
    TICK,
    TRADE,
    ExecutionKind,
    Instrument,
    OrderStatus,
    OrderType,
    Reason,
    Records,
    SessionState,
    Side,
    TimeInForce,
)

SCHEMA_VERSION: Final = 5
"""1 knew no auctions: no `session_state` in executions, nor what stands behind it in ticks. 2 knew no `tape_hash` in runs, 3
no `tape_window` there, 4 no checksum in entries of the log. A version only adds tables, and columns at the end of tables, so
that archives of all before it are read and continued."""
ROW_GROUP_ROWS: Final = 1 << 17
NS_PER_DAY: Final = 86_400 * 1_000_000_000

TABLES: Final[Mapping[str, np.dtype[np.void]]] = {
    "trades": TRADE,
    "quotes": QUOTE,
    "ticks": TICK,
    "depth": DEPTH,
    "executions": EXECUTION,
}

DERIVED: Final[Mapping[str, np.dtype[np.void]]] = {"orders": ORDER, "positions": POSITION}
"""What a simulation writes beside these; an archiver does not."""

_ENUMS: Final[Mapping[str, type[IntEnum]]] = {
    "side": Side,
    "kind": ExecutionKind,
    "reason": Reason,
    "session_state": SessionState,
    "order_type": OrderType,
    "time_in_force": TimeInForce,
    "status": OrderStatus,
}
# These climb row by row, so that differences are short; a dictionary of them would be as long as the column.
_DELTA: Final = frozenset(
    {"window", "sequence", "time_ns", "ts", "tick_number", "trades_total", "volume_total_lots", "volume_24h_lots", "serial"}
    | {"session_volume_lots", "maker_serial", "order_id", "maker_order_id", "taker_order_id"}
    | {"accepted_time_ns", "accepted_window", "trades"}
)
# Floats of sums that climb: the same of them, and there is no shorter way to write these.
_PLAIN: Final = frozenset({"volume_total", "volume_24h", "session_volume", "average_price_ticks", "average_price", "cash"})

GAPS: Final = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),
        # Null: the gap concerns all symbols of the book.
        ("symbol", pa.string()),
        pa.field("first_window", pa.int64(), nullable=False),
        # Null: how far the loss goes is not known, because the book does not know the run any more.
        ("last_window", pa.int64()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("recorded_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table and symbol in window order: `windows` (and in depth `snapshot`) has one entry per record."""

    records: Records
    windows: NDArray[np.int64]
    snapshot: NDArray[np.bool_] | None = None

    def by_date(self) -> Iterator[tuple[str, "Rows"]]:
        """The rows of each simulated UTC date, `2026-01-01` and so on."""
        days = self.records["time_ns"] // NS_PER_DAY
        if len(days) and days.min() == days.max():
            yield _date(days[0]), self
            return
        for day in np.unique(days):
            chosen = days == day
            snapshot = None if self.snapshot is None else self.snapshot[chosen]
            yield _date(day), Rows(choose(self.records, chosen), self.windows[chosen], snapshot)


def to_arrow(rows: Rows, run: str, instrument: Instrument) -> pa.Table:
    """The rows as the columns of their table."""
    records, count = rows.records, len(rows.records)
    columns: dict[str, Any] = {
        "run": _constant(run, count),
        "symbol": _constant(instrument.symbol, count),
        "window": pa.array(rows.windows),
    }
    for name in records.dtype.names or ():
        values = np.ascontiguousarray(records[name])
        if enum := _ENUMS.get(name):
            columns[name] = _named(values, enum)
            continue
        columns[name] = pa.array(values)
        if name == "time_ns":
            columns["ts"] = pa.array(values // NS_PER_US).cast(pa.timestamp("us", "UTC"))
        elif name.endswith("_tick_lots"):
            columns[name.removesuffix("_tick_lots")] = pa.array(_decimal(values, instrument.tick_size * instrument.lot_size))
        elif name.endswith("_ticks"):
            columns[name.removesuffix("_ticks")] = pa.array(_decimal(values, instrument.tick_size))
        elif name.endswith("_lots"):
            columns[name.removesuffix("_lots")] = pa.array(_decimal(values, instrument.lot_size))
    if rows.snapshot is not None:
        columns["snapshot"] = pa.array(rows.snapshot)
    return pa.table(columns)


def write_file(path: Path, table: pa.Table, metadata: Mapping[str, str]) -> int:
    """Write the table to `path`, wholly on the disk when this returns; returns its size in bytes. Raises OSError."""
    delta = [name for name in table.column_names if name in _DELTA]
    with path.open("wb") as file:
        with pq.ParquetWriter(
            file,
            table.schema,
            compression="zstd",
            use_dictionary=[name for name in table.column_names if name not in _DELTA | _PLAIN],
            column_encoding=dict.fromkeys(delta, "DELTA_BINARY_PACKED"),
            store_schema=False,
            # Or a reader would take a flipped byte for a price.
            write_page_checksum=True,
        ) as writer:
            writer.write_table(table, ROW_GROUP_ROWS)
            # Metadata of the Arrow schema would go with that schema, which is left out.
            writer.add_key_value_metadata(metadata)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def read_table(path: Path) -> pa.Table:
    """All rows of one file, without what the directories say. Raises OSError where a page is not as it was written."""
    return pq.ParquetFile(path, page_checksum_verification=True).read()


def read_compact(path: Path) -> pa.Table:
    """The same, its texts kept as numbers with a dictionary."""
    schema = pq.read_schema(path)
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    return pq.ParquetFile(path, read_dictionary=texts, page_checksum_verification=True).read()


def read_metadata(path: Path) -> dict[str, str]:
    """What `write_file` was given beside the table."""
    found = pq.read_metadata(path).metadata or {}
    return {key.decode(): value.decode() for key, value in found.items()}


def release_memory() -> None:
    """Give what Arrow no longer uses back to the system, so that a service's memory stays flat between files."""
    pa.default_memory_pool().release_unused()


def _date(day: np.int64) -> str:
    return str(np.datetime64(int(day), "D"))


def _constant(text: str, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), pa.array([text]))


def _named(values: NDArray[np.uint8], enum: type[IntEnum]) -> pa.DictionaryArray:
    names: Sequence[str] = [member.name for member in enum]
    # A newer book may know more names than this archiver; its rows must not be refused for that.
    highest = int(values.max(initial=0))
    names = [*names, *(f"UNKNOWN_{number}" for number in range(len(names), highest + 1))]
    return pa.DictionaryArray.from_arrays(pa.array(values.astype(np.int16)), pa.array(names))


def _decimal(steps: NDArray[np.int64], step: Fraction) -> NDArray[np.float64]:
    # Both operands are exact below 2^53, so the division rounds once.
    return (steps * step.numerator).astype(np.float64) / float(step.denominator)
