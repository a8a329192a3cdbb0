"""The feed's JSON message, to the byte, and the WebSocket frame around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from marksim.core.types import NS_PER_US, Instrument, Tick

EXTRA_FIELDS: Final = ("seq", "prev_seq", "epoch", "sent_at_us", "session")
"""What a client may ask for behind the nine keys."""

_TEXT: Final = b"\x81"  # FIN and opcode 1; a server's frames carry no mask
_SHORT, _MEDIUM = 126, 1 << 16


@dataclass(frozen=True, slots=True)
class Scale:
    """What one tick and one lot of an instrument are worth, as exact ratios."""

    price_numerator: int
    price_denominator: int
    size_numerator: int
    size_denominator: int

    @classmethod
    def of(cls, instrument: Instrument) -> "Scale":
        """The scale of `instrument`."""
        price, size = instrument.tick_size, instrument.lot_size
        return cls(price.numerator, price.denominator, size.numerator, size.denominator)

    # Division of two integers is correctly rounded in Python, however large they are; ticks * float(tick_size) is not.
    def price(self, ticks: int) -> float:
        """Price in quote asset: the double nearest to ticks * tick_size."""
        return ticks * self.price_numerator / self.price_denominator

    def size(self, lots: int) -> float:
        """Size in base asset: the double nearest to lots * lot_size."""
        return lots * self.size_numerator / self.size_denominator


@dataclass(frozen=True, slots=True)
class Update:
    """One tick of one symbol as the feed keeps it."""

    symbol: str
    epoch: str
    """The run it belongs to."""
    tick: Tick
    trades: int
    """Trades of the symbol that this edge knows of, across runs: trade counts are differences of two of these."""
    scale: Scale


def encode(update: Update, since: Update | None, fields: Sequence[str] = (), sent_at_us: int = 0) -> bytes:
    """The message of `update` for a client whose previous tick of the symbol was `since` (None: it has had none)."""
    tick, scale = update.tick, update.scale
    message: dict[str, object] = {
        "timestamp": tick.time_ns // NS_PER_US,
        "symbol": update.symbol,
        "last_price": scale.price(tick.last_price_ticks),
        "bid_price": scale.price(tick.bid_price_ticks),
        "ask_price": scale.price(tick.ask_price_ticks),
        "bid_size": scale.size(tick.bid_quantity_lots),
        "ask_size": scale.size(tick.ask_quantity_lots),
        "volume_24h": scale.size(tick.volume_24h_lots),
        "trade_count": 0 if since is None else update.trades - since.trades,
    }
    for field in fields:
        message[field] = _extra(field, update, since, sent_at_us)
    return orjson.dumps(message)


def _extra(field: str, update: Update, since: Update | None, sent_at_us: int) -> object:
    if field == "seq":
        return update.tick.tick_number
    if field == "prev_seq":
        # Tick numbers begin anew with a run, and number 0 is the state before the first: so 0 is right in both cases.
        return since.tick.tick_number if since is not None and since.epoch == update.epoch else 0
    if field == "epoch":
        return update.epoch
    if field == "session":
        return update.tick.session_state.name
    assert field == "sent_at_us", f"unknown field {field}"
    return sent_at_us


def text_frame(payload: bytes) -> bytes:
    """`payload` as one unfragmented, unmasked WebSocket text frame (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < _SHORT:
        return _TEXT + bytes((length,)) + payload
    if length < _MEDIUM:
        return _TEXT + b"\x7e" + length.to_bytes(2, "big") + payload
    return _TEXT + b"\x7f" + length.to_bytes(8, "big") + payload
