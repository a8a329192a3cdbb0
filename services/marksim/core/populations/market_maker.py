"""Market makers: each quotes both sides around what it believes fair, and leans against its inventory.

The reservation price and spread are those of Avellaneda and Stoikov ("High-frequency trading in a limit order book",
2008) with a constant time to go: fair = mid - risk * inventory, and a half spread that grows with how restless the price
has been. Makers stand in layers: the n-th of `levels` quotes n steps further out.
"""

from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Count, FewTimes, Positive
from marksim.core.book.compiled import compiled, compiled_apart
from marksim.core.book.words import Row, int64
from marksim.core.populations.dice import uniform
from marksim.core.populations.learning import price_of_rest, rests, seen
from marksim.core.populations.sending import cancel, rest, within
from marksim.core.populations.words import BUY, CLOSED, HALTED, SELL, Crowd, Population, Trader


@dataclass(frozen=True)
class MarketMaker:
    """Parameters of `market_maker`. Prices in ticks, sizes in lots, times in simulated seconds."""

    interval_s: Positive = 1.0
    half_spread_ticks: Amount = 2.0
    levels: FewTimes = 4
    level_step_ticks: Amount = 2.0
    size_lots: Count = 200
    skew_ticks_per_size: Amount = 0.3
    """How far fair value leans against each `size_lots` of inventory."""
    max_position_sizes: Amount = 60.0
    volatility_weight: Amount = 0.35
    """How much of the recent absolute change of the mid between two looks of the population widens the half spread."""
    tolerance_ticks: Amount = 0.5
    """A quote that lies so little off stays, and keeps its place in the queue; in outer layers a tick more each."""


@compiled
def fair_price(tick: Row) -> float:
    """The mid, leaning to the side with less behind it; of a lone side the last price, as that says nothing of value."""
    bid, ask = tick.bid_price_ticks, tick.ask_price_ticks
    if tick.bid_quantity_lots == 0 or tick.ask_quantity_lots == 0:
        return float(tick.last_price_ticks)
    share = tick.bid_quantity_lots / (tick.bid_quantity_lots + tick.ask_quantity_lots)
    return bid + (ask - bid) * (0.25 + 0.5 * share)


@compiled_apart
def act(crowd: Crowd, population: Population, trader: Trader, now_ns: int, p: Row) -> None:
    """Replace those quotes that are no longer where they should be; memory0 is the last mid, memory1 its unrest."""
    tick = seen(crowd, population, now_ns)
    breadth, amount = uniform(population), uniform(population)
    if tick.session_state in (HALTED, CLOSED):
        return
    middle = fair_price(tick)
    if population.memory0 == 0.0:
        population.memory0 = middle
    population.memory1 = 0.8 * population.memory1 + 0.2 * abs(middle - population.memory0)
    population.memory0 = middle
    layer = (trader - population.first_trader) % int64(p[2])
    inventory = crowd.traders[trader].position_lots / p[4]
    fair = middle - p[5] * inventory
    half = p[1] * (0.75 + 0.5 * breadth) + p[7] * population.memory1 + layer * p[3] * (1.0 + 0.5 * layer)
    lots = 1 + int64(p[4] * (0.5 + amount) * (1.0 + 0.5 * layer))
    tolerance = p[8] + layer
    quote(crowd, population, trader, now_ns, BUY, int64(fair - half), lots, tolerance, inventory >= p[6])
    quote(crowd, population, trader, now_ns, SELL, int64(fair + half) + 1, lots, tolerance, -inventory >= p[6])


@compiled_apart
def quote(
    crowd: Crowd,
    population: Population,
    trader: Trader,
    now_ns: int,
    side: int,
    price: int,
    lots: int,
    tolerance: float,
    is_full: bool,
) -> None:
    """Let a quote stand there, or none where the inventory is full."""
    row = crowd.traders[trader]
    if rests(crowd, trader, side):
        left = int64(row.bid_lots if side == BUY else row.ask_lots)
        off = abs(price_of_rest(crowd, trader, side) - within(crowd, price))
        if off <= tolerance and left * 3 >= lots and not is_full:
            return
    if is_full:
        cancel(crowd, population, trader, now_ns, side)
    else:
        rest(crowd, population, trader, now_ns, side, price, lots, 0)
