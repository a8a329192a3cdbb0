"""The limits of one instrument as the books check them: integers only, and all of them small enough for int64 sums."""

from dataclasses import dataclass
from math import ceil
from typing import Final

from marksim.core.book.resting import LARGEST_MAX_ORDERS
from marksim.core.errors import InvalidInput
from marksim.core.types import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS, NS_PER_MINUTE, BandAction, Instrument, SessionState

MAX_NOTIONAL: Final = (1 << 63) - 1
MAX_ICEBERG_PARTS: Final = 100
"""An iceberg's quantity is at most so many times what it displays."""
MAX_REFILLS: Final = 100_000
"""Refills that all icebergs of a book may have to come: each is two rows of a sweep, and all of them fit one message."""
NS_PER_DAY: Final = 24 * 60 * NS_PER_MINUTE
LONGEST_NS: Final = 1 << 62
"""Of a halt or auction: 146 years."""
MILLION: Final = 1_000_000
LAST_NS: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Rules:
    """`min_notional` is in tick-lots: price_ticks * quantity_lots of an order is at least this."""

    min_price_ticks: int
    max_price_ticks: int
    min_quantity_lots: int
    max_quantity_lots: int
    min_notional: int
    market_protection_ticks: int
    stop_trigger: int
    reference_price_ticks: int
    max_orders: int
    static_band_ppm: int = 0
    dynamic_band_ppm: int = 0
    band_action: int = 0
    halt_ns: int = 0
    auction_ns: int = 0
    sessions: tuple[tuple[int, SessionState], ...] = ()


def rules_of(instrument: Instrument, max_orders: int) -> Rules:
    """Check an instrument's limits; raises InvalidInput and names the field."""
    name = instrument.symbol
    low, high = instrument.min_price_ticks, instrument.max_price_ticks
    if not 1 <= low <= high <= MAX_PRICE_TICKS:
        raise InvalidInput(f"{name}: price bands {low}..{high} are not within 1..{MAX_PRICE_TICKS}")
    if not low <= instrument.reference_price_ticks <= high:
        raise InvalidInput(f"{name}: reference_price_ticks {instrument.reference_price_ticks} is outside {low}..{high}")
    smallest, largest = instrument.min_quantity_lots, instrument.max_quantity_lots
    if not 1 <= smallest <= largest <= MAX_QUANTITY_LOTS:
        raise InvalidInput(f"{name}: order sizes {smallest}..{largest} are not within 1..{MAX_QUANTITY_LOTS}")
    if not 1 <= max_orders <= LARGEST_MAX_ORDERS:
        raise InvalidInput(f"{name}: max_orders {max_orders} is not within 1..{LARGEST_MAX_ORDERS}")
    min_notional = ceil(instrument.min_notional / (instrument.tick_size * instrument.lot_size))
    if not 0 <= min_notional <= MAX_NOTIONAL:
        raise InvalidInput(f"{name}: min_notional {instrument.min_notional} is negative or too large")
    protection = instrument.market_protection_ticks
    if not 0 <= protection <= MAX_PRICE_TICKS:
        raise InvalidInput(f"{name}: market_protection_ticks {protection} is not within 0..{MAX_PRICE_TICKS}")
    _check_bands(instrument)
    _check_sessions(instrument)
    return Rules(
        min_price_ticks=low,
        max_price_ticks=high,
        min_quantity_lots=smallest,
        max_quantity_lots=largest,
        min_notional=min_notional,
        market_protection_ticks=protection,
        stop_trigger=instrument.stop_trigger,
        reference_price_ticks=instrument.reference_price_ticks,
        max_orders=max_orders,
        static_band_ppm=instrument.static_band_ppm,
        dynamic_band_ppm=instrument.dynamic_band_ppm,
        band_action=instrument.band_action,
        halt_ns=instrument.halt_ns,
        auction_ns=instrument.auction_ns,
        sessions=tuple((at_ns, SessionState(state)) for at_ns, state in instrument.sessions),
    )


def check_start(start_ns: int) -> None:
    """Raise InvalidInput for a start before the epoch: to the book 0 is no time."""
    if not 0 <= start_ns <= LAST_NS:
        raise InvalidInput(f"start_ns {start_ns} is not within 0..{LAST_NS}")


def _check_bands(instrument: Instrument) -> None:
    name = instrument.symbol
    for field in ("static_band_ppm", "dynamic_band_ppm"):
        if not 0 <= getattr(instrument, field) <= MILLION:
            raise InvalidInput(f"{name}: {field} {getattr(instrument, field)} is not within 0..{MILLION}")
    if instrument.band_action not in set(BandAction):
        raise InvalidInput(f"{name}: band_action {instrument.band_action} is none that there is")
    for field in ("halt_ns", "auction_ns"):
        if not 0 <= getattr(instrument, field) <= LONGEST_NS:
            raise InvalidInput(f"{name}: {field} {getattr(instrument, field)} is not within 0..{LONGEST_NS}")


def _check_sessions(instrument: Instrument) -> None:
    name, last_ns = instrument.symbol, -1
    for at_ns, state in instrument.sessions:
        if not last_ns < at_ns < NS_PER_DAY:
            raise InvalidInput(f"{name}: sessions are not in order of the times of one day: {at_ns} after {last_ns}")
        if state not in set(SessionState) - {SessionState.UNSPECIFIED}:
            raise InvalidInput(f"{name}: sessions has {state}, which is no session state")
        last_ns = at_ns
