"""Markets of populations, run by hand: on the floor, or with the book beside it."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from marksim.core.agents.latency import Latency, constant
from marksim.core.agents.spec import PopulationSpec, ValueSpec
from marksim.core.book.book import OrderBook
from marksim.core.feed.ticks import TickBuilder
from marksim.core.populations import POPULATION_TYPES, floor
from marksim.core.populations.crowd import Crowd
from marksim.core.populations.memory import POPULATION, rows
from marksim.core.types import (
    COMMAND,
    DEPTH,
    EXECUTION,
    QUOTE,
    TICK,
    CommandKind,
    Instrument,
    OrderType,
    Records,
    SessionState,
    Side,
    Tick,
    TimeInForce,
)

MS = 1_000_000
S = 1_000_000_000
START = 1_736_121_600 * S
WINDOW = 50 * MS
FAST = constant(10 * MS)
SCRIPT = 1
"""The account of commands that a test sends."""
FIRST = 2
"""That of the first trader."""
TAPE = {"applied": COMMAND, "events": EXECUTION, "quotes": QUOTE, "depth": DEPTH, "ticks": TICK}

COUNTED = {"applied": "command_rows", "depth": "depth_rows"}

BTC = Instrument("BTC/USD", "BTC", "USD", Fraction(1), Fraction(1, 100), 10_000, 1, 20_000)
STILL = ValueSpec("BTC/USD", sd_ticks=0.0)


def population(
    kind: str, traders: int = 1, *, order: Latency = FAST, feed: Latency = FAST, **parameters: Any
) -> PopulationSpec:
    """Traders of one behaviour; `crowd_of` numbers their accounts."""
    made = POPULATION_TYPES[kind].parameters(**parameters)
    return PopulationSpec(0, kind, kind, traders, "BTC/USD", order, feed, made)


def crowd_of(
    *populations: PopulationSpec,
    seed: int = 1,
    value: ValueSpec = STILL,
    instrument: Instrument = BTC,
    lookahead_ns: int = WINDOW,
) -> Crowd:
    """A crowd whose populations have accounts one after the other."""
    specs, account = [], FIRST
    for number, spec in enumerate(populations):
        specs.append(replace(spec, account=account, name=f"{spec.type}{number}"))
        account += spec.traders
    return Crowd(instrument, specs, value, seed=seed, start_ns=START, lookahead_ns=lookahead_ns, agents_end=SCRIPT + 1)


class Floor:
    """Runs crowds and their books in compiled code, and keeps their tapes."""

    def __init__(self, *crowds: Crowd, instrument: Instrument = BTC, rows: int = 4_096, lookahead_ns: int = WINDOW) -> None:
        self.crowds = crowds
        self.books = [OrderBook(instrument, start_ns=START) for _ in crowds]
        self.tickers = [TickBuilder(instrument, book.session_state) for book in self.books]
        self.tapes: list[dict[str, list[Records]]] = [{name: [] for name in TAPE} for _ in crowds]
        self.told: list[Records] = []
        self.answers: list[int] = []
        self.counters = np.zeros(1, floor.COUNTERS)
        self.lanes = np.zeros(len(crowds), floor.LANE)
        for lane, crowd, book, ticker in zip(self.lanes, crowds, self.books, self.tickers, strict=True):
            lane["crowd"] = crowd.memory.counters.ctypes.data
            lane["book"] = book.memory.counters.ctypes.data
            lane["ticker"] = ticker.memory.counters.ctypes.data
            for name, dtype in TAPE.items():
                crowd.memory.put(name, np.zeros(rows, dtype))
        self.counters["lanes_address"], self.counters["lanes_length"] = self.lanes.ctypes.data, len(crowds)
        self.counters["start_ns"], self.counters["lookahead_ns"] = START, lookahead_ns

    @property
    def book(self) -> OrderBook:
        return self.books[0]

    @property
    def crowd(self) -> Crowd:
        return self.crowds[0]

    def run(self, until_s: float) -> "Floor":
        """Run all windows that end by then."""
        last = int(until_s * S) // int(self.counters["lookahead_ns"][0]) - 1
        while (answer := floor.run_windows(self.counters, last)) != floor.DONE:
            self.answers.append(answer)
            symbol = int(self.counters["symbol"][0])
            if answer == floor.BOOK_ROOM:
                self.books[symbol].make_room(int(self.counters["quotes"][0]))
            elif answer == floor.CROWD_ROOM:
                self.crowds[symbol].make_room(int(self.books[symbol].memory.counters["executions"][0]))
            elif answer == floor.ROWS_FULL:
                self._take(symbol)
        for symbol in range(len(self.crowds)):
            self._take(symbol, may_grow=False)
        return self

    def tape(self, name: str, symbol: int = 0) -> Records:
        """All rows of a kind."""
        return np.concatenate([np.zeros(0, TAPE[name]), *self.tapes[symbol][name]])

    def _take(self, symbol: int, may_grow: bool = True) -> None:
        """Keep what was written; where that was nothing, make room for more at once."""
        memory, taken = self.crowds[symbol].memory, 0
        for name in TAPE:
            counter = COUNTED.get(name, f"{name[:-1]}_rows")
            count = int(memory.counters[counter][0])
            self.tapes[symbol][name].append(rows(memory, name, count).copy())
            memory.counters[counter] = 0
            taken += count
        count = int(memory.counters["told_rows"][0])
        self.told.append(rows(memory, "told", count).copy())
        memory.counters["told_rows"] = 0
        if may_grow and not taken:
            for name in TAPE:
                memory.grow(name, 2 * len(memory.arrays[name]))


class Apart:
    """The same with the book beside the crowd, one window after the other, and none left out."""

    def __init__(self, crowd: Crowd, instrument: Instrument = BTC, lookahead_ns: int = WINDOW) -> None:
        self.crowd, self.lookahead_ns = crowd, lookahead_ns
        self.book = OrderBook(instrument, start_ns=START)
        self.ticker = TickBuilder(instrument, self.book.session_state)
        self.window = 0
        self.tapes: dict[str, list[Records]] = {name: [] for name in TAPE}

    def run(self, until_s: float) -> "Apart":
        """Run all windows that end by then."""
        while (self.window + 1) * self.lookahead_ns <= int(until_s * S):
            self.step()
        return self

    def step(self) -> None:
        """One window."""
        self.window += 1
        end_ns = START + self.window * self.lookahead_ns
        commands = self.crowd.collect(end_ns)
        self.tapes["applied"].append(commands.copy())
        output = self.book.apply(commands, end_ns)
        for name in ("executions", "quotes", "depth"):
            self.tapes[name.replace("executions", "events")].append(getattr(output, name))
        tick = self.ticker.update(output, self.book.session)
        if tick is not None:
            self.tapes["ticks"].append(self.ticker.memory.last.copy())
        self.crowd.deliver(output.executions, tick, end_ns)

    def tape(self, name: str) -> Records:
        """All rows of a kind."""
        return np.concatenate([np.zeros(0, TAPE[name]), *self.tapes[name]])


def command(
    at_s: float,
    serial: int,
    side: Side = Side.BUY,
    lots: int = 0,
    price: int = 0,
    *,
    kind: CommandKind = CommandKind.NEW,
    target: int = 0,
    state: SessionState = SessionState.UNSPECIFIED,
) -> Records:
    """One command of the script; without a price it is a market order."""
    row = np.zeros(1, COMMAND)
    row["time_ns"], row["account"], row["serial"], row["kind"] = START + int(at_s * S), SCRIPT, serial, kind
    if kind == CommandKind.NEW:
        row["side"], row["quantity_lots"], row["price_ticks"] = side, lots, price
        row["order_type"] = OrderType.LIMIT if price else OrderType.MARKET
        row["time_in_force"] = TimeInForce.GTC if price else TimeInForce.IOC
    row["target_serial"], row["session_state"] = target, state
    return row


def session(at_s: float, serial: int, state: SessionState) -> Records:
    """A change of the session."""
    return command(at_s, serial, kind=CommandKind.SET_SESSION, state=state)


def two_sides(lots: int = 1_000, half_spread: int = 5, at_s: float = 0.0, middle: int = 10_000, serial: int = 1) -> Records:
    """A bid and an ask of the script."""
    bid = command(at_s, serial, Side.BUY, lots, middle - half_spread)
    return np.concatenate([bid, command(at_s, serial + 1, Side.SELL, lots, middle + half_spread)])


def of(events: Records, spec: PopulationSpec, column: str = "account") -> Any:
    """Which rows name a trader of a population there."""
    mask: Any = (events[column] >= spec.account) & (events[column] < spec.account + spec.traders)
    return mask


def orders_of(commands: Records, spec: PopulationSpec) -> Records:
    """New orders of a population."""
    return commands[of(commands, spec) & (commands["kind"] == CommandKind.NEW)]


def learn_all(run: Floor | Apart, wait_s: float = 200.0) -> Records:
    """Let nobody act any more, and all learn what happened; the traders' rows."""
    crowd = run.crowd
    populations: Any = crowd.memory.arrays["populations"]
    assert populations.dtype == POPULATION
    now_s = (int(run.counters["window"][0]) if isinstance(run, Floor) else run.window) * WINDOW / S
    # One last moment each, in a market that takes no orders any more.
    crowd.push(session(now_s, 1 << 40, SessionState.CLOSED))
    populations["next_ns"] = START + int((now_s + wait_s) * S)
    run.run(now_s + wait_s + 1)
    return crowd.positions()


def sums(traders: Records) -> tuple[int, int]:
    """Of positions and of cash."""
    return int(traders["position_lots"].sum()), int(traders["cash_ticks"].sum())


def same(one: Floor | Apart, other: Floor | Apart, names: Sequence[str] = tuple(TAPE)) -> bool:
    """Whether two tapes are equal, byte for byte."""
    return all(one.tape(name).tobytes() == other.tape(name).tobytes() for name in names)


def shown(at_s: float, bid: int, ask: int, bid_lots: int = 500, ask_lots: int = 500, **more: Any) -> Tick:
    """A tick for traders who are shown what a test wants."""
    values: dict[str, Any] = {"tick_number": 1, "trades_total": 0, "volume_total_lots": 0, "window_volume_lots": 0, **more}
    state = values.pop("session_state", SessionState.CONTINUOUS)
    last = values.pop("last_price_ticks", bid)
    return Tick(
        time_ns=START + int(at_s * S),
        last_price_ticks=last,
        bid_price_ticks=bid,
        bid_quantity_lots=bid_lots,
        ask_price_ticks=ask,
        ask_quantity_lots=ask_lots,
        volume_24h_lots=0,
        session_state=state,
        **values,
    )


def show(crowd: Crowd, tick: Tick) -> None:
    """Let it be the newest, of a window that ends with it."""
    crowd.deliver(np.zeros(0, EXECUTION), tick, tick.time_ns)


def collected(crowd: Crowd, until_s: float) -> Records:
    """What arrives by then at a book that answers nothing."""
    return crowd.collect(START + int(until_s * S)).copy()


def is_near(count: float, of: float, share: float, sigmas: float = 5.0) -> bool:
    """Whether so many of so many are what a share of them may be by chance."""
    return bool(abs(count - of * share) <= sigmas * max(of * share * (1.0 - share), 1.0) ** 0.5)
