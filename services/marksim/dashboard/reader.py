"""Reads the feed for ever: connects, takes every message, and comes back by itself when the connection is gone."""

import asyncio
import random
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException

from marksim.dashboard.frames import feed_url
from marksim.dashboard.history import History
from marksim.runtime.logs import get_logger

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0
_OPEN_TIMEOUT_S = 5.0
# A tick is about 300 bytes; a server that sends more than this in one message is not our feed.
_LARGEST_MESSAGE_BYTES = 64 * 1024
_LONGEST_QUOTE = 160

log = get_logger(__name__)


async def read_feed(
    address: str,
    history: History,
    jitter: Callable[[], float] = random.random,
    first_wait_s: float = FIRST_WAIT_S,
) -> None:
    """Feed `history` from the WebSocket at `address` until cancelled. No failure of the feed ends it."""
    url = feed_url(address)
    wait_s, told = first_wait_s, ""
    while True:
        ticks_before = history.status.ticks
        reason = await _read_once(url, address, history)
        if history.status.ticks > ticks_before:
            # A connection that brought ticks was a good one: begin again with the shortest wait.
            wait_s, told = first_wait_s, ""
        if reason != told:
            # Not each attempt: a feed may be away for days.
            log.warning("no feed", reason=reason)
            told = reason
        # Spread out, so that many dashboards do not return to a restarted edge in one instant.
        pause_s = wait_s * (0.75 + 0.5 * jitter())
        history.closed(reason, pause_s)
        await asyncio.sleep(pause_s)
        wait_s = min(LONGEST_WAIT_S, wait_s * 2)


async def _read_once(url: str, address: str, history: History) -> str:
    """One connection from its opening to its end; returns why it ended, as a sentence."""
    opened = await _open(url, address)
    if isinstance(opened, str):
        return opened
    try:
        async with opened as socket:
            history.opened()
            async for message in socket:
                history.receive(message)
            return f"The feed at {address} closed the connection ({_code(socket.close_code, socket.close_reason)})."
    except ConnectionClosed as closed:
        frame = closed.rcvd or closed.sent
        return f"The connection to {address} broke ({_code(frame.code, frame.reason) if frame else 'no closing frame'})."


async def _open(url: str, address: str) -> ClientConnection | str:
    """The open connection, or a sentence that says why there is none."""
    try:
        # Proxies of the environment are for the outside world; a feed is on this machine or in this cluster.
        return await connect(
            url, open_timeout=_OPEN_TIMEOUT_S, max_size=_LARGEST_MESSAGE_BYTES, compression=None, proxy=None
        )
    except InvalidStatus as refusal:
        body = bytes(refusal.response.body or b"").decode(errors="replace").strip()[:_LONGEST_QUOTE]
        return f"{address} refused the connection: HTTP {refusal.response.status_code}{': ' + body if body else ''}."
    except InvalidHandshake as error:
        return f"{address} does not speak WebSocket: {error}."
    except TimeoutError:
        return f"{address} did not answer within {_OPEN_TIMEOUT_S:.0f} s."
    except OSError as error:
        return f"Nobody answers at {address} ({_short(error)}). Is the market running? Start it: python -m marksim.main."
    except (WebSocketException, ValueError) as error:
        # Where a server sends us to (a redirect) may be no address at all, and only the attempt tells.
        return f"{address} leads to no WebSocket server: {str(error)[:_LONGEST_QUOTE]}."


def _code(code: int | None, reason: str | None) -> str:
    return f"code {code}{': ' + reason[:_LONGEST_QUOTE] if reason else ''}"


def _short(error: OSError) -> str:
    """What went wrong without the list of every address that was tried."""
    text = str(error).lower()
    for known in ("connection refused", "name or service not known", "network is unreachable", "connect call failed"):
        if known in text:
            return "connection refused" if known == "connect call failed" else known
    return type(error).__name__ if not error.strerror else error.strerror.lower()
