"""What a URL may ask for."""

import pytest

from marksim.core.errors import Away, InvalidInput, NotFound
from marksim.edge.subscription import Subscription, parse_target

KNOWN = ("BTC/USD", "ETH/USD")


@pytest.mark.parametrize("target", ["/", "/?", ""])
def test_nothing_asked_means_everything(target: str) -> None:
    """The default is all symbols and no extra field."""
    assert parse_target(target, KNOWN) == Subscription()


@pytest.mark.parametrize("target", ["/?symbols=ETH/USD&fields=epoch,seq", "/?fields=epoch%2Cseq&symbols=ETH%2FUSD"])
def test_symbols_and_fields_are_taken(target: str) -> None:
    """Plain and percent-encoded alike; the order of fields is kept."""
    assert parse_target(target, KNOWN) == Subscription(frozenset({"ETH/USD"}), ("epoch", "seq"))


@pytest.mark.parametrize(
    ("target", "error", "says"),
    [
        ("/feed", NotFound, "the feed is at /"),
        ("http://elsewhere/", NotFound, "the feed is at /"),
        ("/?symbol=BTC/USD", InvalidInput, "'symbol' is no parameter"),
        ("/?symbols=DOGE/USD", InvalidInput, "the symbols are BTC/USD, ETH/USD"),
        ("/?symbols=", InvalidInput, "the symbols are"),
        ("/?fields=price", InvalidInput, "seq, prev_seq, epoch, sent_at_us"),
        ("/?fields=seq,seq", InvalidInput, "twice"),
        ("/?fields=seq&fields=epoch", InvalidInput, "given twice"),
    ],
)
def test_everything_else_is_refused_with_a_sentence(target: str, error: type[Exception], says: str) -> None:
    """The sentence names what was wrong and what would be right."""
    with pytest.raises(error, match=says):
        parse_target(target, KNOWN)


def test_symbols_cannot_be_checked_before_any_is_known() -> None:
    """That is a matter of time, not the client's fault."""
    with pytest.raises(Away):
        parse_target("/?symbols=BTC/USD", ())
