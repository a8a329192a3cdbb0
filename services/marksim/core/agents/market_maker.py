"""An inventory-aware market maker: one bid and one ask around a price that moves against what it holds.

M. Avellaneda and S. Stoikov, "High-frequency trading in a limit order book", Quantitative Finance 8(3), 2008. With s the
mid, q the inventory in units of `size_lots`, gamma `risk_aversion`, sigma the volatility in ticks per root second, tau the
time left and kappa `fill_decay`, the rate at which fills become rarer by distance (intensity A exp(-kappa d)):

    reservation price   r = s - q gamma sigma^2 tau
    half spread         h = gamma sigma^2 tau / 2 + ln(1 + gamma / kappa) / gamma

The paper's session ends at a time T; this market has no end, so tau is `horizon_s` always, the time within which the maker
expects to be rid of what it holds. Sigma is its own estimate, an exponential mean of squared changes. Small gamma: spread
near 2 / kappa and little lean; gamma sigma^2 tau is the lean, in ticks, for one `size_lots` held.
"""

import math
from dataclasses import dataclass
from typing import Any

from marksim.core.agents.bounds import Amount, Count, Positive
from marksim.core.agents.market import Market
from marksim.core.agents.paced import Paced
from marksim.core.agents.pricing import lots_within, microprice_ticks, price_within
from marksim.core.agents.session import is_trading, takes_orders
from marksim.core.agents.views import Order
from marksim.core.types import NS_PER_S, Side, Tick


@dataclass(frozen=True)
class MarketMaker:
    """Parameters of `market_maker`. Prices in ticks, sizes in lots, times in simulated seconds."""

    requote_s: Positive = 0.5
    size_lots: Count = 300
    risk_aversion: Positive = 0.01
    """gamma, per tick and `size_lots`."""
    fill_decay: Positive = 0.5
    """kappa, per tick."""
    horizon_s: Positive = 1.0
    volatility_ticks: Amount = 5.0
    """First estimate of sigma, in ticks per root second."""
    volatility_memory_s: Positive = 60.0
    most_volatility_ticks: Positive = 20.0
    """The estimate goes no higher, so that one swept book does not drive the quotes away for long."""
    max_position_sizes: Amount = 40.0
    """Holding so many times `size_lots`, it quotes only the side that brings it back."""


class MarketMakerAgent(Paced):
    """Every `requote_s` on average, moves the two quotes to where they should be.

    Where no orders are taken it keeps its quotes: a cancelled one could not be replaced.
    """

    def __init__(self, market: Market, p: MarketMaker) -> None:
        super().__init__(market)
        self.p = p
        self.edge = math.log(1.0 + p.risk_aversion / p.fill_decay) / p.risk_aversion
        self.mid = 0.0
        self.at_ns = 0
        self.variance = p.volatility_ticks * p.volatility_ticks
        self.bid: Order | None = None
        self.ask: Order | None = None

    def begin(self) -> None:
        self.mid, self.at_ns = microprice_ticks(self.market.tick()), self.market.now_ns

    def pause_s(self) -> float:
        return self.p.requote_s * self.rng.standard_exponential() + 0.02

    def act(self) -> None:
        market, p = self.market, self.p
        tick = market.tick()
        if not takes_orders(tick):
            return
        mid = microprice_ticks(tick)
        self._learn_volatility(mid, market.now_ns)
        lean = p.risk_aversion * self.variance * p.horizon_s
        inventory = market.position_lots() / p.size_lots
        reservation, half = mid - inventory * lean, 0.5 * lean + self.edge
        bid, ask = _passive(tick, math.floor(reservation - half), math.ceil(reservation + half))
        self.bid = self._requote(self.bid, Side.BUY, bid, inventory >= p.max_position_sizes)
        self.ask = self._requote(self.ask, Side.SELL, ask, -inventory >= p.max_position_sizes)

    def _learn_volatility(self, mid: float, now_ns: int) -> None:
        p = self.p
        elapsed_s = (now_ns - self.at_ns) / NS_PER_S
        change = mid - self.mid
        weight = 1.0 - math.exp(-elapsed_s / p.volatility_memory_s)
        most = p.most_volatility_ticks * p.most_volatility_ticks
        self.variance = min(most, self.variance + weight * (change * change / elapsed_s - self.variance))
        self.mid, self.at_ns = mid, now_ns

    def _requote(self, present: Order | None, side: Side, price: int, full: bool) -> Order | None:
        market, p = self.market, self.p
        instrument = market.instrument()
        price = price_within(instrument, price)
        if present is not None and not present.closed:
            if not full and present.price_ticks == price and present.leaves_lots * 3 >= p.size_lots:
                return present
            market.cancel(present)
        return None if full else market.limit(side, price, lots_within(instrument, p.size_lots))

    def state(self) -> dict[str, Any]:
        volatility = {"mid": self.mid, "at_ns": self.at_ns, "variance": self.variance}
        return {**super().state(), **volatility, "bid": self.bid, "ask": self.ask}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.mid, self.at_ns, self.variance = state["mid"], state["at_ns"], state["variance"]
        self.bid, self.ask = state["bid"], state["ask"]


def _passive(tick: Tick, bid: int, ask: int) -> tuple[int, int]:
    """A maker rests: while orders trade as they come, no quote of it reaches the other side's best price."""
    if is_trading(tick):
        if tick.ask_quantity_lots:
            bid = min(bid, tick.ask_price_ticks - 1)
        if tick.bid_quantity_lots:
            ask = max(ask, tick.bid_price_ticks + 1)
    return bid, ask
