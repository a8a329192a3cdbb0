"""Triangular arbitrage: three symbols that name one price in two ways, such as ETH/USD and ETH/BTC times BTC/USD.

Where the direct price and the product of the other two part by more than costs, a round trip through all three gains: Y.
Aiba et al., "Triangular arbitrage as an interaction among foreign exchange rates", 2002, whose rate product is the test
here. Gains are in millionths of the price; one of `least_gain_ppm` is traded, up to `size_lots` of the direct symbol and no
more than stands at the three best prices, by immediate orders at those. What a leg that missed leaves over goes at the
market at the next look: the base asset through the direct symbol, the one between through the second leg.
"""

import itertools
from dataclasses import dataclass
from typing import Any

from marksim.core.agents.bounds import Amount, Count, Positive
from marksim.core.agents.market import Market
from marksim.core.agents.paced import Paced
from marksim.core.agents.pricing import lots_within
from marksim.core.agents.session import is_trading
from marksim.core.agents.views import Order
from marksim.core.errors import InvalidInput
from marksim.core.types import Instrument, Side, Tick


@dataclass(frozen=True)
class TriangularArbitrage:
    """Parameters of `triangular_arbitrage`. Sizes in lots of the direct symbol, times in simulated seconds."""

    interval_s: Positive = 0.5
    least_gain_ppm: Amount = 150.0
    size_lots: Count = 100


@dataclass(slots=True)
class _Leg:
    """One symbol, and the size of its lot and tick in units."""

    symbol: str
    instrument: Instrument
    lot: float
    tick: float


class TriangularArbitrageAgent(Paced):
    """Looks at the three symbols now and then, and trades the round trip that gains, while all trade."""

    def __init__(self, market: Market, p: TriangularArbitrage) -> None:
        super().__init__(market)
        self.p = p
        self.legs = self.direct, self.over, self.back = _triangle(market)
        """`direct` is X/Z, `over` X/Y, `back` Y/Z."""
        self.orders: list[Order] = []

    def pause_s(self) -> float:
        return self.p.interval_s * self.rng.standard_exponential()

    def act(self) -> None:
        ticks = [self.market.tick(leg.symbol) for leg in self.legs]
        if not all(map(is_trading, ticks)) or any(not order.closed for order in self.orders):
            return
        self.orders.clear()
        if not self._even_out() and all(tick.bid_quantity_lots and tick.ask_quantity_lots for tick in ticks):
            self._decide(*ticks)

    def _even_out(self) -> bool:
        """Trade away what is held of X, and else of Y; whether there was any."""
        market, direct, over, back = self.market, self.direct, self.over, self.back
        base = market.position_lots(direct.symbol) * direct.lot + market.position_lots(over.symbol) * over.lot
        between = market.position_lots(back.symbol) * back.lot + market.cash(over.symbol)
        for leg, held in ((direct, base), (back, between)):
            lots = int(abs(held) / leg.lot + 1e-6)
            if lots >= leg.instrument.min_quantity_lots:
                side = Side.SELL if held > 0 else Side.BUY
                self.orders.append(market.market(side, lots_within(leg.instrument, lots), symbol=leg.symbol))
                return True
        return False

    def _decide(self, direct: Tick, over: Tick, back: Tick) -> None:
        in_z = self.over.tick * self.back.tick / self.direct.tick
        least = 1.0 + self.p.least_gain_ppm * 1e-6
        if over.bid_price_ticks * back.bid_price_ticks * in_z > direct.ask_price_ticks * least:
            self._round_trip(Side.BUY, (direct, over, back))
        elif direct.bid_price_ticks > over.ask_price_ticks * back.ask_price_ticks * in_z * least:
            self._round_trip(Side.SELL, (direct, over, back))

    def _round_trip(self, side: Side, ticks: tuple[Tick, ...]) -> None:
        """`side` is that of the direct leg; the other two trade the other way."""
        legs, away = self.legs, side.opposite
        sides = (side, away, away)
        (_, direct_lots), (over_price, over_lots), (_, back_lots) = best = [
            _best(*one) for one in zip(ticks, sides, strict=True)
        ]
        y_per_x = over_price * self.over.tick
        most = (direct_lots * self.direct.lot, over_lots * self.over.lot, back_lots * self.back.lot / y_per_x)
        x = min(self.p.size_lots * self.direct.lot, *most)
        amounts = (x, x, x * y_per_x)
        lots = [round(amount / leg.lot) for amount, leg in zip(amounts, legs, strict=True)]
        if any(count < leg.instrument.min_quantity_lots for count, leg in zip(lots, legs, strict=True)):
            return
        self.orders = [
            self.market.limit(one, price, count, symbol=leg.symbol, immediate=True)
            for one, (price, _), count, leg in zip(sides, best, lots, legs, strict=True)
        ]

    def state(self) -> dict[str, Any]:
        return {**super().state(), "orders": list(self.orders)}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.orders = list(state["orders"])


def _triangle(market: Market) -> tuple[_Leg, _Leg, _Leg]:
    """The legs in their roles, whatever the order of the symbols. Raises InvalidInput where they are no triangle."""
    for trio in itertools.permutations(map(market.instrument, market.symbols)):
        if len(trio) != 3:
            break
        direct, over, back = trio
        ends_meet = over.base_asset == direct.base_asset and back.quote_asset == direct.quote_asset
        if ends_meet and over.quote_asset == back.base_asset:
            return _leg(direct), _leg(over), _leg(back)
    found = ", ".join(market.symbols)
    raise InvalidInput(f"{market.name}: symbols {found} are no triangle: give three such as ETH/USD, ETH/BTC, BTC/USD")


def _leg(instrument: Instrument) -> _Leg:
    return _Leg(instrument.symbol, instrument, float(instrument.lot_size), float(instrument.tick_size))


def _best(tick: Tick, side: Side) -> tuple[int, int]:
    """Price and size that an order of this side meets."""
    if side is Side.BUY:
        return tick.ask_price_ticks, tick.ask_quantity_lots
    return tick.bid_price_ticks, tick.bid_quantity_lots
