"""Numbers are exact on the grid, or refused with the nearest that would do."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marksim.client.units import on_grid, plain, read

STEPS = st.sampled_from([Decimal("0.50"), Decimal("0.01"), Decimal("0.001"), Decimal(5), Decimal("0.00000001")])


@given(step=STEPS, count=st.integers(1, 1 << 40))
def test_what_is_on_the_grid_is_sent_as_it_is(step: Decimal, count: int) -> None:
    """Whatever it is given as, and without an exponent."""
    exact = count * step
    for given_as in (exact, str(exact), plain(exact)):
        text = on_grid(given_as, step, "price")
        assert Fraction(text) == Fraction(exact) and "E" not in text


@given(step=STEPS, count=st.integers(1, 1 << 20))
def test_floats_are_taken_as_they_are_printed(step: Decimal, count: int) -> None:
    """A tenth is a tenth, although no double is."""
    assert Fraction(on_grid(float(plain(count * step)), step, "price")) == count * Fraction(step)


@given(step=STEPS, count=st.integers(0, 1 << 20), off=st.fractions(Fraction(1, 100), Fraction(99, 100), max_denominator=100))
def test_the_nearest_is_named(step: Decimal, count: int, off: Fraction) -> None:
    """It is at most half a step away, and at least one step."""
    hundredths = off.numerator * 100 // off.denominator
    between = step * (100 * count + hundredths) / 100
    with pytest.raises(ValueError, match="no multiple") as refused:
        on_grid(between, step, "price")
    named = Decimal(str(refused.value).rsplit(" ", 1)[1])
    assert named > 0 and named % step == 0
    assert named == step or abs(named - between) <= step / 2


def test_an_empty_text_is_no_number() -> None:
    """As the wire says that there is none."""
    assert read("") is None and read("0.10") == Decimal("0.10")
