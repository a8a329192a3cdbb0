"""Names behind which there are many services, such as a headless Service of Kubernetes: whom DNS knows there now."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from marksim.memory.target import Target
from marksim.runtime.ports import authority, split_address

PREFIX: Final = "dns:"

Resolve = Callable[[str, int], Awaitable[list[str]]]

_NOBODY: Final = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
"""Answers that say that there is nobody; any other failure says nothing about who is there."""


def is_name(address: str) -> bool:
    """Whether all addresses of a name are meant, not one of them."""
    return address.startswith(PREFIX)


def split_target(address: str) -> tuple[str, int]:
    """Host and port of an address, or of `dns:host:port`; ValueError with a sentence."""
    try:
        return split_address(address.removeprefix(PREFIX))
    except ValueError:
        raise ValueError(f"{address!r} is not written host:port, or dns:host:port for all addresses of a name") from None


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of the name now, sorted; raises OSError where there is none or DNS does not answer."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(entry[4][0]) for entry in found})


@dataclass
class NamedTargets:
    """The targets of one name, `edge@10.0.0.7` and so on. While it has none, it is a target itself, which is down."""

    name: str
    address: str
    limit: int
    targets: tuple[Target, ...] = ()
    """Replaced as a whole, never changed: scrapes read it in another thread."""
    left_out: int = 0
    """Addresses beyond the limit."""
    _nobody: Target = field(init=False)

    def __post_init__(self) -> None:
        self._nobody = Target(self.name, self.address)
        self.targets = (self._nobody,)

    async def look(self, resolve: Resolve, now_s: float) -> bool:
        """Ask DNS once; True if the targets are others than before. Who is no longer there is forgotten at once."""
        host, port = split_target(self.address)
        try:
            found = await resolve(host, port)
        except OSError as error:
            reason = f"{host} does not resolve: {error.strerror or error}"
            # A name server that fails for a while takes nobody away.
            if self._nobody not in self.targets and error.errno not in _NOBODY:
                return False
            found = []
        else:
            reason = f"{host} has no address"
        if not found:
            self._nobody.failed(reason, now_s)
        self.left_out = max(0, len(found) - self.limit)
        known = {target.name: target for target in self.targets}
        named = [(f"{self.name}@{address}", authority(address, port)) for address in found[: self.limit]]
        targets: Sequence[Target] = [known.get(name) or Target(name, address) for name, address in named] or [self._nobody]
        changed = [target.name for target in targets] != list(known)
        self.targets = tuple(targets)
        return changed

    @property
    def present(self) -> tuple[Target, ...]:
        """Those that can be asked."""
        return tuple(target for target in self.targets if target is not self._nobody)
