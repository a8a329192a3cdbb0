"""What an order book's stream means for the board, without a stream."""

import asyncio

import pytest

from marksim.codec import instrument_to_proto, tick_to_proto
from marksim.edge.board import Board
from marksim.edge.upstream import Lag, TickReader, Upstream
from marksim.v1 import orderbook_pb2 as pb
from tests.edge.market import START_NS, FakeBook, instrument, tick
from tests.runtime.name_server import name_server
from tests.runtime.served import until


def started(run: str, *symbols: str, last_window: int | None = None) -> pb.StreamTicksResponse:
    listed = [instrument_to_proto(instrument(symbol)) for symbol in symbols]
    begun = pb.RunStarted(run=run, start_time_ns=START_NS, instruments=listed)
    return pb.StreamTicksResponse(run=run, run_started=begun, last_window=last_window)


def frames(run: str, number: int, symbol: str = "BTC/USD") -> pb.StreamTicksResponse:
    frame = pb.Frame(symbol=symbol, window=number, tick=tick_to_proto(tick(number)))
    return pb.StreamTicksResponse(run=run, frames=[frame])


@pytest.fixture
def board() -> Board:
    return Board(64)


def waiting(board: Board) -> list[tuple[str, str, int]]:
    return [(step.update.symbol, step.update.epoch, step.update.tick.tick_number) for step in board.take()]


def test_a_run_that_has_not_begun_shows_its_opening(board: Board) -> None:
    """Clients see every symbol before its first trade."""
    TickReader(board).take(started("run", "BTC/USD", "ETH/USD"))
    assert waiting(board) == [("BTC/USD", "run", 0), ("ETH/USD", "run", 0)]


def test_a_run_under_way_never_flashes_its_opening(board: Board) -> None:
    """The last ticks may come in the message after; only a symbol that has none shows the opening."""
    reader = TickReader(board)
    reader.take(started("run", "BTC/USD", "ETH/USD", last_window=9))
    assert waiting(board) == []
    reader.take(frames("run", 9))
    assert waiting(board) == [("BTC/USD", "run", 9), ("ETH/USD", "run", 0)]


def test_reading_goes_on_after_the_last_window(board: Board) -> None:
    """Of the same run; LATEST and a refused place begin with the newest."""
    reader = TickReader(board)
    assert not reader.request(latest=False).HasField("after_window")
    reader.take(started("run", "BTC/USD"))
    reader.take(frames("run", 9))
    request = reader.request(latest=False)
    assert (request.after_run, request.after_window, request.delivery) == ("run", 9, pb.DELIVERY_LOSSLESS)
    assert not reader.request(latest=True).HasField("after_window")
    reader.forget_position()
    assert not reader.request(latest=False).HasField("after_window")


def test_a_symbol_that_a_new_run_lacks_is_forgotten(board: Board) -> None:
    """Nobody may subscribe to it any more, and newcomers do not get its last tick."""
    reader = TickReader(board)
    reader.take(started("run-1", "BTC/USD", "ETH/USD"))
    reader.take(started("run-2", "BTC/USD"))
    assert list(board.symbols) == ["BTC/USD"]


def test_a_shard_without_symbols_is_known() -> None:
    """The edge is ready once every shard has begun a run, whether symbols fall to it or not."""
    reader = TickReader(Board(64))
    assert not reader.known
    reader.take(started("run"))
    assert reader.known


def test_a_symbol_that_moved_to_another_shard_stays(board: Board) -> None:
    """Whichever of the two shards is heard first in the new run."""
    left, right = TickReader(board), TickReader(board)
    left.take(started("run-1", "BTC/USD", "ETH/USD"))
    right.take(started("run-1"))
    right.take(started("run-2", "ETH/USD"))
    left.take(started("run-2", "BTC/USD"))
    assert sorted(board.symbols) == ["BTC/USD", "ETH/USD"]


def test_gaps_are_counted(board: Board) -> None:
    """They show in the metrics; the sums survive, because ticks carry totals."""
    reader = TickReader(board)
    reader.take(started("run", "BTC/USD"))
    reader.take(pb.StreamTicksResponse(run="run", gap=pb.Gap(run="run", first_window=1, last_window=5)))
    assert reader.gaps == 1


def test_the_age_of_ticks_counts_from_messages_with_ticks(board: Board) -> None:
    """A window without one waits for no flush: in a halt it would lend its age to the next tick, however much later."""
    upstream = Upstream("book:1", board, 2.0)
    upstream.take(started("run", "BTC/USD"))
    silent = pb.StreamTicksResponse(run="run", frames=[pb.Frame(symbol="BTC/USD", window=1)], sent_time_us=5)
    upstream.take(silent)
    assert upstream.take_sent_us() == 0
    upstream.take(silent)
    told = frames("run", 2)
    told.sent_time_us = 9
    upstream.take(told)
    assert (upstream.take_sent_us(), upstream.take_sent_us()) == (9, 0)


def test_clocks_that_differ_are_no_lag_but_growing_distance_is() -> None:
    """An hour between two clocks says nothing; two seconds more than before, for a second, does."""
    lag = Lag(behind_us=2_000_000)
    hour = 3_600_000_000
    assert not lag.is_behind(0, hour, 0.0)
    assert not lag.is_behind(0, hour + 1_900_000, 1.0)
    assert not lag.is_behind(0, hour + 2_100_000, 2.0)
    assert lag.is_behind(0, hour + 2_200_000, 3.1)
    assert not lag.is_behind(0, hour + 100, 3.2)


async def test_a_book_that_comes_back_at_another_address_is_found(board: Board) -> None:
    """As a pod does: for a while its name is unknown, then it stands for another address."""
    first, second = FakeBook(), FakeBook()
    async with name_server() as names:
        await first.start("127.0.0.2")
        names.records["book"] = ["127.0.0.2"]
        upstream = Upstream(names.target("book", first.port), board, 2.0)
        reading = asyncio.create_task(upstream.run())
        first.begin("run-1")
        await until(lambda: upstream.reader.run == "run-1")
        del names.records["book"]
        await first.stop()
        asked = names.asked
        await until(lambda: names.asked > asked + 3)
        await second.start("127.0.0.3", first.port)
        names.records["book"] = ["127.0.0.3"]
        second.begin("run-2")
        await until(lambda: upstream.reader.run == "run-2")
        reading.cancel()
        await second.stop()
