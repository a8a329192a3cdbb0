"""An informed trader: has a noisy idea of the value and takes what is offered on the wrong side of it."""

from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Positive, Whole
from marksim.core.agents.market import Market
from marksim.core.agents.session import is_trading
from marksim.core.types import Side


@dataclass(frozen=True)
class Informed:
    """Parameters of `informed`. Prices in ticks, sizes in lots, times in simulated seconds."""

    interval_s: Positive = 2.5
    noise_ticks: Amount = 2.0
    threshold_ticks: Amount = 1.5
    size_lots: Amount = 260.0
    conviction_ticks: Positive = 3.0
    """A price that is so much further off doubles the size."""
    most_conviction: Amount = 3.5
    max_position_lots: Whole = 5_000_000
    value_sd_ticks: Amount = 6.2
    """Of the value's change over a square root of a second; the same for all who watch the symbol."""
    value_half_life_s: Positive = 14_400.0


async def informed(market: Market, p: Informed) -> None:
    """Now and then, compare the value with the best prices and take up to the value where it pays."""
    rng = market.rng
    while True:
        await market.sleep(float(rng.exponential(p.interval_s)))
        if not is_trading(market):
            continue
        value = market.fundamental_ticks(p.value_sd_ticks, p.value_half_life_s) + p.noise_ticks * float(
            rng.standard_normal()
        )
        tick, position = market.tick, market.position_lots
        cheap, dear = value - tick.ask_price_ticks, tick.bid_price_ticks - value
        conviction = min(p.most_conviction, 1.0 + max(0.0, cheap, dear) / p.conviction_ticks)
        size = 1 + int(p.size_lots * conviction * float(rng.exponential()))
        if tick.ask_quantity_lots and cheap > p.threshold_ticks and position < p.max_position_lots:
            market.limit(Side.BUY, int(value - p.threshold_ticks), size, immediate=True)
        elif tick.bid_quantity_lots and dear > p.threshold_ticks and position > -p.max_position_lots:
            market.limit(Side.SELL, int(value + p.threshold_ticks) + 1, size, immediate=True)
