"""The books of a shard as one document and arrays, and back: what a snapshot is made of."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from marksim.core.errors import InvalidInput
from marksim.core.types import TRADE, Records
from marksim.journal.states import restored
from marksim.orderbook.shard import Shard, SymbolBook

Arrays = Mapping[str, Any]


def state_of(shard: Shard, run: str, window: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """All that the next window depends on, and what readers are shown: copies, taken while the market waits."""
    document: dict[str, Any] = {"run": run, "window": window, "symbols": {}}
    arrays: dict[str, Any] = {}
    for symbol, traded in shard.books.items():
        tape = traded.tape_hash.state()
        document["symbols"][symbol] = {
            "previous_window": traded.previous_window,
            "last_tick_window": traded.last_tick_window,
            "tape_minute": tape.minute,
            "tape_link": tape.link.hex(),
        }
        arrays.update((f"{symbol}|book|{name}", array) for name, array in traded.book.state().items())
        arrays.update((f"{symbol}|ticks|{name}", array) for name, array in traded.ticks.state().items())
        arrays[f"{symbol}|tape"] = np.frombuffer(b"".join(tape.records), np.uint8)
        arrays[f"{symbol}|trades"] = traded.trades.oldest_first()
    return document, arrays


def restore(shard: Shard, document: Mapping[str, Any], arrays: Arrays) -> None:
    """Make the books of a shard those of a snapshot. Raises InvalidInput for one of other symbols, or a damaged one."""
    if set(document["symbols"]) != set(shard.books):
        raise InvalidInput(f"the snapshot is of {', '.join(document['symbols'])}, not of {', '.join(shard.books)}")
    for symbol, traded in shard.books.items():
        _restore(traded, document["symbols"][symbol], arrays)


def _restore(traded: SymbolBook, facts: Mapping[str, Any], arrays: Arrays) -> None:
    instrument = traded.instrument
    traded.book, traded.ticks, traded.tape_hash = restored(instrument, traded.max_orders, facts, arrays)
    traded.previous_window, traded.last_tick_window = facts["previous_window"], facts["last_tick_window"]
    trades: Records = arrays[f"{instrument.symbol}|trades"]
    if trades.dtype != TRADE:
        raise InvalidInput(f"the snapshot's trades of {instrument.symbol} are of another version")
    traded.trades.extend(trades)
