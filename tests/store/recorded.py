"""Windows as an order book records them, made up: the same for the same number and seed."""

from pathlib import Path

import numpy as np

from marksim.core.types import COMMAND, DEPTH, EXECUTION, QUOTE, TICK, Records
from marksim.store.journal import Durability, Journal, JournalLimits
from marksim.store.windows import RecordedWindow, RunRecord, SymbolWindow

SYMBOLS = ("BTC/USD", "ETH/USD")
RUN = RunRecord("run-1", "default", "5cab", '{"name":"default"}', 42, 10**18, 50_000_000, 0, 1, SYMBOLS)


def rows(rng: np.random.Generator, dtype: np.dtype[np.void], most: int) -> Records:
    """Random bytes as rows, up to so many."""
    return np.frombuffer(rng.bytes(dtype.itemsize * int(rng.integers(0, most + 1))), dtype)


def part(rng: np.random.Generator, window: int, most: int = 5) -> SymbolWindow:
    """One symbol's part, of which anything may be empty."""
    return SymbolWindow(
        outside=rows(rng, COMMAND, 2),
        commands=rows(rng, COMMAND, most),
        executions=rows(rng, EXECUTION, most),
        quotes=rows(rng, QUOTE, 2),
        depth=rows(rng, DEPTH, most),
        tick=rows(rng, TICK, 1),
        levels=rows(rng, DEPTH, most) if rng.random() < 0.2 else None,
        previous_window=window - 1,
        digest=int(rng.integers(0, 1 << 64, dtype=np.uint64)),
    )


def window(number: int, seed: int = 1, most: int = 5, share: float = 0.7) -> RecordedWindow:
    """One window, in which each symbol takes part with that probability."""
    rng = np.random.default_rng((seed, number))
    parts = {symbol: part(rng, number, most) for symbol in SYMBOLS if rng.random() < share}
    control = rng.bytes(int(rng.integers(1, 300))) if rng.random() < 0.2 * share else b""
    return RecordedWindow(number, number, rng.bytes(16), control, parts)


def empty(first: int, last: int | None = None) -> RecordedWindow:
    """A window in which nothing happens, or a row of them."""
    return RecordedWindow(first, last if last is not None else first, b"" if last is not None else bytes(16), b"", {})


def key(recorded: RecordedWindow) -> tuple[object, ...]:
    """All that a window is, to be compared."""
    parts = {
        symbol: tuple(
            value.tobytes() if isinstance(value, np.ndarray) else value
            for value in (getattr(each, name) for name in SymbolWindow.__slots__)
        )
        for symbol, each in recorded.parts.items()
    }
    return recorded.window, recorded.last, recorded.digest, recorded.control, parts


def made(
    directory: Path, count: int, durability: Durability = Durability.PROCESS, limits: JournalLimits | None = None
) -> Journal:
    """A journal of RUN with windows 0 to `count` - 1, open."""
    journal = Journal(directory, durability, limits)
    journal.begin(RUN, "token-1")
    for number in range(count):
        journal.append(window(number, share=1.0))
    return journal
