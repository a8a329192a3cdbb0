"""A small market without a server: real books, a tape with little memory, and all that was published."""

import random
from typing import Final

import numpy as np

from marksim.core.types import COMMAND, CommandKind, OrderType, Records, Side, TimeInForce
from marksim.orderbook.listing import listing_of
from marksim.orderbook.ring import FrameRing
from marksim.orderbook.shard import Shard
from marksim.orderbook.stream import PARTS
from marksim.orderbook.tape import SymbolFrame, Tape
from marksim.scenario import load_scenario
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.kept import Kept, keep
from tests.orderbook.market import START_NS

RUN: Final = "5b0f6f0e-0000-4000-8000-000000000001"
WINDOW_NS: Final = 5_000_000_000
"""Twelve to a minute, so that there are many snapshots."""


class Played:
    """Two symbols, in which a source of random numbers trades."""

    def __init__(self, source: random.Random, ring_bytes: int = 1 << 14) -> None:
        self.source = source
        self.listing = listing_of(load_scenario("two-symbols", []), 1, 0, {})
        self.symbols = [instrument.symbol for instrument in self.listing.own]
        self.shard = Shard(self.listing.own, 10_000, START_NS)
        self.published: list[list[SymbolFrame]] = []
        """By window."""
        self._ring_bytes = ring_bytes
        self._serial = 0
        self.tape = Tape(FrameRing(ring_bytes), self.symbols)
        self.kept: Kept = keep(self.tape)
        self.tape.begin_run(pb.RunStarted(run=RUN, start_time_ns=START_NS, lookahead_ns=WINDOW_NS), self.kept)

    def restart(self) -> None:
        """The tape of another process, which goes on with the run."""
        run = self.tape.current
        assert run is not None
        self.tape = Tape(FrameRing(self._ring_bytes), self.symbols)
        self.tape.resume_run(run.started, run.last_window, run.last_ticks, self.kept)
        keep(self.tape, self.kept)

    def window(self) -> None:
        """Do one window; in every third nothing happens, but for the snapshot of a minute."""
        number = len(self.published)
        begin_ns, end_ns = START_NS + number * WINDOW_NS, START_NS + (number + 1) * WINDOW_NS
        commands = {}
        for symbol in self.symbols:
            if count := self.source.choice((0, 0, 1, 3, 30)):
                commands[symbol] = self._orders(count, begin_ns)
        done = self.shard.apply(number, end_ns, {}, commands, snapshot=number % 12 == 0)
        frames = [part.frame for part in done.values() if part.frame is not None]
        self.published.append(frames)
        self.tape.publish(number, frames)

    def windows(self, count: int) -> None:
        for _ in range(count):
            self.window()

    def expected(self, request: pb.StreamTicksRequest, after: int) -> list[tuple[int, bytes]]:
        """Window and bytes of each frame behind that window that such a reader is to get, as it would encode it itself."""
        parts = sorted(segment for part in request.parts or [pb.FRAME_PART_TICKS] for segment in PARTS[part])
        wanted = set(request.symbols or self.symbols)
        return [
            (window, pb.Frame.FromString(b"".join(frame.segments[segment] for segment in (0, *parts))).SerializeToString())
            for window, frames in enumerate(self.published)
            for frame in frames
            if window > after and self.symbols[frame.symbol] in wanted
        ]

    def _orders(self, count: int, begin_ns: int) -> Records:
        rows: Records = np.zeros(count, COMMAND)
        rows["time_ns"], rows["kind"] = begin_ns, CommandKind.NEW
        rows["account"], rows["order_type"], rows["time_in_force"] = 1, OrderType.LIMIT, TimeInForce.GTC
        rows["serial"] = np.arange(self._serial, self._serial + count)
        self._serial += count
        rows["side"] = [self.source.choice((Side.BUY, Side.SELL)) for _ in rows]
        rows["price_ticks"] = [self.source.randint(9_990, 10_010) for _ in rows]
        rows["quantity_lots"] = [self.source.randint(1, 9) for _ in rows]
        return rows
