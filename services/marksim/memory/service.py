"""The memory service: asks every other service for its memory and shows the answers to Prometheus."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

import grpc.aio
from prometheus_client import REGISTRY

from marksim.memory.names import NamedTargets, Resolve, is_name, resolve
from marksim.memory.page import TargetCollector, render
from marksim.memory.settings import MemorySettings
from marksim.memory.target import Target
from marksim.runtime.channel import open_channel, peer_error
from marksim.runtime.logs import get_logger
from marksim.runtime.metrics import Store
from marksim.runtime.serve import Lifecycle
from marksim.runtime.service import Page
from marksim.v1 import telemetry_pb2, telemetry_pb2_grpc

LONGEST_POLL_S: Final = 2.0

Ask = Callable[[telemetry_pb2.GetMemoryRequest], Awaitable[telemetry_pb2.GetMemoryResponse]]

log = get_logger(__name__)


class MemoryService:
    """A service that is down costs nothing but its own line: each target is polled by a task of its own, in bounded time."""

    def __init__(self, settings: MemorySettings, resolve: Resolve = resolve) -> None:
        self._settings = settings
        self._resolve = resolve
        self._groups: list[Target | NamedTargets] = [
            NamedTargets(name, address, settings.max_addresses) if is_name(address) else Target(name, address)
            for name, address in settings.targets.items()
        ]
        self._asked_all = False

    @property
    def targets(self) -> list[Target]:
        """All at this moment, in the order of the settings. Safe in any thread."""
        grouped = (group.targets if isinstance(group, NamedTargets) else (group,) for group in self._groups)
        return [target for targets in grouped for target in targets]

    def register(self, server: grpc.aio.Server) -> Sequence[str]:
        """Nothing beside what every service has."""
        return ()

    async def run(self, lifecycle: Lifecycle) -> None:
        """Poll all targets until draining."""
        collector = TargetCollector(lambda: self.targets, self._left_out)
        REGISTRY.register(collector)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._follow_name(one) if isinstance(one, NamedTargets) else self._follow(one))
                    for one in self._groups
                ]
                await lifecycle.draining.wait()
                for task in tasks:
                    task.cancel()
        finally:
            REGISTRY.unregister(collector)

    def ready(self) -> bool:
        """Once every target has been asked, whatever came back: the page is then true. Later ones do not change that."""
        self._asked_all = self._asked_all or all(target.polls for target in self.targets)
        return self._asked_all

    def stores(self) -> Sequence[Store]:
        """None: it keeps one answer per target."""
        return ()

    def pages(self) -> Mapping[str, Page]:
        """The page for people at /."""
        return {"/": lambda: ("text/html; charset=utf-8", render(self.targets, self._settings.interval_s))}

    def _left_out(self) -> int:
        return sum(group.left_out for group in self._groups if isinstance(group, NamedTargets))

    async def _follow_name(self, named: NamedTargets) -> None:
        """Follow whoever is behind the name, each from when it appears there until it is gone."""
        following: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                if await named.look(self._resolve, time.time()):
                    log.info("addresses of a name", target=named.name, found=len(named.present), left_out=named.left_out)
                present = {target.name: target for target in named.present}
                for name in following.keys() - present.keys():
                    following.pop(name).cancel()
                for name in present.keys() - following.keys():
                    following[name] = group.create_task(self._follow(present[name]))
                await asyncio.sleep(self._settings.resolve_s)

    async def _follow(self, target: Target) -> None:
        interval_s = self._settings.interval_s
        deadline_s = min(interval_s, LONGEST_POLL_S)
        while True:
            async with open_channel(target.address) as channel:
                stub = telemetry_pb2_grpc.TelemetryServiceStub(channel)
                answered = True
                while answered:
                    begun = time.monotonic()
                    answered = await self._poll(target, partial(stub.GetMemory, timeout=deadline_s))
                    await asyncio.sleep(max(0.0, interval_s - (time.monotonic() - begun)))

    async def _poll(self, target: Target, ask: Ask) -> bool:
        """Ask once; whether it answered."""
        was_up = target.up
        try:
            memory = await ask(telemetry_pb2.GetMemoryRequest())
        except grpc.aio.AioRpcError as error:
            target.failed(peer_error(error), time.time())
            if was_up or target.polls == 1:
                log.info("target is down", target=target.name, address=target.address, error=target.error)
            return False
        if target.answered(memory, time.time()):
            log.info("target was restarted", target=target.name, pid=memory.pid, restarts=target.restarts)
        elif not was_up:
            log.info("target is up", target=target.name, pid=memory.pid)
        return True
