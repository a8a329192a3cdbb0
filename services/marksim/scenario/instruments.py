"""Instruments of a scenario file: tick, lot, bounds, bands, the trading day, and the fundamental value.

Decimal text ("0.50") stands for sizes and prices; it becomes exact integers in `InstrumentModel.build`.
"""

import itertools
from fractions import Fraction
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_validator

from marksim.core.agents.spec import ValueSpec
from marksim.core.book.rules import rules_of
from marksim.core.book.state import allocate
from marksim.core.errors import InvalidInput
from marksim.core.types import NS_PER_S, BandAction, Instrument, SessionState, StopTrigger
from marksim.scenario.fields import (
    PPM,
    TIME_OF_DAY,
    DecimalOrZero,
    DecimalText,
    Model,
    PartOfPrice,
    Symbol,
    TimeOfDay,
    nanoseconds,
    wrong_fields,
)

AUCTION_S: Final = 120.0
"""An operator may halt any symbol, so that one without bands has an auction after a halt, too."""
MOST_TICKS: Final = 1e9
"""Of a value's change: what is above it has no meaning for prices, and is far from where doubles lose ticks."""

_VALUE: Final = ValueSpec("")
"""With its defaults."""

SessionName = Literal["pre_open", "opening_auction", "continuous", "halted", "closing_auction", "closed"]


class BandsModel(Model):
    """How far a price may move, and what happens where one would move further."""

    static: PartOfPrice | None = None
    """Half width, as a part of the price, around the last auction's price; at first, around reference_price."""
    dynamic: PartOfPrice | None = None
    """The same around the last trade."""
    action: Literal["reject", "halt"] = "reject"
    """Orders beyond a band are rejected or cancelled there, or the market halts."""
    halt: float = Field(default=300, ge=0, le=86_400)
    """How long a halt lasts that a band causes, simulated seconds."""
    auction: float = Field(default=AUCTION_S, ge=0, le=86_400)
    """How long the auction lasts in which a halt ends by itself, simulated seconds."""

    @field_validator("halt", "auction")
    @classmethod
    def _lasts_a_nanosecond(cls, value: float) -> float:
        if value and not nanoseconds(value):
            raise ValueError(f"must be 0 or at least 0.000000001, a nanosecond, not {value:g}")
        return value

    @model_validator(mode="after")
    def _has_a_width(self) -> "BandsModel":
        if self.static is None and self.dynamic is None:
            raise ValueError("must have static, dynamic or both, such as static: 0.10; without a band leave bands out")
        return self


class SessionModel(Model):
    """From a time of each simulated day on, UTC, the market is in a state."""

    at: TimeOfDay
    """Such as "08:00" or "08:00:30", in quotes."""
    state: SessionName

    @property
    def time_of_day_ns(self) -> int:
        """Nanoseconds since midnight."""
        found = TIME_OF_DAY.fullmatch(self.at)
        assert found is not None, "a validated time of day"
        hours, minutes, seconds = found.groups(default="0")
        return (int(hours) * 60 + int(minutes)) * 60 * NS_PER_S + int(Fraction(seconds) * NS_PER_S)


class ValueModel(Model):
    """The fundamental value that informed traders believe in: it reverts to reference_price, and now and then jumps."""

    volatility: DecimalOrZero | None = None
    """Standard deviation of its change, in price units per square root of a simulated second; 6.2 ticks if not given."""
    half_life_s: float = Field(default=_VALUE.half_life_s, ge=0.001, le=1e9, allow_inf_nan=False)
    """In which half of its distance from reference_price is gone, simulated seconds."""
    jumps_per_s: float = Field(default=_VALUE.jumps_per_s, ge=0, le=1_000, allow_inf_nan=False)
    """How many jumps come in a simulated second on average."""
    jump: DecimalOrZero | None = None
    """Scale of a jump, in price units: that times a Student t variate of 3 degrees of freedom."""


class InstrumentModel(Model):
    """One traded symbol."""

    symbol: Symbol
    """Base and quote asset, such as BTC/USD."""
    tick_size: DecimalText
    """Smallest step of a price."""
    lot_size: DecimalText
    """Smallest step of a size."""
    reference_price: DecimalText
    """Where the market opens."""
    min_price: DecimalText
    max_price: DecimalText
    min_quantity: DecimalText | None = None
    """Smallest order; one lot if not given."""
    max_quantity: DecimalText | None = None
    """Largest order; 1,000,000,000 lots if not given."""
    market_protection: DecimalText | None = None
    """How far from the best price that it meets a market order may trade; without it anywhere between min and max price."""
    stop_trigger: Literal["last_trade", "quote"] = "last_trade"
    """Whether stops look at the last trade, or at the best price that they would trade at."""
    maker_fee_ppm: int = Field(default=0, ge=-100_000, le=100_000)
    """Of the notional, in millionths; negative is a rebate."""
    taker_fee_ppm: int = Field(default=0, ge=-100_000, le=100_000)
    """Of the notional, in millionths; negative is a rebate."""
    bands: BandsModel | None = None
    """Without them prices move freely between min and max price; the auction in which a halt ends lasts as with them."""
    sessions: Annotated[tuple[SessionModel, ...], Field(max_length=64)] = ()
    """The trading day, in ascending order; its last entry holds until the first of the next day. Without it trading is
    continuous and has no end."""
    value: ValueModel = ValueModel()
    """The fundamental value; no book reads it."""

    @field_validator("sessions")
    @classmethod
    def _sessions_follow_one_another(cls, value: tuple[SessionModel, ...]) -> tuple[SessionModel, ...]:
        for before, after in itertools.pairwise(value):
            if after.time_of_day_ns <= before.time_of_day_ns:
                raise ValueError(f"{after.at} must come after {before.at}: give the entries of one day in ascending order")
        return value

    @field_validator("sessions")
    @classmethod
    def _sessions_trade(cls, value: tuple[SessionModel, ...]) -> tuple[SessionModel, ...]:
        states = [entry.state for entry in value]
        # The day begins anew after its last entry.
        follow = set(zip(states, [*states[1:], *states[:1]], strict=True))
        if value and "continuous" not in states and ("closing_auction", "closed") not in follow:
            raise ValueError("never trade: add an entry with state continuous, or one with closed after a closing_auction")
        return value

    @model_validator(mode="after")
    def _bands_have_room(self) -> "InstrumentModel":
        reference_ticks = int(Fraction(self.reference_price) / Fraction(self.tick_size))
        least = PPM // reference_ticks + bool(PPM % reference_ticks) if reference_ticks else PPM
        for field in ("static", "dynamic"):
            width = getattr(self.bands, field, None)
            if width is not None and Fraction(width) * PPM < least:
                problem = f"{float(width):f} is less than a tick at reference_price {self.reference_price}"
                raise wrong_fields(self.symbol, {("bands", field): f"{problem}: give at least {least / PPM:f}"})
        return self

    @model_validator(mode="after")
    def _prices_lie_on_the_grid(self) -> "InstrumentModel":
        steps = {
            "reference_price": self.tick_size,
            "min_price": self.tick_size,
            "max_price": self.tick_size,
            "market_protection": self.tick_size,
            "min_quantity": self.lot_size,
            "max_quantity": self.lot_size,
        }
        faults: dict[tuple[int | str, ...], str] = {}
        for field, step in steps.items():
            value = getattr(self, field)
            if value is not None and (Fraction(value) / Fraction(step)).denominator != 1:
                faults[field,] = f"{value} is not a multiple of {step}"
        if not faults and not Fraction(self.min_price) <= Fraction(self.reference_price) <= Fraction(self.max_price):
            faults["reference_price",] = f"must lie between min_price and max_price, and {self.reference_price} does not"
        if faults:
            raise wrong_fields(self.symbol, faults)
        return self

    @model_validator(mode="after")
    def _value_is_a_path(self) -> "InstrumentModel":
        built = self.build_value()
        for field, ticks in (("volatility", built.sd_ticks), ("jump", built.jump_ticks)):
            if ticks > MOST_TICKS:
                raise wrong_fields(self.symbol, {("value", field): f"is {ticks:g} ticks: give at most {MOST_TICKS:g}"})
        if self.value.jumps_per_s and not built.jump_ticks:
            raise wrong_fields(self.symbol, {("value", "jump"): "must be given and above 0 where jumps_per_s is"})
        return self

    @model_validator(mode="after")
    def _an_order_book_takes_it(self) -> "InstrumentModel":
        """Make the book's memory and drop it: it is untouched zeros, and so nothing can pass here that the book refuses."""
        try:
            allocate(rules_of(self.build(), max_orders=1))
        except InvalidInput as error:
            raise ValueError(error.message.removeprefix(f"{self.symbol}: ")) from None
        return self

    def build(self) -> Instrument:
        """The same as exact integers of ticks and lots."""
        base, quote = self.symbol.split("/")
        tick, lot = Fraction(self.tick_size), Fraction(self.lot_size)
        bands = self.bands
        return Instrument(
            symbol=self.symbol,
            base_asset=base,
            quote_asset=quote,
            tick_size=tick,
            lot_size=lot,
            reference_price_ticks=int(Fraction(self.reference_price) / tick),
            min_price_ticks=int(Fraction(self.min_price) / tick),
            max_price_ticks=int(Fraction(self.max_price) / tick),
            min_quantity_lots=int(Fraction(self.min_quantity) / lot) if self.min_quantity else 1,
            max_quantity_lots=int(Fraction(self.max_quantity) / lot) if self.max_quantity else 1_000_000_000,
            market_protection_ticks=int(Fraction(self.market_protection) / tick) if self.market_protection else 0,
            stop_trigger=StopTrigger[self.stop_trigger.upper()],
            maker_fee_ppm=self.maker_fee_ppm,
            taker_fee_ppm=self.taker_fee_ppm,
            static_band_ppm=int(Fraction(bands.static) * PPM) if bands and bands.static else 0,
            dynamic_band_ppm=int(Fraction(bands.dynamic) * PPM) if bands and bands.dynamic else 0,
            band_action=BandAction[bands.action.upper()] if bands else BandAction.REJECT,
            halt_ns=nanoseconds(bands.halt) if bands else 0,
            auction_ns=nanoseconds(bands.auction if bands else AUCTION_S),
            sessions=tuple((entry.time_of_day_ns, SessionState[entry.state.upper()]) for entry in self.sessions),
        )

    def build_value(self) -> ValueSpec:
        """The fundamental value in ticks."""
        tick, value = Fraction(self.tick_size), self.value
        return ValueSpec(
            symbol=self.symbol,
            sd_ticks=_VALUE.sd_ticks if value.volatility is None else float(Fraction(value.volatility) / tick),
            half_life_s=value.half_life_s,
            jumps_per_s=value.jumps_per_s,
            jump_ticks=float(Fraction(value.jump or 0) / tick),
        )
