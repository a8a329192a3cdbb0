"""What an order meets on the other side: how far it goes, whether enough is there, and its trades.

The order that takes stands in a slot of its own that is in no queue.
"""

from marksim.core.book.compiled import compiled, compiled_apart
from marksim.core.book.occupancy import next_level
from marksim.core.book.output import add_depth, take_off, tell
from marksim.core.book.queues import (
    best_of_other,
    group_of,
    leave_queue,
    other_index,
    price_at,
    refill,
    release_slot,
    shown_lots,
    shrink,
)
from marksim.core.book.words import (
    BUY,
    CANCEL_BOTH,
    CANCEL_NEWEST,
    CANCEL_OLDEST,
    CANCELLED,
    DECREMENT,
    FOK,
    FOK_NOT_FILLED,
    HALT,
    IOC,
    IOC_REMAINDER,
    MIN_QUANTITY,
    NO_LEVEL,
    NO_LIQUIDITY,
    PRICE_BAND,
    REFILLED,
    SELF_TRADE,
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
    return bool(best_of_other(book, side) <= other_index(book, side, price))


@compiled
def price_after_slide(book: Book, side: int, price: int, post_only: int) -> int:
    """Where an order would rest: at its price, or one tick off the other side if it slides and the bands let it."""
    state = book.state
    if post_only != SLIDE or not takes_at(book, side, price):
        return int64(price)
    best = price_at(book, best_of_other(book, side))
    slid = best - 1 if side == BUY else best + 1
    return int64(slid if state.min_price_ticks <= slid <= state.max_price_ticks else price)


@compiled
def last_market_index(book: Book, side: int) -> Index:
    """The last level at which a market order may trade: of the instrument's prices, or of its protection."""
    state = book.state
    far = other_index(book, side, state.max_price_ticks if side == BUY else state.min_price_ticks)
    best = best_of_other(book, side)
    if state.market_protection_ticks == 0 or best == NO_LEVEL:
        return far
    return min(far, best + state.market_protection_ticks)


@compiled
def last_index_of(book: Book, side: int, price: int) -> Index:
    """The last level at which an order of that price may trade; 0 means a market order."""
    return last_market_index(book, side) if price == 0 else other_index(book, side, price)


@compiled
def edge_index(book: Book, side: int) -> Index:
    """The last level of the other side that is inside the price bands."""
    state = book.state
    return other_index(book, side, state.upper_edge_ticks if side == BUY else state.lower_edge_ticks)


@compiled
def first_index(book: Book, side: int, last: Index) -> Index:
    """The best level that a taker meets, or -1 where it lies beyond the last one."""
    best = best_of_other(book, side)
    return best if best <= last else int64(-1)


@compiled
def following_index(book: Book, index: Index, last: Index) -> Index:
    """The level after that one, or -1 where it lies beyond the last."""
    index = next_level(book, index)
    return index if index <= last else int64(-1)


@compiled
def can_trade(book: Book, side: int, group: int, last: Index, prevention: int, needed: int) -> bool:
    """Whether so much could trade at once."""
    found, own = int64(0), False
    index = first_index(book, side, last)
    while index >= 0 and found < needed and not own:
        book.state.levels_touched += 1
        if prevention == 0:
            found += book.levels[index].quantity_lots + book.levels[index].hidden_lots
        else:
            lots, own = others_lots(book, index, group, prevention)
            found += lots
        index = following_index(book, index, last)
    return bool(found >= needed)


@compiled
def others_lots(book: Book, index: Index, group: int, prevention: int) -> tuple[int, bool]:
    """What a level has for a taker that does not trade with its own, and whether its own would hold it up there.

    Where it would, only what is shown before counts: an iceberg's next part comes behind.
    """
    shown = everything = int64(0)
    slot = int64(book.levels[index].head)
    while slot != 0:
        order = book.orders[slot]
        book.state.slots_touched += 1
        if group_of(book, order) != group:
            shown += shown_lots(book, order)
            everything += order.leaves_lots
        elif prevention != CANCEL_OLDEST:
            return shown, True
        slot = int64(order.next)
    return everything, False


@compiled
def take(book: Book, slot: Index, group: int, last: Index, price: int, life: int, prevention: int, smallest: int) -> int:
    """Trade what the order may; why what it has left is cancelled, or UNSPECIFIED where that rests or there is none.

    `price` is what its rows show, 0 of a market order; `smallest` is what must trade at once, 0 means nothing. Where a price
    band that halts stops it, state.halting is set.
    """
    state, order = book.state, book.orders[slot]
    side = int64(order.side)
    within = min(last, edge_index(book, side))
    needed = int64(order.leaves_lots) if life == FOK else int64(smallest)
    if needed > 0 and not can_trade(book, side, group, within, prevention, needed):
        # Of an order that is killed anyhow a smallest part is not asked for.
        return FOK_NOT_FILLED if life == FOK else MIN_QUANTITY
    if takes_within(book, side, within) and match(book, slot, group, within, price, prevention):
        return SELF_TRADE
    if order.leaves_lots == 0:
        return UNSPECIFIED
    # Beyond the band, but not beyond the order.
    stopped = within < last and takes_within(book, side, last)
    halts = state.band_action == HALT
    if stopped and halts:
        state.halting = 1
    if price == 0:
        return NO_LIQUIDITY if best_of_other(book, side) == NO_LEVEL else PRICE_BAND
    if stopped and not halts:
        return PRICE_BAND
    return IOC_REMAINDER if life == IOC else UNSPECIFIED


@compiled
def takes_within(book: Book, side: int, last: Index) -> bool:
    """Whether there is anything up to a level of the other side."""
    return bool(best_of_other(book, side) <= last)


@compiled
def trade(book: Book, taker: Row, maker: Row, level: Row, price: int) -> None:
    """Trade as much as the one has left and the other shows."""
    state = book.state
    quantity = min(int64(taker.leaves_lots), shown_lots(book, maker))
    taker.leaves_lots -= quantity
    maker.leaves_lots -= quantity
    level.quantity_lots -= quantity
    row = tell(book, TRADED, UNSPECIFIED, taker, price, quantity)
    row.maker_account = maker.account
    row.maker_serial = maker.serial
    row.maker_order_id = maker.order_id
    row.maker_leaves_lots = maker.leaves_lots
    state.last_price_ticks = price
    state.session_volume_lots += quantity


@compiled
def prevent(book: Book, taker: Row, maker: Row, level: Row, price: int, own_price: int, prevention: int) -> bool:
    """Do what a taker says of its own maker; True if the taker stops there."""
    if prevention == CANCEL_NEWEST:
        return True
    leaves = int64(maker.leaves_lots)
    both = min(int64(taker.leaves_lots), leaves) if prevention == DECREMENT else leaves
    shrink(book, level, maker, leaves - both)
    maker.quantity_lots -= both
    tell(book, CANCELLED, SELF_TRADE, maker, price, both)
    if prevention == DECREMENT:
        taker.quantity_lots -= both
        take_off(book, taker, own_price, both, SELF_TRADE)
    return bool(prevention == CANCEL_BOTH)


@compiled
def after_trade(book: Book, slot: Index) -> None:
    """An order of which nothing is left goes, and one that shows nothing any more is refilled."""
    order = book.orders[slot]
    if order.leaves_lots == 0:
        leave_queue(book, slot)
        release_slot(book, slot)
    elif shown_lots(book, order) == 0:
        index = int64(order.level)
        shown = refill(book, book.levels[index], slot)
        tell(book, REFILLED, UNSPECIFIED, order, price_at(book, index), shown)


@compiled_apart
def match(book: Book, slot: Index, group: int, last: Index, own_price: int, prevention: int) -> bool:
    """Trade against the other side, best price first, oldest first. True if the taker's own order stopped it.

    `own_price` is what the taker's rows show as its price: 0 of a market order.
    """
    orders, state = book.orders, book.state
    taker = orders[slot]
    side = int64(taker.side)
    stopped, index = False, first_index(book, side, last)
    while taker.leaves_lots > 0 and not stopped and index >= 0:
        level = book.levels[index]
        state.levels_touched += 1
        price, sequence = price_at(book, index), int64(state.sequence)
        while taker.leaves_lots > 0 and level.head != 0 and not stopped:
            head = int64(level.head)
            maker = orders[head]
            state.slots_touched += 1
            if prevention != 0 and group_of(book, maker) == group:
                stopped = prevent(book, taker, maker, level, price, own_price, prevention)
            else:
                trade(book, taker, maker, level, price)
            after_trade(book, head)
        if state.sequence > sequence:
            add_depth(book, index)
        index = first_index(book, side, last)
    return stopped
