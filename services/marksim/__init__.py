"""marksim: a synthetic exchange.

`marksim.simulate("default", until="1h")` runs one in this process; what it returns holds tables and the tape hash.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from marksim.core.agents import Market
    from marksim.offline import Progress, Result, simulate
    from marksim.scenario import Scenario, load_scenario

__all__ = ["Market", "Progress", "Result", "Scenario", "load_scenario", "simulate"]

_PLACES: Final = {
    "Market": "marksim.core.agents",
    "Progress": "marksim.offline",
    "Result": "marksim.offline",
    "Scenario": "marksim.scenario",
    "load_scenario": "marksim.scenario",
    "simulate": "marksim.offline",
}

if not TYPE_CHECKING:  # a checker knows the names above, and shall refuse all others

    def __getattr__(name: str) -> Any:
        # The compiler behind some of these takes a second to load, and who imports a part of the package wants only that.
        if name in _PLACES:
            return getattr(import_module(_PLACES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
