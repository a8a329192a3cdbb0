"""The noise trader."""

from marksim.core.agents.noise import Noise, NoiseAgent
from marksim.core.types import ExecutionKind, Side
from tests.core.agents.companions import laddered
from tests.core.agents.played import Player, play


def test_noise_trades_both_ways_and_forgets_old_orders() -> None:
    """Both sides alike, and it cancels so much that no more than its bound rests, those on their way aside."""
    parameters = Noise(interval_s=0.2, max_open=10)
    played = play([Player("liquidity", laddered()), Player("noise", NoiseAgent, parameters)], 300)
    sides = played.sides("noise")
    assert 0.4 < sides.count(Side.BUY) / len(sides) < 0.6
    kinds = (ExecutionKind.ACCEPTED, ExecutionKind.CANCELLED)
    placed, cancelled = ({int(row["serial"]) for row in played.of("noise", kind)} for kind in kinds)
    everything = played.executions()
    traded = everything[everything["kind"] == ExecutionKind.TRADED]
    done = {int(row["serial"]) for row in traded if row["account"] == 2 and not row["leaves_lots"]}
    done |= {int(row["maker_serial"]) for row in traded if row["maker_account"] == 2 and not row["maker_leaves_lots"]}
    assert cancelled
    assert len(placed - cancelled - done) <= 12


def test_its_sizes_and_distances_have_heavy_tails() -> None:
    """The largest hundredth of its sizes is many times the median, as is that of its distances."""
    rows = play(
        [Player("liquidity", laddered()), Player("noise", NoiseAgent, Noise(interval_s=0.1, market_share=0.0))],
        300,
    ).of("noise", ExecutionKind.ACCEPTED)
    sizes = sorted(rows["quantity_lots"].tolist())
    away = sorted(abs(rows["price_ticks"] - 100_000).tolist())
    assert len(sizes) > 2_000
    for values in (sizes, away):
        assert values[len(values) * 99 // 100] > 7 * values[len(values) // 2]
