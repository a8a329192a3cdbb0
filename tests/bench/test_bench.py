"""`make bench` works: its parts run on little, and what they say of a book is so. No time is judged here."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench.__main__ import QUICK, main
from bench.book import measure, twin_rate
from bench.growth import churning, touched_by
from bench.memory import build, resident_bytes, resting_orders
from bench.mixes import BTC, MIXES, stream_of
from bench.report import BEGIN, END, Report
from bench.steady import identities

from marksim.core.book.book import OrderBook
from marksim.core.types import ExecutionKind


def test_quick_form_prints_all_mixes(capsys: pytest.CaptureFixture[str]) -> None:
    """Every mix in every batch, beside the other books; it ends only if the books end in equal states."""
    main(["--quick", "--only", *MIXES])
    words = capsys.readouterr().out.split()
    assert all(words.count(name) == 2 for name in MIXES)


@pytest.mark.parametrize(
    ("part", "heading"),
    [
        ("growth", "as the book grows"),
        ("memory", "Memory of a book with 10,000 open orders"),
        ("steady", "steady state"),
        ("drift", "factor of 100"),
        ("coroutines", "Agents as coroutines"),
        ("unary", "One order a call"),
        ("engine_to_book", "Windows of orders over gRPC"),
        ("edge", "WebSocket clients"),
        ("populations", "with their book and ticks"),
        ("traders", "as populations grow"),
        ("aging", "as a market ages"),
        ("journal", "Bytes of a journal"),
        ("journal_cost", "with the journal and without it"),
        ("recovery", "Re-execution"),
    ],
)
def test_quick_form_of_each_part_prints_a_table(part: str, heading: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As Markdown, with a heading and rows of as many cells as columns."""
    main(["--quick", "--markdown", "--only", part])
    text = capsys.readouterr().out
    assert re.search(rf"^### .*{heading}", text, re.MULTILINE)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert tables
    for table in tables:
        lines = table.splitlines()
        assert len(lines) >= 3
        assert len({line.count("|") for line in lines}) == 1


def test_book_that_ends_in_another_state_ends_the_run() -> None:
    """Of the compiled book and of its twin."""
    stream = replace(stream_of(MIXES["churn"], 200, 1, resting=100, warm=0), state_hash="another")
    with pytest.raises(SystemExit, match="not in the state"):
        measure(stream, 4_096, replace(QUICK, commands=200))
    with pytest.raises(SystemExit, match="differ"):
        twin_rate(stream)


def test_counters_of_touched_slots_and_levels_count() -> None:
    """A command of random cancels and new orders looks at one to a few of each."""
    slots, levels = touched_by(stream_of(churning(200), 2_000, 1))
    assert 0.5 < slots < 10
    assert 0.5 < levels < 10


def test_measured_books_hold_what_they_say() -> None:
    """All orders rest or wait, with icebergs, expiries and stops where terms are asked for, and none trades."""
    book = OrderBook(BTC)
    output = book.apply(resting_orders(5_000, 1, terms=True))
    rows = book.resting()
    assert len(rows) == 5_000
    assert not (output.executions["kind"] == ExecutionKind.TRADED).any()
    assert (rows["expire_time_ns"] > 0).mean() == pytest.approx(0.2, abs=0.03)
    assert (rows["hidden_lots"] > 0).mean() == pytest.approx(0.05, abs=0.02)
    assert book.stop_count / 5_000 == pytest.approx(0.1, abs=0.02)
    held = build(5_000, terms=False)
    assert held.arrays / 5_000 > 50
    assert held.ladder_resident <= held.ladder + 8_192


def test_pages_count_as_resident_once_they_are_touched() -> None:
    """Of a fresh array, too large for memory that was used before, none is; then what was written."""
    array = np.zeros(1 << 27, np.uint8)
    assert resident_bytes(array) < 1 << 22
    array[: 1 << 24] = 1
    assert 1 << 24 <= resident_bytes(array) < 1 << 25
    assert resident_bytes(array[:0]) == 0


def test_arrays_that_a_book_replaces_are_seen() -> None:
    """A book that grows has other arrays than before, one that does not has the same."""
    book = OrderBook(BTC)
    book.apply(resting_orders(500, 1, terms=False))
    before = identities(book)
    book.apply(resting_orders(100, 501, terms=False))
    assert identities(book) == before
    book.apply(resting_orders(5_000, 601, terms=False))
    assert identities(book)["orders"] != before["orders"]


def test_figures_are_put_into_their_place_on_a_page(tmp_path: Path) -> None:
    """Instead of those that were there; a page without the place is refused."""
    page, report = tmp_path / "page.md", Report(markdown=True)
    page.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\nend\n")
    report.heading("Heading")
    report.table(["mix", "rate"], [["churn", 1.5]])
    report.write(page)
    table = "| mix | rate |\n| --- | ---: |\n| churn | 1.5 |"
    assert page.read_text() == f"# Title\n\n{BEGIN}\n\n### Heading\n\n{table}\n\n{END}\nend\n"
    page.write_text("# Title\n")
    with pytest.raises(SystemExit, match="no place"):
        report.write(page)


def test_table_is_plain_or_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures are to the right, small ones with three digits, large ones in groups."""
    for markdown in (False, True):
        Report(markdown).table(["mix", "rate"], [["churn", 1.23456], ["deep", 1_234_567.8], ["n", 4_096]])
    plain, _, table = capsys.readouterr().out.partition("| mix")
    assert plain.splitlines() == ["  mix         rate", "  churn       1.23", "  deep   1,234,568", "  n          4,096"]
    assert table.splitlines()[1:] == ["| --- | ---: |", "| churn | 1.23 |", "| deep | 1,234,568 |", "| n | 4,096 |"]
