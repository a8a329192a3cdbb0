"""What every account holds of a symbol, hour by hour, made from trades as they come."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.rows import choose, join
from marksim.core.types import EXECUTION, NS_PER_MINUTE, ExecutionKind, Records, Side

POSITION: Final = np.dtype(
    [
        ("sequence", "<i8"),
        ("time_ns", "<i8"),
        ("account", "<i8"),
        ("position_lots", "<i8"),
        ("cash_tick_lots", "<i8"),
        ("trades", "<i8"),
    ]
)
"""One account as of `time_ns`: bought less sold, what that brought in (negative is spent; no fees), and its fills so far.
`sequence` is the last event before that time."""

NS_PER_HOUR: Final = 60 * NS_PER_MINUTE
_GATHERED_TRADES: Final = 1 << 18
"""So many trades wait before they are summed; summing looks at every account."""


class PositionTable:
    """Takes one symbol's events in sequence order. At the end of each simulated hour it tells of the accounts that traded in
    it, at the end of the run of all that ever did.
    """

    def __init__(self) -> None:
        self._accounts: NDArray[np.int64] = np.zeros(0, np.int64)
        self._sums: NDArray[np.int64] = np.zeros((3, 0), np.int64)
        self._traded: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._waiting: list[Records] = []
        self._waiting_trades = 0
        self._hour: int | None = None
        self._sequence = 0

    def update(self, executions: Records) -> Records:
        """POSITION rows of the hours that these events end."""
        told: list[Records] = []
        hours = executions["time_ns"] // NS_PER_HOUR
        cuts = (np.flatnonzero(hours[1:] != hours[:-1]) + 1).tolist()
        for begin, end in zip((0, *cuts), (*cuts, len(executions)), strict=True):
            if begin == end:
                continue
            hour = int(hours[begin])
            if self._hour is not None and hour != self._hour:
                self._sum()
                told.append(self._rows(self._traded, (self._hour + 1) * NS_PER_HOUR))
                self._traded[:] = False
            self._hour = hour
            self._take(executions[begin:end])
        return np.concatenate(told) if told else np.zeros(0, POSITION)

    def finish(self, end_ns: int) -> Records:
        """POSITION rows of the end of the run, and of the hour before it where the run went on without an event."""
        self._sum()
        last_hour_ns = end_ns if self._hour is None else (self._hour + 1) * NS_PER_HOUR
        told = [self._rows(self._traded, last_hour_ns)] if last_hour_ns < end_ns else []
        return np.concatenate((*told, self._rows(np.ones(len(self._accounts), np.bool_), end_ns)))

    def _take(self, executions: Records) -> None:
        self._sequence = executions["sequence"].item(-1)
        self._waiting.append(choose(executions, executions["kind"] == ExecutionKind.TRADED))
        self._waiting_trades += len(self._waiting[-1])
        if self._waiting_trades >= _GATHERED_TRADES:
            self._sum()

    def _sum(self) -> None:
        if not self._waiting_trades:
            return
        trades = join(self._waiting, EXECUTION)
        self._waiting, self._waiting_trades = [], 0
        sells = trades["side"] == Side.SELL
        # Of an auction's trade, without a side, the account bought.
        buyers = np.where(sells, trades["maker_account"], trades["account"])
        sellers = np.where(sells, trades["account"], trades["maker_account"])
        self._know(np.concatenate((buyers, sellers)))
        lots, value = trades["quantity_lots"], trades["price_ticks"] * trades["quantity_lots"]
        for accounts, sign in ((buyers, 1), (sellers, -1)):
            at = np.searchsorted(self._accounts, accounts)
            np.add.at(self._sums[0], at, sign * lots)
            np.add.at(self._sums[1], at, -sign * value)
            np.add.at(self._sums[2], at, 1)
            self._traded[at] = True

    def _know(self, accounts: NDArray[np.int64]) -> None:
        known = np.union1d(self._accounts, accounts)
        if len(known) == len(self._accounts):
            return
        at = np.searchsorted(known, self._accounts)
        sums, traded = np.zeros((3, len(known)), np.int64), np.zeros(len(known), np.bool_)
        sums[:, at], traded[at] = self._sums, self._traded
        self._accounts, self._sums, self._traded = known, sums, traded

    def _rows(self, chosen: NDArray[np.bool_], time_ns: int) -> Records:
        rows: Records = np.zeros(int(np.count_nonzero(chosen)), POSITION)
        rows["sequence"], rows["time_ns"], rows["account"] = self._sequence, time_ns, self._accounts[chosen]
        for name, sums in zip(("position_lots", "cash_tick_lots", "trades"), self._sums, strict=True):
            rows[name] = sums[chosen]
        return rows
