"""Settings of `marksim.main`: what to simulate, and a port for everything that listens."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, field_validator

from marksim.runtime.ports import addresses, authority
from marksim.runtime.settings import ServiceSettings, load_settings

FixedPort = Annotated[int, Field(ge=1, le=65_535)]
"""A TCP port that others are told before it is bound, so the system cannot choose it."""

HTTP_CHILDREN: Final = ("orderbook", "engine", "archiver", "edge")
"""Children with a page of metrics at `http_port_base` and up, in that order."""


class MainSettings(ServiceSettings):
    """Flags of `python -m marksim.main`. What is not here, a child reads from its own MARKSIM_<SERVICE>__<FIELD>."""

    # The supervisor has no server of its own, nor one grace for all.
    grpc_port: ClassVar[int] = 0  # type: ignore[misc]
    http_port: ClassVar[int] = 0  # type: ignore[misc]
    log_format: ClassVar[str] = "human"  # type: ignore[misc]
    grace_s: ClassVar[float] = 0.0  # type: ignore[misc]

    positional: ClassVar[str] = "scenario"

    scenario: str = Field("default", description="name of a ready scenario, or path of a YAML file")
    set: list[str] = Field([], description="overrides of the scenario: path=value; may be given many times")
    seed: int | None = Field(None, ge=0, lt=1 << 63, description="seed of the run; the scenario's own if not given")
    speed: str = Field("", description="simulated seconds a wall second, or max; the scenario's own (10) if not given")
    until: str = Field(
        "",
        description="end by itself at this simulated time, such as 6.5h, 1d or an ISO time; the scenario's own if not given",
    )
    replay: Path | None = Field(
        None,
        description="play a recorded session again, in place of a scenario: a journal, one shard of it, or an exported file",
    )
    replay_from: str = Field(
        "",
        description="where to begin in it: a duration since its start such as 2h, or an ISO time; its start if not given",
    )
    new_run: bool = Field(
        False, description="begin anew, also where the data directory has a run to go on with; that one is kept aside"
    )
    durability: Literal["none", "process", "disk"] = Field(
        "process", description="what a run survives: none, kill -9 of any service (process), or a power cut (disk)"
    )
    port: FixedPort = Field(8765, description="port of the WebSocket server")
    orderbook_port: FixedPort = Field(50051, description="gRPC port of the order book")
    engine_port: FixedPort = Field(50052, description="gRPC port of the engine")
    archiver_port: FixedPort = Field(50053, description="gRPC port of the archiver")
    edge_port: FixedPort = Field(50054, description="gRPC port of the edge")
    memory_port: FixedPort = Field(50056, description="gRPC port of the memory monitor")
    memory_http_port: FixedPort = Field(9108, description="port of the memory monitor's page")
    dashboard_grpc_port: FixedPort = Field(
        50055, description="gRPC port of a dashboard that is started beside this, where the memory monitor asks it"
    )
    http_port_base: int = Field(
        9091, ge=1, le=65_535 - len(HTTP_CHILDREN) + 1, description="first port of the metrics pages; one each from here up"
    )
    data_dir: Path = Field(Path("data"), description="where the journal, the archive, the engine's state and the logs go")
    log_dir: Path | None = Field(None, description="where the logs go; logs in the data directory if not given")
    verbose: bool = Field(False, description="show what the services log at info level too")

    @field_validator("speed")
    @classmethod
    def _speed_is_known(cls, value: str) -> str:
        if value in ("", "max"):
            return value
        try:
            factor = float(value)
        except ValueError:
            factor = 0.0
        if not 0.001 <= factor <= 1e6:
            raise ValueError("must be `max` or a number from 0.001 to 1000000")
        return value

    @property
    def logs(self) -> Path:
        """Directory of the logs; a replay beside the market that it is of has one of its own."""
        return self.log_dir or self.data_dir / ("logs" if self.replay is None else "replay-logs")

    @property
    def archive(self) -> Path:
        """Directory of the archive."""
        return self.data_dir / "archive"

    @property
    def journal(self) -> Path:
        """Directory of the order book's journal."""
        return self.data_dir / "journal"

    @property
    def state(self) -> Path:
        """Directory of what the engine goes on from."""
        return self.data_dir / "engine"

    def reach(self, port: int) -> str:
        """`host:port` under which what listens on `port` is reached from this machine."""
        host = addresses(self.host)[0] if self.host else "localhost"
        return authority("localhost" if _is_wildcard(host) else host, port)

    def http_port_of(self, child: str) -> int:
        """Port of the metrics page of a child."""
        if child == "memory":
            return self.memory_http_port
        return self.http_port_base + HTTP_CHILDREN.index(child)


class ReplaySettings(MainSettings):
    """The same for `marksim replay JOURNAL`."""

    positional: ClassVar[str] = "replay"


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:  # a name
        return False


def read_settings(argv: Sequence[str] | None = None, cls: type[MainSettings] = MainSettings) -> MainSettings:
    """Settings from flags, MARKSIM_MAIN__* and --config; a wrong one ends the process with 2."""
    return load_settings(cls, "main", argv)
