"""Latencies of a scenario file: constant, lognormal or measured; orders and feed apart."""

from functools import cached_property
from typing import Annotated, Final

from pydantic import Field, model_validator

from marksim.core.agents.latency import MAX_LATENCY_NS, Latency, constant, empirical, lognormal
from marksim.core.errors import InvalidInput
from marksim.core.types import NS_PER_US
from marksim.scenario.fields import Model

MAX_SAMPLES: Final = 100_000
_MAX_US: Final = MAX_LATENCY_NS // NS_PER_US
_MODELS: Final = ("constant_us", "median_us", "samples_us")
DEFAULT_ORDER_US: Final = 20_000
DEFAULT_FEED_US: Final = 30_000

Microseconds = Annotated[float, Field(ge=0, le=_MAX_US, allow_inf_nan=False)]


class LatencyModel(Model):
    """How latencies of one direction are drawn. Exactly one of constant_us, median_us, samples_us and samples_file."""

    constant_us: Microseconds | None = None
    """Always the same, simulated microseconds."""
    median_us: Microseconds | None = None
    """Median of a lognormal law above `floor_us`."""
    sigma: float | None = Field(default=None, gt=0, le=3, allow_inf_nan=False)
    """Standard deviation of the logarithm; 0.4 if not given. With median_us only."""
    floor_us: Microseconds | None = None
    """What none is below; 0 if not given. With median_us only."""
    samples_us: Annotated[tuple[Microseconds, ...], Field(min_length=1, max_length=MAX_SAMPLES)] | None = None
    """Measured ones; draws are spread as they are."""

    @model_validator(mode="after")
    def _is_one_model(self) -> "LatencyModel":
        given = [field for field in _MODELS if getattr(self, field) is not None]
        if len(given) != 1:
            found = f"not both {' and '.join(given)}" if given else "such as constant_us: 500"
            raise ValueError(f"must have exactly one of {', '.join(_MODELS)} and samples_file, {found}")
        if given != ["median_us"] and (self.sigma is not None or self.floor_us is not None):
            raise ValueError(f"sigma and floor_us belong to median_us, not to {given[0]}")
        try:
            self.build()
        except InvalidInput as error:
            raise ValueError(error.message) from None
        return self

    def build(self) -> Latency:
        """The table of quantiles."""
        return self._built

    @cached_property
    def _built(self) -> Latency:
        if self.constant_us is not None:
            return constant(_ns(self.constant_us))
        if self.median_us is not None:
            return lognormal(_ns(self.median_us), 0.4 if self.sigma is None else self.sigma, _ns(self.floor_us or 0))
        assert self.samples_us is not None, "one of the three is given"
        return empirical(tuple(_ns(sample) for sample in self.samples_us))


class LatenciesModel(Model):
    """How long an order takes to the book, and an event from the book to the agent."""

    order_us: Microseconds | None = None
    """Of orders, constant, simulated microseconds; 20000 if neither this nor `order` is given."""
    feed_us: Microseconds | None = None
    """Of events, constant, simulated microseconds; 30000 if neither this nor `feed` is given."""
    order: LatencyModel | None = None
    """Of orders, drawn for each."""
    feed: LatencyModel | None = None
    """Of events, drawn for each."""

    @model_validator(mode="after")
    def _each_direction_once(self) -> "LatenciesModel":
        for direction in ("order", "feed"):
            if getattr(self, direction) is not None and getattr(self, f"{direction}_us") is not None:
                raise ValueError(f"must have {direction} or {direction}_us, not both")
        return self

    def order_latency(self) -> Latency:
        """From the agent to the book."""
        return _latency(self.order, self.order_us, DEFAULT_ORDER_US)

    def feed_latency(self) -> Latency:
        """From the book to the agent."""
        return _latency(self.feed, self.feed_us, DEFAULT_FEED_US)


def _latency(model: LatencyModel | None, microseconds: float | None, default_us: int) -> Latency:
    if model is not None:
        return model.build()
    return constant(_ns(default_us if microseconds is None else microseconds))


def _ns(microseconds: float) -> int:
    return round(microseconds * NS_PER_US)
