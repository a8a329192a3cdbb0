"""Whole simulated days in process: what a quant waits for, with the tape hash and with all tables written as Parquet.

Beside them stands what ABIDES needs for its own market, as measured on another machine with two cores: its figures are
constants here, since its packages do not go together with ours.
"""

import tempfile
import time
from typing import Final

from bench.report import Report
from marksim.offline import Result, simulate

ABIDES: Final = ("ABIDES rmsc04, 1,117 agents", 6.5, 472_869, 19.0)
"""Market, hours, messages, and wall seconds of a session on a machine with two cores."""

Day = tuple[str, str]
"""A ready scenario, and how long."""

DAYS: Final[tuple[Day, ...]] = (("equity-day", "6h50m"), ("default", "1d"), ("coroutines", "1h"), ("million", "10m"))


def days(report: Report, chosen: tuple[Day, ...] = DAYS) -> None:
    """Each twice: with the hash alone, and with all tables on the disk."""
    report.heading("Simulated time in process, hash included; then with all tables as Parquet")
    rows = []
    for scenario, until in chosen:
        simulate(scenario, until="1m", tables=())  # loads what is loaded once
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            bare = simulate(scenario, until=until, tables=())
            between = time.perf_counter()
            simulate(scenario, until=until, out=folder)
            rows.append(_row(scenario, bare, between - began, time.perf_counter() - between))
    report.table(
        ("scenario", "hours", "orders", "events", "wall s", "events/s", "times real time", "wall s with Parquet"), rows
    )
    name, hours, messages, wall_s = ABIDES
    report.note(
        f"{name}: {hours} h, {messages:,} messages in {wall_s:g} s, which is {messages / wall_s:,.0f} a second; "
        "an order of ours is about two events."
    )


def _row(scenario: str, bare: Result, bare_s: float, written_s: float) -> tuple[str | int | float, ...]:
    stats = bare.stats
    hours = stats.simulated_s / 3_600
    speed = stats.simulated_s / bare_s
    return scenario, hours, stats.orders, stats.events, bare_s, stats.events / bare_s, speed, written_s
