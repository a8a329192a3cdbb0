"""The log of inputs: packed rows, pieces, and its bound."""

import numpy as np
import pytest

from marksim.core.errors import InvalidInput
from marksim.core.feed.ticks import opening_tick
from marksim.core.sim.inputs import CHUNK, EXECUTIONS, InputLog, packed, unpacked
from marksim.core.types import EXECUTION
from tests.core.sim.worlds import BTC

ROW = tuple(range(16))


def filled(windows: int, limit_bytes: int = 1 << 24) -> InputLog:
    """Two rows of each kind a window, and an event every hundredth."""
    log = InputLog(limit_bytes)
    for window in range(0, 3 * windows, 3):
        for symbol in range(2):
            log.tick(window, symbol, opening_tick(BTC, window * 1_000))
            log.execution(window, symbol, (window, *ROW[1:]))
        log.sent(window, 7, window << 50)
        if window % 300 == 0:
            log.event(window, {"kind": "halt", "window": window})
    return log


def same(left: InputLog, right: InputLog) -> bool:
    of_left, of_right = left.since(), right.since()
    return all(of_left[name].tobytes() == of_right[name].tobytes() for name in of_left)


@pytest.mark.parametrize("spread", [0, 1, 100, 30_000, 1 << 31, 1 << 62])
def test_rows_are_packed_without_loss(spread: int) -> None:
    """Whatever is in them, up to differences of 64 bits; what hardly changes takes few bytes."""
    rng = np.random.default_rng(1)
    rows = np.zeros(CHUNK, EXECUTIONS)
    for name in EXECUTION.names or ():
        most = 255 if EXECUTION[name].itemsize == 1 else spread
        rows["row"][name] = rng.integers(-most if most == spread else 0, most, CHUNK, endpoint=True)
    rows["row"]["sequence"][::2] = np.iinfo(np.int64).min
    rows["window"] = np.arange(CHUNK)
    data = packed(rows)
    assert unpacked(data, EXECUTIONS).tobytes() == rows.tobytes()
    if spread <= 1:
        assert len(data) < rows.nbytes / 3


def test_a_log_is_put_together_again_from_its_pieces() -> None:
    """Wherever it was cut into pieces, and also where pieces go further than what is wanted."""
    log, mark, pieces = InputLog(), [0, 0, 0, 0], []
    whole = filled(2_000)
    for window in whole.windows():
        for symbol, row in window.ticks.items():
            log.tick(window.window, symbol, opening_tick(BTC, int(row["time_ns"][0])))
        for symbol, rows in window.executions.items():
            for row in rows:
                log.execution(window.window, symbol, row.item())
        for account, digest in window.sent.items():
            log.sent(window.window, account, digest)
        for event in window.events:
            log.event(window.window, event)
        if window.window % 777 == 0:
            pieces.append(log.since(mark))
            mark = log.mark()
    pieces.append(log.since(mark))
    joined = InputLog.joined(pieces)
    assert same(log, whole)
    assert same(joined, whole)
    assert len(list(joined.windows())) == 2_000
    for windows in (2_000, 1_999, 1_200, 342, 341, 1, 0):
        joined.cut(3 * windows - 1)
        part = filled(windows)
        assert joined.mark() == part.mark()
        assert same(joined, part)
        assert joined.nbytes == InputLog.joined([joined.since()]).nbytes


def test_a_log_says_what_is_in_each_window() -> None:
    """By symbol and account; windows with nothing are not there."""
    windows = list(filled(400).windows())
    assert [one.window for one in windows] == list(range(0, 1_200, 3))
    for one in windows:
        times = [(symbol, rows["time_ns"].tolist()) for symbol, rows in one.ticks.items()]
        assert times == [(0, [one.window * 1_000]), (1, [one.window * 1_000])]
        assert [rows["sequence"].tolist() for rows in one.executions.values()] == [[one.window]] * 2
        assert one.sent == {7: one.window << 50}
        assert one.events == ([{"kind": "halt", "window": one.window}] if one.window % 300 == 0 else [])


def test_a_full_log_holds_nothing_for_ever() -> None:
    """The row that is one too many empties it."""
    log = filled(20)
    size = log.nbytes
    assert not filled(20, size).full
    full = filled(20, size - 1)
    full.tick(1_000, 0, opening_tick(BTC, 0))
    full.extend(log.since())
    assert (full.full, full.nbytes, full.mark(), list(full.windows())) == (True, 0, [0, 0, 0, 0], [])
    assert all(len(rows) == 0 for rows in full.since([50, 0, 3, 0]).values())
    assert InputLog.joined([log.since()], size - 1).full


def test_a_piece_that_does_not_fit_is_refused() -> None:
    """One of another kind, one that is not whole, and pieces in the wrong order."""
    piece = filled(20).since()
    with pytest.raises(InvalidInput, match="has no ticks of the kind that this version writes"):
        InputLog.joined([{**piece, "ticks": piece["sent"]}])
    with pytest.raises(InvalidInput, match="has no text"):
        InputLog.joined([{name: rows for name, rows in piece.items() if name != "text"}])
    with pytest.raises(InvalidInput, match="another length of text"):
        InputLog.joined([{**piece, "text": piece["text"][1:]}])
    with pytest.raises(InvalidInput, match="not in order: ticks of an earlier window come later"):
        InputLog.joined([piece, piece])
