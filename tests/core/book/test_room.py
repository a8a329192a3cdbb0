"""The compiled book finds room for all rows of whatever comes next, however few there are when it comes.

A row beyond an array is written over something else, and seen only where compiled code looks at its indices, or is Python.
"""

from typing import Final

import numpy as np
import pytest

from marksim.core.book.book import OrderBook
from marksim.core.book.checks import violations
from marksim.core.book.reference import ReferenceBook
from marksim.core.types import (
    DEPTH,
    EXECUTION,
    QUOTE,
    BandAction,
    BookOutput,
    SelfTradePrevention,
    SessionState,
    Side,
    TimeInForce,
)
from tests.core.book.commands import (
    amend,
    batch,
    buy,
    cancel,
    cancel_all,
    instrument,
    market,
    owner_gone,
    same,
    sell,
    set_session,
    stop,
    traded_at,
)

Rows = list[dict[str, int]]
DECREMENT, CANCEL_OLDEST = int(SelfTradePrevention.DECREMENT), int(SelfTradePrevention.CANCEL_OLDEST)
IOC, GTD, OPEN = int(TimeInForce.IOC), int(TimeInForce.GTD), int(TimeInForce.AT_THE_OPEN)
OPENING, CONTINUOUS = SessionState.OPENING_AUCTION, SessionState.CONTINUOUS
ASKS: Final = [sell(1_000 + at, 5, 10 + at) for at in range(4)]
ICEBERG: Final = sell(1_000, 40, 10, account=2, display_lots=2)
FAR: Final = buy(20, 5, 90, account=9)
TRADE: Final = traded_at(1_000, 80)
CROSSED: Final = [
    *(buy(1_003, 3, at, account=2) for at in range(3)),
    *(buy(1_002 - at, 4, 10 + at, account=2) for at in range(3)),
    *(sell(1_000 - at, 7, 20 + at, account=3) for at in range(3)),
]
HALTS: Final = {"static_band_ppm": 2_000, "band_action": BandAction.HALT}

CASES: dict[str, tuple[Rows, Rows]] = {
    "cancel": ([FAR], [cancel(90, account=9)]),
    "cancel of nothing": ([], [cancel(90)]),
    "no command": ([], [{"kind": 99}]),
    "refused": ([], [buy(100, -1, 1)]),
    "rests": ([], [buy(100, 5, 1)]),
    "rests with a group": ([], [buy(100, 5, 1, self_trade_group=3)]),
    "rests nowhere": ([], [buy(100, 5, 1, time_in_force=IOC)]),
    "fills one": (ASKS, [buy(1_000, 2, 1, account=2)]),
    "sweeps and rests": (ASKS, [buy(1_010, 50, 1, account=2)]),
    "sweeps and is cancelled": (ASKS, [buy(1_010, 50, 1, account=2, time_in_force=IOC)]),
    "sweeps its own": (ASKS, [buy(1_010, 50, 1, self_trade_prevention=DECREMENT)]),
    "sweeps its own and is cancelled": (ASKS, [market(Side.BUY, 50, 1, self_trade_prevention=DECREMENT)]),
    "cancels the oldest": (ASKS, [buy(1_010, 2, 1, self_trade_prevention=CANCEL_OLDEST)]),
    "refills": ([ICEBERG], [buy(1_010, 50, 1)]),
    "refills in part": ([ICEBERG, *ASKS[1:]], [buy(1_010, 30, 1)]),
    "amended in its place": ([FAR], [amend(90, quantity=4, account=9)]),
    "amended to more": ([FAR], [amend(90, quantity=9, account=9)]),
    "amended to nothing": ([FAR], [amend(91, quantity=9, account=9)]),
    "amended wrongly": ([FAR], [amend(90, quantity=-1, account=9)]),
    "amended to take": ([*ASKS, FAR], [amend(90, price=1_010, account=9)]),
    "amended to take all": ([*ASKS, buy(20, 50, 90, account=9)], [amend(90, price=1_010, account=9)]),
    "amended to take more": ([*ASKS, FAR], [amend(90, price=1_010, quantity=50, account=9)]),
    "amended to take less": ([*ASKS, buy(20, 50, 90, account=9)], [amend(90, price=1_010, quantity=18, account=9)]),
    "amended stop": ([stop(Side.BUY, 1_500, 5, 1)], [amend(1, quantity=9)]),
    "mass cancel": ([*ASKS, buy(20, 5, 1), stop(Side.BUY, 1_500, 5, 2)], [cancel_all()]),
    "mass cancel of stops": ([stop(Side.BUY, 1_500 + at, 5, at) for at in range(4)], [cancel_all()]),
    "owner gone": ([*ASKS, buy(20, 5, 1), stop(Side.BUY, 1_500, 5, 2)], [owner_gone()]),
    "mass cancel of nothing": ([], [cancel_all()]),
    "stop": ([], [stop(Side.BUY, 1_500, 5, 1), stop(Side.SELL, 500, 5, 2, price_ticks=400)]),
    "triggered": ([stop(Side.BUY, 1_000, 9, 1, account=2), *TRADE, *ASKS], []),
    "triggered to rest": ([stop(Side.BUY, 1_000, 50, 1, account=2, price_ticks=1_010)], [*ASKS, *TRADE]),
    "triggered with its own": (
        [stop(Side.BUY, 1_000, 50, 1, price_ticks=1_010, self_trade_prevention=DECREMENT)],
        [*ASKS, sell(1_000, 2, 80), buy(1_000, 2, 81, account=9)],
    ),
    "triggered without a price": ([stop(Side.BUY, 1_000, 50, 1, account=2), *ASKS], [buy(1_000, 2, 80, account=9)]),
    "expires": ([buy(20, 5, 1, time_in_force=GTD, expire_time_ns=50)], [cancel(7, time_ns=60)]),
    "a session": ([], [set_session(SessionState.HALTED)]),
    "no session": ([], [set_session(99)]),
    "opens": ([set_session(OPENING), *CROSSED], [set_session(CONTINUOUS)]),
    "opens with icebergs": (
        [
            set_session(OPENING),
            *(buy(1_003, 24, at, account=2, display_lots=2) for at in range(2)),
            *(sell(1_000, 24, 20 + at, account=3, display_lots=3) for at in range(2)),
        ],
        [set_session(CONTINUOUS)],
    ),
    "opens at one price": (
        [set_session(OPENING), *(buy(1_000, 5, at) for at in range(4)), sell(1_000, 20, 9)],
        [set_session(CONTINUOUS)],
    ),
    "opens with one order": (
        [set_session(OPENING), *(sell(1_000 - at, 5, at) for at in range(4)), buy(1_000, 20, 9)],
        [set_session(CONTINUOUS)],
    ),
    "drops what is left": (
        [set_session(OPENING), *(buy(900 + at, 5, at, time_in_force=OPEN) for at in range(4))],
        [set_session(CONTINUOUS)],
    ),
    "opens and drops what is left": (
        [set_session(OPENING), *({**one, "time_in_force": OPEN} for one in CROSSED)],
        [set_session(CONTINUOUS)],
    ),
    "opens by itself": ([set_session(OPENING, 50), *CROSSED], [cancel(7, time_ns=60)]),
}


def answers(case: str, band: dict[str, int]) -> tuple[list[BookOutput], str]:
    """What the twin says to each command, and its hash after them."""
    plain = ReferenceBook(instrument(**band), 64)
    before, commands = CASES[case]
    return [plain.apply(batch(command)) for command in (*before, *commands)], plain.state_hash()


def cut(book: OrderBook, executions: int, depth: int) -> None:
    """Leave room for so many rows, and for no quote."""
    for name, count, dtype in (("executions", executions, EXECUTION), ("depth", depth, DEPTH), ("quotes", 0, QUOTE)):
        book.memory.put(name, np.zeros(count, dtype))


def test_rows_that_were_written_before_are_counted() -> None:
    """A batch of which each command needs as many rows as all before it have."""
    commands = batch(*(row for at in range(9) for row in (buy(1_000, 5, at), sell(1_000, 5, 100 + at, account=2))))
    expected = ReferenceBook(instrument()).apply(commands)
    for count in range(12):
        book = OrderBook(instrument())
        cut(book, count, count)
        assert same(book.apply(commands), expected), count


@pytest.mark.parametrize(
    ("case", "band"),
    [
        *((case, {}) for case in CASES),
        *((case, HALTS) for case in CASES if case.startswith(("sweeps", "amended to take", "trig"))),
    ],
    ids=lambda one: one if isinstance(one, str) else "halts" if one else "",
)
def test_a_command_finds_room_for_its_rows(case: str, band: dict[str, int]) -> None:
    """Whether there is none or some, of executions and of depth: too few for it, just enough, and more."""
    expected, state_hash = answers(case, band)
    before, commands = CASES[case]
    most = 60 if "refills" in case or "icebergs" in case else 12
    for executions, depth in [*((count, 100) for count in range(most)), *((100, count) for count in range(12))]:
        book = OrderBook(instrument(**band), 64)
        for number, command in enumerate((*before, *commands)):
            if number >= len(before) or not commands:
                cut(book, executions, depth)
            assert same(book.apply(batch(command)), expected[number]), (number, executions, depth)
        assert book.state_hash() == state_hash and violations(book) == []
