"""From an order's name to its slot: open addressing over (account, serial); linear probing, deletion leaves no marks.

An entry is a slot below 32 bits of the name's hash, whose lowest bits are where it belongs: so other orders' entries are
passed over and moved without a look at those orders. 0 is a free entry.
"""

import numpy as np

from marksim.core.book.compiled import compiled, kernel
from marksim.core.book.handle import as_book
from marksim.core.book.words import Book, Index, Names, Table, int64

SLOT = 0xFFFFFFFF
"""The bits of an entry that are the slot."""


@compiled
def hash_of(account: int, serial: int) -> int:
    """31 bits of both ids, mixed by the finalizer of SplitMix64 (Steele, Lea, Flood 2014)."""
    # Of a negative id the bits; only an integer of NumPy gives them where nothing is compiled.
    mixed = np.uint64(int64(account)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(int64(serial))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    # One bit less than there is room for: the entry stays positive.
    return int64(mixed >> np.uint64(33))


@compiled
def find_slot(book: Book, account: int, serial: int) -> Index:
    """Slot of the order of that name, or 0."""
    return find_hashed(book, account, serial, hash_of(account, serial))


@compiled
def find_hashed(book: Book, account: int, serial: int, hashed: int) -> Index:
    """The same with the name's hash."""
    names, mask = book.names, len(book.names) - 1
    probe = hashed & mask
    entry = int64(names[probe])
    while entry != 0:
        if entry >> 32 == hashed:
            slot = entry & SLOT
            order = book.orders[slot]
            book.state.slots_touched += 1
            if order.account == account and order.serial == serial:
                return slot
        probe = (probe + 1) & mask
        entry = int64(names[probe])
    return int64(0)


@compiled
def add_name(orders: Table, names: Names, slot: Index) -> None:
    """Remember a slot under its order's name, of which the order has the hash."""
    mask = len(names) - 1
    hashed = int64(orders[slot].hashed)
    probe = hashed & mask
    while names[probe] != 0:
        probe = (probe + 1) & mask
    names[probe] = (hashed << 32) | slot


@compiled
def remove_name(book: Book, slot: Index) -> None:
    """Forget a slot, and move later entries of the chain back so that no probe meets a hole before its entry."""
    names, mask = book.names, len(book.names) - 1
    hole = int64(book.orders[slot].hashed) & mask
    while names[hole] & SLOT != slot:
        hole = (hole + 1) & mask
    probe = (hole + 1) & mask
    entry = int64(names[probe])
    while entry != 0:
        if ((probe - (entry >> 32)) & mask) >= ((probe - hole) & mask):
            names[hole] = entry
            hole = probe
        probe = (probe + 1) & mask
        entry = int64(names[probe])
    names[hole] = 0


@kernel
def rebuild_names(counters: Table) -> None:
    """Fill a zeroed map with every used slot (those with something left)."""
    book = as_book(counters)
    for slot in range(1, book.state.fresh_slot):
        if book.orders[slot].leaves_lots > 0:
            add_name(book.orders, book.names, slot)
