"""From an order's name to its slot: open addressing over (account, serial); linear probing, deletion leaves no marks."""

import numpy as np

from marksim.core.book.compiled import compiled
from marksim.core.book.words import Index, Names, Table, int64


@compiled
def first_probe(account: int, serial: int, mask: int) -> Index:
    """Where to look first: both ids mixed by the finalizer of SplitMix64 (Steele, Lea, Flood 2014)."""
    # Of a negative id the bits; only an integer of NumPy gives them where nothing is compiled.
    mixed = np.uint64(int64(account)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(int64(serial))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int64((mixed ^ (mixed >> np.uint64(31))) & np.uint64(mask))


@compiled
def find_slot(orders: Table, names: Names, account: int, serial: int) -> Index:
    """Slot of the resting order of that name, or 0."""
    mask = len(names) - 1
    probe = first_probe(account, serial, mask)
    while names[probe] != 0:
        order = orders[names[probe]]
        if order.account == account and order.serial == serial:
            return int64(names[probe])
        probe = (probe + 1) & mask
    return 0


@compiled
def add_name(orders: Table, names: Names, slot: Index) -> None:
    """Remember a slot under its order's name."""
    mask = len(names) - 1
    probe = first_probe(orders[slot].account, orders[slot].serial, mask)
    while names[probe] != 0:
        probe = (probe + 1) & mask
    names[probe] = slot


@compiled
def remove_name(orders: Table, names: Names, slot: Index) -> None:
    """Forget a slot, and move later entries of the chain back so that no probe meets a hole before its entry."""
    mask = len(names) - 1
    hole = first_probe(orders[slot].account, orders[slot].serial, mask)
    while names[hole] != slot:
        hole = (hole + 1) & mask
    probe = (hole + 1) & mask
    while names[probe] != 0:
        order = orders[names[probe]]
        home = first_probe(order.account, order.serial, mask)
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            names[hole] = names[probe]
            hole = probe
        probe = (probe + 1) & mask
    names[hole] = 0


@compiled
def rebuild_names(orders: Table, names: Names) -> None:
    """Fill a zeroed map with every used slot (those with something left)."""
    for slot in range(1, len(orders)):
        if orders[slot].leaves_lots > 0:
            add_name(orders, names, slot)
