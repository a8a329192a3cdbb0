"""The tape hash: what it is over, and that neither batches nor shards nor a copy on the way change it."""

import copy
import hashlib
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marksim.core.errors import InvalidInput
from marksim.core.feed.tape import FIRST_LINK, TAPE_VERSION, TapeHash, run_hash
from marksim.core.feed.ticks import NO_TICKS, tick_row
from marksim.core.types import EXECUTION, NS_PER_MINUTE, TICK, Records, Tick

NO_EVENTS: Records = np.zeros(0, EXECUTION)


def tape(seed: int, minutes: int = 3, events: int = 60) -> tuple[Records, Records]:
    """Random events over some minutes, and a tick after about a third of them."""
    rng = np.random.default_rng(seed)
    rows = np.frombuffer(rng.bytes(events * EXECUTION.itemsize), EXECUTION).copy()
    rows["sequence"] = np.cumsum(rng.integers(1, 4, events))
    rows["time_ns"] = np.sort(rng.integers(0, minutes * NS_PER_MINUTE, events))
    after = np.sort(rng.choice(rows["sequence"], events // 3, replace=False))
    ticks = np.frombuffer(rng.bytes(len(after) * TICK.itemsize), TICK).copy()
    ticks["sequence"] = after
    return rows, ticks


def plain(rows: Records, ticks: Records) -> str:
    """The definition, read out record by record."""
    of_event = {int(tick["sequence"]): tick for tick in ticks}
    link, records, minute = FIRST_LINK, b"", None
    for row in rows:
        if minute not in (None, row["time_ns"] // NS_PER_MINUTE):
            link, records = hashlib.sha256(link + records).digest(), b""
        minute = row["time_ns"] // NS_PER_MINUTE
        records += bytes([16 * TAPE_VERSION + 1]) + row.tobytes()
        if int(row["sequence"]) in of_event:
            records += bytes([16 * TAPE_VERSION + 2]) + of_event[int(row["sequence"])].tobytes()
    return hashlib.sha256(link + records).hexdigest()


def whole(rows: Records, ticks: Records) -> str:
    hashed = TapeHash()
    hashed.update(rows, ticks)
    return hashed.hexdigest()


def part(rows: Records, ticks: Records, first: int, last: int) -> tuple[Records, Records]:
    """Some of the events with the ticks that follow them."""
    events = rows[first:last]
    return events, ticks[np.isin(ticks["sequence"], events["sequence"])]


@given(seed=st.integers(0, 1 << 32), cuts=st.lists(st.integers(0, 60), max_size=70), minutes=st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_batches_do_not_matter(seed: int, cuts: list[int], minutes: int) -> None:
    """Window by window, in any parts, or all at once: the hash is that of the definition."""
    rows, ticks = tape(seed, minutes)
    hashed = TapeHash()
    edges = sorted({0, *cuts, len(rows)})
    for first, last in itertools.pairwise(edges):
        hashed.update(*part(rows, ticks, first, last))
    assert hashed.hexdigest() == whole(rows, ticks) == plain(rows, ticks)


def test_a_large_batch_is_hashed_as_many_small_ones() -> None:
    """More events than are packed at a time, with ticks at the seams."""
    rows, ticks = tape(1, minutes=2, events=40_000)
    hashed = TapeHash()
    for first in range(0, len(rows), 37):
        hashed.update(*part(rows, ticks, first, first + 37))
    assert hashed.hexdigest() == whole(rows, ticks)


@pytest.mark.parametrize("name", EXECUTION.names or ())
def test_every_field_of_an_event_is_in_it(name: str) -> None:
    """One bit more in any column of one row gives another hash."""
    rows, _ = tape(2)
    changed = rows.copy()
    changed[name][-1] ^= 1
    assert whole(changed, NO_TICKS) != whole(rows, NO_TICKS)


@pytest.mark.parametrize("name", (TICK.names or ())[1:])
def test_every_field_of_a_tick_is_in_it(name: str) -> None:
    """The same of ticks, whose first column says where they stand."""
    rows, ticks = tape(3)
    changed = ticks.copy()
    changed[name][5] ^= 1
    assert whole(rows, changed) != whole(rows, ticks)


def test_it_matters_after_which_event_a_tick_stands() -> None:
    """The end of a window is part of the tape."""
    rows, ticks = tape(4)
    earlier = ticks[:1].copy()
    earlier["sequence"] = rows["sequence"][0]
    later = earlier.copy()
    later["sequence"] = rows["sequence"][1]
    assert whole(rows, earlier) != whole(rows, later)


def test_an_empty_batch_changes_nothing() -> None:
    """A window in which nothing happened is not on the tape."""
    rows, ticks = tape(5)
    hashed = TapeHash()
    assert hashed.hexdigest() == hashlib.sha256(FIRST_LINK).hexdigest()
    hashed.update(rows, ticks)
    hashed.update(NO_EVENTS, NO_TICKS)
    assert hashed.hexdigest() == whole(rows, ticks)


@pytest.mark.parametrize("through", [copy.deepcopy, copy.copy, lambda hashed: pickle.loads(pickle.dumps(hashed))])
def test_a_copy_goes_on_by_itself(through: object) -> None:
    """Of an open minute, as a snapshot keeps it; the original is not touched by what the copy takes."""
    rows, ticks = tape(6)
    hashed = TapeHash()
    hashed.update(*part(rows, ticks, 0, 25))
    before = hashed.hexdigest()
    assert callable(through)
    taken: TapeHash = through(hashed)
    taken.update(*part(rows, ticks, 25, len(rows)))
    assert taken.hexdigest() == whole(rows, ticks)
    assert hashed.hexdigest() == before
    hashed.update(*part(rows, ticks, 25, len(rows)))
    assert hashed.hexdigest() == whole(rows, ticks)


def test_a_tick_without_its_event_is_refused() -> None:
    """A caller that mixes up windows hears of it, and nothing of the batch was taken."""
    rows, ticks = tape(7)
    hashed = TapeHash()
    hashed.update(*part(rows, ticks, 0, 30))
    before = hashed.hexdigest()
    with pytest.raises(ValueError, match="a tick follows event"):
        hashed.update(rows[30:31], ticks[:1])
    with pytest.raises(ValueError, match="1 ticks came without the events"):
        hashed.update(NO_EVENTS, ticks[:1])
    assert hashed.hexdigest() == before


def test_a_tick_becomes_the_row_of_its_values() -> None:
    """Every field by its name, after the sequence."""
    tick = Tick(*range(2, 18))
    row = tick_row(tick, 1)
    assert row["sequence"].tolist() == [1]
    assert [int(row[name][0]) for name in (TICK.names or ())[1:]] == [getattr(tick, name) for name in (TICK.names or ())[1:]]


def test_the_hash_of_a_run_is_over_its_symbols_in_their_order() -> None:
    """Whatever the order in which shards answered; the bytes are those of the lines that people see."""
    lines = b"BTC/USD 01\nETH/USD 02\n"
    assert run_hash({"ETH/USD": "02", "BTC/USD": "01"}) == hashlib.sha256(lines).hexdigest()


def test_a_saved_hash_goes_on() -> None:
    """From any place; its records are shared, not copied, and what comes later is not among them."""
    rows, ticks = tape(8)
    hashed = TapeHash()
    for first in range(0, len(rows), 7):
        minute, link, records = hashed.state()
        before = hashed.hexdigest()
        hashed.update(*part(rows, ticks, first, first + 7))
        other = TapeHash.restored(minute, link, b"".join(records))
        assert other.hexdigest() == before
        other.update(*part(rows, ticks, first, len(rows)))
        assert other.hexdigest() == whole(rows, ticks)


@pytest.mark.parametrize(
    ("minute", "link", "records", "said"),
    [
        (-1, FIRST_LINK[1:], b"", "link has 31 bytes, not 32"),
        (-1, FIRST_LINK, b"\x11", "1 bytes of records do not go with minute -1"),
        (3, FIRST_LINK, b"", "0 bytes of records do not go with minute 3"),
        (3, FIRST_LINK, b"\x21", "begin with tag 33, not 17, that of version 1"),
    ],
)
def test_a_saved_hash_that_cannot_be_one_is_refused(minute: int, link: bytes, records: bytes, said: str) -> None:
    """Of another version, or damaged."""
    with pytest.raises(InvalidInput, match=said):
        TapeHash.restored(minute, link, records)
