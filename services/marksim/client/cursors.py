"""A stream's way along the tape: what to ask after a break, and what an answer tells. No socket here either.

A cursor is a position. It asks for what follows it, so that a broken connection loses nothing and tells nothing twice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from marksim.client.session import Session
from marksim.client.values import Instrument, Tick, Trade
from marksim.codec import decode_columns
from marksim.core.types import EXECUTION, TRADE, ExecutionKind, Liquidity, Reason, Side
from marksim.v1 import orderbook_pb2 as pb


class Place(NamedTuple):
    """All of `run` up to `window` is told, and `rows` of the window that follows."""

    run: str
    window: int = -1
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Execution:
    """One event of an order of the account; (symbol, sequence) is its id, twice where both sides of a trade are its own."""

    symbol: str
    kind: ExecutionKind
    reason: Reason
    client_order_id: str
    """What the order is called now; empty where the market has forgotten it."""
    order_id: int
    side: Side
    price: Decimal | None
    """Of the trade, or of the order; None of a market order."""
    quantity: Decimal
    """Traded, cancelled or accepted."""
    leaves: Decimal
    liquidity: Liquidity
    """Of a trade, otherwise UNSPECIFIED."""
    sequence: int
    time_ns: int
    run: str
    window: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Windows that this stream will not tell, since the market has forgotten them."""

    shard: int
    run: str
    first_window: int
    last_window: int | None
    """None where the run itself is forgotten."""
    reason: str


@dataclass(frozen=True, slots=True)
class NewRun:
    """The market began anew: orders, positions and numbers of the run before are gone."""

    shard: int
    run: str
    previous: str


ExecutionEvent = Execution | Gap | NewRun
FeedEvent = Tick | Trade | Gap | NewRun
EventT_co = TypeVar("EventT_co", covariant=True)


class Cursor(Protocol[EventT_co]):
    """What a stream needs of its way along the tape."""

    @property
    def method(self) -> str:
        """The rpc of OrderBookService."""

    def request(self) -> Any:
        """What to ask to go on from here."""

    def take(self, response: Any) -> Iterator[tuple[EventT_co | None, Place]]:
        """Each event of the response with the place behind it; at least one place, so that it moves on without events."""


class ExecutionCursor:
    """Own executions of one order book."""

    method: Final = "StreamExecutions"

    def __init__(
        self, session: Session, at: int, symbols: tuple[str, ...], place: Place, presence: Mapping[str, Any] | None = None
    ) -> None:
        self._session = session
        self._at = at
        self._symbols = symbols
        self._presence = presence or {}
        self.place = place

    def request(self) -> pb.StreamExecutionsRequest:
        place = self.place
        request = pb.StreamExecutionsRequest(account=self._session.account, symbols=self._symbols, **self._presence)
        # Where there was no run yet, the oldest that is remembered is the first of the run that came.
        request.after_run, request.after_window, request.after_rows = place.run, place.window, place.rows
        return request

    def take(self, response: pb.StreamExecutionsResponse) -> Iterator[tuple[ExecutionEvent | None, Place]]:
        before, self.place = self.place, Place(response.run, response.window, response.told_rows)
        last: ExecutionEvent | None = None
        place = before
        for event, behind in self._events(response, before):
            if last is not None:
                yield last, place
            last, place = event, behind
        yield last, self.place

    def _events(self, response: pb.StreamExecutionsResponse, before: Place) -> Iterator[tuple[ExecutionEvent, Place]]:
        for told in turning(self._session.shards[self._at], before.run, response):
            yield told, before
        rows = before.rows if response.run == before.run else 0
        for part in response.executions:
            instrument = self._session.instrument(part.symbol)
            names = part.client_order_ids
            for values in decode_columns(part.executions, EXECUTION).tolist():
                row = dict(zip(EXECUTION.names or (), values, strict=True))
                *first, last = executions(row, names, instrument, response.run, part.window)
                for event in first:
                    # The row is told once its last event is.
                    yield event, Place(response.run, part.window - 1, rows)
                rows += 1
                yield last, Place(response.run, part.window - 1, rows)


class FeedCursor:
    """Ticks and trades of one order book. LATEST tells each symbol's newest tick only, and begins anew after a break."""

    method: Final = "StreamTicks"

    def __init__(
        self, session: Session, at: int, symbols: tuple[str, ...], latest: bool, place: Place | None = None
    ) -> None:
        self._session = session
        self._at = at
        self._symbols = symbols
        self._latest = latest
        self._run = place.run if place else ""
        self._numbers: dict[str, int] = {}
        self.place = place

    def request(self) -> pb.StreamTicksRequest:
        if self._latest:
            return pb.StreamTicksRequest(symbols=self._symbols, delivery=pb.DELIVERY_LATEST)
        parts = (pb.FRAME_PART_TICKS, pb.FRAME_PART_TRADES)
        request = pb.StreamTicksRequest(symbols=self._symbols, parts=parts, delivery=pb.DELIVERY_LOSSLESS)
        if self.place is not None:
            request.after_run, request.after_window = self.place.run, self.place.window
        return request

    def take(self, response: pb.StreamTicksResponse) -> Iterator[tuple[FeedEvent | None, Place]]:
        before = self.place or Place(response.run)
        if response.HasField("last_window"):
            self.place = Place(response.run, response.last_window)
        for told in turning(self._session.shards[self._at], self._run, response):
            yield told, before
        if response.run != self._run:
            self._run, self._numbers = response.run, {}
        for frame in response.frames:
            for event in self._frame(frame, response.run):
                yield event, before
        yield None, self.place or before

    def _frame(self, frame: pb.Frame, run: str) -> Iterator[FeedEvent]:
        instrument = self._session.instrument(frame.symbol)
        for trade in decode_columns(frame.trades, TRADE):
            price, quantity = int(trade["price_ticks"]), int(trade["quantity_lots"])
            yield Trade(
                frame.symbol,
                int(trade["sequence"]),
                int(trade["time_ns"]),
                Side(trade["side"]),
                price * instrument.tick_size,
                quantity * instrument.lot_size,
            )
        if frame.HasField("tick") and frame.tick.tick_number > self._numbers.get(frame.symbol, 0):
            # A stream that starts anew tells each symbol's last tick again.
            self._numbers[frame.symbol] = frame.tick.tick_number
            yield Tick.of(frame.tick, instrument, run, frame.window)


def turning(shard: int, run: str, response: Any) -> Iterator[Gap | NewRun]:
    """What a response says of lost windows and of a new run, in the order in which it happened."""
    new = [NewRun(shard, response.run, run)] if run and response.run != run else []
    if not response.HasField("gap"):
        yield from new
        return
    lost = response.gap
    last = lost.last_window if lost.HasField("last_window") else None
    gap = Gap(shard, lost.run, lost.first_window, last, lost.reason)
    told: list[Gap | NewRun] = [*new, gap] if lost.run == response.run else [gap, *new]
    yield from told


def executions(
    row: dict[str, int], names: Mapping[int, str], instrument: Instrument, run: str, window: int
) -> Iterator[Execution]:
    """What one row tells the account: of a trade, for each side that is its own. Of others' sides the account is 0."""
    traded = row["kind"] == ExecutionKind.TRADED
    auction = traded and row["side"] == Side.UNSPECIFIED
    side = Side.BUY if auction else Side(row["side"])
    sides = []
    if row["account"]:
        liquidity = Liquidity.TAKER if traded else Liquidity.UNSPECIFIED
        sides.append((side, row["serial"], row["order_id"], row["leaves_lots"], liquidity))
    if row["maker_account"]:
        sides.append((side.opposite, row["maker_serial"], row["maker_order_id"], row["maker_leaves_lots"], Liquidity.MAKER))
    for own, serial, order_id, leaves, liquidity in sides:
        yield Execution(
            symbol=instrument.symbol,
            kind=ExecutionKind(row["kind"]),
            reason=Reason(row["reason"]),
            client_order_id=names.get(serial, ""),
            order_id=order_id,
            side=own,
            price=row["price_ticks"] * instrument.tick_size if row["price_ticks"] else None,
            quantity=row["quantity_lots"] * instrument.lot_size,
            leaves=leaves * instrument.lot_size,
            liquidity=Liquidity.AUCTION if auction else liquidity,
            sequence=row["sequence"],
            time_ns=row["time_ns"],
            run=run,
            window=window,
        )
