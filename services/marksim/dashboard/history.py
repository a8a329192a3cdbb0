"""What the dashboard remembers: bounded series of a bounded number of symbols, and the state of its feed."""

import time
from collections import deque
from collections.abc import Callable
from threading import Lock

from marksim.dashboard.continuity import Continuity, Verdict
from marksim.dashboard.frames import BadFrameError, FeedTick, parse_frame
from marksim.dashboard.series import SymbolSeries
from marksim.dashboard.status import FeedStatus, Rate

# Seconds of a candle -> how many are kept. The minutes span more than the day that volume_24h covers.
CANDLE_CAPACITIES = {1: 900, 10: 900, 60: 1_500}
_TICK_CAPACITY = 4_096
_SYMBOLS = 64
_RUNS_REMEMBERED = 16


class SymbolHistory:
    """One symbol: its series of the current run and how it follows on. `generation` grows when the series begin anew."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.generation = 0
        self.continuity = Continuity()
        self.rate = Rate(clock)
        self.series = SymbolSeries(_TICK_CAPACITY, CANDLE_CAPACITIES)

    def begin_run(self) -> None:
        self.generation += 1
        self.series = SymbolSeries(_TICK_CAPACITY, CANDLE_CAPACITIES)


class History:
    """Written by the feed's reader, read by the web server's threads; hold `lock` for either.

    `clock` gives monotonic seconds, `wall` seconds since the Unix epoch: tests replace both.
    """

    def __init__(
        self,
        address: str,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        max_symbols: int = _SYMBOLS,
    ) -> None:
        self.lock = Lock()
        self.status = FeedStatus(address, clock)
        self.symbols: dict[str, SymbolHistory] = {}
        self.max_symbols = max_symbols
        self._clock = clock
        self._wall = wall
        self._runs: deque[str] = deque(maxlen=_RUNS_REMEMBERED)

    def opened(self) -> None:
        """A connection to the feed is open: every symbol's next tick begins its span."""
        with self.lock:
            self.status.opened()
            for symbol in self.symbols.values():
                symbol.continuity.begin_connection()

    def closed(self, reason: str, retry_in_s: float) -> None:
        """The connection is gone, or did not come about; `reason` is a sentence."""
        with self.lock:
            self.status.closed(reason, retry_in_s)

    def receive(self, message: str | bytes) -> bool:
        """Take one message of the feed; False where it is no tick, which is counted and shown."""
        try:
            tick = parse_frame(message)
        except BadFrameError as error:
            with self.lock:
                self.status.saw_bad_frame(str(error))
            return False
        with self.lock:
            self._add(tick)
        return True

    @property
    def memory_bytes(self) -> int:
        return sum(symbol.series.memory_bytes for symbol in self.symbols.values())

    def _add(self, tick: FeedTick) -> None:
        symbol = self.symbols.get(tick.symbol)
        if symbol is None:
            if len(self.symbols) >= self.max_symbols:
                self.status.refused_symbols += 1
                return
            symbol = self.symbols[tick.symbol] = SymbolHistory(self._clock)
        self.status.saw_tick(None if tick.sent_at_us is None else self._wall() * 1e3 - tick.sent_at_us / 1e3)
        symbol.rate.add()
        verdict = symbol.continuity.judge(tick, self.status.gaps)
        if verdict is Verdict.DROP:
            return
        if tick.session is not None:
            self.status.sessions[tick.symbol] = tick.session
        if verdict is Verdict.NEW_RUN:
            symbol.begin_run()
        self._note_run(tick.epoch, verdict)
        symbol.series.append(tick, resumed=verdict is not Verdict.NEXT)

    def _note_run(self, epoch: str | None, verdict: Verdict) -> None:
        """Count a change of run once, not once per symbol; symbols of several engines may be of different runs."""
        if epoch is not None and epoch not in self._runs:
            self._runs.append(epoch)
            self.status.run = epoch
            if verdict is Verdict.NEW_RUN:
                self.status.run_changes += 1
        elif epoch is None and verdict is Verdict.NEW_RUN:
            self.status.run_changes += 1
