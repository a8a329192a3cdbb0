"""What a service is to the runtime, and what the runtime tells it."""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

import grpc.aio

from marksim.runtime.metrics import Store

INSTANCE: Final = str(uuid.uuid4())
"""Names this process among others of its service."""

Page = Callable[[], tuple[str, str]]
"""Gives (content type, text); called in a thread of the HTTP server."""


@dataclass
class Lifecycle:
    """Where in its life the process is; ports are the bound ones, also when 0 was asked."""

    service: str
    grace_s: float
    instance: str = INSTANCE
    grpc_port: int = 0
    http_port: int = 0
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the service must take no more work and finish what it has within `grace_s`."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set after `run` has returned or the grace is over: endless streams end now."""


class Service(Protocol):
    """The service's own part. All methods are called on the event loop."""

    def register(self, server: grpc.aio.Server) -> Sequence[str]:
        """Add the own servicers and return their full names, for reflection and health. Must be quick."""
        ...

    async def run(self, lifecycle: Lifecycle) -> None:
        """Do the service's work; when `lifecycle.draining` is set, finish and return within the grace.

        Returning earlier ends the process with exit code 0, raising with 1.
        """
        ...

    def ready(self) -> bool:
        """Whether callers may be sent here. Asked several times a second."""
        ...

    def stores(self) -> Sequence[Store]:
        """The fill of the service's pools, rings, buffers and queues. Asked about once a second."""
        ...


@runtime_checkable
class HasPages(Protocol):
    """A service that has HTTP pages of its own beside /metrics, /healthz and /readyz."""

    def pages(self) -> Mapping[str, Page]:
        """The pages by path."""
        ...
