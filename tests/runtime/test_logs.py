"""Lines on stderr: JSON for machines, text for people."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from marksim.runtime.logs import configure_logs, get_logger


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root = logging.getLogger()
    handlers, level, raising = list(root.handlers), root.level, logging.raiseExceptions
    yield
    root.handlers[:], logging.raiseExceptions = handlers, raising
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def test_a_line_is_json_where_there_is_no_terminal() -> None:
    """One object a line, with time, level, service and the facts."""
    stream = io.StringIO()
    configure_logs("edge", stream=stream)
    get_logger("marksim.test").info("window sealed", window=7)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["window"], line["service"], line["level"]) == ("window sealed", 7, "edge", "info")
    assert line["timestamp"].endswith("Z")


def test_the_standard_library_logs_the_same_way() -> None:
    """Libraries use `logging`; their lines are like ours, tracebacks included."""
    stream = io.StringIO()
    configure_logs("edge", stream=stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("library").exception("failed %d", 1)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["logger"], line["level"]) == ("failed 1", "library", "error")
    assert "ValueError: broken" in line["exception"]


def test_the_level_is_kept() -> None:
    """Below it nothing is written."""
    stream = io.StringIO()
    configure_logs("edge", "warning", stream=stream)
    get_logger("marksim.level").info("no")
    assert stream.getvalue() == ""


def test_people_read_text() -> None:
    """`human` is no JSON and, off a terminal, without colours."""
    stream = io.StringIO()
    configure_logs("edge", log_format="human", stream=stream)
    get_logger("marksim.human").warning("slow", lag_s=2)
    text = stream.getvalue()
    assert "slow" in text
    assert "lag_s=2" in text
    assert "\x1b" not in text
