"""Outside commands that wait for a window, as rows of its input, and what the window made of them."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from marksim.core.types import COMMAND, CommandKind, ExecutionKind, Reason, Records, Side

if TYPE_CHECKING:
    from marksim.orderbook.outside import Account, OutsideOrder, OwnFill


@dataclass(slots=True, eq=False, kw_only=True)
class Waiting:
    """A command that has not reached the book yet; `done` gets the number of its window, or the error."""

    kind: CommandKind
    account: "Account"
    serial: int
    while_paused: bool
    done: "asyncio.Future[int]"
    order: "OutsideOrder | None" = None
    """Which it is about; None for a mass cancel."""
    symbols: tuple[str, ...]
    side: Side = Side.UNSPECIFIED
    """Of a mass cancel; UNSPECIFIED for both."""
    price_ticks: int = 0
    quantity_lots: int = 0
    """Of an amendment; 0 leaves it as it is."""
    new_name: str = ""
    refused: Reason = Reason.UNSPECIFIED
    """Why the book did nothing, of a cancel or amendment."""
    fills: "list[OwnFill]" = field(default_factory=list)
    """What an amendment traded in its window."""
    cancelled: "list[OutsideOrder]" = field(default_factory=list)
    """By a mass cancel."""

    def row(self, time_ns: int) -> dict[str, int]:
        """The columns of COMMAND that are not 0."""
        values: dict[str, int] = {
            "time_ns": time_ns,
            "account": self.account.number,
            "serial": self.serial,
            "kind": self.kind,
        }
        order = self.order
        if order is None:
            return {**values, "side": self.side}
        if self.kind == CommandKind.CANCEL:
            return {**values, "target_serial": order.serial}
        terms: dict[str, int] = {
            "post_only": order.post_only,
            "self_trade_prevention": order.self_trade_prevention,
            "self_trade_group": order.self_trade_group,
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


def command_rows(queue: Iterable[Waiting], time_ns: int) -> Records:
    """COMMAND rows of what waits, in its order."""
    wanted = [waiting.row(time_ns) for waiting in queue]
    rows: Records = np.zeros(len(wanted), COMMAND)
    for row, values in zip(rows, wanted, strict=True):
        for name, value in values.items():
            row[name] = value
    return rows


class Answers:
    """Finds the command that a row of executions answers: the book answers each in its turn."""

    def __init__(self, sealed: Iterable[Waiting]) -> None:
        self._of_order: dict[OutsideOrder, deque[Waiting]] = {}
        self._mass_cancels: dict[int, list[Waiting]] = {}
        for waiting in sealed:
            if waiting.order is None:
                self._mass_cancels.setdefault(waiting.account.number, []).append(waiting)
            elif waiting.kind != CommandKind.NEW:
                self._of_order.setdefault(waiting.order, deque()).append(waiting)

    def take(self, order: "OutsideOrder", row: dict[str, Any]) -> "Waiting | None":
        """The cancel or amendment of the order that the row answers, with its outcome noted; None where it answers none."""
        own = self._of_order.get(order, deque())
        if row["kind"] == ExecutionKind.CANCELLED:
            for mass_cancel in self._mass_cancels.get(order.account.number, []):
                comes_first = not own or mass_cancel.serial < own[0].serial
                covers = order.serial < mass_cancel.serial and mass_cancel.side in (Side.UNSPECIFIED, order.side)
                if comes_first and covers and order.instrument.symbol in mass_cancel.symbols:
                    mass_cancel.cancelled.append(order)
                    return None
        if not own:
            return None
        waiting = own.popleft()
        if row["kind"] == ExecutionKind.CANCEL_REJECTED:
            waiting.refused = Reason(row["reason"])
        return waiting
