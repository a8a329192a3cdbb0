"""Settings of the memory service."""

from pydantic import Field, field_validator

from marksim.memory.names import split_target
from marksim.runtime.settings import Port, ServiceSettings


class MemorySettings(ServiceSettings):
    """Whom to ask for their memory, and how often."""

    grpc_port: Port = Field(50056, description="port of the gRPC server; 0 means any free one")
    http_port: Port = Field(9108, description="port of the exporter's page, of /metrics and health; 0 means any free one")
    targets: dict[str, str] = Field(
        default={
            "orderbook": "localhost:50051",
            "engine": "localhost:50052",
            "archiver": "localhost:50053",
            "edge": "localhost:50054",
            "dashboard": "localhost:50055",
        },
        description="the services to ask, as name=address,name=address; name two of a kind edge-0 and edge-1, or give"
        " dns:host:port for all addresses of a name, which become edge@10.0.0.7 and so on",
    )
    interval_s: float = Field(2.0, ge=0.05, le=3_600, description="seconds between two polls of a service")
    resolve_s: float = Field(5.0, ge=0.05, le=3_600, description="seconds between two looks at who is behind a dns: name")
    max_addresses: int = Field(64, ge=1, le=4_096, description="most addresses of one dns: name; more are left out, counted")

    @field_validator("targets")
    @classmethod
    def _targets_are_addresses(cls, value: dict[str, str]) -> dict[str, str]:
        for address in value.values():
            split_target(address)
        return value
