"""All children of one market, started in order and ended in stages."""

import asyncio
import time
from collections.abc import Sequence

from marksim.supervisor.child import Child, Refused

# The whole end takes less than 8 s; what is left then is killed.
END_WITHIN_S = 7.5


class Group:
    """Runs children until `end()`; the order of `children` is the order of start."""

    def __init__(self, children: Sequence[Child], stages: Sequence[Sequence[str]]) -> None:
        """`stages` names the children in the order of their end; those of one stage end together."""
        self.children = tuple(children)
        self._stages = [[child for child in children if child.spec.name in names] for names in stages]
        staged = sum(len(stage) for stage in self._stages)
        assert staged == len(self.children), "every child belongs to one stage"
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every child."""
        self._tasks = [asyncio.create_task(child.run(), name=child.spec.name) for child in self.children]

    async def refused(self) -> Refused:
        """Wait until a child refuses to start; never returns where none does.

        Raises what a child's task raised where that is not a refusal: a fault of the supervisor itself.
        """
        waiting = set(self._tasks)
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if isinstance(error, Refused):
                    return error
                if error is not None:
                    raise error
        never: asyncio.Future[Refused] = asyncio.get_running_loop().create_future()
        return await never

    async def end(self) -> bool:
        """End all, stage by stage; True where every child ended cleanly."""
        deadline = time.monotonic() + END_WITHIN_S
        clean = True
        for number, stage in enumerate(self._stages):
            left_s = deadline - time.monotonic()
            # Every later stage keeps at least a second of what is left.
            grace_s = max(left_s - (len(self._stages) - 1 - number), 0.5)
            clean = all(await asyncio.gather(*(child.end(grace_s) for child in stage))) and clean
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return clean

    def kill(self) -> None:
        """End all at once, without order or mercy."""
        for child in self.children:
            child.kill()
