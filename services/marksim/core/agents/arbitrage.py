"""Arbitrage between two symbols whose prices belong together: sells the dear one and buys the cheap one.

With a and b the prices of the first and second symbol and beta `hedge_ratio` units of the second for one of the first, the
spread a - beta b is cointegrated: it wanders, and comes back (R. Engle and C. Granger, "Co-integration and error
correction", 1987; E. Gatev, W. Goetzmann and K. Rouwenhorst, "Pairs trading: performance of a relative-value arbitrage
rule", 2006). Its mean is that of the reference prices or, with `mean_memory_s`, an exponential mean that starts there. Where
both legs can be traded at once with `entry_ticks` to gain, it trades up to `size_lots` of the first at the seen prices, and
beta times as much of the second; within `exit_ticks` of the mean it undoes them. A leg that did not trade leaves a surplus
of the second symbol, which goes at the market at the next look.
"""

import math
from dataclasses import dataclass
from typing import Any

from marksim.core.agents.bounds import Amount, Count, Positive, Whole
from marksim.core.agents.market import Market
from marksim.core.agents.paced import Paced
from marksim.core.agents.pricing import lots_within, mid_ticks
from marksim.core.agents.session import is_trading
from marksim.core.agents.views import Order
from marksim.core.errors import InvalidInput
from marksim.core.types import NS_PER_S, Side, Tick


@dataclass(frozen=True)
class Arbitrage:
    """Parameters of `arbitrage`. Prices in ticks of the first symbol, sizes in its lots, times in simulated seconds."""

    interval_s: Positive = 0.5
    hedge_ratio: Amount = 0.0
    """Units of the second symbol for one of the first; 0 means the ratio of their reference prices."""
    entry_ticks: Positive = 6.0
    exit_ticks: Amount = 1.0
    mean_memory_s: Amount = 0.0
    """Over which the mean of the spread is learned; 0 means that it stays."""
    size_lots: Count = 100
    max_position_lots: Whole = 2_000


class ArbitrageAgent(Paced):
    """Looks at both symbols now and then; trades them against each other where it pays, while both trade."""

    def __init__(self, market: Market, p: Arbitrage) -> None:
        super().__init__(market)
        if len(market.symbols) != 2:
            given = len(market.symbols)
            raise InvalidInput(f"{market.name}: arbitrage needs two symbols, not {given}: give symbols: [A, B]")
        self.p = p
        one, other = (market.instrument(symbol) for symbol in market.symbols)
        one_price, other_price = one.reference_price_ticks * one.tick_size, other.reference_price_ticks * other.tick_size
        beta = p.hedge_ratio or float(one_price / other_price)
        self.ratio = beta * float(other.tick_size / one.tick_size)
        """beta in ticks of the first a tick of the second."""
        self.hedge = beta * float(one.lot_size / other.lot_size)
        """beta in lots of the second a lot of the first."""
        self.mean = one.reference_price_ticks - self.ratio * other.reference_price_ticks
        self.at_ns = 0
        self.legs: list[Order] = []

    def begin(self) -> None:
        self.at_ns = self.market.now_ns

    def pause_s(self) -> float:
        return self.p.interval_s * self.rng.standard_exponential()

    def act(self) -> None:
        market, p = self.market, self.p
        first, second = market.symbols
        a, b = market.tick(first), market.tick(second)
        if not is_trading(a) or not is_trading(b) or any(not order.closed for order in self.legs):
            return
        self.legs.clear()
        gap = mid_ticks(a) - self.ratio * mid_ticks(b)
        if p.mean_memory_s:
            weight = 1.0 - math.exp(-(market.now_ns - self.at_ns) / NS_PER_S / p.mean_memory_s)
            self.mean += weight * (gap - self.mean)
        self.at_ns = market.now_ns
        if not self._hedge() and a.bid_quantity_lots and a.ask_quantity_lots:
            self._decide(a, b, gap)

    def _hedge(self) -> bool:
        """Trade away what the second symbol has too much of; whether there was any."""
        market = self.market
        first, second = market.symbols
        surplus = round(market.position_lots(second) + self.hedge * market.position_lots(first))
        instrument = market.instrument(second)
        if abs(surplus) < max(1, instrument.min_quantity_lots):
            return False
        side = Side.SELL if surplus > 0 else Side.BUY
        self.legs.append(market.market(side, lots_within(instrument, abs(surplus)), symbol=second))
        return True

    def _decide(self, a: Tick, b: Tick, gap: float) -> None:
        p, position = self.p, self.market.position_lots(self.market.symbols[0])
        dear = a.bid_price_ticks - self.ratio * b.ask_price_ticks - self.mean
        cheap = self.mean - a.ask_price_ticks + self.ratio * b.bid_price_ticks
        if dear > p.entry_ticks and position > -p.max_position_lots:
            self._trade(Side.SELL, p.size_lots, a, b)
        elif cheap > p.entry_ticks and position < p.max_position_lots:
            self._trade(Side.BUY, p.size_lots, a, b)
        elif position > 0 and gap >= self.mean - p.exit_ticks:
            self._trade(Side.SELL, min(position, p.size_lots), a, b)
        elif position < 0 and gap <= self.mean + p.exit_ticks:
            self._trade(Side.BUY, min(-position, p.size_lots), a, b)

    def _trade(self, side: Side, lots: int, a: Tick, b: Tick) -> None:
        """Both legs at once, each at the best price that was seen, and for no more than stood there."""
        market = self.market
        first, second = market.symbols
        a_price, a_lots = (
            (a.ask_price_ticks, a.ask_quantity_lots) if side is Side.BUY else (a.bid_price_ticks, a.bid_quantity_lots)
        )
        b_price, b_lots = (
            (b.bid_price_ticks, b.bid_quantity_lots) if side is Side.BUY else (b.ask_price_ticks, b.ask_quantity_lots)
        )
        lots = min(lots, a_lots, int(b_lots / self.hedge))
        hedged = round(lots * self.hedge)
        if lots < market.instrument(first).min_quantity_lots or hedged < market.instrument(second).min_quantity_lots:
            return
        self.legs = [
            market.limit(side, a_price, lots, symbol=first, immediate=True),
            market.limit(side.opposite, b_price, hedged, symbol=second, immediate=True),
        ]

    def state(self) -> dict[str, Any]:
        return {**super().state(), "mean": self.mean, "at_ns": self.at_ns, "legs": list(self.legs)}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.mean, self.at_ns, self.legs = state["mean"], state["at_ns"], list(state["legs"])
