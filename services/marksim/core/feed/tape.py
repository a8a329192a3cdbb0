"""The tape hash of one symbol, and of a run: what happened, as one number that two runs can compare.

A record is one byte of tag, which is 16 times the tape version plus the kind, and then the packed little-endian row: of
kind 1, an order event, dtype EXECUTION; of kind 2, a tick, dtype TICK, directly after the last event of its window. Records
follow each other by sequence. Whenever a record's simulated minute is another than that of the record before it, a link
closes: SHA-256(previous link + its records), where the first link's previous one is 32 zero bytes. The hash shown is that of
the link that is still open. Nothing in it tells how the records came: by window or by hour, from one shard or from many.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marksim.core.errors import InvalidInput
from marksim.core.types import EXECUTION, NS_PER_MINUTE, TICK, Records

TAPE_VERSION: Final = 1
"""Rises with every change of EXECUTION, TICK or the order of records."""
NUMBER_DIGITS: Final = 12
"""So many hexadecimal digits stand for a hash where there is no room for all 64."""
FIRST_LINK: Final = bytes(32)
_EVENT: Final = 16 * TAPE_VERSION + 1
_TICK: Final = 16 * TAPE_VERSION + 2
_EVENT_ROW: Final = np.dtype((np.void, EXECUTION.itemsize))
_TICK_ROW: Final = np.dtype((np.void, TICK.itemsize))
_EVENT_BYTES: Final = 1 + EXECUTION.itemsize
_TICK_BYTES: Final = 1 + TICK.itemsize
_BLOCK: Final = 1 << 13
"""So many events are packed at a time: the block stays in the processor's cache until it is hashed."""

Bytes = NDArray[np.uint8]


class TapeState(NamedTuple):
    """What a tape hash goes on from."""

    minute: int
    """The simulated minute of the open link; -1 before the first event."""
    link: bytes
    """SHA-256 of the last closed link, 32 bytes."""
    records: tuple[bytes | memoryview, ...]
    """The packed records of the open link, in parts as they came. They are never changed, and need no copy: of a busy minute
    they are a hundred megabytes."""


class TapeHash:
    """Takes one symbol's events and ticks in sequence order. It can be saved, pickled and copied: its state is the last
    closed link and the records of the open minute, which it keeps for that.
    """

    __slots__ = ("_digest", "_link", "_minute", "_open")

    def __init__(self) -> None:
        self._minute = -1
        self._begin(FIRST_LINK, b"")

    def update(self, executions: Records, ticks: Records) -> None:
        """Take what one window, or any number of windows, did: EXECUTION rows, and TICK rows whose `sequence` is that of
        the last event of their window. Raises ValueError for a tick without its event; then nothing was taken.
        """
        count = len(executions)
        if not count:
            if len(ticks):
                raise ValueError(f"{len(ticks)} ticks came without the events that they follow")
            return
        rows = np.ascontiguousarray(executions)
        if len(ticks) <= 1 and rows["time_ns"].item(-1) // NS_PER_MINUTE == self._minute and count <= _BLOCK:
            last = rows["sequence"].item(-1)
            if not len(ticks) or ticks["sequence"].item(0) == last:
                self._take_window(rows, ticks)
                return
        self._take_windows(rows, np.ascontiguousarray(ticks))

    def hexdigest(self) -> str:
        """The hash of all that was taken, 64 hexadecimal digits."""
        return self._digest.hexdigest()

    def _take_window(self, rows: Records, ticks: Records) -> None:
        """The common case, and cheap: one window inside the open minute."""
        size, tick = len(rows) * _EVENT_BYTES, (_TICK_BYTES if len(ticks) else 0)
        out = np.empty(size + tick, np.uint8)
        packed = out[:size].reshape(len(rows), _EVENT_BYTES)
        packed[:, 0] = _EVENT
        packed[:, 1:] = rows.view(np.uint8).reshape(len(rows), EXECUTION.itemsize)
        if tick:
            out[size] = _TICK
            out[size + 1 :] = np.ascontiguousarray(ticks).view(np.uint8)
        self._extend(out)

    def _take_windows(self, rows: Records, ticks: Records) -> None:
        places = _places(rows, ticks)
        minutes = rows["time_ns"] // NS_PER_MINUTE
        cuts = np.flatnonzero(minutes[1:] != minutes[:-1]) + 1
        begin = 0
        for end in (*cuts.tolist(), len(rows)):
            minute = int(minutes[begin])
            if minute != self._minute:
                if self._minute >= 0:
                    self._begin(self._digest.digest(), b"")
                self._minute = minute
            for first in range(begin, end, _BLOCK):
                last = min(end, first + _BLOCK)
                # A tick belongs to the block of the event that it follows.
                low, high = np.searchsorted(places, (first, last), side="right")
                self._extend(_packed(rows[first:last], ticks[low:high], places[low:high] - first))
            begin = end

    def _extend(self, data: Bytes) -> None:
        """Take packed records, which are the tape's from now on."""
        self._digest.update(data.data)
        self._open.append(data.data)

    def _begin(self, link: bytes, data: bytes) -> None:
        self._link = link
        # As they came: growing one block would copy all of it again and again.
        self._open: list[bytes | memoryview] = [data]
        self._digest = hashlib.sha256(link)
        self._digest.update(data)

    def state(self) -> TapeState:
        """What `restored` needs, without a copy of the records."""
        return TapeState(self._minute, self._link, tuple(self._open))

    @classmethod
    def restored(cls, minute: int, link: bytes, records: bytes | memoryview) -> "TapeHash":
        """The hash that goes on from a state, its records joined; raises InvalidInput for what cannot be one."""
        if len(link) != len(FIRST_LINK):
            raise InvalidInput(f"tape hash: link has {len(link)} bytes, not {len(FIRST_LINK)}")
        if minute < -1 or (minute == -1) != (len(records) == 0):
            raise InvalidInput(f"tape hash: {len(records)} bytes of records do not go with minute {minute}")
        if len(records) and records[0] != _EVENT:
            raise InvalidInput(
                f"tape hash: its records begin with tag {records[0]}, not {_EVENT}, that of version {TAPE_VERSION}"
            )
        hashed = cls()
        hashed.__setstate__((minute, bytes(link), bytes(records)))
        return hashed

    def __getstate__(self) -> tuple[int, bytes, bytes]:
        return self._minute, self._link, b"".join(self._open)

    def __setstate__(self, state: tuple[int, bytes, bytes]) -> None:
        self._minute, link, data = state
        self._begin(link, data)


def hash_number(text: str) -> int:
    """The first 48 bits of a hash, which are its first 12 digits, as a number that a double holds exactly; 0 for no hash."""
    return int(text[:NUMBER_DIGITS] or "0", 16)


def run_hash(hashes: Mapping[str, str]) -> str:
    """The hash of a whole run from those of its symbols: SHA-256 of the lines `<symbol> <hash>`, sorted by symbol."""
    return hashlib.sha256("".join(f"{symbol} {hashes[symbol]}\n" for symbol in sorted(hashes)).encode()).hexdigest()


def _places(rows: Records, ticks: Records) -> NDArray[np.int64]:
    """Of each tick, how many of the rows stand before it."""
    sequences, wanted = rows["sequence"], ticks["sequence"]
    places = np.searchsorted(sequences, wanted, side="right")
    found = sequences[np.maximum(places - 1, 0)] == wanted
    if not found.all():
        missing = int(wanted[np.flatnonzero(~found)[0]])
        raise ValueError(f"a tick follows event {missing}, which did not come with it")
    return places.astype(np.int64)


def _packed(rows: Records, ticks: Records, places: NDArray[np.int64]) -> Bytes:
    """Events and ticks with their tags, each tick after so many of the events as `places` says."""
    out = np.empty(len(rows) * _EVENT_BYTES + len(ticks) * _TICK_BYTES, np.uint8)
    ticks_before = np.zeros(len(rows) + 1, np.int64)
    np.add.at(ticks_before, places, 1)
    ticks_before = np.cumsum(ticks_before)[:-1]
    events_at = np.arange(len(rows)) * _EVENT_BYTES + ticks_before * _TICK_BYTES
    ticks_at = places * _EVENT_BYTES + np.arange(len(ticks)) * _TICK_BYTES
    _put(out, events_at, _EVENT, rows.view(_EVENT_ROW))
    _put(out, ticks_at, _TICK, ticks.view(_TICK_ROW))
    return out


def _put(out: Bytes, places: NDArray[np.int64], tag: int, rows: NDArray[Any]) -> None:
    if not len(rows):
        return
    out[places] = tag
    size = rows.dtype.itemsize
    # Rows that may begin at any byte: a view of `out` as overlapping rows, one a byte.
    anywhere: NDArray[Any] = np.ndarray((len(out) - size + 1,), rows.dtype, out, strides=(1,))
    anywhere[places + 1] = rows
