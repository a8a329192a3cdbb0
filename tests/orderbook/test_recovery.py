"""An order book that comes back: it is in the same run, at the same window, and says and does what it would have done."""

import asyncio
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from marksim.core.errors import Damaged, JournalFull
from marksim.core.types import Side
from marksim.orderbook import shard
from marksim.orderbook.recovery import Different
from marksim.orderbook.service import OrderBookService
from marksim.orderbook.settings import OrderBookSettings
from marksim.store.journal import Journal
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.market import SYMBOL, Engine, Market, limit, refused, window
from tests.orderbook.recorded_market import recorded

WINDOWS = 24


def rows(number: int) -> list[dict[str, int]]:
    """What the agents of this test send in a window: some rest, some trade, in every third window nobody does anything."""
    if number % 3 == 2:
        return []
    side, other = (Side.BUY, Side.SELL) if number % 2 else (Side.SELL, Side.BUY)
    return [
        limit(2 * number + 1, side, 100_000 + (-3 if side is Side.BUY else 3) - number % 5, 10 + number),
        limit(2 * number + 2, other, 100_000 + (5 if other is Side.SELL else -5), 4, account=2),
    ]


async def trade(engine: Engine, numbers: Iterable[int]) -> None:
    for number in numbers:
        await engine.window(number, *rows(number))


async def described(market: Market) -> pb.GetRunResponse:
    return await market.stub.GetRun(pb.GetRunRequest())  # type: ignore[no-any-return]


async def shown(market: Market) -> list[Any]:
    """All that people can see of it."""
    book = await market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL, depth=50, by_order=True))
    trades = await market.stub.ListTrades(pb.ListTradesRequest(symbol=SYMBOL, limit=1_000))
    own = await market.stub.ListTrades(pb.ListTradesRequest(symbol=SYMBOL, account="alice"))
    position = await market.stub.GetPosition(pb.GetPositionRequest(account="alice"))
    orders = await market.stub.ListOrders(pb.ListOrdersRequest(account="alice"))
    return [book, trades, own, position, orders, list((await described(market)).tapes)]


async def outside_order(market: Market, engine: Engine, number: int, name: str, **terms: Any) -> pb.SubmitOrderResponse:
    """Sent in a window of its own."""
    submitting = market.submitting(name, **terms)
    await market.queued(1)
    await engine.window(number, *rows(number))
    return await submitting


async def undisturbed(folder: Path) -> list[Any]:
    """What is shown of the same market without any end in between."""
    async with recorded(folder) as market:
        engine = await market.engine()
        for number in range(WINDOWS):
            await (outside_order(market, engine, number, f"o-{number}") if number % 7 == 3 else trade(engine, [number]))
        return await shown(market)


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("snapshot_windows", [5, 1_000_000])
async def test_it_goes_on_where_it_was(tmp_path: Path, in_order: bool, snapshot_windows: int) -> None:
    """After every few windows it ends and comes back: books, trades, own orders and tape are those of one that did not."""
    expected, run, place = await undisturbed(tmp_path / "one"), "", tmp_path / "two"
    for begin in range(0, WINDOWS, 6):
        async with recorded(place, in_order=in_order, snapshot_windows=snapshot_windows) as market:
            engine = await market.engine(run or market.run, term=begin + 1, instance=f"e-{begin}")
            run = run or market.run
            assert engine.opened.last_window == max(begin - 1, 0) and engine.opened.run == run
            for number in range(begin, begin + 6):
                await (outside_order(market, engine, number, f"o-{number}") if number % 7 == 3 else trade(engine, [number]))
            facts = await described(market)
            assert (facts.run, facts.last_window, facts.term, facts.durability) == (run, begin + 5, begin + 1, "process")
            seen = await shown(market)
    # Another run id stands in the books' answers, and that is all.
    assert [str(part).replace(run, "") for part in seen[1:]] == [str(part) for part in expected[1:]]
    assert seen[0].bids == expected[0].bids and seen[0].asks == expected[0].asks and seen[0].tick == expected[0].tick


async def test_an_order_sent_again_after_a_crash_has_the_same_answer(tmp_path: Path) -> None:
    """A client order id that was acknowledged is known: nothing trades twice."""
    async with recorded(tmp_path, in_order=False) as market:
        engine = await market.engine()
        await trade(engine, range(3))
        first, run = await outside_order(market, engine, 3, "mine", order_type="ORDER_TYPE_MARKET", price=""), market.run
    async with recorded(tmp_path) as market:
        await market.engine(run, term=2, instance="b")
        again = await market.submit("mine", order_type="ORDER_TYPE_MARKET", price="")
        assert again == first and again.order.filled_quantity
        orders = await market.stub.ListOrders(pb.ListOrdersRequest(account="alice"))
        assert len(orders.orders) == 1


async def test_a_window_sent_again_after_a_crash_has_its_answer(tmp_path: Path) -> None:
    """Also an empty one, and one from long ago; with other contents it is refused, and an older engine is fenced off."""
    async with recorded(tmp_path, in_order=False) as market:
        engine, run = await market.engine(), market.run
        answers = [await engine.window(number, *rows(number)) for number in range(9)]
    async with recorded(tmp_path) as market:
        engine = await market.engine(run, term=5, instance="b")
        for number in (8, 2, 0, 5):
            assert await engine.window(number, *rows(number)) == answers[number]
        await engine.send(window(4, limit(99, Side.BUY, 99_000, 1)))
        assert (await engine.refusal())[1] == "WINDOW_MISMATCH"
        stale = await market.knock(run, term=4, instance="a")
        _, reason, facts = await stale.refusal()
        assert reason == "FENCED" and facts["term"] == "5"
    async with recorded(tmp_path) as market:
        stale = await market.knock(run, term=4, instance="a")
        assert (await stale.refusal())[1] == "FENCED", "the term outlives the process"


async def test_a_lossless_reader_sees_no_seam(tmp_path: Path) -> None:
    """One that comes back with its position after a crash gets every frame once, those before the crash included."""
    async with recorded(tmp_path, in_order=False) as market:
        engine, run = await market.engine(), market.run
        await trade(engine, range(12))
        before = await frames(market, run, -1, 11)
    async with recorded(tmp_path) as market:
        engine = await market.engine(run, term=2, instance="b")
        await trade(engine, range(12, 18))
        after = await frames(market, run, 6, 17)
        whole = await frames(market, run, -1, 17)
    assert whole[: len(before)] == before
    assert after == [frame for frame in whole if frame.window > 6]
    windows = [frame.window for frame in whole]
    assert windows == sorted(set(windows))
    assert [frame.previous_window for frame in whole[1:]] == windows[:-1]


async def frames(market: Market, run: str, after: int, until: int) -> list[pb.Frame]:
    """All of a lossless stream after a window, up to another."""
    parts: Any = [part for part in pb.FramePart.values() if part]
    request = pb.StreamTicksRequest(after_run=run, after_window=after, parts=parts, delivery=pb.DELIVERY_LOSSLESS)
    found: list[pb.Frame] = []
    async with asyncio.timeout(10):
        async for message in market.stub.StreamTicks(request):
            assert not message.HasField("gap"), message.gap
            found.extend(message.frames)
            if message.last_window >= until:
                return found
    raise AssertionError("the stream ended")


async def test_a_full_journal_holds_the_market_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine hears why, outside orders are refused, and the window is answered once there is room: the same tape."""
    full, append = [True], Journal.append

    def refusing(self: Journal, *arguments: Any) -> None:
        if full[0]:
            raise JournalFull("no room here")
        append(self, *arguments)

    expected = await undisturbed(tmp_path / "one")
    async with recorded(tmp_path / "two") as market:
        engine, run = await market.engine(), market.run
        await trade(engine, range(3))
        monkeypatch.setattr(Journal, "append", refusing)
        submitting = market.submitting("o-3")
        await market.queued(1)
        await engine.send(window(3, *rows(3)))
        assert "no room here" in (await engine.answer()).held.reason
        facts = await described(market)
        assert facts.last_window == 2 and "no room here" in facts.held
        assert not submitting.done()
        assert (await refused(market.submit("another")))[1] == "JOURNAL_FULL"
        full[0] = False
        while (answer := await engine.answer()).HasField("held"):
            pass
        assert answer.result.window == 3
        await submitting
        assert (await described(market)).held == ""
        for number in range(4, WINDOWS):
            await (outside_order(market, engine, number, f"o-{number}") if number % 7 == 3 else trade(engine, [number]))
        seen = await shown(market)
    assert [str(part).replace(run, "") for part in seen[1:]] == [str(part) for part in expected[1:]]


async def test_what_is_synced_in_groups_is_told_in_groups(tmp_path: Path) -> None:
    """durability disk: the engine goes on at once, outside clients and readers hear of a window when it is synced."""
    async with recorded(tmp_path, durability="disk", sync_ms=50) as market:
        engine = await market.engine()
        order = await outside_order(market, engine, 0, "one")
        assert order.window == 0
        await trade(engine, range(1, 8))
        assert [frame.window for frame in await frames(market, market.run, -1, 7)][:1] == [0]
        recorder = market.service.sequencer.recorder
        assert recorder is not None and recorder.journal.synced_window >= 7


async def test_a_window_that_comes_out_otherwise_stops_the_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the window and the first event that is another, with both values."""
    digest: Any = shard.SymbolDone.digest
    async with recorded(tmp_path) as market:
        engine = await market.engine()
        await trade(engine, range(4))
        monkeypatch.setattr(shard.SymbolDone, "digest", property(lambda self: digest.fget(self) ^ 1))
        await trade(engine, range(4, 6))
        monkeypatch.undo()
        await trade(engine, range(6, 9))
    for path in (tmp_path / "shard-0").glob("*.snapshot"):
        path.unlink()
    with pytest.raises(Different, match="window 4"):
        async with recorded(tmp_path):
            pass


async def test_a_flipped_byte_is_named_and_never_played(tmp_path: Path) -> None:
    """The start ends with the file and the window."""
    async with recorded(tmp_path) as market:
        engine = await market.engine()
        await trade(engine, range(9))
    folder = tmp_path / "shard-0"
    for path in folder.glob("*.snapshot"):
        path.unlink()
    with sqlite3.connect(folder / "journal.sqlite") as connection:
        (data,) = connection.execute("SELECT input FROM windows WHERE first = 3").fetchone()
        flipped = data[:9] + bytes([data[9] ^ 4]) + data[10:]
        connection.execute("UPDATE windows SET input = ? WHERE first = 3", (flipped,))
    connection.close()
    with pytest.raises(Damaged, match="window 3, input"):
        async with recorded(tmp_path):
            pass


async def test_a_damaged_snapshot_is_passed_over(tmp_path: Path) -> None:
    """The one before it is taken, or the start of the run: the tape is the same."""
    async with recorded(tmp_path, snapshot_windows=4) as market:
        engine, run = await market.engine(), market.run
        await trade(engine, range(14))
        before = await shown(market)
    newest, *_ = sorted((tmp_path / "shard-0").glob("*.snapshot"), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-40] + bytes(40))
    async with recorded(tmp_path) as market:
        await market.engine(run, term=2, instance="b")
        assert await shown(market) == before


def settings_of(folder: Path, **changed: Any) -> OrderBookSettings:
    return OrderBookSettings(**{"ring_mib": 1, "journal": folder, **changed})


async def test_another_scenario_is_refused_unless_a_new_run_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The refusal names the run that is there and the way out; the old one is kept aside, once for each text."""
    async with recorded(tmp_path) as market:
        await trade(await market.engine(), range(3))
        run = market.run
    with pytest.raises(SystemExit):
        OrderBookService(settings_of(tmp_path, scenario="quiet"))
    said = capsys.readouterr().err
    assert run in said and "--new-run" in said
    async with recorded(tmp_path, scenario="quiet", new_run="b") as market:
        assert (await described(market)).run == ""
        await market.engine()
        second = market.run
    assert list((tmp_path / "aside").glob(f"{run}/shard-0/journal.sqlite"))
    async with recorded(tmp_path, scenario="quiet", new_run="b") as market:
        assert (await described(market)).run == second, "the same text is the same start"


async def test_another_bound_of_orders_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was rejected for want of room could rest now, and the windows would come out otherwise."""
    async with recorded(tmp_path, max_orders=1_000) as market:
        await market.engine()
        run = market.run
    with pytest.raises(SystemExit):
        OrderBookService(settings_of(tmp_path))
    assert "--max-orders 1000" in capsys.readouterr().err
    async with recorded(tmp_path, max_orders=1_000) as market:
        assert (await described(market)).run == run


async def test_another_sharding_is_refused_with_the_command_that_moves_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of the journal is stranded."""
    async with recorded(tmp_path) as market:
        await market.engine()
    with pytest.raises(SystemExit):
        OrderBookService(settings_of(tmp_path, shards=2))
    assert "marksim journal move" in capsys.readouterr().err


async def test_nothing_is_answered_of_a_run_before_the_journal_is_read(tmp_path: Path) -> None:
    """An engine that asked too early would begin another run."""
    async with recorded(tmp_path) as market:
        market.service.servicer.recovering = "it plays recorded windows again: 5 of 9"
        _, reason, details = await refused(market.stub.GetRun(pb.GetRunRequest()))
        assert reason == "STARTING" and "5 of 9" in details
        request = pb.StreamTicksRequest()
        with pytest.raises(Exception, match="5 of 9"):
            async for _ in market.stub.StreamTicks(request):
                pass
        market.service.servicer.recovering = ""
