"""Triangular arbitrage: three symbols that name one price in two ways, such as ETH/USD and ETH/BTC times BTC/USD.

Where the direct price and the product of the other two part by more than costs, a round trip through all three gains: Y.
Aiba et al., "Triangular arbitrage as an interaction among foreign exchange rates", 2002, whose rate product is the test
here. Gains are in millionths of the price; one of `least_gain_ppm` is traded, up to `size_lots` of the direct symbol and no
more than stands at the three best prices, by immediate orders at those. What a leg that missed leaves over goes at the
market at the next look: the base asset through the direct symbol, the one between through the second leg.
"""

import itertools
from dataclasses import dataclass, field

from marksim.core.agents.bounds import Amount, Count, Positive
from marksim.core.agents.market import Market
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


@dataclass(slots=True)
class _State:
    """`direct` is X/Z, `over` X/Y, `back` Y/Z."""

    direct: _Leg
    over: _Leg
    back: _Leg
    orders: list[Order] = field(default_factory=list)


async def triangular_arbitrage(market: Market, p: TriangularArbitrage) -> None:
    """Look at the three symbols now and then, and trade the round trip that gains, while all trade."""
    state = _triangle(market)
    legs = (state.direct, state.over, state.back)
    while True:
        await market.sleep(p.interval_s * market.rng.standard_exponential())
        ticks = [market.tick(leg.symbol) for leg in legs]
        if not all(map(is_trading, ticks)) or any(not order.closed for order in state.orders):
            continue
        state.orders.clear()
        if not _even_out(market, state) and all(tick.bid_quantity_lots and tick.ask_quantity_lots for tick in ticks):
            _decide(market, p, state, *ticks)


def _triangle(market: Market) -> _State:
    """The legs in their roles, whatever the order of the symbols. Raises InvalidInput where they are no triangle."""
    for trio in itertools.permutations(map(market.instrument, market.symbols)):
        if len(trio) != 3:
            break
        direct, over, back = trio
        ends_meet = over.base_asset == direct.base_asset and back.quote_asset == direct.quote_asset
        if ends_meet and over.quote_asset == back.base_asset:
            return _State(_leg(direct), _leg(over), _leg(back))
    found = ", ".join(market.symbols)
    raise InvalidInput(f"{market.name}: symbols {found} are no triangle: give three such as ETH/USD, ETH/BTC, BTC/USD")


def _leg(instrument: Instrument) -> _Leg:
    return _Leg(instrument.symbol, instrument, float(instrument.lot_size), float(instrument.tick_size))


def _even_out(market: Market, state: _State) -> bool:
    """Trade away what is held of X, and else of Y; whether there was any."""
    direct, over, back = state.direct, state.over, state.back
    base = market.position_lots(direct.symbol) * direct.lot + market.position_lots(over.symbol) * over.lot
    between = market.position_lots(back.symbol) * back.lot + market.cash(over.symbol)
    for leg, held in ((direct, base), (back, between)):
        lots = int(abs(held) / leg.lot + 1e-6)
        if lots >= leg.instrument.min_quantity_lots:
            side = Side.SELL if held > 0 else Side.BUY
            state.orders.append(market.market(side, lots_within(leg.instrument, lots), symbol=leg.symbol))
            return True
    return False


def _decide(market: Market, p: TriangularArbitrage, state: _State, direct: Tick, over: Tick, back: Tick) -> None:
    in_z = state.over.tick * state.back.tick / state.direct.tick
    least = 1.0 + p.least_gain_ppm * 1e-6
    if over.bid_price_ticks * back.bid_price_ticks * in_z > direct.ask_price_ticks * least:
        _round_trip(market, p, state, Side.BUY, (direct, over, back))
    elif direct.bid_price_ticks > over.ask_price_ticks * back.ask_price_ticks * in_z * least:
        _round_trip(market, p, state, Side.SELL, (direct, over, back))


def _round_trip(market: Market, p: TriangularArbitrage, state: _State, side: Side, ticks: tuple[Tick, ...]) -> None:
    """`side` is that of the direct leg; the other two trade the other way."""
    legs, away = (state.direct, state.over, state.back), side.opposite
    sides = (side, away, away)
    (_, direct_lots), (over_price, over_lots), (_, back_lots) = best = [
        _best(*one) for one in zip(ticks, sides, strict=True)
    ]
    y_per_x = over_price * state.over.tick
    most = (direct_lots * state.direct.lot, over_lots * state.over.lot, back_lots * state.back.lot / y_per_x)
    x = min(p.size_lots * state.direct.lot, *most)
    amounts = (x, x, x * y_per_x)
    lots = [round(amount / leg.lot) for amount, leg in zip(amounts, legs, strict=True)]
    if any(count < leg.instrument.min_quantity_lots for count, leg in zip(lots, legs, strict=True)):
        return
    state.orders = [
        market.limit(one, price, count, symbol=leg.symbol, immediate=True)
        for one, (price, _), count, leg in zip(sides, best, lots, legs, strict=True)
    ]


def _best(tick: Tick, side: Side) -> tuple[int, int]:
    """Price and size that an order of this side meets."""
    if side is Side.BUY:
        return tick.ask_price_ticks, tick.ask_quantity_lots
    return tick.bid_price_ticks, tick.bid_quantity_lots
