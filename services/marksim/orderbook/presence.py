"""Whether somebody is there for an account's orders, and what becomes of them when nobody is any more.

A stream of own executions that asks for it stands for its client: the account's open orders live as long as one is open. How
the last one ended does not matter, but that the book itself is ending: then its clients are not gone.

Policy of the bounds: at most MAX_WAITING accounts are waited for; one more, and the one that has waited longest is given up.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from marksim.core.errors import InvalidInput
from marksim.orderbook.sequencing import Sequencer
from marksim.runtime.logs import get_logger
from marksim.v1 import orderbook_pb2 as pb

MAX_GRACE_MS: Final = 60_000
SECOND_LOOK_S: Final = 0.5
"""An order that was on its way when its client went may arrive after the end of the client's stream."""
MAX_WAITING: Final = 4_096

log = get_logger(__name__)


class Presence:
    """Counts the streams that stand for each account, and lets the book cancel what the lost ones have open."""

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer
        self._streams: dict[str, int] = {}
        self._waiting: dict[str, asyncio.TimerHandle] = {}

    def arrive(self, account: str, grace_s: float) -> Callable[[], None]:
        """One more stream stands for the account; the result is to be called once that has ended."""
        self._streams[account] = self._streams.get(account, 0) + 1
        if (timer := self._waiting.pop(account, None)) is not None:
            timer.cancel()
        return lambda: self._leave(account, grace_s)

    def _leave(self, account: str, grace_s: float) -> None:
        left = self._streams.pop(account) - 1
        if left:
            self._streams[account] = left
            return
        if self._sequencer.tape.ended.is_set():
            return
        if not grace_s:
            self._cancel_orders(account)
        if len(self._waiting) >= MAX_WAITING:
            oldest = next(iter(self._waiting))
            self._waiting[oldest].cancel()
            self._give_up(oldest)
        self._waiting[account] = asyncio.get_running_loop().call_later(grace_s or SECOND_LOOK_S, self._give_up, account)

    def _give_up(self, account: str) -> None:
        del self._waiting[account]
        if not self._sequencer.tape.ended.is_set():
            self._cancel_orders(account)

    def _cancel_orders(self, account: str) -> None:
        # Its name stays out of the log: who knows it may act for the account.
        if orders := self._sequencer.outside.enqueue_owner_gone(account):
            log.info("a client is gone, and its orders with it", orders=orders)


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
