"""The streams that are measured are what their mixes say."""

import numpy as np
import pytest
from bench.limit_cancel import LimitCancelBook
from bench.mixes import BTC, MIXES, Mix, Part, Stream, stream_of

from marksim.core.book.book import OrderBook
from marksim.core.types import COMMAND, CommandKind, ExecutionKind, OrderType, PostOnly, TimeInForce

COUNT = 6_000
PLAIN = [name for name, mix in MIXES.items() if not mix.terms]


def short_stream(name: str, seed: int = 1) -> Stream:
    return stream_of(MIXES[name], COUNT, seed, resting=min(MIXES[name].resting, 3_000), warm=4_000)


def timed(parts: list[Part]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    return np.concatenate([part.commands for part in parts if part.timed])


@pytest.mark.parametrize("name", PLAIN)
def test_limit_and_cancel_book_does_what_the_order_book_does(name: str) -> None:
    """All executions are equal, sequence numbers, refused cancels and makers' columns included."""
    stream = short_stream(name)
    book, peer = OrderBook(BTC), LimitCancelBook(BTC, stream.serials, stream.serials)
    trades = refused = 0
    for part in stream.parts:
        for at in range(0, len(part.commands), 97):
            commands = part.commands[at : at + 97]
            expected, rows = book.apply(commands).executions, peer.apply(commands)
            assert np.array_equal(expected, rows), f"rows {at}..{at + 97}"
            trades += int((rows["kind"] == ExecutionKind.TRADED).sum())
            refused += int((rows["kind"] == ExecutionKind.CANCEL_REJECTED).sum())
    assert peer.order_count == book.order_count
    assert trades > 100


def test_limit_and_cancel_book_refuses_a_cancel_as_the_order_book_does() -> None:
    """An order that is gone, and one that never was."""
    commands = np.zeros(4, COMMAND)
    commands["kind"] = [CommandKind.NEW, *[CommandKind.CANCEL] * 3]
    commands["order_type"][0], commands["side"][0], commands["price_ticks"][0], commands["quantity_lots"][0] = 1, 1, 100, 5
    commands["account"], commands["serial"][0], commands["target_serial"] = 7, 1, [0, 1, 1, 2]
    peer = LimitCancelBook(BTC, 10, 10)
    assert np.array_equal(OrderBook(BTC).apply(commands).executions, peer.apply(commands))


@pytest.mark.parametrize("name", MIXES)
def test_cancels_name_open_orders_and_the_book_stays_as_it_is(name: str) -> None:
    """At most 3 % of cancels and amendments are too late, the shares are the mix's, and so is the number of open orders."""
    mix, stream = MIXES[name], short_stream(name)
    commands = timed(stream.parts)
    assert stream.vain < 0.03
    assert (commands["kind"] == CommandKind.CANCEL).mean() == pytest.approx(mix.cancels, abs=0.03)
    if not mix.grows:
        assert stream.resting == pytest.approx(min(mix.resting, 3_000), rel=0.2)


def test_deep_book_has_its_hundred_thousand_orders_over_five_thousand_levels() -> None:
    """Before what is timed, and after it."""
    stream = stream_of(MIXES["deep"], 20_000, 1)
    assert sum(len(part.commands) for part in stream.parts if not part.timed) > 100_000
    assert stream.resting == pytest.approx(100_000, rel=0.03)
    assert 4_900 < stream.levels <= 5_000


def test_sweeps_go_through_many_levels() -> None:
    """About ten a taker."""
    assert short_stream("sweeps").swept > 7


def test_full_mix_has_every_kind_of_order_and_event() -> None:
    """Icebergs, stops, GTD, FOK, IOC, post-only, smallest first fills, prevention; amendments and mass cancels."""
    stream = stream_of(MIXES["full"], 40_000, 1, resting=2_000)
    commands, book = timed(stream.parts), OrderBook(BTC)
    rows = np.concatenate([book.apply(part.commands).executions for part in stream.parts])
    orders = commands[commands["kind"] == CommandKind.NEW]
    kinds = {CommandKind.NEW, CommandKind.CANCEL, CommandKind.AMEND, CommandKind.MASS_CANCEL}
    assert set(commands["kind"].tolist()) == kinds
    assert set(orders["order_type"].tolist()) == set(OrderType) - {OrderType.UNSPECIFIED}
    lives = {TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD}
    assert set(orders["time_in_force"].tolist()) == lives
    assert set(orders["post_only"].tolist()) == set(PostOnly)
    for name in ("display_lots", "min_quantity_lots", "self_trade_prevention"):
        assert (orders[name] > 0).any(), name
    seen = set(rows["kind"].tolist())
    assert set(ExecutionKind) - seen == {ExecutionKind.UNSPECIFIED, ExecutionKind.SESSION_CHANGED}


def test_stream_belongs_to_its_seed() -> None:
    """The same seed gives the same commands, another seed others."""
    first, again, other = (timed(short_stream("full", seed).parts) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_stream_ends_in_the_state_that_it_says_however_it_is_cut() -> None:
    """So the benchmark can tell that a book did all of its work."""
    stream = short_stream("full")
    for size in (1, 4_096):
        book = OrderBook(BTC)
        for part in stream.parts:
            for at in range(0, len(part.commands), size):
                book.apply(part.commands[at : at + size])
        assert book.state_hash() == stream.state_hash


def test_mix_that_grows_is_brought_back_between_its_parts() -> None:
    """Where it is timed the book is between its size and half a part more."""
    mix: Mix = MIXES["calm"]
    stream = stream_of(mix, 140_000, 1, resting=1_000)
    book, sizes = OrderBook(BTC), []
    for part in stream.parts:
        if part.timed:
            sizes.append(book.order_count)
        book.apply(part.commands)
    assert sizes == [1_000, 1_000, 1_000]
