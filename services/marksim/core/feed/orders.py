"""Every order of a symbol as one row, made from commands and order events as they come."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.rows import choose, join
from marksim.core.types import (
    CommandKind,
    ExecutionKind,
    OrderStatus,
    OrderType,
    Reason,
    Records,
    TimeInForce,
)

ORDER: Final = np.dtype(
    [
        ("sequence", "<i8"),
        ("time_ns", "<i8"),
        ("account", "<i8"),
        ("serial", "<i8"),
        ("order_id", "<i8"),
        ("side", "<u1"),
        ("order_type", "<u1"),
        ("time_in_force", "<u1"),
        ("price_ticks", "<i8"),
        ("stop_price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("filled_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("average_price_ticks", "<f8"),
        ("status", "<u1"),
        ("reason", "<u1"),
        ("accepted_time_ns", "<i8"),
        ("accepted_window", "<i8"),
    ]
)
"""One order. `sequence` and `time_ns` are those of the event that closed it; of one that is open at the end of the run, the
last event of its symbol and the end of the run. Price, quantity and serial are as sent or last amended; leaves is what is
open, 0 once it is closed. A refused order has order_id 0."""

_STATE: Final = np.dtype([*ORDER.descr, ("value", "<f8"), ("waits", "?")])
_KIND: Final = ExecutionKind


def _set_of(*kinds: int) -> NDArray[np.bool_]:
    """By the number of a kind, whether it is one of these."""
    return np.isin(np.arange(256), kinds)


# All others concern orders that are there; what is no kind of command is refused.
_ASKS: Final = _set_of(CommandKind.UNSPECIFIED, CommandKind.NEW, CommandKind.SET_SESSION) | ~_set_of(*CommandKind)
_LEAVES: Final = _set_of(_KIND.AMENDED, _KIND.TRADED, _KIND.CANCELLED, _KIND.EXPIRED)


class OrderTable:
    """Takes what one symbol did, in sequence order, and gives each order once it is closed. It holds the open ones."""

    def __init__(self, start_ns: int, lookahead_ns: int) -> None:
        self._start_ns = start_ns
        self._lookahead_ns = lookahead_ns
        # By order_id, which rises with every order that is accepted.
        self._open: Records = np.zeros(0, _STATE)
        self._sequence = 0

    @property
    def open_count(self) -> int:
        return len(self._open)

    def update(self, commands: Records, executions: Records) -> Records:
        """ORDER rows of the orders that these events closed, refused ones included, in the order in which they closed."""
        if not len(executions):
            return np.zeros(0, ORDER)
        self._sequence = executions["sequence"].item(-1)
        came = self._came(commands, executions)
        refused = came["status"] == OrderStatus.REJECTED
        state = join((self._open, choose(came, ~refused)), _STATE)
        self._change(state, executions)
        self._fill(state, executions)
        closed = state["status"] != OrderStatus.OPEN
        self._open = choose(state, ~closed)
        gone = join((choose(came, refused), choose(state, closed)), _STATE)
        return _rows(choose(gone, np.argsort(gone["sequence"], kind="stable")))

    def finish(self, end_ns: int) -> Records:
        """ORDER rows of what is open at the end of the run, by order_id."""
        rest = self._open
        self._open = np.zeros(0, _STATE)
        rest["sequence"], rest["time_ns"] = self._sequence, end_ns
        rest["status"][rest["filled_lots"] > 0] = OrderStatus.PARTIALLY_FILLED
        rest["status"][rest["waits"]] = OrderStatus.PENDING
        return _rows(rest)

    def _came(self, commands: Records, executions: Records) -> Records:
        """The state of each new order after the event that it came with."""
        kinds = executions["kind"]
        answers = (kinds == _KIND.ACCEPTED) | (kinds == _KIND.REJECTED)
        answers |= (kinds == _KIND.SESSION_CHANGED) & (executions["reason"] == Reason.REQUESTED)
        # Each command that asks for something new has one of these as its answer, in their order.
        asked = choose(commands, _ASKS[commands["kind"]])
        assert len(asked) == np.count_nonzero(answers), "a piece has the commands of its events"
        is_new = asked["kind"] == CommandKind.NEW
        new, first = choose(asked, is_new), choose(choose(executions, answers), is_new)
        state: Records = np.zeros(len(first), _STATE)
        for name in ("account", "serial", "order_id", "side", "price_ticks", "quantity_lots", "leaves_lots", "reason"):
            state[name] = first[name]
        for name in ("order_type", "stop_price_ticks"):
            state[name] = new[name]
        for name in ("sequence", "time_ns"):
            state[name] = first[name]
        state["time_in_force"] = _time_in_force(new)
        state["accepted_time_ns"] = first["time_ns"]
        state["accepted_window"] = (first["time_ns"] - self._start_ns) // self._lookahead_ns
        refused = first["kind"] == _KIND.REJECTED
        state["status"] = np.where(refused, OrderStatus.REJECTED, OrderStatus.OPEN)
        state["waits"] = (new["order_type"] == OrderType.STOP) | (new["order_type"] == OrderType.STOP_LIMIT)
        return state

    def _change(self, state: Records, executions: Records) -> None:
        kinds = executions["kind"]
        amended = choose(executions, kinds == _KIND.AMENDED)
        at = _places(state, amended["order_id"])
        for name in ("price_ticks", "quantity_lots", "serial"):
            state[name][at] = amended[name]
        state["waits"][_places(state, executions["order_id"][kinds == _KIND.TRIGGERED])] = False
        ended = choose(executions, (kinds == _KIND.CANCELLED) | (kinds == _KIND.EXPIRED))
        # Self-trade prevention may take a part only.
        ended = choose(ended, ended["leaves_lots"] == 0)
        at = _places(state, ended["order_id"])
        state["status"][at] = np.where(ended["kind"] == _KIND.EXPIRED, OrderStatus.EXPIRED, OrderStatus.CANCELLED)
        for name in ("reason", "sequence", "time_ns"):
            state[name][at] = ended[name]

    def _fill(self, state: Records, executions: Records) -> None:
        kinds = executions["kind"]
        traded = choose(executions, kinds == _KIND.TRADED)
        for named, left in (("order_id", "leaves_lots"), ("maker_order_id", "maker_leaves_lots")):
            at = _places(state, traded[named])
            np.add.at(state["filled_lots"], at, traded["quantity_lots"])
            np.add.at(state["value"], at, traded["price_ticks"].astype(np.float64) * traded["quantity_lots"])
            done = traded[left] == 0
            state["status"][at[done]] = OrderStatus.FILLED
            for name in ("sequence", "time_ns"):
                state[name][at[done]] = traded[name][done]
        told = choose(executions, _LEAVES[kinds])
        trade = told["kind"] == _KIND.TRADED
        at = np.full((len(told), 2), -1)
        at[:, 0] = _places(state, told["order_id"])
        at[trade, 1] = _places(state, told["maker_order_id"][trade])
        leaves = np.stack((told["leaves_lots"], told["maker_leaves_lots"]), axis=1)
        # Row by row: of several events of an order the last one counts.
        state["leaves_lots"][at[at >= 0]] = leaves[at >= 0]


def _rows(state: Records) -> Records:
    rows: Records = np.zeros(len(state), ORDER)
    for name in ORDER.names or ():
        rows[name] = state[name]
    filled = state["filled_lots"]
    rows["average_price_ticks"] = np.divide(state["value"], filled, out=np.zeros(len(state)), where=filled > 0)
    return rows


def _places(state: Records, order_ids: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where these orders stand; an event names only orders that are open."""
    places = np.searchsorted(state["order_id"], order_ids)
    assert not len(places) or (state["order_id"][np.minimum(places, len(state) - 1)] == order_ids).all(), "it is open"
    return places


def _time_in_force(new: Records) -> NDArray[np.uint8]:
    given = new["time_in_force"]
    default = np.where(new["order_type"] == OrderType.MARKET, TimeInForce.IOC, TimeInForce.GTC)
    return np.where(given == TimeInForce.UNSPECIFIED, default, given).astype(np.uint8)
