"""Instruments and commands for the tests of the books."""

from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import numpy as np

from marksim.core.types import COMMAND, BookOutput, CommandKind, Instrument, OrderType, Records, Side

BTC: Final = Instrument(
    symbol="BTC/USD",
    base_asset="BTC",
    quote_asset="USD",
    tick_size=Fraction(1, 2),
    lot_size=Fraction(1, 1000),
    reference_price_ticks=1_000,
    min_price_ticks=10,
    max_price_ticks=5_000,
    min_quantity_lots=2,
    max_quantity_lots=1_000,
)


def instrument(**changes: Any) -> Instrument:
    return replace(BTC, **changes)


def batch(*rows: dict[str, int]) -> Records:
    """COMMAND rows; names that a row does not give are 0."""
    commands = np.zeros(len(rows), COMMAND)
    for command, row in zip(commands, rows, strict=True):
        for name, value in row.items():
            command[name] = value
    return commands


def limit(side: int, price: int, quantity: int, serial: int, account: int = 1, **more: int) -> dict[str, int]:
    row = {"kind": CommandKind.NEW, "order_type": OrderType.LIMIT, "side": side, "price_ticks": price}
    return {**row, "quantity_lots": quantity, "serial": serial, "account": account, **more}


def buy(price: int, quantity: int, serial: int, account: int = 1, **more: int) -> dict[str, int]:
    return {**limit(Side.BUY, price, quantity, serial, account), **more}


def sell(price: int, quantity: int, serial: int, account: int = 1, **more: int) -> dict[str, int]:
    return {**limit(Side.SELL, price, quantity, serial, account), **more}


def market(side: int, quantity: int, serial: int, account: int = 1, **more: int) -> dict[str, int]:
    return {**limit(side, 0, quantity, serial, account), "order_type": OrderType.MARKET, **more}


def cancel(target: int, account: int = 1, **more: int) -> dict[str, int]:
    return {"kind": CommandKind.CANCEL, "account": account, "target_serial": target, **more}


def amend(target: int, price: int = 0, quantity: int = 0, account: int = 1, **more: int) -> dict[str, int]:
    row = {"kind": CommandKind.AMEND, "account": account, "target_serial": target, "serial": target}
    return {**row, "price_ticks": price, "quantity_lots": quantity, **more}


def cancel_all(account: int = 1, side: int = 0, serial: int = 99) -> dict[str, int]:
    return {"kind": CommandKind.MASS_CANCEL, "account": account, "side": side, "serial": serial}


def owner_gone(account: int = 1, side: int = 0, serial: int = 99) -> dict[str, int]:
    return {**cancel_all(account, side, serial), "kind": CommandKind.OWNER_GONE}


def stop(side: int, stop_price: int, quantity: int, serial: int, account: int = 1, **more: int) -> dict[str, int]:
    """A stop order; with price_ticks a stop-limit order."""
    kind = OrderType.STOP_LIMIT if more.get("price_ticks") else OrderType.STOP
    row = {**limit(side, 0, quantity, serial, account), "order_type": kind, "stop_price_ticks": stop_price}
    return {**row, **more}


def set_session(state: int, until_ns: int = 0, account: int = 7, serial: int = 77, **more: int) -> dict[str, int]:
    row = {"kind": CommandKind.SET_SESSION, "session_state": state, "expire_time_ns": until_ns}
    return {**row, "account": account, "serial": serial, **more}


def traded_at(price: int, serial: int) -> list[dict[str, int]]:
    """Two orders of strangers that trade at a price."""
    return [sell(price, 2, serial, account=8), buy(price, 2, serial + 1, account=9)]


def rows(records: Records, *names: str) -> list[tuple[int, ...]]:
    """Some columns as plain tuples."""
    return list(zip(*(records[name].tolist() for name in names), strict=True))


def same(left: BookOutput, right: BookOutput) -> bool:
    return all(np.array_equal(getattr(left, part), getattr(right, part)) for part in ("executions", "quotes", "depth"))
