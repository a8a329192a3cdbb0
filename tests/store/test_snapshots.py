"""Snapshots: what was written comes back to the bit, or is refused by name; the newest is found first."""

import errno
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from marksim.core.book.state import COUNTERS
from marksim.core.errors import Damaged, JournalFull, NotFound, Unreadable
from marksim.core.types import COMMAND
from marksim.store.snapshots import newest_snapshots, prune, read_snapshot, snapshot_path, write_snapshot

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
DTYPES = (
    st.sampled_from([COMMAND, COUNTERS, np.dtype([("x", "<i8", (2, 3)), ("y", [("z", "u1")])])]) | arrays.scalar_dtypes()
)


def written(directory: Path, window: int, **more: Any) -> Path:
    """A small snapshot at that window."""
    path = snapshot_path(directory, "book", window)
    values = {"levels": np.arange(window % 100), "orders": np.zeros(200, COMMAND)}
    write_snapshot(path, **{"kind": "book", "version": 1, "document": {"window": window}, "arrays": values, **more})
    return path


@given(document=PLAIN, data=st.data(), names=st.lists(st.text(max_size=5), unique=True, max_size=3))
@settings(deadline=None, max_examples=60)
def test_document_and_arrays_come_back(
    tmp_path_factory: pytest.TempPathFactory, document: Any, data: st.DataObject, names: list[str]
) -> None:
    """Every float to the bit, NaN and infinity too; arrays of any shape and dtype, which may be written to."""
    path = tmp_path_factory.mktemp("snapshots") / "engine-000000000001.snapshot"
    given_arrays: dict[str, np.ndarray[Any, Any]] = {}
    for name in names:
        dtype, shape = data.draw(DTYPES), data.draw(arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
        raw = data.draw(st.binary(min_size=8, max_size=8))
        size = math.prod(shape) * dtype.itemsize
        given_arrays[name] = np.frombuffer((raw * (size // 8 + 1))[:size], dtype).reshape(shape)
    size = write_snapshot(path, "engine", 3, document, given_arrays)
    assert path.stat().st_size == size
    version, told, got = read_snapshot(path, "engine", (2, 3))
    assert (version, json.dumps(told)) == (3, json.dumps(document))
    assert list(got) == list(given_arrays)
    for name, array in given_arrays.items():
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
        assert got[name].tobytes() == array.tobytes()
        assert got[name].flags.writeable


def test_every_byte_counts(tmp_path: Path) -> None:
    """One that is another, wherever, and an end that is missing, however long: each is refused, and named."""
    path = written(tmp_path, 7)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises((Damaged, Unreadable), match=path.name):
            read_snapshot(path, "book", (1,))
        path.write_bytes(whole[:at])
        with pytest.raises(Damaged, match=path.name):
            read_snapshot(path, "book", (1,))
    path.write_bytes(whole)
    assert read_snapshot(path, "book", (1,))[1] == {"window": 7}


def test_other_kinds_and_versions_and_places_are_refused_with_a_sentence(tmp_path: Path) -> None:
    """Never misread: a newer version, another kind, the container's own, another window's file under this name, none."""
    path = written(tmp_path, 7, version=2)
    with pytest.raises(Unreadable, match="is of version 2, and this marksim reads 1, 3: use the marksim that wrote it"):
        read_snapshot(path, "book", (1, 3))
    with pytest.raises(Unreadable, match="is a snapshot of kind 'book', not 'engine'"):
        read_snapshot(path, "engine", (2,))
    moved = path.rename(snapshot_path(tmp_path, "book", 8))
    with pytest.raises(Damaged, match=f"it was written as {path.name}"):
        read_snapshot(moved, "book", (2,))
    moved.write_bytes(b"marksim snapshot 2\nwhatever")
    with pytest.raises(Unreadable, match="is in form 2 of snapshots, and this marksim reads form 1"):
        read_snapshot(moved, "book", (2,))
    moved.write_bytes(b"")
    with pytest.raises(Damaged, match="does not begin as a snapshot does"):
        read_snapshot(moved, "book", (2,))
    with pytest.raises(NotFound, match="there is no snapshot"):
        read_snapshot(path, "book", (2,))


def test_snapshots_are_found_newest_first(tmp_path: Path) -> None:
    """By the number of their window, however long; those of others are not among them."""
    for window in (5, 1_000_000_000_000, 80, 79):
        written(tmp_path, window)
    (tmp_path / "engine-000000000090.snapshot").write_bytes(b"of others")
    (tmp_path / "book-x.snapshot").write_bytes(b"of others")
    assert [window for window, _ in newest_snapshots(tmp_path, "book")] == [1_000_000_000_000, 80, 79, 5]
    assert newest_snapshots(tmp_path, "none") == []


def test_old_ones_go_but_for_the_anchor(tmp_path: Path) -> None:
    """The newest two stay, and the oldest from which what is retained can be played; what was left half written goes."""
    for window in range(10, 100, 10):
        written(tmp_path, window)
    torn = tmp_path / ".book-000000000099.snapshot.tmp"
    torn.write_bytes(b"half")
    gone = prune(tmp_path, "book", keep=2, anchor=35)
    assert torn in gone and not torn.exists()
    assert [window for window, _ in newest_snapshots(tmp_path, "book")] == [90, 80, 40]
    prune(tmp_path, "book", keep=2)
    assert [window for window, _ in newest_snapshots(tmp_path, "book")] == [90, 80]
    prune(tmp_path, "book", keep=0)
    assert [window for window, _ in newest_snapshots(tmp_path, "book")] == [90]


@pytest.mark.parametrize(
    ("code", "error", "says"), [(errno.ENOSPC, JournalFull, "no room"), (errno.EIO, Damaged, "cannot be written")]
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_what_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception], says: str, call: str
) -> None:
    """A disk that is full or fails, at syncing or at renaming: named, nothing is left aside, the file is as it was."""
    path = written(tmp_path, 7)
    before = path.read_bytes()

    def fails(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os if call == "fsync" else Path, call, fails)
    with pytest.raises(error, match=f"{path.name} cannot be written") as caught:
        written(tmp_path, 7, document={"other": 1})
    assert says in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_what_no_snapshot_can_hold_is_refused(tmp_path: Path) -> None:
    """Objects in arrays, and what JSON does not know; then nothing is written."""
    with pytest.raises(TypeError, match="array x of a snapshot holds Python objects"):
        written(tmp_path, 1, arrays={"x": np.array([object()])})
    with pytest.raises(TypeError, match="not JSON serializable"):
        written(tmp_path, 1, document={"x": {1, 2}})
    assert list(tmp_path.iterdir()) == []
