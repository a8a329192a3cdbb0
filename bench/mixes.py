"""The kinds of traffic that are measured, as seeded streams of commands.

A stream is made in chunks, and every chunk is applied to a book as soon as it is made: so the next one knows which orders
are open, and its cancels and amendments name those, each at most once. Only an order that trades away earlier in the same
chunk is named in vain; `Stream.vain` says how often that is. What a book has is kept near the mix's number of resting
orders: if it has more, takers become larger and cancels more frequent.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.terms import add_terms, make_amends
from marksim.core.book.book import OrderBook
from marksim.core.types import COMMAND, CommandKind, ExecutionKind, Instrument, OrderType, Records, Side, TimeInForce

CENTRE: Final = 100_000
BTC: Final = Instrument("BTC/USD", "BTC", "USD", Fraction(1, 2), Fraction(1, 1000), CENTRE, 1, 4 * CENTRE)
ACCOUNTS: Final = 64
LARGEST_CHUNK: Final = 4_096
LARGEST_LOTS: Final = 99
STEP_NS: Final = 100_000
"""Between two commands: 10,000 a simulated second."""

Distances = Callable[[np.random.Generator, int], NDArray[np.int64]]


def near(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Within some 15 ticks of the centre."""
    return 1 + np.abs(rng.normal(0, 15, count)).astype(np.int64)


def far_and_wide(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Anywhere on 2,500 levels, but for a tenth that takes the place of what trades at the top."""
    return np.where(rng.random(count) < 0.1, rng.integers(1, 11, count), rng.integers(1, 2_501, count))


def refilling(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """On the 60 levels that are swept, but for a twentieth behind them, for takers that go deeper."""
    return np.where(rng.random(count) < 0.05, rng.integers(61, 261, count), rng.integers(1, 61, count))


@dataclass(frozen=True)
class Mix:
    """A kind of traffic: what is neither a cancel nor a taker nor one of the terms is a limit order that rests."""

    what: str
    resting: int
    cancels: float
    takers: float
    distances: Distances = near
    taken: float = 1.0
    """Orders that a taker fills, about."""
    reach: int = 3
    """Ticks beyond the centre at which a taker's limit is."""
    swing: int = 0
    """How far the centre swings, in ticks."""
    grows: bool = False
    """Whether the book is brought back to its number of resting orders only between parts, in time that is not measured."""
    amends: float = 0.0
    mass_cancels: float = 0.0
    terms: bool = False
    """Whether orders are of every kind."""


MIXES: Final = {
    "calm": Mix("limit orders near the centre, 15 % cancels, 5 % takers", 10_000, 0.15, 0.05, grows=True),
    "churn": Mix("45 % cancels of random orders, 5 % takers", 10_000, 0.45, 0.05),
    "deep": Mix("100,000 orders over 5,000 levels, 45 % cancels, 5 % takers", 100_000, 0.45, 0.05, far_and_wide, reach=50),
    "sweeps": Mix("5 % takers through many levels, makers that refill them", 2_000, 0.05, 0.05, refilling, 17.0, 260),
    "full": Mix(
        "every kind of order and command",
        10_000,
        0.34,
        0.04,
        reach=60,
        swing=12,
        amends=0.07,
        mass_cancels=0.0002,
        terms=True,
    ),
}

PART: Final = 1 << 16
"""Commands of a part of a mix that grows."""


@dataclass(frozen=True)
class Part:
    commands: Records
    timed: bool


@dataclass
class Stream:
    """What is applied to a book, and how the book is at its end."""

    parts: list[Part]
    state_hash: str
    serials: int
    """All serials are below."""
    resting: int
    trades: int
    levels: int
    """With orders."""
    swept: float
    """Levels at which a taker trades, on average."""
    vain: float
    """Share of the cancels and amendments that were refused."""

    @property
    def timed(self) -> int:
        return sum(len(part.commands) for part in self.parts if part.timed)


@dataclass
class Maker:
    """Makes the chunks of one stream."""

    mix: Mix
    rng: np.random.Generator
    book: OrderBook
    serials: int
    resting: int
    next_serial: int = 1
    time_ns: int = 1
    centre: int = CENTRE
    trades: int = 0
    takers: int = 0
    swept: int = 0
    refused: int = 0
    rejected: int = 0
    named: int = 0
    account: NDArray[np.int64] = field(init=False)
    lots: NDArray[np.int64] = field(init=False)
    open_: NDArray[np.bool_] = field(init=False)
    pool: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Serials of the open orders."""

    def __post_init__(self) -> None:
        self.account, self.lots = np.zeros((2, self.serials), np.int64)
        self.open_ = np.zeros(self.serials, np.bool_)

    def makers(self, count: int) -> Records:
        """Limit orders that rest."""
        commands = self._new(count)
        self._place(commands)
        return self._applied(commands)

    def cancels_of(self, count: int) -> Records:
        """So many cancels."""
        commands = self._blank(count)
        self._name_open(commands, np.arange(count))
        return self._applied(commands)

    def chunks(self, count: int) -> Records:
        """The mix's traffic, in chunks that are small beside the book."""
        size = min(max(self.resting // 20, 32), LARGEST_CHUNK)
        return np.concatenate([self.chunk(min(size, count - at)) for at in range(0, count, size)])

    def chunk(self, count: int) -> Records:
        """The same, all of it made before any of it is applied."""
        mix, rng = self.mix, self.rng
        draw = rng.random(count)
        commands = self._new(count)
        self._place(commands)
        takers = draw > 1 - mix.takers
        self._take(commands, takers)
        if mix.terms:
            add_terms(rng, commands, takers, self._middle)
            everything = np.flatnonzero(rng.random(count) < mix.mass_cancels)
            self._put(commands, everything, CommandKind.MASS_CANCEL, commands["account"][everything])
        self.lots[commands["serial"]] = np.where(commands["order_type"] == OrderType.STOP, 0, commands["quantity_lots"])
        cancels = mix.cancels * self._fullness(0.5, 1.5)
        named = np.flatnonzero(draw < cancels + mix.amends)[: len(self.pool)]
        prices = commands["price_ticks"][named]
        targets = self._name_open(commands, named)
        amends = draw[named] >= cancels
        commands["price_ticks"][named[amends]] = prices[amends]
        make_amends(rng, commands, named[amends], self.lots[targets[amends]])
        return self._applied(commands)

    def _blank(self, count: int) -> Records:
        commands = np.zeros(count, COMMAND)
        commands["time_ns"] = self.time_ns + STEP_NS * np.arange(count)
        self.time_ns += STEP_NS * count
        return commands

    def _new(self, count: int) -> Records:
        commands = self._blank(count)
        serials = np.arange(self.next_serial, self.next_serial + count)
        self.next_serial += count
        commands["kind"], commands["order_type"], commands["time_in_force"] = (
            CommandKind.NEW,
            OrderType.LIMIT,
            TimeInForce.GTC,
        )
        commands["serial"], commands["account"] = serials, self.rng.integers(1, ACCOUNTS + 1, count)
        commands["side"] = self.rng.integers(1, 3, count)
        commands["quantity_lots"] = self.rng.integers(1, LARGEST_LOTS + 1, count)
        self.account[serials] = commands["account"]
        return commands

    def _sign(self, commands: Records) -> NDArray[np.int64]:
        return np.where(commands["side"] == Side.BUY, 1, -1)

    @property
    def _middle(self) -> int:
        return self.centre + round(self.mix.swing * np.sin(self.time_ns / STEP_NS / 3_000))

    def _fullness(self, least: float, most: float) -> float:
        """Open orders as a share of what they should be."""
        return 1.0 if self.mix.grows else min(max(len(self.pool) / self.resting, least), most)

    def _place(self, commands: Records) -> None:
        away = self.mix.distances(self.rng, len(commands))
        commands["price_ticks"] = self._middle - self._sign(commands) * away

    def _take(self, commands: Records, chosen: NDArray[np.bool_]) -> None:
        """Make takers of some."""
        mix = self.mix
        size = mix.taken * self._fullness(0.5, 2.0)
        lots = np.maximum(commands["quantity_lots"] * size, 1).astype(np.int64)
        commands["quantity_lots"] = np.where(chosen, lots, commands["quantity_lots"])
        price = self._middle + self._sign(commands) * mix.reach
        commands["price_ticks"] = np.where(chosen, price, commands["price_ticks"])

    def _name_open(self, commands: Records, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Make cancels of rows, each of another open order; the serials of those."""
        targets = self.pool[self.rng.choice(len(self.pool), len(at), replace=False)] if len(at) else self.pool[:0]
        self._put(commands, at, CommandKind.CANCEL, self.account[targets])
        commands["target_serial"][at] = targets
        self.named += len(at)
        return targets

    def _put(self, commands: Records, at: NDArray[np.int64], kind: CommandKind, accounts: NDArray[np.int64]) -> None:
        """Rows of that kind, of which nothing is left but the time."""
        rows = np.zeros(len(at), COMMAND)
        rows["time_ns"], rows["kind"], rows["account"] = commands["time_ns"][at], kind, accounts
        commands[at] = rows

    def _applied(self, commands: Records) -> Records:
        """Apply them, and learn which orders are open now."""
        rows = self.book.apply(commands).executions
        kind, serial = rows["kind"], rows["serial"]
        refused = kind == ExecutionKind.CANCEL_REJECTED
        own = ~refused & (kind != ExecutionKind.REJECTED)
        # Of an order's rows the last one counts; a maker whose last lot traded has no later one.
        self.open_[serial[own]] = rows["leaves_lots"][own] > 0
        traded = rows[kind == ExecutionKind.TRADED]
        self.open_[traded["maker_serial"][traded["maker_leaves_lots"] == 0]] = False
        fresh = commands["serial"][commands["kind"] == CommandKind.NEW]
        pool = np.concatenate([self.pool, fresh])
        self.pool = pool[self.open_[pool]]
        self.trades += len(traded)
        if len(traded):
            another = np.diff(traded["serial"]) != 0
            self.takers += 1 + int(another.sum())
            self.swept += 1 + int((another | (np.diff(traded["price_ticks"]) != 0)).sum())
        self.refused += int(refused.sum())
        self.rejected += int((kind == ExecutionKind.REJECTED).sum())
        return commands


def stream_of(mix: Mix, timed: int, seed: int, resting: int | None = None, warm: int | None = None) -> Stream:
    """A book of the mix's resting orders, some traffic that brings it into its steady state, and then what is timed."""
    resting = mix.resting if resting is None else resting
    if warm is None:
        warm = PART if mix.grows else 2 * min(resting, 100_000)
    book = OrderBook(BTC)
    maker = Maker(mix, np.random.default_rng(seed), book, resting + warm + timed + 1, resting)
    parts = [Part(maker.makers(resting), False)]
    if warm:
        parts.append(Part(maker.chunks(warm), False))
    if warm and mix.grows:
        parts.append(Part(maker.cancels_of(len(maker.pool) - resting), False))
    maker.trades = maker.takers = maker.swept = maker.refused = maker.named = 0
    done = 0
    while done < timed:
        count = min(PART, timed - done) if mix.grows else timed
        parts.append(Part(maker.chunks(count), True))
        done += count
        if mix.grows and done < timed:
            parts.append(Part(maker.cancels_of(len(maker.pool) - resting), False))
    depth = book.depth()
    return Stream(
        parts,
        state_hash=book.state_hash(),
        serials=maker.next_serial,
        resting=book.order_count + book.stop_count,
        trades=maker.trades,
        levels=len(depth),
        swept=maker.swept / max(maker.takers, 1),
        vain=maker.refused / max(maker.named, 1),
    )
