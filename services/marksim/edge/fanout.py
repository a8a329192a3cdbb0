"""Who gets which bytes. No sockets and no clock here: a client's transport is a `Sink`, and time is an argument.

Clients who keep up stand at `Board.sent`; those of one subscription are a cohort and share every byte. A client whose
transport is full leaves its cohort and remembers only where it stood. When its transport has drained it gets the newest tick
of each symbol, with the trades of all it missed, and is back in its cohort.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from marksim.edge.board import Board, Step
from marksim.edge.message import Update, encode, text_frame
from marksim.edge.subscription import Subscription

TRY_AGAIN_LATER = 1013


class Sink(Protocol):
    """The way to one client."""

    def offer(self, data: bytes) -> bool:
        """Write `data`, or return False if the transport is above its high-water mark and has not drained since."""
        ...

    def drained(self) -> bool:
        """Whether `offer` would write."""
        ...

    def buffered(self) -> int:
        """Bytes that the transport still holds."""
        ...

    def cut(self, code: int, reason: str) -> None:
        """Close with a reason; must not raise and must not call back."""
        ...


@dataclass(eq=False, slots=True)
class Client:
    """One client of the fan-out."""

    subscription: Subscription
    sink: Sink
    base: Mapping[str, Update] | None = None
    """Where it stood when it left its cohort; None while it keeps up."""
    buffered: int = 0
    progress_at: float = 0.0
    """When its buffer last shrank, monotonic seconds; only kept while it is out of its cohort."""


@dataclass(slots=True)
class Counts:
    """What the fan-out has done since the start."""

    messages: int = 0
    bytes: int = 0
    conflated: int = 0
    left_cohort: int = 0
    stalled: int = 0


class Fanout:
    """All clients of one edge. `wall_us` gives the wall clock for `sent_at_us`."""

    def __init__(self, board: Board, stall_s: float, wall_us: Callable[[], int]) -> None:
        self._board = board
        self._stall_s = stall_s
        self._wall_us = wall_us
        # Dicts used as ordered sets.
        self._cohorts: dict[Subscription, dict[Client, None]] = {}
        self._late: dict[Client, None] = {}
        self.counts = Counts()

    @property
    def late(self) -> int:
        """Clients that are out of their cohort."""
        return len(self._late)

    def join(self, subscription: Subscription, sink: Sink) -> Client:
        """Add a client and send it each symbol's last tick; its spans begin there."""
        client = Client(subscription, sink)
        updates = [update for symbol, update in self._board.sent.items() if subscription.wants(symbol)]
        self._send(client, [Step(update, None) for update in updates])
        self._enter(client)
        return client

    def leave(self, client: Client) -> None:
        """Forget a client; idempotent."""
        self._late.pop(client, None)
        cohort = self._cohorts.get(client.subscription)
        if cohort is not None:
            cohort.pop(client, None)
            if not cohort:
                del self._cohorts[client.subscription]

    def flush(self, now: float) -> None:
        """Send what waits on the board: one write per client. `now` is monotonic seconds."""
        late = list(self._late)
        steps = self._board.take()
        if steps:
            self._flush_cohorts(steps, now)
            self._board.advance(steps)
        for client in late:
            self._catch_up(client, now)

    def _flush_cohorts(self, steps: list[Step], now: float) -> None:
        sent_at_us = self._wall_us()
        frames: dict[tuple[str, ...], list[bytes]] = {}
        leavers: list[Client] = []
        for subscription, cohort in self._cohorts.items():
            fields = subscription.fields
            if fields not in frames:
                frames[fields] = [text_frame(encode(step.update, step.since, fields, sent_at_us)) for step in steps]
            if subscription.symbols is None:
                wanted = frames[fields]
            else:
                pairs = zip(steps, frames[fields], strict=True)
                wanted = [frame for step, frame in pairs if step.update.symbol in subscription.symbols]
            if not wanted:
                continue
            chunk = b"".join(wanted)
            full = [client for client in cohort if not client.sink.offer(chunk)]
            served = len(cohort) - len(full)
            self.counts.messages += served * len(wanted)
            self.counts.bytes += served * len(chunk)
            leavers += full
        if leavers:
            # One copy serves all who leave on this flush.
            base = dict(self._board.sent)
            for client in leavers:
                self._fall_late(client, base, now)

    def _fall_late(self, client: Client, base: Mapping[str, Update], now: float) -> None:
        self.leave(client)
        client.base, client.buffered, client.progress_at = base, client.sink.buffered(), now
        self._late[client] = None
        self.counts.left_cohort += 1

    def _catch_up(self, client: Client, now: float) -> None:
        assert client.base is not None, "a late client knows where it stood"
        steps = self._missed(client) if client.sink.drained() else None
        if steps is not None and self._send(client, steps):
            self.counts.conflated += sum(_skipped(step) for step in steps)
            del self._late[client]
            client.base = None
            self._enter(client)
            return
        buffered = client.sink.buffered()
        if buffered < client.buffered:
            client.progress_at = now
        elif now - client.progress_at >= self._stall_s:
            self.leave(client)
            self.counts.stalled += 1
            client.sink.cut(TRY_AGAIN_LATER, f"You read nothing for {self._stall_s:g} s: read faster, or ask for less.")
        client.buffered = buffered

    def _missed(self, client: Client) -> list[Step]:
        base, wants = client.base or {}, client.subscription.wants
        steps = (Step(update, base.get(symbol)) for symbol, update in self._board.sent.items() if wants(symbol))
        return [step for step in steps if step.update is not step.since]

    def _send(self, client: Client, steps: list[Step]) -> bool:
        """The client's own encoding; False if its transport is full."""
        sent_at_us = self._wall_us()
        fields = client.subscription.fields
        chunk = b"".join(text_frame(encode(step.update, step.since, fields, sent_at_us)) for step in steps)
        if not client.sink.offer(chunk):
            return False
        self.counts.messages += len(steps)
        self.counts.bytes += len(chunk)
        return True

    def _enter(self, client: Client) -> None:
        self._cohorts.setdefault(client.subscription, {})[client] = None


def _skipped(step: Step) -> int:
    """Ticks between the two of a step, as far as their numbers tell."""
    since = step.since
    if since is None or since.epoch != step.update.epoch:
        return 0
    return step.update.tick.tick_number - since.tick.tick_number - 1
