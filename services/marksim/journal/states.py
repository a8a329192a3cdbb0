"""The books as snapshots keep them: read, chosen by symbol, joined, and made to go on.

    document    `run`, `window`, and of each of `symbols`: `previous_window`, `last_tick_window`, `tape_minute`, `tape_link`
    arrays      of each symbol `<symbol>|book|...`, `<symbol>|ticks|...`, `<symbol>|tape` and `<symbol>|trades`

It is the order book service that writes them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from marksim.core.book.book import OrderBook
from marksim.core.book.resting import DEFAULT_MAX_ORDERS
from marksim.core.errors import Damaged, NotFound
from marksim.core.feed.rerun import Rerun
from marksim.core.feed.tape import TapeHash
from marksim.core.feed.ticks import TickBuilder
from marksim.core.types import Instrument
from marksim.store.snapshots import read_snapshot, write_snapshot
from marksim.store.windows import RunRecord

KIND: Final = "book"
"""Also the first word of the files' names."""
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class BookState:
    """The books of some symbols after a window."""

    document: Mapping[str, Any]
    arrays: Mapping[str, Any]

    @property
    def window(self) -> int:
        return int(self.document["window"])

    @property
    def max_orders(self) -> int:
        """The bound that the books were given; of no books, the usual one."""
        found = (int(array["max_orders"][0]) for name, array in self.arrays.items() if name.endswith("|book|counters"))
        return next(found, DEFAULT_MAX_ORDERS)

    def of(self, symbols: Collection[str]) -> "BookState":
        """Those of these symbols alone."""
        told = {symbol: facts for symbol, facts in self.document["symbols"].items() if symbol in symbols}
        arrays = {name: array for name, array in self.arrays.items() if name.partition("|")[0] in told}
        return BookState({**self.document, "symbols": told}, arrays)

    def write(self, path: Path) -> None:
        """As a snapshot's file. Raises JournalFull, Damaged."""
        write_snapshot(path, KIND, VERSION, self.document, self.arrays)


def read_state(path: Path) -> BookState:
    """That of a snapshot's file. Raises NotFound, Unreadable, Damaged."""
    _, document, arrays = read_snapshot(path, KIND, (VERSION,))
    if not isinstance(document, dict) or not {"run", "window", "symbols"} <= document.keys():
        raise Damaged(f"{path}: its document is not that of books", metadata={"file": str(path)})
    return BookState(document, arrays)


def joined(states: Sequence[BookState]) -> BookState:
    """Several of one window as one."""
    symbols = {symbol: facts for state in states for symbol, facts in state.document["symbols"].items()}
    arrays = {name: array for state in states for name, array in state.arrays.items()}
    return BookState({**states[0].document, "symbols": symbols}, arrays)


def fresh(instrument: Instrument, max_orders: int, run: RunRecord) -> Rerun:
    """A symbol at the start of the run."""
    book = OrderBook(instrument, max_orders, run.start_time_ns)
    return Rerun(book, TickBuilder(instrument, book.session_state), TapeHash(), run.start_time_ns, run.lookahead_ns)


def resumed(state: BookState, instrument: Instrument, run: RunRecord) -> Rerun:
    """A symbol as it was. Raises NotFound where the state does not have it, InvalidInput where it does not fit together."""
    symbol = instrument.symbol
    facts = state.document["symbols"].get(symbol)
    if facts is None:
        raise NotFound(f"the snapshot after window {state.window} does not have {symbol}")
    return Rerun(*restored(instrument, state.max_orders, facts, state.arrays), run.start_time_ns, run.lookahead_ns)


def restored(
    instrument: Instrument, max_orders: int, facts: Mapping[str, Any], arrays: Mapping[str, Any]
) -> tuple[OrderBook, TickBuilder, TapeHash]:
    """A symbol's book, ticks and tape hash, by what the document says of it and the snapshot's arrays.

    Raises InvalidInput where they do not fit together.
    """
    symbol = instrument.symbol
    book = OrderBook.restored(instrument, max_orders, _under(f"{symbol}|book|", arrays))
    ticks = TickBuilder.restored(instrument, _under(f"{symbol}|ticks|", arrays))
    link = bytes.fromhex(facts["tape_link"])
    return book, ticks, TapeHash.restored(facts["tape_minute"], link, arrays[f"{symbol}|tape"].tobytes())


def _under(prefix: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
