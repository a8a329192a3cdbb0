"""Settings of the order book service."""

from pydantic import Field

from marksim.core.book.resting import DEFAULT_MAX_ORDERS, LARGEST_MAX_ORDERS
from marksim.runtime.settings import Port, ServiceSettings

MIB = 1 << 20


class OrderBookSettings(ServiceSettings):
    """What can be traded comes from the scenario; the rest are bounds."""

    grpc_port: Port = Field(50051, description="port of the gRPC server; 0 means any free one")
    scenario: str = Field("default", description="name of a ready scenario, or path of a YAML file")
    set: list[str] = Field(default_factory=list, description="overrides of the scenario: path=value,path=value")
    max_orders: int = Field(
        DEFAULT_MAX_ORDERS, ge=1, le=LARGEST_MAX_ORDERS, description="most resting orders of one symbol; more are rejected"
    )
    ring_mib: int = Field(128, ge=1, le=65_536, description="memory for frames that readers may still fetch, MiB")
    ring_seconds: float = Field(300.0, ge=1, le=86_400, description="longest time that frames stay there, wall seconds")
    recorded_windows: int = Field(1_024, ge=1_024, le=65_536, description="answers kept for windows that are sent again")
    outside_queue: int = Field(1_024, ge=1, le=65_536, description="most outside commands that wait for one window")
    outside_accounts: int = Field(256, ge=1, le=4_096, description="most outside accounts; the longest idle one gives way")
    outside_orders: int = Field(
        100_000, ge=1, le=1_000_000, description="most outside orders kept, open and closed; the oldest closed one gives way"
    )
