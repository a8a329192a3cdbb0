"""Faults in where orders stand: levels, slots, terms, names, heaps, and the room that there must be."""

from typing import Final

MEMORY: Final = {
    "occupancy.py": (
        (
            "the third tier is not set",
            "book.bitmap[book.state.tier2 + (word >> 6)] |= ONE << (np.uint64(word) & WORD)",
            "pass",
        ),
        ("a word that is not zero is cleared above", "if book.bitmap[word] != ZERO:", "if False:"),
        ("an upper word that is not zero is cleared above", "if book.bitmap[upper] != ZERO:", "if False:"),
        (
            "the asks follow the worst bid",
            "return NO_LEVEL if index < book.state.span <= following else following",
            "return following",
        ),
        ("the lowest ask follows the worst bid", "< book.state.span <= following", "< book.state.span < following"),
        ("the level beside is left out", "next_bit(book, index + 1)", "next_bit(book, index + 2)"),
        ("the last word of the third tier is left out", "word == book.state.tier_end:", "word == book.state.tier_end - 1:"),
        ("the next word of the third tier is misplaced", "index = (word - book.state.tier2) << 6\n", "index = word << 6\n"),
        ("the level before is its own", "    index -= 1\n", ""),
        (
            "the previous word of the third tier is misplaced",
            "index = ((word - book.state.tier2) << 6) + 63",
            "index = (word - book.state.tier2) << 6",
        ),
        (
            "the previous word is misplaced",
            "index = ((index - int64(leading_zeros(bits))) << 6) + 63\n    return",
            "index = (index - int64(leading_zeros(bits))) << 6\n    return",
        ),
    ),
    "queues.py": (
        (
            "a sell order rests a tick higher",
            "price if side == BUY else state.span + price - state.min_price_ticks)",
            "price if side == BUY else state.span + price - state.min_price_ticks + 1)",
        ),
        (
            "a sell order takes a tick lower",
            "state.min_price_ticks if side == BUY else state.max_price_ticks - price)",
            "state.min_price_ticks if side == BUY else state.max_price_ticks - price + 1)",
        ),
        (
            "a buy order takes only below its price",
            "int64(state.span + price - state.min_price_ticks if side",
            "int64(state.span + price - state.min_price_ticks - 1 if side",
        ),
        ("the lowest ask has the price of a bid", "index if index < state.span else", "index if index <= state.span else"),
        ("slot 0 is given back", "    if slot != 0:\n        order =", "    if True:\n        order ="),
        ("terms are never given back", "        if order.terms != 0:\n", "        if False:\n"),
        ("the free terms are not linked", "    book.terms[order.terms].next = state.free_terms\n", ""),
        ("a group alone is no terms", "if group == 0 and display == 0", "if display == 0"),
        ("a name outlives its order", "    remove_name(book, slot)\n    give_back", "    give_back"),
        (
            "what is hidden is shown",
            "return int64(order.leaves_lots - book.terms[order.terms].hidden_lots)",
            "return int64(order.leaves_lots)",
        ),
        ("who has no group is in one with all such", "return group if group != 0 else int64(order.account)", "return group"),
        (
            "the newest bid is the best",
            "state.best_bid = min(state.best_bid, int64(order.level))",
            "state.best_bid = order.level",
        ),
        (
            "the newest ask is the best",
            "state.best_ask = min(state.best_ask, int64(order.level))",
            "state.best_ask = order.level",
        ),
        ("a level does not count what its icebergs hide", "            level.hidden_lots += terms.hidden_lots\n", ""),
        (
            "the newest is first",
            (
                "    order.previous = level.tail\n    order.next = 0\n    if level.tail == 0:\n        level.head = slot\n"
                "    else:\n        book.state.slots_touched += 1\n        book.orders[level.tail].next = slot\n"
                "    level.tail = slot\n"
            ),
            (
                "    order.previous = 0\n    order.next = level.head\n    if level.head == 0:\n        level.tail = slot\n"
                "    else:\n        book.orders[level.head].previous = slot\n    level.head = slot\n"
            ),
        ),
        (
            "the last part of an iceberg is no refill",
            "(terms.hidden_lots + terms.display_lots - 1) // terms",
            "terms.hidden_lots // terms",
        ),
        ("refills are counted of the level alone", "    book.state.refills += more\n", ""),
        ("what is shown goes first", "max(int64(0), leaves - shown)", "min(terms.hidden_lots, leaves - 1)"),
        ("a smaller iceberg has its refills still", "        count_refills(book, level, refills_of(terms) - before)\n", ""),
        ("a refilled order keeps its place", "if level.tail != slot:", "if False:"),
        ("refills of an order that left are counted", "        count_refills(book, level, -refills_of(terms))\n", ""),
        ("an empty level is marked as occupied", "        clear_bit(book, int64(order.level))\n", ""),
    ),
    "names.py": (
        (
            "a name is removed without closing its hole",
            "if ((probe - (entry >> 32)) & mask) >= ((probe - hole) & mask):",
            "if False:",
        ),
        ("a hole is closed with a name at home", ">= ((probe - hole) & mask):", ">= 0:"),
        ("a hole that was filled is not the next", "            hole = probe\n", ""),
        ("a chain of names does not wrap", "(probe + 1) & mask\n    names[probe]", "probe + 1\n    names[probe]"),
        (
            "the first slot loses its name in a larger pool",
            "range(1, book.state.fresh_slot)",
            "range(2, book.state.fresh_slot)",
        ),
        (
            "a name is looked for in one place",
            "                return slot\n        probe",
            "                return slot\n        break\n        probe",
        ),
    ),
    "heaps.py": (
        (
            "the next order in a slot takes over its entry",
            "order.order_id == entry.order_id and order.leaves_lots > 0",
            "order.leaves_lots > 0",
        ),
        (
            "an order that is gone is still due",
            "order.order_id == entry.order_id and order.leaves_lots > 0",
            "order.order_id == entry.order_id",
        ),
        ("of equals the newest comes first", "left.order_id < right.order_id", "left.order_id > right.order_id"),
        ("a swept heap is not in order", "range(kept // 2 - 1, -1, -1)", "range(0)"),
        ("a swept heap loses its first", "swap(heap, kept, index)", "swap(heap, 0, index)"),
        (
            "the second child is not looked at",
            "for child in (2 * index + 1, 2 * index + 2):",
            "for child in (2 * index + 1,):",
        ),
        ("a new entry stays at the end", "    sift_up(heap, count)\n", ""),
    ),
    "room.py": (
        (
            "a cancel needs no row",
            "if command.kind == CANCEL:\n        return has_rows(book, 1, 1)",
            "if command.kind == CANCEL:\n        return has_rows(book, 0, 1)",
        ),
        (
            "a cancel needs no row of depth",
            "if command.kind == CANCEL:\n        return has_rows(book, 1, 1)",
            "if command.kind == CANCEL:\n        return has_rows(book, 1, 0)",
        ),
        (
            "an iceberg needs no terms",
            "elif command.self_trade_group == 0 and command.display_lots == 0:",
            "elif command.self_trade_group == 0:",
        ),
        (
            "a group needs no terms",
            "elif command.self_trade_group == 0 and command.display_lots == 0:",
            "elif command.display_lots == 0:",
        ),
        ("terms need no room", "    if state.free_terms == 0:\n", "    if False:\n"),
        (
            "a full heap of expiries is not seen",
            "if command.expire_time_ns != 0 and state.expiries ==",
            "if False and state.expiries ==",
        ),
        (
            "a full heap of sell stops is not seen",
            "if is_stop(command) and command.side != BUY",
            "if False and command.side != BUY",
        ),
        (
            "a new order that is refused needs no row",
            "if will_be_refused(book, price, quantity):\n        return has_rows(book, 1, 0)",
            "if will_be_refused(book, price, quantity):\n        return has_rows(book, 0, 0)",
        ),
        ("a new order that meets nothing has one row", "return has_rows(book, 3, 1)", "return has_rows(book, 1, 1)"),
        ("a new order that meets nothing has no row of depth", "return has_rows(book, 3, 1)", "return has_rows(book, 3, 0)"),
        (
            "a mass cancel has no row where it finds nothing",
            "has_rows(book, state.order_count + state.stop_count + 1,",
            "has_rows(book, state.order_count + state.stop_count,",
        ),
        (
            "a mass cancel needs no room for stops",
            "has_rows(book, state.order_count + state.stop_count + 1,",
            "has_rows(book, state.order_count + 1,",
        ),
        (
            "an owner that is gone has one row",
            "command.kind in (MASS_CANCEL, OWNER_GONE):",
            "command.kind == MASS_CANCEL:",
        ),
        ("a mass cancel meets one level", "state.stop_count + 1, state.order_count + 1)", "state.stop_count + 1, 1)"),
        (
            "another command that is refused needs no row",
            "command.kind != AMEND or will_be_refused(book, price, quantity):\n        return has_rows(book, 1, 0)",
            "command.kind != AMEND or will_be_refused(book, price, quantity):\n        return has_rows(book, 0, 0)",
        ),
        ("an amendment at its price needs no row", "return has_rows(book, 3, 2)", "return has_rows(book, 0, 2)"),
        ("an amendment at its price needs no row of depth", "return has_rows(book, 3, 2)", "return has_rows(book, 3, 0)"),
        ("an amended order meets nothing", "max(quantity, int64(order.quantity_lots))", "int64(0)"),
        (
            "an amended order meets what it is now",
            "max(quantity, int64(order.quantity_lots))",
            "int64(order.quantity_lots)",
        ),
        (
            "an amended order that keeps its size meets nothing",
            "max(quantity, int64(order.quantity_lots))",
            "quantity",
        ),
        (
            "a triggered order has nothing to prevent",
            "prevention = int64(order.self_trade_prevention)",
            "prevention = int64(0)",
        ),
        (
            "a triggered stop has a price",
            "int64(0) if order.order_type == STOP else price_at",
            "int64(1) if order.order_type == STOP else price_at",
        ),
        (
            "each order has one row",
            "if has_rows(book, 2 * used + 2 * state.refills + 4, used + 2):",
            "if has_rows(book, used + 2 * state.refills + 4, used + 2):",
        ),
        (
            "each refill has one row",
            "if has_rows(book, 2 * used + 2 * state.refills + 4, used + 2):",
            "if has_rows(book, 2 * used + state.refills + 4, used + 2):",
        ),
        ("an order has one row of its own", "2 * state.refills + 4, used + 2):", "2 * state.refills + 1, used + 2):"),
        ("there are no more levels than other orders", "2 * state.refills + 4, used + 2):", "2 * state.refills + 4, used):"),
        (
            "an order that is counted for has one row of its own",
            "needed_executions, needed_depth = int64(4), int64(2)",
            "needed_executions, needed_depth = int64(1), int64(2)",
        ),
        (
            "an order that is counted for has one level of its own",
            "needed_executions, needed_depth = int64(4), int64(2)",
            "needed_executions, needed_depth = int64(4), int64(1)",
        ),
        ("its own orders need one row each", "rows_a_maker = 2 if prevention != 0 else 1", "rows_a_maker = 1"),
        ("refills need no rows", "rows_a_maker * level.order_count + 2 * level.refills", "rows_a_maker * level.order_count"),
        (
            "refills need one row",
            "rows_a_maker * level.order_count + 2 * level.refills",
            "rows_a_maker * level.order_count + level.refills",
        ),
        ("CANCEL_OLDEST ends where the quantity does", "if prevention != CANCEL_OLDEST:", "if True:"),
        (
            "a change of the session has no row",
            "needed_depth = 2 + int64(state.at_the_open_count), 1 +",
            "needed_depth = int64(state.at_the_open_count), 1 +",
        ),
        ("an order at the open has one row", "= 2 + int64(state.at_the_open_count), 1 +", "= int64(2), 1 +"),
        ("an auction needs no room", "    if is_crossed(book):\n", "    if False:\n"),
        ("an auction ends before the last level", "while index <= last:", "while index < last:"),
        (
            "an auction refills nothing",
            "needed_executions += level.order_count + 2 * level.refills\n",
            "needed_executions += level.order_count\n",
        ),
        (
            "rows that were written need no room",
            "needed_executions, needed_depth = state.executions + executions, state",
            "needed_executions, needed_depth = executions, state",
        ),
        ("rows of depth that were written need no room", "executions, state.depth + depth\n", "executions, depth\n"),
    ),
    "state.py": (
        ("larger arrays begin empty", "    longer[: len(rows)] = rows\n", ""),
        ("a larger pool begins empty", "    orders[: len(memory.orders)] = memory.orders\n", ""),
        ("the tiers are made for one side", "tier1 = 2 * span // 64 + 1", "tier1 = span // 64 + 1"),
        (
            "the terms that are new are not free",
            '    memory.counters["free_terms"] = old\n',
            '    memory.counters["free_terms"] = old + 1\n',
        ),
    ),
    "reading.py": (
        ("depth has a level too many", "index != NO_LEVEL and rows < last:", "index != NO_LEVEL and rows <= last:"),
        ("all levels are listed order by order", "            left -= 1\n", ""),
        ("all orders of a level are listed", "last = at + min(most, len(resting) - at)", "last = len(resting)"),
        ("stops are listed with those that rest", "resting, at) if with_stops else at", "resting, at)"),
    ),
    "book.py": (
        (
            "order by order has half of the rows",
            "np.zeros(min(2 * levels * most, self.order_count), RESTING)",
            "np.zeros(min(levels * most, self.order_count), RESTING)",
        ),
        (
            "depth has half of the rows",
            "np.zeros(min(2 * most, self.order_count), DEPTH)",
            "np.zeros(min(most, self.order_count), DEPTH)",
        ),
        ("what is due at the end is done", "max(end_ns, EARLIEST_NS) - 1", "max(end_ns, EARLIEST_NS)"),
        ("fewer levels than none are all", "else max(levels, 0)", "else levels"),
    ),
}
