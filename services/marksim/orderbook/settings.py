"""Settings of the order book service."""

import re
import socket
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from marksim.core.book.resting import DEFAULT_MAX_ORDERS, LARGEST_MAX_ORDERS
from marksim.runtime.settings import Port, ServiceSettings

MIB = 1 << 20


class OrderBookSettings(ServiceSettings):
    """What can be traded comes from the scenario; the rest are bounds."""

    grpc_port: Port = Field(50051, description="port of the gRPC server; 0 means any free one")
    scenario: str = Field("default", description="name of a ready scenario, or path of a YAML file")
    set: list[str] = Field(default_factory=list, description="overrides of the scenario: path=value,path=value")
    shards: int = Field(1, ge=1, le=1_024, description="how many order books share the scenario's symbols")
    shard: str = Field("0", description="which of them this is, from 0; auto: the number at the end of the host's name")
    assign: dict[str, int] = Field(
        default_factory=dict, description="symbols with a shard of their own, BTC/USD=0,ETH/USD=1; all others go by hash"
    )
    max_orders: int = Field(
        DEFAULT_MAX_ORDERS, ge=1, le=LARGEST_MAX_ORDERS, description="most resting orders of one symbol; more are rejected"
    )
    durability: Literal["none", "process", "disk"] = Field(
        "process",
        description="what a run survives: none, kill -9 of this process (process), or a power cut (disk: synced in groups)",
    )
    journal: Path = Field(Path("data/journal"), description="directory of the journal; not used where durability is none")
    new_run: str = Field(
        "", description="begin anew and set an older run aside, once for each new text given here; empty goes on with it"
    )
    replay: Path | None = Field(
        None,
        description="journal or exported file of a recorded session, which an engine with the same plays again: its "
        "scenario is traded, and nothing is kept",
    )
    replay_from: str = Field(
        "", description="where it begins: a duration since the start of the recorded run such as 2h, or an ISO time"
    )
    snapshot_windows: int = Field(
        12_000, ge=1, le=10_000_000, description="windows from one snapshot of the books to the next; a start plays the rest"
    )
    sync_ms: int = Field(100, ge=1, le=10_000, description="durability disk: longest time until a window is synced, wall ms")
    journal_hours: float = Field(24.0, ge=0.01, le=100_000, description="age from which windows may be dropped, wall hours")
    journal_mib: int = Field(1_024, ge=1, le=1_048_576, description="size from which the oldest windows are dropped, MiB")
    journal_cap_mib: int = Field(
        4_096,
        ge=1,
        le=1_048_576,
        description="size that is never passed: named readers lose windows, then the market waits, MiB",
    )
    ring_mib: int = Field(128, ge=1, le=65_536, description="memory for frames that readers may still fetch, MiB")
    ring_seconds: float = Field(300.0, ge=1, le=86_400, description="longest time that frames stay there, wall seconds")
    recorded_windows: int = Field(1_024, ge=1_024, le=65_536, description="answers kept for windows that are sent again")
    outside_queue: int = Field(1_024, ge=1, le=65_536, description="most outside commands that wait for one window")
    outside_accounts: int = Field(256, ge=1, le=4_096, description="most outside accounts; the longest idle one gives way")
    outside_orders: int = Field(
        100_000, ge=1, le=1_000_000, description="most outside orders kept, open and closed; the oldest closed one gives way"
    )

    @field_validator("shard")
    @classmethod
    def _shard_is_one_of_them(cls, value: str, info: ValidationInfo) -> str:
        """The shard's number as text, read off the host's name where `auto` was given."""
        number, source = value, repr(value)
        if value == "auto":
            host = socket.gethostname()
            found = re.search(r"-(\d+)$", host, re.ASCII)
            if found is None:
                raise ValueError(f"the host name {host!r} does not end in -<number>; give the shard's number")
            number, source = found[1], f"the host name {host!r}"
        if re.fullmatch(r"\d{1,9}", number, re.ASCII) is None:
            raise ValueError("give a number from 0 on, or auto")
        # Where --shards itself is wrong, that is what the user is told.
        shards = info.data.get("shards", int(number) + 1)
        if int(number) >= shards:
            raise ValueError(f"{source} is not below --shards {shards}: they are numbered from 0 to {shards - 1}")
        return str(int(number))
