"""Events from outside, from protobuf to core."""

import re

import pytest

from marksim.codec_events import market_event_from_proto
from marksim.core.agents.spec import FatFinger, FlashCrash, Halt, LiquidityWithdrawal, MarketEvent, NewsShock
from marksim.core.errors import InvalidInput
from marksim.scenario import load_scenario
from marksim.v1 import engine_pb2 as pb

BTC = "BTC/USD"
INSTRUMENTS = {one.symbol: one for one in load_scenario("default").instruments()}
LOTS = int(250 / INSTRUMENTS[BTC].lot_size)
S = 1_000_000_000


@pytest.mark.parametrize(
    ("request_", "event"),
    [
        (pb.InjectEventRequest(news_shock=pb.NewsShock(symbol=BTC, change_ppm=-20_000)), NewsShock(BTC, -20_000)),
        (pb.InjectEventRequest(halt=pb.Halt(symbol=BTC, duration_ns=300 * S)), Halt(BTC, 300 * S)),
        (
            pb.InjectEventRequest(fat_finger=pb.FatFinger(symbol=BTC, sell=True, quantity="250")),
            FatFinger(BTC, sell=True, quantity_lots=LOTS),
        ),
        (
            pb.InjectEventRequest(fat_finger=pb.FatFinger(symbol=BTC, quantity_lots=7)),
            FatFinger(BTC, sell=False, quantity_lots=7),
        ),
        (
            pb.InjectEventRequest(liquidity_withdrawal=pb.LiquidityWithdrawal(symbol=BTC, duration_ns=S)),
            LiquidityWithdrawal(BTC, S, 1_000_000),
        ),
        (
            pb.InjectEventRequest(flash_crash=pb.FlashCrash(symbol=BTC, quantity="250", duration_ns=60 * S)),
            FlashCrash(BTC, LOTS, 60 * S, 200_000_000, 700_000),
        ),
    ],
)
def test_each_kind_of_event_is_read(request_: pb.InjectEventRequest, event: MarketEvent) -> None:
    """Decimals become lots, and zero means what the contract says."""
    assert market_event_from_proto(request_, INSTRUMENTS) == event


@pytest.mark.parametrize(
    ("request_", "field", "said"),
    [
        (pb.InjectEventRequest(), "event", "event is empty: set one of news_shock, halt"),
        (pb.InjectEventRequest(halt=pb.Halt(symbol="DOGE/USD")), "halt.symbol", "this engine trades BTC/USD"),
        (pb.InjectEventRequest(halt=pb.Halt(symbol=BTC)), "halt.duration_ns", "halt.duration_ns is 0"),
        (pb.InjectEventRequest(news_shock=pb.NewsShock(symbol=BTC)), "news_shock.change_ppm", "is 0"),
        (
            pb.InjectEventRequest(news_shock=pb.NewsShock(symbol=BTC, change_ppm=-1_000_000)),
            "news_shock.change_ppm",
            "above -1000000",
        ),
        (pb.InjectEventRequest(fat_finger=pb.FatFinger(symbol=BTC)), "fat_finger.quantity_lots", "is 0: give more than 0"),
        (
            pb.InjectEventRequest(fat_finger=pb.FatFinger(symbol=BTC, quantity="1", quantity_lots=1)),
            "fat_finger.quantity",
            "set one of the two",
        ),
        (
            pb.InjectEventRequest(fat_finger=pb.FatFinger(symbol=BTC, quantity="99999999999")),
            "fat_finger.quantity",
            "at most",
        ),
        (
            pb.InjectEventRequest(
                liquidity_withdrawal=pb.LiquidityWithdrawal(symbol=BTC, duration_ns=1, share_ppm=1_000_001)
            ),
            "liquidity_withdrawal.share_ppm",
            "at most 1000000",
        ),
        (
            pb.InjectEventRequest(flash_crash=pb.FlashCrash(symbol=BTC, quantity="1", duration_ns=5, interval_ns=6)),
            "flash_crash.interval_ns",
            "at most the duration",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_field(request_: pb.InjectEventRequest, field: str, said: str) -> None:
    """For people in the sentence, for programs in the facts of the error."""
    with pytest.raises(InvalidInput, match=re.escape(said)) as caught:
        market_event_from_proto(request_, INSTRUMENTS)
    assert caught.value.metadata == {"field": field}
