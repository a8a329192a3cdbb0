"""The digest of a window's rows: what it is, that any other rows have another one, and that rows may lie anywhere."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marksim.core.feed.digest import rows_digest
from marksim.core.types import DEPTH, EXECUTION, QUOTE, TICK, Records

KINDS = (EXECUTION, QUOTE, DEPTH, TICK)
ALL = (1 << 64) - 1
SEED, FIRST, SECOND, LANE = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93

Parts = list[Records]


def rows_of(seed: int, counts: tuple[int, int, int, int]) -> Parts:
    """Random bytes as rows, so many of each kind."""
    rng = np.random.default_rng(seed)
    return [
        np.frombuffer(bytearray(rng.bytes(count * kind.itemsize)), kind) for count, kind in zip(counts, KINDS, strict=True)
    ]


def mixed(word: int, other: int) -> int:
    word = (word ^ other) * LANE & ALL
    return word ^ word >> 32


def finished(word: int) -> int:
    word = (word ^ word >> 30) * FIRST & ALL
    word = (word ^ word >> 27) * SECOND & ALL
    return word ^ word >> 31


def plain(parts: Parts) -> int:
    """The definition, word by word."""
    digest = SEED
    for part in parts:
        digest = mixed(digest, len(part))
    for part in parts:
        data = part.tobytes()
        words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
        in_lanes = len(data) // 32 * 4
        if in_lanes:
            lanes = [digest, FIRST, SECOND, SEED]
            for at, word in enumerate(words[:in_lanes]):
                lanes[at % 4] = mixed(lanes[at % 4], word)
            digest = mixed(finished(lanes[0]), lanes[1])
            digest = mixed(digest * SECOND & ALL, lanes[2])
            digest = mixed(digest * SECOND & ALL, lanes[3])
        for word in words[in_lanes:]:
            digest = mixed(digest, word)
        if data:
            digest = finished(digest)
    return digest


@given(seed=st.integers(0, 1 << 32), counts=st.tuples(*[st.integers(0, 9)] * 3, st.integers(0, 2)))
@settings(deadline=None, max_examples=60)
def test_it_is_what_its_definition_says(seed: int, counts: tuple[int, int, int, int]) -> None:
    """The same on every machine and in every version: it is kept beside what it is of."""
    parts = rows_of(seed, counts)
    assert rows_digest(*parts) == plain(parts)


def test_two_of_them_are_written_down() -> None:
    """A version that gave others could not read what another has recorded."""
    assert rows_digest(*rows_of(0, (0, 0, 0, 0))) == 3864176907710713893
    assert rows_digest(*rows_of(1, (3, 2, 3, 1))) == 17127315049732603909


@pytest.mark.parametrize("counts", [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (2, 1, 3, 1)])
def test_every_bit_is_in_it(counts: tuple[int, int, int, int]) -> None:
    """Also those of the last bytes, of which a row has no whole word: each flipped bit gives a digest of its own."""
    parts = rows_of(2, counts)
    found = {rows_digest(*parts)}
    flips = 0
    for part in parts:
        cells = part.view(np.uint8)
        for at, bit in itertools.product(range(len(cells)), range(8)):
            cells[at] ^= 1 << bit
            found.add(rows_digest(*parts))
            cells[at] ^= 1 << bit
            flips += 1
    assert len(found) == flips + 1


@pytest.mark.parametrize("name", ["quantity_lots", "time_ns", "sequence"])
def test_signs_that_flip_in_two_rows_do_not_cancel_out(name: str) -> None:
    """The highest bits of words that meet in one lane."""
    parts = rows_of(3, (16, 0, 16, 0))
    digest = rows_digest(*parts)
    for first, second in itertools.combinations(range(16), 2):
        changed = [part.copy() for part in parts]
        for row in (first, second):
            changed[0][name][row] ^= np.int64(-(1 << 63))
        assert rows_digest(*changed) != digest


def test_count_and_order_are_in_it() -> None:
    """Rows of zeros more or less, rows in another order, and rows of which a part is empty."""
    zeros = [rows_digest(*(np.zeros(n, kind) for n, kind in zip(counts, KINDS, strict=True))) for counts in ZEROS]
    assert len(set(zeros)) == len(ZEROS)
    parts = rows_of(4, (5, 5, 5, 1))
    turned = [rows_digest(*(part[::-1] if at == which else part for at, part in enumerate(parts))) for which in range(3)]
    assert len({*turned, rows_digest(*parts)}) == 4


ZEROS = [(a, b, c, d) for a, b, c in itertools.product(range(4), repeat=3) for d in (0, 1)]


def test_rows_may_lie_anywhere() -> None:
    """At an odd address, with gaps between them, or where nothing may be written."""
    parts = rows_of(5, (4, 3, 5, 1))
    shifted = [np.frombuffer(bytearray(b"x" + part.tobytes()), part.dtype, offset=1) for part in parts]
    wide = [np.repeat(part, 2)[::2] for part in parts]
    fixed = [np.frombuffer(part.tobytes(), part.dtype) for part in parts]
    assert not any(part.flags.writeable for part in fixed)
    assert {rows_digest(*rows) for rows in (shifted, wide, fixed)} == {rows_digest(*parts)}


def test_other_rows_are_refused() -> None:
    """Of another dtype, or in another order."""
    executions, quotes, depth, ticks = rows_of(6, (1, 1, 1, 1))
    wrong: Any = executions.view(np.uint8)
    for parts in ((quotes, executions, depth, ticks), (wrong, quotes, depth, ticks)):
        with pytest.raises(ValueError, match="are no output of a book"):
            rows_digest(*parts)
