"""`marksim verify`: the same comes out, or the first difference is told."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from marksim.core.errors import Damaged, NotFound
from marksim.core.feed.digest import rows_digest
from marksim.core.feed.tape import run_hash
from marksim.journal import open_session
from marksim.journal.command import app
from marksim.journal.verifying import verify
from marksim.store.journal import Journal
from marksim.store.journal_schema import connect
from tests.journal.recorded import BTC, CONTROLLED, ETH, RUN, WINDOWS, Traded, play, record, write


def marksim(*words: object) -> Result:
    """Run a command of `marksim journal`."""
    return CliRunner().invoke(app, [str(word) for word in words])


def change(path: Path, window: int, column: str) -> None:
    """Flip a bit of a window's blob."""
    connection = connect(path)
    (blob,) = connection.execute(f"SELECT {column} FROM windows WHERE first = ?", (window,)).fetchone()
    wrong = bytearray(blob)
    wrong[len(wrong) // 2] ^= 1
    connection.execute(f"UPDATE windows SET {column} = ? WHERE first = ?", (bytes(wrong), window))
    connection.close()


def test_a_journal_that_is_equal_gives_the_tape_hash(tmp_path: Path) -> None:
    """The very one of the books that wrote it, by symbol and of the run."""
    tapes = write(tmp_path)
    result = marksim("verify", tmp_path)
    assert result.exit_code == 0, result.output
    first, hashed, *symbols = result.stdout.splitlines()
    assert first.startswith(f"equal: {WINDOWS} windows, ") and first.endswith(" orders")
    assert hashed == f"tape hash: {run_hash(tapes)}"
    assert symbols == [f"{symbol}: {tape}" for symbol, tape in tapes.items()]


@pytest.mark.parametrize("place", [".", "shard-0", "shard-0/journal.sqlite"])
def test_a_journal_is_found_by_its_directory_its_shard_or_its_file(tmp_path: Path, place: str) -> None:
    """All three are the same where there is one shard."""
    write(tmp_path, windows=50)
    with open_session(tmp_path / place) as session:
        assert verify(session).difference is None


def test_two_shards_have_the_tape_of_one(tmp_path: Path) -> None:
    """The hash of the run does not depend on who traded which symbol."""
    one = write(tmp_path / "one")
    two = write(tmp_path / "two", ((ETH,), (BTC,)))
    assert one == two
    hashes = [marksim("verify", tmp_path / name).stdout.splitlines()[1] for name in ("one", "two")]
    assert hashes[0] == hashes[1] == f"tape hash: {run_hash(one)}"


def test_of_shards_that_ended_apart_the_hash_is_that_of_the_last_common_window(tmp_path: Path) -> None:
    """As after a crash; all windows of each are compared all the same."""
    write(tmp_path, ((BTC,), (ETH,)), windows=90)
    more = {ETH: Traded(ETH)}
    list(play(more, range(90)))
    with Journal(tmp_path / "shard-1") as journal:
        for window in play(more, range(90, 120)):
            journal.append(window)
    lines = marksim("verify", tmp_path).stdout.splitlines()
    assert lines[0].startswith("equal: 120 windows")
    assert lines[1] == f"tape hash: {run_hash(write(tmp_path / 'short', windows=90))} after window 89"


def test_one_shard_of_two_is_verified_by_itself(tmp_path: Path) -> None:
    """And it says that it is not the whole run."""
    tapes = write(tmp_path, ((BTC,), (ETH,)), windows=60)
    lines = marksim("verify", tmp_path / "shard-1").stdout.splitlines()
    assert lines[1] == f"tape hash: {run_hash({ETH: tapes[ETH]})} (of 1 symbols of shard 1)"


def test_a_journal_that_is_being_written_is_verified(tmp_path: Path) -> None:
    """Up to where it was; the writer goes on."""
    traded = {BTC: Traded(BTC), ETH: Traded(ETH)}
    with Journal(tmp_path / "shard-0") as journal:
        journal.begin(record())
        for window in play(traded, range(40)):
            journal.append(window)
        assert marksim("verify", tmp_path).stdout.startswith("equal: 40 windows")
        for window in play(traded, range(40, 60)):
            journal.append(window)
        assert marksim("verify", tmp_path).stdout.startswith("equal: 60 windows")


def test_the_first_difference_is_told_with_its_row_and_both_values(tmp_path: Path) -> None:
    """Shard, window, symbol, and the field, as of a book that was not the one that is here now."""
    traded = {BTC: Traded(BTC), ETH: Traded(ETH)}
    with Journal(tmp_path / "shard-0") as journal:
        journal.begin(record())
        for window in play(traded, range(120)):
            if window.window == 70:
                part = window.parts[BTC]
                executions = part.executions.copy()
                executions["price_ticks"][0] += 1
                digest = rows_digest(executions, part.quotes, part.depth, part.tick)
                other = replace(part, executions=executions, digest=digest)
                journal.append(replace(window, parts={**window.parts, BTC: other}))
            else:
                journal.append(window)
    result = marksim("verify", tmp_path)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"different: shard-0, window 70, {BTC}: execution 0 (sequence ")
    right = int(executions["price_ticks"][0]) - 1
    assert f"price_ticks {right + 1} recorded, {right} rebuilt" in result.stdout


def test_rows_that_are_not_those_of_their_digest_are_a_difference(tmp_path: Path) -> None:
    """What readers are given is looked at, too, and not the digest alone."""
    traded = {BTC: Traded(BTC)}
    with Journal(tmp_path / "shard-0") as journal:
        journal.begin(record(symbols=(BTC,)))
        for window in play(traded, range(60)):
            part = window.parts.get(BTC)
            if window.window == CONTROLLED:
                assert part is not None and len(part.quotes)
                journal.append(replace(window, parts={BTC: replace(part, quotes=part.quotes[:-1])}))
            else:
                journal.append(window)
    with open_session(tmp_path) as session:
        difference = verify(session).difference
    assert difference is not None and difference.window == CONTROLLED and "quote" in difference.what


@pytest.mark.parametrize("part", ["input", "output", "control"])
def test_a_flipped_bit_is_named_with_file_window_and_part(tmp_path: Path, part: str) -> None:
    """It is no difference, but damage."""
    write(tmp_path, windows=60)
    path = tmp_path / "shard-0" / "journal.sqlite"
    change(path, CONTROLLED, part)
    result = marksim("verify", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"marksim verify: {path}: window {CONTROLLED}, {'row' if part == 'control' else part}: ")


def test_a_trimmed_journal_is_verified_from_its_oldest_snapshot(tmp_path: Path) -> None:
    """It says so; the tape hash is that of the whole run all the same."""
    tapes = write(tmp_path, snapshots=(99, 199, 299))
    with Journal(tmp_path / "shard-0") as journal:
        journal.drop(150, 150, "a test")
    result = marksim("verify", tmp_path)
    assert result.exit_code == 0, result.output
    begun, equal, hashed, *_ = result.stdout.splitlines()
    assert begun.startswith("shard-0: the beginning is not there any more; begun with the books after window 199,")
    assert equal.startswith(f"equal: {WINDOWS - 200} windows") and hashed == f"tape hash: {run_hash(tapes)}"


def test_a_trimmed_journal_without_a_snapshot_cannot_be_verified(tmp_path: Path) -> None:
    """It says what is missing, and which snapshot was damaged."""
    write(tmp_path, windows=150, snapshots=(99,))
    with Journal(tmp_path / "shard-0") as journal:
        journal.drop(60, 60, "a test")
    snapshot = tmp_path / "shard-0" / "book-000000000099.snapshot"
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    with open_session(tmp_path) as session, pytest.raises(NotFound, match=r"begins with window 60, .*checksum differs"):
        verify(session)
    result = marksim("verify", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    """An empty directory, another file, a journal without windows."""
    assert marksim("verify", tmp_path).exit_code == 2
    (tmp_path / "other").write_text("no session")
    result = marksim("verify", tmp_path / "other")
    assert result.exit_code == 1 and "is no exported session of marksim" in result.stderr
    with Journal(tmp_path / "shard-0") as journal:
        journal.begin(record())
    result = marksim("verify", tmp_path)
    assert (result.exit_code, result.stderr) == (1, f"marksim verify: {tmp_path}: run {RUN} has no window yet\n")


def test_shards_of_different_runs_are_not_verified_together(tmp_path: Path) -> None:
    """As after one of them was lost: each by itself can be."""
    write(tmp_path, ((BTC,), (ETH,)), windows=5)
    with Journal(tmp_path / "shard-2") as journal:
        journal.begin(replace(record(2, 3, ()), run="another"))
    result = marksim("verify", tmp_path)
    assert result.exit_code == 2 and "shard-2 has run another" in result.stderr


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    """In windows of all parts together."""
    write(tmp_path, ((BTC,), (ETH,)), windows=60)
    told: list[tuple[int, int]] = []
    with open_session(tmp_path) as session:
        verify(session, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (120, 120) and np.all(np.diff([done for done, _ in told]) > 0)


def test_damage_is_raised_to_callers(tmp_path: Path) -> None:
    """As an error that names the window."""
    write(tmp_path, windows=30)
    change(tmp_path / "shard-0" / "journal.sqlite", CONTROLLED, "output")
    with open_session(tmp_path) as session, pytest.raises(Damaged) as damaged:
        verify(session)
    assert damaged.value.metadata["window"] == str(CONTROLLED)


def test_a_run_with_agents_of_a_users_own_is_verified_without_their_code(tmp_path: Path) -> None:
    """What they did is recorded; an exported file is verified where nobody has them."""
    content = json.loads(record().scenario_text)
    content["agents"][0]["type"] = "/nowhere/mine.py:trade"
    traded = {BTC: Traded(BTC), ETH: Traded(ETH)}
    with Journal(tmp_path / "shard-0") as journal:
        journal.begin(replace(record(), scenario_text=json.dumps(content)))
        for window in play(traded, range(30)):
            journal.append(window)
    assert marksim("verify", tmp_path).stdout.startswith("equal: 30 windows")


def test_a_run_whose_scenario_is_not_told_cannot_be_verified(tmp_path: Path) -> None:
    """Nobody knows its ticks and lots."""
    for text, told in (("", "does not say its scenario"), ('{"instruments": [{}]}', "cannot be read by this version")):
        with Journal(tmp_path / told / "shard-0") as journal:
            journal.begin(replace(record(), scenario_text=text))
            for window in play({BTC: Traded(BTC)}, range(5)):
                journal.append(window)
        result = marksim("verify", tmp_path / told)
        assert result.exit_code == 2 and told in result.stderr
