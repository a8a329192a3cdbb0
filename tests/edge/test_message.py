"""The JSON message, to the byte."""

import json
from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from marksim.core.feed.ticks import opening_tick
from marksim.core.types import SessionState
from marksim.edge.message import Scale, Update, encode, text_frame
from tests.edge.market import START_NS, instrument, tick

SCALE = Scale.of(instrument())
NEW = Update("BTC/USD", "run-1", tick(7, 13), 13, SCALE)
OLD = Update("BTC/USD", "run-1", tick(4, 10), 10, SCALE)


def test_the_message_is_the_nine_keys_in_their_order() -> None:
    """What a client who asks for nothing gets, byte for byte."""
    assert encode(NEW, OLD) == (
        b'{"timestamp":1703123456350000,"symbol":"BTC/USD","last_price":50000.5,"bid_price":49995.5,"ask_price":50004.5,'
        b'"bid_size":1.5,"ask_size":2.0,"volume_24h":1250.75,"trade_count":3}'
    )


def test_extra_fields_follow_in_the_order_asked() -> None:
    """`fields=sent_at_us,seq,epoch,prev_seq` adds these four after the nine, in that order."""
    message = encode(NEW, OLD, ("sent_at_us", "seq", "epoch", "prev_seq"), 99)
    assert message.endswith(b'"trade_count":3,"sent_at_us":99,"seq":7,"epoch":"run-1","prev_seq":4}')


def test_the_session_is_told_by_name() -> None:
    """`fields=session` says why a side is empty or nothing trades."""
    halted = replace(NEW, tick=replace(NEW.tick, session_state=SessionState.HALTED))
    assert encode(NEW, None, ("session",)).endswith(b',"session":"CONTINUOUS"}')
    assert encode(halted, None, ("session",)).endswith(b',"session":"HALTED"}')


def test_the_first_tick_has_no_trades_and_no_predecessor() -> None:
    """A client's span begins with its first tick."""
    assert encode(NEW, None, ("prev_seq",)).endswith(b'"trade_count":0,"prev_seq":0}')


def test_prev_seq_begins_anew_with_an_epoch() -> None:
    """Tick numbers of another run say nothing about this one."""
    other = Update("BTC/USD", "run-0", tick(400, 10), 10, SCALE)
    assert encode(NEW, other, ("prev_seq",)).endswith(b'"prev_seq":0}')


def test_the_opening_shows_the_reference_and_empty_sides() -> None:
    """Before the first quote and trade every price is the opening reference and every size 0."""
    update = Update("BTC/USD", "run", opening_tick(instrument(), START_NS), 0, SCALE)
    message = json.loads(encode(update, None))
    assert message == {
        "timestamp": START_NS // 1000,
        "symbol": "BTC/USD",
        **dict.fromkeys(("last_price", "bid_price", "ask_price"), 50_000.0),
        **dict.fromkeys(("bid_size", "ask_size", "volume_24h"), 0.0),
        "trade_count": 0,
    }


@given(st.integers(0, 1 << 40), st.integers(1, 10**9), st.integers(1, 10**9))
def test_prices_are_the_nearest_double(ticks: int, numerator: int, denominator: int) -> None:
    """No double lies nearer to ticks * tick_size than the one shown, also where tick_size itself is no double."""
    step = Fraction(numerator, denominator)
    scale = Scale(step.numerator, step.denominator, 1, 1)
    assert scale.price(ticks) == float(ticks * step)


@given(st.sampled_from((0, 1, 125, 126, 127, 65_535, 65_536)))
def test_frames_are_those_of_the_library(length: int) -> None:
    """At every boundary of the length the frame equals the one that websockets makes."""
    payload = b"x" * length
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)
