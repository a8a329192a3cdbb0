"""What reached agents that cannot write down their state, since the start of the run: enough to play them again.

For each window with anything in it: the tick of each symbol that such an agent trades, the order events that concern one
(the other party's columns are 0), a digest of the commands that each of them sent, and the events that were injected.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.errors import InvalidInput, MarksimError
from marksim.core.feed.ticks import tick_row
from marksim.core.types import EXECUTION, TICK, Records, Tick

LIMIT_BYTES: Final = 64 << 20
CHUNK: Final = 1_024
"""Rows that are packed together."""

TICKS: Final = np.dtype([("window", "<i8"), ("symbol", "<i8"), ("row", TICK)])
EXECUTIONS: Final = np.dtype([("window", "<i8"), ("symbol", "<i8"), ("row", EXECUTION)])
SENT: Final = np.dtype([("window", "<i8"), ("account", "<i8"), ("digest", "<u8")])
EVENTS: Final = np.dtype([("window", "<i8"), ("bytes", "<i8")])
"""`symbol` is a place in the order of the instruments; of an event the text, JSON, is so long."""

_KINDS: Final = {"ticks": TICKS, "executions": EXECUTIONS, "sent": SENT, "events": EVENTS}
TEXT: Final = "text"


class NonDeterministic(MarksimError):
    """An agent that was played again by what reached it did not do what it had done."""

    reason = "NONDETERMINISTIC"

    def __init__(self, agent: str, window: int, detail: str) -> None:
        super().__init__(
            f"agent {agent} is not deterministic: in window {window} {detail}; let it use nothing but its market and "
            "market.rng, give it state() and restore(), or mark it `ephemeral: true`",
            metadata={"agent": agent, "window": str(window)},
        )
        self.agent = agent
        self.window = window
        self.detail = detail


@dataclass(slots=True)
class LoggedWindow:
    """What is in the log of one window."""

    window: int
    ticks: dict[int, Records] = field(default_factory=dict)
    """By symbol: one row of TICK."""
    executions: dict[int, Records] = field(default_factory=dict)
    """By symbol: rows of EXECUTION."""
    sent: dict[int, int] = field(default_factory=dict)
    """By account: the digest of its commands."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """As `event_to_plain` gave them."""


class Rows:
    """Rows of one dtype, which begins with an ascending `window`: packed, but for the last ones."""

    def __init__(self, dtype: np.dtype[np.void]) -> None:
        self.dtype = dtype
        self._chunks: list[bytes] = []
        self._tail = np.zeros(CHUNK, dtype)
        self._used = 0
        self._packed_bytes = 0

    def __len__(self) -> int:
        return len(self._chunks) * CHUNK + self._used

    @property
    def nbytes(self) -> int:
        return self._packed_bytes + self._used * self.dtype.itemsize

    def append(self, row: tuple[Any, ...]) -> None:
        """Add one."""
        if self._used == CHUNK:
            self._seal()
        self._tail[self._used] = row
        self._used += 1

    def extend(self, rows: Records) -> None:
        """Add many."""
        done = 0
        while done < len(rows):
            if self._used == CHUNK:
                self._seal()
            part = rows[done : done + CHUNK - self._used]
            self._tail[self._used : self._used + len(part)] = part
            self._used += len(part)
            done += len(part)

    def since(self, first: int) -> Records:
        """A copy of those from a place on."""
        parts = [unpacked(chunk, self.dtype) for chunk in self._chunks[first // CHUNK :]]
        skipped = first // CHUNK * CHUNK if parts else len(self._chunks) * CHUNK
        rows: Records = np.concatenate([*parts, self._tail[: self._used]])
        return rows[first - skipped :]

    def cut(self, window: int) -> None:
        """Drop what is of later windows."""
        while True:
            kept = int(np.searchsorted(self._tail["window"][: self._used], window, side="right"))
            if kept or not self._chunks:
                break
            chunk = self._chunks.pop()
            self._packed_bytes -= len(chunk)
            self._tail, self._used = unpacked(chunk, self.dtype), CHUNK
        self._used = kept

    def groups(self) -> Iterator[tuple[int, Records]]:
        """Each window that has rows, with them."""
        held: Records = np.zeros(0, self.dtype)
        for part in (*(unpacked(chunk, self.dtype) for chunk in self._chunks), self._tail[: self._used].copy()):
            rows = np.concatenate((held, part)) if len(held) else part
            windows = rows["window"]
            bounds = [0, *(np.flatnonzero(windows[1:] != windows[:-1]) + 1).tolist()]
            for first, last in pairwise(bounds):
                yield int(windows[first]), rows[first:last]
            # The last one may go on in the next chunk.
            held = rows[bounds[-1] :]
        if len(held):
            yield int(held["window"][0]), held

    def _seal(self) -> None:
        self._chunks.append(packed(self._tail))
        self._packed_bytes += len(self._chunks[-1])
        self._used = 0


class InputLog:
    """Holds at most about `limit_bytes`; one row more and it is full: then it holds nothing, and takes nothing, for ever."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.full = False
        self._rows = {name: Rows(dtype) for name, dtype in _KINDS.items()}
        self._texts: list[bytes] = []
        self._text_bytes = 0

    @property
    def nbytes(self) -> int:
        """That it holds."""
        return self._text_bytes + sum(rows.nbytes for rows in self._rows.values())

    def tick(self, window: int, symbol: int, tick: Tick) -> None:
        """A tick of a window."""
        self._append("ticks", (window, symbol, tick_row(tick, 0)[0]))

    def execution(self, window: int, symbol: int, row: tuple[int, ...]) -> None:
        """An order event, as a tuple of EXECUTION's columns."""
        self._append("executions", (window, symbol, row))

    def sent(self, window: int, account: int, digest: int) -> None:
        """What an agent sent in a window."""
        self._append("sent", (window, account, digest))

    def event(self, window: int, plain: Mapping[str, Any]) -> None:
        """An event that was injected for the start of a window."""
        text = json.dumps(plain).encode()
        self._texts.append(text)
        self._text_bytes += len(text)
        self._append("events", (window, len(text)))

    def fill(self) -> None:
        """Let it be full."""
        self.full = True
        self._rows = {name: Rows(dtype) for name, dtype in _KINDS.items()}
        self._texts, self._text_bytes = [], 0

    def mark(self) -> list[int]:
        """How far it is: for `since`, and plain data to keep beside what was taken."""
        return [len(rows) for rows in self._rows.values()]

    def since(self, mark: Sequence[int] = (0, 0, 0, 0)) -> dict[str, NDArray[Any]]:
        """Copies of all that came after a mark, by name: a piece to be written down. Nothing of a full log."""
        if self.full:
            mark = self.mark()
        piece = {name: rows.since(first) for (name, rows), first in zip(self._rows.items(), mark, strict=True)}
        return {**piece, TEXT: np.frombuffer(b"".join(self._texts[mark[-1] :]), np.uint8).copy()}

    def extend(self, piece: Mapping[str, NDArray[Any]]) -> None:
        """Add a piece that `since` gave. Raises InvalidInput for one that is none, or does not follow what is here."""
        if self.full:
            return
        self._check(piece)
        for name, rows in self._rows.items():
            rows.extend(piece[name])
        text, at = piece[TEXT].tobytes(), 0
        for count in piece["events"]["bytes"].tolist():
            self._texts.append(text[at : at + count])
            at += count
        self._text_bytes += at
        self._look()

    @classmethod
    def joined(cls, pieces: Iterable[Mapping[str, NDArray[Any]]], limit_bytes: int = LIMIT_BYTES) -> "InputLog":
        """The log that was written down in these pieces, in their order."""
        log = cls(limit_bytes)
        for piece in pieces:
            log.extend(piece)
        return log

    def cut(self, window: int) -> None:
        """Drop what is of later windows."""
        for rows in self._rows.values():
            rows.cut(window)
        self._texts = self._texts[: len(self._rows["events"])]
        self._text_bytes = sum(map(len, self._texts))

    def windows(self) -> Iterator[LoggedWindow]:
        """All that have something, in their order."""
        sources = {name: rows.groups() for name, rows in self._rows.items()}
        heads = {name: next(groups, None) for name, groups in sources.items()}
        texts = iter(self._texts)
        while any(heads.values()):
            found = LoggedWindow(min(head[0] for head in heads.values() if head is not None))
            for name, head in heads.items():
                if head is not None and head[0] == found.window:
                    self._put(found, name, head[1], texts)
                    heads[name] = next(sources[name], None)
            yield found

    def _put(self, found: LoggedWindow, name: str, rows: Records, texts: Iterator[bytes]) -> None:
        if name == "sent":
            found.sent.update(zip(rows["account"].tolist(), rows["digest"].tolist(), strict=True))
        elif name == "events":
            found.events += [json.loads(next(texts)) for _ in rows]
        else:
            of, symbols = (found.ticks, found.executions)[name == "executions"], rows["symbol"]
            for symbol in dict.fromkeys(symbols.tolist()):
                of[symbol] = np.ascontiguousarray(rows["row"][symbols == symbol])

    def _append(self, name: str, row: tuple[Any, ...]) -> None:
        if not self.full:
            self._rows[name].append(row)
            self._look()

    def _look(self) -> None:
        if self.nbytes > self.limit_bytes:
            self.fill()

    def _check(self, piece: Mapping[str, NDArray[Any]]) -> None:
        wanted = {**_KINDS, TEXT: np.dtype(np.uint8)}
        for name, dtype in wanted.items():
            if name not in piece or piece[name].dtype != dtype:
                raise InvalidInput(f"a piece of the input log has no {name} of the kind that this version writes")
        if int(piece["events"]["bytes"].sum()) != len(piece[TEXT]):
            raise InvalidInput("a piece of the input log has another length of text than its events say")
        for name, rows in self._rows.items():
            windows = np.concatenate((rows.since(max(0, len(rows) - 1))["window"], piece[name]["window"]))
            if np.any(windows[1:] < windows[:-1]):
                raise InvalidInput(f"pieces of the input log are not in order: {name} of an earlier window come later")


def digest_of(rows: Iterable[bytes]) -> int:
    """64 bits of the commands that an agent sent in one window, each behind the place of its symbol."""
    return int.from_bytes(hashlib.blake2b(b"".join(rows), digest_size=8).digest(), "little")


# Rows in few bytes: each column as differences to the row before, in as many bytes as the largest needs.

_WIDTHS: Final = tuple(np.dtype(f"<i{width}") for width in (1, 2, 4, 8))


def packed(rows: Records) -> bytes:
    """Rows, at least one, of a dtype of whole numbers of 1 or 8 bytes."""
    parts = []
    for column in columns(rows):
        numbers = column.view("<i8") if column.itemsize == 8 else column.astype("<i8")
        steps = np.diff(numbers, prepend=numbers[:1])
        # Of two steps that overflow the difference wraps around, and so does the sum.
        least, most = int(steps.min()), int(steps.max())
        width = next(one for one in _WIDTHS if np.iinfo(one).min <= least and most <= np.iinfo(one).max)
        parts += [bytes([0 if least == most == 0 else width.itemsize]), numbers[:1].tobytes()]
        if least or most:
            parts.append(steps.astype(width).tobytes())
    return b"".join(parts)


def unpacked(data: bytes, dtype: np.dtype[np.void]) -> Records:
    """CHUNK rows that were packed."""
    rows, at = np.zeros(CHUNK, dtype), 0
    for column in columns(rows):
        width, first = data[at], int.from_bytes(data[at + 1 : at + 9], "little", signed=True)
        at += 9
        if not width:
            numbers = np.full(CHUNK, first, "<i8")
        else:
            steps = np.frombuffer(data, f"<i{width}", CHUNK, at).astype("<i8")
            at += width * CHUNK
            steps[0] = first
            numbers = np.cumsum(steps)
        column[:] = numbers.view(column.dtype) if column.itemsize == 8 else numbers
    return rows


def columns(rows: Records) -> Iterator[NDArray[Any]]:
    """Of records, those in records included, in their order; views."""
    for name in rows.dtype.names or ():
        column = rows[name]
        if column.dtype.names is None:
            yield column
        else:
            yield from columns(column)
