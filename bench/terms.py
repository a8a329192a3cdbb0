"""The orders and commands of the mix that has every kind of them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.types import CommandKind, OrderType, PostOnly, Records, SelfTradePrevention, Side, TimeInForce

Chosen = NDArray[np.bool_]

LIFE_NS: Final = 2_000_000_000
"""The longest life of an order that expires."""
FARTHEST_STOP_TICKS: Final = 40


def add_terms(rng: np.random.Generator, commands: Records, takers: Chosen, centre: int) -> None:
    """Give terms to about half of the orders, and make stops of some."""
    count = len(commands)
    _make_takers(rng, commands, takers)
    kind = np.where(takers, 1.0, rng.random(count))
    icebergs = kind < 0.1
    commands["display_lots"][icebergs] = np.maximum(commands["quantity_lots"][icebergs] // 5, 1)
    expiring = (kind >= 0.1) & (kind < 0.2)
    commands["time_in_force"][expiring] = TimeInForce.GTD
    ends = commands["time_ns"] + rng.integers(1, LIFE_NS, count)
    commands["expire_time_ns"][expiring] = ends[expiring]
    commands["post_only"][(kind >= 0.2) & (kind < 0.25)] = PostOnly.REJECT
    commands["post_only"][(kind >= 0.25) & (kind < 0.3)] = PostOnly.SLIDE
    smallest = (kind >= 0.3) & (kind < 0.31)
    commands["min_quantity_lots"][smallest] = commands["quantity_lots"][smallest] // 2
    _make_stops(rng, commands, (kind >= 0.4) & (kind < 0.46), centre)
    prevention = rng.random(count) < 0.15
    commands["self_trade_prevention"][prevention] = rng.integers(1, max(SelfTradePrevention) + 1, int(prevention.sum()))


def _make_takers(rng: np.random.Generator, commands: Records, takers: Chosen) -> None:
    """Market orders, IOC, FOK and plain limit orders, about as many of each."""
    kind = np.where(takers, rng.integers(0, 4, len(commands)), -1)
    commands["order_type"][kind == 0] = OrderType.MARKET
    commands["price_ticks"][kind == 0] = 0
    commands["time_in_force"][kind == 0] = TimeInForce.IOC
    commands["time_in_force"][kind == 1] = TimeInForce.IOC
    commands["time_in_force"][kind == 2] = TimeInForce.FOK


def _make_stops(rng: np.random.Generator, commands: Records, stops: Chosen, centre: int) -> None:
    """Half of them with a limit price, a few ticks beyond what triggers them."""
    count = len(commands)
    sign = np.where(commands["side"] == Side.BUY, 1, -1)
    trigger = centre + sign * rng.integers(1, FARTHEST_STOP_TICKS, count)
    commands["stop_price_ticks"][stops] = trigger[stops]
    limited = rng.random(count) < 0.5
    commands["order_type"][stops] = np.where(limited, OrderType.STOP_LIMIT, OrderType.STOP)[stops]
    commands["price_ticks"][stops] = np.where(limited, trigger + 3 * sign, 0)[stops]


def make_amends(rng: np.random.Generator, commands: Records, at: NDArray[np.int64], lots: NDArray[np.int64]) -> None:
    """Of the rows there, which name an order by account and target_serial: less, more, or another price.

    `lots` is what their orders were sent with; 0 of one whose price must stay.
    """
    commands["kind"][at] = CommandKind.AMEND
    commands["serial"][at] = commands["target_serial"][at]
    change = np.where(lots > 0, rng.integers(0, 3, len(at)), 0)
    lots = np.maximum(lots, 2)
    quantity = np.where(change == 0, lots // 2, lots + 10)
    commands["quantity_lots"][at] = np.where(change == 2, 0, quantity)
    commands["price_ticks"][at[change != 2]] = 0
