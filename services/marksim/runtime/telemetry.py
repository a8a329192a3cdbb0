"""TelemetryService, the same on every service."""

# grpc's classes are generic in their stubs only.
from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import grpc.aio
import psutil

from marksim.runtime.metrics import Store, store_to_proto
from marksim.runtime.service import INSTANCE
from marksim.v1 import telemetry_pb2, telemetry_pb2_grpc


class Telemetry(telemetry_pb2_grpc.TelemetryServiceServicer):
    """Tells the memory of this process and the fill of the service's stores."""

    def __init__(self, service: str, stores: Callable[[], Sequence[Store]]) -> None:
        self._service = service
        self._stores = stores
        self._process = psutil.Process()
        self._start_time_ns = int(self._process.create_time() * 1e9)

    async def GetMemory(
        self, request: telemetry_pb2.GetMemoryRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> telemetry_pb2.GetMemoryResponse:
        """Measured at the moment of the call."""
        with self._process.oneshot():
            memory = self._process.memory_info()
            cpu = self._process.cpu_times()
            return telemetry_pb2.GetMemoryResponse(
                service=self._service,
                instance=INSTANCE,
                pid=os.getpid(),
                start_time_ns=self._start_time_ns,
                resident_bytes=memory.rss,
                virtual_bytes=memory.vms,
                cpu_seconds=cpu.user + cpu.system,
                open_files=self._process.num_fds(),
                threads=self._process.num_threads(),
                stores=[store_to_proto(store) for store in self._stores()],
            )
