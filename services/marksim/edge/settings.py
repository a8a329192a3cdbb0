"""Settings of the edge service."""

from pydantic import Field, field_validator
from pydantic_core.core_schema import ValidationInfo

from marksim.runtime.settings import Port, ServiceSettings


class EdgeSettings(ServiceSettings):
    """The feed's port, the order books it reads, and what one client may cost."""

    grpc_port: Port = Field(50054, description="port of the gRPC server; 0 means any free one")
    port: Port = Field(8765, description="port of the WebSocket feed; 0 means any free one")
    orderbook: list[str] = Field(default=["localhost:50051"], min_length=1, description="addresses of the order books: a,b")
    flush_ms: float = Field(20.0, ge=1, le=1_000, description="what is due is gathered for so long into one write, ms")
    max_clients: int = Field(10_000, ge=1, le=1_000_000, description="most clients; further ones are refused with HTTP 503")
    max_waiting: int = Field(1_024, ge=16, le=65_536, description="most ticks between two flushes; more are conflated")
    high_water_kib: int = Field(64, ge=4, le=65_536, description="with more unsent than this a client is conflated, KiB")
    max_buffer_kib: int = Field(
        1_024, ge=64, le=1_048_576, validate_default=True, description="with more unsent than this it is cut off, KiB"
    )
    socket_buffer_kib: int = Field(256, ge=0, le=65_536, description="send buffer of a client's socket, KiB; 0: system's")
    stall_s: float = Field(30.0, ge=0.1, le=3_600, description="seconds after which a client that reads nothing is cut off")
    ping_s: float = Field(20.0, ge=0.1, le=3_600, description="seconds between pings of a client that says nothing")
    close_s: float = Field(2.0, ge=0.1, le=60, description="seconds that a client has to answer a close")
    behind_s: float = Field(2.0, ge=0.1, le=600, description="seconds behind a book from which only the newest is read")

    @field_validator("max_buffer_kib")
    @classmethod
    def conflated_before_cut(cls, value: int, info: ValidationInfo) -> int:
        """The other way round a slow client would be cut off without having been conflated."""
        high_water_kib = info.data.get("high_water_kib", 0)
        if value <= high_water_kib:
            sentence = f"{value} must be more than --high-water-kib ({high_water_kib})"
            raise ValueError(f"{sentence}: a slow client is to be conflated before it is cut off")
        return value
