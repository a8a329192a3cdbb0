"""Settings of the edge that depend on each other."""

import pytest

from marksim.edge.settings import EdgeSettings
from marksim.runtime.settings import load_settings


@pytest.mark.parametrize(
    "flags",
    [["--high-water-kib", "2048"], ["--max-buffer-kib", "64"], ["--high-water-kib", "99", "--max-buffer-kib", "98"]],
)
def test_a_client_is_conflated_before_it_is_cut_off(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A buffer that is not larger than the high-water mark is refused with both flags, whichever was given."""
    with pytest.raises(SystemExit) as ended:
        load_settings(EdgeSettings, "edge", flags)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("marksim edge: --max-buffer-kib ") and "must be more than --high-water-kib (" in said


def test_a_larger_buffer_is_accepted() -> None:
    """One KiB more is enough."""
    settings = load_settings(EdgeSettings, "edge", ["--high-water-kib", "2048", "--max-buffer-kib", "2049"])
    assert settings.max_buffer_kib == 2049
