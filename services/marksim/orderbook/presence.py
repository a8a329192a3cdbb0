"""Whether somebody is there for an account's orders, and what becomes of them when nobody is any more.

A stream of own executions that asks for it stands for its client: the account's open orders live as long as one is open. How
the last one ended does not matter, but that the book itself is ending: then its clients are not gone. Those whom a stream
stands for are noted, so that a book that comes back, from a crash too, knows for whom to wait and whose orders to cancel.

Policy of the bounds: at most MAX_WAITING accounts are waited for; one more, and the one that has waited longest is given up.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from marksim.core.errors import InvalidInput, MarksimError
from marksim.orderbook.notes import PRESENT, DamagedNote
from marksim.orderbook.sequencing import Sequencer, finished
from marksim.orderbook.waiting import Waiting
from marksim.runtime.logs import get_logger
from marksim.v1 import orderbook_pb2 as pb

MAX_GRACE_MS: Final = 60_000
SECOND_LOOK_S: Final = 0.5
"""An order that was on its way when its client went may arrive after the end of the client's stream."""
BACK_S: Final = 10.0
"""At least so long a book that has come back waits for clients that it knew."""
AGAIN_S: Final = 1.0
"""After so long a note that could not be taken away is tried again."""
MAX_WAITING: Final = 4_096
PREFIX: Final = PRESENT
"""Of a note's key; the account's name follows. Its value is JSON: version, and the grace in wall milliseconds."""
VERSION: Final = 1

log = get_logger(__name__)

PutNote = Callable[[str, bytes | None], Awaitable[None]]
"""Keeps a note under its key, None takes it away; raises MarksimError where it cannot."""


async def _kept_nowhere(_key: str, _value: bytes | None) -> None:
    """A book without a journal forgets with its process."""


class Presence:
    """Counts the streams that stand for each account, and lets the book cancel what the lost ones have open."""

    def __init__(self, sequencer: Sequencer, put_note: PutNote = _kept_nowhere) -> None:
        self.put_note = put_note
        self._sequencer = sequencer
        self._noting = asyncio.Lock()
        """Held while a note is written: so those under one key come in order, and what they say is still true."""
        self._arriving: list[str] = []
        """Accounts of streams that have come, and are not noted yet."""
        self._forgetting: set[asyncio.Task[None]] = set()
        """At most one for each account that was waited for."""
        self._streams: dict[str, list[float]] = {}
        """The graces of those that are open, wall seconds."""
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._notes: dict[str, bytes] = {}

    @property
    def notes(self) -> Mapping[str, bytes]:
        """All that is noted now, or about to be, by key: what a journal that begins anew has to hold."""
        return dict(self._notes)

    def restore(self, notes: Iterable[tuple[str, bytes]]) -> None:
        """Wait for those to come back whom an earlier process knew; to be called once clients can. Raises DamagedNote."""
        known = {key: (data, _grace_s(key, data)) for key, data in notes}
        for key, (data, grace) in known.items():
            if key not in self._notes:
                self._notes[key] = data
                self._wait(key.removeprefix(PREFIX), max(grace, BACK_S))

    async def arrive(self, account: str, grace_s: float) -> Callable[[], None]:
        """One more stream stands for the account, and that is noted; the result is to be called once the stream has ended.

        Raises MarksimError where that cannot be noted; then it does not stand for it.
        """
        try:
            await finished(self._arrive(account, grace_s))
        except asyncio.CancelledError:
            # Its client left again before it was told that the stream stands for it.
            self._leave(account, grace_s)
            raise
        return lambda: self._leave(account, grace_s)

    async def _arrive(self, account: str, grace_s: float) -> None:
        self._arriving.append(account)
        try:
            async with self._noting:
                await self._note(account, [*self._streams.get(account, []), grace_s])
                # The others of that time may have ended meanwhile.
                self._streams.setdefault(account, []).append(grace_s)
        finally:
            self._arriving.remove(account)
        if (timer := self._waiting.pop(account, None)) is not None:
            timer.cancel()

    async def finish(self) -> None:
        """Wait until nothing is being taken away any more: after that the journal may be closed."""
        while self._forgetting:
            await asyncio.wait(self._forgetting)

    def _leave(self, account: str, grace_s: float) -> None:
        self._streams[account].remove(grace_s)
        if self._streams[account]:
            return
        del self._streams[account]
        if self._sequencer.tape.ended.is_set():
            return
        if not grace_s:
            self._cancel_orders(account)
        self._wait(account, grace_s or SECOND_LOOK_S)

    def _wait(self, account: str, seconds: float) -> None:
        if len(self._waiting) >= MAX_WAITING:
            oldest = next(iter(self._waiting))
            self._waiting[oldest].cancel()
            self._give_up(oldest)
        self._waiting[account] = asyncio.get_running_loop().call_later(seconds, self._give_up, account)

    def _give_up(self, account: str) -> None:
        del self._waiting[account]
        if self._sequencer.tape.ended.is_set():
            return
        if account in self._arriving:
            # It is back, if that can be noted.
            self._wait(account, SECOND_LOOK_S)
            return
        if (waiting := self._cancel_orders(account)) is None or waiting.done is None:
            self._forget(account)
        else:
            # Until that is done, a book that crashes must know about it when it comes back.
            waiting.done.add_done_callback(lambda _: self._forget(account))

    def _cancel_orders(self, account: str) -> Waiting | None:
        # Its name stays out of the log: who knows it may act for the account.
        orders, waiting = self._sequencer.outside.enqueue_owner_gone(account)
        if orders:
            log.info("a client is gone, and its orders with it", orders=orders)
        return waiting

    async def _note(self, account: str, graces: list[float]) -> None:
        """The caller holds `_noting`."""
        key, note = PREFIX + account, json.dumps({"version": VERSION, "grace_ms": round(1_000 * max(graces))}).encode()
        if (before := self._notes.get(key)) != note:
            await self._put(key, note, before)

    async def _put(self, key: str, note: bytes | None, before: bytes | None) -> None:
        """Have a note kept in the place of the one before; where that fails, that one holds."""
        # Nobody shall wait with it for a journal that cannot be written for now.
        self._sequencer.check_not_held()
        # A run that begins meanwhile begins with what is to be.
        self._remember(key, note)
        try:
            await self.put_note(key, note)
        except BaseException:
            self._remember(key, before)
            raise

    def _remember(self, key: str, note: bytes | None) -> None:
        if note is not None:
            self._notes[key] = note
        else:
            self._notes.pop(key, None)

    def _forget(self, account: str) -> None:
        """Nobody stands for it any more, and nothing is left to cancel."""
        if self._sequencer.tape.ended.is_set():
            # The journal may be closed by now; the next process finds out for itself.
            return
        forgetting = asyncio.create_task(self._forgotten(account))
        self._forgetting.add(forgetting)
        forgetting.add_done_callback(self._forgetting.discard)

    async def _forgotten(self, account: str) -> None:
        key = PREFIX + account
        async with self._noting:
            if account in self._streams or account in self._waiting or key not in self._notes:
                return
            try:
                await self._put(key, None, self._notes[key])
            except MarksimError as error:
                log.warning("cannot note that a client is gone; tried again", reason=error.reason, error=error.message)
                asyncio.get_running_loop().call_later(AGAIN_S, self._forget, account)


def _grace_s(key: str, data: bytes) -> float:
    """Of a note, wall seconds; raises DamagedNote."""
    try:
        note = json.loads(data)
        version, grace = note["version"], note.get("grace_ms")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedNote(f"note {key!r} of the journal cannot be read, it is damaged: {error}") from error
    if version != VERSION:
        raise DamagedNote(f"note {key!r} of the journal is of version {version}, this release reads version {VERSION}")
    if not key.startswith(PREFIX) or type(grace) is not int or not 0 <= grace <= MAX_GRACE_MS:
        raise DamagedNote(f"note {key!r} of the journal is none of a client's presence: grace_ms is {grace!r}")
    return grace / 1_000


def grace_s(request: pb.StreamExecutionsRequest) -> float:
    """How long the orders outlive the stream, wall seconds; raises InvalidInput for what cannot be meant."""
    asked = request.cancel_grace_ms
    if asked > MAX_GRACE_MS:
        problem = f"cancel_grace_ms is {asked}: give at most {MAX_GRACE_MS}"
        raise InvalidInput(problem, metadata={"field": "cancel_grace_ms"})
    if asked and not request.cancel_on_disconnect:
        problem = f"cancel_grace_ms is {asked} without cancel_on_disconnect: set that, too, or leave it out"
        raise InvalidInput(problem, metadata={"field": "cancel_grace_ms"})
    return asked / 1_000
