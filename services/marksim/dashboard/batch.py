"""What one poll of the page answers: everything newer than the page's cursor, never more than it can draw."""

import secrets
from dataclasses import dataclass

import orjson

from marksim.dashboard.history import CANDLE_CAPACITIES, History, SymbolHistory
from marksim.dashboard.series import CANDLE_COLUMNS, TICK_COLUMNS, Matrix

# The page draws this many; one that is further behind skips to the present.
TICKS_SHOWN = 1_000
CANDLES_SHOWN = 150
DEFAULT_INTERVAL = 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a page has got. The defaults are a page that has nothing yet."""

    symbol: str = ""  # empty: the first one
    interval: int = DEFAULT_INTERVAL
    generation: str = ""  # of the series that the other two count in; an unknown one starts anew
    after: int = 0  # the number of the first tick that it does not have
    candles_from_ms: float = 0.0  # the start of its newest candle, which may still be open


class BatchBuilder:
    """Answers polls out of one history. Keeps nothing per page, so any number of tabs costs nothing in between."""

    def __init__(self, history: History) -> None:
        self._history = history
        # Another process, so another history, makes every page start anew.
        self._instance = secrets.token_hex(4)

    def build(self, cursor: Cursor) -> bytes:
        """The answer as JSON."""
        history = self._history
        with history.lock:
            answer: dict[str, object] = {
                "status": history.status.as_json(),
                "symbols": [_overview(name, history.symbols[name]) for name in sorted(history.symbols)],
                "symbol": None,
            }
            name = cursor.symbol if cursor.symbol in history.symbols else min(history.symbols, default=None)
            if name is not None:
                answer["symbol"] = name
                answer |= self._series(name, history.symbols[name], cursor)
        return orjson.dumps(answer)

    def _series(self, name: str, symbol: SymbolHistory, cursor: Cursor) -> dict[str, object]:
        ticks = symbol.series.ticks
        interval = cursor.interval if cursor.interval in CANDLE_CAPACITIES else DEFAULT_INTERVAL
        generation = f"{self._instance}.{symbol.generation}.{interval}.{name}"
        start = max(0, ticks.count - TICKS_SHOWN)
        known = cursor.generation == generation and start <= cursor.after <= ticks.count
        candles = symbol.series.candles[interval].since_time(cursor.candles_from_ms if known else 0.0)
        return {
            "generation": generation,
            "interval": interval,
            "reset": not known,
            "next": ticks.count,
            "ticks": _columns(TICK_COLUMNS, ticks.since(cursor.after if known else start)),
            "candles": _columns(CANDLE_COLUMNS, candles[-CANDLES_SHOWN:]),
        }


def _columns(names: tuple[str, ...], rows: Matrix) -> dict[str, list[float]]:
    return {name: rows[:, index].tolist() for index, name in enumerate(names)}


def _overview(name: str, symbol: SymbolHistory) -> dict[str, object]:
    """One line of the table of symbols. `change` is a ratio against the oldest minute that is kept."""
    newest = symbol.series.newest
    if newest is None:
        raise AssertionError("a symbol is known by its first tick")
    opening = float(symbol.series.candles[60].ring.oldest_row()[1])
    return {
        "symbol": name,
        "time_ms": newest.time_us / 1_000,
        "last": newest.last,
        "bid": newest.bid,
        "ask": newest.ask,
        "bid_size": newest.bid_size,
        "ask_size": newest.ask_size,
        "volume_24h": newest.volume_24h,
        "change": newest.last / opening - 1 if opening else None,
        "ticks_per_s": symbol.rate.per_second(),
        "run": newest.epoch,
    }
