"""The state of the feed: each symbol's last tick, and the ticks that wait for the next flush."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from marksim.core.types import Instrument, Tick
from marksim.edge.message import Scale, Update


class Step(NamedTuple):
    """A tick and the one before it that every client who keeps up has had; None if there was none."""

    update: Update
    since: Update | None


class Board:
    """Ticks in, steps out. Holds at most `max_waiting` steps: beyond that only the newest of each symbol waits."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._scales: dict[str, Scale] = {}
        self._newest: dict[str, Update] = {}
        self._sent: dict[str, Update] = {}
        self._waiting: list[Step] = []
        self.conflated = 0
        """Ticks that gave way to a newer one before any client got them."""

    @property
    def symbols(self) -> Collection[str]:
        """All that are traded."""
        return self._scales.keys()

    @property
    def sent(self) -> Mapping[str, Update]:
        """Each symbol's last flushed tick: where a client stands who keeps up. A live view."""
        return self._sent

    @property
    def waiting(self) -> int:
        """Steps that wait for the next flush."""
        return len(self._waiting)

    @property
    def max_waiting(self) -> int:
        """The bound in force; one tick of every symbol always fits, twice over."""
        return max(self._max_waiting, 2 * len(self._scales))

    def epoch(self, symbol: str) -> str:
        """The run of the symbol's newest tick; empty before the first."""
        newest = self._newest.get(symbol)
        return newest.epoch if newest else ""

    def list_instrument(self, instrument: Instrument) -> None:
        """Make a symbol known, or change its steps from the next tick on."""
        self._scales[instrument.symbol] = Scale.of(instrument)

    def retire(self, symbol: str) -> None:
        """Forget a symbol that is no longer traded."""
        for table in (self._scales, self._newest, self._sent):
            table.pop(symbol, None)
        self._waiting = [step for step in self._waiting if step.update.symbol != symbol]

    def put(self, symbol: str, epoch: str, tick: Tick) -> bool:
        """Take the next tick of a listed symbol; False if it is not newer than the last one of that run."""
        since = self._newest.get(symbol)
        trades = 0
        if since is not None:
            if since.epoch != epoch:
                # What the old run traded was counted; the new one counts from its own start.
                trades = since.trades + tick.trades_total
            elif tick.tick_number <= since.tick.tick_number:
                return False
            else:
                trades = since.trades + tick.trades_total - since.tick.trades_total
        update = Update(symbol, epoch, tick, trades, self._scales[symbol])
        self._newest[symbol] = update
        if len(self._waiting) >= self.max_waiting:
            self._conflate()
        self._waiting.append(Step(update, since))
        return True

    def _conflate(self) -> None:
        newest = {step.update.symbol: step.update for step in self._waiting}
        self.conflated += len(self._waiting) - len(newest)
        self._waiting = [Step(update, self._sent.get(symbol)) for symbol, update in newest.items()]

    def take(self) -> list[Step]:
        """The steps that wait, oldest first; the caller sends them and then calls `advance` with them."""
        steps, self._waiting = self._waiting, []
        return steps

    def advance(self, steps: list[Step]) -> None:
        """The steps are sent: `sent` now stands behind them."""
        for step in steps:
            self._sent[step.update.symbol] = step.update
