"""Whether a cast fits the instruments, and the coroutines of its agents."""

from collections.abc import Coroutine, Mapping
from types import CoroutineType
from typing import Any, TypeGuard

from marksim.core.agents.market import Market
from marksim.core.agents.restorable import METHODS, Restorable
from marksim.core.agents.spec import AgentSpec, Cast, ScheduledEvent
from marksim.core.errors import InvalidInput
from marksim.core.sim.events import check_event
from marksim.core.types import Instrument


def check_cast(cast: Cast, instruments: Mapping[str, Instrument]) -> None:
    """Raise InvalidInput for who or what has no place in a market of these instruments; it says who and why."""
    checked: tuple[tuple[str, list[object]], ...] = (
        ("name", [*(spec.name for spec in cast.agents), *(spec.name for spec in cast.populations)]),
        ("account", [spec.account for spec in cast.agents]),
        ("symbol of values", [value.symbol for value in cast.values]),
    )
    for what, names in checked:
        twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
        if twice:
            raise InvalidInput(f"{what} {min(map(str, twice))} stands there twice")
    for spec in cast.agents:
        if not spec.symbols or not set(spec.symbols) <= set(instruments) or len(set(spec.symbols)) < len(spec.symbols):
            raise InvalidInput(f"agent {spec.name}: symbols {spec.symbols} must be some of {', '.join(instruments)}")
    _check_populations(cast, instruments)
    for value in cast.values:
        if value.symbol not in instruments:
            raise InvalidInput(f"values: {value.symbol} is not among the instruments")
    for scheduled in cast.events:
        _check_scheduled(scheduled, instruments)


def _check_populations(cast: Cast, instruments: Mapping[str, Instrument]) -> None:
    """Their accounts lie behind those of all agents, and no two have one in common."""
    free = 1 + max((spec.account for spec in cast.agents), default=0)
    for spec in sorted(cast.populations, key=lambda spec: spec.account):
        if spec.symbol not in instruments:
            raise InvalidInput(f"population {spec.name}: {spec.symbol} is not among {', '.join(instruments)}")
        if spec.traders < 1 or spec.account < free:
            raise InvalidInput(f"population {spec.name}: accounts from {spec.account} on must be free, from {free} on")
        free = spec.account + spec.traders


def _check_scheduled(scheduled: ScheduledEvent, instruments: Mapping[str, Instrument]) -> None:
    if not -(1 << 62) <= scheduled.time_ns < 1 << 62:
        raise InvalidInput(f"time_ns {scheduled.time_ns} of an event is out of range")
    check_event(scheduled.event, instruments)


def played(spec: AgentSpec, market: Market) -> tuple[Coroutine[Any, Any, None], Restorable | None]:
    """The agent's coroutine, and the object whose `run` it is, if it is of one that can be restored.

    Where there is no coroutine, one that fails, so that this is the failure of that agent.
    """
    restorable: Restorable | None = None
    try:
        begun = made(spec, market)
        if is_object(begun):
            restorable, begun = begun, begun.run()
    except Exception as error:  # noqa: BLE001 - of the user's function, as in any other of its lines
        return _failing(error), restorable
    if not isinstance(begun, CoroutineType):
        what = f"it gave {type(begun).__name__}"
        function = "its function" if restorable is None else "its run()"
        return _failing(TypeError(f"agent {spec.name}: {function} must be `async def` with no `yield`, {what}")), restorable
    return begun, restorable


def made(spec: AgentSpec, market: Market) -> object:
    """What the agent's function or class gives: a coroutine or an object, where it is right."""
    return spec.run(market) if spec.parameters is None else spec.run(market, spec.parameters)


def is_object(begun: object) -> TypeGuard[Restorable]:
    """Whether that is an object with all that `Restorable` asks for."""
    return all(callable(getattr(begun, name, None)) for name in METHODS)


async def _failing(error: Exception) -> None:
    raise error
