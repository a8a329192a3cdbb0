"""Ticks in plain Python, as the compiled ones are specified."""

from typing import Final

from marksim.core.types import NS_PER_MINUTE, BookOutput, ExecutionKind, Instrument, Session, SessionState, Tick

TRADED: Final = int(ExecutionKind.TRADED)

MINUTES: Final = 1_441
"""The current simulated minute and the 1,440 before it."""


class RollingVolume:
    """What traded in the current simulated minute and the 1,440 before it, in a ring of one sum a minute."""

    def __init__(self) -> None:
        self._lots = [0] * MINUTES
        self._minute = 0
        self._total = 0

    @property
    def total_lots(self) -> int:
        return self._total

    def advance(self, time_ns: int) -> None:
        """Make the minute of `time_ns` the current one; a time before it changes nothing."""
        minute = time_ns // NS_PER_MINUTE
        steps = minute - self._minute
        if steps <= 0:
            return
        if steps >= MINUTES:
            self._lots = [0] * MINUTES
            self._total = 0
        else:
            for gone in range(self._minute + 1, minute + 1):
                self._total -= self._lots[gone % MINUTES]
                self._lots[gone % MINUTES] = 0
        self._minute = minute

    def add(self, time_ns: int, lots: int) -> None:
        """Count a trade, and advance to its time."""
        self.advance(time_ns)
        self._lots[self._minute % MINUTES] += lots
        self._total += lots


class TickBuilder:
    """Turns the outputs of one symbol's book into ticks.

    There is a tick for every output with at least one quote or trade, also when the quote came back to where it was: then
    something did happen in the window, and its quotes are in the frame. Its time is that of the last quote or trade, and
    never before the previous tick's. There is one, too, where the session's state, an indicative figure or, beyond what
    traded, the session's volume is no longer that of the previous tick; then its time is that of the last execution.
    """

    def __init__(self, instrument: Instrument, state: SessionState = SessionState.CONTINUOUS) -> None:
        reference = instrument.reference_price_ticks
        self._volume = RollingVolume()
        self._last = Tick(
            tick_number=0,
            time_ns=0,
            last_price_ticks=reference,
            bid_price_ticks=reference,
            bid_quantity_lots=0,
            ask_price_ticks=reference,
            ask_quantity_lots=0,
            volume_24h_lots=0,
            trades_total=0,
            volume_total_lots=0,
            window_volume_lots=0,
            session_state=state,
        )

    @property
    def last(self) -> Tick:
        """The newest tick; before the first, tick_number and time_ns are 0 and all prices the opening reference."""
        return self._last

    def update(self, output: BookOutput, session: Session) -> Tick | None:
        """The tick of one window's output, after which the session is so; None if nothing changed that a tick shows."""
        executions = output.executions
        # Windows are small and this runs for every one of them: a scan of bytes is much cheaper than a mask.
        trades = [row for row, kind in enumerate(executions["kind"].tobytes()) if kind == TRADED]
        last = self._last
        quantities = executions["quantity_lots"]
        window_volume = sum(int(quantities[row]) for row in trades)
        changed = len(executions) > 0 and _shown(session) != _shown_by(last, window_volume)
        if not (trades or changed or len(output.quotes)):
            return None
        time_ns, price = last.time_ns, last.last_price_ticks
        for row in trades:
            trade_time_ns = int(executions["time_ns"][row])
            price = int(executions["price_ticks"][row])
            self._volume.add(trade_time_ns, int(quantities[row]))
            time_ns = max(time_ns, trade_time_ns)
        bid, bid_lots = last.bid_price_ticks, last.bid_quantity_lots
        ask, ask_lots = last.ask_price_ticks, last.ask_quantity_lots
        if len(output.quotes):
            _, quote_time_ns, bid, bid_lots, ask, ask_lots = output.quotes.item(-1)
            time_ns = max(time_ns, quote_time_ns)
        if changed:
            time_ns = max(time_ns, int(executions["time_ns"][-1]))
        self._volume.advance(time_ns)
        self._last = Tick(
            tick_number=last.tick_number + 1,
            time_ns=time_ns,
            last_price_ticks=price,
            bid_price_ticks=bid,
            bid_quantity_lots=bid_lots,
            ask_price_ticks=ask,
            ask_quantity_lots=ask_lots,
            volume_24h_lots=self._volume.total_lots,
            trades_total=last.trades_total + len(trades),
            volume_total_lots=last.volume_total_lots + window_volume,
            window_volume_lots=window_volume,
            session_state=session.state,
            session_volume_lots=session.volume_lots,
            indicative_price_ticks=session.indicative_price_ticks,
            indicative_volume_lots=session.indicative_volume_lots,
            indicative_surplus_lots=session.indicative_surplus_lots,
        )
        return self._last


def _shown(session: Session) -> tuple[int, ...]:
    """What makes a tick beside quotes and trades."""
    indicative = (session.indicative_price_ticks, session.indicative_volume_lots, session.indicative_surplus_lots)
    return session.state, session.volume_lots, *indicative


def _shown_by(tick: Tick, traded_lots: int) -> tuple[int, ...]:
    """The same of a tick, once so much more has traded."""
    indicative = (tick.indicative_price_ticks, tick.indicative_volume_lots, tick.indicative_surplus_lots)
    return tick.session_state, tick.session_volume_lots + traded_lots, *indicative
