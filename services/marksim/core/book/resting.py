"""What both books say about resting orders, and the hash that must be equal in both."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from marksim.core.types import Records, Side

RESTING: Final = np.dtype(
    [
        ("account", "<i8"),
        ("serial", "<i8"),
        ("order_id", "<i8"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("self_trade_group", "<i8"),
        ("display_lots", "<i8"),
        ("hidden_lots", "<i8"),
        ("expire_time_ns", "<i8"),
        ("stop_price_ticks", "<i8"),
        ("side", "<i8"),
        ("order_type", "<i8"),
        ("time_in_force", "<i8"),
        ("self_trade_prevention", "<i8"),
    ]
)
"""One order. Priority order is bids best first, then asks best first, oldest first in a level, then stops, oldest first.

order_type is LIMIT of all that rest, but MARKET of a market order that waits at the end of the bands for the opening.
time_in_force is that of stops, for when they are triggered, and AT_THE_OPEN of what rests until the opening; else 0.
self_trade_prevention is of stops alone.
"""

_SHOWN: Final = ("account", "serial", "order_id", "price_ticks", "quantity_lots", "leaves_lots", "side")
DEFAULT_MAX_ORDERS: Final = 1 << 20
LARGEST_MAX_ORDERS: Final = 1 << 22
"""With MAX_QUANTITY_LOTS an order, the sum over a whole book stays below 2^62."""


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """A resting order as it is now; `quantity_lots` is what has traded and `leaves_lots`, what is still open."""

    account: int
    serial: int
    order_id: int
    side: Side
    price_ticks: int
    quantity_lots: int
    leaves_lots: int


def open_orders(rows: Records) -> list[OpenOrder]:
    """RESTING rows as objects, oldest first."""
    ordered = rows[np.argsort(rows["order_id"])][[*_SHOWN]]
    return [
        OpenOrder(account, serial, order_id, Side(side), price, quantity, leaves)
        for account, serial, order_id, price, quantity, leaves, side in ordered.tolist()
    ]


def hash_state(resting: Records, counters: Iterable[int]) -> str:
    """SHA-256, hex, over RESTING rows in priority order and the book's counters."""
    digest = hashlib.sha256(np.array(list(counters), dtype="<i8").tobytes())
    digest.update(resting.tobytes())
    return digest.hexdigest()
