"""The fuzzer itself: that its ledger sees what does not add up, and that what it finds becomes a short test."""

from pathlib import Path
from typing import Any

import pytest

from marksim.core.book.book import OrderBook
from marksim.core.types import BookOutput, Records, SessionState
from tests.core.book.commands import batch, buy, cancel, instrument, sell, set_session
from tests.core.book.fuzz import PART, difference, part_of, run_part, shrink, written
from tests.core.book.ledger import Ledger
from tests.core.book.streams import MIXES, traded_in


def played() -> tuple[OrderBook, BookOutput]:
    """A book with an order in it, and all its rows."""
    book = OrderBook(instrument())
    orders = (sell(101, 5, 1), sell(102, 6, 2), buy(101, 3, 3, account=2), buy(90, 4, 4), cancel(4))
    return book, book.apply(batch(*orders))


def test_sound_rows_add_up() -> None:
    """Executions leave what rests, depth gives the levels."""
    book, output = played()
    ledger = Ledger()
    ledger.add(output)
    assert ledger.check(book) == []
    assert ledger.leaves == {1: 2, 2: 6}


@pytest.mark.parametrize(
    ("part", "column", "row", "said"),
    [
        ("executions", "leaves_lots", 0, "are left"),
        ("executions", "quantity_lots", 3, "are left"),
        ("executions", "maker_leaves_lots", 3, "are left"),
        ("executions", "sequence", 1, "sequence"),
        ("depth", "quantity_lots", 1, "depth is"),
        ("depth", "order_count", 2, "depth is"),
        ("depth", "price_ticks", 2, "depth is"),
    ],
)
def test_a_wrong_row_is_seen(part: str, column: str, row: int, said: str) -> None:
    """One number off in one row."""
    book, output = played()
    rows: Any = getattr(output, part)
    rows[column][row] += 1
    ledger = Ledger()
    ledger.add(output)
    assert any(said in problem for problem in ledger.check(book))


@pytest.mark.parametrize(
    ("row", "column", "said"),
    [
        (2, "side", "a trade of side 1"),
        (2, "price_ticks", "the auction traded"),
        (3, "price_ticks", "the auction traded"),
        (3, "quantity_lots", "the auction traded"),
        (3, "order_id", "no order's event"),
        (3, "leaves_lots", "no order's event"),
        (3, "session_state", "the session is"),
    ],
)
def test_a_wrong_row_of_an_auction_is_seen(row: int, column: str, said: str) -> None:
    """Its trade and the change of the session tell the same, and the session is the book's."""
    book = OrderBook(instrument(sessions=((0, SessionState.PRE_OPEN),)))
    output = book.apply(batch(sell(100, 5, 1), buy(100, 5, 2, account=2), set_session(SessionState.CONTINUOUS)))
    for wrong in (False, True):
        output.executions[column][row] += wrong
        ledger = Ledger(SessionState.PRE_OPEN)
        ledger.add(output)
        assert any(said in problem for problem in ledger.check(book)) == wrong


def test_a_quote_of_a_halt_is_seen() -> None:
    """Nothing can be had at it."""
    book = OrderBook(instrument())
    output = book.apply(batch(buy(100, 5, 1), set_session(SessionState.HALTED)))
    output.quotes["bid_quantity_lots"][-1] = 4
    ledger = Ledger()
    ledger.add(output)
    assert any("has a size" in problem for problem in ledger.check(book))


def test_what_differs_is_made_short() -> None:
    """Of a whole part the two commands that it takes are left, in their order."""
    commands, _, _ = part_of("narrow", 5)
    commands["serial"] = range(len(commands))

    def differs(less: Records) -> bool:
        return {17, 4_003} <= set(less["serial"].tolist())

    assert shrink(commands, differs)["serial"].tolist() == [17, 4_003]


@pytest.mark.parametrize("mix", ["narrow", "everything on quotes", "everything in days"])
def test_what_was_found_is_a_test(mix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file runs as it stands, and holds the same commands."""
    monkeypatch.chdir(tmp_path)
    commands, _, _ = part_of(mix, 3)
    path = written(mix, 3, commands[:50], "The rows differ.", [1] * 50)
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    assert (space["COMMANDS"] == commands[:50]).all()
    space["test_books_agree"]()


def test_a_difference_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A book that forgets every tenth cancel is found out, and the stream that shows it is short."""
    monkeypatch.chdir(tmp_path)
    apply = OrderBook.apply

    def forgetful(self: OrderBook, commands: Records, *more: int) -> BookOutput:
        commands = commands.copy()
        commands["target_serial"][commands["target_serial"] % 10 == 3] = -1
        return apply(self, commands, *more)

    monkeypatch.setattr(OrderBook, "apply", forgetful)
    count, problem = run_part(("narrow", 1))
    assert count == PART and "mix 'narrow', seed 1" in problem
    (path,) = tmp_path.glob("build/fuzz/test_narrow_1.py")
    assert path.read_text().count("    {") < 6


def test_every_mix_has_an_instrument_and_agrees() -> None:
    """A first part of each, short."""
    for number, (name, mix) in enumerate(MIXES.items()):
        commands, sizes, end_after_ns = part_of(name, number)
        assert difference(commands[:300], traded_in(mix), mix.max_orders, sizes, end_after_ns) is None, name
