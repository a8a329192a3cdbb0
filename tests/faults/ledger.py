"""What outside clients were told, kept on the disk, and whether the market holds to it.

One JSON line an answer, appended and flushed. The checks return sentences, one a thing that is wrong, and none where all is
well. Decimals are text as the market gave it.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final, Self, TextIO

import numpy as np

from marksim.client.values import Instrument
from marksim.core.types import ExecutionKind, Records
from marksim.orderbook.accounts import account_number
from marksim.v1 import types_pb2

Key = tuple[str, str, str]
"""Account, symbol, client order id."""

SENT: Final = "sent"
SUBMITTED: Final = "submitted"
AGAIN: Final = "again"
CANCELLED: Final = "cancelled"
LOST: Final = "lost"
REFUSED: Final = "refused"
UNANSWERED: Final = "unanswered"

OPEN: Final = ("PENDING", "OPEN", "PARTIALLY_FILLED")
SHOWN: Final = 20
"""So many sentences of one check; of more the number is said."""


@dataclass(frozen=True)
class Answer:
    """One line of a ledger."""

    kind: str
    """SENT: it is about to be sent for the first time. SUBMITTED, CANCELLED: answered. AGAIN: the same order was sent once
    more after its answer. LOST: the market does not know an order that it had acknowledged. REFUSED: an error that sending
    again does not mend. UNANSWERED: still none at the end."""
    account: str
    symbol: str
    client_order_id: str
    run: str = ""
    window: int = -1
    order_id: int = 0
    status: str = ""
    reason: str = ""
    side: str = ""
    quantity: str = "0"
    leaves: str = "0"
    filled: str = "0"
    fills: tuple[tuple[int, str, str], ...] = ()
    """(sequence, price, quantity) of those in its first window; of a cancel none."""
    tries: int = 1
    took_s: float = 0.0
    message: str = ""

    @property
    def key(self) -> Key:
        return self.account, self.symbol, self.client_order_id

    @property
    def name(self) -> str:
        """The order in a sentence."""
        return f"order {self.client_order_id} of {self.account} in {self.symbol}"

    @classmethod
    def of(
        cls, kind: str, order: types_pb2.Order, run: str, window: int, fills: Iterable[types_pb2.Fill] = (), **more: object
    ) -> "Answer":
        """The answer as a line; `more` are tries and took_s."""
        return cls(
            kind=kind,
            account=order.account,
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            run=run,
            window=window,
            order_id=order.order_id,
            status=status_of(order),
            reason=types_pb2.Reason.Name(order.reason).removeprefix("REASON_"),
            side=types_pb2.Side.Name(order.side).removeprefix("SIDE_"),
            quantity=order.quantity,
            leaves=order.leaves_quantity,
            filled=order.filled_quantity,
            fills=tuple((fill.sequence, fill.price, fill.quantity) for fill in fills),
            **more,  # type: ignore[arg-type]  # named by the caller
        )


def status_of(order: types_pb2.Order) -> str:
    """FILLED, CANCELLED and so on."""
    return types_pb2.OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_")


class Ledger:
    """Writes answers as they come. What `write` returned from survives the end of this process, however that is."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            # Of a writer that was killed the last line may be torn.
            whole = path.read_bytes().rpartition(b"\n")
            os.truncate(path, len(whole[0] + whole[1]))
        self.path = path
        self._file: TextIO = path.open("a", encoding="utf-8")

    def write(self, answer: Answer) -> None:
        """Append one line."""
        self._file.write(json.dumps(asdict(answer), separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_ledger(path: Path) -> list[Answer]:
    """All whole lines; of a file whose writer was killed the last one may be torn, and is left out."""
    if not path.exists():
        return []
    *lines, _torn = path.read_text(encoding="utf-8").split("\n")
    answers = []
    for line in lines:
        fields = json.loads(line)
        fields["fills"] = tuple((sequence, price, quantity) for sequence, price, quantity in fields["fills"])
        answers.append(Answer(**fields))
    return answers


@dataclass
class Told:
    """What is known of one order: what the client sent, what it was told first, and what it was told last."""

    sent: Answer
    first: Answer | None = None
    last: Answer | None = None
    again: list[Answer] = field(default_factory=list)


def by_order(answers: Iterable[Answer]) -> dict[Key, Told]:
    """All orders that were ever sent."""
    orders: dict[Key, Told] = {}
    for answer in answers:
        if answer.kind == SENT:
            orders[answer.key] = Told(answer)
        elif answer.kind in (SUBMITTED, CANCELLED, AGAIN):
            told = orders[answer.key]
            told.first = told.first or answer
            told.last = answer
            if answer.kind == AGAIN:
                told.again.append(answer)
    return orders


def check_answers(answers: Sequence[Answer]) -> list[str]:
    """The market contradicts itself nowhere: one run, no order lost, the same id gets the same answer, nothing goes back."""
    problems = [f"{answer.name} was lost: {answer.message}" for answer in answers if answer.kind == LOST]
    problems += [f"{answer.name} got an error: {answer.message}" for answer in answers if answer.kind == REFUSED]
    problems += [f"{answer.name} was never answered" for answer in answers if answer.kind == UNANSWERED]
    runs = {answer.run for answer in answers if answer.run}
    if len(runs) > 1:
        problems.append(f"orders were acknowledged in {len(runs)} runs: {', '.join(sorted(runs))}")
    latest: dict[Key, Answer] = {}
    for answer in answers:
        if answer.kind not in (SUBMITTED, CANCELLED, AGAIN):
            continue
        before = latest.get(answer.key)
        if before is not None:
            problems += _contradictions(before, answer)
        latest[answer.key] = answer
        if sum((Decimal(quantity) for _, _, quantity in answer.fills), Decimal(0)) > Decimal(answer.filled):
            problems.append(f"{answer.name} has more fills than it says was filled, {answer.filled}")
    for told in by_order(answers).values():
        if told.first and told.first.kind == SUBMITTED:
            for answer in told.again:
                if (answer.fills, answer.window) != (told.first.fills, told.first.window):
                    problems.append(f"{answer.name} was answered with window {told.first.window} and then {answer.window}")
    return problems


def _contradictions(before: Answer, after: Answer) -> list[str]:
    """Of two answers about one order."""
    problems = []
    if (before.order_id, before.quantity, before.side) != (after.order_id, after.quantity, after.side):
        was, now = (
            f"{before.side} {before.quantity} as {before.order_id}",
            f"{after.side} {after.quantity} as {after.order_id}",
        )
        problems.append(f"{after.name} was {was} and then {now}")
    if Decimal(after.filled) < Decimal(before.filled):
        problems.append(f"{after.name} had {before.filled} filled and then {after.filled}")
    if before.status not in OPEN and before.status != after.status:
        problems.append(f"{after.name} was {before.status} and then {after.status}")
    return problems


@dataclass(frozen=True)
class Listed:
    """What the market says at the end: all orders that it lists, and of which accounts."""

    orders: Mapping[Key, types_pb2.Order]
    most_closed: int = 10_000
    """It may have forgotten the oldest closed orders of an account that has more."""


def check_final(answers: Sequence[Answer], final: Listed) -> list[str]:
    """No acknowledged order is missing at the end, none is there that nobody sent, and each is as it was told or further."""
    orders, problems = by_order(answers), list[str]()
    listed: dict[str, int] = defaultdict(int)
    for account, _, _ in final.orders:
        listed[account] += 1
    for key, told in orders.items():
        present = final.orders.get(key)
        if told.last is None:
            continue
        if present is None:
            if told.last.status in OPEN or listed[told.last.account] < final.most_closed:
                problems.append(f"{told.last.name} was acknowledged ({told.last.status}) and is missing")
            continue
        problems += _contradictions(told.last, Answer.of(AGAIN, present, told.last.run, told.last.window))
    numbers: dict[tuple[str, int], Key] = {}
    for key, order in final.orders.items():
        if key not in orders:
            problems.append(f"order {key[2]} of {key[0]} in {key[1]} is there, and nobody sent it")
        quantity, leaves, filled = (Decimal(text or "0") for text in _amounts(order))
        if (status_of(order) in OPEN and leaves + filled != quantity) or leaves + filled > quantity:
            problems.append(f"order {key[2]} of {key[0]} in {key[1]}: {filled} filled and {leaves} left of {quantity}")
        if order.order_id:
            other = numbers.setdefault((order.symbol, order.order_id), key)
            if other != key:
                problems.append(f"orders {key[2]} and {other[2]} in {key[1]} have one order_id {order.order_id}")
    return problems


def _amounts(order: types_pb2.Order) -> tuple[str, str, str]:
    return order.quantity, order.leaves_quantity, order.filled_quantity


@dataclass
class _Life:
    """What the events say of one order, in lots."""

    accepted: int = 0
    quantity: int = 0
    traded: int = 0
    ended: int = 0
    fills: dict[int, int] = field(default_factory=dict)


def lives(executions: Records) -> dict[int, _Life]:
    """By order_id, from one symbol's events of dtype EXECUTION: of a trade both orders."""
    found: dict[int, _Life] = defaultdict(_Life)
    for row in executions:
        kind, order, lots = int(row["kind"]), int(row["order_id"]), int(row["quantity_lots"])
        if kind == ExecutionKind.ACCEPTED:
            found[order].accepted += 1
            found[order].quantity += lots
        elif kind in (ExecutionKind.CANCELLED, ExecutionKind.EXPIRED):
            found[order].ended += lots
        elif kind == ExecutionKind.TRADED:
            for one in (order, int(row["maker_order_id"])):
                found[one].traded += lots
                found[one].fills[int(row["sequence"])] = lots
    return found


def own_rows(executions: Records, accounts: Iterable[str]) -> Records:
    """The events in which one of these accounts is owner or maker."""
    numbers = np.array([account_number(name) for name in accounts], np.int64)
    mine: Records = executions[np.isin(executions["account"], numbers) | np.isin(executions["maker_account"], numbers)]
    return mine


def check_executions(
    answers: Sequence[Answer], final: Listed, executions: Mapping[str, Records], instruments: Mapping[str, Instrument]
) -> list[str]:
    """The recorded events, by symbol, have every acknowledged order once, fill it as it was told, and have no other order.

    Of each order is quantity = filled + left + cancelled. Orders are those of the accounts in the ledger, not amended.
    """
    problems, orders = list[str](), by_order(answers)
    accounts = {account for account, _, _ in orders}
    numbers = {account_number(account) for account in accounts}
    for symbol, rows in executions.items():
        own, lot = own_rows(rows, accounts), instruments[symbol].lot_size
        found = lives(own)
        accepted = own[(own["kind"] == ExecutionKind.ACCEPTED) & np.isin(own["account"], np.array(sorted(numbers)))]
        ids = set(accepted["order_id"].tolist())
        known = {told.last.order_id for told in orders.values() if told.last and told.last.symbol == symbol}
        known |= {order.order_id for order in final.orders.values() if order.symbol == symbol}
        # One that was sent and never answered may have arrived all the same.
        open_ends = sum(told.last is None and told.sent.symbol == symbol for told in orders.values())
        if len(ids - known) > open_ends:
            problems.append(f"{symbol}: {len(ids - known)} accepted orders are in no answer, such as {min(ids - known)}")
        problems += [
            f"{symbol}: order_id {one} was accepted {found[one].accepted} times" for one in ids if found[one].accepted > 1
        ]
        for key, told in orders.items():
            if told.last is not None and told.last.symbol == symbol and told.last.order_id:
                problems += _against_events(told, final.orders.get(key), found, lot)
    return problems


def _against_events(told: Told, final: types_pb2.Order | None, found: Mapping[int, _Life], lot: Decimal) -> list[str]:
    assert told.last is not None
    name, life = told.last.name, found.get(told.last.order_id)
    if life is None or not life.accepted:
        return [f"{name} was acknowledged as {told.last.order_id} and is not in the events"]
    problems = []
    if life.quantity * lot != Decimal(told.last.quantity):
        problems.append(f"{name}: {told.last.quantity} were told, {life.quantity * lot} are in the events")
    if life.traded * lot < Decimal(told.last.filled):
        problems.append(f"{name}: {told.last.filled} filled were told, {life.traded * lot} are in the events")
    for sequence, _, quantity in told.first.fills if told.first else ():
        if life.fills.get(sequence, 0) * lot != Decimal(quantity):
            problems.append(f"{name}: a fill of {quantity} at sequence {sequence} was told and is not in the events")
    if final is not None:
        if life.traded * lot != Decimal(final.filled_quantity or "0"):
            problems.append(f"{name}: {final.filled_quantity} filled at the end, {life.traded * lot} in the events")
        left = Decimal(final.leaves_quantity or "0")
        if (life.traded + life.ended) * lot + left != Decimal(final.quantity):
            problems.append(
                f"{name}: {life.traded * lot} filled, {life.ended * lot} cancelled and {left} left are not {final.quantity}"
            )
    return problems


def shortened(problems: Sequence[str]) -> list[str]:
    """The first of them, and how many more there are."""
    more = len(problems) - SHOWN
    return [*problems[:SHOWN], f"and {more} more"] if more > 0 else list(problems)
