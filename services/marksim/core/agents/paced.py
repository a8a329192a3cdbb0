"""The base of agents that act, pause, and act again."""

from typing import Any

from marksim.core.agents.market import Market
from marksim.core.agents.views import Pause


class Paced:
    """Acts after each pause. A pause is kept as its end, so that one that is restored sleeps on and draws no other."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.rng = market.rng
        self.wake_ns: int | None = None
        """End of the pause that it was in when it was restored; None for one that begins."""
        self.pause: Pause | None = None
        """That it is in, or was in last; None before it has begun."""

    async def run(self) -> None:
        """Pause and act, for ever."""
        market = self.market
        if self.wake_ns is None:
            self.begin()
            self.pause = market.sleep(self.pause_s())
        else:
            self.pause = market.sleep_until(self.wake_ns)
        while True:
            await self.pause
            self.act()
            self.pause = market.sleep(self.pause_s())

    def begin(self) -> None:
        """What it does once, before the first pause: nothing, where a subclass says nothing else."""

    def pause_s(self) -> float:
        """How long the next pause is, in simulated seconds; drawn once for each."""
        raise NotImplementedError

    def act(self) -> None:
        """Look at the market and send what is to be sent. It waits for nothing."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """What a subclass adds its own to."""
        return {"wake_ns": self.wake_ns if self.pause is None else self.pause.time_ns}

    def restore(self, state: dict[str, Any]) -> None:
        """The same."""
        self.wake_ns = state["wake_ns"]
