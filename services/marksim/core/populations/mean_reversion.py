"""Mean-reversion traders: they lean against a price that has left its own mean, and go flat once it is back.

Short-term reversal as measured by Lehmann ("Fads, martingales, and market efficiency", 1990); in intraday books such
traders are who supplies liquidity after a large order (Nagel, "Evaporating liquidity", 2012).
"""

from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Count, Positive, Whole
from marksim.core.book.compiled import compiled_apart
from marksim.core.book.words import Row, int64
from marksim.core.populations.dice import trait
from marksim.core.populations.learning import is_waiting, seen
from marksim.core.populations.sending import await_answer, take_up_to
from marksim.core.populations.trends import mean, middle, renew
from marksim.core.populations.words import BUY, CONTINUOUS, SELL, Crowd, Population, Trader


@dataclass(frozen=True)
class MeanReversion:
    """Parameters of `mean_reversion`. Prices in ticks, sizes in lots, times in simulated seconds."""

    interval_s: Positive = 400.0
    fast_s: Positive = 15.0
    threshold_ticks: Amount = 14.0
    size_lots: Count = 40
    max_position_lots: Whole = 400


@compiled_apart
def act(crowd: Crowd, population: Population, trader: Trader, now_ns: int, p: Row) -> None:
    """Sell far above the mean of the trader's horizon, buy far below it, close the position near it."""
    tick = seen(crowd, population, now_ns)
    price = middle(tick)
    renew(crowd, population, now_ns, price, p[1])
    if tick.session_state != CONTINUOUS or is_waiting(crowd, trader):
        return
    horizon = 1 + int64(3.0 * trait(population.key, trader, 1))
    threshold = p[2] * (0.5 + trait(population.key, trader, 2)) * horizon
    above, position, most = price - mean(population, horizon), int64(crowd.traders[trader].position_lots), int64(p[4])
    wanted = int64(0)
    if above > threshold:
        wanted = min(-most - position, int64(0))
    elif above < -threshold:
        wanted = max(most - position, int64(0))
    elif (position > 0 and above > -0.2 * threshold) or (position < 0 and above < 0.2 * threshold):
        wanted = -position
    if wanted != 0:
        side, best = (BUY, int64(tick.ask_price_ticks)) if wanted > 0 else (SELL, int64(tick.bid_price_ticks))
        take_up_to(crowd, population, trader, now_ns, side, best, min(int64(p[3]), abs(wanted)))
        await_answer(crowd, population, trader, side)
