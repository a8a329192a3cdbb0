"""What the archiver refuses at its start."""

from pathlib import Path

import pytest

from marksim.archiver.service import ArchiverService
from marksim.archiver.settings import ArchiverSettings
from marksim.runtime.settings import EXIT_USAGE
from marksim.store.archive import Archive
from tests.store.market import flush


def _refused(directory: Path, said: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        ArchiverService(ArchiverSettings(dir=directory))
    assert ended.value.code == EXIT_USAGE
    return said.readouterr().err


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names --dir: to start again would not help."""
    (tmp_path / "file").touch()
    said = _refused(tmp_path / "file", capsys)
    assert said.startswith(f"marksim archiver: --dir {tmp_path / 'file'} is wrong: the archive cannot be opened (")
    assert said.count("\n") == 1


def test_an_archive_that_another_archiver_has_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line again; once the other has closed it, the archive is had from the start."""
    other = Archive(tmp_path)
    assert "another archiver writes to" in _refused(tmp_path, capsys)
    other.close()
    ArchiverService(ArchiverSettings(dir=tmp_path))
    assert "another archiver writes to" in _refused(tmp_path, capsys)


def test_an_archive_whose_log_is_damaged_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names the file: rows from a wrong place on would be missing, or there twice."""
    archive = Archive(tmp_path)
    archive.write(flush(0, 3))
    archive.close()
    entry = tmp_path / "_log" / "000000000001.json"
    entry.write_text(entry.read_text(encoding="utf-8").replace('"last_window":3', '"last_window":2'), encoding="utf-8")
    said = _refused(tmp_path, capsys)
    assert f"--dir {tmp_path} is wrong: {entry}: its checksum differs" in said and said.count("\n") == 1
