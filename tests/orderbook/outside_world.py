"""Outside accounts that trade at random on real books, and all that is known of them as plain data."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

import numpy as np

from marksim.core.types import (
    COMMAND,
    Instrument,
    OrderType,
    PostOnly,
    Records,
    SelfTradePrevention,
    SessionState,
    Side,
    TimeInForce,
)
from marksim.orderbook.accounts import OutsideOrder, OwnFill
from marksim.orderbook.outside import Outside
from marksim.orderbook.shard import Shard, SymbolDone
from marksim.scenario import load_scenario
from tests.orderbook.market import limit

INSTRUMENTS: Final[dict[str, Instrument]] = {
    instrument.symbol: instrument for instrument in load_scenario("two-symbols", []).instruments()
}
ACCOUNTS: Final = ("desk/a", "b", "c", "d")
LIMITS: Final = (16, 3, 14)
"""Commands that wait, accounts, orders."""
PLENTY: Final = (1_000, 1_000, 10_000)
WINDOW_NS: Final = 1_000_000
SHOWN: Final = [name for name in OutsideOrder.__slots__ if name not in {"account", "instrument", "waiting", "amendments"}]


class World:
    """Books of their own for some symbols, and outside accounts, of which a notebook keeps what `changes` told."""

    def __init__(self, *symbols: str, limits: tuple[int, int, int] = LIMITS) -> None:
        self.symbols = symbols or tuple(INSTRUMENTS)
        self.limits = limits
        self.shard = Shard([INSTRUMENTS[symbol] for symbol in self.symbols], 1_000)
        self.outside = Outside(*limits)
        self.notes: dict[str, bytes] = {}
        self.inputs: list[dict[str, Records]] = []
        self.window = 0

    def submit(self, account: str, symbol: str, name: str, **terms: Any) -> None:
        """A new order, unless the name is taken or a bound refuses it."""
        if self.outside.find(account, symbol, name) is None:
            self.outside.check_room()
            owner = self.outside.claim_account(account)
            lots = terms["quantity_lots"]
            order = OutsideOrder(owner, INSTRUMENTS[symbol], [name], leaves_lots=lots, **terms)
            self.outside.enqueue(order, while_paused=True)

    def apply(self, engine: dict[str, Records], meanwhile: Callable[[], None] = lambda: None) -> dict[str, SymbolDone]:
        """One window, up to where it would be kept; `meanwhile` comes while it is in the books."""
        start_ns = self.window * WINDOW_NS
        outside = self.outside.seal(self.window, start_ns)
        self.inputs.append(outside)
        own = {symbol: rows for symbol, rows in engine.items() if symbol in self.symbols}
        done = self.shard.apply(self.window, start_ns + WINDOW_NS, outside, own, snapshot=False)
        meanwhile()
        self.outside.settle(self.window, {symbol: part.output.executions for symbol, part in done.items()})
        self.window += 1
        return done

    def finish(self) -> None:
        """What `apply` did is kept, and told."""
        self.keep()
        self.outside.answer()

    def keep(self) -> dict[str, bytes | None]:
        """Take the changes into the notebook."""
        changes = self.outside.changes()
        for key, value in changes.items():
            if value is None:
                self.notes.pop(key, None)
            else:
                self.notes[key] = value
        return changes

    def restored(self) -> Outside:
        """What a process that has only the notebook knows."""
        return Outside.restored(*self.limits, sorted(self.notes.items()), INSTRUMENTS)

    def tapes(self) -> dict[str, str]:
        return {symbol: book.tape().hash for symbol, book in self.shard.books.items()}


def told(outside: Outside) -> dict[str, Any]:
    """All that windows have left in it, as plain data; without what waits for the next one."""
    return {
        "accounts": [
            {
                "name": (account.name, account.number, account.place),
                "orders": [(key, _order(order)) for key, order in account.orders.items() if order.window >= 0],
                "renamed": {key: order.arrival for key, order in account.renamed.items() if key[1] in order.names},
                "closed": [order.arrival for order in account.closed],
                "fills": (account.fill_count, [(_order(fill.order), _fill(fill)) for fill in account.fills]),
                "positions": {
                    symbol: (position.lots, position.notional, position.trades)
                    for symbol, position in sorted(account.positions.items())
                },
            }
            for account in outside._accounts.values()
        ],
        "orders": [arrival for arrival, order in outside._orders.items() if order.window >= 0],
        "by number": {number: order.arrival for number, order in outside._by_number.items()},
        "closed": [order.arrival for order in outside._closed if not order.forgotten],
        "serials": outside._serials,
        "counters": (outside._arrivals, outside._closings, outside._uses),
    }


def _order(order: OutsideOrder) -> dict[str, Any]:
    shown = {name: getattr(order, name) for name in SHOWN}
    known = not order.forgotten
    shown["names"] = list(order.names)
    shown["first_fills"] = [_fill(fill) for fill in order.first_fills] if known else []
    shown["amendments"] = {
        name: (*amended(order, name), [_fill(fill) for fill in order.amendments[name].fills])
        for name in order.names
        if known and name in order.amendments
    }
    return {**shown, "symbol": order.instrument.symbol, "account": order.account.name}


def amended(order: OutsideOrder, name: str) -> tuple[int, ...]:
    """By which an amendment is known again."""
    amendment = order.amendments[name]
    return amendment.arrival, amendment.price_ticks, amendment.quantity_lots, amendment.window


def _fill(fill: OwnFill) -> tuple[int, ...]:
    return fill.sequence, fill.time_ns, fill.price_ticks, fill.quantity_lots, fill.liquidity


def anything(random: Random, *worlds: World) -> None:
    """One command of somebody's, the same to all of these worlds that trade its symbols."""
    account, symbol = random.choice(ACCOUNTS), random.choice(tuple(INSTRUMENTS))
    what, name, new_name = random.random(), f"n{random.randrange(12)}", f"m{random.randrange(12)}"
    owner = worlds[0].outside.account(account)
    known = (
        [order for order in owner.orders.values() if order.is_open and order.instrument.symbol == symbol] if owner else []
    )
    meant = random.choice(random.choice(known).names) if known else name
    price, lots, side = 100_000 + random.randrange(-3, 4), random.randrange(1, 6), random.choice((Side.BUY, Side.SELL))
    kind = random.choice((OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET, OrderType.STOP))
    terms: dict[str, Any] = {
        "side": side,
        "order_type": kind,
        "time_in_force": random.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC)),
        "price_ticks": price if kind == OrderType.LIMIT else 0,
        "stop_price_ticks": price if kind == OrderType.STOP else 0,
        "quantity_lots": lots,
        "post_only": PostOnly.UNSPECIFIED,
        "self_trade_prevention": random.choice((SelfTradePrevention.UNSPECIFIED, SelfTradePrevention.DECREMENT)),
        "self_trade_group": "",
    }
    if kind == OrderType.STOP:
        terms["time_in_force"] = TimeInForce.GTC
    if terms["self_trade_prevention"]:
        terms["self_trade_group"] = random.choice(("", "g"))
    state = random.choice((SessionState.CONTINUOUS, SessionState.CONTINUOUS, SessionState.HALTED))
    renames, new_price, sides = random.random() < 0.7, random.choice((0, price)), random.choice((Side.UNSPECIFIED, side))
    for world in worlds:
        outside = world.outside
        if 0.88 <= what < 0.91 and (owner := outside.account(account)) is not None:
            outside.enqueue_mass_cancel(owner, world.symbols, sides, while_paused=True)
        elif 0.91 <= what < 0.94:
            outside.enqueue_owner_gone(account)
        elif symbol not in world.symbols:
            continue
        order = outside.find(account, symbol, meant)
        if what < 0.55:
            world.submit(account, symbol, name, **terms)
        elif what < 0.65 and order is not None and order.is_open:
            outside.enqueue_cancel(order, while_paused=True)
        elif what < 0.88 and order is not None and order.is_open:
            free = renames and outside.find(account, symbol, new_name) is None
            outside.enqueue_amend(order, new_price, lots, new_name if free else "", while_paused=True)
        elif what > 0.97:
            outside.enqueue_session(symbol, state, 0, while_paused=True)


def agents(random: Random, number: int) -> dict[str, Records]:
    """What an engine sends in a window: some orders near the same prices."""
    commands = {}
    for symbol in INSTRUMENTS:
        rows: Records = np.zeros(random.randrange(4), COMMAND)
        for at, row in enumerate(rows):
            side = random.choice((Side.BUY, Side.SELL))
            facts = limit(10 * number + at + 1, side, 100_000 + random.randrange(-3, 4), random.randrange(1, 4))
            for column, value in facts.items():
                row[column] = value
        rows["time_ns"] = number * WINDOW_NS + 5
        if len(rows):
            commands[symbol] = rows
    return commands
