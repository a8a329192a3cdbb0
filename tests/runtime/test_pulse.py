"""The heartbeat that other threads see."""

import asyncio

from marksim.runtime.pulse import Pulse
from tests.runtime.served import Plain, until


def test_a_loop_that_stands_still_is_not_alive() -> None:
    """Five seconds without a beat are too many."""
    now = [100.0]
    pulse = Pulse(clock=lambda: now[0])
    seen = [pulse.alive]
    now[0] += 5.1
    assert [*seen, pulse.alive, pulse.ready] == [True, False, False]


async def test_draining_is_not_ready_whatever_the_service_says() -> None:
    """The service's `ready` may stay true to the end."""
    pulse = Pulse()
    told: list[bool] = []

    async def tell(ready: bool) -> None:
        told.append(ready)

    beat = asyncio.create_task(pulse.beat(Plain(), tell))
    await until(lambda: pulse.ready)
    pulse.drain()
    assert not pulse.ready
    assert told == [True]
    beat.cancel()


async def test_a_service_that_cannot_say_how_it_is_is_not_ready_but_alive() -> None:
    """An error in `ready` must not restart the pod."""

    class Confused(Plain):
        asked = 0

        def ready(self) -> bool:
            self.asked += 1
            raise ValueError("confused")

    async def tell(ready: bool) -> None:
        assert not ready

    service, pulse = Confused(), Pulse()
    beat = asyncio.create_task(pulse.beat(service, tell))
    await until(lambda: service.asked > 1)
    assert pulse.alive
    assert not pulse.ready
    beat.cancel()
