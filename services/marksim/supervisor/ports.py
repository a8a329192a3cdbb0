"""Which ports a market needs, and who has them already."""

import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class PortNeed:
    """One port that a child will listen on, and the flag of `marksim.main` that changes it."""

    port: int
    what: str
    flag: str


@dataclass(frozen=True)
class PortTaken:
    """A port that is not free; `pid` is None where the owner is not known (another user's process)."""

    need: PortNeed
    pid: int | None
    name: str

    def __str__(self) -> str:
        owner = f"by pid {self.pid} ({self.name})" if self.pid is not None else "by another process"
        need = self.need
        return f"port {need.port} ({need.what}) is in use {owner}; end it or choose another port with {need.flag}"


def taken(needs: Iterable[PortNeed]) -> list[PortTaken]:
    """The ports of `needs` that something on this machine's loopback listens on already."""
    busy = [need for need in needs if not _is_free(need.port)]
    if not busy:
        return []
    owners = _owners()
    return [PortTaken(need, *owners.get(need.port, (None, ""))) for need in busy]


def asked_twice(needs: Iterable[PortNeed]) -> str:
    """A sentence naming two flags with the same port, or "" where all differ."""
    seen: dict[int, PortNeed] = {}
    for need in needs:
        first = seen.setdefault(need.port, need)
        if first is not need:
            return f"{first.flag} ({first.what}) and {need.flag} ({need.what}) both say port {need.port}; change one"
    return ""


def _is_free(port: int) -> bool:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the services bind: a connection still closing from an earlier run does not hold the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
                # Any other (no IPv6 on this machine, a port that needs rights) is the service's own to say.
    return True


def _owners() -> dict[int, tuple[int | None, str]]:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS tells only root
        return {}
    owners: dict[int, tuple[int | None, str]] = {}
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.pid is not None:
            try:
                name = psutil.Process(connection.pid).name()
            except psutil.Error:
                name = "unknown"
            owners[connection.laddr.port] = (connection.pid, name)
    return owners
