"""Agents and populations of a scenario file, and their parameters."""

import difflib
from collections.abc import Collection, Iterator
from dataclasses import asdict, fields
from typing import Annotated, Any, Final

from pydantic import Field, PrivateAttr, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from marksim.core.agents import AGENT_TYPES
from marksim.core.agents.bounds import faults
from marksim.core.agents.spec import AgentSpec, PopulationSpec
from marksim.core.errors import InvalidInput
from marksim.core.populations import POPULATION_TYPES
from marksim.scenario.code import Code, UserFunction, import_function, is_reference, read_code
from marksim.scenario.fields import Model, Name, wrong_fields
from marksim.scenario.latency import LatenciesModel

MAX_COUNT: Final = 10_000
MAX_TRADERS: Final = 10_000_000
MAX_SYMBOLS: Final = 64


class AgentModel(Model):
    """One agent or, with `count`, several alike, named NAME-1, NAME-2, ..."""

    name: Name
    type: str
    """A type of the package, or your own function or class: file.py:name, relative to this file, or package.module:name."""
    count: int = Field(default=1, ge=0, le=MAX_COUNT)
    symbol: str | None = None
    """What it trades; the first instrument if neither this nor `symbols` is given."""
    symbols: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_SYMBOLS)] | None = None
    """What it trades, where that is more than one; the first is meant where it names none."""
    latency: LatenciesModel = LatenciesModel()
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of its type."""
    provides_liquidity: bool | None = None
    """Whether a liquidity withdrawal takes it out of the market for a while; the type's own way if not given."""
    ephemeral: bool = False
    """Whether after a crash it starts afresh, its orders cancelled, instead of going on as if nothing had happened."""

    _code: Code | None = PrivateAttr(default=None)

    @field_validator("type")
    @classmethod
    def _type_is_known(cls, value: str) -> str:
        if not is_reference(value) and value not in AGENT_TYPES:
            own = "; your own is file.py:function"
            raise ValueError(f"{value!r} is unknown{suggestion(value, AGENT_TYPES)}; known are {_names(AGENT_TYPES)}{own}")
        return value

    @field_validator("symbols")
    @classmethod
    def _each_symbol_once(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        twice = sorted({symbol for symbol in value or () if (value or ()).count(symbol) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands there twice")
        return value

    @model_validator(mode="after")
    def _says_once_what_it_trades(self) -> "AgentModel":
        if self.symbol is not None and self.symbols is not None:
            raise wrong_fields(self.name, {("symbols",): "give symbol or symbols, not both"})
        return self

    @model_validator(mode="after")
    def _type_and_params_fit(self) -> "AgentModel":
        """Of a user's code only that it is there: the order book reads scenarios too, and runs no agents."""
        if is_reference(self.type):
            try:
                self._code = read_code(self.type)
            except InvalidInput as error:
                raise wrong_fields(self.name, {("type",): error.message}) from None
        else:
            build_parameters(AGENT_TYPES[self.type].parameters, f"agent type {self.type}", self.params)
        return self

    @property
    def code(self) -> Code | None:
        """Where a user wrote it; None for a type of the package."""
        return self._code

    @property
    def symbols_needed(self) -> int | None:
        """How many symbols one of its type trades; None for a user's own, which may trade any number."""
        return AGENT_TYPES[self.type].symbols if self._code is None else None

    def names(self) -> Iterator[str]:
        """Of the agents that it stands for."""
        for number in range(1, self.count + 1):
            yield self.name if self.count == 1 else f"{self.name}-{number}"

    def traded(self, first: str) -> tuple[str, ...]:
        """Its symbols; `first` where it names none."""
        return self.symbols or (self.symbol or first,)

    def build(self, account: int, first: str) -> Iterator[AgentSpec]:
        """One entry an agent, from that account on. Imports the user's code.

        Raises ValidationError where that is wrong, or the parameters do not fit it.
        """
        function, liquid = self._function(), self.provides_liquidity
        parameters = None
        if function.parameters is not None:
            parameters = build_parameters(function.parameters, self._code.name if self._code else self.type, self.params)
        elif self.params:
            said = f"{self.type} takes no parameters: give it a second argument whose annotation is a dataclass"
            raise wrong_fields(self.name, {("params",): said})
        if liquid is None:
            liquid = self._code is None and AGENT_TYPES[self.type].provides_liquidity
        for number, name in enumerate(self.names()):
            yield AgentSpec(
                account=account + number,
                name=name,
                type=self._code.name if self._code else self.type,
                symbols=self.traded(first),
                order_latency=self.latency.order_latency(),
                feed_latency=self.latency.feed_latency(),
                parameters=parameters,
                run=function.run,
                provides_liquidity=liquid,
                ephemeral=self.ephemeral,
            )

    def hashed(self) -> dict[str, Any]:
        """What the scenario's hash has of it: parameters with their defaults, or the user's code and what he gave it.

        `ephemeral` is not in it: an agent that cannot be re-run may be told to start afresh in a run that goes on.
        """
        content = self.model_dump(mode="json", exclude={"ephemeral"}) | {"params": self.resolved_params()}
        if self._code is not None:
            # The path differs from machine to machine; the text of the file is what counts.
            return content | {"type": self._code.function, "code": self._code.sha256}
        if content["provides_liquidity"] is None:
            content["provides_liquidity"] = AGENT_TYPES[self.type].provides_liquidity
        return content

    def resolved_params(self) -> dict[str, Any]:
        """With the defaults of the type; a user's own are those that he gave."""
        if self._code is not None:
            given: dict[str, Any] = self.model_dump(mode="json", include={"params"})["params"]
            return given
        return asdict(build_parameters(AGENT_TYPES[self.type].parameters, self.type, self.params))

    def _function(self) -> UserFunction:
        if self._code is None:
            return UserFunction(AGENT_TYPES[self.type].run, AGENT_TYPES[self.type].parameters)
        try:
            return import_function(self._code)
        except InvalidInput as error:
            raise wrong_fields(self.name, {("type",): error.message}) from None


class PopulationModel(Model):
    """Many traders of one behaviour, played as arrays. Each has an account; their accounts follow one another."""

    name: Name
    type: str
    traders: int = Field(ge=1, le=MAX_TRADERS)
    symbol: str | None = None
    """What they trade; the first instrument if not given."""
    latency: LatenciesModel = LatenciesModel()
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the type."""

    @field_validator("type")
    @classmethod
    def _type_is_known(cls, value: str) -> str:
        if value not in POPULATION_TYPES:
            known = _names(POPULATION_TYPES)
            raise ValueError(f"{value!r} is unknown{suggestion(value, POPULATION_TYPES)}; known are {known}")
        return value

    @model_validator(mode="after")
    def _params_fit_the_type(self) -> "PopulationModel":
        self._parameters()
        return self

    def names(self) -> Iterator[str]:
        """Its own: it draws from one generator."""
        yield self.name

    def build(self, account: int, first: str) -> PopulationSpec:
        """The population, whose first trader has that account."""
        return PopulationSpec(
            account=account,
            name=self.name,
            type=self.type,
            traders=self.traders,
            symbol=self.symbol or first,
            order_latency=self.latency.order_latency(),
            feed_latency=self.latency.feed_latency(),
            parameters=self._parameters(),
        )

    def hashed(self) -> dict[str, Any]:
        """What the scenario's hash has of it: parameters with their defaults."""
        return self.model_dump(mode="json") | {"params": self.resolved_params()}

    def resolved_params(self) -> dict[str, Any]:
        """With the defaults of the type."""
        return asdict(self._parameters())

    def _parameters(self) -> Any:
        return build_parameters(POPULATION_TYPES[self.type].parameters, f"population type {self.type}", self.params)


def build_parameters(cls: type[Any], what: str, params: dict[str, Any]) -> Any:
    """The dataclass `cls` of these parameters; raises ValidationError with the path of each wrong one, from `params` on."""
    known = [field.name for field in fields(cls) if field.init]
    wrong: dict[tuple[int | str, ...], str] = {
        ("params", name): f"unknown to {what}{suggestion(name, known)}; it takes {', '.join(known) or 'none'}"
        for name in params
        if name not in known
    }
    if wrong:
        raise wrong_fields(what, wrong)
    try:
        built = TypeAdapter(cls).validate_python(params)
    except ValidationError as error:
        raise wrong_fields(what, {("params", *one["loc"]): plain(one) for one in error.errors()}) from None
    wrong = {("params", field): said for field, said in faults(built)}
    if wrong:
        raise wrong_fields(what, wrong)
    return built


def plain(error: ErrorDetails) -> str:
    """What pydantic says of a field, as the end of a sentence that begins with its path."""
    if error["type"] == "missing":
        return "is missing"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] in {"value", "value_error"}:
        return message
    return f"{message[:1].lower()}{message[1:]}, not {short(error['input'])}"


def short(value: object) -> str:
    """A value as a sentence may show it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def suggestion(word: object, known: Collection[str]) -> str:
    """The nearest known name as a question, or nothing."""
    close = difflib.get_close_matches(str(word), known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _names(table: Collection[str]) -> str:
    return ", ".join(sorted(table))
