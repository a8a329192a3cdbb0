"""Prices and quantities in the instrument's units: exact both ways, and refused off the grid."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marksim.core.agents import Market
from marksim.core.agents.market import Number
from marksim.core.sim.units import Grid
from marksim.core.types import Side
from tests.core.sim.worlds import run, world

steps_and_sizes = st.tuples(
    st.integers(-(1 << 40), 1 << 40),
    st.sampled_from(
        [Fraction(1, 2), Fraction(1, 100), Fraction(1, 1000), Fraction(1, 3), Fraction(5, 2), Fraction(1, 10**8)]
    ),
)


@given(steps_and_sizes)
def test_a_number_of_steps_comes_back_from_its_units(given_: tuple[int, Fraction]) -> None:
    """As a float, which is the nearest double, and exactly as text."""
    steps, size = given_
    grid = Grid(size, "price")
    assert grid.units(steps) == float(steps * size)
    assert grid.steps(grid.units(steps)) == steps
    if size.denominator != 3:
        text = str(Decimal((steps * size).numerator) / Decimal((steps * size).denominator))
        assert grid.steps(text) == grid.steps(Decimal(text)) == steps


@pytest.mark.parametrize("value", [100, 100.0, Decimal("100.0"), "100", "1e2", 99.5 + 0.1 + 0.4])
def test_any_kind_of_number_will_do(value: Number) -> None:
    """The last one is a sum of floats, which is a little off."""
    assert Grid(Fraction(1, 2), "price").steps(value) == 200


@pytest.mark.parametrize("value", [100.3, Decimal("100.3"), "100.3", "100.25000001"])
def test_what_is_between_two_steps_is_refused_with_the_nearest(value: Number) -> None:
    """It is not rounded: the agent that is off by a digit would trade at another price."""
    with pytest.raises(ValueError, match=r"price of X: 100\.\d+ is between two steps of 0\.5; the nearest is 100\.5"):
        Grid(Fraction(1, 2), "price of X").steps(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "abc", "nan", Decimal("inf"), [1]])
def test_what_is_no_number_is_refused(value: Any) -> None:
    """With the name of the field."""
    with pytest.raises(ValueError, match=r"price of X: .* is not a number of it"):
        Grid(Fraction(1, 2), "price of X").steps(value)


def test_a_symbol_in_the_place_of_a_quantity_is_told_where_it_belongs() -> None:
    """The first mistake of who comes from another library."""
    with pytest.raises(ValueError, match="quantity of X: 'BTC/USD' is not a number of it; a symbol .*symbol='BTC/USD'"):
        Grid(Fraction(1, 100), "quantity of X").steps("BTC/USD")


def test_an_agent_trades_in_units_and_sees_the_exact_numbers_beside_them() -> None:
    """Every way to write a number reaches the book as the same ticks and lots."""
    seen: list[Any] = []

    async def trader(market: Market, _: Any) -> None:
        order = await market.sell("0.010", Decimal("50010.5"), display="0.005", post_only=True)
        seen.append((order.price_ticks, order.quantity_lots, order.price, order.quantity, order.leaves))
        stop = await market.buy(0.002, 50_020, stop=50_015.5)
        seen.append((stop.price_ticks, stop.status.name))
        quote = market.quote()
        seen.append((quote.ask, quote.ask_size, quote.bid_size, quote.symbol, quote.exact.ask_price_ticks))

    async def taker(market: Market, _: Any) -> None:
        await market.sleep(1)
        order = await market.buy(0.004)
        seen.append((order.filled, order.average_price, market.position(), market.cash(), market.cash_ticks()))

    with world([("trader", trader), ("taker", taker)]) as simulation:
        run(simulation, 3)
        assert simulation.engine.failures == []
    assert seen == [
        (100_021, 10, 50_010.5, 0.01, 0.01),
        (100_040, "OPEN"),
        (50_010.5, 0.005, 0.0, "BTC/USD", 100_021),
        (0.004, 50_010.5, 0.004, -200.042, -400_084),
    ]


@pytest.mark.parametrize(
    ("send", "said"),
    [
        (lambda m: m.buy(0.0015), "quantity of BTC/USD: 0.0015 is between two steps of 0.001; the nearest is 0.002"),
        (lambda m: m.buy(1, 100.1), "price of BTC/USD: 100.1 is between"),
        (lambda m: m.buy(1, symbol="DOGE/USD"), "'DOGE/USD' is not a symbol of agent trader: it has BTC/USD"),
        (lambda m: m.limit(Side.BUY, 99.5, 1), "price_ticks is 99.5: it must be a whole number"),
        (lambda m: m.limit(Side.BUY, 1 << 70, 1), "price_ticks is 1180591620717411303424: it must fit into 64 bits"),
        (lambda m: m.limit(Side.BUY, 100, "1"), "quantity_lots is '1': it must be a whole number"),
        (
            lambda m: m.amend(m.limit(Side.BUY, 100, 1), price_ticks=-5),
            "price_ticks -5 and quantity_lots None must be above 0",
        ),
    ],
)
def test_what_cannot_be_sent_is_said_where_it_is_sent(send: Any, said: str) -> None:
    """The error names the field, and no order of it is left behind."""

    async def trader(market: Market, _: Any) -> None:
        open_before = len(market.open_orders())
        try:
            send(market)
        finally:
            assert len(market.open_orders()) - open_before in {0, int("must be above" in said)}

    with world([("trader", trader)]) as simulation:
        run(simulation, 1)
        (failure,) = simulation.engine.failures
    assert isinstance(failure.error, ValueError) and said in str(failure.error)
