"""The gRPC face of the order book: check, ask the part that knows, encode."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from itertools import islice
from typing import Final

import numpy as np

from marksim.codec import enum_value, instrument_to_proto, price_text, quantity_text, tick_to_proto
from marksim.core.errors import Away, InvalidInput, NotFound
from marksim.core.types import Records, Side
from marksim.orderbook.confirmations import Confirmations
from marksim.orderbook.levels import levels_to_proto
from marksim.orderbook.order_entry import OrderEntry, check_name, fill_to_proto, order_to_proto, positions_to_proto
from marksim.orderbook.own_executions import ExecutionReader
from marksim.orderbook.presence import Presence, grace_s
from marksim.orderbook.readers import Readers
from marksim.orderbook.reading import read_windows
from marksim.orderbook.sequencing import Sequencer
from marksim.orderbook.stream import TickReader, stream
from marksim.orderbook.timing import outside_call
from marksim.orderbook.trading import Context, Trading
from marksim.runtime.identity import Action, authorize, current_principal
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc

MAX_LIMIT: Final = 1_000
"""Most rows of a unary answer: whatever they hold, they stay far below the 4 MiB that gRPC clients take by default."""
MAX_LEVELS_BY_ORDER: Final = 100
MAX_ORDERS_OF_LEVEL: Final = 100
MAX_ORDERS_OF_SIDE: Final = 1_000
"""With them an answer costs the event loop no more than one of MAX_LIMIT levels a side."""
_PAGE_TOKEN: Final = re.compile(r"([^/]{1,64})/([0-9]{1,18})", re.ASCII)
"""The run, and the number of the last order before the page by arrival."""
LARGEST_NUMBER: Final = (1 << 63) - 1


class OrderBookServicer(orderbook_pb2_grpc.OrderBookServiceServicer):
    """All rpcs of OrderBookService over one sequencer."""

    def __init__(self, sequencer: Sequencer) -> None:
        self.sequencer = sequencer
        self.trading = Trading(sequencer)
        self.readers = Readers()
        self.confirmations: Confirmations | None = None
        """Where what they confirm waits to be kept; None where nothing is."""
        self.presence = Presence(sequencer)
        sequencer.noted = lambda: self.presence.notes
        self.streams = {"ticks": 0, "executions": 0}
        """Open ones, by what they bring."""
        self.streams_ended = asyncio.Event()
        self.streams_ended.set()
        self.ready = False
        self.recovering = ""
        """What it does before it knows its run, in words."""
        self._entry = OrderEntry(sequencer)

    async def Trade(
        self, request_iterator: AsyncIterator[pb.TradeRequest], context: Context
    ) -> AsyncIterator[pb.TradeResponse]:
        authorize(current_principal(), "", Action.STEER)
        self._check_recovered()
        self._check_ready()
        async with aclosing(self.trading.run(request_iterator)) as responses:
            async for response in responses:
                yield response

    async def StreamTicks(self, request: pb.StreamTicksRequest, context: Context) -> AsyncIterator[pb.StreamTicksResponse]:
        records = request.reader or pb.FRAME_PART_EXECUTIONS in request.parts
        authorize(current_principal(), "", Action.RECORD if records else Action.WATCH)
        self._check_recovered()
        tape = self.sequencer.tape
        for symbol in request.symbols:
            self.sequencer.instrument(symbol, "symbols")
        if not request.reader:
            # A named one has come for the rest; any other would only come again and again.
            self._check_not_ended()
        reader = TickReader(tape, request)
        if request.reader:
            check_name(request.reader, "reader")
            self.readers.connect(request.reader)
        try:
            with self._streaming("ticks"):
                async with aclosing(stream(tape, reader)) as messages:
                    async for message in messages:
                        yield message
        finally:
            if request.reader:
                self.readers.disconnect(request.reader)

    async def ConfirmWindow(self, request: pb.ConfirmWindowRequest, context: Context) -> pb.ConfirmWindowResponse:
        authorize(current_principal(), "", Action.RECORD)
        self._check_recovered()
        check_name(request.reader, "reader")
        self._check_window(request)
        self.readers.confirm(request.reader, request.run, request.window)
        return pb.ConfirmWindowResponse()

    async def ListReaders(self, request: pb.ListReadersRequest, context: Context) -> pb.ListReadersResponse:
        authorize(current_principal(), "", Action.WATCH)
        self._check_recovered()
        return pb.ListReadersResponse(readers=self.readers.to_proto())

    async def ForgetReader(self, request: pb.ForgetReaderRequest, context: Context) -> pb.ForgetReaderResponse:
        authorize(current_principal(), "", Action.STEER)
        self._check_recovered()
        self.readers.forget(request.reader)
        return pb.ForgetReaderResponse()

    async def GetRun(self, request: pb.GetRunRequest, context: Context) -> pb.GetRunResponse:
        # Before the journal is read it would say that there is no run, and an engine would begin another.
        self._check_recovered()
        return self.sequencer.describe()

    async def ReadWindows(self, request: pb.ReadWindowsRequest, context: Context) -> AsyncIterator[pb.ReadWindowsResponse]:
        authorize(current_principal(), "", Action.STEER)
        self._check_recovered()
        self._check_ready()
        async with aclosing(read_windows(self.sequencer.tape, request)) as responses:
            async for response in responses:
                yield response

    async def GetBook(self, request: pb.GetBookRequest, context: Context) -> pb.GetBookResponse:
        instrument = self.sequencer.instrument(request.symbol)
        depth = _limit(request.depth, 10, "depth", MAX_LEVELS_BY_ORDER if request.by_order else MAX_LIMIT)
        self._check_ready()
        async with self.sequencer.books:
            traded, run = self.sequencer.shard.books[request.symbol], self.sequencer.run
            rows, sequence, tick = traded.book.depth(depth), traded.book.sequence, traded.ticks.last
            orders = _first_orders(traded.book.by_order(depth, MAX_ORDERS_OF_LEVEL)) if request.by_order else None
            window = run.last_window if run else -1
        levels = levels_to_proto(rows, orders, instrument)
        return pb.GetBookResponse(
            symbol=request.symbol,
            bids=levels.bids,
            asks=levels.asks,
            window=window if window >= 0 else None,
            time_ns=run.end_ns(window) if run else 0,
            sequence=sequence,
            run=run.run if run else "",
            tick=tick_to_proto(tick),
        )

    async def ListInstruments(self, request: pb.ListInstrumentsRequest, context: Context) -> pb.ListInstrumentsResponse:
        listing = self.sequencer.listing
        instruments = map(instrument_to_proto, listing.instruments)
        return pb.ListInstrumentsResponse(instruments=instruments, shard=listing.shard, shards=listing.shards)

    async def SubmitOrder(self, request: pb.SubmitOrderRequest, context: Context) -> pb.SubmitOrderResponse:
        with outside_call("SubmitOrder"):
            authorize(current_principal(), request.account, Action.TRADE)
            self._check_recovered()
            if request.self_trade_group:
                # Its members' orders may be cancelled by this one.
                authorize(current_principal(), request.self_trade_group, Action.TRADE)
            outcome = await self._entry.submit(request)
        order = outcome.order
        fills = [fill_to_proto(fill) for fill in order.first_fills]
        return pb.SubmitOrderResponse(order=order_to_proto(order), fills=fills, run=outcome.run, window=outcome.window)

    async def CancelOrder(self, request: pb.CancelOrderRequest, context: Context) -> pb.CancelOrderResponse:
        with outside_call("CancelOrder"):
            authorize(current_principal(), request.account, Action.TRADE)
            self._check_recovered()
            outcome = await self._entry.cancel(request)
        return pb.CancelOrderResponse(order=order_to_proto(outcome.order), run=outcome.run, window=outcome.window)

    async def AmendOrder(self, request: pb.AmendOrderRequest, context: Context) -> pb.AmendOrderResponse:
        with outside_call("AmendOrder"):
            authorize(current_principal(), request.account, Action.TRADE)
            self._check_recovered()
            outcome, traded = await self._entry.amend(request)
        order, fills = order_to_proto(outcome.order), map(fill_to_proto, traded)
        return pb.AmendOrderResponse(order=order, fills=fills, run=outcome.run, window=outcome.window)

    async def MassCancel(self, request: pb.MassCancelRequest, context: Context) -> pb.MassCancelResponse:
        with outside_call("MassCancel"):
            authorize(current_principal(), request.account, Action.TRADE)
            self._check_recovered()
            cancelled, run, window = await self._entry.mass_cancel(request)
        orders = map(order_to_proto, cancelled[:MAX_LIMIT])
        return pb.MassCancelResponse(orders=orders, run=run, window=window, cancelled=len(cancelled))

    async def SetSession(self, request: pb.SetSessionRequest, context: Context) -> pb.SetSessionResponse:
        with outside_call("SetSession"):
            authorize(current_principal(), "", Action.STEER)
            self._check_recovered()
            state, run, window = await self._entry.set_session(request)
        return pb.SetSessionResponse(run=run, window=window, state=enum_value(state))

    async def GetOrder(self, request: pb.GetOrderRequest, context: Context) -> pb.GetOrderResponse:
        authorize(current_principal(), request.account, Action.READ)
        self._check_recovered()
        await self._entry.told()
        return pb.GetOrderResponse(order=order_to_proto(self._entry.find(request)))

    async def ListOrders(self, request: pb.ListOrdersRequest, context: Context) -> pb.ListOrdersResponse:
        authorize(current_principal(), request.account, Action.READ)
        self._check_recovered()
        limit = _limit(request.limit, 100, "limit")
        await self._entry.told()
        run = self.sequencer.run.run if self.sequencer.run else ""
        before = _page(request.page_token, run)
        account = self._entry.account(request.account, request.symbol)
        # One more than asked for tells whether there are older ones.
        found = list(islice(account.newest(before, request.symbol, request.open_only), limit + 1)) if account else []
        page = found[:limit]
        token = f"{run}/{page[-1].arrival}" if len(found) > limit else ""
        return pb.ListOrdersResponse(orders=map(order_to_proto, page), next_page_token=token)

    async def ListTrades(self, request: pb.ListTradesRequest, context: Context) -> pb.ListTradesResponse:
        self._check_recovered()
        instrument = self.sequencer.instrument(request.symbol)
        limit = _limit(request.limit, 100, "limit")
        if request.account:
            authorize(current_principal(), request.account, Action.READ)
            self._check_recovered()
            await self._entry.told()
            return pb.ListTradesResponse(trades=self._own_trades(request.account, request.symbol, limit))
        columns = ["sequence", "time_ns", "side", "price_ticks", "quantity_lots"]
        async with self.sequencer.books:
            newest = self.sequencer.shard.books[request.symbol].trades.newest(limit)
        return pb.ListTradesResponse(
            trades=[
                pb.TradeRecord(
                    sequence=sequence,
                    time_ns=time_ns,
                    taker_side=enum_value(side),
                    price=price_text(ticks, instrument),
                    quantity=quantity_text(lots, instrument),
                )
                for sequence, time_ns, side, ticks, lots in newest[columns].tolist()
            ]
        )

    async def GetPosition(self, request: pb.GetPositionRequest, context: Context) -> pb.GetPositionResponse:
        authorize(current_principal(), request.account, Action.READ)
        self._check_recovered()
        await self._entry.told()
        account = self._entry.account(request.account, request.symbol)
        positions = positions_to_proto(account, request.symbol, self.sequencer) if account else []
        return pb.GetPositionResponse(positions=positions)

    async def StreamExecutions(
        self, request: pb.StreamExecutionsRequest, context: Context
    ) -> AsyncIterator[pb.StreamExecutionsResponse]:
        # With it, the end of the stream is a command.
        authorize(current_principal(), request.account, Action.TRADE if request.cancel_on_disconnect else Action.READ)
        self._check_recovered()
        check_name(request.account, "account")
        grace = grace_s(request)
        for symbol in request.symbols:
            self.sequencer.instrument(symbol, "symbols")
        self._check_not_ended()
        reader = ExecutionReader(self.sequencer, request)
        if request.cancel_on_disconnect:
            # Called however the call ends; a generator that nobody asks any more may be closed much later.
            left = await self.presence.arrive(request.account, grace)
            context.add_done_callback(lambda _: left())  # type: ignore[arg-type]  # its stub names no function
        with self._streaming("executions"):
            async with aclosing(stream(self.sequencer.tape, reader)) as responses:
                async for response in responses:
                    yield response

    @contextmanager
    def _streaming(self, what: str) -> Iterator[None]:
        """A stream is open meanwhile, and the service waits for it when it ends."""
        self.streams[what] += 1
        self.streams_ended.clear()
        try:
            yield
        finally:
            self.streams[what] -= 1
            if not any(self.streams.values()):
                self.streams_ended.set()

    def _check_not_ended(self) -> None:
        if self.sequencer.tape.ended.is_set():
            raise Away("the order book is shutting down", reason="SHUTTING_DOWN")

    def _check_recovered(self) -> None:
        if self.recovering:
            raise Away(f"the order book is starting: {self.recovering}", reason="STARTING")

    def _check_ready(self) -> None:
        """For what calls a kernel: uncompiled, it would hold up the event loop for as long as the compiler takes."""
        if not self.ready:
            raise Away("the order book is starting: it prepares its kernels", reason="STARTING")

    def _check_window(self, request: pb.ConfirmWindowRequest) -> None:
        """Raise for a window that has not been: what is confirmed may be forgotten."""
        run = self.sequencer.tape.known(request.run)
        if run is None:
            raise NotFound(f"run is {request.run[:40]!r}: this book does not know it", reason="UNKNOWN_RUN")
        if not -1 <= request.window <= run.last_window:
            problem = f"window is {request.window}: the last one of run {run.run} is {run.last_window}"
            raise InvalidInput(problem, metadata={"field": "window"})

    def _own_trades(self, name: str, symbol: str, limit: int) -> list[pb.TradeRecord]:
        account = self._entry.account(name, symbol)
        fills = [fill for fill in reversed(account.fills) if fill.order.instrument.symbol == symbol] if account else []
        return [
            pb.TradeRecord(
                sequence=fill.sequence,
                time_ns=fill.time_ns,
                taker_side=enum_value(fill.taker_side),
                price=price_text(fill.price_ticks, fill.order.instrument),
                quantity=quantity_text(fill.quantity_lots, fill.order.instrument),
                fill=fill_to_proto(fill),
            )
            for fill in fills[:limit]
        ]


def _first_orders(resting: Records) -> Records:
    """RESTING rows of both sides in priority order, without what is beyond the bound of a side."""
    bids = int(np.count_nonzero(resting["side"] == Side.BUY))
    return np.concatenate((resting[:bids][:MAX_ORDERS_OF_SIDE], resting[bids:][:MAX_ORDERS_OF_SIDE]))


def _limit(asked: int, default: int, field: str, most: int = MAX_LIMIT) -> int:
    if asked > most:
        raise InvalidInput(f"{field} is {asked}: give at most {most}, or 0 for {default}", metadata={"field": field})
    return asked or default


def _page(token: str, run: str) -> int:
    """The number that a page token of this run names: orders that arrived before that follow."""
    if not token:
        return LARGEST_NUMBER
    parts = _PAGE_TOKEN.fullmatch(token)
    if parts is None or parts[1] != run:
        problem = f"page_token is {token[:60]!r}, which names no page of this run: begin without one"
        raise InvalidInput(problem, metadata={"field": "page_token"})
    return int(parts[2])
