"""The market's clock: whoever may, can pause it, step it and change its speed, with everyone connected."""

from typing import Any

import grpc

from marksim.client.errors import market_error
from marksim.client.values import Status
from marksim.v1 import engine_pb2 as pb


def request_of(method: str, **fields: Any) -> Any:
    """The request of an EngineService rpc."""
    return getattr(pb, f"{method}Request")(**fields)


def speed_of(factor: float | None) -> pb.Speed:
    """Simulated seconds a wall second; None for as fast as it goes. ValueError for what is no speed."""
    if factor is not None and not 0 < factor < float("inf"):
        raise ValueError(f"factor is {factor}: give a number above 0, or None for as fast as it goes")
    return pb.Speed(max=True) if factor is None else pb.Speed(factor=factor)


def no_engine() -> ValueError:
    """What to do where the engine's address was not given."""
    return ValueError('the engine\'s address is not known: give control="localhost:50052"')


class Control:
    """Calls to one engine; each returns the status after it, and raises MarketError."""

    def __init__(self, stub: Any, timeout: float) -> None:
        self._stub = stub
        self._timeout = timeout

    def status(self) -> Status:
        """Where the clock stands."""
        return self._call("GetStatus")

    def pause(self) -> Status:
        """Stop the clock after the window it is in."""
        return self._call("Pause")

    def resume(self) -> Status:
        """Let it go on."""
        return self._call("Resume")

    def step(self, windows: int = 1) -> Status:
        """Run so many windows of a paused market."""
        return self._call("Step", windows=windows)

    def speed(self, factor: float | None) -> Status:
        """Change the speed, None for as fast as it goes."""
        return self._call("SetSpeed", speed=speed_of(factor))

    def _call(self, method: str, **fields: Any) -> Status:
        if self._stub is None:
            raise no_engine()
        try:
            answer = getattr(self._stub, method)(request_of(method, **fields), timeout=self._timeout)
        except grpc.RpcError as error:
            raise market_error(error) from None
        return Status.of(answer.status)


class AsyncControl:
    """The same, awaited."""

    def __init__(self, stub: Any, timeout: float) -> None:
        self._stub = stub
        self._timeout = timeout

    async def status(self) -> Status:
        """Where the clock stands."""
        return await self._call("GetStatus")

    async def pause(self) -> Status:
        """Stop the clock after the window it is in."""
        return await self._call("Pause")

    async def resume(self) -> Status:
        """Let it go on."""
        return await self._call("Resume")

    async def step(self, windows: int = 1) -> Status:
        """Run so many windows of a paused market."""
        return await self._call("Step", windows=windows)

    async def speed(self, factor: float | None) -> Status:
        """Change the speed, None for as fast as it goes."""
        return await self._call("SetSpeed", speed=speed_of(factor))

    async def _call(self, method: str, **fields: Any) -> Status:
        if self._stub is None:
            raise no_engine()
        try:
            answer = await getattr(self._stub, method)(request_of(method, **fields), timeout=self._timeout)
        except grpc.RpcError as error:
            raise market_error(error) from None
        return Status.of(answer.status)
