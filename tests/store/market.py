"""A small made-up market: rows of every table, the same for the same window."""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from marksim.core.types import Instrument, Records
from marksim.store.archive import Flush, Gap, Progress, RunFacts
from marksim.store.parquet import DERIVED, TABLES, Rows

BTC = Instrument("BTC/USD", "BTC", "USD", Fraction(1, 2), Fraction(1, 1000), 100_000, 1, 1 << 30)
ETH = Instrument("ETH/USD", "ETH", "USD", Fraction(1, 20), Fraction(1, 100), 60_000, 1, 1 << 30)
START_NS = 1_767_225_600_000_000_000
WINDOW_NS = 50_000_000


def facts(run: str = "run-1", instruments: tuple[Instrument, ...] = (BTC, ETH)) -> RunFacts:
    """A run of two symbols."""
    return RunFacts(run, "5cab", 42, START_NS, WINDOW_NS, instruments)


def records(table: str, first: int, count: int, time_ns: int = START_NS) -> Records:
    """`count` rows with sequences from `first` on."""
    made: Records = np.zeros(count, {**TABLES, **DERIVED}[table])
    for index, name in enumerate(made.dtype.names or ()):
        made[name] = np.arange(first, first + count) * (index + 1) % 251 + 1
    for name in {"side", "kind", "reason", "session_state", "order_type", "time_in_force", "status"} & set(
        made.dtype.names or ()
    ):
        made[name] = np.arange(first, first + count) % 2 + 1
    made["sequence"] = np.arange(first, first + count)
    made["time_ns"] = time_ns + np.arange(count)
    return made


def flush(
    first: int,
    last: int,
    run: str = "run-1",
    gaps: tuple[Gap, ...] = (),
    ended: Mapping[str, str | None] | None = None,
    instruments: tuple[Instrument, ...] = (BTC, ETH),
) -> Flush:
    """Two rows per window, table and symbol of the windows from `first` to `last`."""
    rows = {}
    for instrument in instruments:
        for table in TABLES:
            windows = np.repeat(np.arange(first, last + 1), 2)
            snapshot = windows % 2 == 0 if table == "depth" else None
            made = records(table, 2 * first, len(windows), START_NS + first * WINDOW_NS)
            rows[table, instrument.symbol] = Rows(made, windows, snapshot)
    progress = {item.symbol: Progress(last, last) for item in instruments}
    return Flush(facts(run, instruments), rows, progress, gaps, ended or {})
