"""How many clients an edge takes under the system's limit of open files.

Beyond that limit a process accepts nobody: no client is told why, and the health pages are silent too. So the edge stays
below it, with files left for itself and for clients that are being refused.
"""

from dataclasses import dataclass
from typing import Final

UNADMITTED: Final = 256
"""TCP connections beyond the most clients that may be in their handshake; they are told why they are refused."""
OWN_FILES: Final = 160
"""What the edge may yet open itself: the connections of its health pages on two addresses, gRPC to and from it."""


@dataclass(frozen=True, slots=True)
class Room:
    """Most clients, and most connections beside them."""

    clients: int
    unadmitted: int = UNADMITTED


def wanted_files(max_clients: int, open_now: int) -> int:
    """The limit under which `max_clients` have room, with `open_now` files open before the first comes."""
    return open_now + OWN_FILES + UNADMITTED + max_clients


def room_for(max_clients: int, limit: int | None, open_now: int) -> Room:
    """The room under `limit` (None: there is none). A scarce one shrinks everybody's part; one client may always come."""
    if limit is None:
        return Room(max_clients)
    free = max(0, limit - open_now)
    left = free - min(OWN_FILES, free // 2)
    unadmitted = min(UNADMITTED, max(left - max_clients, left // 4))
    return Room(max(1, min(max_clients, left - unadmitted)), unadmitted)
