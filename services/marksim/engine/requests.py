"""What the commands of EngineService say, checked."""

from collections.abc import Mapping

from marksim.codec_events import instrument_of, ticks_of
from marksim.core.durations import MAX_DURATION_NS, format_duration
from marksim.core.errors import InvalidInput
from marksim.core.types import Instrument
from marksim.engine.settings import parse_speed
from marksim.engine.until import Awaited, Kind
from marksim.v1 import engine_pb2 as pb

_PRICES = (Kind.PRICE_AT_OR_ABOVE, Kind.PRICE_AT_OR_BELOW)


def invalid(field: str, problem: str) -> InvalidInput:
    """The error of a field, named for people and for programs."""
    return InvalidInput(f"{field} {problem}", metadata={"field": field})


def factor_of(speed: pb.Speed) -> float | None:
    """Simulated seconds a wall second; None for as fast as it goes."""
    which = speed.WhichOneof("speed")
    if which is None or (which == "max" and not speed.max):
        raise invalid("speed", "is empty: set factor, or max to true")
    if which == "max":
        return None
    try:
        return parse_speed(speed.factor)
    except ValueError as error:
        raise invalid("speed.factor", f"{speed.factor}: {error}") from None


def until_of(
    request: pb.RunUntilRequest, present_ns: int, lookahead_ns: int, instruments: Mapping[str, Instrument]
) -> int | Awaited:
    """The simulated time or the event that a RunUntil names."""
    which = request.WhichOneof("until")
    if which and request.simulated_time_ns:
        raise invalid("simulated_time_ns", f"is set beside {which}: set one of the two")
    if which == "event":
        return _awaited(request.event, instruments)
    window = f"a window ({format_duration(lookahead_ns)})"
    if which == "for_ns":
        if not lookahead_ns <= request.for_ns <= MAX_DURATION_NS:
            raise invalid("for_ns", f"is {request.for_ns}: give at least {window}, at most {MAX_DURATION_NS}")
        return present_ns + request.for_ns
    if request.simulated_time_ns < present_ns + lookahead_ns:
        problem = f"is {request.simulated_time_ns}, not after the present {present_ns}: name a time at least {window} later"
        raise invalid("simulated_time_ns", problem)
    return request.simulated_time_ns


def _awaited(event: pb.RunUntilEvent, instruments: Mapping[str, Instrument]) -> Awaited:
    try:
        kind = Kind(event.kind)
    except ValueError:
        known = ", ".join(pb.RunUntilKind.keys()[1:])
        raise invalid("event.kind", f"is {event.kind}: give one of {known}") from None
    if kind not in _PRICES:
        if event.price or event.price_ticks:
            raise invalid("event.price", f"is set, but {kind.name} has no price: leave it out")
        if kind is Kind.AGENT_FAILURE and event.symbol:
            raise invalid("event.symbol", "is set, but agents are not looked for by symbol: leave it out")
    if not event.symbol and kind not in _PRICES:
        return Awaited(kind, instruments)
    instrument = instrument_of(event.symbol, instruments, "event.symbol")
    ticks = ticks_of(event.price_ticks, event.price, instrument, "event") if kind in _PRICES else 0
    return Awaited(kind, {instrument.symbol: instrument}, ticks)
