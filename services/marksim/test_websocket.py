"""A user's smoke test of a running market: `python -m marksim.test_websocket`.

Connects as any consumer would, prints ticks for a few seconds, then says what came and whether each message kept the
format. Ends with 1 and one sentence where nothing listens, nothing comes, or a message breaks the format.
"""

import asyncio
import json
import math
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import typer
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

KEYS = (
    "timestamp",
    "symbol",
    "last_price",
    "bid_price",
    "ask_price",
    "bid_size",
    "ask_size",
    "volume_24h",
    "trade_count",
)
_CONNECT_TIMEOUT_S = 5.0
_FIRST_TICKS_SHOWN = 10
_SHOW_EVERY_S = 0.2
_VIOLATIONS_SHOWN = 5
_REFUSAL_SHOWN = 300


class SmokeFailure(Exception):
    """The test failed; the message is the sentence for the user."""


@dataclass
class Range:
    """Lowest and highest last price of one symbol."""

    low: float
    high: float
    ticks: int = 0

    def add(self, price: float) -> None:
        """Widen the range to one more price."""
        self.low, self.high = min(self.low, price), max(self.high, price)
        self.ticks += 1


@dataclass
class Summary:
    """What came over one connection whose URL asked for `extra_keys`."""

    extra_keys: Sequence[str] = ()
    ticks: int = 0
    trades: int = 0
    seconds: float = 0.0
    prices: dict[str, Range] = field(default_factory=dict)
    violation_count: int = 0
    violations: list[str] = field(default_factory=list)
    _last_timestamp: dict[str, int] = field(default_factory=dict)

    def add(self, message: str | bytes) -> dict[str, Any] | None:
        """Count one message; returns it parsed, or None where it breaks the format."""
        self.ticks += 1
        tick, wrong = parse_tick(message, self.extra_keys)
        if tick is not None:
            symbol, timestamp = tick["symbol"], tick["timestamp"]
            if timestamp < self._last_timestamp.get(symbol, timestamp):
                wrong = f"timestamp of {symbol} went back to {timestamp}"
            self._last_timestamp[symbol] = timestamp
            price = tick["last_price"]
            self.prices.setdefault(symbol, Range(price, price)).add(price)
            self.trades += tick["trade_count"]
        if wrong:
            self.violation_count += 1
            if len(self.violations) < _VIOLATIONS_SHOWN:
                self.violations.append(wrong)
        return tick

    def lines(self) -> list[str]:
        """The summary as it is printed."""
        rate = self.ticks / self.seconds if self.seconds else 0.0
        came = f"{self.ticks:,} ticks in {self.seconds:.1f} s ({rate:,.0f} ticks/s)"
        lines = [f"{came}, {len(self.prices)} symbols, {self.trades:,} trades"]
        lines += [
            f"  {symbol}: last price {seen.low:,.8g} to {seen.high:,.8g}, {seen.ticks:,} ticks"
            for symbol, seen in sorted(self.prices.items())
        ]
        lines.append(f"format: {self.violation_count or 'no'} violations")
        lines += [f"  {text}" for text in self.violations]
        return lines


def extra_keys_of(url: str) -> tuple[str, ...]:
    """The keys that the URL asks for behind the nine (`?fields=seq,epoch`), in its order."""
    asked = parse_qs(urlsplit(url).query).get("fields", [""])[0]
    return tuple(asked.split(",")) if asked else ()


def parse_tick(message: str | bytes, extra_keys: Sequence[str] = ()) -> tuple[dict[str, Any] | None, str]:
    """Read one message: (tick, "") where it keeps the format, else (None, what is wrong with it).

    The format is the nine keys and then `extra_keys`, in this order.
    """
    try:
        tick = json.loads(message)
    except ValueError:
        return None, f"not JSON: {message[:80]!r}"
    if not isinstance(tick, dict) or tuple(tick) != (*KEYS, *extra_keys):
        then = f" and then {', '.join(extra_keys)}" if extra_keys else ""
        return None, f"not the nine keys in their order{then}: {message[:300]!r}"
    if not isinstance(tick["symbol"], str) or not tick["symbol"]:
        return None, f"symbol is {tick['symbol']!r}, not a name"
    for key in KEYS[2:]:
        value = tick[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None, f"{key} is {value!r}, not a number"
        if value < 0 and key.endswith(("size", "_24h", "count")):
            return None, f"{key} is {value!r}, below 0"
    for key in ("timestamp", "trade_count"):
        if isinstance(tick[key], bool) or not isinstance(tick[key], int):
            return None, f"{key} is {tick[key]!r}, not an integer"
    return tick, ""


async def watch(url: str, seconds: float) -> Summary:
    """Read ticks for a number of wall seconds and print some of them.

    Raises SmokeFailure where nothing listens at the address or the server ends the connection before a tick.
    """
    websocket = await _connect(url)
    summary = Summary(extra_keys_of(url))
    async with websocket:
        print(f"Connected to {url}; reading for {seconds:g} s.")
        start = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                shown_at = 0.0
                async for message in websocket:
                    tick = summary.add(message)
                    now = time.monotonic()
                    if tick and (summary.ticks <= _FIRST_TICKS_SHOWN or now - shown_at >= _SHOW_EVERY_S):
                        print(_tick_line(tick))
                        shown_at = now
        except TimeoutError:
            pass
        except ConnectionClosed as closed:
            raise SmokeFailure(f"The server ended the connection: {closed}.") from closed
        summary.seconds = time.monotonic() - start
    return summary


async def _connect(url: str) -> ClientConnection:
    try:
        # Proxies of the environment are for the outside world; a market is on this machine or in this cluster.
        return await connect(url, open_timeout=_CONNECT_TIMEOUT_S, proxy=None)
    except InvalidStatus as refusal:
        said = bytes(refusal.response.body or b"").decode(errors="replace").strip()[:_REFUSAL_SHOWN]
        status = f"HTTP {refusal.response.status_code}"
        raise SmokeFailure(
            f"What listens at {url} refused the connection ({status}): {said or 'no reason given.'}"
        ) from refusal
    except InvalidHandshake as error:
        raise SmokeFailure(f"What listens at {url} did not accept the connection: {error}.") from error
    except (OSError, TimeoutError) as error:
        if url.startswith("wss:") and isinstance(error, ssl.SSLError | ConnectionResetError | ConnectionAbortedError):
            # Who does not know TLS hangs up or answers what is none, and Python has no words for the first.
            said = str(error) or "the connection was closed"
            raise SmokeFailure(
                f"What listens at {url} does not agree on TLS ({said}). Without TLS the address begins with ws://"
            ) from error
        raise SmokeFailure(
            f"Nothing answers at {url} ({_cause(error)}). Start the market first: python -m marksim.main"
        ) from error
    except (InvalidURI, ValueError) as error:
        # A port beyond 65535 and a name that no DNS can hold are found out only by the attempt.
        raise SmokeFailure(f"--url {url} is not a WebSocket address; an example: ws://localhost:8765") from error


def _cause(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_CONNECT_TIMEOUT_S:g} s"
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "connection refused"
    return str(error) or type(error).__name__


def _tick_line(tick: dict[str, Any]) -> str:
    return (
        f"{tick['symbol']:<10} last {tick['last_price']:>12,.8g}   "
        f"bid {tick['bid_size']:>8,.6g} @ {tick['bid_price']:<12,.8g} "
        f"ask {tick['ask_size']:>8,.6g} @ {tick['ask_price']:<12,.8g} "
        f"24h {tick['volume_24h']:>12,.8g}   trades {tick['trade_count']}"
    )


def run(
    url: Annotated[str, typer.Option(help="Address of the WebSocket server.")] = "ws://localhost:8765",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to read, in wall seconds.")] = 5.0,
) -> None:
    """Connect to a running market, print its ticks for a few seconds, and check their format."""
    try:
        summary = asyncio.run(watch(url, seconds))
    except SmokeFailure as failure:
        typer.echo(str(failure), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    print("\n".join(summary.lines()))
    if summary.ticks == 0:
        typer.echo(
            f"Connected to {url}, but no tick came in {seconds:g} s: the market is paused or still starting "
            "(the first start compiles its kernels). Try --seconds 60.",
            err=True,
        )
        raise typer.Exit(1)
    if summary.violation_count:
        typer.echo(f"{summary.violation_count} of {summary.ticks} messages break the format.", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(run)
