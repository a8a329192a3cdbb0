"""Long seeded streams against both books; the first difference is made small and written down as a test.

    python -m tests.core.book.fuzz --commands 1000000 --jobs 2 --seed 1

Every part has its own seed: a run is repeated by its flags, and a part by its `--mix` and `--seed`. What differs is made
small and put into build/fuzz as a test file that needs nothing else.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from enum import IntEnum
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np

from marksim.core.book.book import EARLIEST_NS, OrderBook
from marksim.core.book.checks import violations
from marksim.core.book.reference import ReferenceBook
from marksim.core.types import COMMAND, Instrument, Records
from tests.core.book.commands import instrument, same
from tests.core.book.ledger import Ledger
from tests.core.book.streams import MIXES, stream, traded_in

PART: Final = 10_000
DEEP_PART: Final = 2_500
"""Commands of a part; of the mixes with many resting orders, in which the plain book is slow, fewer."""

TEST: Final = '''"""Found by tests/core/book/fuzz.py: mix {mix!r}, seed {seed}. {problem}"""

{imports}from tests.core.book.commands import batch, instrument
from tests.core.book.fuzz import difference

COMMANDS = batch(
{rows}
)


def test_books_agree() -> None:
    """The shortest stream in which they did not."""
    traded = instrument({changes})
    assert difference(COMMANDS, traded, {max_orders}, [{sizes}] * {batches}) is None
'''


def difference(
    commands: Records, traded: Instrument, max_orders: int, sizes: list[int], end_after_ns: int | None = None
) -> str | None:
    """Apply the commands in batches of these sizes to both books; the first thing that is not as it should be, in words.

    With `end_after_ns` each batch's window ends so long after its last command.
    """
    plain, fast = ReferenceBook(traded, max_orders), OrderBook(traded, max_orders)
    ledger = Ledger(plain.session_state)
    at = 0
    for size in sizes:
        part = commands[at : at + size]
        if not len(part):
            break
        end_ns = EARLIEST_NS if end_after_ns is None else int(part["time_ns"].max()) + end_after_ns
        expected, output = plain.apply(part, end_ns), fast.apply(part, end_ns)
        where = f"commands {at} to {at + len(part) - 1}"
        if not same(expected, output):
            return f"The rows differ at {where}."
        if plain.state_hash() != fast.state_hash() or plain.next_due_ns != fast.next_due_ns:
            return f"The states differ after {where}."
        if plain.session != fast.session or not np.array_equal(plain.by_order(3, 2), fast.by_order(3, 2)):
            return f"What is published differs after {where}."
        ledger.add(output)
        at += size
    if problems := [*violations(fast), *ledger.check(fast)]:
        return f"After {min(at, len(commands))} commands: {problems[0][:300]}"
    return None


def shrink(commands: Records, differs: Callable[[Records], bool]) -> Records:
    """A short stream that still differs: parts are left out as long as that is so."""
    size = len(commands) // 2
    while size:
        at = 0
        while at < len(commands):
            less = np.concatenate([commands[:at], commands[at + size :]])
            if len(less) and differs(less):
                commands = less
            else:
                at += size
        size //= 2
    return commands


def code_of(value: object) -> str:
    """A field of an instrument as source."""
    if isinstance(value, IntEnum):
        return f"{type(value).__name__}({value:d})"
    if isinstance(value, tuple):
        return f"({' '.join(f'{code_of(each)},' for each in value)})"
    return repr(value)


def written(mix: str, seed: int, commands: Records, problem: str, sizes: list[int]) -> Path:
    """A test file of the commands."""
    rows = []
    for values in commands.tolist():
        row = {name: value for name, value in zip(COMMAND.names or (), values, strict=True) if value}
        rows.append(f"    {row!r},")
    chosen, usual = MIXES[mix], instrument()
    traded = {name: (getattr(traded_in(chosen), name), getattr(usual, name)) for name in Instrument.__slots__}
    changes = {name: code_of(value) for name, (value, before) in traded.items() if value != before}
    enums = [
        name
        for name in ("BandAction", "SessionState", "StopTrigger")
        if any(f"{name}(" in each for each in changes.values())
    ]
    text = TEST.format(
        mix=mix,
        seed=seed,
        problem=problem,
        rows="\n".join(rows),
        imports=f"from marksim.core.types import {', '.join(enums)}\n" if enums else "",
        changes=", ".join(f"{name}={change}" for name, change in changes.items()),
        max_orders=chosen.max_orders,
        sizes=sizes[0],
        batches=len(sizes),
    )
    path = Path("build", "fuzz", f"test_{mix.replace(' ', '_')}_{seed}.py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def part_of(mix: str, seed: int) -> tuple[Records, list[int], int | None]:
    """The commands of one part, the sizes of its batches, and how long after its last command a window ends."""
    rng, chosen = np.random.default_rng(seed), MIXES[mix]
    commands = stream(rng, chosen, DEEP_PART if chosen.max_orders == 1 << 20 else PART)
    typical = int(rng.choice([1, 7, 150, 3_000], p=[0.05, 0.15, 0.5, 0.3]))
    sizes = rng.integers(1, 2 * typical + 1, len(commands)).tolist()
    # Some times are anything in the mixes with invalid values, and no window ends after the last int64.
    return commands, sizes, None if chosen.invalid or rng.random() < 0.5 else 1_500_000


def run_part(job: tuple[str, int]) -> tuple[int, str]:
    """Run one part; the number of its commands, and what is wrong."""
    mix, seed = job
    commands, sizes, end_after_ns = part_of(mix, seed)
    traded, bound = traded_in(MIXES[mix]), MIXES[mix].max_orders
    problem = difference(commands, traded, bound, sizes, end_after_ns)
    if problem is None:
        return len(commands), ""
    for each in (1, len(commands)):
        if difference(commands, traded, bound, [each] * len(commands)) is not None:
            short = shrink(commands, partial(_differ, traded, bound, each))
            path = written(mix, seed, short, problem, [each] * len(short))
            return len(commands), f"mix {mix!r}, seed {seed}: {problem} {len(short)} commands do, see {path}"
    return len(commands), f"mix {mix!r}, seed {seed}: {problem} It needs just these batches and windows."


def _differ(traded: Instrument, max_orders: int, each: int, commands: Records) -> bool:
    return difference(commands, traded, max_orders, [each] * len(commands)) is not None


def jobs(mixes: list[str], seed: int) -> Iterator[tuple[str, int]]:
    """All mixes in turn, each time with another seed."""
    while True:
        for mix in mixes:
            yield mix, seed
            seed += 1


def main() -> int:
    """Run until so many commands agreed, or the first did not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first part")
    parser.add_argument("--mix", choices=MIXES, help="only this one")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    arguments = parser.parse_args()
    started, done = time.monotonic(), 0
    work = jobs([arguments.mix] if arguments.mix else list(MIXES), arguments.seed)
    # So many at a time that a failure ends the run soon, and that the processes have work meanwhile.
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        while done < arguments.commands:
            for count, problem in pool.map(run_part, [next(work) for _ in range(4 * len(MIXES))]):
                done += count
                if problem:
                    print(problem, file=sys.stderr)
                    return 1
                if done >= arguments.commands:
                    break
    seconds = time.monotonic() - started
    print(f"{done} commands in {len(MIXES)} mixes from seed {arguments.seed} on: both books agree, {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
