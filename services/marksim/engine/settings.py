"""Settings of the engine."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from marksim.runtime.settings import Port, ServiceSettings
from marksim.runtime.watchdog import DEFAULT_LIMIT_S


def parse_speed(value: object) -> float | None:
    """Simulated seconds a wall second; None for `max`. ValueError with a sentence otherwise."""
    if value is None or value == "max":
        return None
    try:
        factor = float(str(value))
    except ValueError:
        factor = 0.0
    if not 0.001 <= factor <= 1e6:
        raise ValueError("must be `max` or a number from 0.001 to 1000000")
    return factor


class EngineSettings(ServiceSettings):
    """Flags of `python -m marksim.engine`."""

    grpc_port: Port = Field(50052, description="port of the gRPC server; 0 means any free one")
    orderbook: Annotated[list[str], Field(min_length=1)] = Field(
        ["localhost:50051"], description="addresses of the order books, one a shard"
    )
    symbols: list[str] = Field(
        [], description="symbols whose clock this engine owns, of those that are traded: a,b; else all"
    )
    scenario: str = Field("default", description="name of a ready scenario, or path of a scenario file")
    set: list[str] = Field(
        [],
        description="overrides of the scenario: path=value, such as agents.maker.count=2",
    )
    seed: int | None = Field(
        None,
        ge=0,
        lt=1 << 63,
        description="seed of the run; the scenario's own if not given",
    )
    speed: str = Field(
        "",
        description="simulated seconds a wall second, or max; the scenario's own if empty",
    )
    replay: Path | None = Field(
        None,
        description="journal or exported file of a recorded session, which is played again in place of a scenario; the "
        "order books must be started with the same",
    )
    until: str = Field(
        "", description="when the run ends: a simulated duration such as 1d, or an ISO time; the scenario's own if empty"
    )
    state: Path | None = Field(
        Path("data/engine"),
        description="directory of what the engine goes on from after a crash, where its books keep a journal",
    )
    snapshot_windows: int = Field(
        6_000, ge=1, le=10_000_000, description="windows from one snapshot of the agents to the next; a start plays the rest"
    )
    agent_log_mib: int = Field(
        64, ge=1, le=65_536, description="memory for inputs of agents without state(), to run them again after a crash, MiB"
    )
    agent_limit_s: float = Field(
        DEFAULT_LIMIT_S, ge=0, le=3_600, description="wall seconds for which one agent may hold the clock; 0 means any"
    )

    @field_validator("speed")
    @classmethod
    def _speed_is_known(cls, value: str) -> str:
        if value:
            parse_speed(value)
        return value
