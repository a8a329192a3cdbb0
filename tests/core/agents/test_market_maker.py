"""The market maker of Avellaneda and Stoikov, against a market whose mid the test holds still or moves."""

import math

import pytest

from marksim.core.agents.market_maker import MarketMaker, MarketMakerAgent
from marksim.core.types import ExecutionKind, Side
from tests.core.agents.companions import loaded, moved, taking
from tests.core.agents.played import Played, Player, play

# Volatility stays at its first estimate, so that the formula can be written down; quotes lie behind those of the stage.
STILL = MarketMaker(risk_aversion=0.1, fill_decay=0.05, volatility_memory_s=1e9)
LEAN = 0.1 * 5.0 * 5.0 * 1.0
HALF = 0.5 * LEAN + math.log(1.0 + 0.1 / 0.05) / 0.1


def _quotes(played: Played, name: str = "maker") -> dict[Side, int]:
    """The prices of its last quotes."""
    rows = played.of(name, ExecutionKind.ACCEPTED)
    return {Side(int(row["side"])): int(row["price_ticks"]) for row in rows}


def test_it_quotes_both_sides_and_never_trades_with_itself() -> None:
    """Alone in the market for a minute: once it has begun, no tick has an empty or crossed side, and nothing trades."""
    played = play([Player("maker", MarketMakerAgent, MarketMaker())], 60)
    ticks = played.ticks(from_s=5)
    assert ticks or played.ticks()
    last = played.ticks()[-1]
    assert last.bid_quantity_lots and last.ask_quantity_lots
    assert all(tick.bid_price_ticks < tick.ask_price_ticks for tick in ticks)
    assert not len(played.of("maker", ExecutionKind.TRADED))


def test_without_inventory_its_quotes_lie_evenly_around_the_mid_at_the_optimal_half_spread() -> None:
    """Half the lean of one size and ln(1 + gamma/kappa)/gamma away, rounded away from the mid."""
    played = play([Player("stage", moved([(0.1, 100_000)])), Player("maker", MarketMakerAgent, STILL)], 20)
    assert _quotes(played) == {Side.BUY: math.floor(100_000 - HALF), Side.SELL: math.ceil(100_000 + HALF)}


@pytest.mark.parametrize("sizes", [1, 2, -2])
def test_it_moves_both_quotes_against_its_inventory(sizes: int) -> None:
    """For each size it holds both lie lower by gamma sigma^2 tau than with none, to the tick."""
    maker = Player("maker", loaded(MarketMakerAgent, sizes * STILL.size_lots), STILL)
    played = play([Player("stage", moved([(0.1, 100_000)], half=5)), maker], 60)
    assert played.position("maker") == sizes * STILL.size_lots
    reservation = 100_000 - sizes * LEAN
    assert _quotes(played) == {Side.BUY: math.floor(reservation - HALF), Side.SELL: math.ceil(reservation + HALF)}


def test_when_it_holds_the_most_it_quotes_only_the_side_that_brings_it_back() -> None:
    """One size is the most here: after that was sold to it, no bid of it rests."""
    full = MarketMaker(max_position_sizes=1.0)
    players = [
        Player("maker", MarketMakerAgent, full),
        Player("seller", taking(Side.SELL, full.size_lots, [10])),
    ]
    played = play(players, 30)
    assert played.position("maker") == full.size_lots
    assert set(played.depth["BTC/USD"]["side"].tolist()) == {Side.SELL}


def test_it_widens_in_unrest() -> None:
    """Where the mid jumps to and fro its quotes lie further apart than where it stands still."""
    widths = []
    for jump in (0, 40):
        path = [(1.0 + second, 100_000 + jump * (second % 2)) for second in range(60)]
        stage = Player("stage", moved(path))
        quotes = _quotes(play([stage, Player("maker", MarketMakerAgent, MarketMaker(fill_decay=0.05))], 61))
        widths.append(quotes[Side.SELL] - quotes[Side.BUY])
    assert widths[1] > widths[0] + 2


@pytest.mark.parametrize(("lots", "side", "price"), [(1_500, Side.SELL, 99_996), (-1_500, Side.BUY, 100_004)])
def test_it_rests_and_never_takes(lots: int, side: Side, price: int) -> None:
    """However much it wants to be rid of, it improves its side's best price up to a tick from the other's, and waits."""
    maker = Player("maker", loaded(MarketMakerAgent, lots), MarketMaker(risk_aversion=1.0))
    played = play([Player("stage", moved([(0.1, 100_000)], half=5)), maker], 60)
    assert len(played.of("maker", ExecutionKind.TRADED)) == 1
    assert _quotes(played)[side] == price
