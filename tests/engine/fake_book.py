"""An order book service that is just enough for the engine: it accepts every window and can be lost or broken by a test."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio

from marksim.codec import decode_columns, encode_columns, instrument_to_proto, tick_to_proto
from marksim.core.book.reference import ReferenceBook
from marksim.core.errors import NotNow
from marksim.core.feed.ticks import TickBuilder
from marksim.core.types import COMMAND
from marksim.runtime.errors import ErrorInterceptor
from marksim.scenario import Scenario
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc, types_pb2


class FakeBook(orderbook_pb2_grpc.OrderBookServiceServicer):
    """One shard of a scenario. `windows` holds every window message as it came, resent ones too."""

    def __init__(self, scenario: Scenario) -> None:
        self.instruments = scenario.instruments()
        self.windows: list[tuple[str, int, bytes]] = []
        self.paces: list[bool] = []
        self.breaks_at: set[int] = set()
        self.refuses = ""
        self.lose()

    def lose(self) -> None:
        """Forget everything, as a restart without a journal does."""
        self.run, self.term, self.last_window = "", 0, -1
        self.answers: dict[int, pb.WindowResult] = {}
        self.books = {one.symbol: ReferenceBook(one) for one in self.instruments}
        self.ticks = {one.symbol: TickBuilder(one) for one in self.instruments}

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse:
        return pb.GetRunResponse(run=self.run, term=self.term)

    async def ListInstruments(self, request: pb.ListInstrumentsRequest, context: Any) -> pb.ListInstrumentsResponse:
        return pb.ListInstrumentsResponse(instruments=map(instrument_to_proto, self.instruments))

    async def Trade(self, requests: AsyncIterator[pb.TradeRequest], context: Any) -> AsyncIterator[pb.TradeResponse]:
        async for request in requests:
            if request.WhichOneof("message") == "open":
                if self.refuses:
                    raise NotNow("a newer engine drives this book", reason=self.refuses)
                if request.open.run != self.run:
                    self.lose()
                self.run, self.term = request.open.run, request.open.term
                last = self.last_window if self.last_window >= 0 else None
                yield pb.TradeResponse(opened=pb.RunOpened(run=self.run, last_window=last))
            elif request.WhichOneof("message") == "pace":
                self.paces.append(request.pace.paused)
            else:
                answer = self._apply(request.window)
                if request.window.window in self.breaks_at:
                    self.breaks_at.remove(request.window.window)
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "broken by the test")
                yield pb.TradeResponse(result=answer)

    def _apply(self, window: pb.WindowCommands) -> pb.WindowResult:
        self.windows.append((self.run, window.window, window.SerializeToString(deterministic=True)))
        if window.window in self.answers:
            return self.answers[window.window]
        answer = pb.WindowResult(window=window.window)
        for part in window.commands:
            output = self.books[part.symbol].apply(decode_columns(part.commands, COMMAND))
            tick = self.ticks[part.symbol].update(output, self.books[part.symbol].session)
            answer.results.append(
                pb.SymbolResult(
                    symbol=part.symbol,
                    executions=encode_columns(output.executions, types_pb2.ExecutionColumns),
                    tick=tick_to_proto(tick) if tick else None,
                )
            )
        self.answers[window.window] = answer
        self.last_window = window.window
        return answer


async def serve(book: FakeBook, port: int = 0, host: str = "127.0.0.1") -> tuple[grpc.aio.Server, int]:
    """Start it on an address of loopback; the server and its port."""
    interceptors: Sequence[grpc.aio.ServerInterceptor] = [ErrorInterceptor()]
    server = grpc.aio.server(interceptors=interceptors)
    orderbook_pb2_grpc.add_OrderBookServiceServicer_to_server(book, server)
    bound = server.add_insecure_port(f"{host}:{port}")
    await server.start()
    return server, bound
