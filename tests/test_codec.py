"""What crosses between core types and protobuf comes back the same, and what may not cross is refused with its fix."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from google.protobuf.message import Message

from marksim import codec
from marksim.core.errors import InvalidInput
from marksim.core.types import COMMAND, DEPTH, EXECUTION, QUOTE, TRADE, BandAction, Instrument, SessionState, Tick
from marksim.v1 import types_pb2 as pb

BTC = Instrument(
    symbol="BTC/USD",
    base_asset="BTC",
    quote_asset="USD",
    tick_size=Fraction(1, 2),
    lot_size=Fraction(1, 1000),
    reference_price_ticks=100_000,
    min_price_ticks=1,
    max_price_ticks=1_000_000,
    max_quantity_lots=1_000_000,
    min_notional=Fraction("0.5"),
)

COLUMNS: list[tuple[np.dtype[np.void], type[Message]]] = [
    (COMMAND, pb.CommandColumns),
    (EXECUTION, pb.ExecutionColumns),
    (TRADE, pb.TradeColumns),
    (QUOTE, pb.QuoteColumns),
    (DEPTH, pb.DepthColumns),
]


@pytest.mark.parametrize(("dtype", "columns"), COLUMNS)
def test_records_survive_columns(dtype: np.dtype[np.void], columns: type[Message]) -> None:
    """Every field of every record dtype crosses in both directions, through the wire bytes."""
    random = np.random.default_rng(7)
    records = np.zeros(9, dtype)
    for name in dtype.names or ():
        records[name] = random.integers(1, 255, 9)
    message = columns.FromString(codec.encode_columns(records, columns).SerializeToString())
    assert np.array_equal(codec.decode_columns(message, dtype), records)


@pytest.mark.parametrize(("dtype", "columns"), COLUMNS)
def test_record_and_column_names_are_the_same(dtype: np.dtype[np.void], columns: type[Message]) -> None:
    """A column that core does not know, or the other way round, would be lost in silence."""
    assert set(dtype.names or ()) | {"count"} == set(columns.DESCRIPTOR.fields_by_name)


def test_zero_columns_are_empty() -> None:
    """A column that is zero in every row takes no bytes, and comes back as zeros."""
    records = np.zeros(3, TRADE)
    records["price_ticks"] = -1
    message = codec.encode_columns(records, pb.TradeColumns)
    assert (message.count, message.sequence, len(message.price_ticks)) == (3, b"", 24)
    assert np.array_equal(codec.decode_columns(message, TRADE), records)


def test_no_rows_are_an_empty_message() -> None:
    """No rows cost no bytes."""
    assert codec.encode_columns(np.zeros(0, TRADE), pb.TradeColumns).ByteSize() == 0


def test_column_of_wrong_length_is_refused() -> None:
    """A short column is refused by name, not read askew."""
    with pytest.raises(InvalidInput, match=r"column time_ns has 8 bytes: 2 rows need 16"):
        codec.decode_columns(pb.TradeColumns(count=2, time_ns=bytes(8)), TRADE)


def test_claimed_rows_are_bounded() -> None:
    """A few bytes cannot make the reader allocate gigabytes."""
    with pytest.raises(InvalidInput, match="at most"):
        codec.decode_columns(pb.TradeColumns(count=(1 << 32) - 1), TRADE)


def test_more_may_come_of_a_window_than_commands_go_in() -> None:
    """An answer to the most commands of a symbol, each of which was accepted and traded, is read whole."""
    with pytest.raises(InvalidInput, match="send at most 1048576 rows"):
        codec.decode_columns(pb.CommandColumns(count=codec.MAX_ROWS + 1), COMMAND)
    assert len(codec.decode_columns(pb.ExecutionColumns(count=2 * codec.MAX_ROWS), EXECUTION)) == 2 * codec.MAX_ROWS


def test_tick_survives() -> None:
    """A tick crosses whole."""
    tick = Tick(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, SessionState.OPENING_AUCTION, 12, 13, 14, -15)
    assert codec.tick_from_proto(codec.tick_to_proto(tick)) == tick


def test_instrument_survives() -> None:
    """An instrument crosses whole, its steps as decimals that people write."""
    message = codec.instrument_to_proto(BTC)
    assert (message.tick_size, message.lot_size, message.min_notional) == ("0.50", "0.001", "0.5")
    assert codec.instrument_from_proto(message) == BTC


def test_bands_and_sessions_of_an_instrument_survive() -> None:
    """The trading day too, entry by entry."""
    day = ((8 * 3_600 * 10**9, SessionState.PRE_OPEN), (9 * 3_600 * 10**9 + 7, SessionState.CONTINUOUS))
    banded = replace(BTC, static_band_ppm=100_000, dynamic_band_ppm=30_000, band_action=BandAction.HALT)
    instrument = replace(banded, halt_ns=300, auction_ns=120, sessions=day)
    assert codec.instrument_from_proto(codec.instrument_to_proto(instrument)) == instrument


def test_decimal_text_is_exact() -> None:
    """Prices and sizes are exact decimals with fixed decimals."""
    assert codec.price_text(100_001, BTC) == "50000.50"
    assert codec.quantity_text(10, BTC) == "0.010"
    assert codec.quantity_text(-10, BTC) == "-0.010"
    assert codec.notional_text(-3, BTC) == "-0.0015"
    assert codec.average_price_text(100_000 + 2 * 100_001, 3, BTC) == "50000.333333"
    assert codec.average_price_text(0, 0, BTC) == ""
    assert codec.price_text(7, replace(BTC, tick_size=Fraction(5))) == "35.00"


@pytest.mark.parametrize("ticks", [1, 99_999, 100_000, 100_001, 1_000_000])
def test_price_text_survives(ticks: int) -> None:
    """A price that was shown can be sent back."""
    assert codec.parse_price(codec.price_text(ticks, BTC), BTC) == ticks


@pytest.mark.parametrize(
    "text",
    ["NaN", "nan", "inf", "-inf", "1e5", "1E-3", "+1", " 1", "1 ", "1_0", "1,0", ".5", "5.", "0x1", "١", "1.0.0", "\n"],
)
def test_only_plain_decimals_are_read(text: str) -> None:
    """What Python's own parsers would let through is refused with an example of what is wanted."""
    with pytest.raises(InvalidInput, match=r"price is .*: give a plain decimal such as"):
        codec.parse_price(text, BTC)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "quantity is empty"),
        ("0", "quantity is 0: it must be greater than zero"),
        ("0.000", "greater than zero"),
        ("-1", "must not be negative"),
        ("1" * 33, "33 characters: give at most 32"),
        ("99999999999999999999", "give one between 0.001 and 1000.000"),
        ("0.0105", "no multiple of the lot size 0.001: try 0.01 or 0.011"),
    ],
)
def test_bad_quantities_say_the_fix(text: str, message: str) -> None:
    """Each bad size is refused with what to do."""
    with pytest.raises(InvalidInput, match=message):
        codec.parse_quantity(text, BTC)


def test_price_off_the_tick_says_its_neighbours() -> None:
    """A price between two ticks is refused with both."""
    with pytest.raises(InvalidInput, match=r"no multiple of the tick size 0\.50: try 50000 or 50000\.5"):
        codec.parse_price("50000.3", BTC)


def test_huge_price_is_refused() -> None:
    """A price beyond any book is refused before it can overflow."""
    with pytest.raises(InvalidInput, match=r"the highest price of BTC/USD is 500000\.00"):
        codec.parse_price("9" * 30, BTC)


def test_unknown_enum_number_lists_the_known() -> None:
    """proto3 lets any number through; the codec does not."""
    assert codec.enum_number(1, dict(pb.Side.items()), "side") == 1
    with pytest.raises(InvalidInput, match=r"side is 9: give one of .*SIDE_BUY \(1\)"):
        codec.enum_number(9, dict(pb.Side.items()), "side")
