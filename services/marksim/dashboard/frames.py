"""What the feed sends: one JSON object a tick, checked here so that nothing after this has to doubt it."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

import orjson

# Asked of the edge beyond the nine standard keys: they let the page count gaps, see a new run, measure lag and say why
# nothing trades.
EXTRA_FIELDS = ("seq", "prev_seq", "epoch", "sent_at_us", "session")
_LONGEST_NAME = 64
# Larger integers do not survive a double, neither in the rings nor in the browser.
_LARGEST_INTEGER = 2**53


class BadFrameError(ValueError):
    """A message of the feed that is not a tick. Its text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class FeedTick:
    """One tick as the feed tells it; the last five are None where the server does not send them.

    Times are microseconds since the Unix epoch: `time_us` simulated, `sent_at_us` of the sender's wall clock.
    """

    time_us: int
    symbol: str
    last: float
    bid: float
    ask: float
    bid_size: float
    ask_size: float
    volume_24h: float
    trades: int
    seq: int | None = None
    prev_seq: int | None = None
    epoch: str | None = None
    sent_at_us: int | None = None
    session: str | None = None


def parse_frame(message: str | bytes) -> FeedTick:
    """The tick in one message. Raises BadFrameError where it is no JSON object, or a key is missing or of a wrong type."""
    try:
        frame = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise BadFrameError(f"not JSON: {error}") from None
    if not isinstance(frame, dict):
        raise BadFrameError(f"not a JSON object but {type(frame).__name__}")
    symbol = frame.get("symbol")
    if not isinstance(symbol, str) or not 0 < len(symbol) <= _LONGEST_NAME:
        raise BadFrameError(f"symbol must be a text of 1 to {_LONGEST_NAME} characters")
    return FeedTick(
        time_us=_integer(frame, "timestamp"),
        symbol=symbol,
        last=_number(frame, "last_price"),
        bid=_number(frame, "bid_price"),
        ask=_number(frame, "ask_price"),
        bid_size=_number(frame, "bid_size"),
        ask_size=_number(frame, "ask_size"),
        volume_24h=_number(frame, "volume_24h"),
        trades=_integer(frame, "trade_count"),
        seq=_integer_or_none(frame, "seq"),
        prev_seq=_integer_or_none(frame, "prev_seq"),
        epoch=_text_or_none(frame, "epoch"),
        sent_at_us=_integer_or_none(frame, "sent_at_us"),
        session=_text_or_none(frame, "session"),
    )


def feed_url(address: str) -> str:
    """The address with the extra fields asked for; a query that already names `fields` stays as it is.

    Raises ValueError, with a sentence, for what is no WebSocket address.
    """
    try:
        parts = urlsplit(address)
        # Both are only read when asked for: a port beyond 65535 and a name that no DNS can hold.
        good = parts.scheme in {"ws", "wss"} and parts.port != 0 and bool((parts.hostname or "").encode("idna"))
    except ValueError as error:
        raise ValueError(f"{address!r} is no WebSocket address ({error}); write it as ws://host:port/") from None
    if not good:
        raise ValueError(f"{address!r} is no WebSocket address; write it as ws://host:port/")
    query = parse_qsl(parts.query, keep_blank_values=True)
    if not any(key == "fields" for key, _ in query):
        query.append(("fields", ",".join(EXTRA_FIELDS)))
    # Commas and slashes stay readable: the edge's own documentation writes them bare.
    text = "&".join(f"{quote(key)}={quote(value, safe=',/')}" for key, value in query)
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", text, ""))


def _number(frame: dict[str, object], key: str) -> float:
    value = frame.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadFrameError(f"{key} must be a number")
    return float(value)


def _integer(frame: dict[str, object], key: str) -> int:
    value = frame.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_INTEGER:
        raise BadFrameError(f"{key} must be an integer from 0 to 2^53")
    return value


def _integer_or_none(frame: dict[str, object], key: str) -> int | None:
    return None if frame.get(key) is None else _integer(frame, key)


def _text_or_none(frame: dict[str, object], key: str) -> str | None:
    value = frame.get(key)
    if value is not None and (not isinstance(value, str) or len(value) > _LONGEST_NAME):
        raise BadFrameError(f"{key} must be a text of at most {_LONGEST_NAME} characters")
    return value or None
