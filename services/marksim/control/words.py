"""What people write on the command line, as requests of EngineService."""

import re
from fractions import Fraction
from typing import Final

from marksim.core.errors import InvalidInput
from marksim.runtime.durations import parse_duration_ns, parse_moment_ns
from marksim.v1 import engine_pb2 as pb

UNTIL_FORMS: Final = (
    "2025-01-06T12:00:00, +90s, trade, trade:SYMBOL, session, session:SYMBOL, above:SYMBOL:PRICE, below:SYMBOL:PRICE "
    "or failure"
)
_ANY: Final = {
    "trade": pb.RUN_UNTIL_KIND_TRADE,
    "session": pb.RUN_UNTIL_KIND_SESSION_CHANGE,
}
_PRICES: Final = {
    "above": pb.RUN_UNTIL_KIND_PRICE_AT_OR_ABOVE,
    "below": pb.RUN_UNTIL_KIND_PRICE_AT_OR_BELOW,
}
_PERCENT: Final = re.compile(r"([+-]?\d{1,9}(?:\.\d{1,9})?)%", re.ASCII)


def until_request(text: str) -> pb.RunUntilRequest:
    """A time, a duration from now on, or an event. Raises InvalidInput with the forms there are."""
    word, _, rest = text.partition(":")
    if word == "failure" and not rest:
        return pb.RunUntilRequest(event=pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_AGENT_FAILURE))
    if word in _ANY:
        return pb.RunUntilRequest(event=pb.RunUntilEvent(kind=_ANY[word], symbol=rest))
    if word in _PRICES:
        symbol, _, price = rest.rpartition(":")
        if not symbol or not price:
            raise InvalidInput(f"UNTIL is {text!r}: write {word}:SYMBOL:PRICE, such as {word}:BTC/USD:50000")
        return pb.RunUntilRequest(event=pb.RunUntilEvent(kind=_PRICES[word], symbol=symbol, price=price))
    if re.match(r"\d{4}-", text, re.ASCII):
        return pb.RunUntilRequest(simulated_time_ns=parse_moment_ns(text, "UNTIL"))
    try:
        return pb.RunUntilRequest(for_ns=parse_duration_ns(text.removeprefix("+"), "UNTIL"))
    except InvalidInput:
        raise InvalidInput(f"UNTIL is {text!r}: write {UNTIL_FORMS}") from None


def speed_of(text: str) -> pb.Speed:
    """A factor of wall time, or `max`."""
    if text == "max":
        return pb.Speed(max=True)
    try:
        return pb.Speed(factor=float(text.removesuffix("x")))
    except ValueError:
        raise InvalidInput(f"SPEED is {text!r}: write simulated seconds a wall second, such as 50, or max") from None


def ppm_of(text: str, field: str) -> int:
    """Millionths of a percentage such as -2% or 0.5%; zero is refused."""
    found = _PERCENT.fullmatch(text)
    if found is None:
        raise InvalidInput(f"{field} is {text!r}: write a percentage such as -2% or 0.5%")
    ppm = Fraction(found[1]) * 10_000
    if ppm.denominator != 1 or not ppm:
        raise InvalidInput(f"{field} is {text!r}: give a multiple of 0.0001%, not zero")
    return int(ppm)


def sells(side: str) -> bool:
    """True of `sell`, false of `buy`."""
    if side not in ("buy", "sell"):
        raise InvalidInput(f"SIDE is {side!r}: write buy or sell")
    return side == "sell"
