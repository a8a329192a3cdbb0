"""Outside commands that wait for a window, as rows of its input, and what the window made of them."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from marksim.core.errors import MarksimError
from marksim.core.types import COMMAND, CommandKind, ExecutionKind, Reason, Records, SessionState, Side

if TYPE_CHECKING:
    from marksim.orderbook.accounts import OutsideOrder, OwnFill


@dataclass(slots=True, eq=False, kw_only=True)
class Waiting:
    """A command that has not reached the book yet."""

    kind: CommandKind
    account: int
    """Its number."""
    arrival: int
    """Its number among all commands of this shard."""
    while_paused: bool
    done: "asyncio.Future[int] | None"
    """Gets the number of its window, or the error; None of a command of an earlier process, which is long done."""
    order: "OutsideOrder | None" = None
    """Which it is about; None for what cancels all orders of an account, or changes the session."""
    symbols: tuple[str, ...]
    serials: dict[str, int] = field(default_factory=dict)
    """Its number among the commands of each of its symbols, from its window."""
    window: int = -1
    """That has done it."""
    side: Side = Side.UNSPECIFIED
    """Of a mass cancel; UNSPECIFIED for both."""
    price_ticks: int = 0
    quantity_lots: int = 0
    """Of an amendment; 0 leaves it as it is."""
    new_name: str = ""
    session_state: SessionState = SessionState.UNSPECIFIED
    """That is asked for; once the window is done, the one in which it left the symbol."""
    until_ns: int = 0
    """When that state is to end; 0 when told."""
    refused: Reason = Reason.UNSPECIFIED
    """Why the book did nothing, of a cancel, an amendment or a change of the session."""
    fills: "list[OwnFill]" = field(default_factory=list)
    """What an amendment traded in its window."""
    cancelled: "list[OutsideOrder]" = field(default_factory=list)
    """By a mass cancel."""

    async def told(self) -> int:
        """Its window, once that is done; raises what it failed with. Who gives up asking takes nothing back."""
        return self.window if self.done is None else await asyncio.shield(self.done)

    def finish(self) -> None:
        """Its window is done: whoever waited is told."""
        if self.done is not None and not self.done.done():
            self.done.set_result(self.window)

    def fail(self, error: MarksimError) -> None:
        """It will have no effect, or none that anybody could rely on."""
        if self.done is not None and not self.done.done():
            self.done.set_exception(error)
            # Whoever waited may have hung up; then nobody else will look at it.
            self.done.exception()

    def row(self, symbol: str, time_ns: int) -> dict[str, int]:
        """The columns of COMMAND that are not 0, as that symbol's book gets them."""
        values: dict[str, int] = {
            "time_ns": time_ns,
            "account": self.account,
            "serial": self.serials[symbol],
            "kind": self.kind,
        }
        order = self.order
        if self.kind == CommandKind.SET_SESSION:
            return {**values, "session_state": self.session_state, "expire_time_ns": self.until_ns}
        if order is None:
            return {**values, "side": self.side}
        if self.kind == CommandKind.CANCEL:
            return {**values, "target_serial": order.serial}
        terms: dict[str, int] = {
            "post_only": order.post_only,
            "self_trade_prevention": order.self_trade_prevention,
            "self_trade_group": order.group_number,
        }
        if self.kind == CommandKind.AMEND:
            # The order keeps its serial whatever its owner calls it.
            names = {"serial": order.serial, "target_serial": order.serial}
            return {**values, **names, **terms, "price_ticks": self.price_ticks, "quantity_lots": self.quantity_lots}
        return {
            **values,
            **terms,
            "side": order.side,
            "order_type": order.order_type,
            "time_in_force": order.time_in_force,
            "price_ticks": order.price_ticks,
            "quantity_lots": order.quantity_lots,
            "display_lots": order.display_lots,
            "min_quantity_lots": order.min_quantity_lots,
            "expire_time_ns": order.expire_time_ns,
            "stop_price_ticks": order.stop_price_ticks,
        }


def command_rows(queue: Iterable[Waiting], symbol: str, time_ns: int) -> Records:
    """COMMAND rows of what waits for a symbol, in its order."""
    wanted = [waiting.row(symbol, time_ns) for waiting in queue]
    rows: Records = np.zeros(len(wanted), COMMAND)
    for row, values in zip(rows, wanted, strict=True):
        for name, value in values.items():
            row[name] = value
    return rows


class Answers:
    """Finds the command that a row of executions answers: the book answers each in its turn."""

    def __init__(self, sealed: Iterable[Waiting]) -> None:
        self._of_order: dict[tuple[str, int], deque[Waiting]] = {}
        """By the order's symbol and serial: the order itself may be forgotten by the time its answer comes."""
        self._mass_cancels: dict[int, list[Waiting]] = {}
        self._sessions: dict[str, list[Waiting]] = {}
        for waiting in sealed:
            if waiting.kind == CommandKind.SET_SESSION:
                self._sessions.setdefault(waiting.symbols[0], []).append(waiting)
            elif waiting.kind == CommandKind.MASS_CANCEL:
                self._mass_cancels.setdefault(waiting.account, []).append(waiting)
            elif waiting.order is not None and waiting.kind != CommandKind.NEW:
                self._of_order.setdefault(waiting.order.number, deque()).append(waiting)

    def refuse(self, symbol: str, row: dict[str, Any]) -> None:
        """Note why the book did nothing, by a CANCEL_REJECTED row; that of a mass cancel says nothing new."""
        if own := self._of_order.get((symbol, row["serial"])):
            own.popleft().refused = Reason(row["reason"])

    def take(self, order: "OutsideOrder", row: dict[str, Any]) -> "Waiting | None":
        """The cancel or amendment of the order that the row, AMENDED or CANCELLED, answers; None where it answers none."""
        own = self._of_order.get(order.number, deque())
        if row["kind"] == ExecutionKind.CANCELLED:
            for mass_cancel in self._mass_cancels.get(order.account.number, []):
                comes_first = not own or mass_cancel.arrival < own[0].arrival
                covers = order.arrival < mass_cancel.arrival and mass_cancel.side in (Side.UNSPECIFIED, order.side)
                if comes_first and covers and order.instrument.symbol in mass_cancel.symbols:
                    mass_cancel.cancelled.append(order)
                    return None
        return own.popleft() if own else None

    def take_sessions(self, symbol: str, executions: Records) -> None:
        """Note what became of the changes of a symbol's session: refused, or the state after its window."""
        for waiting in self._sessions.get(symbol, ()):
            own = executions[(executions["account"] == waiting.account) & (executions["serial"] == waiting.serials[symbol])]
            if own["kind"][0] == ExecutionKind.REJECTED:
                waiting.refused = Reason(own["reason"][0])
            else:
                changes = executions["session_state"][executions["kind"] == ExecutionKind.SESSION_CHANGED]
                waiting.session_state = SessionState(changes[-1])
