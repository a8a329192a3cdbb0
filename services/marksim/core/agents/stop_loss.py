"""A crowd that protects its positions by stop orders, so that a fall sets off sales that deepen it.

C. Osler, "Stop-loss orders and price cascades in currency markets", 2005: stops lie in clusters just beyond round prices,
and set off one another. The crowd is up to `traders` holders. Each enters at the market (long with chance `long_share`),
places a stop `nearest_ticks` and an exponential `distance_ticks` away, just beyond the next multiple of `round_ticks`, and
leaves when the stop has traded, or by itself after an exponential `hold_s`. One decides after each `interval_s` on average,
so that a crowd is complete after about traders * interval_s seconds.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from marksim.core.agents.bounds import Amount, Count, FewTimes, Positive, Share, Whole
from marksim.core.agents.market import Market
from marksim.core.agents.paced import Paced
from marksim.core.agents.pricing import lots_within, price_within
from marksim.core.agents.session import is_trading
from marksim.core.agents.views import Order
from marksim.core.types import Side, Tick


@dataclass(frozen=True)
class StopLoss:
    """Parameters of `stop_loss`. Prices in ticks, sizes in lots, times in simulated seconds."""

    traders: FewTimes = 60
    interval_s: Positive = 2.0
    size_lots: Count = 50
    """What each of them holds."""
    long_share: Share = 0.8
    nearest_ticks: Whole = 10
    distance_ticks: Amount = 40.0
    round_ticks: Count = 1
    """Stops lie a tick beyond its multiples; 1 means anywhere."""
    hold_s: Positive = 3_600.0


class _Stage(Enum):
    ENTERING = auto()
    PROTECTED = auto()
    LEAVING = auto()


@dataclass(slots=True)
class _Holder:
    """One position: `order` is its entry, its stop or its exit, by the stage; `lots` is what was held before that."""

    side: Side
    order: Order
    stage: _Stage = _Stage.ENTERING
    lots: int = 0


class StopLossAgent(Paced):
    """Brings each holder on whose order has ended; then one of them leaves, or a new one enters.

    Outside continuous trading the crowd waits; its stops stay in the book.
    """

    def __init__(self, market: Market, p: StopLoss) -> None:
        super().__init__(market)
        self.p = p
        self.holders: list[_Holder] = []

    def pause_s(self) -> float:
        return self.p.interval_s * self.rng.standard_exponential()

    def act(self) -> None:
        market, p, rng = self.market, self.p, self.rng
        tick = market.tick()
        if not is_trading(tick):
            return
        if any(holder.order.closed for holder in self.holders):
            self.holders = [holder for holder in self.holders if not holder.order.closed or self._goes_on(holder, tick)]
        if rng.random() * p.hold_s < p.interval_s * len(self.holders):
            self._leave()
        elif len(self.holders) < p.traders:
            side = Side.BUY if rng.random() < p.long_share else Side.SELL
            entry = market.market(side, lots_within(market.instrument(), p.size_lots))
            self.holders.append(_Holder(side, entry))

    def _goes_on(self, holder: _Holder, tick: Tick) -> bool:
        """Send the next order of a holder whose order has ended; False where nothing is held any more."""
        filled = holder.order.filled_lots
        if holder.stage is _Stage.ENTERING:
            holder.lots = filled
        else:
            holder.lots -= filled
        if not holder.lots:
            return False
        away = holder.side.opposite
        if holder.stage is _Stage.ENTERING:
            holder.stage = _Stage.PROTECTED
            holder.order = self.market.stop(away, self._stop_price(holder.side, tick), holder.lots)
        else:  # the stop was refused, taken back, or found too little to trade with
            holder.stage = _Stage.LEAVING
            holder.order = self.market.market(away, holder.lots)
        return True

    def _stop_price(self, side: Side, tick: Tick) -> int:
        p = self.p
        distance = p.nearest_ticks + int(p.distance_ticks * self.rng.standard_exponential())
        step = p.round_ticks
        if side is Side.BUY:
            price = (tick.bid_price_ticks - distance) // step * step - 1
        else:
            price = -((-tick.ask_price_ticks - distance) // step) * step + 1
        return price_within(self.market.instrument(), price)

    def _leave(self) -> None:
        """One of those that are protected takes its stop back; it sells once it knows that the stop is gone."""
        holder = self.holders[int(self.rng.random() * len(self.holders))]
        if holder.stage is _Stage.PROTECTED and not holder.order.closed:
            self.market.cancel(holder.order)

    def state(self) -> dict[str, Any]:
        holders = [[int(one.side), one.order, one.stage.name, one.lots] for one in self.holders]
        return {**super().state(), "holders": holders}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.holders = [_Holder(Side(side), order, _Stage[stage], lots) for side, order, stage, lots in state["holders"]]
