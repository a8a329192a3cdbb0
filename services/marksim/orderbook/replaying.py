"""Where a recorded session begins that is played again: the books after the windows before, which no reader is shown."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from marksim.journal.replaying import Replay, state_before
from marksim.journal.session import open_session
from marksim.orderbook.listing import Listing
from marksim.orderbook.recovery import TOLD_EVERY_S, Different, Playing
from marksim.orderbook.shard import Shard
from marksim.orderbook.snapshot import restore, state_of
from marksim.orderbook.window import Limits
from marksim.runtime.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Beginning:
    """The books with which each run of such a session begins, as often as it is played."""

    window: int
    """The last one before it."""
    document: Mapping[str, Any]
    arrays: Mapping[str, Any]

    def restore(self, shard: Shard) -> None:
        """Make fresh books so. Their first frames are not said to follow others."""
        restore(shard, self.document, self.arrays)
        for traded in shard.books.values():
            traded.previous_window = traded.last_tick_window = None


def beginning_of(replay: Replay, listing: Listing, limits: Limits, told: Callable[[str], None]) -> Beginning | None:
    """Play what is before the session's first window; None where nothing is. `told` hears what is being done, in words.

    Raises Different at the first window that comes out otherwise than recorded, Damaged, NotFound, OSError.
    """
    last = replay.first - 1
    if last < 0:
        return None
    begun = spoken = time.monotonic()
    with open_session(replay.path) as session:
        shard = Shard(listing.own, limits.max_orders, replay.run.start_time_ns)
        at = -1
        if (state := state_before(session, replay.first)) is not None:
            mine, at = state.of(shard.books), state.window
            restore(shard, mine.document, mine.arrays)
        for part in session.parts:
            playing = Playing(shard, part.run)
            for block in part.blocks(at + 1, last) if last > at else ():
                own = {symbol: inputs for symbol, inputs in block.symbols.items() if symbol in shard.books}
                if (window := playing.play(replace(block, symbols=own))) is not None:
                    where = f"{part.path}: window {window} comes out otherwise than it is recorded"
                    raise Different(f"{where}; `marksim verify {replay.path}` names the row")
                if time.monotonic() - spoken >= TOLD_EVERY_S:
                    spoken = time.monotonic()
                    told(f"it plays recorded windows up to where it is to begin: {block.last} of {last}")
    seconds = round(time.monotonic() - begun, 3)
    log.info("begins within a recorded session", run=replay.run.run, window=replay.first, played=last - at, seconds=seconds)
    return Beginning(last, *state_of(shard, replay.run.run, last))
