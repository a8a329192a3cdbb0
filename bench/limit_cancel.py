"""An order book that knows limit orders and cancels alone: what the full order set is measured against.

The same work on these two commands as the real book, as lean as Numba allows: a ladder of FIFO queues with a bitmap of the
levels that have orders, a pool of slots, a table from an order's serial to its slot, and EXECUTION rows equal to the real
book's. It has no quotes, depth, accounts, checks, bounds, growing pools or rows of the caller's own: the arrays are made for
one stream, serials are below `serials`, and what `apply` gives is valid until the next call.

Compiled into one function, without Numba's reference counts: with them it has a third of the speed.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numba.cpython.unsafe import numbers

from marksim.core.types import EXECUTION, CommandKind, ExecutionKind, Instrument, Reason, Records, Side

BUY: Final = int(Side.BUY)
SELL: Final = int(Side.SELL)
NEW: Final = int(CommandKind.NEW)
ACCEPTED: Final = int(ExecutionKind.ACCEPTED)
TRADED: Final = int(ExecutionKind.TRADED)
CANCELLED: Final = int(ExecutionKind.CANCELLED)
CANCEL_REJECTED: Final = int(ExecutionKind.CANCEL_REJECTED)
REQUESTED: Final = int(Reason.REQUESTED)
UNKNOWN_ORDER: Final = int(Reason.UNKNOWN_ORDER)

STATE: Final = np.dtype(
    [(name, "<i8") for name in ("sequence", "last_order_id", "free_slot", "order_count", "best_bid", "best_ask", "rows")]
)
ORDER: Final = np.dtype(
    [
        ("account", "<i8"),
        ("serial", "<i8"),
        ("order_id", "<i8"),
        ("leaves_lots", "<i8"),
        ("level", "<i4"),
        ("previous", "<i4"),
        ("next", "<i4"),
        ("side", "<i4"),
    ]
)
LEVEL: Final = np.dtype([("head", "<i4"), ("tail", "<i4")])
# To mypy these have types that only compiled code could meet.
int64: Any = np.int64
leading_zeros: Any = numbers.leading_zeros
trailing_zeros: Any = numbers.trailing_zeros

WITHOUT_COUNTS: Final[dict[str, Any]] = {"_nrt": False}
inlined: Final = njit(inline="always", **WITHOUT_COUNTS)

WORD: Final = np.uint64(63)
ONE: Final = np.uint64(1)
ZERO: Final = np.uint64(0)


class LimitCancelBook:
    """One symbol; at most `slots` resting orders."""

    def __init__(self, instrument: Instrument, slots: int, serials: int) -> None:
        self._low = instrument.min_price_ticks
        levels = instrument.max_price_ticks - self._low + 1
        self._state = np.zeros(1, STATE)
        self._state["free_slot"] = 1
        self._state["best_bid"], self._state["best_ask"] = -1, levels
        self._orders = np.zeros(slots + 1, ORDER)
        self._orders["next"][1:slots] = np.arange(2, slots + 1)
        self._levels = np.zeros(levels, LEVEL)
        self._bitmap = np.zeros(levels // 64 + 1, np.uint64)
        self._slots = np.zeros(serials, np.int32)
        self._rows = np.zeros(0, EXECUTION)

    @property
    def order_count(self) -> int:
        return int(self._state["order_count"][0])

    def apply(self, commands: Records) -> Records:
        """EXECUTION rows of limit orders and cancels, as OrderBook's."""
        # A command has one row, and one more a maker; a maker is gone after it, or the taker is.
        most = 3 * len(commands) + self.order_count
        if most > len(self._rows):
            self._rows = np.zeros(2 * most, EXECUTION)
        arrays = self._state, self._orders, self._levels, self._bitmap, self._slots
        return self._rows[: apply_commands(*arrays, self._low, commands, self._rows)]


@inlined
def write(state: Any, row: Any, kind: int, command: Any, order_id: int, serial: int, side: int) -> None:
    """The columns that rows of every kind have."""
    state.sequence += 1
    row.sequence = state.sequence
    row.time_ns = command.time_ns
    row.account = command.account
    row.serial = serial
    row.order_id = order_id
    row.kind = kind
    row.reason = 0
    row.side = side
    row.session_state = 0
    row.maker_account = 0
    row.maker_serial = 0
    row.maker_order_id = 0
    row.maker_leaves_lots = 0


@inlined
def above(bitmap: Any, index: int, levels: int) -> int:
    """The lowest level with orders from `index` on, or `levels`."""
    word = index >> 6
    if word >= len(bitmap):
        return levels
    bits = bitmap[word] >> (np.uint64(index) & WORD)
    if bits != ZERO:
        return index + int64(trailing_zeros(bits))
    word += 1
    while word < len(bitmap):
        if bitmap[word] != ZERO:
            return (word << 6) + int64(trailing_zeros(bitmap[word]))
        word += 1
    return levels


@inlined
def below(bitmap: Any, index: int) -> int:
    """The highest level with orders down from `index`, or -1."""
    if index < 0:
        return -1
    word = index >> 6
    bits = bitmap[word] << (WORD - (np.uint64(index) & WORD))
    if bits != ZERO:
        return index - int64(leading_zeros(bits))
    word -= 1
    while word >= 0:
        if bitmap[word] != ZERO:
            return (word << 6) + 63 - int64(leading_zeros(bitmap[word]))
        word -= 1
    return -1


@inlined
def leave(state: Any, orders: Any, levels: Any, bitmap: Any, slots: Any, slot: int) -> None:
    """Take an order out of its queue, and give its slot back."""
    order = orders[slot]
    index = int64(order.level)
    if order.previous == 0:
        levels[index].head = order.next
    else:
        orders[order.previous].next = order.next
    if order.next == 0:
        levels[index].tail = order.previous
    else:
        orders[order.next].previous = order.previous
    if levels[index].head == 0:
        bitmap[index >> 6] &= ~(ONE << (np.uint64(index) & WORD))
        if order.side == BUY:
            if index == state.best_bid:
                state.best_bid = below(bitmap, index)
        elif index == state.best_ask:
            state.best_ask = above(bitmap, index, len(levels))
    slots[order.serial] = 0
    order.next = state.free_slot
    state.free_slot = slot
    state.order_count -= 1


@inlined
def rest(state: Any, orders: Any, levels: Any, bitmap: Any, slots: Any, command: Any, index: int, leaves: int) -> None:
    """Put what is left of an order at the end of its queue."""
    slot = state.free_slot
    order = orders[slot]
    state.free_slot = order.next
    state.order_count += 1
    order.account, order.serial, order.order_id = command.account, command.serial, state.last_order_id
    order.leaves_lots, order.level, order.side = leaves, index, command.side
    slots[command.serial] = slot
    level = levels[index]
    order.previous, order.next = level.tail, 0
    if level.tail == 0:
        level.head = slot
        bitmap[index >> 6] |= ONE << (np.uint64(index) & WORD)
        if command.side == BUY:
            state.best_bid = max(state.best_bid, index)
        else:
            state.best_ask = min(state.best_ask, index)
    else:
        orders[level.tail].next = slot
    level.tail = slot


@inlined
def limit_order(state: Any, orders: Any, levels: Any, bitmap: Any, slots: Any, low: int, command: Any, rows: Any) -> None:
    """Accept, match, and rest."""
    state.last_order_id += 1
    index, leaves, buy = command.price_ticks - low, command.quantity_lots, command.side == BUY
    row = rows[state.rows]
    state.rows += 1
    write(state, row, ACCEPTED, command, state.last_order_id, command.serial, command.side)
    row.price_ticks, row.quantity_lots, row.leaves_lots = command.price_ticks, leaves, leaves
    while leaves > 0:
        best = state.best_ask if buy else state.best_bid
        if (buy and best > index) or (not buy and best < index):
            break
        slot = int64(levels[best].head)
        maker = orders[slot]
        quantity = min(leaves, maker.leaves_lots)
        leaves -= quantity
        maker.leaves_lots -= quantity
        row = rows[state.rows]
        state.rows += 1
        write(state, row, TRADED, command, state.last_order_id, command.serial, command.side)
        row.price_ticks, row.quantity_lots, row.leaves_lots = best + low, quantity, leaves
        row.maker_account, row.maker_serial = maker.account, maker.serial
        row.maker_order_id, row.maker_leaves_lots = maker.order_id, maker.leaves_lots
        if maker.leaves_lots == 0:
            leave(state, orders, levels, bitmap, slots, slot)
    if leaves > 0:
        rest(state, orders, levels, bitmap, slots, command, index, leaves)


@inlined
def cancel(state: Any, orders: Any, levels: Any, bitmap: Any, slots: Any, low: int, command: Any, rows: Any) -> None:
    """Cancel the order of that serial, if it rests."""
    serial = command.target_serial
    slot = int64(slots[serial])
    row = rows[state.rows]
    state.rows += 1
    if slot == 0:
        write(state, row, CANCEL_REJECTED, command, 0, serial, 0)
        row.reason = UNKNOWN_ORDER
        row.price_ticks, row.quantity_lots, row.leaves_lots = 0, 0, 0
        return
    order = orders[slot]
    write(state, row, CANCELLED, command, order.order_id, serial, order.side)
    row.reason = REQUESTED
    row.price_ticks, row.quantity_lots, row.leaves_lots = int64(order.level) + low, order.leaves_lots, 0
    leave(state, orders, levels, bitmap, slots, slot)


@njit(nogil=True, cache=True, **WITHOUT_COUNTS)
def apply_commands(
    counters: Any, orders: Any, levels: Any, bitmap: Any, slots: Any, low: int, commands: Any, rows: Any
) -> int:
    """Apply all commands; the number of rows."""
    state = counters[0]
    state.rows = 0
    for at in range(len(commands)):
        command = commands[at]
        if command.kind == NEW:
            limit_order(state, orders, levels, bitmap, slots, low, command, rows)
        else:
            cancel(state, orders, levels, bitmap, slots, low, command, rows)
    return int(state.rows)
