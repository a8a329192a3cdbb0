"""Outside accounts are the same from the notes of their windows: a book that crashed goes on as if nothing had happened."""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any, Final

import numpy as np
import pytest

from marksim.core.errors import Exhausted
from marksim.core.types import COMMAND, CommandKind, OrderStatus, OrderType, Records, Side, TimeInForce
from marksim.orderbook import accounts, outside
from marksim.orderbook.notes import DamagedNote
from marksim.orderbook.outside import Outside
from tests.orderbook.market import SYMBOL, limit
from tests.orderbook.outside_world import INSTRUMENTS, PLENTY, WINDOW_NS, World, agents, anything, told

KINDS: Final = set(map(int, CommandKind)) - {0}


def kinds_of(world: World) -> set[int]:
    """Of commands in the last window."""
    return {kind for rows in world.inputs[-1].values() for kind in rows["kind"].tolist()}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that are soon reached."""
    for module in (accounts, outside):
        monkeypatch.setattr(module, "FILLS", 4)
    monkeypatch.setattr(outside, "CLOSED_ORDERS", 5)
    monkeypatch.setattr(outside, "NAMES", 3)


def trade(random: Random, *worlds: World) -> None:
    """Some commands, as far as the bounds let them in."""
    for _ in range(random.randrange(9)):
        seed = random.random()
        for world in worlds:
            with suppress(Exhausted):
                anything(Random(seed), world)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(12))
async def test_the_notes_of_each_window_tell_all_that_it_left(seed: int) -> None:
    """Whatever came, also what comes while the window is in the books: that is no part of it."""
    random, world, seen, kinds = Random(seed), World(), set[str](), set[int]()
    for number in range(120):
        trade(random, world)
        world.apply(agents(random, number), lambda: trade(random, world))
        seen |= {key.split("/")[1] for key in world.keep()}
        assert told(world.restored()) == told(world.outside)
        world.outside.answer()
        kinds |= kinds_of(world)
    assert seen == {"version", "counters", "serial", "account", "position", "fill", "order", "answer"} and kinds == KINDS
    # What is forgotten leaves nothing behind.
    assert len(world.notes) < 150


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(12))
async def test_a_book_that_crashes_after_any_window_goes_on_the_same(seed: int) -> None:
    """It takes the same commands in the same way as one that never crashed, and puts the same on the tape."""
    random, steady, crashing = Random(100 + seed), World(), World()
    for number in range(120):
        trade(random, steady, crashing)
        engine = agents(random, number)
        for world in (steady, crashing):
            world.apply(engine)
            world.finish()
        assert told(steady.outside) == told(crashing.outside) and steady.notes == crashing.notes
        if random.random() < 0.3:
            crashing.outside = crashing.restored()
    assert sum(map(len, steady.inputs)) > 100
    for ours, theirs in zip(steady.inputs, crashing.inputs, strict=True):
        assert {symbol: rows.tobytes() for symbol, rows in ours.items()} == {
            symbol: rows.tobytes() for symbol, rows in theirs.items()
        }
    assert steady.tapes() == crashing.tapes()


async def test_nothing_is_noted_where_nothing_happened() -> None:
    """Not even where others trade; and one more fill costs a few notes, however many there are."""
    random, world = Random(1), World()
    world.apply(agents(random, 0))
    assert world.keep() == {}
    world.outside.answer()
    world.submit("b", SYMBOL, "one", **terms(quantity_lots=900))
    for number in range(1, 400):
        rows = limit(number, Side.SELL, 100_000, 2)
        world.apply({SYMBOL: engine_rows(number, rows)})
        changes = world.keep()
        world.outside.answer()
        assert number < 3 or (len(changes) == 3 and sum(len(value or b"") for value in changes.values()) < 600)


def terms(**changed: Any) -> dict[str, Any]:
    """Of an order that bids for 1 lot."""
    facts = {"side": Side.BUY, "order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC}
    return {**facts, "price_ticks": 100_000, "quantity_lots": 1, **changed}


def engine_rows(number: int, *facts: dict[str, int]) -> Records:
    """Commands of an agent in that window."""
    rows: Records = np.zeros(len(facts), COMMAND)
    for row, fact in zip(rows, facts, strict=True):
        for column, value in fact.items():
            row[column] = value
    rows["time_ns"] = number * WINDOW_NS + 5
    return rows


async def test_what_waited_for_no_window_is_gone() -> None:
    """It was not acknowledged: sent again, it is new, and takes the number that it would have taken."""
    world = World()
    world.submit("b", SYMBOL, "one", **terms())
    world.apply({})
    world.finish()
    world.submit("b", SYMBOL, "two", **terms())
    first = world.outside.find("b", SYMBOL, "one")
    assert first is not None
    world.outside.enqueue_amend(first, 0, 3, "renamed", while_paused=True)
    world.keep()
    after = world.restored()
    assert (after.queued, after.order_count, after.find("b", SYMBOL, "two")) == (0, 1, None)
    assert after.find("b", SYMBOL, "renamed") is None
    world.outside = after
    world.submit("b", SYMBOL, "two", **terms())
    world.apply({})
    assert [rows["serial"].tolist() for rows in world.inputs[-1].values()] == [[2]]


async def test_nobody_is_told_before_the_window_is_answered() -> None:
    """And an engine that goes in between takes nothing back that the books have done."""
    world = World()
    world.submit("b", SYMBOL, "one", **terms())
    order = world.outside.find("b", SYMBOL, "one")
    assert order is not None and order.waiting is not None and order.waiting.done is not None
    done = order.waiting.done
    world.apply({})
    assert order.status == OrderStatus.OPEN and not done.done() and not world.outside.told.is_set()
    world.outside.fail(Exhausted("the engine went away"))
    assert not done.done() and world.outside.find("b", SYMBOL, "one") is order
    world.outside.answer()
    assert done.result() == 0 and world.outside.told.is_set() and order.waiting is None


async def test_a_new_run_ends_what_was_settled_and_not_answered() -> None:
    """Nobody waits for ever for a window of a run that is over."""
    world = World()
    world.submit("b", SYMBOL, "one", **terms())
    order = world.outside.find("b", SYMBOL, "one")
    assert order is not None and order.waiting is not None and order.waiting.done is not None
    world.apply({})
    world.outside.end(Exhausted("a new run began"))
    assert isinstance(order.waiting.done.exception(), Exhausted) and world.outside.told.is_set()


@pytest.mark.parametrize(
    ("key", "damage"),
    [
        ("outside/version", lambda _: b"2"),
        ("outside/version", lambda _: None),
        ("outside/counters", lambda _: b"[1,2]"),
        ("outside/serial/BTC/USD", lambda _: b'"x"'),
        ("outside/serial/XRP/USD", lambda _: b"1"),
        ("outside/account/b", lambda _: b"{}"),
        ("outside/account/b", lambda _: None),
        ("outside/position/b BTC/USD", lambda _: b"[1,2,3,4]"),
        ("outside/fill/b 0000000000000000", lambda old: old[:-2]),
        ("outside/fill/b 0000000000000001", lambda _: b"[99,1,1,1,1,1]"),
        ("outside/answer/0000000000000001", lambda _: b"[[1,1,1,1,99]]"),
        ("outside/answer/0000000000000001 x", lambda _: b"[]"),
        ("outside/order/0000000000000001", lambda old: old.replace(b'"side":1', b'"side":9')),
        ("outside/order/0000000000000001", lambda old: old.replace(b'"side":1', b'"sides":1')),
        ("outside/order/0000000000000001", lambda old: old.replace(b'"status":4', b'"status":true')),
        ("outside/order/0000000000000001", lambda old: old.replace(b'"names":["one"]', b'"names":[]')),
        ("outside/order/0000000000000001", lambda old: old.replace(b"BTC/USD", b"XRP/USD")),
        ("outside/order/0000000000000001", lambda _: b"\xff"),
        ("outside/else/1", lambda _: b"1"),
        ("presence/b", lambda _: b"1"),
    ],
)
async def test_a_damaged_note_is_named(key: str, damage: Callable[[bytes], bytes | None]) -> None:
    """Nothing is made up for it."""
    world = World()
    world.submit("b", SYMBOL, "one", **terms())
    world.apply({SYMBOL: engine_rows(0, limit(1, Side.SELL, 100_000, 1))})
    world.finish()
    old = world.notes.pop(key, b"")
    new = damage(old)
    assert new != old
    if new is not None:
        world.notes[key] = new
    with pytest.raises(DamagedNote) as raised:
        world.restored()
    # Of an account that is not there, its position is the first to tell.
    shown = key if new is not None or "account" not in key else "outside/position/b BTC/USD"
    assert shown in raised.value.message and raised.value.reason == "JOURNAL_DAMAGED"
    assert "version" in raised.value.message or "damaged" in raised.value.message


async def test_the_bounds_may_have_shrunk() -> None:
    """What is too much gives way to the next order, in the order of the policy."""
    world = World()
    for number, account in enumerate(("a", "b", "c")):
        for at in range(3):
            world.submit(account, SYMBOL, f"n{at}", **terms(time_in_force=3))
        world.apply({})
        world.finish()
        assert world.outside.order_count == 3 * number + 3
    world.outside = Outside.restored(16, 2, 4, sorted(world.notes.items()), INSTRUMENTS)
    world.submit("d", SYMBOL, "n0", **terms())
    assert world.outside.order_count <= 4 and world.outside.account("a") is None and world.outside.account("d") is not None


async def test_one_shard_and_two_put_the_same_on_the_tape() -> None:
    """The rows that the books get, and the hashes, for the same commands: no symbol hears of the others."""
    random, names = Random(5), tuple(INSTRUMENTS)
    whole, parts = World(limits=PLENTY), [World(symbol, limits=PLENTY) for symbol in names]
    kinds: set[int] = set()
    for number in range(150):
        for _ in range(random.randrange(5)):
            anything(random, whole, *parts)
        engine = agents(random, number)
        for world in (whole, *parts):
            world.apply(engine)
            world.finish()
        for symbol, part in zip(names, parts, strict=True):
            ours, theirs = whole.inputs[-1].get(symbol), part.inputs[-1].get(symbol)
            assert (ours is None) == (theirs is None)
            if ours is not None and theirs is not None:
                assert ours.tobytes() == theirs.tobytes()
        kinds |= kinds_of(whole)
    assert kinds == KINDS
    assert whole.tapes() == {symbol: part.tapes()[symbol] for symbol, part in zip(names, parts, strict=True)}
