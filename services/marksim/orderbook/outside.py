"""Outside accounts, their orders, and the commands that wait for the next window.

Policy of the bounds: an account keeps its last 10,000 closed orders and 1,000 fills, an order the first 1,000 fills of its
first window and of its last amendment; over all accounts the oldest closed order gives way. A new account takes the place of
the longest idle one that has nothing open; if all have, it is refused. An order answers to its first name and the last 15
that amendments gave.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, Self

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
    Reason,
    Records,
    SessionState,
    Side,
)
from marksim.orderbook.accounts import FILLS, OPEN, SESSION_ACCOUNT, Account, OutsideOrder, OwnFill, Position, account_number
from marksim.orderbook.notes import Notes, Remembered
from marksim.orderbook.waiting import Answers, Waiting, command_rows

CLOSED_ORDERS: Final = 10_000
NAMES: Final = 16


ALL: Final = 1 << 62
"""Above every window's number."""


class Outside:
    """All outside accounts of one run.

    A window is done in four steps: `seal` takes what waits, `settle` notes what became of it, `changes` tells what of that
    must be kept, and once it is, `answer` tells those who waited.
    """

    def __init__(self, max_queue: int, max_accounts: int, max_orders: int) -> None:
        self.max_queue = max_queue
        self.max_orders = max_orders
        self.max_accounts = max_accounts
        self.refused = 0
        self._accounts: dict[str, Account] = {}
        self._settled_window = -1
        self.told = asyncio.Event()
        """Set where nothing is settled that is not answered, too: what orders tell may be relied on."""
        self.told.set()
        self._orders: dict[int, OutsideOrder] = {}
        """By arrival."""
        self._by_number: dict[tuple[str, int], OutsideOrder] = {}
        """Those that a window has taken, by symbol and serial."""
        self._closed: deque[OutsideOrder] = deque()
        self._queue: list[Waiting] = []
        self._sealed: list[Waiting] = []
        self._settled: list[Waiting] = []
        self._answers = Answers(())
        self._serials: dict[str, int] = {}
        """By symbol, its last command's: on the tape, so that they may not depend on which symbols share a book."""
        self._arrivals = self._closings = self._uses = 0
        self._notes = Notes()

    @classmethod
    def restored(
        cls,
        max_queue: int,
        max_accounts: int,
        max_orders: int,
        notes: Iterable[tuple[str, bytes]],
        instruments: Mapping[str, Instrument],
    ) -> Self:
        """As `changes` told it, from notes in the order of their keys; what waited is not there.

        Raises DamagedNote for a note that cannot be read, or is of another version.
        """
        told = Remembered(notes, instruments)
        outside = cls(max_queue, max_accounts, max_orders)
        outside._accounts, outside._orders, outside._serials = told.accounts, told.orders, told.serials
        outside._by_number = {order.number: order for order in told.orders.values()}
        outside._closed.extend(told.closed)
        outside._arrivals, outside._closings, outside._uses = told.counters
        outside._notes = Notes(told.counters, begun=told.begun)
        return outside

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def order_count(self) -> int:
        return len(self._orders)

    def account(self, name: str) -> Account | None:
        """The account, if it has ever sent an order that is still remembered."""
        return self._accounts.get(name)

    def find(self, account: str, symbol: str, client_order_id: str) -> OutsideOrder | None:
        """The order of that name, open or lately closed."""
        owner = self._accounts.get(account)
        return owner.find(symbol, client_order_id) if owner else None

    def order(self, symbol: str, serial: int) -> OutsideOrder | None:
        """The order of that serial in that symbol, open or lately closed."""
        return self._by_number.get((symbol, serial))

    def claim_account(self, name: str) -> Account:
        """The account, made if need be; raises Exhausted if there is no room for one more."""
        account = self._accounts.pop(name, None)
        if account is None:
            while len(self._accounts) >= self.max_accounts:
                self._drop_idle_account()
            account = Account(name, account_number(name))
        # Last in the dict is last used.
        self._accounts[name] = account
        self._uses += 1
        account.place = self._uses
        self._notes.account(account)
        return account

    def check_room(self) -> None:
        """Raises Exhausted where one more order finds no room; asked before an account is made for it."""
        self._check_queue()
        # More than one where the bound was higher when they came.
        while len(self._orders) >= self.max_orders:
            if self._forget_oldest():
                continue
            self.refused += 1
            raise Exhausted(f"all {self.max_orders} outside orders are open: cancel some first", reason="TOO_MANY_ORDERS")

    def enqueue(self, order: OutsideOrder, while_paused: bool) -> Waiting:
        """Let a new order wait for the next window; raises Exhausted at a bound, with nothing changed."""
        self.check_room()
        order.waiting = waiting = self._wait(CommandKind.NEW, order.account.number, while_paused, order)
        order.arrival = waiting.arrival
        order.account.orders[order.key] = order
        self._orders[order.arrival] = order
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

    def enqueue_owner_gone(self, name: str) -> tuple[int, Waiting | None]:
        """Let a cancel of all that the account has open wait for the next window, whatever that takes.

        Of how many orders, and the command, which may have waited before; None where nothing is open.
        It finds room in a full queue, since each but an account's first follows a command of the account that had to.
        """
        account = self._accounts.get(name)
        opened = [order for order in account.orders.values() if order.is_open] if account else []
        if account is None or not opened:
            return 0, None
        own = (waiting for waiting in self._queue if waiting.account == account.number)
        last = {symbol: waiting for waiting in own for symbol in waiting.symbols}
        # By symbol, so that it makes no difference which of them share a book.
        symbols = dict.fromkeys(order.instrument.symbol for order in opened)
        new = tuple(symbol for symbol in symbols if symbol not in last or last[symbol].kind != CommandKind.OWNER_GONE)
        if not new:
            return 0, max((last[symbol] for symbol in symbols), key=lambda waiting: waiting.arrival)
        waiting = self._append(CommandKind.OWNER_GONE, account.number, while_paused=True)
        waiting.symbols = new
        return sum(order.instrument.symbol in new for order in opened), waiting

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
                # Only now: what fails before it reaches a window leaves no trace in the numbers on the tape.
                self._serials[symbol] = waiting.serials[symbol] = self._serials.get(symbol, 0) + 1
                by_symbol.setdefault(symbol, []).append(waiting)
            if (order := waiting.order) is not None and waiting.kind == CommandKind.NEW:
                order.window, order.serial = window, waiting.serials[order.instrument.symbol]
                self._by_number[order.number] = order
        self._answers = Answers(self._sealed)
        return {symbol: command_rows(queue, symbol, time_ns) for symbol, queue in by_symbol.items()}

    def settle(self, window: int, executions: Mapping[str, Records]) -> None:
        """Tell orders what the window did to them. Nobody is told of it before `answer`."""
        self._settled_window = window
        self.told.clear()
        for symbol, rows in executions.items():
            self._answers.take_sessions(symbol, rows)
            if self._by_number or self._sealed:
                mine = (rows["account"] >= OUTSIDE_ACCOUNTS_FROM) | (rows["maker_account"] >= OUTSIDE_ACCOUNTS_FROM)
                for values in rows[mine].tolist():
                    self._apply(window, symbol, dict(zip(EXECUTION.names or (), values, strict=True)))
        settled, self._sealed = self._sealed, []
        self._settled += settled
        self._answers = Answers(())
        for waiting in settled:
            waiting.window = window
            for symbol in waiting.symbols:
                self._notes.serial(symbol, self._serials[symbol])
            if (order := waiting.order) is not None:
                order.amending = None
                if waiting.new_name not in order.names:
                    # It was refused, or the order ended with it.
                    self._forget_name(waiting)

    def changes(self) -> dict[str, bytes | None]:
        """Notes of all that changed since the last call, by key, None for those that go; see notes.py.

        They are not told again: whoever cannot keep them yet holds on to them. What waits for a window is not among them.
        """
        return self._notes.take((self._arrivals, self._closings, self._uses))

    def drop_changes(self) -> None:
        """In place of `changes`, where nothing is kept."""
        self._notes.drop()

    def answer(self, window: int = ALL) -> None:
        """Tell everyone who waited for windows up to that one, which were settled, that they are done."""
        done = [waiting for waiting in self._settled if waiting.window <= window]
        self._settled = self._settled[len(done) :]
        for waiting in done:
            if waiting.order is not None and waiting.order.waiting is waiting:
                waiting.order.waiting = None
            waiting.finish()
        if window >= self._settled_window:
            self.told.set()

    def end(self, error: MarksimError) -> None:
        """The run is over: whatever waits has failed, for the run, an owner's being gone and a settled window's included."""
        failed = [*self._queue, *self._sealed, *self._settled]
        self._queue, self._sealed, self._settled = [], [], []
        for waiting in failed:
            waiting.fail(error)
        self.told.set()

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
                left = [other for other in (*self._settled, *self._sealed, *self._queue) if other.order is waiting.order]
                waiting.order.waiting = left[-1] if left else None
        for order in gone:
            del order.account.orders[order.key]
            del self._orders[order.arrival]
            self._by_number.pop(order.number, None)
        for waiting in failed:
            waiting.fail(error)

    def _check_queue(self) -> None:
        if len(self._queue) >= self.max_queue:
            self.refused += 1
            message = f"{self.max_queue} outside commands already wait for the next window: try again after it"
            raise Exhausted(message, reason="QUEUE_FULL")

    def _wait(self, kind: CommandKind, account: int, while_paused: bool, order: OutsideOrder | None = None) -> Waiting:
        """A command that waits for the next window from now on; raises Exhausted."""
        self._check_queue()
        return self._append(kind, account, while_paused, order)

    def _append(self, kind: CommandKind, account: int, while_paused: bool, order: OutsideOrder | None = None) -> Waiting:
        self._arrivals += 1
        waiting = Waiting(
            kind=kind,
            account=account,
            arrival=self._arrivals,
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

    def _apply(self, window: int, symbol: str, row: dict[str, int]) -> None:
        order = self.order(symbol, row["serial"]) if row["account"] >= OUTSIDE_ACCOUNTS_FROM else None
        kind = row["kind"]
        if kind == ExecutionKind.TRADED:
            auction = row["side"] == Side.UNSPECIFIED
            if order is not None:
                self._fill(window, order, row, row["leaves_lots"], Liquidity.AUCTION if auction else Liquidity.TAKER)
            if row["maker_account"] >= OUTSIDE_ACCOUNTS_FROM and (maker := self.order(symbol, row["maker_serial"])):
                self._fill(window, maker, row, row["maker_leaves_lots"], Liquidity.AUCTION if auction else Liquidity.MAKER)
        elif kind == ExecutionKind.CANCEL_REJECTED:
            if row["account"] >= OUTSIDE_ACCOUNTS_FROM:
                self._answers.refuse(symbol, row)
        elif order is not None:
            self._change(order, row)

    def _change(self, order: OutsideOrder, row: dict[str, int]) -> None:
        kind, leaves = ExecutionKind(row["kind"]), row["leaves_lots"]
        waits = order.stop_price_ticks != 0 and order.status == OrderStatus.PENDING and kind != ExecutionKind.REJECTED
        status = next_status(order.status, kind, leaves > 0, waits)
        order.updated_ns = row["time_ns"]
        self._notes.order(order)
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
            if before.arrival < amending.arrival and before.fills:
                self._notes.answer(order, before.new_name, None)
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
        self._notes.order(order)
        self._keep_fill(order.account, fill)
        amending = order.amending
        answer = amending.fills if amending is not None else order.first_fills
        if (amending is not None or window == order.window) and len(answer) < FILLS:
            answer.append(fill)
            if amending is None or amending.new_name:
                # One that gave no name is not known when it comes again.
                self._notes.answer(order, amending.new_name if amending is not None else "", answer)
        position = order.account.positions.setdefault(order.instrument.symbol, Position())
        self._notes.position(order.account, order.instrument.symbol)
        sign = 1 if order.side == Side.BUY else -1
        position.lots += sign * lots
        position.notional -= sign * price * lots
        position.trades += 1
        status = next_status(order.status, ExecutionKind.TRADED, leaves > 0)
        if leaves:
            order.status = status
        else:
            self._close(order, status, Reason.UNSPECIFIED)

    def _keep_fill(self, account: Account, fill: OwnFill) -> None:
        if len(account.fills) == account.fills.maxlen:
            oldest = account.fills.popleft().order
            oldest.fills_kept -= 1
            self._notes.fill(account, account.fill_count - account.fills.maxlen, None)
            if oldest.forgotten and not oldest.fills_kept:
                self._notes.forget_order(oldest)
        self._notes.fill(account, account.fill_count, fill)
        account.fills.append(fill)
        account.fill_count += 1
        fill.order.fills_kept += 1

    def _close(self, order: OutsideOrder, status: OrderStatus, reason: int) -> None:
        order.status, order.reason, order.leaves_lots = status, Reason(reason), 0
        self._closings += 1
        order.closing = self._closings
        closed = order.account.closed
        closed.append(order)
        self._closed.append(order)
        if len(closed) > CLOSED_ORDERS:
            self._forget(closed.popleft())
        if len(self._closed) > 2 * len(self._orders) + FILLS:
            # Most of them were forgotten for their own account's sake.
            self._closed = deque(order for order in self._closed if not order.forgotten)

    def _forget(self, order: OutsideOrder) -> None:
        self._drop_order(order)
        self._notes.forget_order(order)
        order.account.orders.pop(order.key, None)
        for name in order.names[1:]:
            self._drop_name(order, name)

    def _drop_order(self, order: OutsideOrder) -> None:
        del self._orders[order.arrival]
        del self._by_number[order.number]
        order.forgotten = True

    def _drop_name(self, order: OutsideOrder, name: str) -> None:
        order.account.renamed.pop((order.instrument.symbol, name), None)
        order.amendments.pop(name, None)

    def _forget_oldest(self) -> bool:
        while self._closed:
            order = self._closed.popleft()
            if not order.forgotten:
                order.account.closed.remove(order)
                self._forget(order)
                return True
        return False

    def _drop_idle_account(self) -> None:
        for account in self._accounts.values():
            if not any(order.is_open for order in account.orders.values()):
                for order in account.orders.values():
                    self._drop_order(order)
                self._notes.forget_account(account)
                del self._accounts[account.name]
                return
        self.refused += 1
        raise Exhausted(f"all {self.max_accounts} outside accounts have open orders", reason="TOO_MANY_ACCOUNTS")
