"""The writer beside a simulation: what it holds, when it writes, and what becomes of its errors."""

import threading
from dataclasses import fields, replace
from pathlib import Path

import pytest

from marksim.core.sim.simulation import Piece, Simulation
from marksim.offline import recording
from marksim.offline.recording import ALL_TABLES, WAITING_PIECES, Recorder
from marksim.scenario import load_scenario
from marksim.store.archive import IN_ORDER, Archive, RunFacts
from marksim.store.parquet import read_table

SCENARIO = load_scenario("two-symbols", seed=2)
FACTS = RunFacts("run-1", "5cab", 2, SCENARIO.start_ns, SCENARIO.lookahead_ns, SCENARIO.instruments())


def pieces(seconds: int = 20) -> tuple[list[Piece], int]:
    """What a short run did, second by second, and its end."""
    simulation = Simulation(
        SCENARIO.instruments(), SCENARIO.cast(), seed=2, start_ns=SCENARIO.start_ns, lookahead_ns=SCENARIO.lookahead_ns
    )
    until = [SCENARIO.start_ns + second * 10**9 for second in range(1, seconds + 1)]
    return [kept(piece) for until_ns in until for piece in simulation.run(until_ns)], simulation.now_ns


def kept(piece: Piece) -> Piece:
    """With rows of its own: those of a piece hold until the next."""
    names = [field.name for field in fields(piece) if field.name != "symbol"]
    return replace(piece, **{name: getattr(piece, name).copy() for name in names})


def test_files_are_written_meanwhile_and_hold_each_row_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it writes, the tables are those that memory would have, in the same order."""
    made, end_ns = pieces()
    whole = Recorder(FACTS, ALL_TABLES, None)
    whole.begin()
    for piece in made:
        whole.put(piece)
    whole.finish(end_ns, IN_ORDER)
    monkeypatch.setattr(recording, "FLUSH_BYTES", 100_000)
    monkeypatch.setattr(recording, "TAKEN_EVENTS", 100)
    archive = Archive(tmp_path)
    written = Recorder(FACTS, ALL_TABLES, archive)
    written.begin()
    for piece in made:
        written.put(piece)
    written.finish(end_ns, IN_ORDER)
    assert written.tapes == whole.tapes and written.counts == whole.counts
    for (table, symbol), rows in whole.rows.items():
        files = sorted((tmp_path / table).glob(f"run=run-1/symbol={symbol.replace('/', '%2F')}/**/*.parquet"))
        assert len(files) > 1 or table == "positions"
        sequences = [sequence for path in files for sequence in read_table(path)["sequence"].to_pylist()]
        assert sequences == rows.records["sequence"].tolist(), table
    assert archive.is_complete("run-1")
    assert {item.through for item in archive.progress("run-1").values()} == {20 * 20 - 1}
    archive.close()


def test_a_piece_may_be_overwritten_once_it_was_put() -> None:
    """The simulation fills the same arrays again."""
    made, end_ns = pieces(5)
    plain, reused = Recorder(FACTS, ("executions",), None), Recorder(FACTS, ("executions",), None)
    plain.begin()
    reused.begin()
    for piece in made:
        plain.put(piece)
    plain.finish(end_ns, IN_ORDER)
    for piece in made:
        reused.put(piece)
        piece.executions["price_ticks"] = -1
    reused.finish(end_ns, IN_ORDER)
    assert reused.tapes == plain.tapes


def test_a_slow_writer_holds_the_simulation_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many pieces wait and no more; then `put` does."""
    gate, held = threading.Event(), threading.Event()
    take = Recorder._take

    def slow(self: Recorder, symbol: str) -> None:
        held.set()
        assert gate.wait(20)
        take(self, symbol)

    monkeypatch.setattr(Recorder, "_take", slow)
    monkeypatch.setattr(recording, "TAKEN_EVENTS", 1)
    (first, *_), end_ns = pieces(3)
    recorder = Recorder(FACTS, (), None)
    recorder.begin()
    recorder.put(first)
    assert held.wait(20)
    for _ in range(WAITING_PIECES):
        recorder.put(first)
    assert recorder._queue.full()
    monkeypatch.setattr(Recorder, "_take", lambda self, symbol: None)
    gate.set()
    recorder.finish(end_ns, IN_ORDER)


def test_an_error_of_the_writer_is_raised_where_the_pieces_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody waits for it any more, however many pieces follow."""
    made, end_ns = pieces(5)

    def broken(self: Recorder, symbol: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Recorder, "_take", broken)
    monkeypatch.setattr(recording, "TAKEN_EVENTS", 1)
    recorder = Recorder(FACTS, ALL_TABLES, None)
    recorder.begin()

    def put_all() -> None:
        for piece in made * (WAITING_PIECES + 2):
            recorder.put(piece)

    with pytest.raises(OSError, match="No space left"):
        put_all()
    with pytest.raises(OSError, match="No space left"):
        recorder.finish(end_ns, IN_ORDER)
    recorder.abandon()
