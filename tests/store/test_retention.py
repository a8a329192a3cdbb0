"""What a journal drops, and what it never does."""

from pathlib import Path

import pytest

from marksim.core.errors import JournalFull, NotFound
from marksim.store.journal import Durability, Gap, Journal, JournalLimits, JournalReader
from marksim.store.retention import AT_HARD_CAP, STEP_ROWS
from tests.store.recorded import RUN, empty, key, window

LARGE = 30
"""Rows of a table in a large window, at most: some 10 kB of it."""


class Clock:
    """Wall time that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def opened(directory: Path, limits: JournalLimits, clock: Clock) -> Journal:
    """A journal of RUN."""
    journal = Journal(directory, Durability.PROCESS, limits, clock=clock)
    if journal.run is None:
        journal.begin(RUN)
    return journal


def grow(journal: Journal, count: int, most: int = 3) -> None:
    """Append so many windows."""
    for number in range(journal.last_window + 1, journal.last_window + 1 + count):
        journal.append(window(number, most=most, share=1.0))


def test_old_windows_go_and_others_stay(tmp_path: Path) -> None:
    """By the wall time at which they were written; what stays is as it was, also after a restart."""
    clock = Clock()
    with opened(tmp_path, JournalLimits(max_age_s=100), clock) as journal:
        journal.set_saved(10_000)
        grow(journal, 3 * STEP_ROWS)
        clock.now += 60
        grow(journal, 50)
        clock.now += 60
        trimmed = journal.trim(10_000, 10_000)
        assert (trimmed.first_window, trimmed.windows, trimmed.gap) == (3 * STEP_ROWS, 3 * STEP_ROWS, None)
        assert not trimmed.full
        with pytest.raises(NotFound, match=f"window 5 is no longer here; the first is {3 * STEP_ROWS}") as caught:
            next(journal.windows(5))
        assert (caught.value.reason, caught.value.metadata) == ("TRIMMED", {"first_window": str(3 * STEP_ROWS)})
        assert journal.find(5) is None
    with opened(tmp_path, JournalLimits(), clock) as journal:
        kept = range(3 * STEP_ROWS, 3 * STEP_ROWS + 50)
        assert journal.first_window == kept[0]
        assert list(map(key, journal.windows(kept[0]))) == [key(window(number, share=1.0, most=3)) for number in kept]


def test_the_last_window_always_stays(tmp_path: Path) -> None:
    """However old it is: the next one follows it."""
    clock = Clock()
    with opened(tmp_path, JournalLimits(max_age_s=1), clock) as journal:
        grow(journal, 20)
        journal.set_saved(19)
        clock.now += 1e6
        journal.trim(20, 20)
        assert (journal.first_window, journal.last_window) == (19, 19)
        grow(journal, 1)


@pytest.mark.parametrize(
    ("keep_from", "saved", "reader", "first"),
    [(7, 90, 90, 7), (90, 6, 90, 7), (90, 90, 6, 7), (90, 90, -1, 0), (90, -1, 90, 0), (90, 90, None, 90)],
)
def test_what_somebody_wants_stays_while_there_is_room(
    tmp_path: Path, keep_from: int, saved: int, reader: int | None, first: int
) -> None:
    """The older snapshot, the engine, a named reader: from the first window on that one of them does not have."""
    clock = Clock()
    with opened(tmp_path, JournalLimits(max_age_s=1), clock) as journal:
        grow(journal, 100)
        journal.set_saved(saved)
        if reader is not None:
            journal.confirm("archiver", reader)
        clock.now += 1e6
        trimmed = journal.trim(keep_from, 95)
        assert (trimmed.first_window, journal.first_window, trimmed.gap) == (first, first, None)
        assert journal.gaps() == []


def test_a_row_of_empty_windows_stays_as_long_as_one_of_them_does(tmp_path: Path) -> None:
    """It goes whole or not at all."""
    clock = Clock()
    with opened(tmp_path, JournalLimits(max_age_s=1), clock) as journal:
        grow(journal, 1)
        journal.append(empty(1, 50))
        grow(journal, 5)
        journal.set_saved(30)
        clock.now += 1e6
        journal.trim(90, 90)
        assert journal.first_window == 1
        journal.set_saved(60)
        journal.trim(51, 51)
        assert journal.first_window == 51


def test_beyond_the_soft_size_the_oldest_go_and_the_file_grows_no_more(tmp_path: Path) -> None:
    """Pages that are free are used again: after many times its size the file is not larger than at first."""
    clock = Clock()
    with opened(tmp_path, JournalLimits(soft_mib=2, hard_mib=8), clock) as journal:
        sizes = []
        for _ in range(12):
            grow(journal, 150, LARGE)
            journal.set_saved(journal.last_window)
            journal.trim(journal.last_window, journal.last_window)
            info = journal.info()
            sizes.append(info.file_bytes)
            assert info.used_bytes <= 2 << 20
        assert journal.first_window > 400
        assert max(sizes[6:]) <= max(sizes[:6]) * 1.1
        journal.compact()
        assert journal.info().file_bytes <= 2 << 20
        grow(journal, 3)
        assert len(list(journal.windows(journal.first_window))) == journal.last_window + 1 - journal.first_window


def test_near_the_hard_cap_a_reader_loses_windows_and_sees_which(tmp_path: Path) -> None:
    """One gap, however many steps it took, that names the windows; what engine and newest snapshot need stays."""
    clock = Clock()
    limits = JournalLimits(soft_mib=1, hard_mib=2)
    with opened(tmp_path, limits, clock) as journal:
        journal.confirm("archiver", 9)
        while journal.info().used_bytes <= 15 << 17:
            grow(journal, 5, LARGE)
        journal.set_saved(journal.last_window)
        trimmed = journal.trim(3, journal.last_window)
        assert trimmed.gap == (10, journal.first_window - 1)
        assert trimmed.first_window == journal.first_window > 10
        first_gap = Gap(10, journal.first_window - 1, AT_HARD_CAP, int(clock.now))
        assert journal.gaps() == [first_gap]
        # The rest of what it wants is still there.
        assert next(journal.windows(journal.first_window)).window == journal.first_window < journal.last_window
        clock.now += 5
        grow(journal, 30, LARGE)
        journal.set_saved(journal.last_window)
        journal.trim(journal.last_window, journal.last_window)
    with JournalReader(tmp_path) as reader:
        assert reader.gaps() == [Gap(10, reader.span()[0] - 1, AT_HARD_CAP, int(clock.now))]
        assert reader.info().gaps == reader.gaps()


def test_what_engine_and_newest_snapshot_need_never_goes(tmp_path: Path) -> None:
    """Then the journal is full, says so, and takes windows again once one of them has moved on."""
    clock = Clock()
    with opened(tmp_path, JournalLimits(soft_mib=1, hard_mib=1), clock) as journal:
        journal.set_saved(4)
        for _ in range(5):
            # Each time there is a little less to drop.
            with pytest.raises(JournalFull):
                grow(journal, 1_000, LARGE)
            trimmed = journal.trim(900, 900)
        assert (trimmed.first_window, trimmed.full) == (5, True)
        assert journal.trim(900, 900).windows == 0
        with pytest.raises(JournalFull):
            grow(journal, 1_000, LARGE)
        journal.set_saved(900)
        assert 5 < journal.trim(900, 20).first_window <= 20
        assert journal.gaps() == []
        grow(journal, 1, LARGE)


def test_a_reader_that_is_overtaken_is_told(tmp_path: Path) -> None:
    """Windows that go while somebody reads them one after the other are no end of the journal."""
    clock = Clock()
    with opened(tmp_path, JournalLimits(max_age_s=1), clock) as journal:
        grow(journal, 800)
        journal.set_saved(900)
        reading = journal.windows(0)
        assert next(reading).window == 0
        clock.now += 1e6
        journal.trim(790, 790)
        with pytest.raises(NotFound, match="the first is 790"):
            list(reading)
