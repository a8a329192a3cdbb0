"""What went into a window as one piece of bytes, and many windows taken apart at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marksim.core.feed.inputs import HAS_OUTPUT, PartInput, pack_inputs, unpack_inputs, unpack_windows
from marksim.core.types import COMMAND, Records


def commands(rng: np.random.Generator, most: int) -> Records:
    """Random ones, up to so many."""
    return np.frombuffer(rng.bytes(COMMAND.itemsize * int(rng.integers(0, most + 1))), COMMAND)


def window(rng: np.random.Generator, symbols: int) -> list[PartInput]:
    """Parts of about half of the symbols."""
    chosen = np.flatnonzero(rng.random(symbols) < 0.5).tolist()
    return [
        PartInput(
            symbol=symbol,
            flags=int(rng.integers(0, 4)),
            previous_window=int(rng.integers(-1, 1 << 40)),
            digest=int(rng.integers(0, 1 << 64, dtype=np.uint64)),
            outside=commands(rng, 3),
            commands=commands(rng, 12),
        )
        for symbol in chosen
    ]


def key(part: PartInput) -> tuple[object, ...]:
    return part.symbol, part.flags, part.previous_window, part.digest, part.outside.tobytes(), part.commands.tobytes()


@given(seed=st.integers(0, 1 << 32), symbols=st.integers(1, 300), count=st.integers(0, 8))
@settings(deadline=None, max_examples=60)
def test_windows_come_back_one_by_one_and_all_at_once(seed: int, symbols: int, count: int) -> None:
    """Both ways tell the same: of each symbol its windows, commands (those from outside first), digests and flags."""
    rng = np.random.default_rng(seed)
    windows = [window(rng, symbols) for _ in range(count)]
    pieces = [pack_inputs(parts) for parts in windows]
    for parts, piece in zip(windows, pieces, strict=True):
        assert list(map(key, unpack_inputs(piece))) == list(map(key, parts))
    numbers = np.arange(100, 100 + count)
    taken = unpack_windows(pieces, numbers, symbols)
    assert len(taken) == symbols
    for symbol, got in enumerate(taken):
        own = [(number, part) for number, parts in zip(numbers.tolist(), windows, strict=True) for part in parts]
        own = [(number, part) for number, part in own if part.symbol == symbol]
        assert got.windows.tolist() == [number for number, _ in own]
        assert got.digests.tolist() == [part.digest for _, part in own]
        assert got.has_output.tolist() == [bool(part.flags & HAS_OUTPUT) for _, part in own]
        assert len(got.bounds) == len(own) + 1
        for index, (_, part) in enumerate(own):
            rows = got.commands[got.bounds[index] : got.bounds[index + 1]]
            assert rows.tobytes() == part.outside.tobytes() + part.commands.tobytes()


@given(seed=st.integers(0, 1 << 32), at=st.integers(0, 1 << 16), byte=st.integers(0, 255), cut=st.booleans())
@settings(deadline=None, max_examples=300)
def test_damaged_pieces_are_refused_or_read_within_their_bounds(seed: int, at: int, byte: int, cut: bool) -> None:
    """A byte changed or the end cut off: ValueError that names the window, or as many windows as there are pieces."""
    rng = np.random.default_rng(seed)
    pieces = [pack_inputs([*window(rng, 4), PartInput(1, 1, 3, 4, commands(rng, 3), commands(rng, 3))]) for _ in range(3)]
    damaged = bytearray(pieces[1])
    damaged[at % len(damaged)] = byte
    pieces[1] = bytes(damaged[: at % len(damaged)] if cut else damaged)
    try:
        taken = unpack_windows(pieces, np.arange(7, 10), 4)
    except ValueError as error:
        assert str(error) == "what went into window 8 cannot be read"  # noqa: PT017  one of two ways that both are right
    else:
        assert all(set(got.windows.tolist()) <= {7, 8, 9} for got in taken)
    try:
        for part in unpack_inputs(pieces[1]):
            assert part.symbol >= 0
    except ValueError as error:
        assert str(error)  # noqa: PT017


def test_a_symbol_that_there_is_not_is_refused() -> None:
    """Two symbols are 0 and 1."""
    none: Records = np.zeros(0, COMMAND)
    piece = pack_inputs([PartInput(2, 0, -1, 0, none, none)])
    with pytest.raises(ValueError, match="window 5 cannot"):
        unpack_windows([piece], np.array([5]), 2)


def test_a_piece_that_ends_within_a_number_is_refused() -> None:
    """One by one as well."""
    with pytest.raises(ValueError, match="end within a number"):
        list(unpack_inputs(b"\x80"))
