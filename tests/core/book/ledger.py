"""What a book's rows add up to, for somebody who sees nothing but them: quantities are conserved, depth gives the book."""

from typing import Any

from marksim.core.book.life import next_status
from marksim.core.types import BookOutput, ExecutionKind, OrderStatus, SessionState, Side

OFF = (ExecutionKind.CANCELLED, ExecutionKind.EXPIRED)
SAME = (ExecutionKind.REFILLED, ExecutionKind.TRIGGERED)


class Ledger:
    """Takes batches of rows; `problems` says what does not add up."""

    def __init__(self, state: SessionState = SessionState.CONTINUOUS) -> None:
        """`state`: of the session at the start, of which no row tells."""
        self.status: dict[int, OrderStatus] = {}
        """Of each open order, by its id: every event must be one that its life allows."""
        self.leaves: dict[int, int] = {}
        """What is left of each open order, by its id."""
        self.levels: dict[tuple[int, int], tuple[int, int]] = {}
        """(quantity, orders) by side and price."""
        self.quote: tuple[int, ...] | None = None
        self.problems: list[str] = []
        self.volume = 0
        """Of the session."""
        self._sequence = 0
        self._changes: list[tuple[int, int]] = [(0, state)]
        """(sequence, state from then on) of the session."""
        self._auction: list[tuple[int, int]] = []
        """(price, quantity) of the trades of the auction of which no change of the session has told yet."""

    def add(self, output: BookOutput) -> None:
        names = output.executions.dtype.names or ()
        for values in output.executions.tolist():
            self._execution(dict(zip(names, values, strict=True)))
        for _, _, price, quantity, count, side in output.depth.tolist():
            if quantity == 0:
                self.levels.pop((side, price), None)
            else:
                self.levels[side, price] = (quantity, count)
            if (quantity == 0) != (count == 0):
                self.problems.append(f"level {price} has {quantity} of {count} orders")
        for row in output.quotes.tolist():
            if row[2:] == self.quote:
                self.problems.append(f"quote {row} says nothing new")
            self.quote = row[2:]
            state = next(state for sequence, state in reversed(self._changes) if sequence <= row[0])
            if state != SessionState.CONTINUOUS and (row[3] or row[5]):
                self.problems.append(f"quote {row} has a size while nothing trades")
        self._changes = self._changes[-1:]

    def check(self, book: Any) -> list[str]:
        """The problems, and those of the book as it is now."""
        problems = list(self.problems)
        left = {int(row["order_id"]): int(row["leaves_lots"]) for row in book.resting()}
        if left != self.leaves:
            problems.append(f"the book has {left}, the executions leave {self.leaves}")
        levels = {(int(row["side"]), int(row["price_ticks"])): row for row in book.depth()}
        shown = {key: (int(row["quantity_lots"]), int(row["order_count"])) for key, row in levels.items()}
        if shown != self.levels:
            problems.append(f"depth is {shown}, its changes give {self.levels}")
        (_, state), session = self._changes[-1], book.session
        if (session.state, session.volume_lots) != (state, self.volume):
            problems.append(f"the session is {session}, the executions leave {state} with {self.volume}")
        if self._auction:
            problems.append(f"an auction is told by no change of the session: {self._auction}")
        best = {side: [price for at, price in shown if at == side] for side in (Side.BUY, Side.SELL)}
        trading = state == SessionState.CONTINUOUS
        if trading and best[Side.BUY] and best[Side.SELL] and max(best[Side.BUY]) >= min(best[Side.SELL]):
            problems.append("the book is crossed")
        return problems

    def _execution(self, row: dict[str, int]) -> None:
        kind, order, quantity = row["kind"], row["order_id"], row["quantity_lots"]
        self._sequence += 1
        if row["sequence"] != self._sequence:
            self.problems.append(f"sequence {row['sequence']} after {self._sequence - 1}")
        if kind == ExecutionKind.ACCEPTED:
            # Whether it is a stop, no row says: the next one does.
            self.status[order] = OrderStatus.OPEN
            self.leaves[order] = quantity
            self._is_left(order, row["leaves_lots"], row)
        elif kind == ExecutionKind.AMENDED:
            self.leaves[order] = row["leaves_lots"]
            self._lives(order, ExecutionKind.AMENDED, row["leaves_lots"])
        elif kind == ExecutionKind.SESSION_CHANGED:
            self._session_changed(row)
        elif kind == ExecutionKind.TRADED:
            self._traded(row)
            self.leaves[order] -= quantity
            self.leaves[row["maker_order_id"]] -= quantity
            self._is_left(order, row["leaves_lots"], row)
            self._is_left(row["maker_order_id"], row["maker_leaves_lots"], row)
        elif kind in OFF:
            self.leaves[order] -= quantity
            self._is_left(order, row["leaves_lots"], row)
        elif kind in SAME:
            self._is_left(order, row["leaves_lots"], row)

    def _traded(self, row: dict[str, int]) -> None:
        self.volume += row["quantity_lots"]
        trading = self._changes[-1][1] == SessionState.CONTINUOUS
        if (row["side"] == Side.UNSPECIFIED) == trading:
            self.problems.append(f"a trade of side {row['side']} where the session is {self._changes[-1][1]}: {row}")
        if not trading:
            self._auction.append((row["price_ticks"], row["quantity_lots"]))

    def _session_changed(self, row: dict[str, int]) -> None:
        prices = {price for price, _ in self._auction} or {0}
        quantity = sum(quantity for _, quantity in self._auction)
        if prices != {row["price_ticks"]} or quantity != row["quantity_lots"]:
            self.problems.append(f"the auction traded {self._auction}, the change of the session says otherwise: {row}")
        if row["order_id"] or row["leaves_lots"] or row["side"] or row["maker_order_id"]:
            self.problems.append(f"a change of the session is no order's event: {row}")
        self._auction.clear()
        if self._changes[-1][1] == SessionState.CLOSED != row["session_state"]:
            # What it uncrossed is of the new day.
            self.volume = row["quantity_lots"]
        self._changes.append((row["sequence"], row["session_state"]))

    def _is_left(self, order: int, leaves: int, row: dict[str, int]) -> None:
        self._lives(order, ExecutionKind(row["kind"]), leaves)
        if self.leaves[order] != leaves or leaves < 0:
            self.problems.append(f"of order {order} {self.leaves[order]} are left, the row says otherwise: {row}")
        if leaves == 0:
            del self.leaves[order]

    def _lives(self, order: int, event: ExecutionKind, leaves: int) -> None:
        if event == ExecutionKind.ACCEPTED:
            return
        waits = event == ExecutionKind.TRIGGERED
        before = OrderStatus.PENDING if waits else self.status[order]
        try:
            self.status[order] = next_status(before, event, leaves > 0, waits)
        except KeyError:
            self.problems.append(f"order {order}: {event.name} of one that is {before.name}, {leaves} left")
