"""Who calls, and what they may do: one principal per call, one function that decides."""

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a call."""

    name: str


ANONYMOUS: Final = Principal("anonymous")


class Action(Enum):
    """What a principal may want: the first two with an account, the others with none, which is written ""."""

    READ = "read"
    TRADE = "trade"
    WATCH = "watch"
    """Market data, which is everybody's."""
    RECORD = "record"
    """What happens to all accounts, and what a book keeps until it is stored: the archive's."""
    STEER = "steer"
    """The clock and the sessions, which all agents and accounts share."""


_principal: ContextVar[Principal] = ContextVar("principal", default=ANONYMOUS)


def principal_of(_metadata: Iterable[tuple[str, str | bytes]]) -> Principal:
    """The principal behind a call's metadata or headers: anonymous, as no token or certificate is checked yet."""
    return ANONYMOUS


def set_principal(principal: Principal) -> None:
    """Bind the principal to the running call; the interceptors do it before the servicer sees the request."""
    _principal.set(principal)


def current_principal() -> Principal:
    """The principal of the running call."""
    return _principal.get()


def authorize(principal: Principal, account: str, action: Action) -> None:
    """Return if `principal` may do `action` with `account`, else raise `Denied`.

    Everyone may act for every account while there is nobody but the anonymous: an account's name is then its key.
    """
