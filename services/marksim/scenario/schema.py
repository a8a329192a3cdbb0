"""The shape of a scenario file, schema 1, validated by pydantic.

Decimal text ("0.50") stands for sizes and prices; it becomes exact integers in `Scenario.instruments`.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from fractions import Fraction
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from marksim.core.agents import AGENT_TYPES, AgentSpec
from marksim.core.agents.bounds import faults
from marksim.core.book.rules import rules_of
from marksim.core.book.state import allocate
from marksim.core.errors import InvalidInput
from marksim.core.types import (
    NS_PER_MS,
    NS_PER_S,
    NS_PER_US,
    BandAction,
    Instrument,
    SessionState,
    StopTrigger,
)

_FIRST_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_START_BEFORE: Final = datetime(2201, 1, 1, tzinfo=UTC)
_PPM: Final = 1_000_000
_AUCTION_S: Final = 120.0
"""An operator may halt any symbol, so that one without bands has an auction after a halt, too."""
_TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9](?:\.[0-9]{1,9})?))?", re.ASCII)


def _decimal(value: object) -> str:
    """Exact text of a positive decimal number; floats are read by their shortest text, as YAML wrote them."""
    text = str(value)
    try:
        number = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"must be a decimal number such as 0.50, not {text!r}") from None
    if "/" in text or number <= 0:
        raise ValueError(f"must be a decimal number above 0, not {text!r}")
    return text


def _fraction(value: object) -> str:
    """The text of a decimal number above 0, at most 1, in whole millionths."""
    text = _decimal(value)
    if Fraction(text) > 1:
        raise ValueError(f"must be a part of the price such as 0.05, at most 1, not {text}")
    if (Fraction(text) * _PPM).denominator != 1:
        raise ValueError(f"must be a multiple of 0.000001, not {text}")
    return text


def _time_of_day(value: object) -> str:
    """Hours, minutes and perhaps seconds; YAML takes 17:00 without quotes for a number in base 60."""
    if not isinstance(value, str) or not _TIME_OF_DAY.fullmatch(value):
        raise ValueError(f'must be a time of day such as "08:00" or "08:00:30", in quotes, not {value!r}')
    return value


def _moment(value: object) -> object:
    """`now` becomes the present second: a value like any other from here on, so that the scenario has one hash."""
    return datetime.now(UTC).replace(microsecond=0) if value == "now" else value


DecimalText = Annotated[str, BeforeValidator(_decimal)]
PartOfPrice = Annotated[str, BeforeValidator(_fraction)]
TimeOfDay = Annotated[str, BeforeValidator(_time_of_day)]
SessionName = Literal["pre_open", "opening_auction", "continuous", "halted", "closing_auction", "closed"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,47}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BandsModel(_Model):
    """How far a price may move, and what happens where one would move further."""

    static: PartOfPrice | None = None
    """Half width, as a part of the price, around the last auction's price; at first, around reference_price."""
    dynamic: PartOfPrice | None = None
    """The same around the last trade."""
    action: Literal["reject", "halt"] = "reject"
    """Orders beyond a band are rejected or cancelled there, or the market halts."""
    halt: float = Field(default=300, ge=0, le=86_400)
    """How long a halt lasts that a band causes, simulated seconds."""
    auction: float = Field(default=_AUCTION_S, ge=0, le=86_400)
    """How long the auction lasts in which a halt ends by itself, simulated seconds."""

    @field_validator("halt", "auction")
    @classmethod
    def _lasts_a_nanosecond(cls, value: float) -> float:
        if value and not _nanoseconds(value):
            raise ValueError(f"must be 0 or at least 0.000000001, a nanosecond, not {value:g}")
        return value

    @model_validator(mode="after")
    def _has_a_width(self) -> "BandsModel":
        if self.static is None and self.dynamic is None:
            raise ValueError("must have static, dynamic or both, such as static: 0.10; without a band leave bands out")
        return self


class SessionModel(_Model):
    """From a time of each simulated day on, UTC, the market is in a state."""

    at: TimeOfDay
    state: SessionName

    @property
    def time_of_day_ns(self) -> int:
        """Nanoseconds since midnight."""
        found = _TIME_OF_DAY.fullmatch(self.at)
        assert found is not None, "a validated time of day"
        hours, minutes, seconds = found.groups(default="0")
        return (int(hours) * 60 + int(minutes)) * 60 * NS_PER_S + int(Fraction(seconds) * NS_PER_S)


class InstrumentModel(_Model):
    """One traded symbol."""

    symbol: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,12}/[A-Z0-9]{1,12}$")]
    tick_size: DecimalText
    lot_size: DecimalText
    reference_price: DecimalText
    min_price: DecimalText
    max_price: DecimalText
    min_quantity: DecimalText | None = None
    max_quantity: DecimalText | None = None
    market_protection: DecimalText | None = None
    """How far from the best price that it meets a market order may trade; without it anywhere between min and max price."""
    stop_trigger: Literal["last_trade", "quote"] = "last_trade"
    """Whether stops look at the last trade, or at the best price that they would trade at."""
    maker_fee_ppm: int = Field(default=0, ge=-100_000, le=100_000)
    taker_fee_ppm: int = Field(default=0, ge=-100_000, le=100_000)
    bands: BandsModel | None = None
    """Without them prices move freely between min and max price; the auction in which a halt ends lasts as with them."""
    sessions: Annotated[tuple[SessionModel, ...], Field(max_length=64)] = ()
    """The trading day, in ascending order; its last entry holds until the first of the next day. Without it trading is
    continuous and has no end."""

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
        least = _PPM // reference_ticks + bool(_PPM % reference_ticks) if reference_ticks else _PPM
        for field in ("static", "dynamic"):
            width = getattr(self.bands, field, None)
            if width is not None and Fraction(width) * _PPM < least:
                problem = f"bands.{field} {float(width):f} is less than a tick at reference_price {self.reference_price}"
                raise ValueError(f"{problem}: give at least {least / _PPM:f}")
        return self

    @model_validator(mode="after")
    def _prices_lie_on_the_grid(self) -> "InstrumentModel":
        for field, step in (
            ("reference_price", self.tick_size),
            ("min_price", self.tick_size),
            ("max_price", self.tick_size),
            ("market_protection", self.tick_size),
            ("min_quantity", self.lot_size),
            ("max_quantity", self.lot_size),
        ):
            value = getattr(self, field)
            if value is not None and (Fraction(value) / Fraction(step)).denominator != 1:
                raise ValueError(f"{field} {value} is not a multiple of {step}")
        if not Fraction(self.min_price) <= Fraction(self.reference_price) <= Fraction(self.max_price):
            raise ValueError("reference_price must lie between min_price and max_price")
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
            static_band_ppm=int(Fraction(bands.static) * _PPM) if bands and bands.static else 0,
            dynamic_band_ppm=int(Fraction(bands.dynamic) * _PPM) if bands and bands.dynamic else 0,
            band_action=BandAction[bands.action.upper()] if bands else BandAction.REJECT,
            halt_ns=_nanoseconds(bands.halt) if bands else 0,
            auction_ns=_nanoseconds(bands.auction if bands else _AUCTION_S),
            sessions=tuple((entry.time_of_day_ns, SessionState[entry.state.upper()]) for entry in self.sessions),
        )


def _nanoseconds(seconds: float) -> int:
    """Of the decimal that was written, not of the double nearest to it."""
    return int(Fraction(str(seconds)) * NS_PER_S)


class Latency(_Model):
    """How long an order takes to the book, and an event from the book to the agent, simulated microseconds."""

    order_us: int = Field(default=20_000, ge=0, le=60_000_000)
    feed_us: int = Field(default=30_000, ge=0, le=60_000_000)


class AgentModel(_Model):
    """One agent or, with `count`, several alike, named NAME-1, NAME-2, ..."""

    name: Name
    type: str
    count: int = Field(default=1, ge=0, le=10_000)
    symbol: str | None = None
    latency: Latency = Latency()
    params: dict[str, Any] = Field(default_factory=dict)

    @field_validator("type")
    @classmethod
    def _type_is_known(cls, value: str) -> str:
        if value not in AGENT_TYPES:
            raise ValueError(f"type {value!r} is unknown; known are {', '.join(sorted(AGENT_TYPES))}")
        return value

    @field_validator("params")
    @classmethod
    def _params_fit_the_type(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if (kind := info.data.get("type")) is None:  # the type itself is wrong, and that is what is said
            return value
        unknown = sorted(value.keys() - AGENT_TYPES[kind].parameters.__dataclass_fields__.keys())
        if unknown:
            raise ValueError(f"params {', '.join(unknown)}: unknown to agent type {kind}")
        wrong = [
            InitErrorDetails(type=PydanticCustomError("range", "{said}", {"said": said}), loc=(field,), input=value[field])
            for field, said in faults(_parameters(kind, value))
        ]
        if wrong:
            raise ValidationError.from_exception_data(kind, wrong)
        return value

    def build_params(self) -> Any:
        """The parameter dataclass of the agent's type, validated."""
        return _parameters(self.type, self.params)


def _parameters(kind: str, params: dict[str, Any]) -> Any:
    return TypeAdapter(AGENT_TYPES[kind].parameters).validate_python(params)


class Scenario(_Model):
    """A whole scenario, resolved. Bound to (`hash`, `seed`), a run always gives the same tape."""

    schema_version: Literal[1] = Field(alias="schema")
    name: Name
    description: str = ""
    seed: int = Field(default=1, ge=0, lt=1 << 63)
    start: Annotated[datetime, BeforeValidator(_moment)] = datetime(2025, 1, 6, tzinfo=UTC)
    speed: Annotated[float, Field(gt=0, le=1e6)] | Literal["max"] = 10
    lookahead_ms: int = Field(default=50, ge=1, le=60_000)
    traded: tuple[InstrumentModel, ...] = Field(alias="instruments", min_length=1, max_length=64)
    agents: tuple[AgentModel, ...] = ()

    @field_validator("start")
    @classmethod
    def _start_leaves_room(cls, value: datetime) -> datetime:
        """Time is nanoseconds since 1970 in 63 bits, which end in 2262; a run may last decades."""
        if not _FIRST_START <= (value if value.tzinfo else value.replace(tzinfo=UTC)) < _START_BEFORE:
            raise ValueError(f"{value.isoformat()} is not within the years {_FIRST_START.year} to {_START_BEFORE.year - 1}")
        return value

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Scenario":
        symbols = [instrument.symbol for instrument in self.traded]
        for what, names in (
            ("instruments", symbols),
            ("agents", [spec.name for spec in self.agent_specs()]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what}: {', '.join(twice)} stands there twice")
        for agent in self.agents:
            if agent.symbol is not None and agent.symbol not in symbols:
                raise ValueError(f"agents.{agent.name}.symbol: {agent.symbol} is not among the instruments")
        return self

    @property
    def start_ns(self) -> int:
        """Simulated time at which window 0 begins."""
        moment = self.start if self.start.tzinfo else self.start.replace(tzinfo=UTC)
        return int(moment.timestamp()) * NS_PER_S + moment.microsecond * NS_PER_US

    @property
    def lookahead_ns(self) -> int:
        """Length of a window."""
        return self.lookahead_ms * NS_PER_MS

    @property
    def hash(self) -> str:
        """SHA-256, hex, of all but the seed and the speed, which does not touch the tape; defaults are written out."""
        content = self.model_dump(mode="json", exclude={"seed", "speed"}, by_alias=True)
        for instrument in content["instruments"]:
            instrument["bands"] = instrument["bands"] or {"auction": _AUCTION_S}
        for agent, model in zip(content["agents"], self.agents, strict=True):
            agent["params"] = asdict(model.build_params())
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def instruments(self) -> tuple[Instrument, ...]:
        """What is traded, in the order of the file."""
        return tuple(instrument.build() for instrument in self.traded)

    def agent_specs(self) -> tuple[AgentSpec, ...]:
        """One entry an agent, in the order of the file: the agent's place is its account."""
        return tuple(self._expand())

    def _expand(self) -> Iterator[AgentSpec]:
        accounts = itertools.count(1)
        for model in self.agents:
            for number in range(1, model.count + 1):
                yield AgentSpec(
                    account=next(accounts),
                    name=model.name if model.count == 1 else f"{model.name}-{number}",
                    type=model.type,
                    symbol=model.symbol or self.traded[0].symbol,
                    order_latency_ns=model.latency.order_us * NS_PER_US,
                    feed_latency_ns=model.latency.feed_us * NS_PER_US,
                    parameters=model.build_params(),
                )
