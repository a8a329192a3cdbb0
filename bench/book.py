"""Orders a second of the compiled book and of its plain twin, in one run, for several sizes of batch.

    python bench/book.py [--orders N]

The ratio is what to compare between machines; orders/s are of this one. Both books get the same commands: limit orders
around a centre, 35 % cancels, 5 % market orders, and must end in the same state.
"""

import argparse
import time
from fractions import Fraction
from typing import Any

import numpy as np

from marksim.core.book.book import OrderBook
from marksim.core.book.reference import ReferenceBook
from marksim.core.book.warm import compile_kernels
from marksim.core.types import COMMAND, CommandKind, Instrument, OrderType, Records

BATCHES = (1, 16, 256, 4_096)
BTC = Instrument("BTC/USD", "BTC", "USD", Fraction(1, 2), Fraction(1, 1000), 100_000, 1, 400_000)


def traffic(count: int, seed: int = 1) -> Records:
    """Seeded commands of 50 accounts."""
    rng = np.random.default_rng(seed)
    commands = np.zeros(count, COMMAND)
    commands["serial"] = np.arange(count)
    commands["account"] = rng.integers(0, 50, count)
    commands["kind"] = np.where(rng.random(count) < 0.35, CommandKind.CANCEL, CommandKind.NEW)
    target = np.maximum(np.arange(count) - rng.integers(1, 200, count), 0)
    cancels = commands["kind"] == CommandKind.CANCEL
    commands["target_serial"] = np.where(cancels, target, 0)
    commands["account"] = np.where(cancels, commands["account"][target], commands["account"])
    commands["side"] = rng.integers(1, 3, count)
    commands["order_type"] = np.where(rng.random(count) < 0.05, OrderType.MARKET, OrderType.LIMIT)
    away = np.abs(rng.normal(0, 15, count)).astype(np.int64) - 3
    price = 100_000 + np.where(commands["side"] == 1, -away, away)
    commands["price_ticks"] = np.where(commands["order_type"] == OrderType.MARKET, 0, price)
    commands["quantity_lots"] = rng.integers(1, 50, count)
    return commands


def seconds(book: Any, commands: Records, batch: int) -> float:
    """Wall time of all commands in batches."""
    parts = [commands[at : at + batch] for at in range(0, len(commands), batch)]
    began = time.perf_counter()
    for part in parts:
        book.apply(part)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=200_000, help="commands for the kernel; the twin gets a twentieth")
    count = parser.parse_args().orders
    compile_kernels()
    commands = traffic(count)
    few = commands[: max(count // 20, 1)]
    print(f"{'batch':>6} {'kernel orders/s':>16} {'kernel us/call':>15} {'twin orders/s':>14} {'ratio':>7}")
    for batch in BATCHES:
        fast = min(seconds(OrderBook(BTC), commands, batch) for _ in range(3))
        plain = seconds(twin := ReferenceBook(BTC), few, batch)
        seconds(judged := OrderBook(BTC), few, batch)
        if judged.state_hash() != twin.state_hash():
            raise SystemExit(f"batch {batch}: the books differ")
        rate, plain_rate = len(commands) / fast, len(few) / plain
        call = fast / -(-len(commands) // batch) * 1e6
        print(f"{batch:>6} {rate:>16,.0f} {call:>15.1f} {plain_rate:>14,.0f} {rate / plain_rate:>7.0f}")


if __name__ == "__main__":
    main()
