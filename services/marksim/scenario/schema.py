"""The shape of a scenario file, schema 1, validated by pydantic."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from marksim.core.agents.spec import AgentSpec, Cast, PopulationSpec, ScheduledEvent
from marksim.core.durations import parse_duration_ns
from marksim.core.types import NS_PER_MS, Instrument
from marksim.scenario.agents import AgentModel, PopulationModel, plain
from marksim.scenario.complaints import complain
from marksim.scenario.events import EventModel
from marksim.scenario.fields import (
    FIRST_START,
    START_BEFORE,
    DurationText,
    Model,
    Moment,
    Name,
    Speed,
    moment_ns,
    wrong_fields,
)
from marksim.scenario.instruments import AUCTION_S, InstrumentModel

MAX_INSTRUMENTS: Final = 64
MAX_ENTRIES: Final = 10_000
MAX_ACCOUNTS: Final = 100_000_000
"""Agents and traders of a scenario together; each has an account of its own below the outside ones."""

_NOT_ON_THE_TAPE: Final = {"name", "description", "seed", "speed", "duration"}


class Scenario(Model):
    """A whole scenario, resolved. Bound to (`hash`, `seed`), a run always gives the same tape."""

    schema_version: Literal[1] = Field(alias="schema")
    name: Name
    description: str = ""
    seed: int = Field(default=1, ge=0, lt=1 << 63)
    """Of everything random; another one gives another tape."""
    start: Moment = datetime(2025, 1, 6, tzinfo=UTC)
    """Simulated time at which the run begins, UTC; `now` is the moment in which the scenario is read."""
    duration: DurationText | None = None
    """Simulated time after which a run ends by itself; without it a run has no end."""
    speed: Speed = 10.0
    """Simulated seconds a wall second."""
    lookahead_ms: int = Field(default=50, ge=1, le=60_000)
    """Length of a window: the market advances in steps of it, and shorter latencies are quantised to it."""
    traded: tuple[InstrumentModel, ...] = Field(alias="instruments", min_length=1, max_length=MAX_INSTRUMENTS)
    agents: Annotated[tuple[AgentModel, ...], Field(max_length=MAX_ENTRIES)] = ()
    populations: Annotated[tuple[PopulationModel, ...], Field(max_length=MAX_ENTRIES)] = ()
    events: Annotated[tuple[EventModel, ...], Field(max_length=MAX_ENTRIES)] = ()

    _content: Any = PrivateAttr(default=None)
    """What it was validated from, with its places in the files, so that faults found later have one too."""

    @field_validator("start")
    @classmethod
    def _start_leaves_room(cls, value: datetime) -> datetime:
        """Time is nanoseconds since 1970 in 63 bits, which end in 2262; a run may last decades."""
        if not FIRST_START <= (value if value.tzinfo else value.replace(tzinfo=UTC)) < START_BEFORE:
            raise ValueError(f"{value.isoformat()} is not within the years {FIRST_START.year} to {START_BEFORE.year - 1}")
        return value

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Scenario":
        """Names key the generators: two alike would draw alike."""
        faults: dict[tuple[int | str, ...], str] = {}
        seen: set[str] = set()
        for place, instrument in enumerate(self.traded):
            if instrument.symbol in seen:
                faults["instruments", place, "symbol"] = f"{instrument.symbol} stands there twice"
            seen.add(instrument.symbol)
        seen.clear()
        named = [(("agents", place), list(agent.names())) for place, agent in enumerate(self.agents)]
        named += [(("populations", place), list(one.names())) for place, one in enumerate(self.populations)]
        for path, names in named:
            if twice := sorted(seen.intersection(names)):
                faults[*path, "name"] = f"{twice[0]} stands there twice"
            seen.update(names)
        if faults:
            raise wrong_fields("scenario", faults)
        return self

    @model_validator(mode="after")
    def _symbols_are_traded(self) -> "Scenario":
        symbols = [instrument.symbol for instrument in self.traded]
        faults: dict[tuple[int | str, ...], str] = {}

        def look(symbol: str | None, *path: int | str) -> None:
            if symbol is not None and symbol not in symbols:
                faults[path] = f"{symbol} is not among the instruments, which are {', '.join(symbols)}"

        for place, agent in enumerate(self.agents):
            look(agent.symbol, "agents", place, "symbol")
            for number, symbol in enumerate(agent.symbols or ()):
                look(symbol, "agents", place, "symbols", number)
            if (wanted := agent.symbols_needed) not in {None, len(agent.traded(symbols[0]))}:
                faults["agents", place, "symbols"] = f"{agent.type} trades {wanted}: give symbols: [...] with so many"
        for place, population in enumerate(self.populations):
            look(population.symbol, "populations", place, "symbol")
        for place, event in enumerate(self.events):
            look(event.what.symbol, "events", place, event.kind, "symbol")
        if faults:
            raise wrong_fields("scenario", faults)
        return self

    @model_validator(mode="after")
    def _events_can_happen(self) -> "Scenario":
        faults: dict[tuple[int | str, ...], str] = {}
        for place, event in enumerate(self.events):
            try:
                self._build_event(event)
            except ValueError as error:
                faults["events", place] = str(error)
        if faults:
            raise wrong_fields("scenario", faults)
        if sum(event.times or 1 for event in self.events) > MAX_ENTRIES:
            raise wrong_fields("scenario", {("events",): f"more than {MAX_ENTRIES} in all, with their repetitions"})
        return self

    @model_validator(mode="after")
    def _accounts_have_room(self) -> "Scenario":
        if self.accounts > MAX_ACCOUNTS:
            raise wrong_fields("scenario", {("populations",): f"{self.accounts} accounts in all: at most {MAX_ACCOUNTS}"})
        return self

    @property
    def start_ns(self) -> int:
        """Simulated time at which window 0 begins."""
        return moment_ns(self.start)

    @property
    def end_ns(self) -> int | None:
        """Simulated time at which a run ends by itself; None where it does not."""
        return None if self.duration is None else self.start_ns + parse_duration_ns(self.duration)

    @property
    def lookahead_ns(self) -> int:
        """Length of a window."""
        return self.lookahead_ms * NS_PER_MS

    @property
    def accounts(self) -> int:
        """How many the scenario has: agents from 1 on, then the traders of the populations, without the market's own 0."""
        return sum(agent.count for agent in self.agents) + sum(population.traders for population in self.populations)

    @property
    def account_ranges(self) -> dict[str, range]:
        """The account numbers of each entry of `agents` and `populations`, by its name; 0 is the market's own."""
        entries = [(agent.name, agent.count) for agent in self.agents]
        entries += [(population.name, population.traders) for population in self.populations]
        ranges, first = {}, 1
        for name, number in entries:
            ranges[name] = range(first, first + number)
            first += number
        return ranges

    @property
    def smallest_latency_ns(self) -> int | None:
        """Of any agent's or population's feed and order latency together; None where there is none of them."""
        present = [agent.latency for agent in self.agents if agent.count]
        present += [population.latency for population in self.populations]
        return min((one.order_latency().least_ns + one.feed_latency().least_ns for one in present), default=None)

    @property
    def quantised(self) -> bool:
        """Whether somebody's feed and order latency together are below a window, so that it sees them as a window."""
        smallest = self.smallest_latency_ns
        return smallest is not None and smallest < self.lookahead_ns

    @cached_property
    def hash(self) -> str:
        """SHA-256, hex, of all that touches the tape but the seed; defaults are written out.

        Not of the name, description, speed and duration. Of a user's agents the text of their files is in it.
        """
        content = self.model_dump(mode="json", by_alias=True, exclude={*_NOT_ON_THE_TAPE, "agents", "populations", "events"})
        content["start"] = self.start_ns
        for instrument, model in zip(content["instruments"], self.traded, strict=True):
            instrument["bands"] = instrument["bands"] or {"auction": AUCTION_S}
            value = model.build_value()
            instrument["value"] = [value.sd_ticks, value.half_life_s, value.jumps_per_s, value.jump_ticks]
        content["agents"] = [agent.hashed() for agent in self.agents]
        content["populations"] = [population.hashed() for population in self.populations]
        content["events"] = [repr(event) for event in self._scheduled()]
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def resolved(self) -> dict[str, Any]:
        """A scenario file of its own as plain values, with the defaults of all parameters; it has the same hash."""
        content = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        for entry, agent in zip(content["agents"], self.agents, strict=True):
            entry["params"] = agent.resolved_params()
        for entry, population in zip(content["populations"], self.populations, strict=True):
            entry["params"] = population.resolved_params()
        return content

    def instruments(self) -> tuple[Instrument, ...]:
        """What is traded, in the order of the file."""
        return tuple(instrument.build() for instrument in self.traded)

    def cast(self) -> Cast:
        """All who take part: an agent's place is its account, then come those of the populations' traders.

        Imports the code of a user's agents, once. Raises InvalidInput, with file and line, where it is wrong.
        """
        return self._cast

    @cached_property
    def _cast(self) -> Cast:
        agents = tuple(self._agents())
        return Cast(
            agents=agents,
            populations=tuple(self._populations(1 + len(agents))),
            values=tuple(instrument.build_value() for instrument in self.traded),
            events=self._scheduled(),
        )

    def event_times_ns(self) -> list[list[int]]:
        """When each entry of `events` happens, in the order of the file."""
        return [[one.time_ns for one in self._build_event(event)] for event in self.events]

    def _agents(self) -> Iterator[AgentSpec]:
        account = 1
        for place, model in enumerate(self.agents):
            try:
                yield from model.build(account, self.traded[0].symbol)
            except ValidationError as error:
                faults = {("agents", place, *one["loc"]): plain(one) for one in error.errors()}
                raise complain(wrong_fields("scenario", faults), self._content, type(self)) from None
            account += model.count

    def _populations(self, account: int) -> Iterator[PopulationSpec]:
        for model in self.populations:
            yield model.build(account, self.traded[0].symbol)
            account += model.traders

    def _scheduled(self) -> tuple[ScheduledEvent, ...]:
        """In order of time; of equal times in that of the file."""
        found = [one for event in self.events for one in self._build_event(event)]
        return tuple(sorted(found, key=lambda one: one.time_ns))

    def _build_event(self, event: EventModel) -> list[ScheduledEvent]:
        symbol = event.what.symbol or self.traded[0].symbol
        traded = next(instrument for instrument in self.traded if instrument.symbol == symbol)
        return list(event.build(self.start_ns, traded.build()))
