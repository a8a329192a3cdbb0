"""The price at which a crossed book trades at once, and its trades.

The price is the tick, from the best ask to the best bid, of the greatest volume, then the least surplus, then the nearest to
the reference price.
"""

from marksim.core.book.compiled import compiled, compiled_apart
from marksim.core.book.occupancy import next_level, previous_level
from marksim.core.book.output import add_depth, add_execution, take_off, write_level
from marksim.core.book.queues import leave_queue, own_index, price_at, release_slot, shown_lots
from marksim.core.book.taking import after_trade
from marksim.core.book.words import (
    AT_THE_OPEN,
    AUCTION_REMAINDER,
    BUY,
    NO_LEVEL,
    NONE,
    SELL,
    TRADED,
    UNSPECIFIED,
    Book,
    Index,
    int64,
)


@compiled
def is_crossed(book: Book) -> bool:
    """Whether there is a bid at or above an ask."""
    state = book.state
    if max(state.best_bid, state.best_ask) == NO_LEVEL:
        return False
    return bool(price_at(book, int64(state.best_bid)) >= price_at(book, int64(state.best_ask)))


@compiled
def level_lots(book: Book, index: Index) -> int:
    """All that a level has, with what is hidden."""
    book.state.levels_touched += 1
    return int64(book.levels[index].quantity_lots + book.levels[index].hidden_lots)


@compiled_apart
def find_price(book: Book) -> tuple[int, int, int]:
    """Price, volume, and surplus (of buyers if positive) at which the book would uncross; zeros where it is not crossed."""
    state = book.state
    if not is_crossed(book):
        return int64(0), int64(0), int64(0)
    # Upwards from the lowest ask. What is asked at a price or below grows at each ask, what is bid there or above shrinks
    # behind each bid; between two such prices all ticks are alike.
    ask, bid, highest = int64(state.best_ask), int64(state.best_bid), price_at(book, int64(state.best_bid))
    at = ask_price = price_at(book, ask)
    last_bid = own_index(book, BUY, at)
    bids, asks = level_lots(book, bid), int64(0)
    while next_level(book, bid) <= last_bid:
        bid = next_level(book, bid)
        bids += level_lots(book, bid)
    bid_price = price_at(book, bid)
    volume, surplus, low, high = int64(0), int64(0), int64(0), int64(0)
    while at <= highest:
        if ask_price == at:
            asks += level_lots(book, ask)
            ask = next_level(book, ask)
            ask_price = price_at(book, ask) if ask != NO_LEVEL else highest + 1
        if bid_price + 1 == at:
            bids -= level_lots(book, bid)
            bid = previous_level(book, bid)
            bid_price = price_at(book, bid)
        following = min(ask_price, bid_price + 1)
        there, left = min(bids, asks), bids - asks
        if there > volume or (there == volume and abs(left) < abs(surplus)):
            volume, surplus, low = there, left, at
        if there == volume and abs(left) == abs(surplus):
            high = following - 1
        at = following
    price = min(max(int64(state.reference_price_ticks), low), high)
    return price, volume, surplus_at(book, price)


@compiled
def surplus_at(book: Book, price: int) -> int:
    """What is bid at a price or above less what is asked there or below."""
    surplus, last = int64(0), own_index(book, BUY, price)
    index = int64(book.state.best_bid)
    while index <= last:
        surplus += level_lots(book, index)
        index = next_level(book, index)
    last = own_index(book, SELL, price)
    index = int64(book.state.best_ask)
    while index <= last:
        surplus -= level_lots(book, index)
        index = next_level(book, index)
    return surplus


@compiled
def uncross(book: Book) -> tuple[int, int]:
    """Trade what an auction trades; its price and volume, zeros where nothing does."""
    state = book.state
    price, volume, _ = find_price(book)
    if volume == 0:
        return price, volume
    # The levels that will change, as rows that are filled when they have.
    rows = int64(state.depth)
    for first in (int64(state.best_bid), int64(state.best_ask)):
        index, left = first, volume
        while left > 0:
            left -= level_lots(book, index)
            add_depth(book, index)
            index = next_level(book, index)
    trade_at(book, price, volume)
    for at in range(rows, state.depth):
        row = book.depth[at]
        write_level(book, row, own_index(book, int64(row.side), row.price_ticks))
    state.last_price_ticks = state.reference_price_ticks = price
    state.session_volume_lots += volume
    return price, volume


@compiled
def trade_at(book: Book, price: int, volume: int) -> None:
    """Let the best bids trade with the best asks, oldest first, at one price, until the volume has."""
    state, orders = book.state, book.orders
    while volume > 0:
        buyer = int64(book.levels[state.best_bid].head)
        seller = int64(book.levels[state.best_ask].head)
        bid, ask = orders[buyer], orders[seller]
        quantity = min(shown_lots(book, bid), shown_lots(book, ask))
        volume -= quantity
        for slot in (buyer, seller):
            orders[slot].leaves_lots -= quantity
            book.levels[orders[slot].level].quantity_lots -= quantity
        row = add_execution(
            book, TRADED, UNSPECIFIED, bid.account, bid.serial, bid.order_id, NONE, price, quantity, bid.leaves_lots
        )
        row.maker_account = ask.account
        row.maker_serial = ask.serial
        row.maker_order_id = ask.order_id
        row.maker_leaves_lots = ask.leaves_lots
        for slot in (buyer, seller):
            after_trade(book, slot)


@compiled
def drop_at_the_open(book: Book) -> None:
    """Cancel what is left of orders that were for this auction only."""
    state = book.state
    for first in (int64(state.best_bid), int64(state.best_ask)):
        index = first
        while index != NO_LEVEL and state.at_the_open_count > 0:
            following, sequence = next_level(book, index), int64(state.sequence)
            slot = int64(book.levels[index].head)
            while slot != 0:
                order = book.orders[slot]
                behind = int64(order.next)
                if order.time_in_force == AT_THE_OPEN:
                    leave_queue(book, slot)
                    take_off(book, order, price_at(book, index), int64(order.leaves_lots), AUCTION_REMAINDER)
                    release_slot(book, slot)
                slot = behind
            if state.sequence > sequence:
                add_depth(book, index)
            index = following
