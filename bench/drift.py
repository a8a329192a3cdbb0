"""A market whose price walks up by a factor of 100, down by 10,000 and back: does it trade all the way, and what does its
ladder hold then?
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from bench.memory import ladder_bytes, own_processes
from bench.mixes import Maker, Mix
from bench.report import Report
from marksim.core.book.book import OrderBook
from marksim.core.types import Instrument

START: Final = 100_000
FACTOR: Final = 100
STEPS: Final = 2_000
COMMANDS_A_STEP: Final = 200
WALKING: Final = Mix("a price that walks", 2_000, 0.4, 0.1, reach=10)
WIDE: Final = Instrument("BTC/USD", "BTC", "USD", Fraction(1, 2), Fraction(1, 1000), START, 1, 2 * FACTOR * START)


@dataclass(frozen=True)
class Walked:
    commands: int
    rejected: int
    quiet: int
    """Steps in which nothing traded."""
    low: int
    high: int
    ladder: int
    ladder_resident: int


def walk(steps: int = STEPS) -> Walked:
    """One whole walk: the logarithm of the price goes once around a circle."""
    book = OrderBook(WIDE)
    maker = Maker(
        WALKING,
        np.random.default_rng(4),
        book,
        WALKING.resting + (steps + 1) * COMMANDS_A_STEP + 1,
        WALKING.resting,
        centre=START,
    )
    maker.makers(WALKING.resting)
    quiet, path = 0, START * FACTOR ** np.sin(2 * np.pi * np.arange(steps + 1) / steps)
    for price in path:
        maker.centre, before = round(price), maker.trades
        maker.chunk(COMMANDS_A_STEP)
        quiet += maker.trades == before
    return Walked(
        (steps + 1) * COMMANDS_A_STEP, maker.rejected, quiet, round(path.min()), round(path.max()), *ladder_bytes(book)
    )


def drift(report: Report, steps: int = STEPS) -> None:
    """The table of one walk."""
    with own_processes() as pool:
        seen = pool.apply(walk, (steps,))
    report.heading(f"A price that walks by a factor of {FACTOR} up, and down, and back")
    report.table(
        ["from", "to", "commands", "orders rejected", "steps without a trade", "ladder, MiB", "of it in memory"],
        [
            [
                f"{seen.low:,}",
                seen.high,
                seen.commands,
                seen.rejected,
                seen.quiet,
                seen.ladder >> 20,
                seen.ladder_resident >> 20,
            ]
        ],
    )
