"""Seeded streams of commands: kinds of traffic that bring out what a book can do."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from marksim.core.types import (
    COMMAND,
    NS_PER_MS,
    BandAction,
    CommandKind,
    Instrument,
    OrderType,
    Records,
    SessionState,
    StopTrigger,
    TimeInForce,
)
from tests.core.book.commands import instrument


@dataclass(frozen=True)
class Mix:
    """A kind of traffic."""

    band: int
    cancels: float
    markets: float
    serials: int
    max_orders: int
    invalid: float = 0.0
    min_price: int = 10
    max_price: int = 5_000
    terms: float = 0.0
    """Share of orders with terms: FOK, post-only, a smallest first fill, self-trade prevention, groups."""
    protection: int = 0
    amends: float = 0.0
    mass_cancels: float = 0.0
    icebergs: float = 0.0
    expiring: float = 0.0
    stops: float = 0.0
    quote_triggers: bool = False
    sessions: float = 0.0
    """Share of commands that change the session."""
    opening: float = 0.0
    """Share of orders that are for the opening."""
    day: bool = False
    """Whether the instrument's own times change the session."""
    static_band_ppm: int = 0
    dynamic_band_ppm: int = 0
    halts: bool = False
    """Whether the bands halt the market."""
    halt_ns: int = 0
    auction_ns: int = 0

    @property
    def has_times(self) -> bool:
        """Whether something happens by itself, so that it matters when a window ends."""
        return bool(self.expiring or self.sessions or self.day or self.halts)


ROUND: Final = (
    (0, SessionState.PRE_OPEN),
    (20, SessionState.OPENING_AUCTION),
    (60, SessionState.CONTINUOUS),
    (340, SessionState.CLOSING_AUCTION),
    (370, SessionState.CLOSED),
)
"""Milliseconds of a day so short that a stream of commands, half a millisecond apart, sees many."""
DAY: Final = tuple(((400 * each + at) * NS_PER_MS, state) for each in range(30) for at, state in ROUND)

EVERYTHING = Mix(
    band=5,
    cancels=0.1,
    markets=0.05,
    serials=300,
    max_orders=400,
    icebergs=0.3,
    expiring=0.3,
    terms=0.3,
    amends=0.3,
    mass_cancels=0.003,
    invalid=0.02,
    protection=4,
    stops=0.3,
)

MIXES = {
    "two prices": Mix(band=1, cancels=0.3, markets=0.05, serials=50, max_orders=1_000),
    "narrow": Mix(band=8, cancels=0.4, markets=0.05, serials=5_000, max_orders=1_000),
    "wide and deep": Mix(band=900, cancels=0.05, markets=0.002, serials=1 << 40, max_orders=1 << 20),
    "sweeps": Mix(band=400, cancels=0.1, markets=0.2, serials=1 << 40, max_orders=1 << 20),
    "full": Mix(band=50, cancels=0.2, markets=0.01, serials=100, max_orders=30),
    "one order": Mix(band=2, cancels=0.2, markets=0.01, serials=3, max_orders=1),
    "band edges": Mix(band=6, cancels=0.2, markets=0.05, serials=300, max_orders=100, min_price=998, max_price=1_003),
    "invalid": Mix(band=20, cancels=0.3, markets=0.05, serials=200, max_orders=200, invalid=0.3),
    "icebergs": Mix(band=3, cancels=0.1, markets=0.1, serials=5_000, max_orders=1_000, icebergs=0.5, amends=0.1, terms=0.2),
    "expiring": Mix(band=5, cancels=0.1, markets=0.02, serials=5_000, max_orders=300, expiring=0.5, amends=0.1),
    "icebergs that expire in depth": Mix(
        band=200, cancels=0.05, markets=0.02, serials=1 << 40, max_orders=1 << 20, icebergs=0.3, expiring=0.3, terms=0.2
    ),
    "stops": Mix(band=20, cancels=0.15, markets=0.1, serials=5_000, max_orders=400, stops=0.4),
    "stops in a thin market": Mix(band=60, cancels=0.2, markets=0.15, serials=60, max_orders=60, stops=0.5, amends=0.2),
    "stops on quotes": Mix(
        band=15, cancels=0.15, markets=0.1, serials=5_000, max_orders=400, stops=0.4, quote_triggers=True, expiring=0.3
    ),
    "cascades": Mix(band=400, cancels=0.02, markets=0.01, serials=1 << 40, max_orders=1 << 20, stops=0.6, terms=0.1),
    "everything on quotes": replace(EVERYTHING, quote_triggers=True),
    "everything": EVERYTHING,
    "amends": Mix(band=6, cancels=0.1, markets=0.05, serials=400, max_orders=1_000, amends=0.4, mass_cancels=0.002),
    "amends with terms": Mix(
        band=3, cancels=0.1, markets=0.03, serials=60, max_orders=200, terms=0.5, amends=0.5, mass_cancels=0.01, invalid=0.02
    ),
    "amends in depth": Mix(
        band=300, cancels=0.05, markets=0.02, serials=1 << 40, max_orders=1 << 20, amends=0.3, mass_cancels=0.0005
    ),
    "terms": Mix(band=4, cancels=0.2, markets=0.1, serials=5_000, max_orders=1_000, terms=0.8, protection=3),
    "terms at two prices": Mix(band=1, cancels=0.1, markets=0.05, serials=500, max_orders=300, terms=0.95, invalid=0.02),
    "terms in depth": Mix(
        band=300, cancels=0.02, markets=0.1, serials=1 << 40, max_orders=1 << 20, terms=0.3, protection=90
    ),
    "far levels": Mix(band=990, cancels=0.49, markets=0.001, serials=40, max_orders=50, max_price=1_000_000),
}

MIXES |= {
    "auctions": Mix(
        band=6,
        cancels=0.15,
        markets=0.05,
        serials=5_000,
        max_orders=500,
        sessions=0.03,
        opening=0.15,
        icebergs=0.2,
        amends=0.1,
        expiring=0.1,
        auction_ns=5 * NS_PER_MS,
        mass_cancels=0.006,
    ),
    "auctions at two prices": Mix(
        band=1, cancels=0.1, markets=0.1, serials=60, max_orders=60, sessions=0.06, opening=0.3, icebergs=0.4, amends=0.2
    ),
    "auctions in depth": Mix(
        band=200,
        cancels=0.05,
        markets=0.02,
        serials=1 << 40,
        max_orders=1 << 20,
        sessions=0.005,
        opening=0.05,
        icebergs=0.2,
        stops=0.1,
    ),
    "auctions at the band edges": Mix(
        band=6,
        cancels=0.2,
        markets=0.1,
        serials=300,
        max_orders=100,
        min_price=998,
        max_price=1_003,
        sessions=0.05,
        opening=0.4,
    ),
    "days": Mix(
        band=8,
        cancels=0.15,
        markets=0.05,
        serials=5_000,
        max_orders=400,
        day=True,
        opening=0.1,
        expiring=0.2,
        stops=0.2,
        quote_triggers=True,
        mass_cancels=0.006,
    ),
    "bands that reject": Mix(
        band=14,
        cancels=0.1,
        markets=0.15,
        serials=5_000,
        max_orders=400,
        static_band_ppm=8_000,
        dynamic_band_ppm=5_000,
        stops=0.2,
        amends=0.1,
        terms=0.2,
        sessions=0.005,
        mass_cancels=0.006,
    ),
    "bands that halt": Mix(
        band=12,
        cancels=0.1,
        markets=0.1,
        serials=5_000,
        max_orders=400,
        static_band_ppm=9_000,
        dynamic_band_ppm=5_000,
        halts=True,
        halt_ns=3 * NS_PER_MS,
        auction_ns=4 * NS_PER_MS,
        stops=0.3,
        icebergs=0.2,
        terms=0.3,
        amends=0.2,
        mass_cancels=0.006,
    ),
    "halts of no time": Mix(
        band=15,
        cancels=0.1,
        markets=0.15,
        serials=300,
        max_orders=200,
        dynamic_band_ppm=4_000,
        halts=True,
        stops=0.3,
        protection=6,
        quote_triggers=True,
        expiring=0.2,
        mass_cancels=0.006,
    ),
    "everything in auctions": replace(
        EVERYTHING, sessions=0.02, opening=0.1, static_band_ppm=4_000, auction_ns=3 * NS_PER_MS, quote_triggers=True
    ),
    "everything in days": replace(
        EVERYTHING,
        invalid=0.0,
        day=True,
        sessions=0.003,
        opening=0.05,
        dynamic_band_ppm=3_000,
        halts=True,
        halt_ns=2 * NS_PER_MS,
        auction_ns=2 * NS_PER_MS,
    ),
}


def traded_in(mix: Mix) -> Instrument:
    """The instrument that a mix trades."""
    return instrument(
        min_price_ticks=mix.min_price,
        max_price_ticks=mix.max_price,
        market_protection_ticks=mix.protection,
        stop_trigger=StopTrigger.QUOTE if mix.quote_triggers else StopTrigger.UNSPECIFIED,
        static_band_ppm=mix.static_band_ppm,
        dynamic_band_ppm=mix.dynamic_band_ppm,
        band_action=BandAction.HALT if mix.halts else BandAction.UNSPECIFIED,
        halt_ns=mix.halt_ns,
        auction_ns=mix.auction_ns,
        sessions=DAY if mix.day else (),
    )


def stream(rng: np.random.Generator, mix: Mix, count: int) -> Records:
    """Random commands of a few accounts."""
    commands = np.zeros(count, COMMAND)
    commands["time_ns"] = np.cumsum(rng.integers(0, 1_000_000, count))
    commands["account"] = rng.integers(-1, 4, count)
    commands["serial"] = rng.integers(0, mix.serials, count)
    commands["kind"] = np.where(rng.random(count) < mix.cancels, 2, 1)
    # Half of the cancels name a lately used serial, so that with many serials some are found.
    recent = np.maximum(np.arange(count) - rng.integers(1, 40, count), 0)
    commands["target_serial"] = np.where(
        rng.random(count) < 0.5, commands["serial"][recent], rng.integers(0, mix.serials, count)
    )
    commands["account"] = np.where(commands["kind"] == 2, commands["account"][recent], commands["account"])
    commands["side"] = rng.integers(1, 3, count)
    commands["order_type"] = np.where(rng.random(count) < mix.markets, 2, 1)
    commands["time_in_force"] = rng.choice([0, 1, 2], count, p=[0.5, 0.4, 0.1])
    away = rng.integers(-mix.band, mix.band + 1, count)
    away = np.where(rng.random(count) < 0.6, np.where(commands["side"] == 1, -np.abs(away), np.abs(away)), away)
    commands["price_ticks"] = np.where(commands["order_type"] == 2, 0, 1_000 + away)
    commands["quantity_lots"] = rng.integers(2, 100, count)
    _add_terms(rng, mix, commands)
    _add_parts(rng, mix, commands)
    _add_stops(rng, mix, commands)
    _add_amends(rng, mix, commands)
    if mix.opening:
        _add_orders_for_the_opening(rng, mix, commands)
    if mix.sessions:
        _add_sessions(rng, mix, commands)
    for row in np.flatnonzero(rng.random(count) < mix.invalid):
        name = rng.choice(list(COMMAND.names or ()))
        bits = np.iinfo(COMMAND[name])
        near = [1 << 31, -(1 << 31), 1 << 32, 1 << 40, 1 << 62] if bits.bits == 64 else [4, 5, 6]
        commands[name][row] = rng.choice([bits.min, bits.min + 1, 0, 1, 3, *near, bits.max - 1, bits.max])
    return commands


def _add_terms(rng: np.random.Generator, mix: Mix, commands: Records) -> None:
    count = len(commands)
    chosen = (rng.random(count) < mix.terms) & (commands["kind"] == 1)
    commands["self_trade_prevention"] = np.where(chosen, rng.integers(0, 5, count), 0)
    commands["self_trade_group"] = np.where(chosen & (rng.random(count) < 0.2), rng.integers(1, 3, count), 0)
    kind = np.where(chosen, rng.integers(0, 6, count), 0)
    commands["time_in_force"] = np.where(kind == 1, 3, commands["time_in_force"])
    commands["min_quantity_lots"] = np.where((kind == 1) | (kind == 2), rng.integers(0, 60, count), 0)
    post_only = (kind > 3) & (commands["order_type"] == 1) & (commands["time_in_force"] < 2)
    commands["post_only"] = np.where(post_only, kind - 3, 0)


def _add_parts(rng: np.random.Generator, mix: Mix, commands: Records) -> None:
    """Icebergs and orders that expire, among those that rest."""
    count = len(commands)
    rests = (commands["kind"] == 1) & (commands["order_type"] == 1) & (commands["time_in_force"] < 2)
    icebergs = rests & (rng.random(count) < mix.icebergs)
    shown = np.minimum(rng.integers(1, 30, count), commands["quantity_lots"])
    commands["display_lots"] = np.where(icebergs, shown, 0)
    expiring = rests & (rng.random(count) < mix.expiring)
    commands["time_in_force"] = np.where(expiring, 4, commands["time_in_force"])
    # In whole milliseconds, so that several expire at once, and some of them at the time of a command or before it.
    ends = commands["time_ns"] + rng.integers(-1, 200, count) * 500_000
    commands["expire_time_ns"] = np.where(expiring, np.maximum(ends // 1_000_000, 1) * 1_000_000, 0)


def _add_stops(rng: np.random.Generator, mix: Mix, commands: Records) -> None:
    """Some of the orders that would take wait for a price instead, most of them for one that is not reached yet."""
    count = len(commands)
    stops = (commands["kind"] == 1) & (commands["post_only"] == 0) & (rng.random(count) < mix.stops)
    limited = stops & (commands["order_type"] == 1) & (rng.random(count) < 0.6)
    commands["order_type"] = np.where(limited, 4, np.where(stops, 3, commands["order_type"]))
    plain = stops & ~limited
    commands["price_ticks"] = np.where(plain, 0, commands["price_ticks"])
    commands["display_lots"] = np.where(plain, 0, commands["display_lots"])
    commands["min_quantity_lots"] = np.where(stops, 0, commands["min_quantity_lots"])
    away = np.where(commands["side"] == 1, 1, -1) * rng.integers(-mix.band // 4, mix.band + 1, count)
    commands["stop_price_ticks"] = np.where(stops, 1_000 + away, 0)
    at_once = plain & ((commands["time_in_force"] == 2) | (commands["time_in_force"] == 3))
    commands["time_in_force"] = np.where(at_once, 0, commands["time_in_force"])


def _add_amends(rng: np.random.Generator, mix: Mix, commands: Records) -> None:
    """Some of the new orders become changes of lately used ones, and some of all commands mass cancels."""
    count = len(commands)
    amends = (commands["kind"] == 1) & (rng.random(count) < mix.amends)
    recent = np.maximum(np.arange(count) - rng.integers(1, 60, count), 0)
    commands["kind"] = np.where(amends, 3, commands["kind"])
    commands["account"] = np.where(amends, commands["account"][recent], commands["account"])
    commands["target_serial"] = np.where(amends, commands["serial"][recent], commands["target_serial"])
    keeps_name = amends & (rng.random(count) < 0.7)
    commands["serial"] = np.where(keeps_name, commands["target_serial"], commands["serial"])
    commands["price_ticks"] = np.where(amends & (rng.random(count) < 0.4), 0, commands["price_ticks"])
    commands["quantity_lots"] = np.where(amends & (rng.random(count) < 0.4), 0, commands["quantity_lots"])
    keeps_life = amends & (rng.random(count) < 0.95)
    commands["time_in_force"] = np.where(keeps_life, 0, commands["time_in_force"])
    for name in ("min_quantity_lots", "display_lots", "expire_time_ns", "stop_price_ticks"):
        commands[name] = np.where(keeps_life, 0, commands[name])
    all_of_them = rng.random(count) < mix.mass_cancels
    of_gone = commands["serial"] % 2 == 0
    cancels_all = np.where(of_gone, CommandKind.OWNER_GONE, CommandKind.MASS_CANCEL)
    commands["kind"] = np.where(all_of_them, cancels_all, commands["kind"])
    commands["side"] = np.where(all_of_them, rng.integers(0, 4, count), commands["side"])


def _add_orders_for_the_opening(rng: np.random.Generator, mix: Mix, commands: Records) -> None:
    count = len(commands)
    plain = (commands["kind"] == CommandKind.NEW) & (commands["order_type"] <= OrderType.MARKET)
    chosen = plain & (rng.random(count) < mix.opening)
    commands["time_in_force"] = np.where(chosen, TimeInForce.AT_THE_OPEN, commands["time_in_force"])
    at_any_price = chosen & (rng.random(count) < 0.3)
    commands["order_type"] = np.where(at_any_price, OrderType.MARKET, commands["order_type"])
    commands["price_ticks"] = np.where(at_any_price, 0, commands["price_ticks"])
    wrong = rng.random(count) < 0.02
    for name in ("min_quantity_lots", "display_lots", "expire_time_ns", "post_only"):
        commands[name] = np.where(chosen & ~wrong, 0, commands[name])


def _add_sessions(rng: np.random.Generator, mix: Mix, commands: Records) -> None:
    """Some of all commands change the session, most of them for a short while or back to trading."""
    count = len(commands)
    chosen = rng.random(count) < mix.sessions
    commands["kind"] = np.where(chosen, CommandKind.SET_SESSION, commands["kind"])
    state = rng.choice(8, count, p=[0.01, 0.1, 0.18, 0.36, 0.14, 0.13, 0.07, 0.01])
    commands["session_state"] = np.where(chosen, state, 0)
    # In whole milliseconds, as expiries are, so that several things are due at once; some ends have gone by.
    ends = (commands["time_ns"] + rng.integers(-2, 60, count) * 500_000) // NS_PER_MS * NS_PER_MS
    may_end = np.isin(state, (SessionState.OPENING_AUCTION, SessionState.HALTED, SessionState.CLOSING_AUCTION))
    has_end = np.where(may_end, rng.random(count) < 0.6, rng.random(count) < 0.05)
    commands["expire_time_ns"] = np.where(chosen, np.where(has_end, ends, 0), commands["expire_time_ns"])
