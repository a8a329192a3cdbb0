"""The engine's stream: open, then windows in lock step, until it ends or another takes its place."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import grpc.aio

from marksim.core.errors import Away, InvalidInput, MarksimError
from marksim.orderbook.sequencing import Sequencer, fenced
from marksim.orderbook.timing import WINDOW
from marksim.orderbook.window import EngineSession
from marksim.runtime.logs import get_logger
from marksim.v1 import orderbook_pb2 as pb

log = get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]

HELD_S: Final = 0.5
"""After so long it is tried again to keep a window that could not be kept."""

Inbox = asyncio.Queue["pb.TradeRequest | MarksimError | None"]


@dataclass(slots=True, eq=False)
class Trading:
    """Lets one engine at a time drive the sequencer."""

    sequencer: Sequencer
    _inbox: Inbox | None = field(default=None)
    _stopped: bool = field(default=False)

    def stop(self) -> None:
        """Take no more windows."""
        self._stopped = True
        self._end(_stopping())

    async def run(self, requests: AsyncIterable[pb.TradeRequest]) -> AsyncGenerator[pb.TradeResponse, None]:
        """Answer one engine's stream; raises what the contract says of a refused one."""
        self._check_not_stopped()
        inbox: Inbox = asyncio.Queue(maxsize=4)
        # Reading in a task of its own lets a newer engine end this stream although its engine says nothing.
        pump = asyncio.create_task(_pump(requests, inbox))
        session: EngineSession | None = None
        try:
            first = await _next(inbox)
            if first is None:
                return
            if first.WhichOneof("message") != "open":
                raise InvalidInput("the first message on Trade must be open")
            async with self.sequencer.books:
                self._check_not_stopped()
                session, opened = await self.sequencer.open(first.open)
            self._end(fenced())
            self._inbox = inbox
            log.info("engine connected", run=opened.run, term=first.open.term, instance=session.instance)
            yield pb.TradeResponse(opened=opened)
            ahead: deque[pb.TradeRequest | None] = deque(maxlen=1)
            while (request := ahead.popleft() if ahead else await _next(inbox)) is not None:
                if request.WhichOneof("message") != "window":
                    await self._hear(session, request)
                    continue
                with WINDOW.time():
                    response = await self.sequencer.window(request.window, session)
                while response.HasField("held"):
                    yield response
                    await self._listen(session, inbox, ahead)
                    self._check_not_stopped()
                    response = await self.sequencer.window(request.window, session)
                yield response
        finally:
            pump.cancel()
            if session is not None:
                self.sequencer.end_session(session, "its stream ended")
                log.info("engine disconnected", instance=session.instance)
            if self._inbox is inbox:
                self._inbox = None

    async def _hear(self, session: EngineSession, request: pb.TradeRequest) -> None:
        match request.WhichOneof("message"):
            case "pace":
                self.sequencer.pace(session, request.pace)
            case "saved":
                await self.sequencer.saved(request.saved.window)
            case _:
                raise InvalidInput("after open come only window, pace and saved")

    async def _listen(self, session: EngineSession, inbox: Inbox, ahead: deque[pb.TradeRequest | None]) -> None:
        """For HELD_S hear what else the engine says: what it has saved by now may make room. A window goes to `ahead`."""
        until = asyncio.get_running_loop().time() + HELD_S
        try:
            while not ahead:
                async with asyncio.timeout_at(until):
                    request = await _next(inbox)
                if request is None or request.WhichOneof("message") == "window":
                    ahead.append(request)
                else:
                    await self._hear(session, request)
            async with asyncio.timeout_at(until):
                await asyncio.Future()
        except TimeoutError:
            return

    def _check_not_stopped(self) -> None:
        if self._stopped:
            raise _stopping()

    def _end(self, error: MarksimError) -> None:
        """End the open stream, whatever it still had to say."""
        inbox, self._inbox = self._inbox, None
        if inbox is None:
            return
        while not inbox.empty():
            inbox.get_nowait()
        inbox.put_nowait(error)


def _stopping() -> Away:
    return Away("the order book is shutting down", reason="SHUTTING_DOWN")


async def _pump(requests: AsyncIterable[pb.TradeRequest], inbox: Inbox) -> None:
    # An engine that dies ends its stream as one that says goodbye.
    with suppress(grpc.RpcError, grpc.aio.BaseError, grpc.aio.UsageError):
        async for request in requests:
            await inbox.put(request)
    await inbox.put(None)


async def _next(inbox: Inbox) -> pb.TradeRequest | None:
    item = await inbox.get()
    if isinstance(item, MarksimError):
        raise item
    return item
