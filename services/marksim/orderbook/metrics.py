"""What the order book tells Prometheus beside its stores and `timing.py`."""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from marksim.core.feed.tape import hash_number
from marksim.core.types import CommandKind, ExecutionKind, Instrument, Reason, SessionState, Tick
from marksim.orderbook.recording import Recorder
from marksim.orderbook.sequencing import Sequencer
from marksim.orderbook.servicer import OrderBookServicer
from marksim.orderbook.window import Counts

PREFIX: Final = "marksim_orderbook"
PRICES: Final = (
    ("last_price", "last_price_ticks", "Price of the last trade, in quote units; before the first, the opening reference."),
    ("best_bid_price", "bid_price_ticks", "Best bid, in quote units; of an empty side, its last price."),
    ("best_ask_price", "ask_price_ticks", "Best ask, in quote units; of an empty side, its last price."),
    (
        "indicative_price",
        "indicative_price_ticks",
        "Price at which an auction would uncross now, in quote units; 0 where none is on, or no orders cross.",
    ),
)
SIZES: Final = (
    ("best_bid_quantity", "bid_quantity_lots", "Quantity at the best bid, in base units; 0 for an empty side."),
    ("best_ask_quantity", "ask_quantity_lots", "Quantity at the best ask, in base units; 0 for an empty side."),
    ("indicative_volume", "indicative_volume_lots", "What would trade at the indicative price, in base units."),
    ("day_volume", "volume_24h_lots", "Quantity traded in the simulated minute and the 1,440 before it, in base units."),
)
"""Suffix of the metric, field of Tick, and its help text."""


class OrderBookMetrics(Collector):
    """Read when Prometheus asks, in the thread of the scrape: plain numbers only, and a tick never changes once made."""

    def __init__(self, servicer: OrderBookServicer) -> None:
        self._servicer = servicer

    def describe(self) -> Iterable[Metric]:
        """Names are not checked ahead."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The service, its order flow, the market by symbol, its named readers."""
        yield from self._service()
        yield from self._flow()
        shown = [(book.instrument, book.ticks.last) for book in self._servicer.sequencer.shard.books.values()]
        yield from _market(shown)
        resting = GaugeMetricFamily(f"{PREFIX}_resting_orders", "Orders that rest in the book.", labels=["symbol"])
        for symbol, book in self._servicer.sequencer.shard.books.items():
            resting.add_metric([symbol], book.book.order_count)
        yield resting
        yield _sessions(shown)
        yield self._tapes()
        yield self._readers()

    def _service(self) -> Iterable[Metric]:
        servicer, sequencer = self._servicer, self._servicer.sequencer
        totals, session = sequencer.totals, sequencer.session
        yield CounterMetricFamily(f"{PREFIX}_windows", "Windows done.", totals.windows)
        yield CounterMetricFamily(f"{PREFIX}_windows_resent", "Windows answered from the record.", totals.resent)
        for name, text, value in (
            ("tick_streams", "Open streams of ticks.", servicer.streams["ticks"]),
            ("execution_streams", "Open streams of an account's own executions.", servicer.streams["executions"]),
            ("named_readers_connected", "Named readers with an open stream.", servicer.readers.connected),
            ("engine_connected", "1 while an engine is connected, else 0.", session is not None),
            ("engine_paused", "1 while the connected engine is paused, else 0.", session is not None and session.paused),
            ("frame_ring_fill_ratio", "Part of the frame ring that is in use.", sequencer.tape.ring.fill),
        ):
            yield GaugeMetricFamily(f"{PREFIX}_{name}", text, float(value))
        if sequencer.recorder is not None:
            yield from _kept(sequencer, sequencer.recorder)
            text = "Writes of what named readers confirmed that failed, and were tried again."
            failures = servicer.confirmations.failures if servicer.confirmations is not None else 0
            yield CounterMetricFamily(f"{PREFIX}_confirmation_failures", text, failures)

    def _flow(self) -> Iterable[Metric]:
        totals = self._servicer.sequencer.totals
        commands = CounterMetricFamily(
            f"{PREFIX}_commands", "Commands that reached the book, by who sent them and kind.", labels=["source", "kind"]
        )
        for source, counts in (("agents", totals.commands), ("outside", totals.outside_commands)):
            for kind, count in _by_name(CommandKind, counts):
                commands.add_metric([source, kind], count)
        yield commands
        executions = CounterMetricFamily(f"{PREFIX}_executions", "Order events by kind.", labels=["kind"])
        for kind, count in _by_name(ExecutionKind, totals.executions):
            executions.add_metric([kind], count)
        yield executions
        rejects = CounterMetricFamily(f"{PREFIX}_rejects", "Commands that the book rejected, by reason.", labels=["reason"])
        for reason, count in _by_name(Reason, totals.rejects):
            rejects.add_metric([reason], count)
        yield rejects

    def _tapes(self) -> Metric:
        text = "First 48 bits, which are the first 12 hexadecimal digits, of the hash of the symbol's tape, as a number."
        tapes = GaugeMetricFamily(f"{PREFIX}_tape_hash", text, labels=["symbol"])
        # A copy at once: a window may put a new one in meanwhile.
        for symbol, tape in list(self._servicer.sequencer.tapes.items()):
            tapes.add_metric([symbol], float(hash_number(tape.hash)))
        return tapes

    def _readers(self) -> Metric:
        behind = GaugeMetricFamily(
            f"{PREFIX}_reader_behind_windows", "Windows done that a named reader has not confirmed yet.", labels=["reader"]
        )
        run = self._servicer.sequencer.run
        for reader in self._servicer.readers.to_proto():
            confirmed = reader.window if run and reader.run == run.run and reader.HasField("window") else -1
            behind.add_metric([reader.reader], run.last_window - confirmed if run else 0)
        return behind


def _kept(sequencer: Sequencer, recorder: Recorder) -> Iterable[Metric]:
    """The journal and its snapshots; nothing of them where nothing is kept."""
    text = "Snapshots that could not be written, and trims of the journal that failed."
    yield CounterMetricFamily(f"{PREFIX}_journal_failures", text, recorder.failures)
    behind = sequencer.last_window - recorder.snapshot_window
    for name, text, value in (
        ("held", "1 while a window that is done cannot be kept, and the market waits; else 0.", bool(sequencer.held)),
        ("journal_used_bytes", "What the journal's pages hold; looked at every ten seconds or sooner.", recorder.used_bytes),
        ("journal_capacity_bytes", "What they never pass.", recorder.capacity_bytes),
        ("snapshot_age_windows", "Windows that a start would play again: those after the newest snapshot.", behind),
        ("snapshot_stop_seconds", "How long the market stood still for the last snapshot.", recorder.stood_s),
    ):
        yield GaugeMetricFamily(f"{PREFIX}_{name}", text, float(value))


def _market(shown: Sequence[tuple[Instrument, Tick]]) -> Iterable[Metric]:
    for suffix, field, text in PRICES:
        yield _by_symbol(suffix, text, ((i.symbol, getattr(tick, field) * i.tick_size) for i, tick in shown))
    for suffix, field, text in SIZES:
        yield _by_symbol(suffix, text, ((i.symbol, getattr(tick, field) * i.lot_size) for i, tick in shown))
    trades = CounterMetricFamily(f"{PREFIX}_trades", "Trades in the present run.", labels=["symbol"])
    volume = CounterMetricFamily(f"{PREFIX}_volume", "Quantity traded in the present run, in base units.", labels=["symbol"])
    ticks = CounterMetricFamily(f"{PREFIX}_ticks", "Ticks in the present run.", labels=["symbol"])
    for instrument, tick in shown:
        trades.add_metric([instrument.symbol], tick.trades_total)
        volume.add_metric([instrument.symbol], float(tick.volume_total_lots * instrument.lot_size))
        ticks.add_metric([instrument.symbol], tick.tick_number)
    yield from (trades, volume, ticks)


def _sessions(shown: Sequence[tuple[Instrument, Tick]]) -> Metric:
    sessions = GaugeMetricFamily(
        f"{PREFIX}_session_state", "1 for the session that the symbol is in, 0 for the others.", labels=["symbol", "state"]
    )
    for instrument, tick in shown:
        for state in filter(None, SessionState):
            sessions.add_metric([instrument.symbol, state.name.lower()], float(state == tick.session_state))
    return sessions


def _by_symbol(suffix: str, text: str, values: Iterable[tuple[str, float]]) -> Metric:
    gauge = GaugeMetricFamily(f"{PREFIX}_{suffix}", text, labels=["symbol"])
    for symbol, value in values:
        gauge.add_metric([symbol], float(value))
    return gauge


def _by_name(names: type[IntEnum], counts: Counts) -> Iterable[tuple[str, int]]:
    """Every name but UNSPECIFIED, those with nothing included: an increase from nothing shows only where there was a 0."""
    return ((member.name.lower(), int(counts[member])) for member in names if member)
