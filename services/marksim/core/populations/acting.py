"""When who acts: each population is one stream of moments, of which each belongs to a trader drawn at random.

Of traders who each act at exponential intervals all moments together are a Poisson process, and whose it is does not
depend on when it is. So a moment costs the same whether a population has a thousand traders or a million.
"""

from typing import Any, Final

from marksim.core.book.compiled import compiled, compiled_apart
from marksim.core.book.prefetch import fetch
from marksim.core.book.words import Row, int64
from marksim.core.populations import (
    hawkes,
    imbalance,
    informed,
    liquidity_provider,
    market_maker,
    mean_reversion,
    momentum,
    noise,
    splitters,
    stop_loss,
    zero_intelligence,
)
from marksim.core.populations.dice import U, below, exponential, mixed
from marksim.core.populations.learning import learn
from marksim.core.populations.memory import MOST_SENT
from marksim.core.populations.sending import cancel, has_room_to_send
from marksim.core.populations.words import BUY, FAR_NS, NEVER, SECOND, SELL, Crowd, Population, Trader

NOISE: Final[Any] = int64(1)
ZERO_INTELLIGENCE: Final[Any] = int64(2)
INFORMED: Final[Any] = int64(3)
MOMENTUM: Final[Any] = int64(4)
MEAN_REVERSION: Final[Any] = int64(5)
IMBALANCE: Final[Any] = int64(6)
MARKET_MAKER: Final[Any] = int64(7)
LIQUIDITY_PROVIDER: Final[Any] = int64(8)
HAWKES: Final[Any] = int64(9)
SPLITTERS: Final[Any] = int64(10)
STOP_LOSS: Final[Any] = int64(11)
_MOST: Final[Any] = int64(MOST_SENT)
_LOW = U(0xFFFFFFFF)

_act_noise, _act_zero, _act_informed = noise.act, zero_intelligence.act, informed.act
_act_momentum, _act_reversion, _act_imbalance = momentum.act, mean_reversion.act, imbalance.act
_act_maker, _act_provider, _act_hawkes = market_maker.act, liquidity_provider.act, hawkes.act
_act_splitters, _act_stops = splitters.act, stop_loss.act
_next_hawkes = hawkes.next_arrival


@compiled_apart
def act(crowd: Crowd, population: Population, trader: Trader, now_ns: int, p: Row) -> None:
    """Let one trader do what its population is for."""
    kind = population.behaviour
    if kind == NOISE:
        _act_noise(crowd, population, trader, now_ns, p)
    elif kind == ZERO_INTELLIGENCE:
        _act_zero(crowd, population, trader, now_ns, p)
    elif kind == INFORMED:
        _act_informed(crowd, population, trader, now_ns, p)
    elif kind == MOMENTUM:
        _act_momentum(crowd, population, trader, now_ns, p)
    elif kind == MEAN_REVERSION:
        _act_reversion(crowd, population, trader, now_ns, p)
    elif kind == IMBALANCE:
        _act_imbalance(crowd, population, trader, now_ns, p)
    elif kind == MARKET_MAKER:
        _act_maker(crowd, population, trader, now_ns, p)
    elif kind == LIQUIDITY_PROVIDER:
        _act_provider(crowd, population, trader, now_ns, p)
    elif kind == HAWKES:
        _act_hawkes(crowd, population, trader, now_ns, p)
    elif kind == SPLITTERS:
        _act_splitters(crowd, population, trader, now_ns, p)
    elif kind == STOP_LOSS:
        _act_stops(crowd, population, trader, now_ns, p)


@compiled
def next_moment(crowd: Crowd, population: Population, now_ns: int) -> int:
    """When the population acts next, after now."""
    first = int64(population.first_parameter)
    mean_ns = crowd.parameters[first] * SECOND / population.traders
    if population.behaviour == HAWKES:
        return _next_hawkes(population, now_ns, mean_ns, crowd.parameters[first:])
    return min(now_ns + int64(min(exponential(population) * mean_ns, FAR_NS)) + 1, NEVER)


@compiled
def draw_next(crowd: Crowd, population: Population, now_ns: int) -> None:
    """Say when the population acts next, and who: of many traders hardly one is in a cache, so that it is fetched now."""
    population.next_ns = next_moment(crowd, population, now_ns)
    population.next_trader = population.first_trader + below(population, int64(population.traders))
    fetch(crowd.traders, int64(population.next_trader))


@compiled_apart
def begin(crowd: Crowd) -> None:
    """Let each population have its first moment."""
    for index in range(len(crowd.populations)):
        draw_next(crowd, crowd.populations[index], int64(crowd.state.start_ns))


@compiled
def earliest(crowd: Crowd) -> int:
    """Index of the population that acts first, of equal ones the first; -1 where there is none."""
    found, least = -1, NEVER
    for index in range(len(crowd.populations)):
        if crowd.populations[index].next_ns < least:
            found, least = index, int64(crowd.populations[index].next_ns)
    return found


@compiled
def next_due(crowd: Crowd) -> int:
    """When the next command arrives or a population acts, whichever is first; NEVER where nothing is left to happen."""
    due_ns = NEVER
    if crowd.state.pending > 0:
        due_ns = int64(crowd.heap[0].time_ns)
    for index in range(len(crowd.populations)):
        due_ns = min(due_ns, int64(crowd.populations[index].next_ns))
    if crowd.state.sweep >= 0:
        due_ns = min(due_ns, int64(crowd.state.sweep_ns))
    return due_ns


@compiled_apart
def act_until(crowd: Crowd, end_ns: int) -> bool:
    """Let all populations act whose moment lies before a time. False where room ran out: make some, and call again."""
    while True:
        index = earliest(crowd)
        now_ns = int64(crowd.populations[index].next_ns) if index >= 0 else NEVER
        if crowd.state.sweep >= 0 and crowd.state.sweep_ns <= min(now_ns, end_ns - 1):
            if not sweep(crowd):
                return False
            continue
        if now_ns >= end_ns:
            return True
        population = crowd.populations[index]
        if not has_room_to_send(crowd, _MOST):
            return False
        learn(crowd, population, now_ns)
        trader = int64(population.next_trader)
        if is_withdrawn(crowd, population, trader, now_ns):
            cancel(crowd, population, trader, now_ns, BUY)
            cancel(crowd, population, trader, now_ns, SELL)
        else:
            act(crowd, population, trader, now_ns, crowd.parameters[int64(population.first_parameter) :])
        draw_next(crowd, population, now_ns)


@compiled
def is_withdrawn(crowd: Crowd, population: Population, trader: Trader, now_ns: int) -> bool:
    """Whether a trader has left the market for a while."""
    state = crowd.state
    if population.provides == 0 or state.withdrawal_count == 0:
        return False
    place = int64(mixed(U(population.key) ^ U(trader)) & _LOW)
    for index in range(state.withdrawal_count):
        withdrawal = crowd.withdrawals[index]
        if withdrawal.time_ns <= now_ns < withdrawal.until_ns and place < withdrawal.share:
            return True
    return False


@compiled_apart
def sweep(crowd: Crowd) -> bool:
    """Let all who withdraw cancel what they have, at the time of the withdrawal; False where room ran out."""
    state = crowd.state
    now_ns = int64(state.sweep_ns)
    for index in range(len(crowd.populations)):
        population = crowd.populations[index]
        last = int64(population.first_trader + population.traders)
        if population.provides == 0 or state.sweep >= last:
            continue
        learn(crowd, population, now_ns)
        state.sweep = max(int64(state.sweep), int64(population.first_trader))
        while state.sweep < last:
            if not has_room_to_send(crowd, _MOST):
                return False
            trader = int64(state.sweep)
            if is_withdrawn(crowd, population, trader, now_ns):
                cancel(crowd, population, trader, now_ns, BUY)
                cancel(crowd, population, trader, now_ns, SELL)
            state.sweep += 1
    state.swept += 1
    state.sweep = -1
    if state.swept < state.withdrawal_count:
        state.sweep, state.sweep_ns = 0, crowd.withdrawals[state.swept].time_ns
    return True
