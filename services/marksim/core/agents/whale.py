"""A whale: now and then works a large order through the book in many equal children (TWAP)."""

from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Count, FewTimes, Positive, Whole
from marksim.core.agents.market import Market
from marksim.core.agents.session import is_trading
from marksim.core.types import Side


@dataclass(frozen=True)
class Whale:
    """Parameters of `whale`. Sizes in lots, times in simulated seconds."""

    pause_s: Positive = 1_800.0
    first_pause_s: Amount = 300.0
    parent_lots: Count = 12_000
    children: FewTimes = 60
    child_interval_s: Amount = 2.0
    max_position_lots: Whole = 11_000


async def whale(market: Market, p: Whale) -> None:
    """Pause, choose a side (back toward flat when it has a position), and trade a parent order child by child.

    Outside continuous trading the next child waits.
    """
    rng = market.rng
    pause_s = p.first_pause_s
    while True:
        await market.sleep(float(rng.exponential(pause_s)))
        pause_s = p.pause_s
        side = Side.BUY if rng.random() < 0.5 else Side.SELL
        if abs(market.position_lots) > p.max_position_lots:
            side = Side.SELL if market.position_lots > 0 else Side.BUY
        child_lots = max(1, p.parent_lots // p.children)
        for _ in range(p.children):
            while not is_trading(market):
                await market.next_tick()
            market.market(side, child_lots)
            await market.sleep(p.child_interval_s * (0.5 + float(rng.random())))
