"""Who follows a trend and who fades it, before the same prices."""

import numpy as np
import pytest

from marksim.core.types import CommandKind, Records, Side
from tests.core.populations.floors import Apart, collected, command, crowd_of, orders_of, population, show, shown

WINDOW_NS = 500_000_000


def before_a_ramp(kind: str, step: int) -> Records:
    """What traders send while the price moves by that many ticks a second."""
    crowd = crowd_of(population(kind, 30, interval_s=10.0, fast_s=5.0, threshold_ticks=6.0))
    parts = []
    for second in range(90):
        middle = 10_000 + step * second
        show(crowd, shown(second, middle - 1, middle + 1))
        parts.append(orders_of(collected(crowd, second + 1), crowd.specs[0]))
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("kind", "step", "side"),
    [
        ("momentum", 3, Side.BUY),
        ("momentum", -3, Side.SELL),
        ("mean_reversion", 3, Side.SELL),
        ("mean_reversion", -3, Side.BUY),
    ],
)
def test_momentum_follows_and_mean_reversion_fades(kind: str, step: int, side: Side) -> None:
    """All orders of a steady rise or fall are on one side."""
    orders = before_a_ramp(kind, step)
    assert len(orders) >= 15
    assert (orders["side"] == side).all()


@pytest.mark.parametrize("kind", ["momentum", "mean_reversion"])
def test_nothing_is_done_where_the_price_stands(kind: str) -> None:
    """There is nothing to follow or fade."""
    assert len(before_a_ramp(kind, 0)) == 0


def moving_quotes(seconds: int, step: int) -> Records:
    """Each second the script's quotes are taken away and stand that much higher."""
    rows, serial = [], 0
    for second in range(seconds):
        for side, price in ((Side.BUY, 9_995), (Side.SELL, 10_005)):
            serial += 1
            if second:
                cancel = command(second, 10_000 + serial, kind=CommandKind.CANCEL, target=serial - 2)
                rows.append(cancel)
            rows.append(command(second, serial, side, 10_000, price + step * second))
    return np.concatenate(rows)


@pytest.mark.parametrize("kind", ["momentum", "mean_reversion"])
def test_positions_keep_to_their_limit_and_are_given_back(kind: str) -> None:
    """After the trend the traders go flat, as it is in their means no more."""
    limit = 100
    spec = population(kind, 20, interval_s=4.0, fast_s=1.5, threshold_ticks=2.0, max_position_lots=limit)
    crowd = crowd_of(spec, lookahead_ns=WINDOW_NS)
    run = Apart(crowd, lookahead_ns=WINDOW_NS)
    crowd.push(moving_quotes(60, 3))
    held = np.abs(run.run(60).crowd.positions()["position_lots"].copy())
    assert held.max() == limit
    assert (held > 0).sum() >= 10
    most = held.max()
    for second in range(70, 900, 10):
        most = max(most, np.abs(run.run(second).crowd.positions()["position_lots"]).max())
    assert most == limit
    assert np.abs(crowd.positions()["position_lots"]).max() == 0
