"""What traders learn: the newest tick that has reached them, and what happened to their orders."""

from marksim.core.book.compiled import compiled
from marksim.core.book.prefetch import fetch
from marksim.core.book.words import Index, Row, Table, int64
from marksim.core.populations.dice import drawn
from marksim.core.populations.words import ACCEPTED, BUY, SELL, TRADED, Crowd, Population, Trader

# Ticks.


@compiled
def feed_latency_of(crowd: Crowd, population: Population, number: int) -> int:
    """How long an event takes to a population."""
    first, count = int64(population.first_feed_quantile), int64(population.feed_quantiles)
    return drawn(crowd.quantiles, first, count, population.key, -number)


@compiled
def seen(crowd: Crowd, population: Population, now_ns: int) -> Row:
    """The newest tick that a trader who looks now can have; before the first, the opening one."""
    population.seen += 1
    latency_ns = feed_latency_of(crowd, population, int64(population.seen))
    return crowd.shown[newest_visible(crowd, now_ns, latency_ns) & (len(crowd.shown) - 1)]


@compiled
def newest_visible(crowd: Crowd, now_ns: int, latency_ns: int) -> int:
    """Number of the newest tick that has arrived by now, of those that can be looked back at."""
    shown = crowd.shown
    newest = int64(crowd.state.shown_count) - 1
    # Steps back double until one is far enough, then halve: times ascend, and the newest ticks are the likeliest.
    low, high, step = newest, newest, int64(1)
    oldest = max(newest - len(shown) + 1, int64(0))
    while low > oldest and not is_visible(shown[low & (len(shown) - 1)], now_ns, latency_ns):
        high = low - 1
        low = max(low - step, oldest)
        step *= 2
    while low < high:
        middle = (low + high + 1) >> 1
        if is_visible(shown[middle & (len(shown) - 1)], now_ns, latency_ns):
            low = middle
        else:
            high = middle - 1
    return low


@compiled
def is_visible(tick: Row, now_ns: int, latency_ns: int) -> bool:
    """Whether a tick has arrived by now: after its latency, and not before the end of its window."""
    return bool(tick.end_ns <= now_ns and tick.time_ns + latency_ns <= now_ns)


@compiled
def show(crowd: Crowd, tick: Row, end_ns: int) -> None:
    """Let a tick be the newest."""
    shown = crowd.shown[crowd.state.shown_count & (len(crowd.shown) - 1)]
    crowd.state.shown_count += 1
    shown.sequence, shown.time_ns, shown.tick_number = tick.sequence, tick.time_ns, tick.tick_number
    shown.last_price_ticks = tick.last_price_ticks
    shown.bid_price_ticks, shown.bid_quantity_lots = tick.bid_price_ticks, tick.bid_quantity_lots
    shown.ask_price_ticks, shown.ask_quantity_lots = tick.ask_price_ticks, tick.ask_quantity_lots
    shown.volume_24h_lots, shown.trades_total = tick.volume_24h_lots, tick.trades_total
    shown.volume_total_lots, shown.window_volume_lots = tick.volume_total_lots, tick.window_volume_lots
    shown.session_state, shown.session_volume_lots = tick.session_state, tick.session_volume_lots
    shown.indicative_price_ticks = tick.indicative_price_ticks
    shown.indicative_volume_lots = tick.indicative_volume_lots
    shown.indicative_surplus_lots = tick.indicative_surplus_lots
    shown.end_ns = end_ns
    # The opening tick, which is shown first, has no trade.
    before = crowd.shown[(crowd.state.shown_count - 2) & (len(crowd.shown) - 1)]
    shown.traded = crowd.state.shown_count - 1 if tick.window_volume_lots > 0 else before.traded


# Own orders.


@compiled
def population_of(crowd: Crowd, account: int) -> int:
    """Index of the population that has the account, or -1."""
    for index in range(len(crowd.populations)):
        population = crowd.populations[index]
        if population.account <= account < population.account + population.traders:
            return index
    return -1


@compiled
def has_room_to_note(crowd: Crowd, events: int) -> bool:
    """Whether so many events fit, with both parties of each."""
    return bool(crowd.state.used_notices + 2 * events <= len(crowd.notices))


@compiled
def note_all(crowd: Crowd, executions: Table, count: int, end_ns: int) -> None:
    """Let populations learn of the first rows, each by its latency and not before the end of their window."""
    for index in range(count):
        row = executions[index]
        side = int64(row.side)
        if row.kind == TRADED and side == 0:
            # Of an auction: the account is the buyer's.
            side = BUY
        note(crowd, row, int64(row.account), int64(row.serial), int64(row.leaves_lots), side, end_ns)
        if row.kind == TRADED:
            note(
                crowd, row, int64(row.maker_account), int64(row.maker_serial), int64(row.maker_leaves_lots), 3 - side, end_ns
            )


@compiled
def note(crowd: Crowd, row: Row, account: int, serial: int, leaves: int, side: int, end_ns: int) -> None:
    """Let the owner of one side of an event learn of it."""
    if row.kind == ACCEPTED:
        return
    index = population_of(crowd, account)
    if index < 0:
        return
    population = crowd.populations[index]
    state = crowd.state
    slot = int64(state.free_notice)
    if slot != 0:
        state.free_notice = crowd.notices[slot].next
    else:
        slot = int64(state.used_notices)
        state.used_notices += 1
    notice = crowd.notices[slot]
    visible_ns = max(row.time_ns + feed_latency_of(crowd, population, int64(row.sequence)), end_ns)
    # Nothing overtakes what was sent before it.
    population.visible_ns = max(visible_ns, int64(population.visible_ns))
    notice.visible_ns = population.visible_ns
    notice.trader = population.first_trader + (account - population.account)
    fetch(crowd.traders, int64(notice.trader))
    notice.serial, notice.kind, notice.side = serial, row.kind, side
    notice.price_ticks, notice.quantity_lots, notice.leaves_lots = row.price_ticks, row.quantity_lots, leaves
    notice.next = 0
    if population.first_notice == 0:
        population.first_notice = slot
    else:
        crowd.notices[population.last_notice].next = slot
    population.last_notice = slot


@compiled
def learn(crowd: Crowd, population: Population, now_ns: int) -> None:
    """Let a population take in all that is visible by now."""
    while population.first_notice != 0:
        slot = int64(population.first_notice)
        notice = crowd.notices[slot]
        if notice.visible_ns > now_ns:
            return
        population.first_notice = notice.next
        take_in(crowd, notice)
        notice.next = crowd.state.free_notice
        crowd.state.free_notice = slot


@compiled
def take_in(crowd: Crowd, notice: Row) -> None:
    """Bring a trader up to date with one event of an order."""
    trader = crowd.traders[notice.trader]
    if notice.kind == TRADED:
        lots = int64(notice.quantity_lots if notice.side == BUY else -notice.quantity_lots)
        trader.position_lots += lots
        trader.cash_ticks -= lots * notice.price_ticks
        if trader.plan_lots != 0:
            left = int64(trader.plan_lots) - lots
            # An order cannot be smaller than the instrument's least: what was too much is no plan to go back.
            trader.plan_lots = left if (left > 0) == (trader.plan_lots > 0) else 0
    if trader.bid_serial == notice.serial:
        trader.bid_lots = notice.leaves_lots
        if notice.leaves_lots == 0:
            trader.bid_serial = trader.bid_level = 0
    elif trader.ask_serial == notice.serial:
        trader.ask_lots = notice.leaves_lots
        if notice.leaves_lots == 0:
            trader.ask_serial = trader.ask_level = 0


@compiled
def rests(crowd: Crowd, trader: Trader, side: int) -> bool:
    """Whether something of a trader rests on a side, as far as it knows."""
    row = crowd.traders[trader]
    return bool((row.bid_serial if side == BUY else row.ask_serial) != 0)


@compiled
def is_waiting(crowd: Crowd, trader: Trader) -> bool:
    """Whether a trader who never rests has an order of which it does not know yet what became of it."""
    return rests(crowd, trader, BUY) or rests(crowd, trader, SELL)


@compiled
def price_of_rest(crowd: Crowd, trader: Trader, side: int) -> Index:
    """Of what rests there."""
    row = crowd.traders[trader]
    return int64(row.bid_level if side == BUY else row.ask_level) + crowd.state.min_price_ticks
