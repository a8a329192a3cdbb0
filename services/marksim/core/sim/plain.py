"""An agent's state as plain data, in which own orders are references; and which orders are referred to."""

from collections.abc import Callable
from typing import Any, Final

from marksim.core.sim.orders import OwnOrder

_ORDER: Final = "$order"
_PLAIN: Final = (type(None), bool, int, float, str)


class NotPlain(TypeError):
    """It says where in the state the thing is, and what to give instead."""


def encoded(value: Any, name: Callable[[OwnOrder], list[Any]], where: str = "state") -> Any:
    """The value with `{"$order": name(order)}` for each order. Raises NotPlain for what is neither plain nor an order."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list:
        return [encoded(one, name, f"{where}[{place}]") for place, one in enumerate(value)]
    if kind is dict:
        plain = {}
        for key, one in value.items():
            if type(key) is not str:
                raise NotPlain(f"{where} has the key {key!r}: keys must be text")
            # A key of the agent's own that looks like a reference gets one character more.
            plain[f"${key}" if key.startswith("$") else key] = encoded(one, name, f"{where}[{key!r}]")
        return plain
    if kind is OwnOrder:
        return {_ORDER: name(value)}
    raise NotPlain(
        f"{where} is of type {kind.__qualname__}: give None, bool, int, float, str, list, dict or an own order; "
        "of an enum or a number of numpy give int(...) or float(...), of a tuple list(...)"
    )


def decoded(plain: Any, order: Callable[[list[Any]], OwnOrder]) -> Any:
    """The value of which `encoded` gave that, with `order(name)` for each reference."""
    if type(plain) is list:
        return [decoded(one, order) for one in plain]
    if type(plain) is dict:
        if _ORDER in plain:
            return order(plain[_ORDER])
        return {key.removeprefix("$"): decoded(one, order) for key, one in plain.items()}
    return plain
