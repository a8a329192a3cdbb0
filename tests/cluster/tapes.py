"""The same tape, however it is made: by one shard or two, at any speed, with order books killed, and without a cluster."""

import asyncio
import re
from typing import Final

from marksim.core.feed.tape import run_hash
from marksim.runtime.channel import open_channel
from marksim.v1 import engine_pb2, engine_pb2_grpc
from tests.cluster.client import status
from tests.cluster.disturb import delete_pod
from tests.cluster.kube import Release, eventually, need, port_forward
from tests.cluster.recovery import Standing, book_pods, set_aside, standing

SCENARIO: Final = "two-symbols"
SEED: Final = 20250106
UNTIL: Final = "10m"
WINDOWS: Final = 12_000
"""Of 50 ms, in ten minutes."""
KILLED_AFTER: Final = 3_000
DONE_WITHIN_S: Final = 240.0

VALUES: Final = (
    *("--set", f"scenario.name={SCENARIO},scenario.seed={SEED},engine.settings.until={UNTIL}"),
    *("--set", "edge.enabled=false,dashboard.enabled=false,archiver.enabled=false,memory.enabled=false,tests.enabled=false"),
    # A simulation, and whoever looks at a journal, runs beside the order book.
    *("--set", "orderbook.resources.limits.memory=2Gi"),
)
TWO_SHARDS: Final = ("--set", "orderbook.shards=2", "--set-json", 'orderbook.assign={"BTC/USD":0,"ETH/USD":1}')


async def equal_tapes(one: Release, two: Release) -> str:
    """Step 12: the tapes of one shard at full speed, of two of which one is killed midway, and of `simulate` are equal."""
    whole, sharded = await asyncio.gather(_whole(one), _killed_midway(two))
    need(whole.run != sharded.run, "both releases are in one run")
    need(len(whole.tapes) == 2, f"tapes of {sorted(whole.tapes)}")
    need(whole.tapes == sharded.tapes, f"tapes of one shard {whole.tapes}, of two {sharded.tapes}")
    (pod,) = await book_pods(one)
    command = ("python", "-m", "marksim", "simulate", SCENARIO, "--until", UNTIL, "--seed", str(SEED))
    told = re.search(r"^tape hash: (\w+)$", await one.execute(pod, *command), re.MULTILINE)
    need(told and told[1] == run_hash(whole.tapes), f"simulate says {told and told[1]}, the cluster {run_hash(whole.tapes)}")
    for release in (one, two):
        said = await status(release)
        need(said.tape_hash == run_hash(whole.tapes), f"the engine of {release.name} says {said.tape_hash}")
    return f"{WINDOWS} windows, tape hash {run_hash(whole.tapes)[:12]} by one shard, by two with one killed, by simulate"


async def _whole(release: Release) -> Standing:
    """A release with one order book that runs at full speed to the end."""
    await release.upgrade(*VALUES, "--set", "scenario.speed=max")
    return await _at_its_end(release)


async def _killed_midway(release: Release) -> Standing:
    """A release with two order books of which one is killed in the middle of it."""
    await release.upgrade(*VALUES, *TWO_SHARDS)
    begun = await standing(release)
    engine = await release.object("service", "engine")
    async with port_forward(release.namespace, engine, 50052) as port, open_channel(f"127.0.0.1:{port}") as channel:
        stub = engine_pb2_grpc.EngineServiceStub(channel)
        await stub.SetSpeed(engine_pb2.SetSpeedRequest(speed=engine_pb2.Speed(max=True)), timeout=20)

        async def midway() -> bool:
            told = await stub.GetStatus(engine_pb2.GetStatusRequest(), timeout=20)
            return told.status.windows >= KILLED_AFTER

        await eventually(midway, DONE_WITHIN_S, "the market does not get to its middle")
        before = (await stub.GetStatus(engine_pb2.GetStatusRequest(), timeout=20)).status
        need(before.windows < WINDOWS, "the market was over before its order book could be killed")
    await delete_pod(release, "orderbook", force=True)
    end = await _at_its_end(release)
    need(end.run == begun.run, f"run {begun.run} was lost with an order book, {end.run} has begun")
    return end


async def _at_its_end(release: Release) -> Standing:
    async def over() -> bool:
        return (await status(release)).state == engine_pb2.CLOCK_STATE_FINISHED

    await eventually(over, DONE_WITHIN_S, f"{release.name} is not at its end")
    end = await standing(release)
    need(end.windows == WINDOWS, f"{release.name} ended after {end.windows} windows")
    lasts = {shard.last_window for shard in end.shards}
    need(lasts == {WINDOWS - 1}, f"shards of {release.name} ended after windows {lasts}")
    return end


async def new_runs(one: Release, two: Release) -> str:
    """Step 12: another scenario, and another text in `newRun`, begin a new run; the old one stays aside, whole."""
    before = await asyncio.gather(standing(one), standing(two))
    await asyncio.gather(
        one.upgrade("--reuse-values", "--set", "scenario.name=quiet"), two.upgrade("--reuse-values", "--set", "newRun=again")
    )
    after = await asyncio.gather(standing(one), standing(two))
    for release, old, new in zip((one, two), before, after, strict=True):
        need(new.run != old.run, f"{release.name} goes on with run {old.run}")
        for pod in await book_pods(release):
            kept = await set_aside(release, pod)
            need(old.run in kept, f"{pod} keeps {kept} aside, and not run {old.run}")
            need(kept[old.run] == WINDOWS, f"{pod} keeps {kept[old.run]} windows of run {old.run}")
    # A pod that only starts again goes on with the new one.
    await asyncio.gather(*(delete_pod(release, "orderbook") for release in (one, two)))
    later = await asyncio.gather(standing(one), standing(two))
    need([now.run for now in later] == [new.run for new in after], "a run was begun twice for one text")
    return "another scenario, and newRun with two shards: a new run each, the old one aside"
