"""kubectl, helm and their like as one call each, for the steps of the cluster test."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "deploy" / "helm" / "marksim"
COMPONENT: Final = "app.kubernetes.io/component"
INSTANCE: Final = "app.kubernetes.io/instance"
COMPONENTS: Final = ("orderbook", "engine", "edge", "dashboard", "archiver", "memory")

Json = Any


class StepFailed(Exception):
    """What had to be seen was not; the text says what was."""


def need(condition: object, text: str) -> None:
    """Raise StepFailed with `text` unless the condition holds."""
    if not condition:
        raise StepFailed(text)


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


async def run(*command: str, stdin: str = "", within_s: float = 180.0, cwd: Path = ROOT) -> Done:
    """Run a command to its end; StepFailed where that takes longer than `within_s`."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=cwd
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), within_s)
    except TimeoutError:
        raise StepFailed(f"{' '.join(command)[:200]} did not end within {within_s:.0f} s") from None
    finally:
        await _kill(process)
    return Done(process.returncode or 0, out.decode(), err.decode())


async def call(*command: str, stdin: str = "", within_s: float = 180.0, cwd: Path = ROOT) -> str:
    """What the command printed; StepFailed with the end of what it said where it failed."""
    done = await run(*command, stdin=stdin, within_s=within_s, cwd=cwd)
    need(done.code == 0, f"{' '.join(command)[:200]} ended with {done.code}: {(done.err or done.out).strip()[-800:]}")
    return done.out


async def kubectl(*arguments: str, stdin: str = "", within_s: float = 180.0) -> str:
    """Standard output of kubectl."""
    return await call("kubectl", *arguments, stdin=stdin, within_s=within_s)


async def eventually(look: Callable[[], Awaitable[bool]], within_s: float, what: str) -> float:
    """Look until it is so, and return the seconds that took; StepFailed where it does not come."""
    begun = asyncio.get_running_loop().time()
    while not await look():
        waited = asyncio.get_running_loop().time() - begun
        need(waited < within_s, f"{what}: not within {within_s:.0f} s")
        await asyncio.sleep(0.5)
    return asyncio.get_running_loop().time() - begun


@dataclass(frozen=True, slots=True)
class Release:
    """One installed chart."""

    name: str
    namespace: str
    image: str

    def image_values(self, image: str = "") -> tuple[str, ...]:
        """Flags of helm that say which image to run."""
        repository, _, tag = (image or self.image).rpartition(":")
        return ("--set", "image.registry=", "--set", f"image.repository={repository}", "--set", f"image.tag={tag}")

    async def upgrade(self, *flags: str, image: str = "", wait: bool = True, within_s: float = 180.0) -> str:
        """helm upgrade --install; returns what helm printed."""
        waiting = ("--wait", "--timeout", f"{within_s:.0f}s") if wait else ()
        command = ("helm", "upgrade", "--install", self.name, str(CHART), "--namespace", self.namespace)
        return await call(*command, *waiting, *self.image_values(image), *flags, within_s=within_s + 20)

    async def pods(self, component: str = "") -> list[Json]:
        """The release's pods of services; those of its tests, and those on their way out, are left out."""
        found = json.loads(await kubectl("-n", self.namespace, "get", "pods", "-l", self.selector(component), "-o", "json"))
        metadata = ((pod, pod["metadata"]) for pod in found["items"])
        return [
            pod for pod, own in metadata if own["labels"].get(COMPONENT) in COMPONENTS and "deletionTimestamp" not in own
        ]

    def selector(self, component: str = "") -> str:
        """Label selector of the release's objects, or of one component's."""
        return f"{INSTANCE}={self.name}" + (f",{COMPONENT}={component}" if component else "")

    async def object(self, kind: str, component: str) -> str:
        """kind/name of the component's one object of that kind."""
        names = await kubectl("-n", self.namespace, "get", kind, "-l", self.selector(component), "-o", "name")
        found = [name for name in names.split() if not name.endswith("-headless")]
        need(len(found) == 1, f"{self.name} {component}: expected one {kind}, found {found}")
        return found[0]

    async def all_ready(self, expected: int = 0) -> bool:
        """Whether every pod of the release that stays is Ready."""
        pods = await self.pods()
        return len(pods) >= max(expected, 1) and all(map(is_ready, pods))

    async def restarts(self) -> dict[str, int]:
        """Restarts by pod."""
        return {
            pod["metadata"]["name"]: sum(status["restartCount"] for status in pod["status"].get("containerStatuses", ()))
            for pod in await self.pods()
        }

    async def uninstall(self) -> None:
        """helm uninstall, until its pods are gone."""
        await call("helm", "uninstall", self.name, "--namespace", self.namespace, "--wait", "--timeout", "120s")

    async def execute(self, pod: str, *command: str, stdin: str = "") -> str:
        """Run a command in a pod."""
        return await kubectl("-n", self.namespace, "exec", "-i", pod, "--", *command, stdin=stdin)


def is_ready(pod: Json) -> bool:
    """Whether the pod is Ready."""
    conditions = {condition["type"]: condition["status"] for condition in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True"


@asynccontextmanager
async def port_forward(namespace: str, target: str, port: int, local: int = 0) -> AsyncIterator[int]:
    """A local port that leads to the port of a pod or Service."""
    process = await asyncio.create_subprocess_exec(
        *("kubectl", "-n", namespace, "port-forward", "--address", "127.0.0.1", target, f"{local or ''}:{port}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            said = (await process.stdout.readline()).decode()
        found = re.search(r"127\.0\.0\.1:(\d+) ->", said)
        need(found, f"port-forward to {target} port {port}: {said.strip()}")
        assert found is not None
        draining = asyncio.create_task(_drain(process.stdout))
        yield int(found[1])
        draining.cancel()
    finally:
        await _kill(process)


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
