"""An engine's status as lines for people, and as JSON for programs."""

import json
from datetime import UTC, datetime

from google.protobuf.json_format import MessageToDict

from marksim.core.durations import format_duration
from marksim.v1 import engine_pb2 as pb


def moment_text(time_ns: int) -> str:
    """`2025-01-06 12:00:00.050 UTC`."""
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{time_ns % 1_000_000_000 // 1_000_000:03d} UTC"


def state_text(status: pb.EngineStatus) -> str:
    """`running`, `paused`, ..."""
    return pb.ClockState.Name(status.state).removeprefix("CLOCK_STATE_").lower()


def short_line(status: pb.EngineStatus) -> str:
    """State, simulated time, windows and speed; what the state needs to be understood behind them."""
    measured = _runs(status) and status.measured_speed > 0  # not in the first moment after a pause
    speed = f"{status.measured_speed:,.1f}x of {_asked(status)}" if measured else _asked(status)
    parts = [f"{state_text(status)} at {moment_text(status.simulated_time_ns)}", f"{status.windows:,} windows done", speed]
    if _runs(status) and status.lag_seconds >= 0.1:
        parts.append(f"{status.lag_seconds:.1f} s late")
    parts += [f"until {status.running_until}"] if status.running_until else []
    parts += [status.message] if status.message else []
    parts += [f"slow: {status.bottleneck_message}"] if status.bottleneck_message else []
    return ", ".join(parts)


def long_lines(status: pb.EngineStatus) -> list[str]:
    """Everything that a person may want to know."""
    since_ns = status.simulated_time_ns - status.start_time_ns
    rows = [
        ("state", state_text(status) + (f": {status.message}" if status.message else "")),
        ("run", f"{status.run or 'none yet'}, {status.scenario} with seed {status.seed}"),
        ("time", f"{moment_text(status.simulated_time_ns)}, {since_ns / 3.6e12:,.2f} h since the start"),
        ("windows", f"{status.windows:,} of {format_duration(status.lookahead_ns)}" + _quantised(status)),
        ("speed", f"{_asked(status)} asked, {status.measured_speed:,.1f}x measured, {status.lag_seconds:.1f} s late"),
        ("slips", f"{status.slips:,}, together {status.slipped_seconds:,.1f} s"),
        ("load", _load(status)),
        ("agents", f"{status.agents:,}, of them {status.failed_agents:,} failed; {status.traders:,} traders in populations"),
        ("so far", _so_far(status)),
    ]
    if status.tape_hash:
        rows.append(("tape", f"{status.tape_hash} after window {status.tape_window:,}"))
    if status.end_time_ns:
        rows.append(("ends", moment_text(status.end_time_ns)))
    if status.running_until:
        rows.append(("until", status.running_until))
    if status.bottleneck_message:
        rows.append(("slow", status.bottleneck_message))
    rows += [("book", _book(shard)) for shard in status.shards]
    return [f"{name:<8} {text}" for name, text in rows]


def json_line(status: pb.EngineStatus) -> str:
    """The status in protobuf's own JSON, names as in the contract, on one line; int64 are texts there."""
    fields = MessageToDict(status, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return json.dumps(fields)


def _so_far(status: pb.EngineStatus) -> str:
    orders = f"{status.orders_total:,} orders"
    if status.traders:
        orders += f" ({status.population_orders:,} by populations)"
    return f"{orders}, {status.trades_total:,} trades"


def _book(shard: pb.ShardStatus) -> str:
    return f"{shard.address}: {', '.join(shard.symbols)}" + ("" if shard.connected else ", away")


def _runs(status: pb.EngineStatus) -> bool:
    return status.state == pb.CLOCK_STATE_RUNNING


def _asked(status: pb.EngineStatus) -> str:
    return "max" if status.speed.max else f"{status.speed.factor:g}x"


def _quantised(status: pb.EngineStatus) -> str:
    return ", to which the latency of agents is quantised" if status.quantised else ""


def _load(status: pb.EngineStatus) -> str:
    agents = status.agents_share - status.populations_share
    parts = (("agents", agents), ("populations", status.populations_share), ("order book", status.book_share))
    return ", ".join(f"{name} {share:.0%}" for name, share in (*parts, ("idle", status.idle_share)))
