"""COMMAND records as packed bytes: made one by one, and joined into one array without a Python object a row."""

import struct
from typing import Final

import numpy as np

from marksim.core.types import COMMAND, CommandKind, OrderType, Records, SelfTradePrevention, SessionState, Side, TimeInForce

_ROW: Final = struct.Struct("<11q7B")
assert _ROW.size == COMMAND.itemsize, "the format is that of COMMAND"

pack = _ROW.pack
"""All columns of COMMAND, in its order."""


def command(
    time_ns: int,
    account: int,
    serial: int,
    kind: CommandKind,
    *,
    side: Side = Side.UNSPECIFIED,
    price_ticks: int = 0,
    quantity_lots: int = 0,
    expire_ns: int = 0,
    target_serial: int = 0,
    order_type: OrderType = OrderType.UNSPECIFIED,
    time_in_force: TimeInForce = TimeInForce.UNSPECIFIED,
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.UNSPECIFIED,
    session: SessionState = SessionState.UNSPECIFIED,
) -> bytes:
    """One row. Raises ValueError for what is no whole number of 64 bits."""
    try:
        return pack(
            time_ns, account, serial, price_ticks, 0, quantity_lots, 0, 0, expire_ns, target_serial, 0,
            kind, side, order_type, time_in_force, 0, self_trade_prevention, session,
        )  # fmt: skip
    except struct.error as error:
        raise not_whole(error, price_ticks=price_ticks, quantity_lots=quantity_lots, expire_ns=expire_ns) from None


def not_whole(error: struct.error, **fields: object) -> ValueError:
    """Which of the fields does not fit a row."""
    for field, value in fields.items():
        if not hasattr(value, "__index__"):
            return ValueError(f"{field} is {value!r}: it must be a whole number")
        if not -(1 << 63) <= int(value) < 1 << 63:
            return ValueError(f"{field} is {value}: it must fit into 64 bits")
    return ValueError(f"a command's fields must be whole numbers: {error}")


def joined(rows: list[bytes]) -> Records:
    """The rows as one array, which may be written to."""
    return np.frombuffer(bytearray().join(rows), COMMAND)
