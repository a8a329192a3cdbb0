"""The ring keeps the newest frames whole, in bounded memory."""

import random

import numpy as np

from marksim.orderbook.ring import FrameRing, Segment


def segments(size: int, fill: int = 1) -> list[bytes]:
    """A frame of that size: a head of one byte, the rest executions."""
    return [bytes([fill]), b"", b"", b"", b"", b"", bytes([fill]) * (size - 1)]


def test_frames_come_back_by_part() -> None:
    """A frame is read with the asked parts only, and always with its head."""
    ring = FrameRing(1 << 16)
    ring.append(1, 0, 0, [b"head", b"tick", b"", b"quotes", b"", b"", b"executions"], 0)
    entry = ring.entry(0)
    assert ring.read(entry, (Segment.TICK, Segment.QUOTES)) == b"headtickquotes"


def test_oldest_give_way_and_the_rest_stays_whole() -> None:
    """With frames of any size, what is in the ring reads back as it was written, and its memory does not grow."""
    seed = 11
    source = random.Random(seed)
    ring = FrameRing(1 << 14)
    written: dict[int, bytes] = {}
    for window in range(3_000):
        frame = segments(source.randint(1, 3_000), window % 251)
        written[ring.head] = b"".join(frame)
        ring.append(1, window, 0, frame, window)
        numbers = range(ring.tail, ring.head)
        found = [ring.read(ring.entry(number), (Segment.EXECUTIONS,)) for number in numbers]
        assert found == [written[number] for number in numbers], f"seed {seed}, window {window}"
        assert numbers and ring.used_bytes <= ring.size_bytes
        assert ring.evicted == ((1, ring.tail - 1) if ring.tail else None)


def test_whole_windows_give_way() -> None:
    """The frames of one window leave together, so that no reader gets half a window."""
    ring = FrameRing(1 << 12)
    for window in range(20):
        for symbol in range(2):
            ring.append(1, window, symbol, segments(500), 0)
        assert ring.entry(ring.tail).symbol == 0


def test_position_is_found_by_run_and_window() -> None:
    """`after` gives the first frame behind a window, across runs and windows without frames."""
    ring = FrameRing(1 << 16)
    for run, window in ((1, 2), (1, 5), (2, 0), (2, 3)):
        ring.append(run, window, 0, segments(10), 0)
    assert [ring.after(*place) for place in ((1, -1), (1, 2), (1, 4), (1, 5), (2, 0), (2, 3))] == [0, 1, 1, 2, 3, 4]


def test_newest_of_each_symbol() -> None:
    """Of any stretch, of any symbols, with any parts: the newest frames, and a count of those before them."""
    seed = 12
    source = random.Random(seed)
    ring = FrameRing(1 << 13)
    for window in range(2_000):
        parts = [b"h", *(bytes(source.choice((0, 0, 3))) for _ in range(6))]
        ring.append(1 + window // 700, window, source.randrange(5), parts, 0)
        first = source.randint(ring.tail, ring.head)
        stop = source.randint(first, ring.head)
        asked = np.array([source.random() < 0.5 for _ in range(5)])
        wanted = source.sample(list(Segment)[1:], 2)
        found = [ring.entry(number) for number in range(first, stop)]
        found = [entry for entry in found if asked[entry.symbol] and len(ring.read(entry, wanted)) > 1]
        newest = {entry.symbol: entry for entry in found}
        expected = sorted(newest.values(), key=lambda entry: entry.window), len(found) - len(newest)
        assert ring.newest(first, stop, asked, wanted) == expected, f"seed {seed}, window {window}"


def test_a_run_ends_where_the_next_begins() -> None:
    """`end_of` is behind a run's last entry, also of one of which the ring has none."""
    ring = FrameRing(1 << 16)
    for run, window in ((1, 2), (1, 5), (3, 0)):
        ring.append(run, window, 0, segments(10), 0)
    assert [ring.end_of(run) for run in range(5)] == [0, 2, 2, 3, 3]


def test_old_frames_expire() -> None:
    """What is older than the stated age leaves even if there is room."""
    ring = FrameRing(1 << 16, max_age_s=1.0)
    ring.append(1, 0, 0, segments(10), 0)
    ring.append(1, 1, 0, segments(10), 600)
    ring.append(1, 2, 0, segments(10), 1_001)
    assert (ring.tail, ring.head, ring.evicted) == (1, 3, (1, 0))


def test_frame_larger_than_half_the_ring_is_a_gap() -> None:
    """A frame that would leave no room for others is not kept; readers learn of it as evicted."""
    ring = FrameRing(1 << 12)
    ring.append(1, 0, 0, segments(10), 0)
    ring.append(1, 1, 0, segments(1 << 12), 0)
    assert (ring.head - ring.tail, ring.evicted) == (0, (1, 1))
    ring.append(1, 2, 0, segments(10), 0)
    assert ring.entry(ring.tail).window == 2


def test_number_of_entries_is_bounded() -> None:
    """Tiny frames are bounded by the index."""
    ring = FrameRing(1 << 16)
    for window in range(5_000):
        ring.append(1, window, 0, segments(1), 0)
    assert ring.head - ring.tail == ring.capacity == 1_024


def test_older_runs_are_forgotten() -> None:
    """Their frames leave, those of the run stay, and what was gone before is not forgotten for less."""
    ring = FrameRing(1 << 16)
    for run in (1, 2, 3):
        ring.append(run, 0, 0, segments(10), 0)
    ring.forget(3)
    assert ([ring.entry(number).run for number in range(ring.tail, ring.head)], ring.evicted) == ([3], (3, -1))
    ring.expire(1 << 60)
    ring.forget(3)
    assert (ring.head - ring.tail, ring.evicted) == (0, (3, 0))
