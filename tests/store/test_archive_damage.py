"""Damage of what the archive keeps beside its rows: named, and never the place to go on from."""

import json
from pathlib import Path

import pytest

from marksim.core.errors import Damaged
from marksim.store.archive import IN_ORDER, Archive
from tests.store.market import BTC, flush


def test_a_log_entry_that_is_damaged_anywhere_is_named_or_says_what_it_said(tmp_path: Path) -> None:
    """With another byte, cut off or zeroed: how far the archive is is never another place; and it can be opened again."""
    archive = Archive(tmp_path)
    for first in (0, 4):
        archive.write(flush(first, first + 3, instruments=(BTC,)))
    archive.settle()
    position = archive.position(["BTC/USD"])
    archive.close()
    path = tmp_path / "_log" / "000000000002.json"
    whole, named, tried = path.read_bytes(), 0, 0
    for place, byte in enumerate(whole):
        changed = [whole[:place] + bytes([byte ^ mask]) + whole[place + 1 :] for mask in (0x01, 0x08)]
        for damaged in (*changed, whole[:place], whole[:place].ljust(len(whole), b"\0")):
            path.write_bytes(damaged)
            tried += 1
            try:
                archive = Archive(tmp_path)
            except Damaged as error:
                named += str(path) in error.message and "use another directory" in error.message
            else:
                assert archive.position(["BTC/USD"]) == position, damaged
                archive.close()
    assert named > 0.98 * tried
    path.write_bytes(whole)
    archive = Archive(tmp_path)
    assert archive.position(["BTC/USD"]) == position
    archive.close()


def test_an_entry_of_before_the_checksum_has_none(tmp_path: Path) -> None:
    """One that says it is of an older version, and has a checksum, is neither."""
    archive = Archive(tmp_path)
    archive.write(flush(0, 3))
    archive.close()
    path = tmp_path / "_log" / "000000000001.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 4}))
    with pytest.raises(Damaged, match=r"000000000001.json: its checksum differs"):
        Archive(tmp_path)


@pytest.mark.parametrize("place", [40, -20])
def test_a_damaged_row_of_a_run_is_named_and_nothing_of_the_flush_is_stored(tmp_path: Path, place: int) -> None:
    """Where the end of the run is to be told there: no error of the disk, after which one would try for ever."""
    archive = Archive(tmp_path)
    archive.write(flush(0, 3, instruments=(BTC,)))
    archive.settle()
    path = next((tmp_path / "runs").glob("**/part.parquet"))
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    with pytest.raises(Damaged, match="bring it back, or remove it") as caught:
        archive.write(flush(4, 7, instruments=(BTC,), ended={"run-1": IN_ORDER}))
    assert str(path) in caught.value.message
    assert archive.position(["BTC/USD"]) == ("run-1", 3)
    path.write_bytes(whole)
    archive.write(flush(4, 7, instruments=(BTC,), ended={"run-1": IN_ORDER}))
    assert archive.position(["BTC/USD"]) == ("run-1", 7)
    archive.close()
