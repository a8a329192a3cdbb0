"""What the plain book holds and gives: orders as objects, rows as tuples."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from marksim.core.book.resting import RESTING
from marksim.core.book.rules import MAX_ICEBERG_PARTS
from marksim.core.types import DEPTH, EXECUTION, QUOTE, BookOutput, OrderType, Records


@dataclass(slots=True, eq=False)
class RestingOrder:
    account: int
    serial: int
    order_id: int
    price: int
    quantity: int
    leaves: int
    side: int
    group: int = 0
    display: int = 0
    hidden: int = 0
    expire_ns: int = 0
    stop_price: int = 0
    order_type: int = OrderType.LIMIT
    life: int = 0
    prevention: int = 0

    @property
    def shown(self) -> int:
        return self.leaves - self.hidden


@dataclass(slots=True)
class Rows:
    """Output of one batch, as tuples in the order of the dtypes."""

    executions: list[tuple[int, ...]] = field(default_factory=list)
    quotes: list[tuple[int, ...]] = field(default_factory=list)
    depth: list[tuple[int, ...]] = field(default_factory=list)

    def to_output(self) -> BookOutput:
        return BookOutput(
            np.array(self.executions, dtype=EXECUTION),
            np.array(self.quotes, dtype=QUOTE),
            np.array(self.depth, dtype=DEPTH),
        )


def resting_rows(orders: list[RestingOrder]) -> Records:
    rows: list[tuple[Any, ...]] = [
        # In the order of RESTING.
        (
            *(order.account, order.serial, order.order_id, order.price, order.quantity, order.leaves),
            *(order.group, order.display, order.hidden, order.expire_ns, order.stop_price),
            *(order.side, order.order_type, order.life, order.prevention),
        )
        for order in orders
    ]
    return np.array(rows, dtype=RESTING)


def can_display(quantity: int, display: int) -> bool:
    return 0 <= display <= quantity and (not display or quantity <= MAX_ICEBERG_PARTS * display)
