"""One window on its way through the order book: what goes in, what came out, and what is counted of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.types import COMMAND, CommandKind, ExecutionKind, Instrument, Records, TimeInForce
from marksim.orderbook.answers import answer_of
from marksim.orderbook.outside import Outside
from marksim.orderbook.shard import SymbolDone
from marksim.store.windows import RecordedWindow, SymbolWindow
from marksim.v1 import orderbook_pb2 as pb

NO_COMMANDS: Final[Records] = np.zeros(0, COMMAND)
ASIDE_COMMANDS: Final = 4_096
"""From so many commands on a window is applied in a thread, so that the event loop goes on: docs/decisions/0012."""
WHOLE_BOOK: Final = 1_024
"""Commands that take as long as one look at 100,000 orders does, some milliseconds."""
PRICED_ORDERS: Final = 16
"""So many orders at prices of their own take as long to price for an auction, after each window, as a command does."""


# Plain numbers: an enum's members are slow to reach and to compare with.
_NEW, _SET_SESSION, _FOK = int(CommandKind.NEW), int(CommandKind.SET_SESSION), int(TimeInForce.FOK)
_MASS_CANCEL, _OWNER_GONE = int(CommandKind.MASS_CANCEL), int(CommandKind.OWNER_GONE)
_REJECTED, _CANCEL_REJECTED = int(ExecutionKind.REJECTED), int(ExecutionKind.CANCEL_REJECTED)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what is kept; see the settings of the same names."""

    max_orders: int
    recorded_windows: int = 1_024
    outside_queue: int = 1_024
    outside_accounts: int = 256
    outside_orders: int = 100_000

    def outside(self) -> Outside:
        """No outside accounts yet."""
        return Outside(self.outside_queue, self.outside_accounts, self.outside_orders)

    def restored(self, notes: Iterable[tuple[str, bytes]], instruments: Mapping[str, Instrument]) -> Outside:
        """The outside accounts that these notes tell of; raises as Outside.restored does."""
        return Outside.restored(self.outside_queue, self.outside_accounts, self.outside_orders, notes, instruments)


@dataclass(frozen=True, slots=True)
class WindowInput:
    """All that one window does to the books, by symbol."""

    window: int
    end_ns: int
    outside: dict[str, Records]
    commands: dict[str, Records]
    snapshot: bool
    auctioned_orders: int = 0
    """That rest in those of its books that are in an auction: their price is worked out anew after the window."""
    control: bytes = b""
    """The engine's own inputs."""

    @property
    def parts(self) -> tuple[int, int, dict[str, Records], dict[str, Records], bool]:
        """As `Shard.apply` takes it."""
        return self.window, self.end_ns, self.outside, self.commands, self.snapshot

    @property
    def size(self) -> int:
        """Commands in it, each that may have to look at a whole book counted as WHOLE_BOOK of them, or trade it as more;
        and what the pricing of auctions takes.
        """
        parts = [*self.commands.values(), *self.outside.values()]
        sessions = sum(int(np.count_nonzero(part["kind"] == _SET_SESSION)) for part in parts)
        whole = WHOLE_BOOK * sum(map(_looks_at_all, parts)) + ASIDE_COMMANDS * sessions
        return sum(map(len, parts)) + whole + self.auctioned_orders // PRICED_ORDERS


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answer to a window, by the digest of its input."""

    digest: bytes
    answer: bytes


@dataclass
class DoneWindow:
    """A window that is in the books, and not yet told."""

    input: WindowInput
    digest: bytes
    tapes: bool
    """Whether the engine wants to know the tape hashes."""
    parts: dict[str, SymbolDone]
    notes: dict[str, bytes | None] = field(default_factory=dict)
    """What is kept of outside orders with it."""

    @cached_property
    def answer(self) -> bytes:
        """The encoded answer."""
        return answer_of(self.input.window, [part.result for part in self.parts.values() if part.result is not None])

    @cached_property
    def response(self) -> pb.TradeResponse:
        """The answer as it is sent."""
        return pb.TradeResponse.FromString(self.answer)

    @property
    def recorded(self) -> RecordedWindow:
        """As it is kept. Its arrays hold until the next window."""
        outside, commands = self.input.outside, self.input.commands
        parts = {
            symbol: SymbolWindow(
                outside.get(symbol, NO_COMMANDS),
                commands.get(symbol, NO_COMMANDS),
                part.output.executions,
                part.output.quotes,
                part.output.depth,
                part.tick,
                part.levels,
                part.previous_window,
                part.digest,
            )
            for symbol, part in self.parts.items()
        }
        window = self.input.window
        return RecordedWindow(window, window, self.digest, self.input.control, parts)


Counts = NDArray[np.int64]
"""Indexed by a number of one byte, so that whatever stands in a column can be counted."""


class Totals:
    """Counts since the service started; those by kind or reason are indexed by the numbers of the contract."""

    def __init__(self) -> None:
        self.windows = 0
        self.resent = 0
        self.commands: Counts = np.zeros(256, np.int64)
        self.outside_commands: Counts = np.zeros(256, np.int64)
        self.executions: Counts = np.zeros(256, np.int64)
        self.rejects: Counts = np.zeros(256, np.int64)

    def window(self, commands: Iterable[Records], outside: Iterable[Records], executions: Iterable[Records]) -> None:
        """Count a window that was applied."""
        self.windows += 1
        for rows in commands:
            self.commands += np.bincount(rows["kind"], minlength=256)
        for rows in outside:
            self.outside_commands += np.bincount(rows["kind"], minlength=256)
        for rows in executions:
            kinds = np.bincount(rows["kind"], minlength=256)
            self.executions += kinds
            if kinds[_REJECTED] or kinds[_CANCEL_REJECTED]:
                refused = (rows["kind"] == _REJECTED) | (rows["kind"] == _CANCEL_REJECTED)
                self.rejects += np.bincount(rows["reason"][refused], minlength=256)


@dataclass(slots=True, eq=False)
class EngineSession:
    """One open Trade stream."""

    instance: str
    paused: bool = False
    ended: bool = field(default=False)


def _looks_at_all(commands: Records) -> int:
    """How many mass cancels, and orders that look for their own before they trade, are among them."""
    kinds = commands["kind"]
    looks = int(np.count_nonzero((kinds == _MASS_CANCEL) | (kinds == _OWNER_GONE)))
    preventing = commands["self_trade_prevention"] != 0
    # Seldom any: most windows are spared the rest.
    if preventing.any():
        whole = (commands["time_in_force"] == _FOK) | (commands["min_quantity_lots"] != 0)
        looks += int(np.count_nonzero((kinds == _NEW) & preventing & whole))
    return looks
