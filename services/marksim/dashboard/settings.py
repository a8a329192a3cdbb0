"""Settings of the dashboard."""

from pydantic import Field, field_validator

from marksim.dashboard.frames import feed_url
from marksim.runtime.settings import Port, ServiceSettings


class DashboardSettings(ServiceSettings):
    """Flags of `python -m marksim.dashboard`."""

    grpc_port: Port = Field(50055, description="port of the gRPC server; 0 means any free one")
    port: Port = Field(8050, description="port of the page; 0 means any free one")
    feed: str = Field("ws://localhost:8765", description="WebSocket address of the market's feed")

    @field_validator("feed")
    @classmethod
    def _feed_is_an_address(cls, value: str) -> str:
        feed_url(value)
        return value
