"""What an order meets on the other side: how far it goes, whether enough is there, and its trades.

The order that takes stands in a slot of its own that is in no queue: a new one in slot 0, an amended one in the one it has.
"""

from marksim.core.book.compiled import compiled
from marksim.core.book.occupancy import next_level, previous_level
from marksim.core.book.output import add_depth, take_off, tell
from marksim.core.book.queues import leave_queue, refill, release_slot, shrink
from marksim.core.book.words import (
    BUY,
    CANCEL_BOTH,
    CANCEL_NEWEST,
    CANCEL_OLDEST,
    CANCELLED,
    DECREMENT,
    FOK,
    FOK_NOT_FILLED,
    IOC,
    IOC_REMAINDER,
    MIN_QUANTITY,
    NO_LIQUIDITY,
    PRICE_BAND,
    REFILLED,
    SELF_TRADE,
    SELL,
    SLIDE,
    TRADED,
    UNSPECIFIED,
    Book,
    Index,
    Row,
    int64,
)


@compiled
def takes_at(book: Book, side: int, price: int) -> bool:
    """Whether an order at that price would trade at once."""
    state = book.state
    if side == BUY:
        return state.best_ask >= 0 and state.best_ask + state.min_price_ticks <= price
    return state.best_bid >= 0 and state.best_bid + state.min_price_ticks >= price


@compiled
def price_after_slide(book: Book, side: int, price: int, post_only: int) -> int:
    """Where an order would rest: at its price, or one tick off the other side if it slides and the bands let it."""
    state = book.state
    if post_only != SLIDE or not takes_at(book, side, price):
        return price
    slid = state.min_price_ticks + (state.best_ask - 1 if side == BUY else state.best_bid + 1)
    return slid if state.min_price_ticks <= slid <= state.max_price_ticks else price


@compiled
def last_market_index(book: Book, side: int) -> Index:
    """The last level at which a market order may trade: of the bands, or of its protection."""
    state = book.state
    far = state.max_price_ticks - state.min_price_ticks if side == BUY else int64(0)
    best = state.best_ask if side == BUY else state.best_bid
    if state.market_protection_ticks == 0 or best < 0:
        return far
    if side == BUY:
        return min(far, best + state.market_protection_ticks)
    return max(far, best - state.market_protection_ticks)


@compiled
def first_index(book: Book, buy: bool, last: Index) -> Index:
    """The best level of the side that a taker meets, or -1 where it lies beyond the last one."""
    if buy:
        return book.state.best_ask if book.state.best_ask <= last else -1
    return book.state.best_bid if book.state.best_bid >= last else -1


@compiled
def following_index(book: Book, buy: bool, index: Index, last: Index) -> Index:
    """The level after that one, or -1 where it lies beyond the last."""
    if buy:
        index = next_level(book, index)
        return index if index <= last else -1
    index = previous_level(book, index)
    return index if index >= last else -1


@compiled
def can_trade(book: Book, taker: Row, last: Index, prevention: int, needed: int) -> bool:
    """Whether so much could trade at once."""
    buy = taker.side == BUY
    found = int64(0)
    own = False
    index = first_index(book, buy, last)
    while index >= 0 and found < needed and not own:
        if prevention == 0:
            found += book.levels[index].quantity_lots + book.levels[index].hidden_lots
        else:
            lots, own = others_lots(book, index, taker.self_trade_group, prevention)
            found += lots
        index = following_index(book, buy, index, last)
    return bool(found >= needed)


@compiled
def take(book: Book, taker: Row, last: Index, own_price: int, life: int, prevention: int, smallest: int) -> int:
    """Trade what the order may; why what it has left is cancelled, or UNSPECIFIED where that rests or there is none.

    `own_price` is what its rows show as its price, `smallest` what must trade at once: 0 of both means a market order, and
    nothing must.
    """
    state = book.state
    if life == FOK and not can_trade(book, taker, last, prevention, taker.leaves_lots):
        return FOK_NOT_FILLED
    if smallest > 0 and not can_trade(book, taker, last, prevention, smallest):
        return MIN_QUANTITY
    if match(book, taker, last, own_price, prevention):
        return SELF_TRADE
    if taker.leaves_lots == 0:
        return UNSPECIFIED
    if own_price == 0:
        return NO_LIQUIDITY if (state.best_ask if taker.side == BUY else state.best_bid) < 0 else PRICE_BAND
    return IOC_REMAINDER if life == IOC else UNSPECIFIED


@compiled
def others_lots(book: Book, index: Index, group: int, prevention: int) -> tuple[int, bool]:
    """What a level has for a taker that does not trade with its own, and whether its own would hold it up there.

    Where it would, only what is shown before counts: an iceberg's next part comes behind.
    """
    shown = everything = int64(0)
    slot = int64(book.levels[index].head)
    while slot != 0:
        order = book.orders[slot]
        if order.self_trade_group != group:
            shown += order.leaves_lots - order.hidden_lots
            everything += order.leaves_lots
        elif prevention != CANCEL_OLDEST:
            return shown, True
        slot = int64(order.next)
    return everything, False


@compiled
def trade(book: Book, taker: Row, maker: Row, level: Row, price: int) -> None:
    """Trade as much as the one has left and the other shows."""
    quantity = min(taker.leaves_lots, maker.leaves_lots - maker.hidden_lots)
    taker.leaves_lots -= quantity
    maker.leaves_lots -= quantity
    level.quantity_lots -= quantity
    row = tell(book, TRADED, UNSPECIFIED, taker, price, quantity)
    row.maker_account = maker.account
    row.maker_serial = maker.serial
    row.maker_order_id = maker.order_id
    row.maker_leaves_lots = maker.leaves_lots
    book.state.last_price_ticks = price


@compiled
def prevent(book: Book, taker: Row, maker: Row, level: Row, price: int, own_price: int, prevention: int) -> bool:
    """Do what a taker says of its own maker; True if the taker stops there."""
    if prevention == CANCEL_NEWEST:
        return True
    both = min(taker.leaves_lots, maker.leaves_lots) if prevention == DECREMENT else maker.leaves_lots
    shrink(book, level, maker, maker.leaves_lots - both)
    maker.quantity_lots -= both
    tell(book, CANCELLED, SELF_TRADE, maker, price, both)
    if prevention == DECREMENT:
        taker.quantity_lots -= both
        take_off(book, taker, own_price, both, SELF_TRADE)
    return bool(prevention == CANCEL_BOTH)


@compiled
def match(book: Book, taker: Row, last: Index, own_price: int, prevention: int) -> bool:
    """Trade against the other side, best price first, oldest first. True if the taker's own order stopped it.

    `own_price` is what the taker's rows show as its price: 0 of a market order.
    """
    orders, state = book.orders, book.state
    buy = taker.side == BUY
    stopped = False
    while taker.leaves_lots > 0 and not stopped:
        index = first_index(book, buy, last)
        if index < 0:
            break
        level = book.levels[index]
        price, sequence = index + state.min_price_ticks, state.sequence
        while taker.leaves_lots > 0 and level.head != 0 and not stopped:
            slot = int64(level.head)
            maker = orders[slot]
            if prevention != 0 and maker.self_trade_group == taker.self_trade_group:
                stopped = prevent(book, taker, maker, level, price, own_price, prevention)
            else:
                trade(book, taker, maker, level, price)
            if maker.leaves_lots == 0:
                leave_queue(book, slot)
                release_slot(book, slot)
            elif maker.leaves_lots == maker.hidden_lots:
                shown = refill(book, level, slot)
                tell(book, REFILLED, UNSPECIFIED, maker, price, shown)
        if state.sequence > sequence:
            add_depth(book, index, SELL if buy else BUY)
    return stopped
