"""What an agent that survives a crash is: a class whose state can be written down at the end of any window."""

import inspect
from typing import Any, Protocol, TypeGuard


class Restorable(Protocol):
    """Made as `Agent(market)` or `Agent(market, parameters)`, which reads nothing of the market that changes.

    After `restore(state)` on a new object, `run` first awaits exactly what was pending when `state` was called, before it
    draws from `market.rng` or sends anything; then all goes on as if nothing had happened. It waits in one task only.
    """

    async def run(self) -> None:
        """Play, from the beginning or from what was restored."""
        ...

    def state(self) -> dict[str, Any]:
        """Plain data: None, bool, int, float, str, own orders, and lists and dicts with text keys of these."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` gave; called before `run`, with orders in place of those that were in it."""
        ...


METHODS = ("run", "state", "restore")


def is_restorable(agent: object) -> TypeGuard[type[Restorable]]:
    """Whether what plays an agent is such a class; else it is a function, and has no state to write down."""
    return inspect.isclass(agent)
