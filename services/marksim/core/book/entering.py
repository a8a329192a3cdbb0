"""Whether the book takes a command: the checks in the order that `reference.py` states."""

from marksim.core.book.compiled import compiled
from marksim.core.book.names import find_slot
from marksim.core.book.taking import takes_at
from marksim.core.book.words import (
    AT_THE_OPEN,
    BELOW_MIN_NOTIONAL,
    BOOK_FULL,
    BUY,
    DECREMENT,
    DUPLICATE_ORDER_ID,
    FOK,
    GTC,
    GTD,
    INVALID_PRICE,
    INVALID_QUANTITY,
    INVALID_SIDE,
    INVALID_TERMS,
    IOC,
    LIMIT,
    MARKET,
    PRICE_BAND,
    SELL,
    SLIDE,
    UNSPECIFIED,
    UNSUPPORTED,
    WOULD_TAKE,
    Book,
    Row,
)


@compiled
def may_rest(command: Row) -> bool:
    """Whether what is left of a new order rests."""
    return bool(command.order_type == LIMIT and command.time_in_force not in (IOC, FOK))


@compiled
def is_not_yet(command: Row) -> bool:
    """Whether it asks for what no book does yet."""
    if command.stop_price_ticks != 0 or command.display_lots != 0 or command.expire_time_ns != 0:
        return True
    return command.time_in_force in (GTD, AT_THE_OPEN)


@compiled
def why_not_its_terms(command: Row) -> int:
    """The first check of a new order's terms that fails, or UNSPECIFIED."""
    limit = command.order_type == LIMIT
    life, post_only = command.time_in_force, command.post_only
    if not (limit or command.order_type == MARKET) or is_not_yet(command):
        return UNSUPPORTED
    if life > AT_THE_OPEN or post_only > SLIDE or command.self_trade_prevention > DECREMENT or (not limit and life == GTC):
        return INVALID_TERMS
    if post_only != 0 and (not may_rest(command) or command.min_quantity_lots != 0):
        return INVALID_TERMS
    return UNSPECIFIED


@compiled
def why_not_its_price(book: Book, side: int, price: int, slid: int, quantity: int, post_only: int) -> int:
    """The first check of a limit price that fails, or UNSPECIFIED."""
    state = book.state
    if price <= 0:
        return INVALID_PRICE
    if price < state.min_price_ticks or price > state.max_price_ticks:
        return PRICE_BAND
    if post_only != 0 and takes_at(book, side, slid):
        return WOULD_TAKE
    # price * quantity could overflow; the quotient, rounded up, cannot.
    if state.min_notional > 0 and slid <= (state.min_notional - 1) // quantity:
        return BELOW_MIN_NOTIONAL
    return UNSPECIFIED


@compiled
def why_not(book: Book, command: Row, slid: int) -> int:
    """The first check of a new order that fails, or UNSPECIFIED."""
    state = book.state
    reason = why_not_its_terms(command)
    if reason != UNSPECIFIED:
        return reason
    if command.side not in (BUY, SELL):
        return INVALID_SIDE
    price, quantity = command.price_ticks, command.quantity_lots
    if quantity < state.min_quantity_lots or quantity > state.max_quantity_lots:
        return INVALID_QUANTITY
    if command.min_quantity_lots < 0 or command.min_quantity_lots > quantity:
        return INVALID_QUANTITY
    if command.order_type == LIMIT:
        reason = why_not_its_price(book, command.side, price, slid, quantity, command.post_only)
        if reason != UNSPECIFIED:
            return reason
    elif price != 0:
        return INVALID_PRICE
    if find_slot(book.orders, book.names, command.account, command.serial) != 0:
        return DUPLICATE_ORDER_ID
    if may_rest(command) and state.order_count >= state.max_orders:
        return BOOK_FULL
    return UNSPECIFIED


@compiled
def why_not_amend(book: Book, command: Row, order: Row, price: int, slid: int, quantity: int) -> int:
    """The first check of an amendment that fails, or UNSPECIFIED; price and quantity are what the order would have."""
    state = book.state
    if is_not_yet(command):
        return UNSUPPORTED
    if command.time_in_force != 0 or command.min_quantity_lots != 0:
        return INVALID_TERMS
    if command.post_only > SLIDE or command.self_trade_prevention > DECREMENT:
        return INVALID_TERMS
    if quantity < state.min_quantity_lots or quantity > state.max_quantity_lots:
        return INVALID_QUANTITY
    reason = why_not_its_price(book, order.side, price, slid, quantity, command.post_only)
    if reason != UNSPECIFIED:
        return reason
    if command.serial != command.target_serial and find_slot(book.orders, book.names, command.account, command.serial) != 0:
        return DUPLICATE_ORDER_ID
    return UNSPECIFIED
