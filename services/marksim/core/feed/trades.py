"""The trades of a symbol, from its order events."""

import numpy as np

from marksim.core.rows import choose
from marksim.core.types import TRADE, ExecutionKind, Records


def trades_of(executions: Records) -> Records:
    """The trades among executions as TRADE rows."""
    traded = choose(executions, executions["kind"] == ExecutionKind.TRADED)
    trades: Records = np.zeros(len(traded), TRADE)
    if len(traded):
        for name in ("sequence", "time_ns", "price_ticks", "quantity_lots", "maker_order_id", "side"):
            trades[name] = traded[name]
        trades["taker_order_id"] = traded["order_id"]
    return trades
