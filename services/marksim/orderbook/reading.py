"""Recorded windows for an engine that recovers: with all that went in and came out, as it was sent."""

from collections.abc import AsyncGenerator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final

from marksim.codec import encode_columns
from marksim.core.errors import InvalidInput, MarksimError, NotFound
from marksim.orderbook.frames import kept_tick
from marksim.orderbook.history import Hole, unbroken
from marksim.orderbook.recorded import Recorded
from marksim.orderbook.tape import RunFacts, Tape
from marksim.runtime.logs import get_logger
from marksim.store.windows import RecordedWindow, SymbolWindow
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2

RESPONSE_BYTES: Final = 1 << 20
"""A response is below this, unless one window alone is not."""
RESPONSE_WINDOWS: Final = 1_024
"""And has at most so many windows, a row of empty ones counted as one: nobody's turn is long."""
_FRAMING: Final = 8
"""Bytes, at most, that stand before a window in a response."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Piece:
    response: pb.ReadWindowsResponse
    last: int
    """The last window in it."""


async def read_windows(tape: Tape, request: pb.ReadWindowsRequest) -> AsyncGenerator[pb.ReadWindowsResponse, None]:
    """All windows that are asked for, in bounded responses, none read before the one before it is taken.

    Raises InvalidInput, NotFound with UNKNOWN_RUN or WINDOW_GONE, and Damaged.
    """
    run, recorded, last = _checked(tape, request)
    due = request.first_window
    while due <= last:
        if run.recorded is not recorded:
            raise _unknown_run(request.run, tape.current)
        try:
            piece = await tape.turns.run(partial(_read, tape, recorded, due, last))
        except MarksimError as error:
            if run.recorded is not recorded:
                # It was set aside meanwhile, which is no fault of it.
                continue
            log.error("recorded windows cannot be read", run=run.run, first_window=due, reason=error.message)
            raise
        yield piece.response
        due = piece.last + 1


def _checked(tape: Tape, request: pb.ReadWindowsRequest) -> tuple[RunFacts, Recorded, int]:
    """The run, what is recorded of it, and the last window to read."""
    run = tape.current
    if run is None or run.run != request.run:
        raise _unknown_run(request.run, run)
    # What is kept and not yet synced is an engine's business, though not a reader's.
    last = run.last_window if run.recorded is None else run.recorded.last_window
    first = request.first_window
    if not 0 <= first <= last + 1:
        problem = f"first_window is {first}: give one from 0 to {last + 1}, the next one of run {run.run}"
        raise InvalidInput(problem, metadata={"field": "first_window"})
    if request.HasField("last_window"):
        if not first - 1 <= request.last_window <= last:
            problem = f"last_window is {request.last_window}: give one from first_window to {last}, or leave it out"
            raise InvalidInput(problem, metadata={"field": "last_window"})
        last = request.last_window
    if run.recorded is None:
        message = "this book keeps no windows: start it with a durability other than none"
        raise NotFound(message, reason="WINDOW_GONE")
    if first <= last and first < run.recorded.first_window:
        raise _gone(first, run.recorded.first_window)
    return run, run.recorded, last


def _read(tape: Tape, recorded: Recorded, first: int, last: int) -> _Piece:
    """As many windows as one response holds, at least one. For a thread."""
    response, size, through = pb.ReadWindowsResponse(), 0, first - 1
    with closing(unbroken(recorded, first, last)) as windows:
        for count, window in enumerate(windows):
            if isinstance(window, Hole):
                if count:
                    break
                raise _gone(window.first, max(window.last + 1, recorded.first_window))
            message = _window(window, tape.symbols)
            size += message.ByteSize() + _FRAMING
            if count and (size >= RESPONSE_BYTES or count >= RESPONSE_WINDOWS):
                break
            response.windows.append(message)
            through = message.last_window
    return _Piece(response, through)


def _window(window: RecordedWindow, symbols: tuple[str, ...]) -> pb.RecordedWindow:
    message = pb.RecordedWindow(window=window.window, last_window=window.last, control=window.control)
    for symbol in symbols:
        part = window.parts.get(symbol)
        if part is None:
            continue
        for rows, sent in ((part.commands, message.commands), (part.outside, message.outside)):
            if len(rows):
                sent.add(symbol=symbol, commands=encode_columns(rows, types_pb2.CommandColumns))
        if len(part.executions):
            message.results.append(_result(symbol, part))
    return message


def _result(symbol: str, part: SymbolWindow) -> pb.SymbolResult:
    return pb.SymbolResult(
        symbol=symbol,
        executions=encode_columns(part.executions, types_pb2.ExecutionColumns),
        quotes=encode_columns(part.quotes, types_pb2.QuoteColumns) if len(part.quotes) else None,
        tick=kept_tick(part.tick),
    )


def _gone(first: int, kept: int) -> NotFound:
    message = f"window {first} is not kept any more: the first one that is kept is {kept}"
    return NotFound(message, reason="WINDOW_GONE", metadata={"first_window": str(kept)})


def _unknown_run(asked: str, run: RunFacts | None) -> NotFound:
    present = f"its run is {run.run}" if run is not None else "it has none yet"
    return NotFound(
        f"run is {asked[:40]!r}: this book keeps the windows of its present run, and {present}", reason="UNKNOWN_RUN"
    )
