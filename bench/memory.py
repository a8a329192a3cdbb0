"""Bytes that an order book holds: by its arrays' sizes, by their pages in memory, and by the growth of the process.

Each book is built in a process of its own, so that nothing that was freed before hides what it takes.
"""

import ctypes
import mmap
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psutil

from bench.mixes import BTC, CENTRE
from bench.report import Report
from marksim.core.book.book import OrderBook
from marksim.core.types import COMMAND, CommandKind, OrderType, Records, Side, TimeInForce

ORDERS: Final = 1_000_000
BATCH: Final = 4_096
LADDER: Final = ("levels", "bitmap")
"""What grows with prices, not with orders."""
OUTPUTS: Final = ("executions", "quotes", "depth")


@dataclass(frozen=True)
class Held:
    """Bytes."""

    arrays: int
    """Without the ladder."""
    ladder: int
    ladder_resident: int
    resident: int
    """By which the process grew."""
    levels: int
    """That have orders."""


def arrays_of(book: OrderBook) -> Iterator[tuple[str, Any]]:
    """The arrays of a book by name, but for those of its output."""
    memory = book.memory
    for name in memory.__slots__:
        array = getattr(memory, name)
        if isinstance(array, np.ndarray) and name not in OUTPUTS:
            yield name, array


def resident_bytes(array: Any) -> int:
    """Of an array's pages those that are in memory, as mincore(2) says."""
    if not array.nbytes:
        return 0
    start = array.ctypes.data // mmap.PAGESIZE * mmap.PAGESIZE
    length = array.ctypes.data + array.nbytes - start
    pages = (ctypes.c_ubyte * -(-length // mmap.PAGESIZE))()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mincore(ctypes.c_void_p(start), ctypes.c_size_t(length), pages) != 0:
        raise OSError(ctypes.get_errno(), "mincore")
    return int((np.frombuffer(pages, np.uint8) & 1).sum()) * mmap.PAGESIZE


def ladder_bytes(book: OrderBook) -> tuple[int, int]:
    """Bytes of the ladder, and of those the ones in memory."""
    ladder = [array for name, array in arrays_of(book) if name in LADDER]
    return sum(array.nbytes for array in ladder), sum(map(resident_bytes, ladder))


def resting_orders(count: int, first_serial: int, terms: bool) -> Records:
    """Limit orders on 5,000 levels, none of which trades; with terms 20 % are GTD, 10 % wait, and 5 % are icebergs."""
    rng = np.random.default_rng(first_serial)
    commands = np.zeros(count, COMMAND)
    commands["kind"], commands["order_type"], commands["time_in_force"] = CommandKind.NEW, OrderType.LIMIT, TimeInForce.GTC
    commands["serial"] = np.arange(first_serial, first_serial + count)
    commands["account"], commands["side"] = rng.integers(1, 65, count), rng.integers(1, 3, count)
    commands["quantity_lots"] = rng.integers(2, 100, count)
    sign = np.where(commands["side"] == Side.BUY, 1, -1)
    commands["price_ticks"] = CENTRE - sign * rng.integers(1, 2_501, count)
    if terms:
        kind = rng.random(count)
        expiring, stops, icebergs = kind < 0.2, (kind >= 0.2) & (kind < 0.3), (kind >= 0.3) & (kind < 0.35)
        commands["time_in_force"][expiring] = TimeInForce.GTD
        commands["expire_time_ns"][expiring] = 1_000_000 + rng.integers(0, 1 << 40, count)[expiring]
        commands["order_type"][stops] = OrderType.STOP_LIMIT
        commands["stop_price_ticks"][stops] = (CENTRE + sign * rng.integers(1, 2_501, count))[stops]
        # Two parts each: a book has room for 100,000 refills.
        commands["display_lots"][icebergs] = -(-commands["quantity_lots"][icebergs] // 2)
    return commands


def build(orders: int, terms: bool) -> Held:
    """Fill a book, and see what it holds."""
    process = psutil.Process()
    warm = OrderBook(BTC)
    warm.apply(resting_orders(BATCH, 1, terms))
    before = process.memory_info().rss
    book = OrderBook(BTC)
    for at in range(0, orders, BATCH):
        book.apply(resting_orders(min(BATCH, orders - at), at + 1, terms))
    grown = process.memory_info().rss - before
    assert book.order_count + book.stop_count == orders
    ladder, ladder_resident = ladder_bytes(book)
    arrays = sum(array.nbytes for name, array in arrays_of(book) if name not in LADDER)
    return Held(arrays, ladder, ladder_resident, grown, len(book.depth()))


def memory(report: Report, orders: int = ORDERS) -> None:
    """The table of both books."""
    rows: list[list[str | int | float]] = []
    # A new process for each, and not a copy of this one.
    with own_processes() as pool:
        for name, terms in (("plain", False), ("icebergs, GTD, stops", True)):
            held = pool.apply(build, (orders, terms))
            cells = [held.arrays / orders, held.ladder >> 10, held.ladder_resident >> 10]
            rows.append([name, *cells, held.levels, (held.resident - held.ladder_resident) / orders])
    report.heading(f"Memory of a book with {orders:,} open orders")
    report.table(
        ["orders", "bytes an order", "ladder, KiB", "of it in memory", "levels", "process growth an order, ladder aside"],
        rows,
    )


@contextmanager
def own_processes() -> Iterator[Any]:
    """A pool that starts a new process for each call."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        yield pool
