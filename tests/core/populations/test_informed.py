"""Informed traders: they bring the price to the value, within their limits."""

import numpy as np

from marksim.core.types import ExecutionKind, Side
from tests.core.populations.floors import START, Floor, S, crowd_of, learn_all, of, population

LIQUIDITY = (population("market_maker", 8, interval_s=0.5), population("liquidity_provider", 30, interval_s=20.0))


def test_news_moves_the_price_to_the_value() -> None:
    """By 1 % within two minutes; without the informed it hardly moves."""
    away = []
    for traders in (40, 1):
        informed = population("informed", traders, interval_s=5.0 if traders > 1 else 1e9)
        run = Floor(crowd_of(*LIQUIDITY, informed)).run(30)
        before = run.tape("ticks")[-1]["last_price_ticks"]
        run.crowd.shock(START + 30 * S, 10_000)
        tick = run.run(150).tape("ticks")[-1]
        assert run.crowd.value_ticks(START + 150 * S) == 10_100
        away.append(abs((tick["bid_price_ticks"] + tick["ask_price_ticks"]) / 2 - 10_100))
        assert abs(before - 10_000) < 15
    assert away[0] < 20
    assert away[1] > 70


def test_they_buy_below_the_value_and_sell_above() -> None:
    """After good news all of their orders buy, and pay no more than the value less their threshold and mistakes."""
    run = Floor(crowd_of(*LIQUIDITY, population("informed", 40, interval_s=5.0, noise_ticks=0.0))).run(20)
    run.crowd.shock(START + 20 * S, -10_000)
    events = run.run(60).tape("events")
    spec = run.crowd.specs[2]
    orders = events[of(events, spec) & (events["kind"] == ExecutionKind.ACCEPTED) & (events["time_ns"] > START + 21 * S)]
    early = orders[orders["time_ns"] < START + 25 * S]
    assert len(early) > 5
    assert (early["side"] == Side.SELL).all()
    assert (early["price_ticks"] > 9_900).all()


def test_no_position_passes_the_limit() -> None:
    """Not even for a moment, also where the answer to an order takes seconds; and news brings some to the limit."""
    limit = 150
    crowd = crowd_of(*LIQUIDITY, population("informed", 20, interval_s=0.5, max_position_lots=limit))
    run = Floor(crowd).run(10)
    for number, change in enumerate((10_000, -20_000, 30_000)):
        crowd.shock(START + (10 + 20 * number) * S, change)
        run.run(30 + 20 * number)
    events, spec = run.tape("events"), crowd.specs[2]
    trades = events[(events["kind"] == ExecutionKind.TRADED) & of(events, spec)]
    signed = np.where(trades["side"] == Side.BUY, trades["quantity_lots"], -trades["quantity_lots"])
    held = [np.cumsum(signed[trades["account"] == account]) for account in range(spec.account, spec.account + 20)]
    assert max(np.abs(path).max() for path in held) == limit
    assert len(learn_all(run)) == len(crowd.positions())
