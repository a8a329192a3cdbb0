"""Settings of the archiver."""

import pytest
from pydantic import ValidationError

from marksim.archiver.settings import ArchiverSettings
from marksim.core.errors import InvalidInput
from marksim.orderbook.order_entry import check_name


@pytest.mark.parametrize("name", ["archiver", "a/b:c_d-e.F9", "x" * 36])
def test_a_reader_that_order_books_take_is_accepted(name: str) -> None:
    """Both know the same rule of names."""
    check_name(name, "reader")
    assert ArchiverSettings(reader=name).reader == name


@pytest.mark.parametrize("name", ["", "a b", "a\n", "b\u00fccher", "x" * 37])
def test_a_reader_that_order_books_refuse_is_refused_at_the_start(name: str) -> None:
    """Or the archiver would ask for ever and store nothing."""
    with pytest.raises(InvalidInput):
        check_name(name, "reader")
    with pytest.raises(ValidationError, match="give 1 to 36 characters of"):
        ArchiverSettings(reader=name)
