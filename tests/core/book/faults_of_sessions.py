"""Faults in how trading stops and begins: sessions, auctions, price bands, and the days of an instrument."""

from typing import Final

SESSIONS: Final = {
    "sessions.py": (
        ("an auction has bands", "    if state.session == CONTINUOUS:\n", "    if True:\n"),
        (
            "before the first trade the dynamic band is around nothing",
            "int64(state.last_price_ticks) if state.last_price_ticks != 0 else reference",
            "int64(state.last_price_ticks)",
        ),
        (
            "the static band is as wide as the last trade is high",
            "width = reference * state.static_band_ppm",
            "width = last * state.static_band_ppm",
        ),
        (
            "the static band is around the last trade",
            "max(lower, reference - width), min(upper, reference + width)",
            "max(lower, last - width), min(upper, last + width)",
        ),
        (
            "the dynamic band is around the reference",
            "max(lower, last - width), min(upper, last + width)",
            "max(lower, reference - width), min(upper, reference + width)",
        ),
        (
            "the dynamic band widens the static one",
            "max(lower, last - width), min(upper, last + width)",
            "last - width, last + width",
        ),
        (
            "a band is rounded up",
            "width = reference * state.static_band_ppm // MILLION",
            "width = -(-reference * state.static_band_ppm // MILLION)",
        ),
        (
            "a band does not follow the trades of a batch",
            "    if book.state.dynamic_band_ppm != 0:\n        renew_edges(book)\n",
            "",
        ),
        (
            "a band does not follow the auction",
            "    state.session, state.session_end_ns = session, end_ns\n    renew_edges(book)\n",
            "    state.session, state.session_end_ns = session, end_ns\n",
        ),
        ("an end is later than all time", "LAST_NS if time_ns > LAST_NS - lasts_ns else max", "max"),
        ("an end at no time is none", "max(time_ns + lasts_ns, int64(1))", "time_ns + lasts_ns"),
        (
            "nothing changes by itself where one of two does",
            "    if state.session_end_ns == 0 or state.scheduled_ns == 0:\n",
            "    if False:\n",
        ),
        (
            "the later change is the next",
            "return int64(min(state.session_end_ns, state.scheduled_ns))",
            "return int64(max(state.session_end_ns, state.scheduled_ns))",
        ),
        (
            "the closing auction does not uncross",
            "(session == CONTINUOUS or (state.session == CLOSING_AUCTION and session == CLOSED))",
            "session == CONTINUOUS",
        ),
        (
            "each close uncrosses",
            "(session == CONTINUOUS or (state.session == CLOSING_AUCTION and session == CLOSED))",
            "session in (CONTINUOUS, CLOSED)",
        ),
        (
            "the end of each closing auction uncrosses",
            "(state.session == CLOSING_AUCTION and session == CLOSED)",
            "state.session == CLOSING_AUCTION",
        ),
        ("what is left at the open stays", "        drop_at_the_open(book)\n", ""),
        (
            "a command keeps the end of the state before",
            "state.session, state.session_end_ns = session, end_ns\n",
            "state.session, state.session_end_ns = session, end_ns or state.session_end_ns * (reason != SCHEDULED)\n",
        ),
        ("the volume of a day goes on", "if state.session == CLOSED and session != CLOSED:", "if False:"),
        (
            "the closing auction is of no day",
            "if state.session == CLOSED and session != CLOSED:",
            "if session == CLOSED:",
        ),
        ("a change does not say to what", "    row.session_state = session\n", ""),
        ("each command after a halt halts", "    state.halting = 0\n", ""),
        (
            "a halt lasts as an auction",
            "end_after(state.time_ns, state.halt_ns)",
            "end_after(state.time_ns, state.auction_ns)",
        ),
        ("a halt has no end", "HALTED, end_after(state.time_ns, state.halt_ns), PRICE_BAND", "HALTED, NONE, PRICE_BAND"),
        (
            "a closing auction has no end",
            "may_end = session in (HALTED, OPENING_AUCTION, CLOSING_AUCTION)",
            "may_end = session in (HALTED, OPENING_AUCTION)",
        ),
        ("any state may end", "end_ns < 0 or (end_ns != 0 and not may_end)", "end_ns < 0"),
        (
            "a state may end as it begins",
            "end_ns != 0 and end_ns <= command.time_ns",
            "end_ns != 0 and end_ns < command.time_ns",
        ),
        ("a state that there is none of is set", "session == 0 or session > CLOSED or", "session == 0 or"),
        (
            "an end comes before an entry of its time",
            "if time_ns == state.scheduled_ns:",
            "if time_ns == state.scheduled_ns and time_ns != state.session_end_ns:",
        ),
        ("a change is at the time of the command before", "    state.time_ns = max(state.time_ns, time_ns)\n", ""),
        ("a halt ends in trading", "    elif state.session == HALTED:\n", "    elif False:\n"),
        (
            "the auction after a halt has no end",
            "change_session(book, OPENING_AUCTION, end_after(time_ns, state.auction_ns)",
            "change_session(book, OPENING_AUCTION, NONE",
        ),
        ("a closing auction ends in trading", "CONTINUOUS if state.session == OPENING_AUCTION else CLOSED", "CONTINUOUS"),
        ("a change by itself gives no quote", "SCHEDULED, NONE, NONE)\n    conclude(book)\n", "SCHEDULED, NONE, NONE)\n"),
    ),
    "auction.py": (
        (
            "orders at one price do not cross",
            ">= price_at(book, int64(state.best_ask)))",
            "> price_at(book, int64(state.best_ask)))",
        ),
        (
            "what is hidden has no part in an auction",
            "book.levels[index].quantity_lots + book.levels[index].hidden_lots",
            "book.levels[index].quantity_lots",
        ),
        (
            "a bid at the lowest ask does not count",
            "while next_level(book, bid) <= last_bid:",
            "while next_level(book, bid) < last_bid:",
        ),
        (
            "the surplus is not looked at",
            "\n        if there > volume or (there == volume and abs(left) < abs(surplus)):",
            "\n        if there > volume:",
        ),
        (
            "the surplus comes before the volume",
            "\n        if there > volume or (there == volume and abs(left) < abs(surplus)):",
            "\n        if volume == 0 or abs(left) < abs(surplus):",
        ),
        (
            "of equals the highest is the lowest",
            "\n        if there > volume or (there == volume and abs(left) < abs(surplus)):",
            "\n        if there > volume or (there == volume and abs(left) <= abs(surplus)):",
        ),
        (
            "a surplus of sellers is another one",
            "\n        if there == volume and abs(left) == abs(surplus):",
            "\n        if there == volume and left == surplus:",
        ),
        ("a level is no end of the best prices", "            high = following - 1\n", "            high = at\n"),
        ("the best prices have no end", "            high = following - 1\n", "            pass\n"),
        ("a bid counts at the price behind it", "if bid_price + 1 == at:", "if bid_price + 2 == at:"),
        (
            "the best prices begin one too late",
            "volume, surplus, low = there, left, at",
            "volume, surplus, low = there, left, at + 1",
        ),
        ("the best prices end at the next", "high = following - 1", "high = following"),
        (
            "the reference above is no matter",
            "price = min(max(int64(state.reference_price_ticks), low), high)",
            "price = low",
        ),
        (
            "the reference below is no matter",
            "price = min(max(int64(state.reference_price_ticks), low), high)",
            "price = high",
        ),
        (
            "the surplus is that of the lowest price",
            "return price, volume, surplus_at(book, price)",
            "return price, volume, surplus",
        ),
        (
            "the surplus does not count the level at the price",
            "last = int64(0), own_index(book, BUY, price)",
            "last = int64(0), own_index(book, BUY, price) - 1",
        ),
        (
            "asks are told before bids",
            "(int64(state.best_bid), int64(state.best_ask)):\n        index, left",
            "(int64(state.best_ask), int64(state.best_bid)):\n        index, left",
        ),
        (
            "levels are told of as far as they show",
            "left -= level_lots(book, index)",
            "left -= book.levels[index].quantity_lots",
        ),
        (
            "levels are told of as they were",
            "    for at in range(rows, state.depth):\n",
            "    for at in range(rows, rows):\n",
        ),
        (
            "an auction is no last trade",
            "state.last_price_ticks = state.reference_price_ticks = price",
            "state.reference_price_ticks = price",
        ),
        (
            "an auction is no reference",
            "state.last_price_ticks = state.reference_price_ticks = price",
            "state.last_price_ticks = price",
        ),
        ("an auction is no volume", "    state.session_volume_lots += volume\n", ""),
        ("the newest bid trades first", "book.levels[state.best_bid].head", "book.levels[state.best_bid].tail"),
        ("the newest ask trades first", "book.levels[state.best_ask].head", "book.levels[state.best_ask].tail"),
        (
            "icebergs trade all at once",
            "min(shown_lots(book, bid), shown_lots(book, ask))",
            "min(int64(bid.leaves_lots), int64(ask.leaves_lots))",
        ),
        ("an auction has an aggressor", "bid.order_id, NONE, price", "bid.order_id, BUY, price"),
        ("the seller has the order of the buyer", "row.maker_order_id = ask.order_id", "row.maker_order_id = bid.order_id"),
        ("the seller has nothing left", "        row.maker_leaves_lots = ask.leaves_lots\n", ""),
        (
            "the seller is refilled first",
            "for slot in (buyer, seller):\n            after_trade",
            "for slot in (seller, buyer):\n            after_trade",
        ),
        (
            "what is left of asks stays",
            "for first in (int64(state.best_bid), int64(state.best_ask)):\n        index = first",
            "for first in (int64(state.best_bid),):\n        index = first",
        ),
        (
            "what is left at the open has no price",
            "take_off(book, order, price_at(book, index), int64",
            "take_off(book, order, 0, int64",
        ),
        (
            "what is left at the open is requested",
            "int64(order.leaves_lots), AUCTION_REMAINDER)",
            "int64(order.leaves_lots), UNSPECIFIED)",
        ),
    ),
    "schedule.py": (
        ("an entry holds a moment too late", "if at_ns <= time_ns % NS_PER_DAY", "if at_ns < time_ns % NS_PER_DAY"),
        ("a day begins with its first entry", "begun[-1] if begun else times[-1][1]", "begun[-1] if begun else times[0][1]"),
        ("the first entry of today holds", "begun[-1] if begun", "begun[0] if begun"),
        ("a day is left out", "(day_ns + NS_PER_DAY + at_ns, state)", "(day_ns + 2 * NS_PER_DAY + at_ns, state)"),
        ("the day after begins with its last entry", "in times[:1]]", "in times[-1:]]"),
        ("the entries of a day are left out", "(*today, *tomorrow)", "tomorrow"),
        ("an entry comes after all time", "if change[0] <= LAST_NS]", "]"),
        (
            "a book without times begins closed",
            "    if not times:\n        return SessionState.CONTINUOUS\n",
            "    if not times:\n        return SessionState.CLOSED\n",
        ),
    ),
    "book.py": (
        (
            "a closing auction has no price yet",
            "(SessionState.OPENING_AUCTION, SessionState.CLOSING_AUCTION)",
            "(SessionState.OPENING_AUCTION,)",
        ),
        (
            "a book begins in the state of midnight",
            "state_at(self._rules.sessions, start_ns)",
            "state_at(self._rules.sessions, 0)",
        ),
        (
            "what comes next is that of the first day",
            "        self._schedule_after(start_ns)\n",
            "        self._schedule_after(0)\n",
        ),
        (
            "the end of the session is not due",
            '[int(counters["session_end_ns"][0]), int(counters["scheduled_ns"][0])]',
            '[int(counters["scheduled_ns"][0])]',
        ),
    ),
    "entering.py": (
        ("an order at the open is an iceberg", "life not in (IOC, FOK, AT_THE_OPEN)", "life not in (IOC, FOK)"),
        ("an order at the open has a smallest fill", "(post_only != 0 or life == AT_THE_OPEN)", "post_only != 0"),
        (
            "a stop waits for the open",
            "    if is_stop(command) and life == AT_THE_OPEN:\n        return INVALID_TERMS\n",
            "",
        ),
        (
            "a closing auction takes orders at the open",
            "session in (PRE_OPEN, OPENING_AUCTION) else MARKET_CLOSED",
            "session in (PRE_OPEN, OPENING_AUCTION, CLOSING_AUCTION) else MARKET_CLOSED",
        ),
        (
            "orders at the open come at any time",
            "return UNSPECIFIED if session in (PRE_OPEN, OPENING_AUCTION) else MARKET_CLOSED",
            "return UNSPECIFIED",
        ),
        ("a halt takes orders", "    if session in (HALTED, CLOSED):\n", "    if session == CLOSED:\n"),
        ("a stop is not collected", "    if is_stop(command):\n        return UNSPECIFIED\n", ""),
        ("market orders are collected", "if command.order_type == MARKET or life in (IOC, FOK):", "if life in (IOC, FOK):"),
        (
            "orders that do not rest are collected",
            "if command.order_type == MARKET or life in (IOC, FOK):",
            "if command.order_type == MARKET:",
        ),
        (
            "post-only orders are collected",
            "if command.post_only != 0 or command.min_quantity_lots != 0 else",
            "if command.min_quantity_lots != 0 else",
        ),
        (
            "a buy order at the edge is beyond it",
            "price > state.upper_edge_ticks if side",
            "price >= state.upper_edge_ticks if side",
        ),
        (
            "a sell order at the edge is beyond it",
            "else price < state.lower_edge_ticks)",
            "else price <= state.lower_edge_ticks)",
        ),
        (
            "the edges of the sides are the same",
            "else price < state.lower_edge_ticks)",
            "else price > state.upper_edge_ticks)",
        ),
        ("a band that halts rejects", "        and state.band_action != HALT\n", ""),
        ("a band that says nothing does not reject", "and state.band_action != HALT\n", "and state.band_action == 1\n"),
        ("a stop limit order is rejected for a band", "banded = command.order_type == LIMIT\n", "banded = True\n"),
        (
            "an amended stop limit order is refused for a band",
            "banded = order.order_type == LIMIT and price",
            "banded = price",
        ),
        (
            "an order beyond a band may not keep its price",
            "banded = order.order_type == LIMIT and price != price_at(book, int64(order.level))",
            "banded = order.order_type == LIMIT",
        ),
        (
            "a band comes after what would take",
            "    if post_only != 0 and takes_at(book, side, slid):\n        return WOULD_TAKE\n    # price",
            "    # price",
        ),
        ("a post-only amendment is collected", "(state.session != CONTINUOUS and command.post_only != 0)", "False"),
        ("orders are amended in a halt", "if state.session in (HALTED, CLOSED) or", "if state.session == CLOSED or"),
        (
            "a market order at the open is given a price",
            "if order.order_type in (STOP, MARKET):",
            "if order.order_type == STOP:",
        ),
    ),
    "taking.py": (
        ("bands stop nothing", "within = min(last, edge_index(book, side))", "within = last"),
        (
            "an order trades up to the edge of the other side",
            "state.upper_edge_ticks if side == BUY else state.lower_edge_ticks)",
            "state.lower_edge_ticks if side == BUY else state.upper_edge_ticks)",
        ),
        (
            "an order trades a tick beyond the edge",
            "state.upper_edge_ticks if side == BUY else state.lower_edge_ticks)",
            "state.upper_edge_ticks + 1 if side == BUY else state.lower_edge_ticks - 1)",
        ),
        (
            "fill-or-kill counts what lies beyond a band",
            "can_trade(book, side, group, within, prevention, needed)",
            "can_trade(book, side, group, last, prevention, needed)",
        ),
        (
            "fill-or-kill halts",
            "    if needed > 0 and not can_trade(",
            (
                "    if state.band_action == HALT and within < last and takes_within(book, side, last):\n"
                "        state.halting = 1\n    if needed > 0 and not can_trade("
            ),
        ),
        (
            "an order that ends at its own halts",
            "price, prevention):\n        return SELF_TRADE\n",
            (
                "price, prevention):\n        state.halting = int64(state.band_action == HALT and within < last)\n"
                "        return SELF_TRADE\n"
            ),
        ),
        ("an order that is filled at the edge halts", "    if order.leaves_lots == 0:\n        return UNSPECIFIED\n", ""),
        (
            "an order halts that meets nothing beyond the edge",
            "stopped = within < last and takes_within(book, side, last)",
            "stopped = within < last",
        ),
        ("a band that rejects halts", "    if stopped and halts:\n", "    if stopped:\n"),
        ("a band that halts does not", "        state.halting = 1\n", "        pass\n"),
        (
            "what is left of a market order is told of no band",
            "return NO_LIQUIDITY if best_of_other(book, side) == NO_LEVEL else PRICE_BAND",
            "return NO_LIQUIDITY",
        ),
        ("what is left where a band halts goes", "    if stopped and not halts:\n", "    if stopped:\n"),
        ("what is left where a band rejects stays", "    if stopped and not halts:\n", "    if False:\n"),
        (
            "each trade moves the static band",
            "    state.last_price_ticks = price\n",
            "    state.last_price_ticks = state.reference_price_ticks = price\n",
        ),
    ),
    "kernel.py": (
        (
            "orders that are collected trade",
            "if command.post_only == 0 and state.session == CONTINUOUS:",
            "if command.post_only == 0:",
        ),
        (
            "a market order at the open stands last",
            "state.max_price_ticks if side == BUY else book.state.min_price_ticks",
            "state.min_price_ticks if side == BUY else book.state.max_price_ticks",
        ),
        ("a triggered stop does not halt", "    if book.state.halting != 0:\n        halt(book)\n", ""),
        ("a command does not halt", "    if state.halting != 0:\n        halt(book)\n", ""),
        (
            "a halt comes after the quote",
            "    if state.halting != 0:\n        halt(book)\n    conclude(book)\n",
            "    conclude(book)\n    if state.halting != 0:\n        halt(book)\n",
        ),
        (
            "amended orders that are collected trade",
            "    if state.session == CONTINUOUS:\n        come_anew",
            "    if True:\n        come_anew",
        ),
        ("a book begins with no edges", "        renew_edges(book)\n", ""),
        ("the session changes before an order of that time expires", "expiry_ns <= change_ns)", "expiry_ns < change_ns)"),
        (
            "expiries wait for the change of the session",
            "and (change_ns == 0 or expiry_ns <= change_ns)",
            "and change_ns == 0",
        ),
        ("a change comes after a command of its time", "if 0 < change_ns <= due_ns:", "if 0 < change_ns < due_ns:"),
        ("an end is no matter of time", "state.session_end_ns != 0 or state.scheduled_ns != 0", "state.scheduled_ns != 0"),
        (
            "an entry is no matter of time",
            "or state.session_end_ns != 0 or state.scheduled_ns != 0",
            "or state.session_end_ns != 0",
        ),
        (
            "the second entry of a day is to none",
            "return bool(book.state.scheduled_ns != 0 and book.state.scheduled_state == 0)",
            "return False",
        ),
        ("a session is set at no time", "    elif command.kind == SET_SESSION:\n        set_session(book, command)\n", ""),
        ("an expiry needs no room", "if not has_rows(book, 1, 1):", "if not has_rows(book, 0, 1):"),
        ("a change by itself needs no room", "if not has_room_to_change(book):", "if False:"),
    ),
    "queues.py": (("orders at the open are not counted", "        state.at_the_open_count += 1\n", "        pass\n"),),
    "output.py": (("an auction is quoted", "    if state.session == CONTINUOUS:\n", "    if True:\n"),),
    "stops.py": (
        (
            "stops are triggered in an auction",
            "if state.stop_count == 0 or state.session != CONTINUOUS:",
            "if state.stop_count == 0:",
        ),
    ),
}
