"""Where a journal ends: the books of the newest snapshot, and every window after it played again and compared."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.errors import Damaged, InvalidInput, MarksimError, NotNow
from marksim.core.feed.inputs import SymbolInputs
from marksim.core.feed.rerun import NO_COMMANDS, Output, Rerun, first_difference
from marksim.core.types import DEPTH, EXECUTION, NS_PER_MINUTE, QUOTE, TICK
from marksim.journal.states import KIND, VERSION
from marksim.orderbook.frames import kept_frames
from marksim.orderbook.listing import Listing
from marksim.orderbook.notes import PREFIX as NOTES
from marksim.orderbook.notes import PRESENT
from marksim.orderbook.outside import Outside
from marksim.orderbook.ring import Segment
from marksim.orderbook.run_facts import opened_of
from marksim.orderbook.shard import Shard
from marksim.orderbook.snapshot import restore
from marksim.orderbook.window import Limits
from marksim.runtime.logs import get_logger
from marksim.store.journal import Block, JournalReader
from marksim.store.snapshots import newest_snapshots, read_snapshot
from marksim.store.windows import RunRecord
from marksim.v1 import orderbook_pb2 as pb

BLOCK_WINDOWS: Final = 1_024
TOLD_EVERY_S: Final = 2.0
NO_ROWS: Final = Output(np.zeros(0, EXECUTION), np.zeros(0, QUOTE), np.zeros(0, DEPTH), np.zeros(0, TICK))
EMPTY: Final = NO_ROWS.digest

log = get_logger(__name__)


class Different(MarksimError):
    """A window that was played again did something else than what is recorded; the message names the first difference."""

    reason = "DIFFERENT"


@dataclass(frozen=True, slots=True)
class Recovered:
    """A shard after its last recorded window."""

    shard: Shard
    outside: Outside
    opened: pb.OpenRun
    """What the run is bound to, without who opened it."""
    last_window: int
    saved_window: int
    minute: int
    """Simulated minute in which the last window began: its snapshot frame was sent. -1 before the first."""
    snapshot_window: int
    """Of the snapshot that it began from; -1 where it began at the start of the run."""
    last_ticks: dict[int, bytes] = field(default_factory=dict)
    """By symbol, the head and tick of the newest frame that had one."""
    present: tuple[tuple[str, bytes], ...] = ()
    """Notes of the accounts whose clients were there."""


def recover(
    reader: JournalReader, folder: Path, saved: int, listing: Listing, limits: Limits, told: Callable[[str], None]
) -> Recovered | None:
    """Play the journal to its end; None where it has no run yet. `told` hears what is being done, in words.

    `saved` is the window after which the engine said it could go on.

    Raises Different at the first window that comes out otherwise, Damaged, and NotNow where the beginning is missing.
    """
    run = reader.run
    if run is None:
        return None
    begun = time.monotonic()
    first_kept, last = reader.span()
    shard, snapshot_window = _begin(reader, folder, listing, limits, run, last, first_kept)
    playing, reached = Playing(shard, run), snapshot_window
    spoken = begun
    for block in reader.blocks(snapshot_window + 1, last, BLOCK_WINDOWS) if last > snapshot_window else ():
        if (window := playing.play(block)) is not None:
            raise Different(_diagnosis(reader, folder, listing, limits, run, window, snapshot_window))
        reached = block.last
        if time.monotonic() - spoken >= TOLD_EVERY_S:
            spoken = time.monotonic()
            told(f"it plays recorded windows again: {block.last} of {last}")
            log.info("windows played again", window=block.last, last=last)
    if reached != last:
        raise Damaged(f"{reader.path}: window {reached + 1} is missing, and {last} is the last one")
    seconds = time.monotonic() - begun
    played = last - snapshot_window
    log.info("recovered", run=run.run, window=last, played=played, orders=playing.commands, seconds=round(seconds, 3))
    return Recovered(
        shard=shard,
        outside=limits.restored(reader.notes(NOTES), {one.symbol: one for one in listing.own}),
        opened=opened_of(run),
        last_window=last,
        saved_window=saved,
        minute=run.end_ns(last - 1) // NS_PER_MINUTE if last >= 0 else -1,
        snapshot_window=snapshot_window,
        last_ticks=dict(_last_ticks(reader, shard)),
        present=tuple(reader.notes(PRESENT)),
    )


class Playing:
    """Takes the books of a shard through blocks of recorded windows."""

    def __init__(self, shard: Shard, run: RunRecord) -> None:
        self.shard = shard
        self.commands = 0
        """That were applied so far."""
        self._reruns = {
            symbol: Rerun(traded.book, traded.ticks, traded.tape_hash, run.start_time_ns, run.lookahead_ns)
            for symbol, traded in shard.books.items()
        }

    def play(self, block: Block) -> int | None:
        """Play it; the first window that came out otherwise than recorded, None where none did."""
        different = []
        for symbol, inputs in block.symbols.items():
            traded = self.shard.books[symbol]
            self.commands += len(inputs.commands)
            played = self._reruns[symbol].play(block.first, block.last, inputs.commands, _bounds(block, inputs))
            recorded = np.full(block.last - block.first + 1, EMPTY, np.uint64)
            recorded[inputs.windows - block.first] = inputs.digests
            other = np.flatnonzero(recorded != played.digests)
            if len(other):
                different.append(block.first + int(other[0]))
            traded.took(played, np.union1d(played.windows, inputs.windows[inputs.has_levels]))
        return min(different, default=None)


def _bounds(block: Block, inputs: SymbolInputs) -> NDArray[np.int64]:
    """Of every window of the block, where its commands begin; and where the last ones end."""
    counts = np.zeros(block.last - block.first + 2, np.int64)
    counts[inputs.windows - block.first + 1] = np.diff(inputs.bounds)
    return np.cumsum(counts)


def _begin(
    reader: JournalReader, folder: Path, listing: Listing, limits: Limits, run: RunRecord, last: int, first_kept: int
) -> tuple[Shard, int]:
    """The books of the newest snapshot that can be used, and its window; fresh ones and -1 where there is none."""
    for window, path in newest_snapshots(folder, KIND):
        if window > last:
            # Of windows that a power cut took; they will come again.
            log.warning("a snapshot is of windows that are lost, and is passed over", file=str(path), last=last)
            continue
        if window + 1 < first_kept:
            break
        try:
            _, document, arrays = read_snapshot(path, KIND, (VERSION,))
            shard = Shard(listing.own, limits.max_orders, run.start_time_ns)
            if document["run"] != run.run:
                raise InvalidInput(f"{path} is of run {document['run']}")
            restore(shard, document, arrays)
        except MarksimError as error:
            log.error("a snapshot is passed over", file=str(path), reason=error.message)
            continue
        return shard, window
    if first_kept > 0:
        message = (
            f"{reader.path} begins with window {first_kept}, and no snapshot in {folder} can be used to begin there: "
            "bring one back, or begin another run with --new-run"
        )
        raise NotNow(message, reason="BEGINNING_GONE")
    return Shard(listing.own, limits.max_orders, run.start_time_ns), -1


def _diagnosis(
    reader: JournalReader, folder: Path, listing: Listing, limits: Limits, run: RunRecord, window: int, snapshot: int
) -> str:
    """What is different in a window, by playing up to it once more and looking at its rows."""
    shard, _ = _begin(reader, folder, listing, limits, run, reader.span()[1], reader.span()[0])
    playing = Playing(shard, run)
    for block in reader.blocks(snapshot + 1, window - 1, BLOCK_WINDOWS) if window > snapshot + 1 else ():
        playing.play(block)
    recorded = reader.find(window)
    assert recorded is not None, "it was read before"
    for symbol, traded in shard.books.items():
        part = recorded.parts.get(symbol)
        rerun = Rerun(traded.book, traded.ticks, traded.tape_hash, run.start_time_ns, run.lookahead_ns)
        commands = np.concatenate((part.outside, part.commands)) if part else NO_COMMANDS
        rebuilt = rerun.play_one(window, commands)
        if (found := first_difference(part or NO_ROWS, rebuilt)) is not None:
            what = "was written by another version, or by another machine" if part else "is recorded as empty"
            return (
                f"{reader.path}: window {window}, {symbol} comes out otherwise when it is played again; it {what}. {found}"
            )
    return f"{reader.path}: window {window} comes out with other digests than recorded, and with the same rows"


def _last_ticks(reader: JournalReader, shard: Shard) -> Iterator[tuple[int, bytes]]:
    for symbol, traded in shard.books.items():
        if traded.last_tick_window is None:
            continue
        recorded = reader.find(traded.last_tick_window)
        if recorded is None or symbol not in recorded.parts:
            # Dropped since: such a reader waits for the next tick.
            continue
        for frame in kept_frames(recorded, {symbol: traded.number}):
            yield traded.number, frame.segments[Segment.HEAD] + frame.segments[Segment.TICK]
