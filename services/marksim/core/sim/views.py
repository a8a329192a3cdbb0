"""What an agent gets in its hands besides its orders: quotes, trades, fills and candles (Protocols: `core.agents.views`)."""

from typing import TYPE_CHECKING

from marksim.core.sim.units import Units
from marksim.core.types import SessionState, Tick

if TYPE_CHECKING:
    from marksim.core.sim.orders import OwnOrder


class TickQuote:
    """A tick in units. Nothing is converted before it is asked for."""

    __slots__ = ("_units", "exact", "symbol")

    def __init__(self, symbol: str, units: Units, tick: Tick) -> None:
        self.symbol = symbol
        self.exact = tick
        self._units = units

    @property
    def time_ns(self) -> int:
        return self.exact.time_ns

    @property
    def bid(self) -> float:
        return self._units.price.units(self.exact.bid_price_ticks)

    @property
    def ask(self) -> float:
        return self._units.price.units(self.exact.ask_price_ticks)

    @property
    def last(self) -> float:
        return self._units.price.units(self.exact.last_price_ticks)

    @property
    def mid(self) -> float:
        return self._units.price.units(self.exact.bid_price_ticks + self.exact.ask_price_ticks) / 2

    @property
    def spread(self) -> float:
        return self._units.price.units(self.exact.ask_price_ticks - self.exact.bid_price_ticks)

    @property
    def bid_size(self) -> float:
        return self._units.quantity.units(self.exact.bid_quantity_lots)

    @property
    def ask_size(self) -> float:
        return self._units.quantity.units(self.exact.ask_quantity_lots)

    @property
    def session(self) -> SessionState:
        return self.exact.session_state

    def __repr__(self) -> str:
        return f"<{self.symbol} {self.bid:.12g} / {self.ask:.12g} at {self.time_ns} ns>"


class TickTrade:
    """The last trade of a window, and the volume of all of that window's, as its tick shows them."""

    __slots__ = ("_units", "price_ticks", "symbol", "time_ns", "volume_lots")

    def __init__(self, symbol: str, units: Units, tick: Tick) -> None:
        self.symbol = symbol
        self.time_ns = tick.time_ns
        self.price_ticks = tick.last_price_ticks
        self.volume_lots = tick.window_volume_lots
        self._units = units

    @property
    def price(self) -> float:
        return self._units.price.units(self.price_ticks)

    @property
    def volume(self) -> float:
        return self._units.quantity.units(self.volume_lots)

    def __repr__(self) -> str:
        return f"<{self.symbol} {self.volume:.12g} at {self.price:.12g} at {self.time_ns} ns>"


class OwnFill:
    """A part of one own order that traded."""

    __slots__ = ("_units", "is_maker", "order", "price_ticks", "quantity_lots", "time_ns")

    def __init__(
        self, order: "OwnOrder", units: Units, time_ns: int, price_ticks: int, quantity_lots: int, is_maker: bool
    ) -> None:
        self.order = order
        self.time_ns = time_ns
        self.price_ticks = price_ticks
        self.quantity_lots = quantity_lots
        self.is_maker = is_maker
        self._units = units

    @property
    def price(self) -> float:
        return self._units.price.units(self.price_ticks)

    @property
    def quantity(self) -> float:
        return self._units.quantity.units(self.quantity_lots)

    def __repr__(self) -> str:
        return f"<{self.order.side.name} {self.quantity:.12g} {self.order.symbol} at {self.price:.12g}>"
