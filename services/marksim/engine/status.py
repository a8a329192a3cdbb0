"""The status of an engine, as everybody is told it."""

import time

from marksim.engine.clock import Clock
from marksim.engine.load import Load, Spent
from marksim.engine.run import Driver
from marksim.scenario import Scenario
from marksim.scenario.group import Group
from marksim.v1 import engine_pb2 as pb


def spent_by(driver: Driver, clock: Clock) -> Spent:
    """Where wall time went, up to now."""
    return Spent(
        wall_s=time.monotonic(),
        cpu_s=time.process_time(),
        agents_s=driver.agents_s - driver.populations_s,
        populations_s=driver.populations_s,
        book_s=driver.book_s,
        idle_s=clock.idle_s,
        shards_s={shard.address: shard.spent_s for shard in driver.shards},
        lag_s=clock.lag_s,
        slips=clock.pacer.slips,
    )


def status_of(
    scenario: Scenario,
    group: Group,
    clock: Clock,
    driver: Driver | None,
    load: Load,
    state: pb.ClockState,
    end_ns: int | None,
) -> pb.EngineStatus:
    """Everything that is known; `driver` is None while the engine starts."""
    pacer = clock.pacer
    agents_share, populations_share, book_share, idle_share = load.shares
    slow, sentence = load.bottleneck()
    status = pb.EngineStatus(
        scenario=scenario.name,
        scenario_hash=scenario.hash,
        seed=scenario.seed,
        state=state,
        message=clock.message,
        simulated_time_ns=driver.simulated_time_ns if driver else scenario.start_ns,
        start_time_ns=scenario.start_ns,
        end_time_ns=end_ns or 0,
        lookahead_ns=scenario.lookahead_ns,
        speed=pb.Speed(max=True) if pacer.factor is None else pb.Speed(factor=pacer.factor),
        measured_speed=clock.measured_speed,
        lag_seconds=clock.lag_s,
        slips=pacer.slips,
        slipped_seconds=pacer.slipped_s,
        agents_share=agents_share,
        populations_share=populations_share,
        book_share=book_share,
        idle_share=idle_share,
        quantised=group.is_quantised(scenario.lookahead_ns),
        bottleneck=pb.Bottleneck.Name(slow),
        bottleneck_message=sentence,
        running_until=clock.until,
    )
    if driver is not None:
        _describe_run(status, driver)
    return status


def _describe_run(status: pb.EngineStatus, driver: Driver) -> None:
    status.run = driver.run
    status.term = driver.term
    status.runs = driver.runs
    held = next((f"{shard.address} holds its answer: {shard.held}" for shard in driver.shards if shard.held), "")
    status.message = held or driver.message or status.message
    status.windows = driver.windows
    status.agents = driver.engine.agents
    status.failed_agents = len(driver.engine.failures)
    status.traders = driver.engine.traders
    status.orders_total = driver.engine.orders_sent
    status.population_orders = driver.engine.crowd_orders
    status.tape_hash, status.tape_window = driver.tape_hash, driver.tape_window
    if driver.saved_window is not None:
        status.saved_window = driver.saved_window
    status.ephemeral_agents.extend(driver.engine.ephemeral)
    status.trades_total = driver.trades_total
    for shard in driver.shards:
        status.shards.append(
            pb.ShardStatus(
                address=shard.address,
                connected=shard.connected,
                symbols=shard.symbols,
                last_window=shard.last_window,
            )
        )
