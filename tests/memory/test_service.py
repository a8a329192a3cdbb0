"""The memory service against a real service on loopback."""

from prometheus_client.parser import text_string_to_metric_families

from marksim.memory.service import MemoryService
from marksim.memory.settings import MemorySettings
from tests.runtime.served import Plain, served, until


async def test_the_exporter_follows_a_service_up_and_down() -> None:
    """Up with its values, then down without them; a target that never was does not matter."""
    async with served(Plain()) as edge:
        targets = {"edge": edge.address, "gone": "127.0.0.1:1"}
        settings = MemorySettings(grpc_port=0, http_port=0, targets=targets, interval_s=0.1)
        service = MemoryService(settings)
        async with served(service, "memory", settings) as running:

            async def metrics() -> dict[tuple[str, str], float]:
                _, text = await running.get("/metrics")
                samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
                return {(s.name, s.labels["target"]): s.value for s in samples if "target" in s.labels}

            await until(lambda: service.targets[0].up and service.ready())
            seen = await metrics()
            assert seen["marksim_memory_target_up", "edge"] == 1
            assert seen["marksim_memory_target_up", "gone"] == 0
            assert seen["marksim_memory_target_resident_bytes", "edge"] > 1 << 20

            edge.lifecycle.draining.set()
            await until(lambda: not service.targets[0].up)
            seen = await metrics()
            assert seen["marksim_memory_target_up", "edge"] == 0
            assert ("marksim_memory_target_resident_bytes", "edge") not in seen
            status, page = await running.get("/")
            assert status == 200
            assert "down: " in page
        assert await running.ended == 0


async def test_the_exporter_follows_who_is_behind_a_name() -> None:
    """Each address is polled while DNS has it, and gone from the page when it is gone from there."""
    known: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        return list(known)

    async with served(Plain()) as edge:
        address = f"dns:edge-headless:{edge.lifecycle.grpc_port}"
        settings = MemorySettings(grpc_port=0, http_port=0, targets={"edge": address}, interval_s=0.1, resolve_s=0.1)
        service = MemoryService(settings, resolve)
        async with served(service, "memory", settings) as running:

            async def up() -> dict[str, float]:
                _, text = await running.get("/metrics")
                samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
                return {s.labels["target"]: s.value for s in samples if s.name == "marksim_memory_target_up"}

            async def shows(expected: dict[str, float]) -> bool:
                return await up() == expected

            await until(lambda: shows({"edge": 0}))
            await until(service.ready)
            known[:] = ["127.0.0.1", "127.0.0.9"]
            await until(lambda: shows({"edge@127.0.0.1": 1, "edge@127.0.0.9": 0}))
            assert service.ready()
            known[:] = ["127.0.0.1"]
            await until(lambda: shows({"edge@127.0.0.1": 1}))
            assert "dns:edge-headless" not in (await running.get("/"))[1]
            known.clear()
            await until(lambda: shows({"edge": 0}))
            assert "edge-headless has no address" in (await running.get("/"))[1]
