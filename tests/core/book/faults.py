"""Faults that somebody could write into the order book's kernel; the tests of this folder find each (test_faults.py)."""

from typing import Final, NamedTuple


class Fault(NamedTuple):
    """A piece of source that stands once in a file of marksim.core.book, and what stands there instead."""

    name: str
    file: str
    text: str
    instead: str


def _in(file: str, *faults: tuple[str, str, str]) -> tuple[Fault, ...]:
    return tuple(Fault(name, file, text, instead) for name, text, instead in faults)


FAULTS: Final = (
    *_in(
        "occupancy.py",
        (
            "the third tier is not set",
            "book.bitmap[book.state.tier2 + (word >> 6)] |= ONE << (np.uint64(word) & WORD)",
            "pass",
        ),
        ("a word that is not zero is cleared above", "if book.bitmap[word] != ZERO:", "if False:"),
        ("the last word of the third tier is left out", "word == book.state.tier_end:", "word == book.state.tier_end - 1:"),
        ("the next word of the third tier is misplaced", "index = (word - book.state.tier2) << 6\n", "index = word << 6\n"),
        ("level 0 is not found downwards", "index -= 1\n    if index < 0:", "index -= 1\n    if index <= 0:"),
        (
            "the previous word of the third tier is misplaced",
            "index = ((word - book.state.tier2) << 6) + 63",
            "index = (word - book.state.tier2) << 6",
        ),
        ("the first word of the third tier is left out", "if word < book.state.tier2:", "if word <= book.state.tier2:"),
    ),
    *_in(
        "entering.py",
        (
            "the least notional is rounded down",
            "slid <= (state.min_notional - 1) // quantity",
            "slid < state.min_notional // quantity",
        ),
    ),
    *_in(
        "kernel.py",
        (
            "one command needs few rows",
            "if has_rows(book, 2 * used + 2 * state.refills + 2, used + 1):",
            "if has_rows(book, 2, 2):",
        ),
        ("its own orders need one row each", "rows_a_maker = 2 if prevention != 0 else 1", "rows_a_maker = 1"),
        (
            "a mass cancel needs two rows",
            "return has_rows(book, used + 1, state.order_count + 1)",
            "return has_rows(book, 2, 2)",
        ),
        (
            "an amended order meets nothing",
            "most = max(quantity, order.quantity_lots) if command.price_ticks != 0 else int64(0)",
            "most = int64(0)",
        ),
    ),
    *_in(
        "names.py",
        (
            "accounts share their serials",
            "if order.account == account and order.serial == serial:",
            "if order.serial == serial:",
        ),
        (
            "a name is removed without closing its hole",
            "if ((probe - home) & mask) >= ((probe - hole) & mask):",
            "if False:",
        ),
        ("a hole is closed with a name at home", ">= ((probe - hole) & mask):", ">= 0:"),
        (
            "a chain of names does not wrap",
            "(probe + 1) & mask\n    names[probe] = slot",
            "probe + 1\n    names[probe] = slot",
        ),
        ("the first slot loses its name in a larger pool", "range(1, len(orders))", "range(2, len(orders))"),
    ),
    *_in(
        "heaps.py",
        (
            "the next order in a slot takes over its entry",
            "order.order_id == entry.order_id and order.leaves_lots > 0",
            "order.leaves_lots > 0",
        ),
        ("of equals the newest comes first", "left.order_id < right.order_id", "left.order_id > right.order_id"),
        ("a swept heap is not in order", "range(kept // 2 - 1, -1, -1)", "range(0)"),
    ),
    *_in(
        "stops.py",
        ("a buy stop wants more than its price", "book.buy_stops[0].key <= price", "book.buy_stops[0].key < price"),
        ("a sell stop wants less than its price", "-book.sell_stops[0].key >= price", "-book.sell_stops[0].key > price"),
        (
            "a buy stop looks at the bid",
            "state.best_ask + state.min_price_ticks if state.best_ask >= 0",
            "state.best_bid + state.min_price_ticks if state.best_bid >= 0",
        ),
        ("the farthest sell stop comes first", "state.sell_stops, -order.stop", "state.sell_stops, order.stop"),
        ("the other side's heap loses its top", "if book.orders[slot].side == BUY:", "if book.orders[slot].side != BUY:"),
    ),
    *_in(
        "output.py",
        ("a quote is not for the size at the ask", "        and ask_quantity == state.ask_quantity_lots\n", ""),
        (
            "an empty bid is quoted at no price",
            "bid_price, bid_quantity = state.bid_price_ticks, 0",
            "bid_price, bid_quantity = 0, 0",
        ),
        (
            "depth shows what is hidden",
            "row.quantity_lots = book.levels[index].quantity_lots",
            "row.quantity_lots = book.levels[index].quantity_lots + book.levels[index].hidden_lots",
        ),
        ("a row keeps the maker of the one before", "    row.maker_leaves_lots = 0\n", ""),
        ("a refused side is repeated", "command.side if command.side in (BUY, SELL) else 0", "command.side"),
    ),
    *_in(
        "queues.py",
        (
            "the newest is first",
            (
                "    order.previous = level.tail\n    order.next = 0\n    if level.tail == 0:\n        level.head = slot\n"
                "    else:\n        book.orders[level.tail].next = slot\n    level.tail = slot\n"
            ),
            (
                "    order.previous = 0\n    order.next = level.head\n    if level.head == 0:\n        level.tail = slot\n"
                "    else:\n        book.orders[level.head].previous = slot\n    level.head = slot\n"
            ),
        ),
        ("a refilled order keeps its place", "if level.tail != slot:", "if False:"),
        ("a free slot hides something", "order.leaves_lots = order.hidden_lots = 0", "order.leaves_lots = 0"),
        (
            "the newest bid is the best",
            "state.best_bid = max(state.best_bid, int64(order.level))",
            "state.best_bid = order.level",
        ),
        (
            "the last part of an iceberg is no refill",
            "(order.hidden_lots + order.display_lots - 1) // order.display_lots",
            "order.hidden_lots // order.display_lots",
        ),
        ("what is shown goes first", "max(int64(0), leaves - shown)", "min(order.hidden_lots, leaves - 1)"),
        ("refills of an order that left are counted", "count_refills(book, level, -refills_of(order))", "pass"),
    ),
    *_in(
        "taking.py",
        (
            "a bid at the ask does not take",
            "state.best_ask + state.min_price_ticks <= price",
            "state.best_ask + state.min_price_ticks < price",
        ),
        ("a bid slides by two ticks", "state.best_ask - 1 if", "state.best_ask - 2 if"),
        (
            "a slide leaves the bands",
            "return slid if state.min_price_ticks <= slid <= state.max_price_ticks else price",
            "return slid",
        ),
        ("protection has the wrong sign", "best + state.market_protection_ticks", "best - state.market_protection_ticks"),
        (
            "protection is a tick too wide",
            "max(far, best - state.market_protection_ticks)",
            "max(far, best - state.market_protection_ticks - 1)",
        ),
        ("a sell order does not take at its price", "if book.state.best_bid >= last", "if book.state.best_bid > last"),
        ("the last level is left out", "return index if index <= last else -1", "return index if index < last else -1"),
        (
            "what is hidden is no liquidity",
            "book.levels[index].quantity_lots + book.levels[index].hidden_lots",
            "book.levels[index].quantity_lots",
        ),
        (
            "a smallest fill asks for all",
            "can_trade(book, taker, last, prevention, smallest)",
            "can_trade(book, taker, last, prevention, taker.leaves_lots)",
        ),
        ("DECREMENT does not hold up a FOK order", "elif prevention != CANCEL_OLDEST:", "elif prevention < CANCEL_OLDEST:"),
        ("what is hidden before its own counts", "return shown, True", "return everything, True"),
        (
            "DECREMENT takes all of the maker",
            "both = min(taker.leaves_lots, maker.leaves_lots) if prevention == DECREMENT else",
            "both =",
        ),
        ("DECREMENT leaves the taker's quantity", "        taker.quantity_lots -= both\n", ""),
        (
            "only an account's own orders are its group's",
            "maker.self_trade_group == taker.self_trade_group",
            "maker.account == taker.account",
        ),
        ("a level has a row where nothing happened", "if state.sequence > sequence:", "if True:"),
    ),
    *_in(
        "entering.py",
        ("a post-only of no kind is taken", "life > AT_THE_OPEN or post_only > SLIDE or", "life > AT_THE_OPEN or"),
        (
            "an order that does not end has an end",
            "(life == GTD) != (command.expire_time_ns > 0)",
            "(life == GTD and command.expire_time_ns == 0)",
        ),
        ("a stop may be IOC", " or (kind == STOP and life in (IOC, FOK))", ""),
        (
            "a post-only order has a smallest fill",
            " or kind != LIMIT or command.min_quantity_lots != 0)",
            " or kind != LIMIT)",
        ),
        ("all of an order is no smallest fill", "smallest > quantity", "smallest >= quantity"),
        (
            "an iceberg has a part too few",
            "quantity <= MAX_ICEBERG_PARTS * display",
            "quantity < MAX_ICEBERG_PARTS * display",
        ),
        (
            "the highest price is beyond the band",
            "price < state.min_price_ticks or price > state.max_price_ticks",
            "price < state.min_price_ticks or price >= state.max_price_ticks",
        ),
        (
            "the lowest stop price is beyond the band",
            "price < book.state.min_price_ticks",
            "price <= book.state.min_price_ticks",
        ),
        ("an order that slides would take", "takes_at(book, side, slid)", "takes_at(book, side, price)"),
        (
            "stops need no room",
            "state.order_count + state.stop_count >= state.max_orders",
            "state.order_count >= state.max_orders",
        ),
        (
            "a book has a refill too few",
            "command.quantity_lots // display > MAX_REFILLS",
            "command.quantity_lots // display >= MAX_REFILLS",
        ),
        (
            "an order may end as it comes",
            "command.expire_time_ns <= command.time_ns",
            "command.expire_time_ns < command.time_ns",
        ),
        ("an amendment may take a name", "command.serial != command.target_serial and find_slot", "False and find_slot"),
        ("a stop may become post-only", "if command.post_only != 0 and is_stop(order):", "if False:"),
        ("an amended iceberg has any number of parts", "quantity > MAX_ICEBERG_PARTS * order.display_lots:", "False:"),
        (
            "an amended iceberg has any number of refills",
            "state.refills + quantity // order.display_lots > MAX_REFILLS",
            "False",
        ),
        (
            "BOOK_FULL comes before DUPLICATE_ORDER_ID",
            "    if find_slot(book.orders, book.names, command.account, command.serial) != 0:\n",
            (
                "    if why_no_room(book, command) != UNSPECIFIED:\n        return BOOK_FULL\n"
                "    if find_slot(book.orders, book.names, command.account, command.serial) != 0:\n"
            ),
        ),
    ),
    *_in(
        "kernel.py",
        (
            "who names no group is in one with all such",
            "command.self_trade_group if command.self_trade_group != 0 else command.account",
            "command.self_trade_group",
        ),
        (
            "a stop does not expire",
            "        add_stop(book, slot)\n        set_expiry(book, slot)\n",
            "        add_stop(book, slot)\n",
        ),
        (
            "a triggered stop gives no quote",
            "    settle(book, slot, last)\n    add_quote(book)\n",
            "    settle(book, slot, last)\n",
        ),
        ("the end of a stop has a level's row", "    if rests:\n", "    if True:\n"),
        ("an amendment to more keeps its place", "if slid == old_price and leaves <= before:", "if slid == old_price:"),
        (
            "an amendment brings back what has traded",
            "leaves = before - (order.quantity_lots - quantity)",
            "leaves = quantity",
        ),
        ("a mass cancel takes stops of both sides", " and command.side in (0, int64(order.side)):", ":"),
        ("a mass cancel of no side is of none", "UNKNOWN_ORDER if command.side <= SELL else INVALID_SIDE", "UNKNOWN_ORDER"),
        ("an order outlives its time by a command", "if 0 < next_expiry(book) <= (", "if 0 < next_expiry(book) < ("),
        ("refills need no rows", "rows_a_maker * level.order_count + 2 * level.refills", "rows_a_maker * level.order_count"),
        (
            "a full heap of sell stops is not seen",
            "if is_stop(command) and command.side != BUY",
            "if False and command.side != BUY",
        ),
    ),
)
