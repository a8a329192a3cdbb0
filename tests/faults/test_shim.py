"""The library that injects faults: each kind is seen by the calls that it is for, by SQLite's too, and by nothing else."""

import errno
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults import shim
from tests.faults.shim import Faults, Kind, Operation


@pytest.fixture
def faults(tmp_path: Path) -> Iterator[Faults]:
    """Faults of all files in `beneath`; `beside` is a folder that they do not touch."""
    (tmp_path / "beside").mkdir()
    with Faults(tmp_path / "beneath", seed=7, control=tmp_path / "control") as made:
        yield made


PRELUDE = """
    import errno, json, os, select, sqlite3, sys, threading, time
    from pathlib import Path
    def attempt(call, *arguments):
        try:
            return call(*arguments)
        except OSError as error:
            return errno.errorcode[error.errno]
        except sqlite3.Error as error:
            return f"{type(error).__name__}: {error}"
    def create(path):
        return os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
"""
DATABASE = """
    database = sqlite3.connect("beneath/a.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE IF NOT EXISTS rows (number INTEGER)")
"""


def command(*code: str) -> list[str]:
    """A Python that runs these pieces after the prelude."""
    return [sys.executable, "-c", "".join(textwrap.dedent(piece) for piece in (PRELUDE, *code))]


def run(faults: Faults, tmp_path: Path, *code: str, arguments: Sequence[str] = ()) -> Any:
    """What a process prints as JSON that begins in the folder above `beneath`; `attempt` gives a call's value or error."""
    environment = {**os.environ, **faults.environment()}
    whole = [*command(*code), *arguments]
    done = subprocess.run(whole, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nth_write_fails_and_no_other(faults: Faults, tmp_path: Path) -> None:
    """The third write of a file beneath the directory fails with the errno that was asked for; files beside it do not."""
    faults.fail(Operation.WRITE, nth=3, error=errno.ENOSPC)
    code = """
        inside, outside = create("beneath/a"), create("beside/a")
        print(json.dumps([[attempt(os.write, file, b"four") for _ in range(5)] for file in (outside, inside)]))
    """
    assert run(faults, tmp_path, code) == [[4] * 5, [4, 4, "ENOSPC", 4, 4]]
    assert (faults.seen(Operation.WRITE), faults.injected(Operation.WRITE)) == (5, 1)
    assert (tmp_path / "beneath" / "a").read_bytes() == b"four" * 4


def test_pattern_and_process_choose(tmp_path: Path) -> None:
    """Only files with the pattern in their path fail, and only in processes with the word on their command line."""
    code = """
        print(json.dumps([attempt(os.write, create(f"beneath/{name}"), b"x") for name in ("a-wal", "a")]))
    """
    with Faults(tmp_path / "beneath", process="the-book", control=tmp_path / "control") as faults:
        faults.fail(Operation.WRITE, chance=1.0, pattern="-wal")
        assert run(faults, tmp_path, code) == [1, 1]
        assert run(faults, tmp_path, code, arguments=["the-book"]) == ["EIO", 1]


def test_chance_is_that_of_the_seed(tmp_path: Path) -> None:
    """With one seed the same calls are hit again, with another others, and about as many as the chance says."""
    code = """
        file = create("beneath/a")
        print(json.dumps([attempt(os.write, file, b"x") for _ in range(2000)]))
    """
    told = []
    for seed in (1, 1, 2):
        with Faults(tmp_path / "beneath", seed=seed, control=tmp_path / f"control-{seed}") as faults:
            faults.fail(Operation.WRITE, chance=0.1)
            told.append(run(faults, tmp_path, code))
            assert 150 < faults.injected(Operation.WRITE) == told[-1].count("EIO") < 250
    assert told[0] == told[1] != told[2]


def test_most_bounds_how_many_fail(faults: Faults, tmp_path: Path) -> None:
    """With a bound so many fail, and then none."""
    faults.fail(Operation.WRITE, chance=1.0, most=2)
    code = """
        file = create("beneath/a")
        print(json.dumps([attempt(os.write, file, b"x") for _ in range(4)]))
    """
    assert run(faults, tmp_path, code) == ["EIO", "EIO", 1, 1]


def test_short_and_torn_writes(faults: Faults, tmp_path: Path) -> None:
    """A short write says that it wrote half, by write, pwrite and writev alike; after a torn one the next fails."""
    code = """
        file = create(sys.argv[1])
        told = [attempt(os.write, file, b"12345678"), attempt(os.pwrite, file, b"1234", 4)]
        print(json.dumps([*told, attempt(os.writev, file, [b"ab", b"cdefgh"])]))
    """
    faults.fail(Operation.WRITE, chance=1.0, kind=Kind.SHORT)
    assert run(faults, tmp_path, code, arguments=["beneath/short"]) == [4, 2, 2]
    assert (tmp_path / "beneath" / "short").read_bytes() == b"1234ab"
    faults.fail(Operation.WRITE, nth=1, kind=Kind.TEAR)
    assert run(faults, tmp_path, code, arguments=["beneath/torn"]) == [4, "EIO", 8]


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        (Operation.OPEN, 'lambda: os.close(os.open("beneath/b", os.O_WRONLY | os.O_CREAT))'),
        (Operation.OPEN, 'lambda: Path("beneath/b").write_bytes(b"")'),
        (Operation.OPEN, 'lambda: os.close(os.open("b", os.O_WRONLY | os.O_CREAT, dir_fd=folder))'),
        (Operation.SYNC, "lambda: os.fsync(file)"),
        (Operation.SYNC, "lambda: os.fdatasync(file)"),
        (Operation.RENAME, 'lambda: os.replace("beneath/a", "beneath/b")'),
        (Operation.RENAME, 'lambda: os.rename("a", "b", src_dir_fd=folder, dst_dir_fd=folder)'),
        (Operation.TRUNCATE, 'lambda: os.ftruncate(os.open("beneath/a", os.O_RDWR), 10)'),
        (Operation.UNLINK, 'lambda: os.unlink("beneath/a")'),
        (Operation.UNLINK, 'lambda: os.unlink("a", dir_fd=folder)'),
    ],
)
def test_each_operation_fails(faults: Faults, tmp_path: Path, operation: Operation, call: str) -> None:
    """Each kind of call fails as told, and the same call works once that is healed."""
    (tmp_path / "beneath" / "a").write_bytes(b"whole")
    # Opened to read: of OPEN only opening to write counts.
    code = f"""
        file, folder = os.open("beneath/a", os.O_RDONLY), os.open("beneath", os.O_RDONLY)
        print(json.dumps(attempt({call})))
    """
    faults.fail(operation, nth=1)
    assert run(faults, tmp_path, code) == "EIO"
    faults.heal()
    assert run(faults, tmp_path, code) in (None, 0)
    assert sum(faults.counters.values()) == faults.counters[operation.name.lower()] == 1


def test_full_disk_stops_growth_only(faults: Faults, tmp_path: Path) -> None:
    """On a full disk what is there can be written over, read and removed; nothing grows and nothing new is made."""
    (tmp_path / "beneath" / "a").write_bytes(b"12345678")
    faults.fill_disk()
    code = """
        file = os.open("beneath/a", os.O_RDWR)
        more = os.open("beneath/a", os.O_WRONLY | os.O_APPEND)
        print(json.dumps([
            attempt(os.pwrite, file, b"xx", 6), attempt(os.pwrite, file, b"xxx", 6), attempt(os.write, more, b"x"),
            attempt(os.ftruncate, file, 100), attempt(os.posix_fallocate, file, 0, 100), attempt(create, "beneath/b"),
            attempt(os.mkdir, "beneath/c"), attempt(os.ftruncate, file, 4), attempt(os.unlink, "beneath/a"),
        ]))
    """
    assert run(faults, tmp_path, code) == [2, *["ENOSPC"] * 6, None, None]
    assert faults.full_injected == 6
    faults.fill_disk(False)
    assert run(faults, tmp_path, 'print(json.dumps(attempt(os.write, create("beneath/b"), b"x")))') == 1


@pytest.mark.parametrize(
    ("operation", "kind", "error", "message"),
    [
        (Operation.WRITE, Kind.FAIL, errno.EIO, "disk I/O error"),
        (Operation.WRITE, Kind.FAIL, errno.ENOSPC, "database or disk is full"),
        (Operation.WRITE, Kind.TEAR, errno.ENOSPC, "database or disk is full"),
        (Operation.SYNC, Kind.FAIL, errno.EIO, "disk I/O error"),
    ],
)
def test_sqlite_goes_through(
    faults: Faults, tmp_path: Path, operation: Operation, kind: Kind, error: int, message: str
) -> None:
    """Python's sqlite3 raises OperationalError where its file's write or sync fails; later rows are stored, this one not."""
    assert run(faults, tmp_path, DATABASE, "print(json.dumps(True))")
    faults.fail(operation, nth=1, error=error, kind=kind, pattern="a.sqlite-wal")
    code = """
        insert = lambda number: database.execute("INSERT INTO rows VALUES (?)", (number,)).rowcount
        told = [attempt(insert, 1), attempt(insert, 2)]
        print(json.dumps([told, [number for (number,) in database.execute("SELECT number FROM rows")]]))
    """
    told, rows = run(faults, tmp_path, DATABASE, code)
    assert told == [f"OperationalError: {message}", 1]
    # What was appended to the log but could not be synced is no promise, and may be there.
    assert rows in ([[2], [1, 2]] if operation == Operation.SYNC else [[2]])
    assert faults.injected(operation) == 1 + (kind == Kind.TEAR)


def test_sqlite_goes_on_after_short_writes(faults: Faults, tmp_path: Path) -> None:
    """SQLite writes the rest after a short write: no row is lost, and the file is whole."""
    faults.fail(Operation.WRITE, chance=0.5, kind=Kind.SHORT)
    code = """
        for number in range(50):
            database.execute("INSERT INTO rows VALUES (?)", (number,))
        print(json.dumps([database.execute("PRAGMA integrity_check").fetchone()[0], database.execute(
            "SELECT count(*) FROM rows").fetchone()[0]]))
    """
    assert run(faults, tmp_path, DATABASE, code) == ["ok", 50]
    assert faults.injected(Operation.WRITE) > 10


# 5 is Linux's CLOCK_REALTIME_COARSE, which Python has no name for.
CLOCKS = "[time.time(), time.clock_gettime(5), time.monotonic()]"


def test_wall_clock_steps(faults: Faults, tmp_path: Path) -> None:
    """The wall clock is off by what was said, in Python and in SQLite; the monotonic one, which others share, is not."""
    code = f"""
        sqlite = sqlite3.connect(":memory:").execute("SELECT strftime('%s', 'now')").fetchone()[0]
        print(json.dumps([*{CLOCKS}, float(sqlite)]))
    """
    for offset in (3600, -3600, 0):
        faults.step_clock(offset)
        wall, coarse, monotonic, sqlite = run(faults, tmp_path, code)
        now = time.time()
        assert [abs(told - now - offset) < 10 for told in (wall, coarse, sqlite)] == [True] * 3
        assert abs(monotonic - time.monotonic()) < 10


def test_clock_steps_while_a_process_waits(faults: Faults, tmp_path: Path) -> None:
    """Timed waits take as long as they should while the clock is an hour off: nobody waits until the wrong hour."""
    faults.step_clock(3600)
    code = """
        began = time.monotonic()
        lock = threading.Lock()
        lock.acquire()
        told = [lock.acquire(timeout=0.05), threading.Event().wait(0.05)]
        select.select([], [], [], 0.05)
        print(json.dumps([told, time.monotonic() - began]))
    """
    told, took = run(faults, tmp_path, code)
    assert told == [False, False] and 0.15 <= took < 20


def test_control_holds_at_once(faults: Faults, tmp_path: Path) -> None:
    """What is said while a process runs holds from its next call on."""
    code = """
        file = create("beneath/a")
        for line in sys.stdin:
            print(json.dumps([attempt(os.write, file, b"x"), round(time.time() - time.monotonic())]), flush=True)
    """
    environment = {**os.environ, **faults.environment()}
    pipe = subprocess.PIPE
    with subprocess.Popen(command(code), cwd=tmp_path, env=environment, text=True, stdin=pipe, stdout=pipe) as process:
        assert process.stdin and process.stdout
        guard = threading.Timer(30, process.kill)
        guard.start()

        def ask() -> Any:
            assert process.stdin and process.stdout
            process.stdin.write("\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        written, before = ask()
        faults.fail(Operation.WRITE, chance=1.0)
        faults.step_clock(-3600)
        failed, after = ask()
        faults.heal()
        healed, _ = ask()
        process.stdin.close()
        guard.cancel()
    assert (written, failed, healed) == (1, "EIO", 1)
    assert -3602 <= after - before <= -3598


def test_no_compiler_is_a_sentence() -> None:
    """Where there is no C compiler, the error says so, and what to do."""
    with pytest.raises(RuntimeError, match=r"no C compiler 'no-such-compiler'.*install gcc or clang, or set CC"):
        shim.compiled("no-such-compiler")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        (Operation.WRITE, {"chance": 1.5}),
        (Operation.WRITE, {"nth": -1}),
        (Operation.WRITE, {"pattern": "x" * 64}),
        (Operation.SYNC, {"kind": Kind.SHORT}),
    ],
)
def test_nonsense_is_refused(faults: Faults, operation: Operation, arguments: dict[str, Any]) -> None:
    """What cannot be injected is a ValueError, and changes nothing."""
    with pytest.raises(ValueError, match="out of bounds|only a write"):
        faults.fail(operation, **arguments)
