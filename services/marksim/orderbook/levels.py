"""A book's levels as anyone may see them: what is shown of them, in decimals."""

from dataclasses import dataclass, field

from marksim.codec import price_text, quantity_text
from marksim.core.types import Instrument, Records, Side
from marksim.v1 import orderbook_pb2 as pb


@dataclass(frozen=True, slots=True)
class Levels:
    """Both sides, each best first."""

    bids: list[pb.BookLevel] = field(default_factory=list)
    asks: list[pb.BookLevel] = field(default_factory=list)


def levels_to_proto(depth: Records, orders: Records | None, instrument: Instrument) -> Levels:
    """DEPTH rows as levels, with those of the RESTING rows that belong to them, which are oldest first."""
    of_level: dict[tuple[int, int], list[pb.BookOrder]] = {}
    if orders is not None:
        columns = ["side", "price_ticks", "order_id", "leaves_lots", "hidden_lots"]
        for side, ticks, order_id, leaves, hidden in orders[columns].tolist():
            shown = quantity_text(leaves - hidden, instrument)
            of_level.setdefault((side, ticks), []).append(pb.BookOrder(order_id=order_id, quantity=shown))
    levels = Levels()
    for side, ticks, lots, count in depth[["side", "price_ticks", "quantity_lots", "order_count"]].tolist():
        level = pb.BookLevel(
            price=price_text(ticks, instrument),
            quantity=quantity_text(lots, instrument),
            order_count=count,
            orders=of_level.get((side, ticks), ()),
        )
        (levels.bids if side == Side.BUY else levels.asks).append(level)
    return levels
