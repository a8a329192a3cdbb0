"""At which price an auction trades, from the definition: try the ticks and take the best. A part of the specification.

A change to CONTINUOUS from any other state uncrosses the book, and so does one from CLOSING_AUCTION to CLOSED; nothing else
does. Let B(p) be all that buy orders at p or above have left, and S(p) all that sell orders at p or below have, with what
icebergs hide. Of all ticks from the best ask to the best bid those are taken at which most trades, min(B, S); of those the
ones with the least left over, |B - S|; of those the one nearest to the reference price. As B - S never rises with p, the
best ticks are neighbours, and that one is the reference price itself or the end of them that it lies beyond. Where nothing
is crossed there is no price, and nothing trades.

The reference price is the instrument's, and then that of each uncrossing at which something traded.

So much, min(B, S), trades at that one price: the best bid level with the best ask level, in each the oldest order first,
each time the smaller of what the two show. The TRADED row has the buy order's columns, the sell order's as those of the
maker, and side UNSPECIFIED. An order that shows nothing any more and hides something is refilled, at the end of its level's
queue, with a REFILLED row; of both, the buyer's first. Self-trade prevention does not apply, and price bands do not. After
the trades each level that changed has one row of depth, bids from the highest, then asks from the lowest.

Then what is left of AT_THE_OPEN orders is CANCELLED/AUCTION_REMAINDER, also where nothing traded: bids from the best, then
asks, in each level the oldest first, with another row of depth for each level. The trades count towards the session's
volume and are the last trade that stops and the dynamic band look at.

In OPENING_AUCTION and CLOSING_AUCTION the price, the volume and the surplus B - S at which the book as it is would uncross
are published as indicative ones.
"""

from typing import NamedTuple


class Uncrossing(NamedTuple):
    """What an auction comes to. `surplus`: of buyers if positive."""

    price: int
    volume: int
    surplus: int


NOTHING = Uncrossing(0, 0, 0)


def uncrossing(bids: dict[int, int], asks: dict[int, int], reference: int) -> Uncrossing:
    """Of the quantities by price; NOTHING where no orders cross.

    B and S change at the prices of orders only, so the best ticks begin and end at such a price or beside one.
    """
    if not bids or not asks or max(bids) < min(asks):
        return NOTHING
    lowest, highest = min(asks), max(bids)
    beside = {price + away for price in (*bids, *asks) for away in (-1, 0, 1)}
    ticks = [price for price in {lowest, highest, reference, *beside} if lowest <= price <= highest]
    results = [uncrossing_at(price, bids, asks) for price in ticks]
    return min(results, key=lambda at: (-at.volume, abs(at.surplus), abs(at.price - reference)))


def uncrossing_at(price: int, bids: dict[int, int], asks: dict[int, int]) -> Uncrossing:
    """What an auction at that price would come to."""
    wanted = sum(quantity for bid, quantity in bids.items() if bid >= price)
    offered = sum(quantity for ask, quantity in asks.items() if ask <= price)
    return Uncrossing(price, min(wanted, offered), wanted - offered)
