"""Binding ports, and saying in a sentence why one cannot be bound."""

import errno
import re
import socket
from typing import Final

import psutil

LOOPBACK: Final = ("127.0.0.1", "::1")


class CannotListen(Exception):
    """A port or address cannot be bound; the message says why and which flag changes it. The process exits with 2."""


def addresses(host: str) -> tuple[str, ...]:
    """The addresses that a `host` setting stands for."""
    return (host.strip("[]"),) if host else LOOPBACK


def authority(address: str, port: int) -> str:
    """`address:port`, with brackets around IPv6."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[v6]:port`; ValueError with a sentence for what is neither."""
    found = re.fullmatch(r"(?:\[([^\s/\[\]]+)\]|([^\s/:\[\]]+)):([0-9]{1,5})", address)
    if found is None or not 0 < int(found[3]) <= 65_535:
        raise ValueError(f"{address!r} is not written host:port")
    return found[1] or found[2], int(found[3])


def check_peer(address: str) -> None:
    """Raise ValueError, with a sentence, for what cannot be called.

    That is an address, or one behind gRPC's `dns:` or `dns://server/`, which says whom to ask for the name.
    """
    try:
        split_address(re.sub(r"^dns:(//[^\s/]*/)?", "", address))
    except ValueError:
        raise ValueError(f"{address!r} is not written host:port") from None


def bindable(address: str, port: int, flag: str) -> bool:
    """Whether `address` exists here and `port` is free on it; False if the machine has no such IPv6 loopback.

    Raises CannotListen for everything else that stands in the way. It is asked before a library binds because libraries
    tell less: gRPC only says that it failed.
    """
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise port_in_use(port, flag) from None
        if address == "::1":
            return False
        reason = error.strerror or str(error)
        raise CannotListen(f"cannot listen on {authority(address, port)} ({reason}); --host or {flag} changes it") from None
    return True


def bound_socket(address: str, port: int) -> socket.socket:
    """A TCP socket bound there, for libraries that would make `::` mean IPv6 alone; raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except BaseException:
        bound.close()
        raise
    return bound


def port_in_use(port: int, flag: str) -> CannotListen:
    """The error for a taken port: names its owner where the system tells, and the `flag` that chooses another."""
    owner = _owner(port)
    return CannotListen(f"port {port} is in use{f' by {owner}' if owner else ''}; {flag} chooses another one")


def _owner(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            local = connection.laddr
            if connection.status == psutil.CONN_LISTEN and local and local.port == port and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except (psutil.Error, OSError):
        # Who owns it is a courtesy; some systems tell only root.
        pass
    return ""
