"""The price bands around the last auction and the last trade. A part of the specification.

The static band reaches `static_band_ppm` millionths of the reference price (plain_auction.py) to both sides of it, the
dynamic band `dynamic_band_ppm` of the last trade's price, before the first trade of the reference price, rounded down to
ticks; 0 means that there is none. The lower edge is the highest of their lower ends and min_price_ticks, the upper edge the
lowest of their upper ends and max_price_ticks. They are taken when an order comes, be it new, amended or triggered, in
CONTINUOUS only; its own trades do not move them. A buy order trades up to the upper edge, a sell order down to the lower
one.

band_action REJECT, or UNSPECIFIED: a new LIMIT order to buy above the upper edge or to sell below the lower one is
REJECTED/PRICE_BAND, and such an amendment of an order that rests CANCEL_REJECTED/PRICE_BAND, unless the price is the one
that it has. What is left at the edge of a MARKET order is CANCELLED/PRICE_BAND, or NO_LIQUIDITY where the other side is
empty. What is left of a triggered STOP_LIMIT order is CANCELLED/PRICE_BAND if it would still trade at its own limit;
otherwise the band has not stopped it, and it rests, or is cancelled as its time in force says.

band_action HALT: nothing is rejected for a band. Where something is left of an order, and the best price of the other side
lies beyond the edge but within the order's limit (of a market order, its protection), the market halts. What is left of a
limit order rests at its limit, which leaves the book crossed, or is cancelled as an IOC order's remainder; of a market
order it is CANCELLED/PRICE_BAND. After that, and after the depth row of what rests, the session changes to HALTED, to end
`halt_ns` later. What stops of a cascade were still to come wait.

FOK and min_quantity count what lies within the edges, and an order that fails them does not halt the market. A post-only
order is held to the best price of the other side wherever that is. A taker that self-trade prevention ends does not halt
the market.
"""

from marksim.core.book.rules import MILLION, Rules


def edges(rules: Rules, reference: int, last_price: int) -> tuple[int, int]:
    """The lowest price at which an order may sell now, and the highest to buy at. `last_price`: 0 before the first trade."""
    lower, upper = rules.min_price_ticks, rules.max_price_ticks
    for middle, width_ppm in ((reference, rules.static_band_ppm), (last_price or reference, rules.dynamic_band_ppm)):
        if width_ppm:
            width = middle * width_ppm // MILLION
            lower, upper = max(lower, middle - width), min(upper, middle + width)
    return lower, upper
