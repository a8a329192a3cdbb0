"""A taker whose orders excite further ones: bursts of market orders, mostly of one side, as a Hawkes process.

A. Hawkes, "Spectra of some self-exciting and mutually exciting point processes", 1971; for order flow E. Bacry, I.
Mastromatteo and J.-F. Muzy, "Hawkes processes in finance", 2015. The rate of buys is

    base_rate / 2 + sum over past orders of branching * weight * (f e^(-t/fast_s) / fast_s + (1 - f) e^(-t/slow_s) / slow_s)

where t is the order's age, f is `fast_share`, and weight is `same_side` for past buys and 1 - same_side for past sells; that
of sells alike. Each order has `branching` children on average, so the long-run rate is base_rate / (1 - branching), and
counts over times long beside slow_s have a variance of 1 / (1 - branching)^2 times their mean, where a Poisson process has
once its mean. Drawn by thinning (Y. Ogata, "On Lewis' simulation method for point processes", 1981).
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import numpy as np

from marksim.core.agents.bounds import Amount, Positive, Range, Rate, Share
from marksim.core.agents.draws import pareto
from marksim.core.agents.market import Market
from marksim.core.agents.pricing import lots_within
from marksim.core.agents.session import is_trading
from marksim.core.types import NS_PER_S, Side


@dataclass(frozen=True)
class Hawkes:
    """Parameters of `hawkes`. Sizes in lots, times in simulated seconds."""

    base_rate: Rate = 0.1
    """Orders a second of both sides together that no other caused."""
    branching: Annotated[float, Range(0, 0.95)] = 0.7
    """Mean number of orders that one causes directly."""
    fast_s: Positive = 0.5
    slow_s: Positive = 30.0
    fast_share: Share = 0.5
    """How many of the caused orders come by the fast decay."""
    same_side: Share = 0.8
    """How many of them are on the side of their cause."""
    size_lots: Amount = 60.0
    size_tail: Positive = 2.0
    """Sizes are 1 + size_lots times a Pareto variate of this exponent, at most 50 size_lots."""


@dataclass(slots=True)
class Excitement:
    """When the last order came, in seconds, and what is left of the excitement: rates of [buys, sells] by each decay."""

    at_s: float = 0.0
    fast: list[float] = field(default_factory=lambda: [0.0, 0.0])
    slow: list[float] = field(default_factory=lambda: [0.0, 0.0])


class HawkesAgent:
    """Sends a market order at each time of the process. What falls outside continuous trading is not sent."""

    def __init__(self, market: Market, p: Hawkes) -> None:
        self.market = market
        self.p = p
        self.start_ns: int | None = None
        """The beginning of the process; None before it."""
        self.excitement = Excitement()
        self.side = Side.UNSPECIFIED
        """Of the next order, whose time is `excitement.at_s`."""

    async def run(self) -> None:
        market, p, rng = self.market, self.p, self.market.rng
        instrument = market.instrument()
        if self.start_ns is None:
            self.start_ns = market.now_ns
            self.side = next_order(self.excitement, p, rng)
        while True:
            await market.sleep_until(self.start_ns + int(self.excitement.at_s * NS_PER_S))
            size = lots_within(instrument, 1 + int(p.size_lots * pareto(rng, p.size_tail, 50.0)))
            if is_trading(market.tick()):
                market.market(self.side, size)
            self.side = next_order(self.excitement, p, rng)

    def state(self) -> dict[str, Any]:
        return {"start_ns": self.start_ns, "excitement": asdict(self.excitement), "side": int(self.side)}

    def restore(self, state: dict[str, Any]) -> None:
        self.start_ns, self.side = state["start_ns"], Side(state["side"])
        self.excitement = Excitement(**state["excitement"])


def next_order(state: Excitement, p: Hawkes, rng: np.random.Generator) -> Side:
    """Bring the process to its next order; the side of it. `state.at_s` is then its time."""
    base, fast, slow = 0.5 * p.base_rate, state.fast, state.slow
    while True:
        # Rates only fall until the next order, so that the present one bounds them: draw by it, keep with their ratio.
        bound = 2.0 * base + fast[0] + fast[1] + slow[0] + slow[1]
        wait_s = rng.standard_exponential() / bound
        state.at_s += wait_s
        fast_left, slow_left = math.exp(-wait_s / p.fast_s), math.exp(-wait_s / p.slow_s)
        fast[0] *= fast_left
        fast[1] *= fast_left
        slow[0] *= slow_left
        slow[1] *= slow_left
        drawn = rng.random() * bound
        buys = base + fast[0] + slow[0]
        if drawn < buys:
            _excite(state, p, 0)
            return Side.BUY
        if drawn < buys + base + fast[1] + slow[1]:
            _excite(state, p, 1)
            return Side.SELL


def _excite(state: Excitement, p: Hawkes, which: int) -> None:
    by_fast = p.branching * p.fast_share / p.fast_s
    by_slow = p.branching * (1.0 - p.fast_share) / p.slow_s
    for place in (0, 1):
        weight = p.same_side if place == which else 1.0 - p.same_side
        state.fast[place] += weight * by_fast
        state.slow[place] += weight * by_slow
