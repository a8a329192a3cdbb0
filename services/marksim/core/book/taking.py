"""What an order meets on the other side: whether it may, how far it goes, and its trades."""

from marksim.core.book.compiled import compiled
from marksim.core.book.names import find_slot
from marksim.core.book.occupancy import next_level, previous_level
from marksim.core.book.output import add_depth, add_execution, take_off
from marksim.core.book.queues import remove_order
from marksim.core.book.words import (
    AT_THE_OPEN,
    BELOW_MIN_NOTIONAL,
    BOOK_FULL,
    BUY,
    CANCEL_BOTH,
    CANCEL_NEWEST,
    CANCEL_OLDEST,
    CANCELLED,
    DECREMENT,
    DUPLICATE_ORDER_ID,
    FOK,
    FOK_NOT_FILLED,
    GTC,
    GTD,
    INVALID_PRICE,
    INVALID_QUANTITY,
    INVALID_SIDE,
    INVALID_TERMS,
    IOC,
    LIMIT,
    MARKET,
    MIN_QUANTITY,
    PRICE_BAND,
    SELF_TRADE,
    SELL,
    SLIDE,
    TRADED,
    UNSPECIFIED,
    UNSUPPORTED,
    WOULD_TAKE,
    Bitmap,
    Index,
    Names,
    Row,
    Table,
    int64,
)


@compiled
def takes_at(book: Row, side: int, price: int) -> bool:
    """Whether an order at that price would trade at once."""
    if side == BUY:
        return book.best_ask >= 0 and book.best_ask + book.min_price_ticks <= price
    return book.best_bid >= 0 and book.best_bid + book.min_price_ticks >= price


@compiled
def price_after_slide(book: Row, command: Row) -> int:
    """Where the order would rest: at its price, or one tick off the other side if it slides and the bands let it."""
    price: int = command.price_ticks
    if command.post_only != SLIDE or not takes_at(book, command.side, price):
        return price
    slid = book.min_price_ticks + (book.best_ask - 1 if command.side == BUY else book.best_bid + 1)
    return slid if book.min_price_ticks <= slid <= book.max_price_ticks else price


@compiled
def why_not_its_terms(command: Row) -> int:
    """The first check of a NEW's terms that fails, or UNSPECIFIED."""
    limit = command.order_type == LIMIT
    life, post_only = command.time_in_force, command.post_only
    if not (limit or command.order_type == MARKET) or life in (GTD, AT_THE_OPEN):
        return UNSUPPORTED
    if command.stop_price_ticks != 0 or command.display_lots != 0 or command.expire_time_ns != 0:
        return UNSUPPORTED
    if life > AT_THE_OPEN or post_only > SLIDE or command.self_trade_prevention > DECREMENT or (not limit and life == GTC):
        return INVALID_TERMS
    if post_only != 0 and (not may_rest(command) or command.min_quantity_lots != 0):
        return INVALID_TERMS
    return UNSPECIFIED


@compiled
def may_rest(command: Row) -> bool:
    """Whether what is left of an order rests."""
    return bool(command.order_type == LIMIT and command.time_in_force not in (IOC, FOK))


@compiled
def why_not(book: Row, orders: Table, names: Names, command: Row, slid: int) -> int:
    """The first check of a NEW that fails, or UNSPECIFIED."""
    reason = why_not_its_terms(command)
    if reason != UNSPECIFIED:
        return reason
    if command.side not in (BUY, SELL):
        return INVALID_SIDE
    price, quantity = command.price_ticks, command.quantity_lots
    if quantity < book.min_quantity_lots or quantity > book.max_quantity_lots:
        return INVALID_QUANTITY
    if command.min_quantity_lots < 0 or command.min_quantity_lots > quantity:
        return INVALID_QUANTITY
    if command.order_type == LIMIT:
        if price <= 0:
            return INVALID_PRICE
        if price < book.min_price_ticks or price > book.max_price_ticks:
            return PRICE_BAND
        if command.post_only != 0 and takes_at(book, command.side, slid):
            return WOULD_TAKE
        # price * quantity could overflow; the quotient, rounded up, cannot.
        if book.min_notional > 0 and slid <= (book.min_notional - 1) // quantity:
            return BELOW_MIN_NOTIONAL
    elif price != 0:
        return INVALID_PRICE
    if find_slot(orders, names, command.account, command.serial) != 0:
        return DUPLICATE_ORDER_ID
    if may_rest(command) and book.order_count >= book.max_orders:
        return BOOK_FULL
    return UNSPECIFIED


@compiled
def last_index(book: Row, command: Row) -> Index:
    """The last level at which a taker may trade: of its limit price, of the bands, or of its protection."""
    if command.order_type == LIMIT:
        return int64(command.price_ticks) - book.min_price_ticks
    far = book.max_price_ticks - book.min_price_ticks if command.side == BUY else int64(0)
    best = book.best_ask if command.side == BUY else book.best_bid
    if book.market_protection_ticks == 0 or best < 0:
        return far
    if command.side == BUY:
        return min(far, best + book.market_protection_ticks)
    return max(far, best - book.market_protection_ticks)


@compiled
def first_index(book: Row, buy: bool, last: Index) -> Index:
    """The best level of the side that a taker meets, or -1 where it lies beyond the last one."""
    if buy:
        return book.best_ask if book.best_ask <= last else -1
    return book.best_bid if book.best_bid >= last else -1


@compiled
def following_index(book: Row, bitmap: Bitmap, buy: bool, index: Index, last: Index) -> Index:
    """The level after that one, or -1 where it lies beyond the last."""
    if buy:
        index = next_level(book, bitmap, index)
        return index if index <= last else -1
    index = previous_level(book, bitmap, index)
    return index if index >= last else -1


@compiled
def why_nothing(book: Row, orders: Table, levels: Table, bitmap: Bitmap, command: Row, group: int, last: Index) -> int:
    """Why an order is cancelled before it trades: FOK_NOT_FILLED, MIN_QUANTITY, or UNSPECIFIED where it is not."""
    whole = command.time_in_force == FOK
    needed = command.quantity_lots if whole else command.min_quantity_lots
    if needed == 0:
        return UNSPECIFIED
    buy, prevention = command.side == BUY, command.self_trade_prevention
    left: int = command.quantity_lots
    traded = int64(0)
    index = first_index(book, buy, last)
    while index >= 0 and left > 0 and traded < needed:
        if prevention == 0:
            lots = min(left, levels[index].quantity_lots)
            left -= lots
            traded += lots
        else:
            slot = int64(levels[index].head)
            while slot != 0 and left > 0:
                maker = orders[slot]
                lots = min(left, maker.leaves_lots)
                if maker.self_trade_group != group:
                    left -= lots
                    traded += lots
                elif prevention == DECREMENT:
                    left -= lots
                elif prevention != CANCEL_OLDEST:
                    left = int64(0)
                slot = int64(maker.next)
        index = following_index(book, bitmap, buy, index, last)
    if traded >= needed:
        return UNSPECIFIED
    return FOK_NOT_FILLED if whole else MIN_QUANTITY


@compiled
def trade(
    book: Row, executions: Table, command: Row, maker: Row, level: Row, price: int, quantity: int, remaining: int
) -> None:
    """Take so much off a maker and its level and say so; `remaining` is what the taker has left afterwards."""
    maker.leaves_lots -= quantity
    level.quantity_lots -= quantity
    row = add_execution(
        book,
        executions,
        TRADED,
        UNSPECIFIED,
        command.account,
        command.serial,
        book.last_order_id,
        command.side,
        price,
        quantity,
        remaining,
    )
    row.maker_account = maker.account
    row.maker_serial = maker.serial
    row.maker_order_id = maker.order_id
    row.maker_leaves_lots = maker.leaves_lots


@compiled
def prevent(
    book: Row, executions: Table, command: Row, maker: Row, level: Row, price: int, remaining: int
) -> tuple[int, bool]:
    """Do what a taker says of its own maker; what the taker has left, and whether it stops there."""
    prevention = command.self_trade_prevention
    if prevention == CANCEL_NEWEST:
        return remaining, True
    both = min(remaining, maker.leaves_lots) if prevention == DECREMENT else maker.leaves_lots
    maker.leaves_lots -= both
    level.quantity_lots -= both
    take_off(book, executions, maker, price, both, SELF_TRADE)
    if prevention == DECREMENT:
        remaining -= both
        account, serial, side = command.account, command.serial, command.side
        order_id, own_price = book.last_order_id, command.price_ticks
        add_execution(book, executions, CANCELLED, SELF_TRADE, account, serial, order_id, side, own_price, both, remaining)
    return remaining, prevention == CANCEL_BOTH


@compiled
def match(
    book: Row,
    orders: Table,
    levels: Table,
    bitmap: Bitmap,
    names: Names,
    command: Row,
    group: int,
    last: Index,
    executions: Table,
    depth: Table,
) -> tuple[int, bool]:
    """Trade against the other side, best price first, oldest first; what is left, and whether its own order stopped it."""
    buy, prevention = command.side == BUY, command.self_trade_prevention
    remaining: int = command.quantity_lots
    stopped = False
    while remaining > 0 and not stopped:
        index = first_index(book, buy, last)
        if index < 0:
            break
        level = levels[index]
        price, sequence = index + book.min_price_ticks, book.sequence
        while remaining > 0 and level.head != 0 and not stopped:
            slot = int64(level.head)
            maker = orders[slot]
            if prevention != 0 and maker.self_trade_group == group:
                remaining, stopped = prevent(book, executions, command, maker, level, price, remaining)
            else:
                both = min(remaining, maker.leaves_lots)
                remaining -= both
                trade(book, executions, command, maker, level, price, both, remaining)
            if maker.leaves_lots == 0:
                remove_order(book, orders, levels, bitmap, names, slot)
        if book.sequence > sequence:
            add_depth(book, levels, depth, book.depth, index, SELL if buy else BUY)
            book.depth += 1
    return remaining, stopped
