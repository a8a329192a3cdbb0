"""What the agents of this folder read out of a tick, and how they bring a price or a size onto an instrument's grid."""

from marksim.core.types import Instrument, Tick


def mid_ticks(tick: Tick) -> float:
    """Midway between the best prices; an empty side counts with its last one."""
    return 0.5 * (tick.bid_price_ticks + tick.ask_price_ticks)


def microprice_ticks(tick: Tick) -> float:
    """Mid, leaning to the side with less behind it."""
    bid, ask = tick.bid_price_ticks, tick.ask_price_ticks
    if tick.bid_quantity_lots == 0 or tick.ask_quantity_lots == 0:
        return float(tick.last_price_ticks)  # a lone side says nothing of value: following it would run away
    share = tick.bid_quantity_lots / (tick.bid_quantity_lots + tick.ask_quantity_lots)
    return bid + (ask - bid) * (0.25 + 0.5 * share)


def price_within(instrument: Instrument, price_ticks: int) -> int:
    """The nearest price that the instrument allows."""
    if price_ticks < instrument.min_price_ticks:
        return instrument.min_price_ticks
    return min(price_ticks, instrument.max_price_ticks)


def lots_within(instrument: Instrument, lots: int) -> int:
    """The nearest size that one order of the instrument may have."""
    if lots < instrument.min_quantity_lots:
        return instrument.min_quantity_lots
    return min(lots, instrument.max_quantity_lots)
