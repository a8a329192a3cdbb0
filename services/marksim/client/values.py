"""What the market says, as plain values: times in nanoseconds of simulated UTC, prices and quantities as decimals."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from marksim.client.units import read
from marksim.core.types import (
    Liquidity,
    OrderStatus,
    OrderType,
    Reason,
    SessionState,
    Side,
    TimeInForce,
)
from marksim.v1 import engine_pb2, types_pb2
from marksim.v1 import orderbook_pb2 as pb

OPEN: Final = (OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


@dataclass(frozen=True, slots=True)
class Instrument:
    """What can be traded, in which steps, and on which shard."""

    symbol: str
    base_asset: str
    quote_asset: str
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    min_notional: Decimal
    min_price: Decimal
    max_price: Decimal
    reference_price: Decimal
    maker_fee_ppm: int
    taker_fee_ppm: int
    shard: int

    @classmethod
    def of(cls, message: types_pb2.Instrument) -> "Instrument":
        tick, lot = Decimal(message.tick_size), Decimal(message.lot_size)
        return cls(
            symbol=message.symbol,
            base_asset=message.base_asset,
            quote_asset=message.quote_asset,
            tick_size=tick,
            lot_size=lot,
            min_quantity=message.min_quantity_lots * lot,
            max_quantity=message.max_quantity_lots * lot,
            min_notional=Decimal(message.min_notional or "0"),
            min_price=message.min_price_ticks * tick,
            max_price=message.max_price_ticks * tick,
            reference_price=message.reference_price_ticks * tick,
            maker_fee_ppm=message.maker_fee_ppm,
            taker_fee_ppm=message.taker_fee_ppm,
            shard=message.shard,
        )


@dataclass(frozen=True, slots=True)
class Level:
    """One price of a book."""

    price: Decimal
    quantity: Decimal
    order_count: int


@dataclass(frozen=True, slots=True)
class Book:
    """Both sides of a book, best first, as of the end of a window."""

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    time_ns: int
    run: str
    window: int
    """-1 before the first."""

    @property
    def best_bid(self) -> Decimal | None:
        return self.bids[0].price if self.bids else None

    @property
    def best_ask(self) -> Decimal | None:
        return self.asks[0].price if self.asks else None

    @classmethod
    def of(cls, answer: pb.GetBookResponse) -> "Book":
        bids, asks = (
            tuple(Level(Decimal(level.price), Decimal(level.quantity), level.order_count) for level in levels)
            for levels in (answer.bids, answer.asks)
        )
        window = answer.window if answer.HasField("window") else -1
        return cls(answer.symbol, bids, asks, answer.time_ns, answer.run, window)


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade as its owner sees it; (symbol, sequence) is its id."""

    symbol: str
    sequence: int
    time_ns: int
    client_order_id: str
    order_id: int
    side: Side
    price: Decimal
    quantity: Decimal
    liquidity: Liquidity

    @classmethod
    def of(cls, message: types_pb2.Fill) -> "Fill":
        return cls(
            symbol=message.symbol,
            sequence=message.sequence,
            time_ns=message.time_ns,
            client_order_id=message.client_order_id,
            order_id=message.order_id,
            side=Side(message.side),
            price=Decimal(message.price),
            quantity=Decimal(message.quantity),
            liquidity=Liquidity(message.liquidity),
        )


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it was when the market answered. `price` and `average_price` are None where there is none."""

    symbol: str
    client_order_id: str
    order_id: int
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    status: OrderStatus
    reason: Reason
    price: Decimal | None
    stop_price: Decimal | None
    quantity: Decimal
    leaves: Decimal
    filled: Decimal
    average_price: Decimal | None
    accepted_time_ns: int
    updated_time_ns: int
    fills: tuple[Fill, ...] = ()
    """What it traded, oldest first; of an order with very many trades the market remembers the newest only."""

    @property
    def is_open(self) -> bool:
        """Whether it may still trade."""
        return self.status in OPEN

    @classmethod
    def of(cls, message: types_pb2.Order) -> "Order":
        return cls(
            symbol=message.symbol,
            client_order_id=message.client_order_id,
            order_id=message.order_id,
            side=Side(message.side),
            order_type=OrderType(message.order_type),
            time_in_force=TimeInForce(message.time_in_force),
            status=OrderStatus(message.status),
            reason=Reason(message.reason),
            price=read(message.price),
            stop_price=read(message.stop_price),
            quantity=Decimal(message.quantity),
            leaves=Decimal(message.leaves_quantity),
            filled=Decimal(message.filled_quantity),
            average_price=read(message.average_price),
            accepted_time_ns=message.accepted_time_ns,
            updated_time_ns=message.updated_time_ns,
        )

    @property
    def tells_all_fills(self) -> bool:
        return sum((fill.quantity for fill in self.fills), Decimal(0)) == self.filled

    def with_fills(self, newest_first: "tuple[Fill, ...]") -> "Order":
        """The order with those of the account's fills that are its own and that it counts: later ones are left out."""
        own = [fill for fill in reversed(newest_first) if fill.order_id == self.order_id]
        told, counted = list[Fill](), Decimal(0)
        for fill in own:
            counted += fill.quantity
            if counted > self.filled:
                break
            told.append(fill)
        return replace(self, fills=tuple(told))


@dataclass(frozen=True, slots=True)
class Position:
    """Sum of the account's fills in a symbol: negative is short, and negative cash was spent; before fees."""

    symbol: str
    quantity: Decimal = Decimal(0)
    cash: Decimal = Decimal(0)
    trades: int = 0


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade of the market; `side` is its taker's, UNSPECIFIED of an auction's."""

    symbol: str
    sequence: int
    time_ns: int
    side: Side
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Tick:
    """Best prices and the last trade after a window. A side of size 0 is empty and shows its last price."""

    symbol: str
    run: str
    window: int
    number: int
    """Dense: 1, 2, 3, ... per symbol and run."""
    time_ns: int
    last_price: Decimal
    bid_price: Decimal
    bid_size: Decimal
    ask_price: Decimal
    ask_size: Decimal
    volume_24h: Decimal
    trades_total: int
    session: SessionState

    @classmethod
    def of(cls, tick: types_pb2.Tick, instrument: Instrument, run: str, window: int) -> "Tick":
        size, lot = instrument.tick_size, instrument.lot_size
        return cls(
            symbol=instrument.symbol,
            run=run,
            window=window,
            number=tick.tick_number,
            time_ns=tick.time_ns,
            last_price=tick.last_price_ticks * size,
            bid_price=tick.bid_price_ticks * size,
            bid_size=tick.bid_quantity_lots * lot,
            ask_price=tick.ask_price_ticks * size,
            ask_size=tick.ask_quantity_lots * lot,
            volume_24h=tick.volume_24h_lots * lot,
            trades_total=tick.trades_total,
            session=SessionState(tick.session_state),
        )


@dataclass(frozen=True, slots=True)
class Status:
    """Where the market's clock stands."""

    run: str
    state: str
    """RUNNING, PAUSED, STARTING, WAITING, FINISHED or FAILED."""
    message: str
    time_ns: int
    windows: int
    speed: float
    """Simulated seconds a wall second; infinite for as fast as it goes."""
    measured_speed: float

    @classmethod
    def of(cls, message: engine_pb2.EngineStatus) -> "Status":
        return cls(
            run=message.run,
            state=engine_pb2.ClockState.Name(message.state).removeprefix("CLOCK_STATE_"),
            message=message.message,
            time_ns=message.simulated_time_ns,
            windows=message.windows,
            speed=float("inf") if message.speed.max else message.speed.factor,
            measured_speed=message.measured_speed,
        )
