"""Settings of the archiver service."""

import re
from pathlib import Path

from pydantic import Field, field_validator

from marksim.runtime.settings import Port, ServiceSettings


class ArchiverSettings(ServiceSettings):
    """Where the archive is, which order books it keeps, and when rows become files."""

    grpc_port: Port = Field(50053, description="port of the gRPC server; 0 means any free one")
    orderbook: list[str] = Field(default=["localhost:50051"], min_length=1, description="addresses of the order books: a,b")
    dir: Path = Field(Path("data/archive"), description="directory of the archive; one archiver at a time writes to it")
    reader: str = Field("archiver", description="name under which the order books know what is stored")
    rotate_s: float = Field(60.0, ge=0.05, le=3_600, description="rows become files at the latest after so many seconds")
    rotate_mib: float = Field(
        64.0, gt=0, le=4_096, description="rows of one order book that memory takes, MiB; then they become files at once"
    )
    batch_interval_ms: int = Field(500, ge=0, le=1_000, description="the book gathers frames for so long, milliseconds")

    @field_validator("reader")
    @classmethod
    def _reader_is_a_name(cls, value: str) -> str:
        """The contract's rule for names: an order book would refuse any other for ever."""
        if re.fullmatch(r"[A-Za-z0-9._:/-]{1,36}", value, re.ASCII) is None:
            raise ValueError("give 1 to 36 characters of A-Za-z0-9._:/-")
        return value
