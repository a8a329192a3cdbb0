"""The informed trader and the value it knows."""

from marksim.core.agents import Market
from marksim.core.agents.informed import Informed, InformedAgent
from marksim.core.agents.liquidity_provider import LiquidityProvider, LiquidityProviderAgent
from marksim.core.agents.spec import ValueSpec
from marksim.core.types import ExecutionKind
from tests.core.agents.companions import moved
from tests.core.agents.played import Player, play


def _gaps(knows: bool) -> list[float]:
    """How far value and bid lie apart, every 5 s after the first 30, sorted."""
    gaps: list[float] = []

    async def judge(market: Market) -> None:
        await market.sleep(30)
        while True:
            await market.sleep(5)
            gaps.append(abs(market.value_ticks() - market.tick().bid_price_ticks))

    players = [Player("provider", LiquidityProviderAgent, LiquidityProvider()), Player("judge", judge)]
    if knows:
        players.append(Player("knower", InformedAgent, Informed(interval_s=0.5, noise_ticks=0.0, size_lots=4_000)))
    play(players, 600, values=[ValueSpec("BTC/USD", sd_ticks=5.0)])
    return sorted(gaps)


def test_the_informed_bring_the_price_to_the_value() -> None:
    """The value wanders off; the price follows it only where somebody knows it."""
    with_them, without = _gaps(knows=True), _gaps(knows=False)
    assert with_them[len(with_them) // 2] < 25
    assert without[len(without) // 2] > 2 * with_them[len(with_them) // 2]


def test_the_informed_leave_alone_what_is_worth_no_trade() -> None:
    """The value stands still in the middle of the best prices, inside its threshold: it sends nothing."""
    players = [Player("stage", moved([(0.1, 100_000)])), Player("knower", InformedAgent, Informed(noise_ticks=0.0))]
    played = play(players, 120, values=[ValueSpec("BTC/USD", sd_ticks=0.0)])
    assert not len(played.of("knower", ExecutionKind.ACCEPTED))
