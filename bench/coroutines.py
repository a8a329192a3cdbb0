"""How often agents of coroutines wake up on one core, and with them the orders that each wake-up sends.

The time is that of the process, so that what else the machine does is not in it.
"""

import time
from typing import Any

import numpy as np

from bench.mixes import BTC
from bench.report import Report
from marksim.core.agents import Market
from marksim.core.agents.latency import constant
from marksim.core.agents.spec import AgentFunction, AgentSpec, Cast
from marksim.core.sim.engine import AsyncTimeEngine, SymbolOutcome
from marksim.core.sim.simulation import Simulation
from marksim.core.types import EXECUTION, ExecutionKind, Records, Side

LOOKAHEAD_NS = 50_000_000
LATENCY_NS = 5_000_000
FAR_BELOW = 4
"""The orders' price is the reference divided by that, so that they rest."""


async def nothing(market: Market, _: Any) -> None:
    """Only wakes up."""
    while True:
        await market.sleep(market.rng.exponential(1.0))


async def a_limit_order(market: Market, _: Any) -> None:
    """The orders pile up in the book."""
    price = market.instrument().reference_price_ticks // FAR_BELOW
    while True:
        await market.sleep(market.rng.exponential(1.0))
        market.limit(Side.BUY, price, 1)


async def an_order_and_a_cancel(market: Market, _: Any) -> None:
    """The order before is cancelled each time."""
    price = market.instrument().reference_price_ticks // FAR_BELOW
    order = market.limit(Side.BUY, price, 1)
    while True:
        await market.sleep(market.rng.exponential(1.0))
        market.cancel(order)
        order = market.limit(Side.BUY, price, 1)


async def an_awaited_order(market: Market, _: Any) -> None:
    """In units, and each awaited: two wake-ups an order."""
    lot, price = float(market.instrument().lot_size), market.quote().last / FAR_BELOW
    while True:
        await market.sleep(market.rng.exponential(1.0))
        order = await market.buy(lot, price)
        market.cancel(order)


AGENTS = (nothing, a_limit_order, an_order_and_a_cancel, an_awaited_order)


def cast_of(agent: AgentFunction, agents: int) -> Cast:
    latency = constant(LATENCY_NS)
    numbers = range(1, agents + 1)
    return Cast(tuple(AgentSpec(n, f"agent-{n}", "bench", (BTC.symbol,), latency, latency, 0, agent) for n in numbers))


def alone(agent: AgentFunction, agents: int, seconds: int) -> tuple[int, int, float]:
    """Wake-ups, orders and CPU seconds of the engine, with a book that takes everything and costs nothing."""
    engine = AsyncTimeEngine([BTC], cast_of(agent, agents), seed=1, start_ns=0, lookahead_ns=LOOKAHEAD_NS)
    taken, sequence = 0.0, 0
    for window in range(seconds * 1_000_000_000 // LOOKAHEAD_NS):
        begun = time.process_time()
        commands = engine.collect(window)
        taken += time.process_time() - begun
        answers = {symbol: SymbolOutcome(_accepted(rows, sequence), None) for symbol, rows in commands.items()}
        sequence += sum(map(len, commands.values()))
        begun = time.process_time()
        engine.deliver(window, answers)
        taken += time.process_time() - begun
    assert not engine.failures, engine.failures
    engine.close()
    return engine.wakeups, engine.orders_sent, taken


def booked(agent: AgentFunction, agents: int, seconds: int) -> tuple[int, int, float]:
    """The same with the real book in the process, and its ticks."""
    simulation = Simulation([BTC], cast_of(agent, agents), seed=1, start_ns=0, lookahead_ns=LOOKAHEAD_NS)
    begun = time.process_time()
    for _ in simulation.run(seconds * 1_000_000_000):
        pass
    taken = time.process_time() - begun
    engine = simulation.engine
    assert not engine.failures, engine.failures
    engine.close()
    return engine.wakeups, engine.orders_sent, taken


def coroutines(report: Report, agents: int = 1_000, seconds: int = 60) -> None:
    """The table."""
    rows: list[list[str | float]] = []
    for agent in AGENTS:
        row: list[str | float] = [agent.__name__.replace("_", " ")]
        for measured in (alone, booked):
            wakeups, orders, taken = measured(agent, agents, seconds)
            row += [wakeups / taken, orders / taken]
        rows.append(row)
    report.heading("Agents as coroutines")
    report.table(["each wake-up sends", "wake-ups/s alone", "orders/s", "wake-ups/s with book", "orders/s"], rows)


def _accepted(commands: Records, sequence: int) -> Records:
    answers: Records = np.zeros(len(commands), EXECUTION)
    for name in ("account", "serial", "time_ns", "price_ticks", "quantity_lots"):
        answers[name] = commands[name]
    answers["leaves_lots"] = commands["quantity_lots"]
    answers["kind"] = ExecutionKind.ACCEPTED
    answers["sequence"] = np.arange(sequence + 1, sequence + 1 + len(commands))
    return answers
