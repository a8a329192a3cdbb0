"""`marksim journal move`: the same run on other shards, whole or not at all."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from marksim.core.errors import NotNow
from marksim.core.feed.tape import run_hash
from marksim.journal import open_session
from marksim.journal.command import app
from marksim.journal.merging import merged
from marksim.journal.moving import move
from marksim.journal.regrouping import regroup
from marksim.store import moving
from marksim.store.files import sync_directory
from marksim.store.journal import Journal
from marksim.store.journal_reading import JournalReader
from marksim.store.journal_schema import connect
from tests.journal.recorded import BTC, CONTROLLED, ETH, RUN, WINDOWS, write

ONE, TWO = ((BTC, ETH),), ((ETH,), (BTC,))


def marksim(*words: object) -> Result:
    """Run a command of `marksim journal`."""
    return CliRunner().invoke(app, [str(word) for word in words])


def shards(directory: Path) -> dict[str, tuple[str, ...]]:
    """The symbols of each shard that is there."""
    found = {}
    for folder in sorted(directory.glob("shard-*")):
        with JournalReader(folder) as reader:
            assert reader.run is not None
            found[folder.name] = reader.run.symbols
    return found


@pytest.mark.parametrize(
    ("before", "words"), [(ONE, ("--shards", "2", "--assign", f"{ETH}=0,{BTC}=1")), (TWO, ("--shards", "1"))]
)
def test_a_moved_journal_is_what_the_other_shards_would_have_written(
    tmp_path: Path, before: tuple[tuple[str, ...], ...], words: tuple[str, ...]
) -> None:
    """Every window with all that went in and came out, snapshots, readers, engine; and the same tape hash."""
    after = TWO if before is ONE else ONE
    tapes = write(tmp_path / "journal", before, snapshots=(199, 299))
    write(tmp_path / "wanted", after, snapshots=(199, 299))
    for shard in range(len(before)):
        with Journal(tmp_path / "journal" / f"shard-{shard}") as journal:
            journal.confirm("archiver", 380 + shard)
            journal.set_saved(360 + shard)
    result = marksim("move", tmp_path / "journal", *words)
    assert result.exit_code == 0, result.output
    assert f"{WINDOWS} windows moved, with 2 snapshots" in result.stdout
    with open_session(tmp_path / "journal") as moved, open_session(tmp_path / "wanted") as wanted:
        for left, right in zip(moved.parts, wanted.parts, strict=True):
            assert left.run == right.run and left.snapshots() == right.snapshots()
            for one, other in zip(merged([left], 0, WINDOWS - 1), merged([right], 0, WINDOWS - 1), strict=True):
                assert (one.window, one.last, one.control) == (other.window, other.last, other.control)
                assert {symbol: plain(part) for symbol, part in one.parts.items()} == {
                    symbol: plain(part) for symbol, part in other.parts.items()
                }
            with JournalReader(left.path.parent) as reader:
                info = reader.info()
                assert (info.readers, info.saved, info.term, reader.new_run) == ({"archiver": 380}, 360, 3, "token")
            state, other_state = left.state(299), right.state(299)
            assert state.document == other_state.document and sorted(state.arrays) == sorted(other_state.arrays)
    assert marksim("verify", tmp_path / "journal").stdout.splitlines()[1] == f"tape hash: {run_hash(tapes)}"
    aside = tmp_path / "journal" / "aside" / RUN
    assert len(shards(aside)) == len(before) and str(aside) in result.stdout


def plain(part: Any) -> dict[str, Any]:
    """A symbol's part of a window as values that can be compared."""
    names = ("outside", "commands", "executions", "quotes", "depth", "tick")
    rows = {name: getattr(part, name).tobytes() for name in names}
    levels = None if part.levels is None else part.levels.tobytes()
    return {**rows, "levels": levels, "previous": part.previous_window, "digest": part.digest}


def test_there_and_back_is_the_same(tmp_path: Path) -> None:
    """A trimmed journal as well, by its snapshots."""
    tapes = write(tmp_path, ONE, snapshots=(199,))
    with Journal(tmp_path / "shard-0") as journal:
        journal.drop(150, 150, "a test")
    for words in (("--shards", "3"), ("--shards", "1")):
        assert marksim("move", tmp_path, *words).exit_code == 0
        verified = marksim("verify", tmp_path)
        assert f"tape hash: {run_hash(tapes)}" in verified.stdout.splitlines(), verified.output
    assert shards(tmp_path) == {"shard-0": (BTC, ETH)}


def test_what_is_so_already_is_left_alone(tmp_path: Path) -> None:
    """Nothing is written."""
    write(tmp_path, TWO, windows=20)
    result = marksim("move", tmp_path, "--shards", "2", "--assign", f"{ETH}=0", "--assign", f"{BTC}=1")
    assert result.exit_code == 0 and "already" in result.stdout
    assert not (tmp_path / "aside").exists()


def test_shards_at_different_windows_are_refused(tmp_path: Path) -> None:
    """With how to bring them together; nothing is changed."""
    write(tmp_path, TWO, windows=20)
    write(tmp_path / "longer", TWO, windows=25)
    (tmp_path / "shard-1").rename(tmp_path / "shorter")
    (tmp_path / "longer" / "shard-1").rename(tmp_path / "shard-1")
    result = marksim("move", tmp_path, "--shards", "1")
    assert result.exit_code == 1
    assert (
        "(shard-0 at window 19, shard-1 at window 24): start the market once as it was and end it in order" in result.stderr
    )
    assert shards(tmp_path) == {"shard-0": (ETH,), "shard-1": (BTC,)}


def test_a_journal_that_is_open_or_not_whole_is_refused(tmp_path: Path) -> None:
    """The one says who has it, the other what is missing."""
    write(tmp_path, TWO, windows=20)
    with Journal(tmp_path / "shard-1"):
        result = marksim("move", tmp_path, "--shards", "1")
    assert result.exit_code == 1 and "another order book writes to" in result.stderr
    (tmp_path / "shard-1").rename(tmp_path / "elsewhere")
    result = marksim("move", tmp_path, "--shards", "1")
    assert result.exit_code == 2 and "has shard-0 of 2 shards" in result.stderr
    assert marksim("move", tmp_path / "shard-0", "--shards", "1").exit_code == 2
    for assign in ("ETH/USD", "ETH/USD=9", "XMR/EUR=0"):
        assert marksim("move", tmp_path, "--shards", "2", "--assign", assign).exit_code == 2


@pytest.mark.parametrize("died", range(14))
def test_a_move_that_dies_leaves_the_old_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, died: int) -> None:
    """At whichever change of the directory; between them it is not used, and the same command finishes it."""
    tapes = write(tmp_path, TWO, windows=40)

    class Killed(BaseException):
        """The process is gone."""

    left = iter(range(died))

    def killing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **words: Any) -> Any:
            # Only what changes names in the journal's directory: SQLite and snapshots have tests of their own.
            if next(left, None) is None:
                raise Killed
            return real(*arguments, **words)

        return call

    with monkeypatch.context() as patch:
        for name in ("rename", "rmdir"):
            patch.setattr(Path, name, killing(getattr(Path, name)))
        patch.setattr("marksim.store.moving.sync_directory", killing(sync_directory))
        try:
            with open_session(tmp_path) as session:
                move(session, 1, {})
            finished = True
        except Killed:
            finished = False
    if (tmp_path / moving.MOVED).exists():
        with pytest.raises(NotNow, match="give the same command again"):
            moving.check_moved(tmp_path)
    else:
        moving.check_moved(tmp_path)
        assert shards(tmp_path) in ({"shard-0": (BTC, ETH)}, *([] if finished else [{"shard-0": (ETH,), "shard-1": (BTC,)}]))
        assert f"tape hash: {run_hash(tapes)}" in marksim("verify", tmp_path).stdout.splitlines()
    assert marksim("move", tmp_path, "--shards", "1").exit_code == 0
    assert shards(tmp_path) == {"shard-0": (BTC, ETH)}
    assert f"tape hash: {run_hash(tapes)}" in marksim("verify", tmp_path).stdout.splitlines()
    assert len(shards(tmp_path / "aside" / RUN)) == 2
    assert not os.path.lexists(tmp_path / moving.MOVED)


def test_a_damaged_journal_is_not_moved(tmp_path: Path) -> None:
    """It is as it was, with nothing beside it, and what is damaged is named."""
    write(tmp_path, TWO, windows=40)
    path = tmp_path / "shard-1" / "journal.sqlite"
    connection = connect(path)
    connection.execute("UPDATE windows SET output = CAST(x'00' || output AS BLOB) WHERE first = ?", (CONTROLLED,))
    connection.close()
    before = shards(tmp_path)
    result = marksim("move", tmp_path, "--shards", "1")
    assert result.exit_code == 1 and f"{path}: window {CONTROLLED}, output" in result.stderr
    assert shards(tmp_path) == before and sorted(item.name for item in tmp_path.iterdir()) == ["shard-0", "shard-1"]


def note(value: Any) -> bytes:
    """As the order book writes them."""
    return json.dumps(value, separators=(",", ":")).encode()


def order(symbol: str, account: str = "ann", **more: Any) -> bytes:
    """A note of an order."""
    return note({"account": account, "symbol": symbol, "names": ["a"], **more})


NOTES = {
    "outside/version": note(1),
    "outside/counters": note([9, 2, 7]),
    f"outside/serial/{BTC}": note(4),
    f"outside/serial/{ETH}": note(6),
    "outside/account/ann": note(5),
    "outside/account/bob": note(7),
    f"outside/position/ann {BTC}": note([3, -150, 1]),
    f"outside/position/bob {ETH}": note([1, -60, 1]),
    "outside/order/0000000000000002": order(BTC, closing=1),
    "outside/order/0000000000000003": order(ETH, account="bob", amendments={"b": [8, 5, 6, 7]}),
    "outside/order/0000000000000004": order(ETH, forgotten=True, closing=2),
    "outside/answer/0000000000000002": note([[1, 20, 100, 3, 1]]),
    "outside/answer/0000000000000003 b": note([]),
    "outside/fill/ann 0000000000000000": note([2, 1, 20, 100, 3, 1]),
    "outside/fill/ann 0000000000000001": note([4, 1, 30, 60, 2, 1]),
    "presence/ann": note([1, 500]),
}


def test_notes_of_outside_orders_go_with_their_symbols() -> None:
    """Nothing is lost and nothing doubled; who has nothing on a shard is not known there."""
    btc, eth = regroup([NOTES], [BTC]), regroup([NOTES], [ETH])
    both = {"outside/version", "outside/counters", "outside/account/ann", "presence/ann"}
    assert btc.keys() & eth.keys() == both | {"outside/fill/ann 0000000000000000"}
    assert {**btc, **eth}.keys() == NOTES.keys() - {"outside/fill/ann 0000000000000001"}
    assert btc["outside/fill/ann 0000000000000000"] == note([2, 1, 20, 100, 3, 1])
    assert eth["outside/fill/ann 0000000000000000"] == note([4, 1, 30, 60, 2, 1])
    assert "outside/account/bob" not in btc and eth["outside/account/bob"] == note(7)
    assert {key: value for key, value in NOTES.items() if key in btc and "fill" not in key} == {
        key: value for key, value in btc.items() if "fill" not in key
    }
    assert regroup([NOTES], [BTC, ETH]) == dict(sorted(NOTES.items()))


def test_notes_of_several_shards_become_those_of_one() -> None:
    """What both numbered alike has numbers of its own, in order within each; fills follow each other by time."""
    btc, eth = regroup([NOTES], [BTC]), regroup([NOTES], [ETH])
    one = regroup([eth, btc], [BTC, ETH])
    arrivals = {json.loads(value)["symbol"]: key for key, value in one.items() if key.startswith("outside/order/")}
    assert arrivals[BTC] == "outside/order/0000000000000005"
    assert {key for key in one if key.startswith("outside/order/")} == {
        f"outside/order/{number:016}" for number in (5, 6, 8)
    }
    assert json.loads(one["outside/order/0000000000000006"])["amendments"] == {"b": [16, 5, 6, 7]}
    assert json.loads(one["outside/order/0000000000000005"])["closing"] == 3
    assert one["outside/counters"] == note([19, 5, 15])
    assert one["outside/answer/0000000000000005"] == note([[1, 20, 100, 3, 1]])
    assert one["outside/answer/0000000000000006 b"] == note([])
    assert one["outside/fill/ann 0000000000000000"] == note([5, 1, 20, 100, 3, 1])
    assert one["outside/fill/ann 0000000000000001"] == note([8, 1, 30, 60, 2, 1])
    assert one["outside/account/ann"] == note(11)
    assert one[f"outside/serial/{BTC}"] == note(4) and one[f"outside/serial/{ETH}"] == note(6)


def test_an_order_that_only_a_lost_fill_knew_is_lost_with_it() -> None:
    """Nobody would ever take it away."""
    notes = {key: value for key, value in NOTES.items() if not key.startswith("outside/fill/")}
    assert "outside/order/0000000000000004" not in regroup([notes], [ETH])


def test_notes_of_another_version_are_refused() -> None:
    """And those that are not known."""
    for wrong in ({"outside/version": note(2)}, {"outside/other/x": note(1)}, {"elsewhere": note(1)}):
        with pytest.raises(NotNow, match="marksim"):
            regroup([{**NOTES, **wrong}], [BTC])


def test_notes_are_moved_with_the_journal(tmp_path: Path) -> None:
    """To the shard that has their symbol now."""
    write(tmp_path, ONE, windows=20)
    with Journal(tmp_path / "shard-0") as journal:
        for key, value in NOTES.items():
            journal.put_note(key, value)
    assert marksim("move", tmp_path, "--shards", "2", "--assign", f"{ETH}=0,{BTC}=1").exit_code == 0
    for shard, symbol in enumerate((ETH, BTC)):
        with JournalReader(tmp_path / f"shard-{shard}") as reader:
            assert dict(reader.notes()) == regroup([NOTES], [symbol])
