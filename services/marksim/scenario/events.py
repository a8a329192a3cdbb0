"""Events of a scenario file: what happens to the market at a stated time."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from marksim.core.agents.spec import (
    FatFinger,
    FlashCrash,
    Halt,
    LiquidityWithdrawal,
    MarketEvent,
    NewsShock,
    ScheduledEvent,
)
from marksim.core.durations import parse_duration_ns
from marksim.core.types import Instrument
from marksim.scenario.fields import PPM, Change, DecimalText, DurationText, Model, PartOfPrice, When, change_ppm, moment_ns

MAX_TIMES: Final = 10_000
MAX_CRASH_ORDERS: Final = 100_000

Instruments = Mapping[str, Instrument]


class _EventModel(Model):
    symbol: str | None = None
    """The first instrument if not given."""


class NewsModel(_EventModel):
    """The fundamental value moves at once; those who know it trade on it."""

    change: Change
    """Such as -2% or -0.02."""

    def build(self, instrument: Instrument) -> MarketEvent:
        return NewsShock(instrument.symbol, change_ppm(self.change))


class HaltModel(_EventModel):
    """Trading stops, and resumes with the auction that the instrument has after a halt."""

    duration: DurationText

    def build(self, instrument: Instrument) -> MarketEvent:
        return Halt(instrument.symbol, parse_duration_ns(self.duration))


class FatFingerModel(_EventModel):
    """One market order far too large, of the market's own account 0."""

    side: Literal["buy", "sell"]
    quantity: DecimalText

    def build(self, instrument: Instrument) -> MarketEvent:
        quantity = _lots(self.quantity, instrument)
        least, most = instrument.min_quantity_lots, instrument.max_quantity_lots
        if not least <= quantity <= most:
            sizes = f"{_decimal(least * instrument.lot_size)} to {_decimal(most * instrument.lot_size)}"
            raise ValueError(f"quantity {self.quantity}: an order of {instrument.symbol} is from {sizes}")
        return FatFinger(instrument.symbol, self.side == "sell", quantity)


class WithdrawalModel(_EventModel):
    """A share of those who provide liquidity cancel all they have and stay away for a while."""

    duration: DurationText
    share: PartOfPrice = "1"
    """Which part of them, above 0 and at most 1."""

    def build(self, instrument: Instrument) -> MarketEvent:
        return LiquidityWithdrawal(instrument.symbol, parse_duration_ns(self.duration), int(Fraction(self.share) * PPM))


class FlashCrashModel(_EventModel):
    """Liquidity is withdrawn while account 0 sells `quantity` in equal market orders."""

    quantity: DecimalText
    """Sold in all."""
    duration: DurationText
    interval: DurationText = "200ms"
    """Between two of the orders."""
    share: PartOfPrice = "0.7"
    """Which part of those who provide liquidity leave, above 0 and at most 1."""

    def build(self, instrument: Instrument) -> MarketEvent:
        quantity = _lots(self.quantity, instrument)
        duration_ns, interval_ns = parse_duration_ns(self.duration), parse_duration_ns(self.interval)
        orders = duration_ns // interval_ns
        if not 1 <= orders <= MAX_CRASH_ORDERS:
            raise ValueError(f"{orders} orders, one each {self.interval} of {self.duration}: give 1 to {MAX_CRASH_ORDERS}")
        least, most = quantity // orders, -(-quantity // orders)
        if least < instrument.min_quantity_lots or most > instrument.max_quantity_lots:
            each = _decimal(Fraction(quantity, orders) * instrument.lot_size)
            raise ValueError(
                f"quantity {self.quantity} in {orders} orders is {each} each, which {instrument.symbol} refuses"
            )
        return FlashCrash(instrument.symbol, quantity, duration_ns, interval_ns, int(Fraction(self.share) * PPM))


KINDS: Final = ("news", "halt", "fat_finger", "withdrawal", "flash_crash")


class EventModel(Model):
    """Something that happens at a time. Exactly one of news, halt, fat_finger, withdrawal, flash_crash."""

    at: When
    """Time since the start, such as 90s or 1h, or a moment such as 2025-01-06T12:00:00Z."""
    every: DurationText | None = None
    """It happens again after so long, `times` times in all."""
    times: Annotated[int, Field(ge=2, le=MAX_TIMES)] | None = None
    news: NewsModel | None = None
    halt: HaltModel | None = None
    fat_finger: FatFingerModel | None = None
    withdrawal: WithdrawalModel | None = None
    flash_crash: FlashCrashModel | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> "EventModel":
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            found = f"not {' and '.join(given)}" if given else "and has none"
            raise ValueError(f"must have exactly one of {', '.join(KINDS)}, {found}")
        if (self.every is None) != (self.times is None):
            raise ValueError("must have every and times both, such as every: 1h and times: 5, or none of them")
        return self

    @property
    def kind(self) -> str:
        """Which of `KINDS`."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def what(self) -> "NewsModel | HaltModel | FatFingerModel | WithdrawalModel | FlashCrashModel":
        """The event itself."""
        found: NewsModel | HaltModel | FatFingerModel | WithdrawalModel | FlashCrashModel = getattr(self, self.kind)
        return found

    def build(self, start_ns: int, instrument: Instrument) -> Iterator[ScheduledEvent]:
        """One entry each time that it happens.

        Raises ValueError with a sentence for a time before the start, or what the instrument does not take.
        """
        event = self.what.build(instrument)
        first_ns = moment_ns(self.at) if isinstance(self.at, datetime) else start_ns + _since_start_ns(self.at)
        if first_ns < start_ns:
            raise ValueError(f"at {self.at} is before the start of the scenario")
        every_ns = parse_duration_ns(self.every) if self.every else 0
        for number in range(self.times or 1):
            yield ScheduledEvent(first_ns + number * every_ns, event)


def _since_start_ns(text: str) -> int:
    return 0 if text == "0s" else parse_duration_ns(text)


def _lots(quantity: str, instrument: Instrument) -> int:
    lots = Fraction(quantity) / instrument.lot_size
    if lots.denominator != 1:
        raise ValueError(f"quantity {quantity} is not a multiple of {_decimal(instrument.lot_size)}")
    return int(lots)


def _decimal(number: Fraction) -> str:
    return f"{float(number):.12g}"
