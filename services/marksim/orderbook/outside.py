"""Outside accounts, their orders, and the commands that wait for the next window.

Policy of the bounds: an account keeps its last 10,000 closed orders and 1,000 fills, an order the first 1,000 fills of its
first window and of its last amendment; over all accounts the oldest closed order gives way. A new account takes the place of
the longest idle one that has nothing open; if all have, it is refused. An order answers to its first name and the last 15
that amendments gave.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from marksim.core.book.life import next_status
from marksim.core.errors import Exhausted, MarksimError
from marksim.core.types import (
    EXECUTION,
    OUTSIDE_ACCOUNTS_FROM,
    CommandKind,
    ExecutionKind,
    Instrument,
    Liquidity,
    OrderStatus,
    OrderType,
    PostOnly,
    Reason,
    Records,
    SelfTradePrevention,
    SessionState,
    Side,
    TimeInForce,
)
from marksim.orderbook.waiting import Answers, Waiting, command_rows

CLOSED_ORDERS: Final = 10_000
FILLS: Final = 1_000
NAMES: Final = 16
SESSION_ACCOUNT: Final = OUTSIDE_ACCOUNTS_FROM
"""Who changes sessions: the first number of an outside account, which no name gives."""
OPEN: Final = (OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


def group_number(name: str) -> int:
    """The number of a self-trade group: negative, so that it is never that of an account, which is its own group."""
    return -account_number(name)


def account_number(name: str) -> int:
    """The account's int64, the same on every shard: 2^62 + the first 61 bits of SHA-256(name)."""
    return OUTSIDE_ACCOUNTS_FROM + (int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 3)


@dataclass(frozen=True, slots=True)
class OwnFill:
    """One trade as one of its owners sees it."""

    order: "OutsideOrder"
    sequence: int
    time_ns: int
    price_ticks: int
    quantity_lots: int
    liquidity: Liquidity

    @property
    def taker_side(self) -> Side:
        """UNSPECIFIED of an auction's trade."""
        if self.liquidity == Liquidity.AUCTION:
            return Side.UNSPECIFIED
        return self.order.side if self.liquidity == Liquidity.TAKER else self.order.side.opposite


@dataclass(slots=True)
class Position:
    """Sum of an account's own fills in one symbol; `notional` is in ticks times lots, what the fills brought in."""

    lots: int = 0
    notional: int = 0
    trades: int = 0


@dataclass(slots=True)
class Account:
    """What is known of one outside account in this run."""

    name: str
    number: int
    orders: dict[tuple[str, str], "OutsideOrder"] = field(default_factory=dict)
    """By (symbol, client order id at first), oldest first."""
    renamed: dict[tuple[str, str], "OutsideOrder"] = field(default_factory=dict)
    """By (symbol, client order id that an amendment gave)."""
    closed: deque["OutsideOrder"] = field(default_factory=deque)
    fills: deque[OwnFill] = field(default_factory=lambda: deque(maxlen=FILLS))
    positions: dict[str, Position] = field(default_factory=dict)

    def find(self, symbol: str, client_order_id: str) -> "OutsideOrder | None":
        """The order that has or had this name."""
        key = (symbol, client_order_id)
        return self.orders.get(key) or self.renamed.get(key)

    def newest(self, before: int, symbol: str, open_only: bool) -> "Iterator[OutsideOrder]":
        """Orders with serials below `before`, newest first; an empty symbol means all."""
        for order in reversed(self.orders.values()):
            if order.serial < before and symbol in ("", order.instrument.symbol) and (order.is_open or not open_only):
                yield order


@dataclass(slots=True, eq=False)
class OutsideOrder:
    """One order as its owner sees it; `notional` is the sum of ticks times lots over its fills."""

    account: Account
    instrument: Instrument
    names: list[str]
    """Client order ids: the first one, and those that amendments gave."""
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price_ticks: int
    quantity_lots: int
    display_lots: int = 0
    min_quantity_lots: int = 0
    expire_time_ns: int = 0
    stop_price_ticks: int = 0
    post_only: PostOnly = PostOnly.UNSPECIFIED
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.UNSPECIFIED
    self_trade_group: str = ""
    """Its name."""
    serial: int = 0
    status: OrderStatus = OrderStatus.PENDING
    order_id: int = 0
    leaves_lots: int = 0
    filled_lots: int = 0
    notional: int = 0
    reason: Reason = Reason.UNSPECIFIED
    accepted_ns: int = 0
    updated_ns: int = 0
    window: int = -1
    """In which it reached the book."""
    first_fills: list[OwnFill] = field(default_factory=list)
    waiting: Waiting | None = None
    """The command about it that was sent last, until its window is done."""
    amendments: dict[str, Waiting] = field(default_factory=dict)
    """Those that gave it a name, by that name."""
    amending: Waiting | None = None
    """The amendment that the present window has answered, for what it trades."""

    @property
    def client_order_id(self) -> str:
        """What it is called now."""
        return self.names[-1]

    @property
    def key(self) -> tuple[str, str]:
        return self.instrument.symbol, self.names[0]

    @property
    def group_number(self) -> int:
        """Of its self-trade group; 0 means the account's own."""
        return group_number(self.self_trade_group) if self.self_trade_group else 0

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


class Outside:
    """All outside accounts of one run."""

    def __init__(self, max_queue: int, max_accounts: int, max_orders: int) -> None:
        self.max_queue = max_queue
        self.max_orders = max_orders
        self.max_accounts = max_accounts
        self.refused = 0
        self._accounts: dict[str, Account] = {}
        self._by_serial: dict[int, OutsideOrder] = {}
        self._closed: deque[OutsideOrder] = deque()
        self._queue: list[Waiting] = []
        self._sealed: list[Waiting] = []
        self._answers = Answers(())
        self._serial = 0

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def order_count(self) -> int:
        return len(self._by_serial)

    def account(self, name: str) -> Account | None:
        """The account, if it has ever sent an order that is still remembered."""
        return self._accounts.get(name)

    def find(self, account: str, symbol: str, client_order_id: str) -> OutsideOrder | None:
        """The order of that name, open or lately closed."""
        owner = self._accounts.get(account)
        return owner.find(symbol, client_order_id) if owner else None

    def order(self, serial: int) -> OutsideOrder | None:
        """The order of that serial, open or lately closed."""
        return self._by_serial.get(serial)

    def claim_account(self, name: str) -> Account:
        """The account, made if need be; raises Exhausted if there is no room for one more."""
        account = self._accounts.pop(name, None)
        if account is None:
            if len(self._accounts) >= self.max_accounts:
                self._drop_idle_account()
            account = Account(name, account_number(name))
        # Last in the dict is last used.
        self._accounts[name] = account
        return account

    def check_room(self) -> None:
        """Raises Exhausted where one more order finds no room; asked before an account is made for it."""
        self._check_queue()
        if len(self._by_serial) >= self.max_orders and not self._forget_oldest():
            self.refused += 1
            raise Exhausted(f"all {self.max_orders} outside orders are open: cancel some first", reason="TOO_MANY_ORDERS")

    def enqueue(self, order: OutsideOrder, while_paused: bool) -> Waiting:
        """Let a new order wait for the next window; raises Exhausted at a bound, with nothing changed."""
        self.check_room()
        order.waiting = waiting = self._wait(CommandKind.NEW, order.account.number, while_paused, order)
        order.serial = waiting.serial
        order.account.orders[order.key] = order
        self._by_serial[order.serial] = order
        return waiting

    def enqueue_cancel(self, order: OutsideOrder, while_paused: bool) -> Waiting:
        """Let a cancel wait for the next window."""
        return self._wait(CommandKind.CANCEL, order.account.number, while_paused, order)

    def enqueue_amend(self, order: OutsideOrder, price: int, quantity: int, new_name: str, while_paused: bool) -> Waiting:
        """Let an amendment wait for the next window; the new name works at once."""
        order.waiting = waiting = self._wait(CommandKind.AMEND, order.account.number, while_paused, order)
        waiting.price_ticks, waiting.quantity_lots, waiting.new_name = price, quantity, new_name
        if new_name:
            order.account.renamed[order.instrument.symbol, new_name] = order
            order.amendments[new_name] = waiting
        return waiting

    def enqueue_mass_cancel(self, account: Account, symbols: tuple[str, ...], side: Side, while_paused: bool) -> Waiting:
        """Let a cancel of all of an account's orders wait for the next window."""
        waiting = self._wait(CommandKind.MASS_CANCEL, account.number, while_paused)
        waiting.symbols, waiting.side = symbols, side
        return waiting

    def enqueue_owner_gone(self, name: str) -> int:
        """Let a cancel of all that the account has open wait for the next window, whatever that takes; of how many orders.

        It finds room in a full queue, since each but an account's first follows a command of the account that had to.
        """
        account = self._accounts.get(name)
        opened = [order for order in account.orders.values() if order.is_open] if account else []
        if account is None or not opened:
            return 0
        own = (waiting for waiting in reversed(self._queue) if waiting.account == account.number)
        if (last := next(own, None)) is not None and last.kind == CommandKind.OWNER_GONE:
            return 0
        waiting = self._append(CommandKind.OWNER_GONE, account.number, while_paused=True)
        waiting.symbols = tuple(dict.fromkeys(order.instrument.symbol for order in opened))
        return len(opened)

    def enqueue_session(self, symbol: str, state: SessionState, until_ns: int, while_paused: bool) -> Waiting:
        """Let a change of a symbol's session wait for the next window."""
        waiting = self._wait(CommandKind.SET_SESSION, SESSION_ACCOUNT, while_paused)
        waiting.symbols, waiting.session_state, waiting.until_ns = (symbol,), state, until_ns
        return waiting

    def seal(self, window: int, time_ns: int) -> dict[str, Records]:
        """Take what waits as this window's input, in order of arrival, all at the window's first nanosecond."""
        if not self._queue:
            return {}
        self._sealed, self._queue = self._queue, []
        by_symbol: dict[str, list[Waiting]] = {}
        for waiting in self._sealed:
            for symbol in waiting.symbols:
                by_symbol.setdefault(symbol, []).append(waiting)
            if waiting.order is not None and waiting.kind == CommandKind.NEW:
                waiting.order.window = window
        self._answers = Answers(self._sealed)
        return {symbol: command_rows(queue, time_ns) for symbol, queue in by_symbol.items()}

    def settle(self, window: int, executions: Mapping[str, Records]) -> None:
        """Tell orders what the window did to them, and everyone who waited for it that it is done."""
        for symbol, rows in executions.items():
            self._answers.take_sessions(symbol, rows)
            if self._by_serial or self._sealed:
                mine = (rows["account"] >= OUTSIDE_ACCOUNTS_FROM) | (rows["maker_account"] >= OUTSIDE_ACCOUNTS_FROM)
                for values in rows[mine].tolist():
                    self._apply(window, dict(zip(EXECUTION.names or (), values, strict=True)))
        sealed, self._sealed = self._sealed, []
        self._answers = Answers(())
        for waiting in sealed:
            if (order := waiting.order) is not None:
                order.amending = None
                if order.waiting is waiting:
                    order.waiting = None
                if waiting.new_name not in order.names:
                    # It was refused, or the order ended with it.
                    self._forget_name(waiting)
            if not waiting.done.done():
                waiting.done.set_result(window)

    def fail(self, error: MarksimError, paused_only: bool = False) -> None:
        """Give up what waits, as if it had never come; with `paused_only`, all but those that wait through a pause.

        That an owner is gone stays true whatever else fails: it waits for the next window of this run.
        """

        def stays(waiting: Waiting) -> bool:
            return waiting.kind == CommandKind.OWNER_GONE or (paused_only and waiting.while_paused)

        failed = [waiting for waiting in self._queue if not stays(waiting)]
        self._queue = [waiting for waiting in self._queue if stays(waiting)]
        failed += [] if paused_only else self._sealed
        self._sealed = self._sealed if paused_only else []
        gone = {waiting.order for waiting in failed if waiting.order is not None and waiting.kind == CommandKind.NEW}
        # A command cannot outlive the order that it means.
        failed += [waiting for waiting in self._queue if waiting.order in gone]
        self._queue = [waiting for waiting in self._queue if waiting.order not in gone]
        for waiting in failed:
            self._forget_name(waiting)
            if waiting.order is not None:
                left = [other for other in self._queue if other.order is waiting.order]
                waiting.order.waiting = left[-1] if left else None
        for order in gone:
            del order.account.orders[order.key]
            del self._by_serial[order.serial]
        for waiting in failed:
            if not waiting.done.done():
                waiting.done.set_exception(error)
                # Whoever waited may have hung up; then nobody else will look at it.
                waiting.done.exception()

    def _check_queue(self) -> None:
        if len(self._queue) >= self.max_queue:
            self.refused += 1
            message = f"{self.max_queue} outside commands already wait for the next window: try again after it"
            raise Exhausted(message, reason="QUEUE_FULL")

    def _wait(self, kind: CommandKind, account: int, while_paused: bool, order: OutsideOrder | None = None) -> Waiting:
        """A command with a serial of its own, which waits for the next window from now on; raises Exhausted."""
        self._check_queue()
        return self._append(kind, account, while_paused, order)

    def _append(self, kind: CommandKind, account: int, while_paused: bool, order: OutsideOrder | None = None) -> Waiting:
        self._serial += 1
        waiting = Waiting(
            kind=kind,
            account=account,
            serial=self._serial,
            while_paused=while_paused,
            done=asyncio.get_running_loop().create_future(),
            order=order,
            symbols=(order.instrument.symbol,) if order is not None else (),
        )
        self._queue.append(waiting)
        return waiting

    def _forget_name(self, waiting: Waiting) -> None:
        """The name that an amendment was to give leads nowhere."""
        if waiting.order is not None and waiting.new_name:
            self._drop_name(waiting.order, waiting.new_name)

    def _apply(self, window: int, row: dict[str, int]) -> None:
        order = self._by_serial.get(row["serial"]) if row["account"] >= OUTSIDE_ACCOUNTS_FROM else None
        kind = row["kind"]
        if kind == ExecutionKind.TRADED:
            auction = row["side"] == Side.UNSPECIFIED
            if order is not None:
                self._fill(window, order, row, row["leaves_lots"], Liquidity.AUCTION if auction else Liquidity.TAKER)
            if row["maker_account"] >= OUTSIDE_ACCOUNTS_FROM and (maker := self._by_serial.get(row["maker_serial"])):
                self._fill(window, maker, row, row["maker_leaves_lots"], Liquidity.AUCTION if auction else Liquidity.MAKER)
        elif kind == ExecutionKind.CANCEL_REJECTED:
            if row["account"] >= OUTSIDE_ACCOUNTS_FROM:
                self._answers.refuse(row)
        elif order is not None:
            self._change(order, row)

    def _change(self, order: OutsideOrder, row: dict[str, int]) -> None:
        kind, leaves = ExecutionKind(row["kind"]), row["leaves_lots"]
        waits = order.stop_price_ticks != 0 and order.status == OrderStatus.PENDING and kind != ExecutionKind.REJECTED
        status = next_status(order.status, kind, leaves > 0, waits)
        order.updated_ns = row["time_ns"]
        if kind == ExecutionKind.ACCEPTED:
            order.order_id, order.accepted_ns, order.leaves_lots = row["order_id"], row["time_ns"], leaves
            # It may have slid.
            order.price_ticks = row["price_ticks"]
        elif kind == ExecutionKind.AMENDED:
            self._amended(order, row)
        elif kind == ExecutionKind.CANCELLED and leaves:
            # A part was taken off, which it was not sent for any more.
            order.quantity_lots -= row["quantity_lots"]
            order.leaves_lots = leaves
        elif kind == ExecutionKind.CANCELLED and row["reason"] == Reason.REQUESTED:
            self._answers.take(order, row)
        if status in OPEN:
            order.status = status
        else:
            self._close(order, status, row["reason"])

    def _amended(self, order: OutsideOrder, row: dict[str, int]) -> None:
        if order.order_type != OrderType.MARKET:
            # One that waits for the opening has none, wherever it rests.
            order.price_ticks = row["price_ticks"]
        order.quantity_lots, order.leaves_lots = row["quantity_lots"], row["leaves_lots"]
        order.amending = amending = self._answers.take(order, row)
        if amending is None:
            return
        for before in order.amendments.values():
            if before.serial < amending.serial:
                # A new list: whoever still waits for the old one has it.
                before.fills = []
        if amending.new_name:
            order.names.append(amending.new_name)
            if len(order.names) > NAMES:
                self._drop_name(order, order.names.pop(1))

    def _fill(self, window: int, order: OutsideOrder, row: dict[str, int], leaves: int, liquidity: Liquidity) -> None:
        price, lots = row["price_ticks"], row["quantity_lots"]
        fill = OwnFill(order, row["sequence"], row["time_ns"], price, lots, liquidity)
        order.updated_ns, order.leaves_lots = row["time_ns"], leaves
        order.filled_lots += lots
        order.notional += price * lots
        order.account.fills.append(fill)
        answer = order.amending.fills if order.amending is not None else order.first_fills
        if (order.amending is not None or window == order.window) and len(answer) < FILLS:
            answer.append(fill)
        position = order.account.positions.setdefault(order.instrument.symbol, Position())
        sign = 1 if order.side == Side.BUY else -1
        position.lots += sign * lots
        position.notional -= sign * price * lots
        position.trades += 1
        status = next_status(order.status, ExecutionKind.TRADED, leaves > 0)
        if leaves:
            order.status = status
        else:
            self._close(order, status, Reason.UNSPECIFIED)

    def _close(self, order: OutsideOrder, status: OrderStatus, reason: int) -> None:
        order.status, order.reason, order.leaves_lots = status, Reason(reason), 0
        closed = order.account.closed
        closed.append(order)
        self._closed.append(order)
        if len(closed) > CLOSED_ORDERS:
            self._forget(closed.popleft())
        if len(self._closed) > 2 * len(self._by_serial) + FILLS:
            # Most of them were forgotten for their own account's sake.
            self._closed = deque(order for order in self._closed if order.serial in self._by_serial)

    def _forget(self, order: OutsideOrder) -> None:
        self._by_serial.pop(order.serial, None)
        order.account.orders.pop(order.key, None)
        for name in order.names[1:]:
            self._drop_name(order, name)

    def _drop_name(self, order: OutsideOrder, name: str) -> None:
        order.account.renamed.pop((order.instrument.symbol, name), None)
        order.amendments.pop(name, None)

    def _forget_oldest(self) -> bool:
        while self._closed:
            order = self._closed.popleft()
            if order.serial in self._by_serial:
                order.account.closed.remove(order)
                self._forget(order)
                return True
        return False

    def _drop_idle_account(self) -> None:
        for account in self._accounts.values():
            if not any(order.is_open for order in account.orders.values()):
                for order in account.orders.values():
                    self._by_serial.pop(order.serial, None)
                del self._accounts[account.name]
                return
        self.refused += 1
        raise Exhausted(f"all {self.max_accounts} outside accounts have open orders", reason="TOO_MANY_ACCOUNTS")
