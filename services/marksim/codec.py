"""Where core types and protobuf meet: columns, ticks, instruments and decimal text.

Columns and records meet by name: `TradeColumns.price_ticks` is the little-endian array of `TRADE`'s field `price_ticks`.
Every function that takes something from outside raises `InvalidInput`, whose message names the field and the fix.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, TypeVar

import numpy as np
from google.protobuf.internal import api_implementation
from google.protobuf.message import Message

from marksim.core.errors import InvalidInput
from marksim.core.types import (
    COMMAND,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    BandAction,
    Instrument,
    Records,
    SessionState,
    StopTrigger,
    Tick,
)
from marksim.v1 import orderbook_pb2
from marksim.v1 import types_pb2 as pb

# The pure Python implementation of protobuf is some fifty times slower; it would look like a slow market.
assert api_implementation.Type() == "upb", "protobuf must run on upb; reinstall the protobuf wheel for this platform"

MAX_ROWS: Final = 1 << 20
"""Most commands of one column message. Without it a few bytes could claim four thousand million rows."""
MAX_DONE_ROWS: Final = 8 * MAX_ROWS
"""Most rows of any other, as many as the journal takes of a window (core.feed.packing.MAX_ROWS)."""

MAX_DECIMAL_CHARACTERS: Final = 32
PRICE_DECIMALS: Final = 2
"""Prices are shown with at least this many decimals, because people read them as money."""

_ZEROS: Final = bytes(1 << 14)
_PLAIN_DECIMAL: Final = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)

_ColumnsT = TypeVar("_ColumnsT", bound=Message)


@lru_cache(maxsize=64)
def _fields(dtype: np.dtype[np.void]) -> tuple[tuple[str, np.dtype[Any], int], ...]:
    """Name, little-endian type and size of each field."""
    fields = dtype.fields
    assert fields is not None, "a record dtype has fields"
    return tuple((name, fields[name][0].newbyteorder("<"), fields[name][0].itemsize) for name in dtype.names or ())


def encode_columns(records: Records, columns: type[_ColumnsT]) -> _ColumnsT:
    """The records as a column message. A column that is zero in every row is left empty, as the contract allows."""
    if not len(records):
        return columns()
    packed: dict[str, Any] = {"count": len(records)}
    for name, _, _ in _fields(records.dtype):
        data = records[name].tobytes()
        # One memcmp: cheaper than asking numpy, and most columns of most windows are all zero.
        if not _ZEROS.startswith(data):
            packed[name] = data
    return columns(**packed)


def decode_columns(message: Message, dtype: np.dtype[np.void]) -> Records:
    """The column message as fresh records; raises InvalidInput where a column's length does not fit `count`."""
    count: int = message.count  # type: ignore[attr-defined]  # every *Columns message has it
    if count > MAX_ROWS and count > (most := MAX_ROWS if dtype == COMMAND else MAX_DONE_ROWS):
        raise InvalidInput(f"count is {count}: send at most {most} rows in one message")
    records: Records = np.zeros(count, dtype)
    for name, column_type, size in _fields(dtype):
        data: bytes = getattr(message, name)
        if not data:
            continue
        if len(data) != count * size:
            raise InvalidInput(
                f"column {name} has {len(data)} bytes: {count} rows need {count * size} ({size} each), or none for all zero"
            )
        records[name] = np.frombuffer(data, column_type)
    return records


def enum_value(value: int) -> Any:
    """A core enum for a protobuf field: the stubs have types of their own for what is an int when it runs."""
    return int(value)


def tick_to_proto(tick: Tick) -> pb.Tick:
    return pb.Tick(
        tick_number=tick.tick_number,
        time_ns=tick.time_ns,
        last_price_ticks=tick.last_price_ticks,
        bid_price_ticks=tick.bid_price_ticks,
        bid_quantity_lots=tick.bid_quantity_lots,
        ask_price_ticks=tick.ask_price_ticks,
        ask_quantity_lots=tick.ask_quantity_lots,
        volume_24h_lots=tick.volume_24h_lots,
        trades_total=tick.trades_total,
        volume_total_lots=tick.volume_total_lots,
        window_volume_lots=tick.window_volume_lots,
        session_state=enum_value(tick.session_state),
        session_volume_lots=tick.session_volume_lots,
        indicative_price_ticks=tick.indicative_price_ticks,
        indicative_volume_lots=tick.indicative_volume_lots,
        indicative_surplus_lots=tick.indicative_surplus_lots,
    )


def tick_from_proto(message: pb.Tick) -> Tick:
    return Tick(
        tick_number=message.tick_number,
        time_ns=message.time_ns,
        last_price_ticks=message.last_price_ticks,
        bid_price_ticks=message.bid_price_ticks,
        bid_quantity_lots=message.bid_quantity_lots,
        ask_price_ticks=message.ask_price_ticks,
        ask_quantity_lots=message.ask_quantity_lots,
        volume_24h_lots=message.volume_24h_lots,
        trades_total=message.trades_total,
        volume_total_lots=message.volume_total_lots,
        window_volume_lots=message.window_volume_lots,
        session_state=SessionState(message.session_state),
        session_volume_lots=message.session_volume_lots,
        indicative_price_ticks=message.indicative_price_ticks,
        indicative_volume_lots=message.indicative_volume_lots,
        indicative_surplus_lots=message.indicative_surplus_lots,
    )


def instrument_to_proto(instrument: Instrument) -> pb.Instrument:
    return pb.Instrument(
        symbol=instrument.symbol,
        base_asset=instrument.base_asset,
        quote_asset=instrument.quote_asset,
        tick_size=decimal_text(instrument.tick_size, PRICE_DECIMALS),
        lot_size=decimal_text(instrument.lot_size),
        min_quantity_lots=instrument.min_quantity_lots,
        max_quantity_lots=instrument.max_quantity_lots,
        min_notional=decimal_text(instrument.min_notional),
        min_price_ticks=instrument.min_price_ticks,
        max_price_ticks=instrument.max_price_ticks,
        maker_fee_ppm=instrument.maker_fee_ppm,
        taker_fee_ppm=instrument.taker_fee_ppm,
        reference_price_ticks=instrument.reference_price_ticks,
        shard=instrument.shard,
        market_protection_ticks=instrument.market_protection_ticks,
        stop_trigger=enum_value(instrument.stop_trigger),
        static_band_ppm=instrument.static_band_ppm,
        dynamic_band_ppm=instrument.dynamic_band_ppm,
        band_action=enum_value(instrument.band_action),
        halt_ns=instrument.halt_ns,
        auction_ns=instrument.auction_ns,
        sessions=[pb.SessionChange(time_of_day_ns=at_ns, state=enum_value(state)) for at_ns, state in instrument.sessions],
    )


def instrument_from_proto(message: pb.Instrument) -> Instrument:
    return Instrument(
        symbol=message.symbol,
        base_asset=message.base_asset,
        quote_asset=message.quote_asset,
        tick_size=parse_decimal(message.tick_size, "tick_size"),
        lot_size=parse_decimal(message.lot_size, "lot_size"),
        reference_price_ticks=message.reference_price_ticks,
        min_price_ticks=message.min_price_ticks,
        max_price_ticks=message.max_price_ticks,
        min_quantity_lots=message.min_quantity_lots,
        max_quantity_lots=message.max_quantity_lots,
        min_notional=parse_decimal(message.min_notional or "0", "min_notional"),
        maker_fee_ppm=message.maker_fee_ppm,
        taker_fee_ppm=message.taker_fee_ppm,
        shard=message.shard,
        market_protection_ticks=message.market_protection_ticks,
        stop_trigger=StopTrigger(message.stop_trigger),
        static_band_ppm=message.static_band_ppm,
        dynamic_band_ppm=message.dynamic_band_ppm,
        band_action=BandAction(message.band_action),
        halt_ns=message.halt_ns,
        auction_ns=message.auction_ns,
        sessions=tuple((change.time_of_day_ns, SessionState(change.state)) for change in message.sessions),
    )


def own_symbols(listed: orderbook_pb2.ListInstrumentsResponse) -> tuple[str, ...]:
    """What the order book that answered trades itself, in the order of the scenario."""
    return tuple(instrument.symbol for instrument in listed.instruments if instrument.shard == listed.shard)


@lru_cache(maxsize=4096)
def _decimals(step: Fraction) -> int:
    """How many decimals write multiples of `step` exactly; ValueError for one like 1/3 that none can."""
    rest, twos, fives = step.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        raise ValueError(f"{step} is no finite decimal")
    return max(twos, fives)


def _fixed_text(value: Fraction, decimals: int) -> str:
    """`value` with exactly `decimals` decimals, halves rounded to even; exact where they suffice."""
    return _scaled_text(round(value * 10**decimals), decimals)


def _steps_text(count: int, step: Fraction, decimals: int) -> str:
    """`count` steps with exactly `decimals` decimals, which suffice: integers only, as a book shows thousands of them."""
    return _scaled_text(count * (step.numerator * 10**decimals // step.denominator), decimals)


def _scaled_text(scaled: int, decimals: int) -> str:
    digits = str(abs(scaled)).rjust(decimals + 1, "0")
    whole, part = (digits[:-decimals], digits[-decimals:]) if decimals else (digits, "")
    return ("-" if scaled < 0 else "") + whole + ("." + part if part else "")


def decimal_text(value: Fraction, at_least: int = 0) -> str:
    """A finite decimal in full: no exponent, no rounding, `at_least` so many decimals."""
    return _fixed_text(value, max(at_least, _decimals(value)))


def price_text(ticks: int, instrument: Instrument) -> str:
    """A price in the quote asset, with as many decimals as its tick size shows."""
    step = instrument.tick_size
    return _steps_text(ticks, step, max(PRICE_DECIMALS, _decimals(step)))


def quantity_text(lots: int, instrument: Instrument) -> str:
    """A quantity in the base asset, with as many decimals as its lot size."""
    return _steps_text(lots, instrument.lot_size, _decimals(instrument.lot_size))


def average_price_text(notional: int, lots: int, instrument: Instrument) -> str:
    """Mean price of fills, of which `notional` is the sum of ticks times lots; empty where nothing was filled.

    It has four decimals more than a price and is rounded there, because a mean is seldom a finite decimal.
    """
    if not lots:
        return ""
    step = instrument.tick_size
    return _fixed_text(Fraction(notional, lots) * step, max(PRICE_DECIMALS, _decimals(step)) + 4)


def notional_text(notional: int, instrument: Instrument) -> str:
    """A sum of ticks times lots as an amount of the quote asset, exact."""
    unit = instrument.tick_size * instrument.lot_size
    return _fixed_text(notional * unit, max(PRICE_DECIMALS, _decimals(unit)))


def parse_decimal(text: str, field: str) -> Fraction:
    """A plain decimal such as 50000.50, exact; raises InvalidInput for all else (sign, exponent, nan, other digits)."""
    if not text:
        raise InvalidInput(f"{field} is empty: give a plain decimal such as 0.010", metadata={"field": field})
    if len(text) > MAX_DECIMAL_CHARACTERS:
        message = f"{field} has {len(text)} characters: give at most {MAX_DECIMAL_CHARACTERS}"
        raise InvalidInput(message, metadata={"field": field})
    if not _PLAIN_DECIMAL.fullmatch(text):
        if text[0] == "-" and _PLAIN_DECIMAL.fullmatch(text[1:]):
            raise InvalidInput(f"{field} is {text}: it must not be negative", metadata={"field": field})
        message = f"{field} is {text!r}: give a plain decimal such as 0.010 (digits and one point, no sign or exponent)"
        raise InvalidInput(message, metadata={"field": field})
    return Fraction(text)


def parse_price(text: str, instrument: Instrument, field: str = "price") -> int:
    """Decimal text to ticks; raises InvalidInput off the tick, at zero and beyond any book."""
    ticks = _whole_steps(
        text, instrument.tick_size, field, f"tick size {decimal_text(instrument.tick_size, PRICE_DECIMALS)}"
    )
    if ticks > MAX_PRICE_TICKS:
        highest = price_text(instrument.max_price_ticks, instrument)
        raise InvalidInput(
            f"{field} is {text}: the highest price of {instrument.symbol} is {highest}", metadata={"field": field}
        )
    return ticks


def parse_quantity(text: str, instrument: Instrument, field: str = "quantity") -> int:
    """Decimal text to lots; raises InvalidInput off the lot, at zero and outside the instrument's sizes."""
    lots = parse_lots(text, instrument, field)
    smallest, largest = instrument.min_quantity_lots, min(instrument.max_quantity_lots, MAX_QUANTITY_LOTS)
    if not smallest <= lots <= largest:
        bounds = f"{quantity_text(smallest, instrument)} and {quantity_text(largest, instrument)}"
        raise InvalidInput(f"{field} is {text}: give one between {bounds}", metadata={"field": field})
    return lots


def parse_lots(text: str, instrument: Instrument, field: str) -> int:
    """The same of a part of an order, which may be smaller than any order: off the lot and at zero alone are wrong."""
    return _whole_steps(text, instrument.lot_size, field, f"lot size {decimal_text(instrument.lot_size)}")


def _whole_steps(text: str, step: Fraction, field: str, step_name: str) -> int:
    steps = parse_decimal(text, field) / step
    if not steps:
        raise InvalidInput(f"{field} is {text}: it must be greater than zero", metadata={"field": field})
    if steps.denominator != 1:
        below = int(steps)
        near = " or ".join(decimal_text(count * step) for count in (below, below + 1) if count)
        raise InvalidInput(f"{field} is {text}, no multiple of the {step_name}: try {near}", metadata={"field": field})
    return int(steps)


def enum_number(number: int, names: Mapping[str, int], field: str) -> int:
    """`number` if the enum knows it (proto3 lets any through); raises InvalidInput naming those that it knows."""
    if number not in names.values():
        known = ", ".join(f"{name} ({value})" for name, value in names.items())
        raise InvalidInput(f"{field} is {number}: give one of {known}", metadata={"field": field})
    return number
