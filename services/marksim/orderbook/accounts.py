"""What is known of outside accounts: their orders, fills and positions."""

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from marksim.core.types import (
    OUTSIDE_ACCOUNTS_FROM,
    Instrument,
    Liquidity,
    OrderStatus,
    OrderType,
    PostOnly,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from marksim.orderbook.waiting import Waiting

FILLS: Final = 1_000
SESSION_ACCOUNT: Final = OUTSIDE_ACCOUNTS_FROM
"""Who changes sessions: the first number of an outside account, which no name gives."""
OPEN: Final = (OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


def group_number(name: str) -> int:
    """The number of a self-trade group: negative, so that it is never that of an account, which is its own group."""
    return -account_number(name)


def account_number(name: str) -> int:
    """The account's int64, the same on every shard: 2^62 + the first 61 bits of SHA-256(name)."""
    return OUTSIDE_ACCOUNTS_FROM + (int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 3)


@dataclass(frozen=True, slots=True)
class OwnFill:
    """One trade as one of its owners sees it."""

    order: "OutsideOrder"
    sequence: int
    time_ns: int
    price_ticks: int
    quantity_lots: int
    liquidity: Liquidity

    @property
    def taker_side(self) -> Side:
        """UNSPECIFIED of an auction's trade."""
        if self.liquidity == Liquidity.AUCTION:
            return Side.UNSPECIFIED
        return self.order.side if self.liquidity == Liquidity.TAKER else self.order.side.opposite


@dataclass(slots=True)
class Position:
    """Sum of an account's own fills in one symbol; `notional` is in ticks times lots, what the fills brought in."""

    lots: int = 0
    notional: int = 0
    trades: int = 0


@dataclass(slots=True)
class Account:
    """What is known of one outside account in this run."""

    name: str
    number: int
    orders: dict[tuple[str, str], "OutsideOrder"] = field(default_factory=dict)
    """By (symbol, client order id at first), oldest first."""
    renamed: dict[tuple[str, str], "OutsideOrder"] = field(default_factory=dict)
    """By (symbol, client order id that an amendment gave)."""
    closed: deque["OutsideOrder"] = field(default_factory=deque)
    fills: deque[OwnFill] = field(default_factory=lambda: deque(maxlen=FILLS))
    fill_count: int = 0
    """Of all there ever were: the number of the next one."""
    place: int = 0
    """The higher, the later it was used."""
    positions: dict[str, Position] = field(default_factory=dict)

    def find(self, symbol: str, client_order_id: str) -> "OutsideOrder | None":
        """The order that has or had this name."""
        key = (symbol, client_order_id)
        return self.orders.get(key) or self.renamed.get(key)

    def newest(self, before: int, symbol: str, open_only: bool) -> "Iterator[OutsideOrder]":
        """Orders that arrived before number `before`, newest first; an empty symbol means all."""
        for order in reversed(self.orders.values()):
            if order.arrival < before and symbol in ("", order.instrument.symbol) and (order.is_open or not open_only):
                yield order


@dataclass(slots=True, eq=False)
class OutsideOrder:
    """One order as its owner sees it; `notional` is the sum of ticks times lots over its fills."""

    account: Account
    instrument: Instrument
    names: list[str]
    """Client order ids: the first one, and those that amendments gave."""
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price_ticks: int
    quantity_lots: int
    display_lots: int = 0
    min_quantity_lots: int = 0
    expire_time_ns: int = 0
    stop_price_ticks: int = 0
    post_only: PostOnly = PostOnly.UNSPECIFIED
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.UNSPECIFIED
    self_trade_group: str = ""
    """Its name."""
    arrival: int = 0
    """Its number among all commands of this shard, by which orders follow each other; on no tape."""
    serial: int = 0
    """Its number among the commands of its symbol, which its window gives it; on the tape."""
    status: OrderStatus = OrderStatus.PENDING
    order_id: int = 0
    leaves_lots: int = 0
    filled_lots: int = 0
    notional: int = 0
    reason: Reason = Reason.UNSPECIFIED
    accepted_ns: int = 0
    updated_ns: int = 0
    window: int = -1
    """In which it reached the book."""
    closing: int = 0
    """Its number among all that have closed; 0 while it is open."""
    forgotten: bool = False
    """Nobody finds it any more; its account's fills may still tell of it."""
    fills_kept: int = 0
    """Of the account's last fills, those that are its own."""
    first_fills: list[OwnFill] = field(default_factory=list)
    waiting: Waiting | None = None
    """The command about it that was sent last, until its window is done."""
    amendments: dict[str, Waiting] = field(default_factory=dict)
    """Those that gave it a name, by that name."""
    amending: Waiting | None = None
    """The amendment that the present window has answered, for what it trades."""

    @property
    def client_order_id(self) -> str:
        """What it is called now."""
        return self.names[-1]

    @property
    def key(self) -> tuple[str, str]:
        return self.instrument.symbol, self.names[0]

    @property
    def number(self) -> tuple[str, int]:
        """What the book knows it by."""
        return self.instrument.symbol, self.serial

    @property
    def group_number(self) -> int:
        """Of its self-trade group; 0 means the account's own."""
        return group_number(self.self_trade_group) if self.self_trade_group else 0

    @property
    def is_open(self) -> bool:
        return self.status in OPEN
