"""What is known of a run, as the engine says it, the journal keeps it and readers are told it: each from the one before."""

from collections.abc import Iterable

from marksim.codec import instrument_to_proto
from marksim.core.types import Instrument
from marksim.orderbook.listing import Listing
from marksim.store.windows import RunRecord
from marksim.v1 import orderbook_pb2 as pb


def without_opener(opened: pb.OpenRun) -> pb.OpenRun:
    """What a run is bound to: all but who opened it."""
    facts = pb.OpenRun()
    facts.CopyFrom(opened)
    facts.term, facts.instance = 0, ""
    return facts


def record_of(opened: pb.OpenRun, listing: Listing, max_orders: int) -> RunRecord:
    """What the journal of this shard is told of the run."""
    return RunRecord(
        run=opened.run,
        scenario=opened.scenario,
        scenario_hash=opened.scenario_hash,
        scenario_text=opened.scenario_text,
        seed=opened.seed,
        start_time_ns=opened.start_time_ns,
        lookahead_ns=opened.lookahead_ns,
        shard=listing.shard,
        shards=listing.shards,
        symbols=tuple(instrument.symbol for instrument in listing.own),
        max_orders=max_orders,
    )


def opened_of(run: RunRecord) -> pb.OpenRun:
    """What a recorded run is bound to, without who opened it."""
    return pb.OpenRun(
        run=run.run,
        scenario_hash=run.scenario_hash,
        seed=run.seed,
        start_time_ns=run.start_time_ns,
        lookahead_ns=run.lookahead_ns,
        scenario=run.scenario,
        scenario_text=run.scenario_text,
    )


def started_of(opened: pb.OpenRun, instruments: Iterable[Instrument]) -> pb.RunStarted:
    """What readers are told of the run."""
    return pb.RunStarted(
        run=opened.run,
        scenario_hash=opened.scenario_hash,
        seed=opened.seed,
        start_time_ns=opened.start_time_ns,
        lookahead_ns=opened.lookahead_ns,
        instruments=[instrument_to_proto(instrument) for instrument in instruments],
    )
