"""All children together: order of the end, refusal."""

import asyncio
from pathlib import Path

import pytest

from marksim.supervisor.child import Child, ChildSpec
from marksim.supervisor.group import Group

HERE = Path(__file__).parent


class Fakes:
    """A group of fake services and the wait for all of them to be ready."""

    def __init__(self, *modes: tuple[str, ...]) -> None:
        self.ready: asyncio.Queue[str] = asyncio.Queue()
        names = [f"fake{number}" for number in range(len(modes))]
        self.children = [
            Child(ChildSpec(name, "fake_service", mode), on_line=self._line, notice=lambda _: None)
            for name, mode in zip(names, modes, strict=True)
        ]
        self.group = Group(self.children, [[name] for name in reversed(names)])

    def _line(self, name: str, line: str) -> None:
        if '"ready"' in line:
            self.ready.put_nowait(name)

    async def start(self) -> None:
        """Start all and wait until they are ready."""
        self.group.start()
        for _ in self.children:
            await asyncio.wait_for(self.ready.get(), 20)


@pytest.fixture(autouse=True)
def _fake_is_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))


async def test_stages_end_in_order(tmp_path: Path) -> None:
    """The children end one stage after the other, each having done its work."""
    log = str(tmp_path / "order")
    fakes = Fakes(("mark", log, "first started"), ("mark", log, "second started"))
    await fakes.start()
    assert await fakes.group.end()
    lines = await asyncio.to_thread(Path(log).read_text)
    assert lines.splitlines() == ["second started", "first started"]


async def test_refusal_is_seen() -> None:
    """A child that refuses to start is seen while the others run, and those end cleanly then."""
    fakes = Fakes(("serve",), ("refuse",))
    fakes.group.start()
    refused = await asyncio.wait_for(fakes.group.refused(), 20)
    assert "--grpc-port 1 is wrong" in str(refused)
    await asyncio.wait_for(fakes.ready.get(), 20)
    await fakes.group.end()
    assert all(child.pid is None for child in fakes.children)


async def test_kill_does_not_wait() -> None:
    """Killing ends also a child that ignores SIGTERM."""
    fakes = Fakes(("deaf",))
    await fakes.start()
    fakes.group.kill()
    await asyncio.wait_for(fakes.group.end(), 3)
    assert all(child.pid is None for child in fakes.children)
