"""Packed rows: all that goes in comes out, whatever it is; and no bytes at all make the decoder do more than refuse."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from marksim.core.feed.packing import EMPTY, MAX_ROWS, layout_of, pack, pack_rows, unpack, unpack_from, unpack_rows
from marksim.core.types import COMMAND, DEPTH, EXECUTION, QUOTE, TICK, TRADE, Records

DTYPES = [COMMAND, EXECUTION, QUOTE, DEPTH, TICK, TRADE]
LEAST, MOST = -(1 << 63), (1 << 63) - 1
CELLS = st.one_of(
    st.integers(LEAST, MOST), st.integers(-300, 300), st.sampled_from([LEAST, LEAST + 1, -1, 0, 1, 255, 256, MOST - 1, MOST])
)


def rows_of(dtype: np.dtype[np.void], cells: list[int], climbing: bool) -> Records:
    """Rows whose columns have these numbers, one after the other; sums of them if `climbing`."""
    made: Records = np.zeros(len(cells), dtype)
    values = np.array(cells, np.int64)
    for index, name in enumerate(dtype.names or ()):
        column = np.roll(values, index)
        made[name] = (np.cumsum(np.abs(column >> 40)) if climbing else column).astype(made[name].dtype)
    return made


@given(dtype=st.sampled_from(DTYPES), cells=st.lists(CELLS, max_size=40), climbing=st.booleans())
@example(dtype=COMMAND, cells=[LEAST, MOST], climbing=False)
@example(dtype=TICK, cells=[MOST, LEAST, 0], climbing=False)
@settings(deadline=None, max_examples=400)
def test_what_was_packed_comes_back(dtype: np.dtype[np.void], cells: list[int], climbing: bool) -> None:
    """Rows of every dtype, with numbers of all sizes, the farthest apart too."""
    rows = rows_of(dtype, cells, climbing)
    packed = pack(rows)
    assert unpack(packed, dtype).tobytes() == rows.tobytes()
    assert pack(unpack(packed, dtype)) == packed


@given(dtype=st.sampled_from(DTYPES), count=st.integers(1, 300), seed=st.integers(0, 1 << 32))
@settings(deadline=None, max_examples=100)
def test_random_bytes_as_rows_come_back(dtype: np.dtype[np.void], count: int, seed: int) -> None:
    """They are hardly longer than they were."""
    rows = np.frombuffer(np.random.default_rng(seed).bytes(count * dtype.itemsize), dtype)
    packed = pack(rows)
    assert unpack(packed, dtype).tobytes() == rows.tobytes()
    assert len(packed) <= rows.nbytes + 9 * len(dtype.names or ()) + 16


def test_a_column_costs_what_it_says() -> None:
    """Nothing where it is constant, a byte where it climbs in small steps, however large it is."""
    rows: Records = np.zeros(1_000, COMMAND)
    rows["time_ns"] = 1_700_000_000_000_000_000 + np.arange(1_000) * 200
    rows["account"] = 1 << 40
    assert len(pack(rows)) < 1_000 + 60
    rows["price_ticks"] = np.where(np.arange(1_000) % 2, 100_000, 100_900)
    assert len(pack(rows)) < 3_000 + 60


def test_small_differences_of_any_sign_are_small() -> None:
    """A walk over a wide range in small steps takes a byte a step."""
    rows: Records = np.zeros(2_000, QUOTE)
    rows["bid_price_ticks"] = 1_000_000 + np.cumsum(np.where(np.arange(2_000) < 1_000, 60, -60))
    assert len(pack(rows)) < 2_000 + 60


def test_rows_that_are_not_contiguous_or_may_not_be_written_to_are_packed_as_well() -> None:
    """Every other row of some, backwards, and rows over bytes."""
    rows = rows_of(EXECUTION, list(range(10)), climbing=False)
    assert unpack(pack(rows[::-2]), EXECUTION).tobytes() == rows[::-2].tobytes()
    frozen = np.frombuffer(rows.tobytes(), EXECUTION)
    assert pack(frozen) == pack(rows)


def test_no_rows_are_three_bytes_of_any_dtype() -> None:
    """And come back as none of the dtype that is asked for."""
    assert {pack(np.zeros(0, dtype)) for dtype in DTYPES} == {EMPTY}
    assert unpack(EMPTY, TICK).dtype == TICK
    assert len(unpack(EMPTY, TICK)) == 0


@given(data=st.binary(max_size=200))
@example(data=b"\1\22\1" + bytes(18))
@example(data=b"\1\6\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(6))
@settings(deadline=None, max_examples=500)
def test_no_bytes_make_the_decoder_do_more_than_refuse(data: bytes) -> None:
    """ValueError, or rows that are packed there."""
    for dtype in (COMMAND, QUOTE):
        try:
            rows = unpack(data, dtype)
        except ValueError:
            continue
        assert unpack(pack(rows), dtype).tobytes() == rows.tobytes()


@given(seed=st.integers(0, 1 << 32), count=st.integers(1, 30), at=st.integers(0, 1 << 16), byte=st.integers(0, 255))
@settings(deadline=None, max_examples=300)
def test_a_flipped_byte_or_a_cut_is_no_look_beyond_the_end(seed: int, count: int, at: int, byte: int) -> None:
    """Packed rows with one byte changed, and cut off anywhere: the decoder writes only what there is room for."""
    rows = np.frombuffer(np.random.default_rng(seed).bytes(count * DEPTH.itemsize), DEPTH)
    packed = bytearray(pack(rows))
    cut = bytes(packed[: at % len(packed)])
    with pytest.raises(ValueError, match="not packed rows"):
        unpack(cut, DEPTH)
    packed[at % len(packed)] = byte
    guard = np.full(count * DEPTH.itemsize + 64, 0xA5, np.uint8)
    unpack_rows(np.frombuffer(bytes(packed), np.uint8), 0, layout_of(DEPTH), guard[: count * DEPTH.itemsize], 0)
    assert (guard[count * DEPTH.itemsize :] == 0xA5).all()


def test_what_is_not_whole_is_refused() -> None:
    """Bytes behind, another dtype, another version, and too little room."""
    packed = pack(rows_of(QUOTE, [1, 2, 3], climbing=False))
    with pytest.raises(ValueError, match="1 bytes follow"):
        unpack(packed + b"x", QUOTE)
    with pytest.raises(ValueError, match="not packed rows"):
        unpack(packed, COMMAND)
    with pytest.raises(ValueError, match="not packed rows"):
        unpack(b"\2" + packed[1:], QUOTE)
    room = np.zeros(3 * QUOTE.itemsize, np.uint8)
    assert unpack_rows(np.frombuffer(packed, np.uint8), 0, layout_of(QUOTE), room, 1) == -1
    assert not room.any()


def test_pieces_may_stand_one_after_the_other() -> None:
    """Each is read from where the one before it ended."""
    first, second = rows_of(QUOTE, [5, 6], climbing=False), rows_of(TICK, [7], climbing=False)
    data = np.frombuffer(b"...." + pack(first) + pack(second), np.uint8)
    read, at = unpack_from(data, 4, QUOTE)
    again, end = unpack_from(data, at, TICK)
    assert (read.tobytes(), again.tobytes(), end) == (first.tobytes(), second.tobytes(), len(data))


def test_rows_of_other_columns_are_refused() -> None:
    """Of four bytes, or with holes between them; and more rows than any window has."""
    for dtype in (np.dtype([("a", "<i4")]), np.dtype([("a", "<u1"), ("b", "<i8")], align=True)):
        with pytest.raises(ValueError, match="cannot be packed"):
            layout_of(dtype)
    many = np.broadcast_to(np.zeros(1, QUOTE), MAX_ROWS + 1)
    with pytest.raises(ValueError, match="more than"):
        pack(many)


def test_kernel_writes_no_further_than_it_says() -> None:
    """The room that `pack` gives it is enough for the widest rows, and what it returns is where they end."""
    rows = np.frombuffer(np.random.default_rng(3).bytes(7 * COMMAND.itemsize), COMMAND)
    bound = rows.nbytes + 9 * len(COMMAND.names or ()) + 16
    out = np.full(bound + 64, 0xA5, np.uint8)
    end = pack_rows(rows.copy().view(np.uint8), 7, layout_of(COMMAND), np.empty(7, np.int64), out)
    assert out[:end].tobytes() == pack(rows)
    assert (out[bound:] == 0xA5).all()
