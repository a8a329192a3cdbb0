"""The saved state of a book: one that is made of it answers as the original does, and a state that is broken is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from marksim.core.book.book import EARLIEST_NS, OrderBook
from marksim.core.book.checks import violations
from marksim.core.book.compiled import INTERPRETED
from marksim.core.book.rules import LAST_NS
from marksim.core.book.saved import KEPT, KEPT_COUNTERS, LAYOUT
from marksim.core.book.state import ARRAYS, COUNTERS, LIMITS
from marksim.core.errors import InvalidInput
from marksim.core.types import NS_PER_MS, Records, SessionState, Side
from tests.core.book.commands import BTC, batch, buy, cancel, instrument, same, sell, stop
from tests.core.book.streams import DAY, MIXES, stream, traded_in

COMMANDS = 300 if INTERPRETED else 4_000
State = dict[str, Any]

TRANSIENT = {
    *("span", "tier1", "tier2", "tier_end", "best_bid", "best_ask", "expiries", "buy_stops", "sell_stops"),
    *("lower_edge_ticks", "upper_edge_ticks", "halting", "executions", "quotes", "depth"),
    *("needed_executions", "needed_depth", "full_heap", "full_terms"),
    *(f"{name}_{what}" for name in ARRAYS for what in ("address", "length")),
}
"""Counters that are of the prices, of where arrays are, of the batch that runs, or the lengths of what is saved."""


def restored(book: OrderBook, state: State | None = None) -> OrderBook:
    """A book of the other's state."""
    most = int(book.memory.counters["max_orders"][0])
    return OrderBook.restored(book.instrument, most, book.state() if state is None else state)


@pytest.mark.parametrize("name", MIXES)
def test_a_restored_book_goes_on_as_the_original(name: str) -> None:
    """From random places of a random stream on: rows, states, what is due and what is published, byte for byte."""
    mix, rng = MIXES[name], np.random.default_rng(sum(name.encode()))
    commands = stream(rng, mix, COMMANDS)
    book = OrderBook(traded_in(mix), mix.max_orders)
    other = restored(book)
    at = 0
    while at < len(commands):
        size = int(rng.integers(1, 200))
        part = commands[at : at + size]
        after_ns = int(rng.integers(1, 3 * NS_PER_MS))
        end_ns = min(int(part["time_ns"].max()) + after_ns, LAST_NS) if mix.has_times else EARLIEST_NS
        expected, output = book.apply(part, end_ns), other.apply(part, end_ns)
        for rows in ("executions", "quotes", "depth"):
            assert getattr(output, rows).tobytes() == getattr(expected, rows).tobytes()
        assert other.state_hash() == book.state_hash() and other.next_due_ns == book.next_due_ns
        assert other.session == book.session
        if rng.random() < 0.2:
            assert violations(other) == []
            other = restored(other if rng.random() < 0.5 else book)
            assert other.state_hash() == book.state_hash() and violations(other) == []
        at += size
    assert np.array_equal(other.depth(), book.depth()) and np.array_equal(other.resting(), book.resting())


def test_a_state_of_a_state_is_the_same() -> None:
    """Nothing in it depends on where arrays are, or on what was there before: equal books have equal bytes."""
    book = busy_book()
    state = book.state()
    again = restored(book, state).state()
    assert {name: array.tobytes() for name, array in again.items()} == {
        name: array.tobytes() for name, array in state.items()
    }


def test_a_state_is_a_copy() -> None:
    """What the book does afterwards is not in it, and what is done with it is not in the book."""
    book = busy_book()
    state, before = book.state(), book.state_hash()
    other = restored(book, state)
    other.apply(batch(sell(800, 500, 9_999, account=9)))
    for array in state.values():
        array.view(np.uint8)[:] = 255
    assert book.state_hash() == before != other.state_hash() and violations(book) == violations(other) == []


def test_only_levels_with_orders_are_saved() -> None:
    """A range of half a billion prices costs what its orders cost."""
    traded = instrument(reference_price_ticks=5_000_000, min_price_ticks=50_000, max_price_ticks=500_000_000)
    book = OrderBook(traded)
    book.apply(batch(buy(50_000, 5, 1), sell(500_000_000, 5, 2)))
    state = book.state()
    assert sum(array.nbytes for array in state.values()) < 10_000
    assert restored(book, state).state_hash() == book.state_hash()


def test_every_counter_is_saved_or_known_to_need_no_saving() -> None:
    """One that is new must be thought of."""
    assert {*LIMITS, *KEPT} | TRANSIENT == set(COUNTERS.names or ()) and not {*LIMITS, *KEPT} & TRANSIENT


def test_no_array_has_padding() -> None:
    """Bytes that nobody writes would differ from run to run."""
    for dtype in LAYOUT.values():
        assert dtype.itemsize == sum(dtype[name].itemsize for name in dtype.names or ()) or dtype.names is None


def busy_book() -> OrderBook:
    """Orders with terms, stops that wait, and slots that are free again."""
    book = OrderBook(BTC)
    orders = [buy(900 - at % 7, 5 + at, at, account=1 + at % 3) for at in range(20)]
    orders += [sell(1_000 + at % 3, 40, 100 + at, account=2, display_lots=5) for at in range(4)]
    orders += [buy(890, 5, 200 + at, time_in_force=4, expire_time_ns=50 * NS_PER_MS + at) for at in range(5)]
    orders += [stop(Side.BUY, 1_200 + at, 5, 300 + at, account=3) for at in range(4)]
    orders += [stop(Side.SELL, 700 - at, 5, 400 + at, account=3, price_ticks=600) for at in range(4)]
    book.apply(batch(*orders, cancel(3, account=1), cancel(201), cancel(301, account=3), sell(900, 7, 500, account=8)))
    return book


Break = Callable[[State], object]


def setting(array: str, field: str, row: int, value: int) -> Break:
    """Give one cell another value."""

    def change(state: State) -> None:
        state[array][field][row] = value

    return change


def counting(name: str, value: int) -> Break:
    return setting("counters", name, 0, value)


def swap_entries(state: State) -> None:
    state["expiries"][[0, -1]] = state["expiries"][[-1, 0]]


BROKEN: dict[str, tuple[Break, str]] = {
    "an array less": (lambda state: state.pop("terms"), "saved by another version"),
    "an array more": (lambda state: state.update(more=np.zeros(1)), "saved by another version"),
    "another layout": (lambda state: state.update(orders=state["terms"]), "orders has the layout of another version"),
    "two dimensions": (lambda state: state.update(places=state["places"].reshape(1, -1)), "places has the layout"),
    "no counters": (lambda state: state.update(counters=state["counters"][:0]), "counters has 0 rows"),
    "other limits": (counting("max_price_ticks", 7), "saved with max_price_ticks 7, and the instrument has 5000"),
    "another size": (counting("max_orders", 7), "saved with max_orders 7"),
    "no terms": (lambda state: state.update(terms=state["terms"][:0]), "the first row of terms"),
    "no orders": (lambda state: state.update(orders=state["orders"][:0]), "orders has 0 slots"),
    "fewer orders": (lambda state: state.update(orders=state["orders"][:-1]), "fresh_slot is"),
    "fewer terms": (lambda state: state.update(terms=state["terms"][:3]), "free_terms is"),
    "a session that is none": (counting("session", 9), "session is 9"),
    "a count below zero": (counting("sequence", -1), "sequence is -1"),
    "a far slot": (counting("first_stop", 1 << 33), "first_stop is"),
    "a quote beyond all prices": (counting("bid_price_ticks", 1), "bid_price_ticks is 1"),
    "a change that the day has not": (counting("scheduled_ns", 5), "next change of the session"),
    "a place beyond all": (lambda state: state["places"].__setitem__(-1, 1 << 40), "places of its levels"),
    "a place below all": (lambda state: state["places"].__setitem__(0, -1), "places of its levels"),
    "a place twice": (lambda state: state["places"].__setitem__(1, state["places"][0]), "places of its levels"),
    "a place less": (lambda state: state.update(places=state["places"][:-1]), "levels have"),
    "a level elsewhere": (lambda state: state["places"].__setitem__(-1, state["places"][-1] + 1), "the queue of level"),
    "a level that says more": (setting("levels", "quantity_lots", 0, 1), "the queue of level"),
    "a level without orders": (setting("levels", "head", 0, 0), "the queue of level"),
    "a head beyond all": (setting("levels", "head", 1, 4_000_000_000), "the queue of level"),
    "a tail elsewhere": (setting("levels", "tail", 0, 2), "the queue of level"),
    "an order with more": (setting("orders", "leaves_lots", 5, 99), "the queue of level"),
    "a ring": (setting("orders", "next", 8, 1), "the queue of level"),
    "terms that are not there": (setting("orders", "terms", 5, 4_000_000_000), "the queue of level"),
    "terms of a plain order": (setting("orders", "terms", 5, 11), "the terms in row 11 belong"),
    "another name": (setting("orders", "serial", 5, 77), "the order in slot 5 has another name"),
    "another hash": (setting("orders", "hashed", 5, 77), "the order in slot 5 has another name"),
    "no stops": (counting("first_stop", 0), "the list of stops"),
    "a stop's link": (setting("orders", "previous", 32, 5), "the list of stops"),
    "no free slots": (counting("free_slot", 0), "slot 1 is in no queue and in no list"),
    "a free slot that is used": (counting("free_slot", 5), "free slots is broken at slot 5"),
    "a free row that is none": (setting("terms", "next", -1, -7), "free terms is broken behind row 63"),
    "a free row that is used": (counting("free_terms", 1), "the terms in row 1 "),
    "a heap out of order": (swap_entries, "expiries: entry"),
    "an entry that is missing": (lambda state: state.update(sell_stops=state["sell_stops"][:-1]), "has no entry"),
    "an entry's key": (setting("buy_stops", "key", -1, 5_000), "buy_stops: entry"),
    "an entry's order": (setting("sell_stops", "slot", 0, 1 << 31), "sell_stops: entry"),
    "a count of orders": (counting("order_count", 1), "the counts of orders"),
    "a count of refills": (counting("refills", 1), "the counts of orders"),
    "a count of orders for the opening": (counting("at_the_open_count", 1), "the counts of orders"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_state_is_refused_and_says_what(what: str) -> None:
    """Of another version or instrument, or damaged; it names the book."""
    book = busy_book()
    state = book.state()
    restored(book, state)
    change, said = BROKEN[what]
    change(state)
    with pytest.raises(InvalidInput, match=f"^state of the book BTC/USD: .*{said}"):
        restored(book, state)


def test_any_byte_that_is_another_is_refused_or_harmless() -> None:
    """Never does a damaged state make a book that breaks its invariants, or that hangs or reads beyond its arrays."""
    book, rng = busy_book(), np.random.default_rng(5)
    state = book.state()
    refused = 0
    for _ in range(300 if INTERPRETED else 3_000):
        broken = {name: array.copy() for name, array in state.items()}
        name = rng.choice([name for name in state if name != "counters"])
        cells = broken[name].view(np.uint8)
        cells[rng.integers(len(cells))] ^= 1 << int(rng.integers(8))
        try:
            other = restored(book, broken)
        except InvalidInput:
            refused += 1
            continue
        assert violations(other) == []
    assert refused > 100


def test_a_book_that_is_crossed_while_it_trades_is_refused() -> None:
    """In an auction it may be; not after it."""
    book = OrderBook(instrument(sessions=((0, SessionState.OPENING_AUCTION),)))
    book.apply(batch(buy(100, 5, 1), sell(90, 5, 2, account=2)))
    state = book.state()
    assert restored(book, state).session == book.session
    state["counters"]["session"] = SessionState.CONTINUOUS
    with pytest.raises(InvalidInput, match="its best bid is not below its best ask"):
        restored(book, state)


def test_a_state_of_other_times_is_refused() -> None:
    """An instrument whose day has changed would go on with a change that it has not."""
    book = OrderBook(instrument(sessions=DAY))
    state = book.state()
    restored(book, state)
    with pytest.raises(InvalidInput, match="next change of the session"):
        OrderBook.restored(BTC, 1 << 20, state)


def test_a_full_book_stays_full() -> None:
    """Its size is the same, and what it refuses, too."""
    book = OrderBook(BTC, 3)
    book.apply(batch(*(buy(900, 5, at) for at in range(3))))
    other = restored(book)
    more: Records = batch(buy(900, 5, 9), cancel(1), buy(900, 5, 10))
    assert same(other.apply(more), book.apply(more)) and other.order_count == 3
    assert KEPT_COUNTERS.names is not None
