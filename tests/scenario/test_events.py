"""Events of a scenario file."""

from pathlib import Path

import pytest

from marksim.core.agents.spec import (
    FatFinger,
    FlashCrash,
    Halt,
    LiquidityWithdrawal,
    MarketEvent,
    NewsShock,
    ScheduledEvent,
)
from marksim.core.errors import InvalidInput
from marksim.core.types import NS_PER_S
from marksim.scenario import Scenario, load_scenario
from tests.scenario.files import TWO, write

MIDNIGHT = 1_736_121_600 * NS_PER_S


def load(folder: Path, *events: str) -> Scenario:
    return load_scenario(write(folder, TWO + "events:\n" + "".join(f"  - {event}\n" for event in events)))


def happening(folder: Path, *events: str) -> tuple[ScheduledEvent, ...]:
    return load(folder, *events).cast().events


@pytest.mark.parametrize(
    ("event", "built"),
    [
        ("news: {symbol: BTC/USD, change: -2%}", NewsShock("BTC/USD", -20_000)),
        ("news: {change: 0.015}", NewsShock("ETH/USD", 15_000)),
        ("news: {change: +1.5%}", NewsShock("ETH/USD", 15_000)),
        ("halt: {duration: 5m}", Halt("ETH/USD", 300 * NS_PER_S)),
        ("fat_finger: {side: sell, quantity: 12.5}", FatFinger("ETH/USD", sell=True, quantity_lots=1_250)),
        ("fat_finger: {side: buy, quantity: 1}", FatFinger("ETH/USD", sell=False, quantity_lots=100)),
        ("withdrawal: {duration: 30s}", LiquidityWithdrawal("ETH/USD", 30 * NS_PER_S)),
        ("withdrawal: {duration: 30s, share: 0.5}", LiquidityWithdrawal("ETH/USD", 30 * NS_PER_S, 500_000)),
        ("flash_crash: {quantity: 120, duration: 60s}", FlashCrash("ETH/USD", 12_000, 60 * NS_PER_S)),
        (
            "flash_crash: {quantity: 120, duration: 60s, interval: 1s, share: 1}",
            FlashCrash("ETH/USD", 12_000, 60 * NS_PER_S, NS_PER_S, 1_000_000),
        ),
    ],
)
def test_an_event_becomes_ticks_lots_and_nanoseconds(tmp_path: Path, event: str, built: MarketEvent) -> None:
    """Of the first instrument where none is named."""
    assert happening(tmp_path, f"{{at: 90s, {event}}}") == (ScheduledEvent(MIDNIGHT + 90 * NS_PER_S, built),)


def test_events_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    """Given since the start or by the calendar, once or again and again; of equal times in the order of the file."""
    events = happening(
        tmp_path,
        "{at: 2h, halt: {duration: 3s}}",
        "{at: 2025-01-06T01:00:00Z, halt: {duration: 2s}}",
        "{at: 2025-01-06T02:00:00+02:00, halt: {duration: 1s}}",
        "{at: 0s, every: 1h, times: 3, halt: {duration: 4s}}",
    )
    found = [((one.time_ns - MIDNIGHT) // NS_PER_S // 3_600, one.event) for one in events]
    assert [(hour, event.duration_ns // NS_PER_S) for hour, event in found if isinstance(event, Halt)] == [
        (0, 1),
        (0, 4),
        (1, 2),
        (1, 4),
        (2, 3),
        (2, 4),
    ]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("{halt: {duration: 1s}}", "mine.yaml:7: events.0.at: is missing"),
        ("{at: 1s}", "must have exactly one of news, halt, fat_finger, withdrawal, flash_crash, and has none"),
        ("{at: 1s, halt: {duration: 1s}, news: {change: 1%}}", "not news and halt"),
        ("{at: 90, halt: {duration: 1s}}", "events.0.at: must be a time since the start such as 90s or 1h, or 2025"),
        ("{at: 2025-13-01, halt: {duration: 1s}}", "is not valid YAML: month must be in 1..12"),
        (
            "{at: 2025-01-05, halt: {duration: 1s}}",
            "mine.yaml:7: events.0: at 2025-01-05 00:00:00+00:00 is before the start",
        ),
        ("{at: 1s, halt: {duration: 0s}}", "events.0.halt.duration: must be a duration such as 90s"),
        ("{at: 1s, halt: {symbol: X/USD, duration: 1s}}", "events.0.halt.symbol: X/USD is not among the instruments"),
        ("{at: 1s, every: 1h, halt: {duration: 1s}}", "must have every and times both"),
        ("{at: 1s, every: 1h, times: 10001, halt: {duration: 1s}}", "events.0.times: "),
        (
            "{at: 1s, news: {change: -100%}}",
            "events.0.news.change: must be above -100%, at most 1000%, and not 0, not -100%",
        ),
        ("{at: 1s, news: {change: 0}}", "events.0.news.change: must be above"),
        ("{at: 1s, news: {change: much}}", "events.0.news.change: must be a change such as -2% or -0.02, not 'much'"),
        ("{at: 1s, news: {change: 0.00001%}}", "must be a multiple of 0.000001"),
        ("{at: 1s, fat_finger: {side: sell, quantity: 0.005}}", "events.0: quantity 0.005 is not a multiple of 0.01"),
        ("{at: 1s, fat_finger: {side: sell, quantity: 1e8}}", "an order of ETH/USD is from 0.01 to 10000000"),
        ("{at: 1s, fat_finger: {side: sideways, quantity: 1}}", "must be 'buy' or 'sell', not 'sideways'"),
        ("{at: 1s, withdrawal: {duration: 1s, share: 2}}", "events.0.withdrawal.share: "),
        ("{at: 1s, flash_crash: {quantity: 1, duration: 1s, interval: 2s}}", "0 orders, one each 2s of 1s"),
        ("{at: 1s, flash_crash: {quantity: 0.1, duration: 60s}}", "in 300 orders is 0.000333333333333 each"),
        ("{at: 1s, news: {chnge: 1%}}", "events.0.news.chnge: is not a field; did you mean change?"),
    ],
)
def test_an_event_that_cannot_happen_is_refused(tmp_path: Path, event: str, said: str) -> None:
    """With the file, the line, the field and what it may be."""
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, event)
    assert said in caught.value.message


def test_the_number_of_events_is_bounded(tmp_path: Path) -> None:
    """With their repetitions."""
    with pytest.raises(InvalidInput, match="events: more than 10000 in all"):
        load(tmp_path, *["{at: 1s, every: 1s, times: 5001, halt: {duration: 1s}}"] * 2)


def test_an_event_is_overridden_by_its_number(tmp_path: Path) -> None:
    """They have no names."""
    path = write(tmp_path, TWO + "events:\n  - {at: 1s, halt: {duration: 1s}}\n")
    (event,) = load_scenario(path, ["events.0.halt.duration=7s", "events.0.at=2s"]).cast().events
    assert event == ScheduledEvent(MIDNIGHT + 2 * NS_PER_S, Halt("ETH/USD", 7 * NS_PER_S))
    with pytest.raises(InvalidInput, match="there is no entry named 1; there are 1, from 0"):
        load_scenario(path, ["events.1.at=2s"])
