"""What a client asks for by its URL."""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from marksim.core.errors import Away, InvalidInput, NotFound
from marksim.edge.message import EXTRA_FIELDS


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which symbols and which extra fields. Clients with equal subscriptions share their bytes."""

    symbols: frozenset[str] | None = None
    """None means all, also those that come later."""
    fields: tuple[str, ...] = ()

    def wants(self, symbol: str) -> bool:
        """Whether ticks of `symbol` belong to it."""
        return self.symbols is None or symbol in self.symbols


def parse_target(target: str, known: Collection[str]) -> Subscription:
    """The subscription in a request target such as `/?symbols=BTC/USD&fields=seq`.

    Raises NotFound for another path, InvalidInput for another parameter, field or symbol, and Away where symbols are named
    before any is `known`.
    """
    parts = urlsplit(target)
    if parts.netloc or parts.path not in ("", "/"):
        raise NotFound(f"There is nothing at {_short(target)}: the feed is at / with the parameters symbols and fields.")
    symbols: frozenset[str] | None = None
    fields: tuple[str, ...] = ()
    seen: set[str] = set()
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in ("symbols", "fields"):
            raise InvalidInput(f"{_short(name)!r} is no parameter of this feed: give symbols, fields or neither.")
        if name in seen:
            raise InvalidInput(f"{name} is given twice: give it once, with commas between its values.")
        seen.add(name)
        if name == "symbols":
            symbols = _symbols(value.split(","), known)
        else:
            fields = _fields(value.split(","))
    return Subscription(symbols, fields)


def _symbols(asked: list[str], known: Collection[str]) -> frozenset[str]:
    if not known:
        raise Away("No order book has said yet what is traded: try again in a moment, or connect without symbols.")
    for symbol in asked:
        if symbol not in known:
            raise InvalidInput(f"{_short(symbol)!r} is not traded here: the symbols are {', '.join(sorted(known))}.")
    return frozenset(asked)


def _fields(asked: list[str]) -> tuple[str, ...]:
    for field in asked:
        if field not in EXTRA_FIELDS:
            raise InvalidInput(f"{_short(field)!r} is no field: those that may be added are {', '.join(EXTRA_FIELDS)}.")
    if len(set(asked)) < len(asked):
        raise InvalidInput("A field is asked for twice: name each once.")
    return tuple(asked)


def _short(text: str) -> str:
    """Enough of what a stranger sent to recognise it."""
    return text if len(text) <= 64 else text[:64] + "..."
