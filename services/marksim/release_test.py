"""A user's test of a running market, all the way round: `python -m marksim.release_test`, also what `helm test` runs.

Improves the best bid through gRPC by an order of a recognisable size, sees it in the book and in a tick over WebSocket,
cancels it, and sees on the memory monitor's page that the order book counted it. A paused market is stepped and stays
paused. While orders are only collected, one rests below the best bid; while none are taken, one is refused as it must be.
Prints a line a step; ends with 1 and a sentence at the first that fails.
"""

import asyncio
import json
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

import grpc.aio
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from marksim.runtime.channel import error_reason, open_channel, peer_error
from marksim.v1 import engine_pb2, engine_pb2_grpc, types_pb2
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc as rpc

ACCOUNT: Final = "release-test"
LOTS: Final = 777
"""Size of the first order; each further one has a lot more, so that its tick is not taken for another's."""
TRIES: Final = 20
"""Agents may take, outbid or join the order before it is seen everywhere."""
LOOKS: Final = 200
"""For a window whose spread leaves room between the best prices."""
CALL_S: Final = 5.0
TICK_S: Final = 2.0
LOOK_EVERY_S: Final = 0.05
POLL_EVERY_S: Final = 0.5
REFUSING: Final = (types_pb2.SESSION_STATE_HALTED, types_pb2.SESSION_STATE_CLOSED)
"""Sessions that take no orders."""
STEERED: Final = ("MARKET_PAUSED", "NOT_PAUSED", "STEP_UNDER_WAY")
"""Somebody pauses, steps or resumes the market at the same time."""

T = TypeVar("T")
Lines = tuple[tuple[str, str], ...]
"""What was seen: (step, sentence)."""


class Failed(Exception):
    """A step failed; the message is the sentence for the user."""


class Again(Exception):
    """The market moved before all was seen; the message says how."""


@dataclass(frozen=True)
class Addresses:
    """Where everything is. An empty edge or memory is not there, and its step is left out."""

    orderbooks: list[str]
    engines: list[str]
    edge: str
    memory: str
    symbol: str
    timeout_s: float


@dataclass
class Feed:
    """The symbol's ticks from the edge: a client that always reads gets every one of them."""

    bids: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=20_000))
    """(price, size) of the newest ticks."""
    ticks: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, websocket: ClientConnection) -> None:
        """Read until the connection ends."""
        async for message in websocket:
            tick = json.loads(message)
            self.bids.append((tick["bid_price"], tick["bid_size"]))
            self.ticks += 1
            self.changed.set()

    async def shows(self, price: str, size: str) -> bool:
        """Whether a tick has, or soon gets, this best bid."""
        bid = float(price), float(size)
        return await self._until(lambda: bid in self.bids)

    async def speaks(self) -> bool:
        """Whether a tick came or soon comes: on connecting each symbol's last one does."""
        return await self._until(lambda: self.ticks > 0)

    async def _until(self, seen: Callable[[], bool]) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(TICK_S):
                while not seen():
                    self.changed.clear()
                    await self.changed.wait()
        return seen()


class ReleaseTest:
    """One test. `run` raises Failed; `doing` is the step it is at, `seen` what it saw there last."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self.doing, self.seen = "health", ""
        self._stack = AsyncExitStack()
        self._feed: Feed | None = None
        self._reading: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """All steps in their order, within the time."""
        try:
            async with asyncio.timeout(self.addresses.timeout_s), self._stack:
                await self._run()
        except TimeoutError:
            raise Failed(f"not within {self.addresses.timeout_s:g} s; at last: {self.seen or 'no answer'}") from None

    async def _run(self) -> None:
        every = [*self.addresses.orderbooks, *self.addresses.engines]
        for address in every:
            await self._serving(address)
        self._done(f"{', '.join(every)} serve")
        with self._step("symbol"):
            self._book, self._instrument = await self._find_book()
            self._engine = await self._find_engine()
            state = "paused, so each window is stepped" if await self._is_paused() else "running"
            self._done(f"{self._instrument.symbol} is traded, and the market is {state}{_meaning(await self._session())}")
        counted = await self._outside_orders() if self.addresses.memory else {}
        if self.addresses.edge:
            await self._connect()
        order = await self._trade()
        if not self.addresses.memory:
            self._left_out("memory")
            return
        with self._step("memory"):
            self._done(f"{await self._counted(counted)} is up and counted the order {order}")

    async def _serving(self, address: str) -> None:
        stub: Any = health_pb2_grpc.HealthStub(self._open(address))
        while True:
            try:
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=CALL_S)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
                self.seen = f"{address} is {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}"
            except grpc.aio.AioRpcError as error:
                self.seen = f"nothing serves at {address} ({peer_error(error)})"
            await asyncio.sleep(POLL_EVERY_S)

    async def _find_book(self) -> tuple["rpc.OrderBookServiceAsyncStub", types_pb2.Instrument]:
        """The order book that trades the symbol."""
        known: list[str] = []
        for address in self.addresses.orderbooks:
            stub: rpc.OrderBookServiceAsyncStub = rpc.OrderBookServiceStub(self._open(address))
            listed = await stub.ListInstruments(pb.ListInstrumentsRequest(), timeout=CALL_S)
            known = [instrument.symbol for instrument in listed.instruments]
            for instrument in listed.instruments:
                if instrument.symbol == (self.addresses.symbol or known[0]) and instrument.shard == listed.shard:
                    return stub, instrument
        books = ", ".join(self.addresses.orderbooks)
        raise Failed(f"none of {books} trades {self.addresses.symbol or known[:1]}; the scenario trades {', '.join(known)}")

    async def _find_engine(self) -> "engine_pb2_grpc.EngineServiceAsyncStub":
        """The engine that owns the symbol's clock."""
        for address in self.addresses.engines:
            stub: engine_pb2_grpc.EngineServiceAsyncStub = engine_pb2_grpc.EngineServiceStub(self._open(address))
            status = (await stub.GetStatus(engine_pb2.GetStatusRequest(), timeout=CALL_S)).status
            if any(self._instrument.symbol in shard.symbols for shard in status.shards):
                return stub
        raise Failed(f"none of {', '.join(self.addresses.engines)} owns the clock of {self._instrument.symbol}")

    async def _is_paused(self) -> bool:
        status = (await self._engine.GetStatus(engine_pb2.GetStatusRequest(), timeout=CALL_S)).status
        if status.state not in (engine_pb2.CLOCK_STATE_RUNNING, engine_pb2.CLOCK_STATE_PAUSED):
            raise Failed(
                f"the engine is in {engine_pb2.ClockState.Name(status.state)}: {status.message or 'it says no more'}"
            )
        return status.state == engine_pb2.CLOCK_STATE_PAUSED

    async def _connect(self) -> None:
        url = f"{self.addresses.edge.rstrip('/')}/?symbols={quote(self._instrument.symbol, safe='/')}"
        with self._step("tick"):
            try:
                websocket = await self._stack.enter_async_context(connect(url, open_timeout=CALL_S, proxy=None))
            except InvalidURI:
                raise Failed(
                    f"--edge {self.addresses.edge} is not a WebSocket address such as ws://localhost:8765"
                ) from None
            except (OSError, TimeoutError, InvalidHandshake) as error:
                raise Failed(f"the edge at {url} does not answer ({peer_error(error)})") from None
        self._feed = Feed()
        self._reading = asyncio.create_task(self._feed.read(websocket))
        self._stack.callback(self._reading.cancel)

    async def _trade(self) -> str:
        """Orders until one was seen everywhere; its name."""
        for number in range(TRIES):
            name = f"{uuid.uuid4().hex[:20]}-{number}"
            with self._step("order"):
                try:
                    seen = await self._try(name, LOTS + number)
                except Again as again:
                    self.seen = str(again)
                    continue
                except grpc.aio.AioRpcError as error:
                    if error_reason(error) not in STEERED:
                        raise
                    self.seen = "somebody steers the market at the same time"
                    continue
            for self.doing, text in seen:
                if self.doing == "tick" and self._feed is None:
                    self._left_out("edge")
                else:
                    self._done(f"{text}, after {number + 1} tries" if number and self.doing == "order" else text)
            return name
        raise Failed(f"none of {TRIES} orders was seen everywhere; at last: {self.seen}")

    async def _try(self, name: str, lots: int) -> Lines:
        """One order, seen and cancelled, or what else the session lets be seen; raises Again where the market was faster."""
        paused, session = await self._is_paused(), await self._session()
        size = str(lots * Decimal(self._instrument.lot_size))
        if session != types_pb2.SESSION_STATE_CONTINUOUS:
            return await self._try_without_trading(name, size, paused, session)
        price = await self._improving_price(paused)
        if self._feed is not None:
            self._feed.bids.clear()
        order = await self._submit(name, price, size, paused)
        self.doing = "book"
        try:
            _check_status(order, types_pb2.ORDER_STATUS_OPEN, "it was on its way")
            if await self._size_at(price) < Decimal(size):
                raise Again("it was taken before the book was read")
            self.doing = "tick"
            if self._feed is not None and not await self._feed.shows(price, size):
                self._check_reading()
                raise Again("no tick had it as best bid at the end of its window")
        finally:
            gone = await self._cancel(name, paused)
        self.doing = "cancel"
        _check_status(gone, types_pb2.ORDER_STATUS_CANCELLED, "it was to be cancelled")
        if await self._size_at(price) == Decimal(size):
            raise Again("the book still shows its size")
        return (
            ("order", f"improved the best bid by {size} at {price}"),
            ("book", "GetBook shows it"),
            ("tick", "a tick over WebSocket shows it as best bid"),
            ("cancel", "it is cancelled and gone"),
        )

    async def _try_without_trading(self, name: str, size: str, paused: bool, session: types_pb2.SessionState) -> Lines:
        """One order where none trades: refused, or resting and cancelled."""
        self.doing, price, state = "order", await self._low_price(), _session_name(session)
        order = await self._submit(name, price, size, paused)
        if session in REFUSING:
            refused = order.status, order.reason
            if refused != (types_pb2.ORDER_STATUS_REJECTED, types_pb2.REASON_MARKET_CLOSED):
                await self._cancel(name, paused)
                raise Again(f"in {state} it was {types_pb2.OrderStatus.Name(order.status)}, not refused")
            seen: Lines = (("order", f"is refused with MARKET_CLOSED, as it must be while {state}"),)
        else:
            try:
                _check_status(order, types_pb2.ORDER_STATUS_OPEN, "it was on its way")
                self.doing = "book"
                if await self._size_at(price) < Decimal(size):
                    raise Again("it was gone before the book was read")
            finally:
                gone = await self._cancel(name, paused)
            self.doing = "cancel"
            _check_status(gone, types_pb2.ORDER_STATUS_CANCELLED, "it was to be cancelled")
            seen = (
                ("order", f"{size} rests at {price}, collected in {state}"),
                ("book", "GetBook shows it"),
                ("cancel", "it is cancelled and gone"),
            )
        self.doing = "tick"
        if self._feed is not None and not await self._feed.speaks():
            self._check_reading()
            raise Again("no tick came over WebSocket")
        return (*seen, ("tick", f"the last tick came over WebSocket; in {state} none shows an order"))

    async def _submit(self, name: str, price: str, size: str, paused: bool) -> types_pb2.Order:
        request = pb.SubmitOrderRequest(
            account=ACCOUNT,
            symbol=self._instrument.symbol,
            client_order_id=name,
            side=types_pb2.SIDE_BUY,
            order_type=types_pb2.ORDER_TYPE_LIMIT,
            quantity=size,
            price=price,
            queue_while_paused=paused,
        )
        return (await self._in_window(self._book.SubmitOrder(request, timeout=CALL_S), paused)).order

    async def _session(self) -> types_pb2.SessionState:
        book = await self._book.GetBook(pb.GetBookRequest(symbol=self._instrument.symbol, depth=1), timeout=CALL_S)
        return book.tick.session_state

    async def _low_price(self) -> str:
        """A tick below the best bid, so that it need not trade when the session ends; without bids, half the reference."""
        book = await self._book.GetBook(pb.GetBookRequest(symbol=self._instrument.symbol, depth=1), timeout=CALL_S)
        instrument, tick_size = self._instrument, Decimal(self._instrument.tick_size)
        best = int(Decimal(book.bids[0].price) / tick_size) if book.bids else instrument.reference_price_ticks // 2
        return str(max(best - 1, instrument.min_price_ticks) * tick_size)

    async def _improving_price(self, paused: bool) -> str:
        """A tick above the best bid and below the best ask; waits for a window that has such a price."""
        request = pb.GetBookRequest(symbol=self._instrument.symbol, depth=1)
        for _ in range(LOOKS):
            book = await self._book.GetBook(request, timeout=CALL_S)
            if book.bids and book.asks:
                price = Decimal(book.bids[0].price) + Decimal(self._instrument.tick_size)
                if price < Decimal(book.asks[0].price):
                    return str(price)
            if paused:
                await self._engine.Step(engine_pb2.StepRequest(windows=1), timeout=CALL_S)
            else:
                await asyncio.sleep(LOOK_EVERY_S)
        raise Again(f"in {LOOKS} looks at the book no price lay between best bid and best ask")

    async def _in_window(self, call: Awaitable[T], paused: bool) -> T:
        """The answer of a call that waits for its window; a paused market is stepped until it is there."""
        task = asyncio.ensure_future(call)
        try:
            while paused and not task.done():
                # The call must reach the book before the window that is to take it.
                if not (await asyncio.wait({task}, timeout=LOOK_EVERY_S))[0]:
                    await self._engine.Step(engine_pb2.StepRequest(windows=1), timeout=CALL_S)
            return await task
        finally:
            task.cancel()

    async def _cancel(self, name: str, paused: bool) -> types_pb2.Order:
        request = pb.CancelOrderRequest(
            account=ACCOUNT, symbol=self._instrument.symbol, client_order_id=name, queue_while_paused=paused
        )
        answer = await self._in_window(self._book.CancelOrder(request, timeout=CALL_S), paused)
        return answer.order

    async def _size_at(self, price: str) -> Decimal:
        book = await self._book.GetBook(pb.GetBookRequest(symbol=self._instrument.symbol, depth=100), timeout=CALL_S)
        return next((Decimal(level.quantity) for level in book.bids if Decimal(level.price) == Decimal(price)), Decimal(0))

    def _check_reading(self) -> None:
        if self._reading is not None and self._reading.done():
            error = self._reading.exception()
            raise Failed(f"the edge ended the connection ({peer_error(error) if error else 'in order'})")

    async def _outside_orders(self) -> dict[str, float]:
        """Of each order book that is up, how many outside orders it keeps, by its name on the memory monitor's page."""
        url = f"{self.addresses.memory.rstrip('/').removesuffix('/metrics')}/metrics"
        with self._step("memory"):
            try:
                text = await asyncio.to_thread(_get, url)
            except (OSError, ValueError) as error:
                raise Failed(f"the memory monitor's page {url} cannot be read ({error})") from None
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {
            sample.labels["target"]: sample.value
            for sample in samples
            if sample.name == "marksim_memory_target_store_used_entries" and sample.labels["store"] == "outside_orders"
        }

    async def _counted(self, before: dict[str, float]) -> str:
        """Wait until the page shows more outside orders than before; the name of the order book that has them."""
        while True:
            present = await self._outside_orders()
            for target, count in present.items():
                if count > before.get(target, 0):
                    return target
            self.seen = f"no order book on the page counts more outside orders than {before or 'before'}"
            await asyncio.sleep(POLL_EVERY_S)

    def _open(self, address: str) -> grpc.aio.Channel:
        channel = open_channel(address)
        self._stack.push_async_callback(channel.close)
        return channel

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """What fails inside, fails in this step or where `doing` has come to since."""
        self.doing = name
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise Failed(peer_error(error)) from None

    def _done(self, text: str) -> None:
        print(f"ok      {self.doing:<7} {text}", flush=True)
        self.seen = ""

    def _left_out(self, flag: str) -> None:
        print(f"-       {flag:<7} left out, no --{flag} is given", flush=True)


def _check_status(order: types_pb2.Order, wanted: types_pb2.OrderStatus, when: str) -> None:
    if (order.status, order.reason) == (types_pb2.ORDER_STATUS_REJECTED, types_pb2.REASON_MARKET_CLOSED):
        raise Again("the session changed: MARKET_CLOSED")
    if order.status == types_pb2.ORDER_STATUS_REJECTED:
        raise Failed(f"the book rejected the order: {types_pb2.Reason.Name(order.reason)}")
    if order.status != wanted:
        raise Again(f"it was {types_pb2.OrderStatus.Name(order.status)} when {when}")


def _session_name(session: types_pb2.SessionState) -> str:
    return types_pb2.SessionState.Name(session).removeprefix("SESSION_STATE_")


def _meaning(session: types_pb2.SessionState) -> str:
    """What to expect of a session other than continuous trading, as the end of a sentence."""
    if session == types_pb2.SESSION_STATE_CONTINUOUS:
        return ""
    what = "no orders are taken" if session in REFUSING else "orders are collected and none trades"
    return f"; its session is {_session_name(session)}: {what}"


def _get(url: str) -> str:
    # What http_proxy names does not know the services of a cluster.
    with build_opener(ProxyHandler({})).open(url, timeout=CALL_S) as response:
        text: Any = response.read().decode()
    return str(text)


async def check(addresses: Addresses) -> bool:
    """Run the test and print its steps; whether all passed."""
    test = ReleaseTest(addresses)
    try:
        await test.run()
    except (Failed, WebSocketException) as failed:
        print(f"failed  {test.doing:<7} {failed}", flush=True)
        return False
    return True


def _option(name: str, text: str) -> Any:
    return typer.Option(envvar=f"MARKSIM_RELEASE_TEST__{name}", help=text)


def run(
    orderbook: Annotated[str, _option("ORDERBOOK", "Addresses of the order books, a,b.")] = "localhost:50051",
    engine: Annotated[str, _option("ENGINE", "Addresses of the engines, a,b.")] = "localhost:50052",
    edge: Annotated[str, _option("EDGE", "Address of the WebSocket feed; empty leaves it out.")] = "ws://localhost:8765",
    memory: Annotated[str, _option("MEMORY", "The memory monitor's page; empty leaves it out.")] = "http://localhost:9108",
    symbol: Annotated[str, _option("SYMBOL", "What to trade; the first that is listed if not given.")] = "",
    timeout_s: Annotated[float, _option("TIMEOUT_S", "Seconds for all of it.")] = 60.0,
) -> None:
    """Trade on a running market, see the order everywhere, and cancel it."""
    books, engines = ([one.strip() for one in text.split(",") if one.strip()] for text in (orderbook, engine))
    if not books or not engines:
        raise typer.BadParameter("--orderbook and --engine each need an address")
    try:
        passed = asyncio.run(check(Addresses(books, engines, edge, memory, symbol, timeout_s)))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(0 if passed else 1)


if __name__ == "__main__":
    typer.run(run)
