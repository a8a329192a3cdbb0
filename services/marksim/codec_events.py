"""Events that are injected into a market, from protobuf to core."""

from collections.abc import Mapping
from typing import Final

from marksim.codec import parse_lots, parse_price, quantity_text
from marksim.core.agents.spec import FatFinger, FlashCrash, Halt, LiquidityWithdrawal, MarketEvent, NewsShock
from marksim.core.durations import MAX_DURATION_NS
from marksim.core.errors import InvalidInput
from marksim.core.types import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS, Instrument
from marksim.v1 import engine_pb2 as pb

_WHOLE_PPM: Final = 1_000_000
_MOST_CHANGE_PPM: Final = 10 * _WHOLE_PPM
_CRASH_SHARE_PPM, _CRASH_INTERVAL_NS = 700_000, 200_000_000

Instruments = Mapping[str, Instrument]
"""Those that the engine trades, by symbol."""


def market_event_from_proto(request: pb.InjectEventRequest, instruments: Instruments) -> MarketEvent:
    """The event that a request holds; raises InvalidInput, which names the field, for what cannot be."""
    match request.WhichOneof("event"):
        case "news_shock":
            return _news_shock(request.news_shock, instruments)
        case "halt":
            symbol = instrument_of(request.halt.symbol, instruments, "halt.symbol").symbol
            return Halt(symbol, _duration(request.halt.duration_ns, "halt.duration_ns"))
        case "fat_finger":
            finger = request.fat_finger
            instrument = instrument_of(finger.symbol, instruments, "fat_finger.symbol")
            largest = instrument.max_quantity_lots
            lots = _lots(finger.quantity_lots, finger.quantity, instrument, "fat_finger", largest)
            return FatFinger(instrument.symbol, finger.sell, lots)
        case "liquidity_withdrawal":
            withdrawal, place = request.liquidity_withdrawal, "liquidity_withdrawal"
            symbol = instrument_of(withdrawal.symbol, instruments, f"{place}.symbol").symbol
            duration_ns = _duration(withdrawal.duration_ns, f"{place}.duration_ns")
            return LiquidityWithdrawal(symbol, duration_ns, _share(withdrawal.share_ppm or _WHOLE_PPM, f"{place}.share_ppm"))
        case "flash_crash":
            return _flash_crash(request.flash_crash, instruments)
    kinds = ", ".join(field.name for field in pb.InjectEventRequest.DESCRIPTOR.fields)
    raise _wrong("event", f"is empty: set one of {kinds}")


def instrument_of(symbol: str, instruments: Instruments, field: str) -> Instrument:
    """The instrument of a symbol; raises InvalidInput, which names `field`, for one that this engine does not trade."""
    if symbol not in instruments:
        raise _wrong(field, f"is {symbol!r}: this engine trades {', '.join(instruments)}")
    return instruments[symbol]


def ticks_of(ticks: int, price: str, instrument: Instrument, place: str) -> int:
    """The price that either field says; raises InvalidInput where both do, neither does, or it is none of the book's."""
    if price and ticks:
        raise _wrong(f"{place}.price", "is set beside price_ticks: set one of the two")
    if price:
        return parse_price(price, instrument, f"{place}.price")
    if not 0 < ticks <= MAX_PRICE_TICKS:
        raise _wrong(f"{place}.price_ticks", f"is {ticks}: give a price above 0, in ticks here or as a decimal in price")
    return ticks


def _news_shock(shock: pb.NewsShock, instruments: Instruments) -> NewsShock:
    symbol = instrument_of(shock.symbol, instruments, "news_shock.symbol").symbol
    if not shock.change_ppm or not -_WHOLE_PPM < shock.change_ppm <= _MOST_CHANGE_PPM:
        bounds = "above -1000000 (-100%) and at most 10000000 (+1000%), not 0"
        raise _wrong("news_shock.change_ppm", f"is {shock.change_ppm}: give millionths {bounds}")
    return NewsShock(symbol, shock.change_ppm)


def _flash_crash(crash: pb.FlashCrash, instruments: Instruments) -> FlashCrash:
    place = "flash_crash"
    instrument = instrument_of(crash.symbol, instruments, f"{place}.symbol")
    duration_ns = _duration(crash.duration_ns, f"{place}.duration_ns")
    interval_ns = crash.interval_ns or min(_CRASH_INTERVAL_NS, duration_ns)
    if not 0 < interval_ns <= duration_ns:
        raise _wrong(f"{place}.interval_ns", f"is {interval_ns}: give at most the duration, or 0 for 200 ms")
    lots = _lots(crash.quantity_lots, crash.quantity, instrument, place)
    share_ppm = _share(crash.share_ppm or _CRASH_SHARE_PPM, f"{place}.share_ppm")
    return FlashCrash(instrument.symbol, lots, duration_ns, interval_ns, share_ppm)


def _lots(lots: int, quantity: str, instrument: Instrument, place: str, largest: int = MAX_QUANTITY_LOTS) -> int:
    if quantity and lots:
        raise _wrong(f"{place}.quantity", "is set beside quantity_lots: set one of the two")
    field = f"{place}.quantity" if quantity else f"{place}.quantity_lots"
    lots = parse_lots(quantity, instrument, field) if quantity else lots
    if not 0 < lots <= largest:
        most = f"{largest} lots ({quantity_text(largest, instrument)})"
        raise _wrong(field, f"is {quantity or lots}: give more than 0 and at most {most}")
    return lots


def _duration(duration_ns: int, field: str) -> int:
    if not 0 < duration_ns <= MAX_DURATION_NS:
        raise _wrong(field, f"is {duration_ns}: give simulated nanoseconds above 0 and at most {MAX_DURATION_NS}")
    return duration_ns


def _share(share_ppm: int, field: str) -> int:
    if not 0 < share_ppm <= _WHOLE_PPM:
        raise _wrong(field, f"is {share_ppm}: give millionths above 0 and at most {_WHOLE_PPM}")
    return share_ppm


def _wrong(field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{field} {problem}", metadata={"field": field})
