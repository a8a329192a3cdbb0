"""Everything that is measured: `python -m bench [--only churn growth ...] [--quick] [--markdown] [--write]`.

What the parts are, and how to read their tables, says docs/performance.md.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from bench.book import BATCHES, Sizes, throughput
from bench.coroutines import coroutines
from bench.days import days
from bench.drift import drift
from bench.edge import fan_out
from bench.engine_to_book import engine_to_book
from bench.growth import growth
from bench.grpc_unary import unary
from bench.journal import journal
from bench.journal_cost import journal_cost
from bench.memory import memory
from bench.mixes import MIXES
from bench.populations import aging, populations, traders
from bench.recovery import recovery
from bench.report import Report, machine
from bench.steady import steady
from marksim.core.warm import compile_kernels

QUICK: Final = Sizes(commands=2_000, rounds=1, twin=300, twin_resting=300, resting=1_000)

PARTS: Final[dict[str, Callable[[Report], None]]] = {
    "growth": growth,
    "memory": memory,
    "steady": steady,
    "drift": drift,
    "coroutines": coroutines,
    "unary": unary,
    "engine_to_book": engine_to_book,
    "edge": fan_out,
    "populations": populations,
    "traders": traders,
    "aging": aging,
    "days": days,
    "journal": journal,
    "journal_cost": journal_cost,
    "recovery": recovery,
}
QUICK_PARTS: Final[dict[str, Callable[[Report], None]]] = {
    "growth": partial(growth, sizes=(100, 1_000), commands=2_000, rounds=1),
    "memory": partial(memory, orders=10_000),
    "steady": partial(steady, commands=40_000, resting=700),
    "drift": partial(drift, steps=100),
    "coroutines": partial(coroutines, agents=20, seconds=2),
    "unary": partial(unary, calls=40),
    "engine_to_book": partial(engine_to_book, windows=5, turns=1, sizes=(100,)),
    "edge": partial(fan_out, clients=10, seconds=0.4),
    "populations": partial(populations, seconds=60.0, rounds=1),
    "traders": partial(traders, sizes=(100, 1_000), seconds=20.0, rounds=1),
    "aging": partial(aging, ages_s=(10, 100), seconds=20.0),
    "recovery": partial(recovery, orders=4_000, scenarios=(("default", 20),), rounds=1, resting=1_000),
    "days": partial(days, chosen=(("equity-day", "2m"), ("default", "1m"))),
    "journal_cost": partial(journal_cost, sizes=(100,), windows=20, turns=1),
    "journal": partial(journal, orders=5_000, windows=300, seconds=20.0),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[*MIXES, *PARTS], help="mixes of the first table, or other parts")
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES, help="sizes of batch")
    parser.add_argument("--commands", type=int, default=Sizes.commands, help="of a round in the largest batches")
    parser.add_argument("--rounds", type=int, default=Sizes.rounds)
    parser.add_argument("--quick", action="store_true", help="only to see that all works: the figures mean nothing")
    parser.add_argument("--markdown", action="store_true", help="tables as docs/performance.md has them")
    parser.add_argument(
        "--write", nargs="?", type=Path, const=Path("docs/performance.md"), help="put them into a page (docs/performance.md)"
    )
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    report = Report(chosen.markdown or chosen.write is not None)
    report.note(machine())
    compile_kernels()
    names = chosen.only or [*MIXES, *PARTS]
    sizes = QUICK if chosen.quick else Sizes(commands=chosen.commands, rounds=chosen.rounds)
    if mixes := [name for name in names if name in MIXES]:
        throughput(report, sizes, mixes, tuple(chosen.batches))
    for name, part in (QUICK_PARTS if chosen.quick else PARTS).items():
        if name in names:
            part(report)
    report.note(f"Measured in {time.monotonic() - began:.0f} s.")
    if chosen.write is not None:
        report.write(chosen.write)


if __name__ == "__main__":
    main()
