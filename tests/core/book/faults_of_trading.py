"""Faults in what commands do: what is refused, what an order meets, and what is told of it."""

from typing import Final

TRADING: Final = {
    "entering.py": (
        ("a fill-or-kill order needs a place", "command.time_in_force not in (IOC, FOK))", "command.time_in_force != IOC)"),
        ("a post-only of no kind is taken", "life > AT_THE_OPEN or post_only > SLIDE or", "life > AT_THE_OPEN or"),
        (
            "a prevention of no kind is taken",
            "> DECREMENT:\n        return INVALID_TERMS\n    if command.exp",
            "> DECREMENT + 1:\n        return INVALID_TERMS\n    if command.exp",
        ),
        (
            "an order that does not end has an end",
            "(life == GTD) != (command.expire_time_ns > 0)",
            "(life == GTD and command.expire_time_ns == 0)",
        ),
        ("an order may end before all time", "command.expire_time_ns < 0 or (life", "(life"),
        ("a market order may rest", "(kind == MARKET and life in (GTC, GTD)) or ", ""),
        ("a stop may be IOC", " or (kind == STOP and life in (IOC, FOK))", ""),
        (
            "a post-only order has a smallest fill",
            "(post_only != 0 or life == AT_THE_OPEN)",
            "life == AT_THE_OPEN",
        ),
        ("all of an order is no smallest fill", "smallest > quantity", "smallest >= quantity"),
        ("an iceberg that shows all is none", "display > quantity", "display >= quantity"),
        (
            "an iceberg has a part too few",
            "quantity <= MAX_ICEBERG_PARTS * display",
            "quantity < MAX_ICEBERG_PARTS * display",
        ),
        (
            "the highest price is beyond the limits",
            "price < state.min_price_ticks or price > state.max_price_ticks",
            "price < state.min_price_ticks or price >= state.max_price_ticks",
        ),
        (
            "the lowest stop price is beyond the limits",
            "price < book.state.min_price_ticks",
            "price <= book.state.min_price_ticks",
        ),
        ("an order that slides would take", "takes_at(book, side, slid)", "takes_at(book, side, price)"),
        (
            "the least notional is rounded down",
            "slid <= (state.min_notional - 1) // quantity",
            "slid < state.min_notional // quantity",
        ),
        ("the notional is that before the slide", "slid <= (state.min", "price <= (state.min"),
        (
            "stops need no place",
            "state.order_count + state.stop_count >= state.max_orders",
            "state.order_count >= state.max_orders",
        ),
        ("a book has a refill too few", "command.quantity_lots // display > MAX", "command.quantity_lots // display >= MAX"),
        (
            "the smallest order is too small",
            "command.quantity_lots\n    if quantity < state.min_quantity_lots",
            "command.quantity_lots\n    if quantity <= state.min_quantity_lots",
        ),
        (
            "an order may end as it comes",
            "command.expire_time_ns <= command.time_ns",
            "command.expire_time_ns < command.time_ns",
        ),
        (
            "BOOK_FULL comes before DUPLICATE_ORDER_ID",
            "    if find_hashed(book, command.account, command.serial, hashed) != 0:\n",
            (
                "    if why_no_room(book, command) != UNSPECIFIED:\n        return BOOK_FULL\n"
                "    if find_hashed(book, command.account, command.serial, hashed) != 0:\n"
            ),
        ),
        ("an amendment may take a name", "command.serial != command.target_serial and find_slot", "False and find_slot"),
        ("a stop may become post-only", "if command.post_only != 0 and is_stop(order):", "if False:"),
        ("an amended iceberg has any number of parts", "quantity > MAX_ICEBERG_PARTS * display:", "False:"),
    ),
    "taking.py": (
        (
            "a refill is at the price of the auction",
            "order, price_at(book, index), shown)",
            "order, book.state.last_price_ticks, shown)",
        ),
        (
            "an order does not take at its price",
            "best_of_other(book, side) <= other_index(book, side, price))",
            "best_of_other(book, side) < other_index(book, side, price))",
        ),
        ("a bid slides by two ticks", "best - 1 if side", "best - 2 if side"),
        ("a post-only order that may not slide does", "if post_only != SLIDE or", "if post_only == 0 or"),
        (
            "a slide leaves the prices",
            "slid if state.min_price_ticks <= slid <= state.max_price_ticks else price",
            "slid",
        ),
        (
            "a market order ends before the last price",
            "state.max_price_ticks if side == BUY else state.min_price_ticks)",
            "state.max_price_ticks - 1 if side == BUY else state.min_price_ticks + 1)",
        ),
        (
            "protection is a tick too wide",
            "best + state.market_protection_ticks)",
            "best + state.market_protection_ticks + 1)",
        ),
        (
            "protection is wider than all prices",
            "return min(far, best + state.market_protection_ticks)",
            "return best + state.market_protection_ticks",
        ),
        ("the last level is left out", "return index if index <= last else", "return index if index < last else"),
        (
            "what is hidden is no liquidity",
            "book.levels[index].quantity_lots + book.levels[index].hidden_lots",
            "book.levels[index].quantity_lots",
        ),
        ("a level behind its own counts", "found < needed and not own:", "found < needed:"),
        (
            "a smallest fill asks for all",
            "else int64(smallest)\n",
            "else int64(order.leaves_lots if smallest > 0 else 0)\n",
        ),
        (
            "a fill-or-kill order that has a smallest fill is told of that",
            "return FOK_NOT_FILLED if life == FOK else MIN_QUANTITY",
            "return MIN_QUANTITY if smallest > 0 else FOK_NOT_FILLED",
        ),
        ("DECREMENT does not hold up a FOK order", "elif prevention != CANCEL_OLDEST:", "elif prevention < CANCEL_OLDEST:"),
        ("CANCEL_OLDEST holds up a FOK order", "elif prevention != CANCEL_OLDEST:", "else:"),
        ("what is hidden before its own counts", "return shown, True", "return everything, True"),
        ("what is hidden behind what is shown does not count", "return everything, False", "return shown, False"),
        ("a rest finds no liquidity where there is some", "else PRICE_BAND\n", "else NO_LIQUIDITY\n"),
        (
            "the remainder of an IOC order rests",
            "return IOC_REMAINDER if life == IOC else UNSPECIFIED",
            "return UNSPECIFIED",
        ),
        ("a level keeps what has traded", "    level.quantity_lots -= quantity\n", ""),
        ("a row has no rest of the maker", "    row.maker_leaves_lots = maker.leaves_lots\n", ""),
        ("a trade is no last one", "    state.last_price_ticks = price\n", ""),
        (
            "DECREMENT takes all of the maker",
            "both = min(int64(taker.leaves_lots), leaves) if prevention == DECREMENT else leaves",
            "both = leaves",
        ),
        (
            "CANCEL_OLDEST takes a part of the maker",
            "both = min(int64(taker.leaves_lots), leaves) if prevention == DECREMENT else leaves",
            "both = min(int64(taker.leaves_lots), leaves)",
        ),
        ("DECREMENT leaves the taker's quantity", "        taker.quantity_lots -= both\n", ""),
        ("CANCEL_NEWEST cancels the oldest", "if prevention == CANCEL_NEWEST:", "if False:"),
        ("CANCEL_BOTH goes on", "return bool(prevention == CANCEL_BOTH)", "return False"),
        (
            "only an account's own orders are its group's",
            "group_of(book, maker) == group",
            "maker.account == taker.account",
        ),
        ("a level has a row where nothing happened", "if state.sequence > sequence:", "if True:"),
    ),
    "kernel.py": (
        (
            "a slot keeps the life of the order before",
            "order.self_trade_prevention = side, LIMIT, 0, 0\n",
            "_ = side, LIMIT, 0, 0\n",
        ),
        (
            "a stop limit order forgets its price",
            "order.level = own_index(book, side, price) if price != 0 else 0",
            "order.level = 0",
        ),
        (
            "who names no group is in one with all such",
            "command.self_trade_group if command.self_trade_group != 0 else command.account",
            "command.self_trade_group",
        ),
        ("a stop does not expire", "    if expire_ns != 0:\n", "    if expire_ns != 0 and not is_stop(command):\n"),
        (
            "a triggered stop gives no quote",
            "        halt(book)\n    conclude(book)\n\n\n@compiled\ndef come_anew",
            "        halt(book)\n\n\n@compiled\ndef come_anew",
        ),
        (
            "a triggered stop forgets its group",
            "take(book, slot, group_of(book, order), last",
            "take(book, slot, order.account, last",
        ),
        ("a triggered stop keeps its stop price", "        book.terms[order.terms].stop_price_ticks = 0\n", ""),
        ("the end of a stop has a level's row", "    if rests:\n", "    if True:\n"),
        ("an amendment to more keeps its place", "if slid == old_price and leaves <= before:", "if slid == old_price:"),
        ("an amendment to as much loses its place", "old_price and leaves <= before:", "old_price and leaves < before:"),
        ("an amendment to what has traded leaves nothing", "    if leaves <= 0:\n", "    if leaves < 0:\n"),
        (
            "an amendment brings back what has traded",
            "leaves = before - (order.quantity_lots - quantity)",
            "leaves = quantity",
        ),
        ("an amendment to the same has a row of depth", "        if leaves != before:\n", "        if True:\n"),
        ("an amendment to more has two rows of depth", "    if slid != old_price:\n", "    if True:\n"),
        (
            "another name keeps the hash of the first",
            "order.serial, order.hashed = serial, hash_of(order.account, serial)",
            "order.serial = serial",
        ),
        (
            "the first of the expiries is one that is gone",
            "    state.expiries = drop_dead(book.orders, book.expiries, state.expiries)\n",
            "",
        ),
        (
            "an expiry gives no quote",
            "    end(book, slot, EXPIRED, HAS_EXPIRED)\n    conclude(book)\n",
            "    end(book, slot, EXPIRED, HAS_EXPIRED)\n",
        ),
        ("an expiry is at the time of the command before", "    state.time_ns = max(state.time_ns, time_ns)\n", ""),
        ("a mass cancel takes stops of both sides", " and command.side in (0, int64(order.side)):", ":"),
        ("a mass cancel of no side is of none", "UNKNOWN_ORDER if command.side <= SELL else INVALID_SIDE", "UNKNOWN_ORDER"),
        (
            "an owner that is gone has asked",
            "why = HAS_NO_OWNER if command.kind == OWNER_GONE else REQUESTED",
            "why = REQUESTED",
        ),
        (
            "a mass cancel tells of levels that did not change",
            "            if state.sequence > sequence:\n",
            "            if True:\n",
        ),
        ("an order outlives its time by a command", "if 0 < expiry_ns <= due_ns", "if 0 < expiry_ns < due_ns"),
        (
            "what is due at the end of a window waits",
            "if done < len(commands) else until_ns",
            "if done < len(commands) else until_ns - 1",
        ),
        ("expiries alone are no matter of time", "state.expiries != 0 or state.session_end_ns", "state.session_end_ns"),
    ),
    "output.py": (
        ("a quote is not for the size at the ask", "        and ask_quantity == state.ask_quantity_lots\n", ""),
        (
            "an empty bid is quoted at no price",
            "bid_price, bid_quantity = int64(state.bid_price_ticks), int64(0)",
            "bid_price, bid_quantity = int64(0), int64(0)",
        ),
        (
            "depth shows what is hidden",
            "row.quantity_lots = level.quantity_lots",
            "row.quantity_lots = level.quantity_lots + level.hidden_lots",
        ),
        ("a row keeps the maker of the one before", "    row.maker_leaves_lots = 0\n", ""),
        ("a row keeps the session of the one before", "    row.session_state = 0\n", ""),
        (
            "a refused side is repeated",
            "int64(command.side) if command.side in (BUY, SELL) else NONE",
            "int64(command.side)",
        ),
        ("the lowest ask is told as a bid", "BUY if index < book.state.span", "BUY if index <= book.state.span"),
    ),
    "stops.py": (
        ("a buy stop wants more than its price", "book.buy_stops[0].key <= price", "book.buy_stops[0].key < price"),
        ("a sell stop wants less than its price", "-book.sell_stops[0].key >= price", "-book.sell_stops[0].key > price"),
        (
            "a buy stop looks at the bid",
            "price_at(book, int64(state.best_ask)) if state.best_ask",
            "price_at(book, int64(state.best_bid)) if state.best_bid",
        ),
        ("the farthest sell stop comes first", "state.sell_stops, -price, slot", "state.sell_stops, price, slot"),
        ("the other side's heap loses its top", "if book.orders[slot].side == BUY:", "if book.orders[slot].side != BUY:"),
        ("an empty side triggers sell stops", "if price > 0 and -book", "if -book"),
    ),
}
