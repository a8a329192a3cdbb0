"""An informed trader: has a noisy idea of the value and takes what is offered on the wrong side of it.

The insider of A. Kyle, "Continuous auctions and insider trading", 1985, who trades in proportion to how far the price is
from the value, with the fundamentalists' threshold of C. Chiarella and G. Iori, "A simulation analysis of the
microstructure of double auction markets", 2002. The value is the symbol's own (`market.value_ticks`): it reverts to a mean,
and all who watch a symbol see one path, each with an error of `noise_ticks`. A gap of `threshold_ticks` is not worth a
trade; one more of `conviction_ticks` doubles the size, up to `most_conviction` times.
"""

from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Positive, Whole
from marksim.core.agents.market import Market
from marksim.core.agents.paced import Paced
from marksim.core.agents.pricing import lots_within, price_within
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


class InformedAgent(Paced):
    """Now and then, compares the value with the best prices and takes up to the value where it pays."""

    def __init__(self, market: Market, p: Informed) -> None:
        super().__init__(market)
        self.p = p
        self.instrument = market.instrument()

    def pause_s(self) -> float:
        return self.p.interval_s * self.rng.standard_exponential()

    def act(self) -> None:
        market, p, rng, instrument = self.market, self.p, self.rng, self.instrument
        tick = market.tick()
        if not is_trading(tick):
            return
        value = market.value_ticks() + p.noise_ticks * rng.standard_normal()
        position = market.position_lots()
        cheap, dear = value - tick.ask_price_ticks, tick.bid_price_ticks - value
        conviction = min(p.most_conviction, 1.0 + max(0.0, cheap, dear) / p.conviction_ticks)
        size = lots_within(instrument, 1 + int(p.size_lots * conviction * rng.standard_exponential()))
        if tick.ask_quantity_lots and cheap > p.threshold_ticks and position < p.max_position_lots:
            price = price_within(instrument, int(value - p.threshold_ticks))
            market.limit(Side.BUY, price, size, immediate=True)
        elif tick.bid_quantity_lots and dear > p.threshold_ticks and position > -p.max_position_lots:
            price = price_within(instrument, int(value + p.threshold_ticks) + 1)
            market.limit(Side.SELL, price, size, immediate=True)
