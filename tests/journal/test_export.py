"""`marksim journal export`: one small file that stands for itself."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from marksim.core.errors import Damaged, Unreadable
from marksim.core.feed.tape import run_hash
from marksim.journal import open_session
from marksim.journal.command import app
from marksim.journal.exported import MAGIC, ExportedPart, write_export
from marksim.journal.merging import merged
from marksim.journal.session import instruments_of
from marksim.store.journal import Journal
from tests.journal.recorded import BTC, CONTROLLED, ETH, RUN, WINDOWS, scenario, write


def marksim(*words: object) -> Result:
    """Run a command of `marksim journal`."""
    return CliRunner().invoke(app, [str(word) for word in words])


def test_an_exported_session_is_verified_without_its_journal(tmp_path: Path) -> None:
    """The same tape hash, from a file that is much smaller."""
    tapes = write(tmp_path / "journal")
    file = tmp_path / "session.marksim"
    said = marksim("export", tmp_path / "journal", file)
    assert said.exit_code == 0, said.output
    orders = marksim("verify", tmp_path / "journal").stdout.split()[3]
    assert said.stdout.startswith(f"{file}: {WINDOWS} windows, {orders} orders, {file.stat().st_size:,} bytes, ")
    assert file.stat().st_size * 4 < (tmp_path / "journal" / "shard-0" / "journal.sqlite").stat().st_size
    verified = marksim("verify", file)
    assert verified.exit_code == 0, verified.output
    assert verified.stdout.splitlines()[1] == f"tape hash: {run_hash(tapes)}"


def test_shards_become_one_file(tmp_path: Path) -> None:
    """Of which no byte tells how many there were."""
    write(tmp_path / "one")
    write(tmp_path / "two", ((ETH,), (BTC,)))
    for name in ("one", "two"):
        assert marksim("export", tmp_path / name, tmp_path / f"{name}.file").exit_code == 0
    with open_session(tmp_path / "one.file") as one, open_session(tmp_path / "two.file") as two:
        assert one.run == two.run and one.run.symbols == (BTC, ETH)
    assert (tmp_path / "one.file").read_bytes() == (tmp_path / "two.file").read_bytes()


def test_a_file_has_all_that_went_in(tmp_path: Path) -> None:
    """Window by window: outside commands, the engine's, its own inputs, and digests; in any span that is asked for."""
    write(tmp_path / "journal")
    marksim("export", tmp_path / "journal", tmp_path / "file")
    with open_session(tmp_path / "journal") as journal, open_session(tmp_path / "file") as file:
        assert file.run == journal.run and tuple(instruments_of(file.run).values()) == scenario().instruments()
        for first, last in ((0, WINDOWS - 1), (CONTROLLED, CONTROLLED), (13, 250)):
            pairs = zip(merged(journal.parts, first, last), merged(file.parts, first, last), strict=True)
            for left, right in pairs:
                assert (left.window, left.last, left.control) == (right.window, right.last, right.control)
                assert sorted(left.parts) == sorted(right.parts)
                for symbol, part in left.parts.items():
                    other = right.parts[symbol]
                    assert np.array_equal(part.outside, other.outside) and np.array_equal(part.commands, other.commands)
                    assert part.digest == other.digest and not len(other.executions)


def test_a_file_that_was_cut_off_or_changed_is_damaged(tmp_path: Path) -> None:
    """At whatever byte; it is never taken for a whole one."""
    write(tmp_path / "journal", windows=60)
    marksim("export", tmp_path / "journal", tmp_path / "file")
    whole = (tmp_path / "file").read_bytes()
    random = np.random.default_rng(1)
    for at in random.integers(len(MAGIC), len(whole), 40).tolist():
        for broken in (whole[:at], whole[:at] + bytes((whole[at] ^ 16,)) + whole[at + 1 :]):
            (tmp_path / "broken").write_bytes(broken)
            result = marksim("verify", tmp_path / "broken")
            assert result.exit_code == 1 and f"{tmp_path}/broken: byte " in result.stderr, (at, result.output)
    (tmp_path / "longer").write_bytes(whole + whole[len(MAGIC) :])
    with pytest.raises(Damaged, match="goes on after its end"):
        ExportedPart(tmp_path / "longer")


def test_a_file_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And never misread."""
    write(tmp_path / "journal", windows=20)
    monkeypatch.setattr("marksim.journal.exported.VERSION", 7)
    marksim("export", tmp_path / "journal", tmp_path / "file")
    monkeypatch.undo()
    with pytest.raises(Unreadable, match="is an exported session of version 7, and this marksim reads 1"):
        ExportedPart(tmp_path / "file")


def test_a_file_that_differs_says_in_which_window(tmp_path: Path) -> None:
    """Without outputs it cannot show the row, and says where that can be seen."""
    write(tmp_path / "journal", windows=90, snapshots=(40,))
    with open_session(tmp_path / "journal") as session:
        windows = list(merged(session.parts, 0, 89))
        part = next(one for one in windows if len(one.parts.get(BTC, windows[0].parts[BTC]).commands) and one.window > 50)
        commands = part.parts[BTC].commands
        commands["quantity_lots"][0] += 1
        write_export(tmp_path / "file", session.run, iter(windows), 0, 89)
    result = marksim("verify", tmp_path / "file")
    assert result.exit_code == 1
    assert result.stdout.startswith(f"different: file, window {part.window}, {BTC}: what comes out (")


def test_a_trimmed_journal_is_exported_from_a_snapshot(tmp_path: Path) -> None:
    """Where that is asked for; the file brings the books with it, of all shards."""
    tapes = write(tmp_path / "journal", ((BTC,), (ETH,)), snapshots=(99, 199))
    for shard in (0, 1):
        with Journal(tmp_path / "journal" / f"shard-{shard}") as journal:
            journal.drop(60, 60, "a test")
    file = tmp_path / "file"
    refused = marksim("export", tmp_path / "journal", file)
    assert refused.exit_code == 1 and "give --from TIME" in refused.stderr and not file.exists()
    early = marksim("export", tmp_path / "journal", file, "--from", "2025-01-06T00:00:04Z")
    assert early.exit_code == 1 and "after windows: 99 (2025-01-06T00:00:05Z), 199" in early.stderr
    said = marksim("export", tmp_path / "journal", file, "--from", "2025-01-06T00:00:07Z")
    assert said.exit_code == 0, said.output
    assert said.stdout.splitlines()[1] == "it begins with the books after window 99, at 2025-01-06T00:00:05Z"
    verified = marksim("verify", file)
    assert verified.exit_code == 0, verified.output
    begun, equal, hashed, *_ = verified.stdout.splitlines()
    assert "after window 99" in begun and equal.startswith("equal: 300 windows")
    assert hashed == f"tape hash: {run_hash(tapes)}"


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    """Unless that is asked for."""
    write(tmp_path / "journal", windows=20)
    (tmp_path / "file").write_text("mine")
    refused = marksim("export", tmp_path / "journal", tmp_path / "file")
    assert refused.exit_code == 2 and (tmp_path / "file").read_text() == "mine"
    assert marksim("export", tmp_path / "journal", tmp_path / "file", "--force").exit_code == 0
    assert (tmp_path / "file").read_bytes().startswith(MAGIC)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    """Of one shard by itself a file can be made, and of some that are not all it cannot."""
    write(tmp_path / "journal", ((BTC,), (ETH,), ()), windows=20)
    (tmp_path / "journal" / "shard-1").rename(tmp_path / "elsewhere")
    refused = marksim("export", tmp_path / "journal", tmp_path / "file")
    assert refused.exit_code == 2 and "has 2 of 3 shards: bring all together" in refused.stderr
    assert marksim("export", tmp_path / "elsewhere", tmp_path / "file").exit_code == 0
    assert "(of 1 symbols of shard 1)" in marksim("verify", tmp_path / "file").stdout


def test_an_export_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """No half of a file, and none aside."""
    write(tmp_path / "journal", windows=20)
    result = marksim("export", tmp_path / "journal", tmp_path / "no" / "file")
    assert result.exit_code == 1 and "No such file or directory" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    """Run, span, sizes, and who made it; as JSON for programs."""
    write(tmp_path / "journal", windows=60)
    marksim("export", tmp_path / "journal", tmp_path / "file")
    told = marksim("info", tmp_path / "file")
    assert told.exit_code == 0, told.output
    assert RUN in told.stdout and "0 to 59 of 50 ms" in told.stdout and "exported by marksim" in told.stdout
