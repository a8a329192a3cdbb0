"""One call of an engine, and how it ends: 0, or a sentence on stderr and 1 (refused), 2 (usage) or 3 (nobody there)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

import grpc
import grpc.aio
import typer

from marksim.core.errors import InvalidInput
from marksim.runtime.channel import error_info, open_channel
from marksim.v1 import engine_pb2_grpc

REFUSED: Final = 1
USAGE: Final = 2
NOBODY: Final = 3
INTERRUPTED: Final = 130
CALL_S: Final = 10.0
"""How long any call but a step may take; a pause waits up to two seconds for its window."""

T = TypeVar("T")
Stub: TypeAlias = "engine_pb2_grpc.EngineServiceAsyncStub"


def run(engine: str, work: Callable[[Stub], Awaitable[T]]) -> T:
    """Do `work` with the engine at `host:port`. Ends the process, as the module says, where it cannot."""
    try:
        return asyncio.run(_with_stub(engine, work))
    except InvalidInput as error:
        end(USAGE, error.message)
    except grpc.aio.AioRpcError as error:
        # What a service says itself has an ErrorInfo; without, nobody did.
        if error_info(error) is not None:
            end(REFUSED, error.details() or error.code().name)
        if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            end(NOBODY, f"no engine answers at {engine}: start one (marksim run), or name another with --engine")
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            end(NOBODY, f"what answers at {engine} is no engine: name the engine's gRPC port with --engine")
        end(REFUSED, f"{error.code().name}: {error.details()}")
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def end(code: int, sentence: str) -> NoReturn:
    """Say it and end the process."""
    typer.echo(f"marksim: {sentence}", err=True)
    raise typer.Exit(code)


async def _with_stub(engine: str, work: Callable[[Stub], Awaitable[T]]) -> T:
    async with _stub(engine) as stub:
        return await work(stub)


@asynccontextmanager
async def _stub(engine: str) -> AsyncIterator[Any]:
    channel = open_channel(engine)
    try:
        yield engine_pb2_grpc.EngineServiceStub(channel)
    finally:
        await channel.close()
