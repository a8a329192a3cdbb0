"""Whether the book takes a command: the checks in the order that `reference.py` states."""

from marksim.core.book.compiled import compiled
from marksim.core.book.names import find_hashed, find_slot
from marksim.core.book.queues import price_at, refills_of
from marksim.core.book.rules import MAX_ICEBERG_PARTS, MAX_REFILLS
from marksim.core.book.taking import takes_at
from marksim.core.book.words import (
    AT_THE_OPEN,
    BELOW_MIN_NOTIONAL,
    BOOK_FULL,
    BUY,
    CLOSED,
    CONTINUOUS,
    DECREMENT,
    DUPLICATE_ORDER_ID,
    FOK,
    GTC,
    GTD,
    HALT,
    HALTED,
    HAS_EXPIRED,
    INVALID_PRICE,
    INVALID_QUANTITY,
    INVALID_SIDE,
    INVALID_TERMS,
    IOC,
    LIMIT,
    MARKET,
    MARKET_CLOSED,
    OPENING_AUCTION,
    PRE_OPEN,
    PRICE_BAND,
    SELL,
    SLIDE,
    STOP,
    STOP_LIMIT,
    UNSPECIFIED,
    UNSUPPORTED,
    WOULD_TAKE,
    Book,
    Row,
    int64,
)


@compiled
def may_rest(command: Row) -> bool:
    """Whether a new order may stay: it rests, or waits for its stop price or for an auction."""
    if is_stop(command) or command.time_in_force == AT_THE_OPEN:
        return True
    return bool(command.order_type == LIMIT and command.time_in_force not in (IOC, FOK))


@compiled
def is_stop(order: Row) -> bool:
    """Of a command or of an order: whether it waits for its stop price."""
    return bool(order.order_type == STOP or order.order_type == STOP_LIMIT)  # noqa: PLR1714  a tuple would be slower


@compiled
def why_not_its_terms(command: Row) -> int:
    """The first check of a new order's terms that fails, or UNSPECIFIED."""
    kind, life, post_only = command.order_type, command.time_in_force, command.post_only
    if kind == 0 or kind > STOP_LIMIT:
        return UNSUPPORTED
    if life > AT_THE_OPEN or post_only > SLIDE or command.self_trade_prevention > DECREMENT:
        return INVALID_TERMS
    if command.expire_time_ns < 0 or (life == GTD) != (command.expire_time_ns > 0):
        return INVALID_TERMS
    if (kind == MARKET and life in (GTC, GTD)) or (kind == STOP and life in (IOC, FOK)):
        return INVALID_TERMS
    # It shows a part, or does not take, only where it rests at once.
    stays = kind == LIMIT and life not in (IOC, FOK, AT_THE_OPEN)
    if not stays and (command.display_lots != 0 or post_only != 0):
        return INVALID_TERMS
    if command.min_quantity_lots != 0 and (post_only != 0 or life == AT_THE_OPEN):
        return INVALID_TERMS
    if is_stop(command) and life == AT_THE_OPEN:
        return INVALID_TERMS
    if is_stop(command):
        return INVALID_TERMS if command.min_quantity_lots != 0 else UNSPECIFIED
    return INVALID_TERMS if command.stop_price_ticks != 0 else UNSPECIFIED


@compiled
def why_not_now(book: Book, command: Row) -> int:
    """MARKET_CLOSED where the session does not take a new order, or UNSPECIFIED."""
    session, life = book.state.session, command.time_in_force
    if life == AT_THE_OPEN:
        return UNSPECIFIED if session in (PRE_OPEN, OPENING_AUCTION) else MARKET_CLOSED
    if session == CONTINUOUS:
        return UNSPECIFIED
    if session in (HALTED, CLOSED):
        return MARKET_CLOSED
    if is_stop(command):
        return UNSPECIFIED
    if command.order_type == MARKET or life in (IOC, FOK):
        return MARKET_CLOSED
    return MARKET_CLOSED if command.post_only != 0 or command.min_quantity_lots != 0 else UNSPECIFIED


@compiled
def parts_fit(quantity: int, smallest: int, display: int) -> bool:
    """Whether an order may be made of such parts."""
    if smallest < 0 or smallest > quantity or display < 0 or display > quantity:
        return False
    return display == 0 or quantity <= MAX_ICEBERG_PARTS * display


@compiled
def why_not_its_price(book: Book, side: int, price: int, slid: int, quantity: int, post_only: int, banded: bool) -> int:
    """The first check of a limit price that fails, or UNSPECIFIED. `banded`: it is new, and may be refused for the bands."""
    state = book.state
    if price <= 0:
        return INVALID_PRICE
    if price < state.min_price_ticks or price > state.max_price_ticks:
        return PRICE_BAND
    if (
        banded
        and state.band_action != HALT
        and (price > state.upper_edge_ticks if side == BUY else price < state.lower_edge_ticks)
    ):
        return PRICE_BAND
    if post_only != 0 and takes_at(book, side, slid):
        return WOULD_TAKE
    # price * quantity could overflow; the quotient, rounded up, cannot.
    if state.min_notional > 0 and slid <= (state.min_notional - 1) // quantity:
        return BELOW_MIN_NOTIONAL
    return UNSPECIFIED


@compiled
def why_not_its_stop_price(book: Book, price: int) -> int:
    """The first check of a stop price that fails, or UNSPECIFIED."""
    if price <= 0:
        return INVALID_PRICE
    return PRICE_BAND if price < book.state.min_price_ticks or price > book.state.max_price_ticks else UNSPECIFIED


@compiled
def why_no_room(book: Book, command: Row) -> int:
    """BOOK_FULL where the order would pass a bound of the book, or UNSPECIFIED."""
    state, display = book.state, command.display_lots
    if display != 0 and state.refills + command.quantity_lots // display > MAX_REFILLS:
        return BOOK_FULL
    return BOOK_FULL if may_rest(command) and state.order_count + state.stop_count >= state.max_orders else UNSPECIFIED


@compiled
def why_not(book: Book, command: Row, slid: int, hashed: int) -> int:
    """The first check of a new order that fails, or UNSPECIFIED."""
    state = book.state
    reason = why_not_its_terms(command)
    if reason == UNSPECIFIED:
        reason = why_not_now(book, command)
    if reason != UNSPECIFIED:
        return reason
    if command.side not in (BUY, SELL):
        return INVALID_SIDE
    price, quantity = command.price_ticks, command.quantity_lots
    if quantity < state.min_quantity_lots or quantity > state.max_quantity_lots:
        return INVALID_QUANTITY
    if not parts_fit(quantity, command.min_quantity_lots, command.display_lots):
        return INVALID_QUANTITY
    if command.order_type in (LIMIT, STOP_LIMIT):
        banded = command.order_type == LIMIT
        reason = why_not_its_price(book, command.side, price, slid, quantity, command.post_only, banded)
        if reason != UNSPECIFIED:
            return reason
    elif price != 0:
        return INVALID_PRICE
    if is_stop(command):
        reason = why_not_its_stop_price(book, command.stop_price_ticks)
        if reason != UNSPECIFIED:
            return reason
    if command.time_in_force == GTD and command.expire_time_ns <= command.time_ns:
        return HAS_EXPIRED
    if find_hashed(book, command.account, command.serial, hashed) != 0:
        return DUPLICATE_ORDER_ID
    return why_no_room(book, command)


@compiled
def why_not_amend(book: Book, command: Row, order: Row, price: int, slid: int, quantity: int) -> int:
    """The first check of an amendment that fails, or UNSPECIFIED; price and quantity are what the order would have."""
    state = book.state
    if command.time_in_force != 0 or command.min_quantity_lots != 0 or command.stop_price_ticks != 0:
        return INVALID_TERMS
    if command.display_lots != 0 or command.expire_time_ns != 0:
        return INVALID_TERMS
    if command.post_only > SLIDE or command.self_trade_prevention > DECREMENT:
        return INVALID_TERMS
    if command.post_only != 0 and is_stop(order):
        return INVALID_TERMS
    if state.session in (HALTED, CLOSED) or (state.session != CONTINUOUS and command.post_only != 0):
        return MARKET_CLOSED
    terms = book.terms[order.terms]
    display = terms.display_lots
    if quantity < state.min_quantity_lots or quantity > state.max_quantity_lots:
        return INVALID_QUANTITY
    if display != 0 and quantity > MAX_ICEBERG_PARTS * display:
        return INVALID_QUANTITY
    if order.order_type in (STOP, MARKET):
        if command.price_ticks != 0:
            return INVALID_PRICE
    else:
        banded = order.order_type == LIMIT and price != price_at(book, int64(order.level))
        reason = why_not_its_price(book, order.side, price, slid, quantity, command.post_only, banded)
        if reason != UNSPECIFIED:
            return reason
    if display != 0 and state.refills - refills_of(terms) + quantity // display > MAX_REFILLS:
        return BOOK_FULL
    if command.serial != command.target_serial and find_slot(book, command.account, command.serial) != 0:
        return DUPLICATE_ORDER_ID
    return UNSPECIFIED
