"""Words and records that everything shares.

Prices are integer ticks, sizes integer lots, times int64 nanoseconds since the Unix epoch in simulated UTC. The enums carry
the numbers of `marksim.v1`; the record dtypes have the names of its columns.
"""

from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

NS_PER_US: Final = 1_000
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
NS_PER_MINUTE: Final = 60 * NS_PER_S

OUTSIDE_ACCOUNTS_FROM: Final = 1 << 62
"""Accounts from here on belong to outside clients, those below to the scenario's agents."""

Records = NDArray[np.void]
"""A one-dimensional array of one of the record dtypes below."""


class Side(IntEnum):
    UNSPECIFIED = 0
    BUY = 1
    SELL = 2

    @property
    def opposite(self) -> "Side":
        return Side(3 - self) if self else self


class OrderType(IntEnum):
    UNSPECIFIED = 0
    LIMIT = 1
    MARKET = 2
    STOP = 3
    STOP_LIMIT = 4


class TimeInForce(IntEnum):
    """UNSPECIFIED means GTC for limit orders and IOC for market orders."""

    UNSPECIFIED = 0
    GTC = 1
    IOC = 2
    FOK = 3
    GTD = 4
    AT_THE_OPEN = 5


class PostOnly(IntEnum):
    UNSPECIFIED = 0
    REJECT = 1
    SLIDE = 2


class SelfTradePrevention(IntEnum):
    UNSPECIFIED = 0
    CANCEL_NEWEST = 1
    CANCEL_OLDEST = 2
    CANCEL_BOTH = 3
    DECREMENT = 4


class CommandKind(IntEnum):
    UNSPECIFIED = 0
    NEW = 1
    CANCEL = 2
    AMEND = 3
    MASS_CANCEL = 4
    SET_SESSION = 5
    OWNER_GONE = 6


class ExecutionKind(IntEnum):
    UNSPECIFIED = 0
    ACCEPTED = 1
    REJECTED = 2
    TRADED = 3
    CANCELLED = 4
    EXPIRED = 5
    AMENDED = 6
    TRIGGERED = 7
    REFILLED = 8
    CANCEL_REJECTED = 9
    SESSION_CHANGED = 10


class Reason(IntEnum):
    UNSPECIFIED = 0
    REQUESTED = 1
    IOC_REMAINDER = 2
    NO_LIQUIDITY = 3
    FOK_NOT_FILLED = 4
    EXPIRED = 5
    SELF_TRADE = 6
    WOULD_TAKE = 7
    UNKNOWN_SYMBOL = 8
    DUPLICATE_ORDER_ID = 9
    UNKNOWN_ORDER = 10
    INVALID_SIDE = 11
    INVALID_QUANTITY = 12
    INVALID_PRICE = 13
    PRICE_BAND = 14
    BOOK_FULL = 15
    UNSUPPORTED = 16
    MARKET_CLOSED = 17
    BELOW_MIN_NOTIONAL = 18
    OWNER_GONE = 19
    INVALID_TERMS = 20
    MIN_QUANTITY = 21
    AUCTION_REMAINDER = 22
    SCHEDULED = 23


class OrderStatus(IntEnum):
    UNSPECIFIED = 0
    PENDING = 1
    OPEN = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    CANCELLED = 5
    REJECTED = 6
    EXPIRED = 7


class Liquidity(IntEnum):
    UNSPECIFIED = 0
    MAKER = 1
    TAKER = 2
    AUCTION = 3


class StopTrigger(IntEnum):
    """What a stop looks at; UNSPECIFIED means the last trade."""

    UNSPECIFIED = 0
    LAST_TRADE = 1
    QUOTE = 2


class SessionState(IntEnum):
    UNSPECIFIED = 0
    PRE_OPEN = 1
    OPENING_AUCTION = 2
    CONTINUOUS = 3
    HALTED = 4
    CLOSING_AUCTION = 5
    CLOSED = 6


class BandAction(IntEnum):
    """What happens to an order that would trade outside a price band; UNSPECIFIED means that it is rejected."""

    UNSPECIFIED = 0
    REJECT = 1
    HALT = 2


COMMAND: Final = np.dtype(
    [
        ("time_ns", "<i8"),
        ("account", "<i8"),
        ("serial", "<i8"),
        ("price_ticks", "<i8"),
        ("stop_price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("display_lots", "<i8"),
        ("min_quantity_lots", "<i8"),
        ("expire_time_ns", "<i8"),
        ("target_serial", "<i8"),
        ("self_trade_group", "<i8"),
        ("kind", "<u1"),
        ("side", "<u1"),
        ("order_type", "<u1"),
        ("time_in_force", "<u1"),
        ("post_only", "<u1"),
        ("self_trade_prevention", "<u1"),
        ("session_state", "<u1"),
    ]
)
"""One command of one account, as it arrives at the book."""

EXECUTION: Final = np.dtype(
    [
        ("sequence", "<i8"),
        ("time_ns", "<i8"),
        ("account", "<i8"),
        ("serial", "<i8"),
        ("order_id", "<i8"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("maker_account", "<i8"),
        ("maker_serial", "<i8"),
        ("maker_order_id", "<i8"),
        ("maker_leaves_lots", "<i8"),
        ("kind", "<u1"),
        ("reason", "<u1"),
        ("side", "<u1"),
        ("session_state", "<u1"),
    ]
)
"""One order event, or a change of the session. Of a trade, account, serial, order_id, side and leaves are the taker's; of an
auction's trade the buyer's, with side UNSPECIFIED."""

TRADE: Final = np.dtype(
    [
        ("sequence", "<i8"),
        ("time_ns", "<i8"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("maker_order_id", "<i8"),
        ("taker_order_id", "<i8"),
        ("side", "<u1"),
    ]
)

QUOTE: Final = np.dtype(
    [
        ("sequence", "<i8"),
        ("time_ns", "<i8"),
        ("bid_price_ticks", "<i8"),
        ("bid_quantity_lots", "<i8"),
        ("ask_price_ticks", "<i8"),
        ("ask_quantity_lots", "<i8"),
    ]
)
"""Best bid and ask after a change. A side of size 0 is empty and shows its last price."""

DEPTH: Final = np.dtype(
    [
        ("sequence", "<i8"),
        ("time_ns", "<i8"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("order_count", "<i8"),
        ("side", "<u1"),
    ]
)
"""New state of one price level; quantity 0 means the level is gone."""

TICK: Final = np.dtype(
    [
        ("sequence", "<i8"),
        ("time_ns", "<i8"),
        ("tick_number", "<i8"),
        ("last_price_ticks", "<i8"),
        ("bid_price_ticks", "<i8"),
        ("bid_quantity_lots", "<i8"),
        ("ask_price_ticks", "<i8"),
        ("ask_quantity_lots", "<i8"),
        ("volume_24h_lots", "<i8"),
        ("trades_total", "<i8"),
        ("volume_total_lots", "<i8"),
        ("window_volume_lots", "<i8"),
        ("session_state", "<u1"),
        ("session_volume_lots", "<i8"),
        ("indicative_price_ticks", "<i8"),
        ("indicative_volume_lots", "<i8"),
        ("indicative_surplus_lots", "<i8"),
    ]
)
"""One tick; `sequence` is the last event of its window. New columns come at the end: old files do not have them."""

MAX_QUANTITY_LOTS: Final = 1 << 40
MAX_PRICE_TICKS: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class Instrument:
    """What can be traded, and in which steps. Sizes are positive; `min_price_ticks` is at least 1."""

    symbol: str
    base_asset: str
    quote_asset: str
    tick_size: Fraction
    lot_size: Fraction
    reference_price_ticks: int
    min_price_ticks: int
    max_price_ticks: int
    min_quantity_lots: int = 1
    max_quantity_lots: int = 1_000_000_000
    min_notional: Fraction = Fraction(0)
    market_protection_ticks: int = 0
    """How far from the best price that it meets a market order may trade; 0 means anywhere inside the bands."""
    stop_trigger: StopTrigger = StopTrigger.UNSPECIFIED
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    shard: int = 0
    static_band_ppm: int = 0
    """Half width of the price band around the last auction's price (at first reference_price_ticks); 0 means none."""
    dynamic_band_ppm: int = 0
    """The same around the last trade."""
    band_action: BandAction = BandAction.UNSPECIFIED
    halt_ns: int = 0
    """How long a halt lasts that a band causes."""
    auction_ns: int = 0
    """How long the auction lasts in which a halt ends by itself."""
    sessions: tuple[tuple[int, SessionState], ...] = ()
    """(time of day in ns, state from then on), ascending; empty means continuous trading without end."""


@dataclass(frozen=True, slots=True)
class Session:
    """Where a book stands in its day."""

    state: SessionState
    volume_lots: int = 0
    """Traded since the session last left CLOSED, or since the start of the run."""
    indicative_price_ticks: int = 0
    indicative_volume_lots: int = 0
    """At which an auction would uncross now; 0 where none is on, or no orders cross."""
    indicative_surplus_lots: int = 0
    """What is left over at that price: of buyers if positive."""


@dataclass(frozen=True, slots=True)
class Tick:
    """State of one symbol after a window in which best price or size, a trade, or its session changed: docs/protocol.md."""

    tick_number: int
    time_ns: int
    last_price_ticks: int
    bid_price_ticks: int
    bid_quantity_lots: int
    ask_price_ticks: int
    ask_quantity_lots: int
    volume_24h_lots: int
    trades_total: int
    volume_total_lots: int
    window_volume_lots: int
    session_state: SessionState = SessionState.CONTINUOUS
    session_volume_lots: int = 0
    indicative_price_ticks: int = 0
    indicative_volume_lots: int = 0
    indicative_surplus_lots: int = 0


@dataclass(frozen=True, slots=True)
class BookOutput:
    """What one batch of commands did to one book, all in sequence order."""

    executions: Records
    """dtype EXECUTION: every order event."""
    quotes: Records
    """dtype QUOTE: at most one a command, expiry or triggered order, only where the best price or size really changed."""
    depth: Records
    """dtype DEPTH: one a changed level and command, after the command."""
