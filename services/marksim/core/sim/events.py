"""What happens to a market from outside: each event as commands of account 0, a withdrawal, or a move of the value."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Final

from marksim.core.agents.latency import latency_key
from marksim.core.agents.spec import FatFinger, FlashCrash, Halt, LiquidityWithdrawal, MarketEvent, NewsShock
from marksim.core.errors import InvalidInput
from marksim.core.sim.scheduler import Priority
from marksim.core.types import (
    MAX_QUANTITY_LOTS,
    NS_PER_S,
    CommandKind,
    Instrument,
    OrderType,
    SessionState,
    Side,
    TimeInForce,
)

if TYPE_CHECKING:
    from marksim.core.sim.engine import AsyncTimeEngine

LONGEST_NS: Final = 366 * 24 * 3_600 * NS_PER_S
MOST_SELLS: Final = 100_000
"""Of one flash crash."""
MOST_PPM: Final = 1_000_000
MOST_CHANGE_PPM: Final = 10_000_000
"""A value that is eleven times as high."""
HALT: Final = "halt"
WITHDRAWAL: Final = "withdrawal"
"""Kinds of a Happening."""

_KINDS: Final[Mapping[str, Any]] = {
    "news_shock": NewsShock,
    "halt": Halt,
    "fat_finger": FatFinger,
    "liquidity_withdrawal": LiquidityWithdrawal,
    "flash_crash": FlashCrash,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def check_event(event: MarketEvent, instruments: Mapping[str, Instrument]) -> None:
    """Raise InvalidInput for a symbol that is not traded here, or a number that makes no sense; it names the field."""
    instrument = instruments.get(event.symbol)
    if instrument is None:
        raise InvalidInput(f"symbol: {event.symbol!r} is not traded here; there are {', '.join(instruments)}")
    match event:
        case NewsShock():
            _within("change_ppm", event.change_ppm, 1 - MOST_PPM, MOST_CHANGE_PPM)
        case Halt():
            _within("duration_ns", event.duration_ns, 1, LONGEST_NS)
        case FatFinger():
            _within("quantity_lots", event.quantity_lots, instrument.min_quantity_lots, instrument.max_quantity_lots)
        case LiquidityWithdrawal():
            _within("duration_ns", event.duration_ns, 1, LONGEST_NS)
            _within("share_ppm", event.share_ppm, 0, MOST_PPM)
        case FlashCrash():
            _within("duration_ns", event.duration_ns, 1, LONGEST_NS)
            _within("interval_ns", event.interval_ns, 1, LONGEST_NS)
            _within("share_ppm", event.share_ppm, 0, MOST_PPM)
            _within("quantity_lots", event.quantity_lots, 1, MAX_QUANTITY_LOTS)
            sells = _sells(event)
            _within("duration_ns / interval_ns", len(sells), 1, MOST_SELLS)
            _within("quantity_lots of each order", min(sells), instrument.min_quantity_lots, instrument.max_quantity_lots)
            _within("quantity_lots of each order", max(sells), instrument.min_quantity_lots, instrument.max_quantity_lots)


def play(engine: "AsyncTimeEngine", event: MarketEvent, time_ns: int) -> None:
    """Let it happen at a time that no agent has seen yet."""
    match event:
        case NewsShock():
            engine.crowd(event.symbol).shock(time_ns, event.change_ppm)
        case Halt():
            _halt(engine, event.symbol, time_ns, event.duration_ns)
        case FatFinger():
            _market_order(engine, event.symbol, time_ns, Side.SELL if event.sell else Side.BUY, event.quantity_lots)
        case LiquidityWithdrawal():
            _withdraw(engine, event.symbol, time_ns, event.duration_ns, event.share_ppm)
        case FlashCrash():
            _withdraw(engine, event.symbol, time_ns, event.duration_ns, event.share_ppm)
            for number, lots in enumerate(_sells(event)):
                _market_order(engine, event.symbol, time_ns + number * event.interval_ns, Side.SELL, lots)


class Happening:
    """An event's entry in the schedule, or a part's of it: plain data, so that it can be written down."""

    __slots__ = ("_engine", "duration_ns", "kind", "share_ppm", "symbol", "time_ns")

    def __init__(
        self, engine: "AsyncTimeEngine", kind: str, symbol: str, time_ns: int, duration_ns: int, share_ppm: int = 0
    ) -> None:
        self._engine = engine
        self.kind = kind
        self.symbol = symbol
        self.time_ns = time_ns
        self.duration_ns = duration_ns
        self.share_ppm = share_ppm

    def state(self) -> list[Any]:
        """Its arguments, without the engine."""
        return [self.kind, self.symbol, self.time_ns, self.duration_ns, self.share_ppm]

    @property
    def dead(self) -> bool:
        return False

    def fire(self) -> None:
        if self.kind == HALT:
            self._stop()
        else:
            self._leave()

    def _stop(self) -> None:
        engine, symbol, time_ns = self._engine, self.symbol, self.time_ns
        # A closed market has nothing to halt, and the end of a halt would open it.
        if engine.feed(symbol).newest.session_state != SessionState.CLOSED:
            halted = {"session": SessionState.HALTED, "expire_ns": time_ns + self.duration_ns}
            engine.command(symbol, time_ns, CommandKind.SET_SESSION, **halted)

    def _leave(self) -> None:
        """Who goes is drawn by name, so that it is the same whoever else takes part."""
        engine, symbol, time_ns = self._engine, self.symbol, self.time_ns
        until_ns = time_ns + self.duration_ns
        engine.crowd(symbol).withdraw(time_ns, until_ns, self.share_ppm)
        for holding in engine.holdings(symbol):
            spec = holding.agent.spec
            chosen = latency_key(engine.seed, spec.name, f"withdrawal {time_ns}") % MOST_PPM < self.share_ppm
            if spec.provides_liquidity and chosen and not holding.agent.over:
                holding.withdrawn_until_ns = max(holding.withdrawn_until_ns, until_ns)
                if holding.orders:
                    holding.cancel_all(holding.agent.own_serial())


def event_to_plain(event: MarketEvent) -> dict[str, Any]:
    """The event as a dict of plain data, its kind under "kind"."""
    return {"kind": _NAMES[type(event)], **asdict(event)}


def event_from_plain(plain: Mapping[str, Any]) -> MarketEvent:
    """The event of which `event_to_plain` gave that. Raises InvalidInput for anything else; it names the field."""
    kind = _KINDS.get(str(plain.get("kind")))
    if kind is None:
        raise InvalidInput(f"kind: {plain.get('kind')!r} is no event; there are {', '.join(_KINDS)}")
    wanted: dict[str, Any] = {field.name: field.type for field in fields(kind)}
    given = {name: value for name, value in plain.items() if name != "kind"}
    if odd := sorted(given.keys() ^ wanted.keys()):
        raise InvalidInput(f"{odd[0]}: an event of kind {plain['kind']} has {', '.join(wanted)}")
    for name, value in given.items():
        if type(value) is not wanted[name]:
            raise InvalidInput(f"{name} is {value!r}: it must be of type {wanted[name].__name__}")
    return kind(**given)


def _halt(engine: "AsyncTimeEngine", symbol: str, time_ns: int, duration_ns: int) -> None:
    engine.scheduler.at(time_ns, Priority.EVENT, Happening(engine, HALT, symbol, time_ns, duration_ns))


def _withdraw(engine: "AsyncTimeEngine", symbol: str, time_ns: int, duration_ns: int, share_ppm: int) -> None:
    engine.scheduler.at(time_ns, Priority.EVENT, Happening(engine, WITHDRAWAL, symbol, time_ns, duration_ns, share_ppm))


def _market_order(engine: "AsyncTimeEngine", symbol: str, time_ns: int, side: Side, lots: int) -> None:
    terms = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}
    engine.command(symbol, time_ns, CommandKind.NEW, side=side, quantity_lots=lots, **terms)


def _sells(event: FlashCrash) -> list[int]:
    """Lots of each order: equal but for one, the first ones the larger."""
    count = max(1, min(event.duration_ns // event.interval_ns, MOST_SELLS + 1))
    lots, larger = divmod(event.quantity_lots, count)
    return [lots + (number < larger) for number in range(count)]


def _within(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InvalidInput(f"{field} is {value}: it must be from {least} to {most}", metadata={"field": field})
