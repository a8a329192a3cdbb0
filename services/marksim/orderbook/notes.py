"""Outside accounts and their orders as notes of the journal: a key and a few bytes each, written with their window.

    outside/version                             of this layout
    outside/counters                            numbers of the last arrival, closing and use of an account
    outside/serial/SYMBOL                       the last command's
    outside/account/NAME                        when it was used last
    outside/position/NAME SYMBOL                lots, notional, trades
    outside/fill/NAME NUMBER                    one of the account's last; its order by arrival
    outside/order/ARRIVAL                       an order; one that is forgotten stays while a fill tells of it
    outside/answer/ARRIVAL [CLIENT ORDER ID]    fills of an order's first window, or of the amendment that gave it that name

Values are JSON. Numbers in keys have leading zeros, so that keys are in order.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from marksim.core.errors import MarksimError
from marksim.core.types import (
    CommandKind,
    Instrument,
    Liquidity,
    OrderStatus,
    OrderType,
    PostOnly,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from marksim.orderbook.accounts import Account, OutsideOrder, OwnFill, Position, account_number
from marksim.orderbook.waiting import Waiting

PREFIX: Final = "outside/"
PRESENT: Final = "presence/"
"""Of a note that presence.py writes."""
VERSION: Final = 1
_VERSION_KEY: Final = PREFIX + "version"
_COUNTERS_KEY: Final = PREFIX + "counters"
_COLUMNS: Final[Mapping[str, Any]] = {
    "serial": 0,
    "side": Side.UNSPECIFIED,
    "order_type": OrderType.UNSPECIFIED,
    "time_in_force": TimeInForce.UNSPECIFIED,
    "price_ticks": 0,
    "quantity_lots": 0,
    "display_lots": 0,
    "min_quantity_lots": 0,
    "expire_time_ns": 0,
    "stop_price_ticks": 0,
    "post_only": PostOnly.UNSPECIFIED,
    "self_trade_prevention": SelfTradePrevention.UNSPECIFIED,
    "self_trade_group": "",
    "status": OrderStatus.UNSPECIFIED,
    "order_id": 0,
    "leaves_lots": 0,
    "filled_lots": 0,
    "notional": 0,
    "reason": Reason.UNSPECIFIED,
    "accepted_ns": 0,
    "updated_ns": 0,
    "window": 0,
    "closing": 0,
    "forgotten": False,
}
"""Of an order, where a note does not have them."""

Counters = tuple[int, int, int]
"""Arrival, closing, use."""
Changed = OutsideOrder | Account | Position | OwnFill | list[OwnFill] | int | None
"""What a note is made of when it is asked for; None: it goes."""


class DamagedNote(MarksimError):
    """A note that cannot be what was written, or is of another version; the message names it."""

    reason = "JOURNAL_DAMAGED"


class Notes:
    """What changed since it was last asked for. A note is made only then, of its subject as it is by then."""

    def __init__(self, counters: Counters = (0, 0, 0), *, begun: bool = False) -> None:
        self._changed: dict[str, Changed] = {}
        self._counters = counters
        self._begun = begun
        """The version is noted."""

    def order(self, order: OutsideOrder) -> None:
        """It changed."""
        self._changed[_order_key(order.arrival)] = order

    def answer(self, order: OutsideOrder, name: str, fills: list[OwnFill] | None) -> None:
        """The fills that a command's answer has changed, or are no longer kept; an empty name means the order's own."""
        self._changed[_answer_key(order.arrival, name)] = fills

    def account(self, account: Account) -> None:
        """It was used."""
        self._changed[f"{PREFIX}account/{account.name}"] = account

    def position(self, account: Account, symbol: str) -> None:
        """It changed."""
        self._changed[f"{PREFIX}position/{account.name} {symbol}"] = account.positions[symbol]

    def fill(self, account: Account, number: int, fill: OwnFill | None) -> None:
        """The account has one more, or one is no longer kept."""
        self._changed[f"{PREFIX}fill/{account.name} {number:016}"] = fill

    def serial(self, symbol: str, serial: int) -> None:
        """The symbol's last."""
        self._changed[f"{PREFIX}serial/{symbol}"] = serial

    def forget_order(self, order: OutsideOrder) -> None:
        """Nobody finds it any more; only the account's fills may."""
        self._changed[_order_key(order.arrival)] = order if order.fills_kept else None
        if order.first_fills:
            self.answer(order, "", None)
        for name, amendment in order.amendments.items():
            if amendment.fills:
                self.answer(order, name, None)

    def forget_account(self, account: Account) -> None:
        """Nothing is left of it."""
        for order in account.orders.values():
            self.forget_order(order)
        for number, fill in enumerate(account.fills, account.fill_count - len(account.fills)):
            self._changed[_order_key(fill.order.arrival)] = None
            self.fill(account, number, None)
        for symbol in account.positions:
            self._changed[f"{PREFIX}position/{account.name} {symbol}"] = None
        self._changed[f"{PREFIX}account/{account.name}"] = None

    def take(self, counters: Counters) -> dict[str, bytes | None]:
        """All that changed since, by key; None: there is no such note any more. Empty where nothing changed."""
        changed, self._changed = self._changed, {}
        notes = {key: _encode(subject) for key, subject in changed.items()}
        if counters != self._counters:
            self._counters = counters
            notes[_COUNTERS_KEY] = _json(counters)
        if notes and not self._begun:
            self._begun = True
            notes[_VERSION_KEY] = _json(VERSION)
        return notes

    def drop(self) -> None:
        """Nobody will ask for what changed until now."""
        self._changed.clear()


class Remembered:
    """What notes tell, given in the order of their keys; raises DamagedNote for what nobody can have written.

    `accounts` are by name, the one last that was used last; `orders` by arrival, the oldest first; `closed` are those of
    them that have closed, in that order.
    """

    def __init__(self, notes: Iterable[tuple[str, bytes]], instruments: Mapping[str, Instrument]) -> None:
        self.accounts: dict[str, Account] = {}
        self.orders: dict[int, OutsideOrder] = {}
        self.serials: dict[str, int] = {}
        self.counters: Counters = (0, 0, 0)
        self._instruments = instruments
        sections: dict[str, list[tuple[str, str, bytes]]] = {}
        for key, data in notes:
            section, _, rest = key.removeprefix(PREFIX).partition("/")
            sections.setdefault(section, []).append((key, rest, data))
        self.begun = bool(sections)
        if self.begun and "version" not in sections:
            raise DamagedNote(f"the journal has notes of outside orders, but not {_VERSION_KEY}: it is damaged")
        # In this order, since each may need what is read before it.
        for section, read in {
            "version": self._version,
            "counters": self._count,
            "serial": self._serial,
            "account": self._account,
            "position": self._position,
            "order": self._order,
            "fill": self._fill,
            "answer": self._answer,
        }.items():
            for key, rest, data in sections.pop(section, ()):
                try:
                    read(rest, json.loads(data))
                except DamagedNote:
                    raise
                except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
                    problem = f"note {key!r} of the journal cannot be read, it is damaged: {type(error).__name__} {error}"
                    raise DamagedNote(problem) from error
        for notes_ in sections.values():
            key = notes_[0][0]
            raise DamagedNote(f"note {key!r} of the journal is none that version {VERSION} of outside orders knows")
        self.accounts = dict(sorted(self.accounts.items(), key=lambda item: item[1].place))
        # Fills have found those by now that are forgotten.
        self.orders = {arrival: order for arrival, order in self.orders.items() if not order.forgotten}
        self.closed = sorted((order for order in self.orders.values() if order.closing), key=lambda order: order.closing)
        self._lead_to_orders()

    def _lead_to_orders(self) -> None:
        for order in self.orders.values():
            order.account.orders[order.key] = order
            order.account.renamed.update(((order.instrument.symbol, name), order) for name in order.names[1:])
        for order in self.closed:
            order.account.closed.append(order)

    def _version(self, rest: str, value: Any) -> None:
        if rest or value != VERSION:
            problem = f"note {_VERSION_KEY!r} of the journal says {value!r}, this release reads version {VERSION}"
            raise DamagedNote(f"{problem}: take the release that wrote them, or begin a new run")

    def _count(self, _: str, value: Any) -> None:
        arrival, closing, use = map(_number, value)
        self.counters = arrival, closing, use

    def _serial(self, symbol: str, value: Any) -> None:
        self.serials[self._instrument(symbol).symbol] = _number(value)

    def _account(self, name: str, value: Any) -> None:
        self.accounts[name] = Account(name, account_number(name), place=_number(value))

    def _position(self, rest: str, value: Any) -> None:
        name, symbol = rest.split(" ")
        self.accounts[name].positions[self._instrument(symbol).symbol] = Position(*map(_number, value))

    def _order(self, rest: str, value: Any) -> None:
        account, instrument = self.accounts[value.pop("account")], self._instrument(value.pop("symbol"))
        names, amendments = [_like("", name) for name in value.pop("names")], value.pop("amendments", {})
        columns = {**_COLUMNS, **{name: _like(_COLUMNS[name], column) for name, column in value.items()}}
        order = OutsideOrder(account=account, instrument=instrument, names=names, arrival=int(rest), **columns)
        for name, (arrival, price, quantity, window) in amendments.items():
            order.amendments[name] = Waiting(
                kind=CommandKind.AMEND,
                account=order.account.number,
                arrival=_number(arrival),
                while_paused=False,
                done=None,
                order=order,
                symbols=(order.instrument.symbol,),
                window=_number(window),
                price_ticks=_number(price),
                quantity_lots=_number(quantity),
                new_name=name,
            )
        if not order.names or not amendments.keys() <= set(order.names):
            raise ValueError("its names do not fit")
        self.orders[order.arrival] = order

    def _fill(self, rest: str, value: Any) -> None:
        name, number = rest.split(" ")
        account, fill = self.accounts[name], self._own_fill(*value)
        account.fills.append(fill)
        account.fill_count = int(number) + 1
        fill.order.fills_kept += 1

    def _answer(self, rest: str, value: Any) -> None:
        arrival, _, name = rest.partition(" ")
        fills = [self._own_fill(int(arrival), *values) for values in value]
        if name:
            self.orders[int(arrival)].amendments[name].fills = fills
        else:
            self.orders[int(arrival)].first_fills = fills

    def _instrument(self, symbol: str) -> Instrument:
        if symbol not in self._instruments:
            raise ValueError(f"symbol {symbol!r} is not traded here")
        return self._instruments[symbol]

    def _own_fill(self, arrival: int, sequence: int, time_ns: int, price: int, lots: int, liquidity: int) -> OwnFill:
        sequence, time_ns, price, lots = map(_number, (sequence, time_ns, price, lots))
        return OwnFill(self.orders[_number(arrival)], sequence, time_ns, price, lots, Liquidity(liquidity))


def _order_key(arrival: int) -> str:
    return f"{PREFIX}order/{arrival:016}"


def _answer_key(arrival: int, name: str) -> str:
    return f"{PREFIX}answer/{arrival:016} {name}".rstrip()


def _encode(subject: Changed) -> bytes | None:
    match subject:
        case None:
            return None
        case int():
            return _json(subject)
        case OutsideOrder():
            return _json(_order_row(subject))
        case OwnFill():
            return _json([subject.order.arrival, *_fill_row(subject)])
        case Account():
            return _json(subject.place)
        case Position():
            return _json([subject.lots, subject.notional, subject.trades])
        case _:
            return _json([_fill_row(fill) for fill in subject])


def _order_row(order: OutsideOrder) -> dict[str, Any]:
    row: dict[str, Any] = {"account": order.account.name, "symbol": order.instrument.symbol, "names": order.names}
    row |= {name: value for name in _COLUMNS if (value := getattr(order, name))}
    # One that no window has done is no part of it yet.
    done = {name: order.amendments[name] for name in order.names if name in order.amendments}
    if done:
        row["amendments"] = {
            name: (amendment.arrival, amendment.price_ticks, amendment.quantity_lots, amendment.window)
            for name, amendment in done.items()
        }
    return row


def _fill_row(fill: OwnFill) -> tuple[int, int, int, int, int]:
    return fill.sequence, fill.time_ns, fill.price_ticks, fill.quantity_lots, fill.liquidity


def _number(value: Any) -> int:
    number: int = _like(0, value)
    return number


def _like(unset: Any, value: Any) -> Any:
    """The value of a column as what stands where it is unset; raises TypeError or ValueError where it cannot be."""
    kind = type(unset)
    plain = kind if kind in (bool, str) else int
    if type(value) is not plain and type(value) is not kind:
        raise TypeError(f"{value!r} is no {plain.__name__}")
    return kind(value)


def _json(value: Any) -> bytes:
    # Of the standard library, since a sum of ticks times lots may need more than 64 bits.
    return json.dumps(value, separators=(",", ":")).encode()
