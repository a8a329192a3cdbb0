"""Momentum traders: they follow the difference of a faster and a slower mean of the price, each of one of three horizons.

Moving-average rules as in Brock, Lakonishok and LeBaron ("Simple technical trading rules", 1992), and the chartists of
Lux and Marchesi ("Scaling and criticality in a stochastic multi-agent model of a financial market", 1999).
"""

from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Count, Positive, Whole
from marksim.core.book.compiled import compiled_apart
from marksim.core.book.words import Row, int64
from marksim.core.populations.dice import trait
from marksim.core.populations.learning import is_waiting, seen
from marksim.core.populations.sending import await_answer, take_market
from marksim.core.populations.trends import middle, renew, trend
from marksim.core.populations.words import BUY, CONTINUOUS, SELL, Crowd, Population, Trader


@dataclass(frozen=True)
class Momentum:
    """Parameters of `momentum`. Prices in ticks, sizes in lots, times in simulated seconds."""

    interval_s: Positive = 600.0
    fast_s: Positive = 15.0
    threshold_ticks: Amount = 8.0
    """Mean threshold; a trader's own lies between half and one and a half of it."""
    size_lots: Count = 40
    max_position_lots: Whole = 400


@compiled_apart
def act(crowd: Crowd, population: Population, trader: Trader, now_ns: int, p: Row) -> None:
    """Buy a rise, sell a fall, and give the position back when neither is there."""
    tick = seen(crowd, population, now_ns)
    renew(crowd, population, now_ns, middle(tick), p[1])
    if tick.session_state != CONTINUOUS or is_waiting(crowd, trader):
        return
    horizon = int64(3.0 * trait(population.key, trader, 1))
    threshold = p[2] * (0.5 + trait(population.key, trader, 2)) * (1.0 + horizon)
    rise, position, most = trend(population, horizon), int64(crowd.traders[trader].position_lots), int64(p[4])
    wanted = int64(0)
    if rise > threshold:
        wanted = max(most - position, int64(0))
    elif rise < -threshold:
        wanted = min(-most - position, int64(0))
    elif abs(rise) < 0.3 * threshold:
        wanted = -position
    if wanted != 0:
        side = BUY if wanted > 0 else SELL
        take_market(crowd, population, trader, now_ns, side, min(int64(p[3]), abs(wanted)))
        await_answer(crowd, population, trader, side)
