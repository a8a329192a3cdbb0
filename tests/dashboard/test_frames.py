"""Reading the feed's messages and writing its address."""

import pytest

from marksim.dashboard.frames import BadFrameError, feed_url, parse_frame
from tests.dashboard.fake_feed import START_US, frame, text


def test_a_whole_frame_becomes_a_tick() -> None:
    """Every key of a frame is in the tick, under the dashboard's names."""
    tick = parse_frame(text(trade_count=3, seq=7, prev_seq=5, sent_at_us=9, session="HALTED"))
    assert (tick.time_us, tick.symbol, tick.last, tick.bid, tick.ask) == (START_US, "BTC/USD", 50_000.5, 50_000.0, 50_001.0)
    assert (tick.bid_size, tick.ask_size, tick.volume_24h, tick.trades) == (1.5, 2.0, 10.0, 3)
    assert (tick.seq, tick.prev_seq, tick.epoch, tick.sent_at_us) == (7, 5, "run-a", 9)
    assert tick.session == "HALTED"


def test_the_nine_standard_keys_are_enough() -> None:
    """A server that sends only the standard message is readable; what it does not tell is None."""
    nine = dict(list(frame().items())[:9])
    tick = parse_frame(str(nine).replace("'", '"'))
    assert (tick.seq, tick.prev_seq, tick.epoch, tick.sent_at_us) == (None, None, None, None)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[1, 2]", "not a JSON object but list"),
        (text(symbol=None), "symbol must be a text"),
        (text(symbol="x" * 65), "symbol must be a text"),
        (text(last_price="1"), "last_price must be a number"),
        (text(bid_size=True), "bid_size must be a number"),
        (text(timestamp=-1), "timestamp must be an integer"),
        (text(timestamp=1.5), "timestamp must be an integer"),
        (text(timestamp=2**60), "timestamp must be an integer"),
        (text(seq="1"), "seq must be an integer"),
        (text(epoch=4), "epoch must be a text"),
    ],
)
def test_what_is_no_tick_is_refused_with_a_reason(message: bytes, reason: str) -> None:
    """A message that is no tick raises BadFrameError, whose text names the key."""
    with pytest.raises(BadFrameError, match=reason):
        parse_frame(message)


@pytest.mark.parametrize("key", list(frame())[:9])
def test_each_standard_key_is_required(key: str) -> None:
    """A frame without one of the nine keys is no tick."""
    with pytest.raises(BadFrameError, match=key):
        parse_frame(text(**{key: None}))


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("ws://localhost:8765", "ws://localhost:8765/?fields=seq,prev_seq,epoch,sent_at_us,session"),
        ("ws://h/?symbols=BTC/USD", "ws://h/?symbols=BTC/USD&fields=seq,prev_seq,epoch,sent_at_us,session"),
        ("wss://h/feed?fields=seq", "wss://h/feed?fields=seq"),
    ],
)
def test_the_extra_fields_are_asked_for(address: str, url: str) -> None:
    """The address gets the extra fields unless it names fields itself; the rest of it stays."""
    assert feed_url(address) == url


@pytest.mark.parametrize("address", ["localhost:8765", "http://localhost", "ws://", ""])
def test_what_is_no_websocket_address_is_refused(address: str) -> None:
    """The sentence says how to write one."""
    with pytest.raises(ValueError, match="ws://host:port"):
        feed_url(address)
