"""Notes of outside accounts, for other shards than those that wrote them.

The order book's notes are by account and symbol, and their values are JSON: of each key, `outside/<section>/<rest>`,

    version                    of this layout
    counters                   [arrival, closing, use]: the shard's last numbers
    serial/SYMBOL              stays with its symbol
    position/NAME SYMBOL       stays with its symbol
    order/ARRIVAL              a row that names `account` and `symbol`; goes with its symbol
    answer/ARRIVAL [NAME]      goes with its order
    fill/NAME NUMBER           begins with the arrival of its order, and goes with it
    account/NAME               when it was used last: goes wherever something of it does

and `presence/NAME` says for whose open orders somebody is there, which every shard is told.

Arrivals, closings and uses are counted by each shard. Where several shards become one, those of shard i of k become k times
as large and i more: they stay in order within each, and none is there twice. Fills are numbered anew, by time.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from marksim.core.errors import Unreadable

PREFIX: Final = "outside/"
PRESENCE: Final = "presence/"
VERSION: Final = 1
MOST_FILLS: Final = 1_000
"""Of an account; an order book keeps no more."""
_SECTIONS: Final = ("version", "counters", "serial", "account", "position", "order", "fill", "answer")

Notes = Mapping[str, bytes]
_Section = dict[str, Any]
"""By the rest of the key, what the JSON says."""


def regroup(sources: Sequence[Notes], symbols: Collection[str]) -> dict[str, bytes]:
    """The notes of a shard that has these symbols, from those of all shards. Raises Unreadable."""
    present = {key: value for source in sources for key, value in source.items() if key.startswith(PRESENCE)}
    told = [_sections(source) for source in sources]
    # Of shards that have nothing of these symbols no number is taken.
    told = [sections for sections in told if _concerned(sections, symbols)]
    made: dict[str, bytes] = present
    if not told:
        return made
    wide = len(told)
    fills: dict[str, list[tuple[int, int, int, list[Any]]]] = {}
    accounts: dict[str, int] = {}
    used: set[str] = set()
    orders: dict[int, Any] = {}
    for place, sections in enumerate(told):
        used |= _of_symbols(sections, symbols, made)
        for arrival, row in _orders(sections, symbols, place, wide):
            orders[arrival] = row
            used.add(row["account"])
        _take_fills(sections, symbols, place, wide, fills)
        for rest, answer in sections["answer"].items():
            number, _, client_order_id = rest.partition(" ")
            if (moved := int(number) * wide + place) in orders:
                made[f"{PREFIX}answer/{moved:016} {client_order_id}".rstrip()] = _json(answer)
        for name, use in sections["account"].items():
            accounts[name] = max(accounts.get(name, 0), use * wide + place)
    told_of = _put_fills(fills, made)
    for arrival, row in orders.items():
        # One that nobody finds any more is there for its fills alone.
        if not row.get("forgotten") or arrival in told_of:
            made[f"{PREFIX}order/{arrival:016}"] = _json(row)
    made |= {f"{PREFIX}account/{name}": _json(use) for name, use in accounts.items() if name in used | fills.keys()}
    last = [max(numbers) for numbers in zip(*(sections["counters"].get("", [0, 0, 0]) for sections in told), strict=True)]
    made[f"{PREFIX}counters"] = _json([number * wide + wide - 1 if number else 0 for number in last])
    made[f"{PREFIX}version"] = _json(VERSION)
    return dict(sorted(made.items()))


def _sections(notes: Notes) -> dict[str, _Section]:
    sections: dict[str, _Section] = {name: {} for name in _SECTIONS}
    for key, value in notes.items():
        if key.startswith(PRESENCE):
            continue
        name, _, rest = key.removeprefix(PREFIX).partition("/")
        if not key.startswith(PREFIX) or name not in sections:
            raise Unreadable(f"note {key!r} of the journal is none that this version knows: use the marksim that wrote it")
        sections[name][rest] = json.loads(value)
    said = sections["version"].get("")
    if any(sections.values()) and said != VERSION:
        raise Unreadable(f"notes of outside orders are of version {said}, and this marksim reads {VERSION}")
    return sections


def _concerned(sections: Mapping[str, _Section], symbols: Collection[str]) -> bool:
    """Whether anything in them is of these symbols."""
    positions = (rest.partition(" ")[2] for rest in sections["position"])
    own = (*sections["serial"], *positions, *(row["symbol"] for row in sections["order"].values()))
    return any(symbol in symbols for symbol in own)


def _of_symbols(sections: Mapping[str, _Section], symbols: Collection[str], made: dict[str, bytes]) -> set[str]:
    """Take what is by symbol; the accounts that have a position."""
    made |= {f"{PREFIX}serial/{symbol}": _json(last) for symbol, last in sections["serial"].items() if symbol in symbols}
    held = set()
    for rest, position in sections["position"].items():
        name, _, symbol = rest.partition(" ")
        if symbol in symbols:
            made[f"{PREFIX}position/{rest}"] = _json(position)
            held.add(name)
    return held


def _orders(
    sections: Mapping[str, _Section], symbols: Collection[str], place: int, wide: int
) -> "list[tuple[int, dict[str, Any]]]":
    """Orders of these symbols by their new arrivals."""
    found = []
    for rest, row in sections["order"].items():
        if row["symbol"] not in symbols:
            continue
        moved = dict(row)
        if row.get("closing"):
            moved["closing"] = row["closing"] * wide + place
        if "amendments" in row:
            moved["amendments"] = {
                name: [arrival * wide + place, *others] for name, (arrival, *others) in row["amendments"].items()
            }
        found.append((int(rest) * wide + place, moved))
    return found


def _take_fills(
    sections: Mapping[str, _Section],
    symbols: Collection[str],
    place: int,
    wide: int,
    fills: dict[str, list[tuple[int, int, int, list[Any]]]],
) -> None:
    """Gather by account (time, shard, number, value)."""
    for rest, (arrival, *values) in sections["fill"].items():
        order = sections["order"][f"{arrival:016}"]
        if order["symbol"] in symbols:
            name, _, number = rest.partition(" ")
            time_ns = values[1]
            fills.setdefault(name, []).append((time_ns, place, int(number), [arrival * wide + place, *values]))


def _put_fills(fills: Mapping[str, list[tuple[int, int, int, list[Any]]]], made: dict[str, bytes]) -> set[int]:
    """Number the newest anew; the arrivals of their orders."""
    arrivals = set()
    for name, rows in fills.items():
        for number, (*_, value) in enumerate(sorted(rows)[-MOST_FILLS:]):
            made[f"{PREFIX}fill/{name} {number:016}"] = _json(value)
            arrivals.add(value[0])
    return arrivals


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
