"""What the cluster does to pods: delete, roll, drain; and what the containers said as they ended."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.cluster.kube import COMPONENT, Json, Release, eventually, kubectl, need

GONE_WITHIN_S = 60.0
SETTLE_S = 2.0


@dataclass
class Ends:
    """How containers of a release ended: exit codes by pod, gathered by watching."""

    codes: dict[str, int] = field(default_factory=dict)
    uids: dict[str, str] = field(default_factory=dict)

    def see(self, pod: Json) -> None:
        """Take one observed state of a pod."""
        for container in pod["status"].get("containerStatuses", ()):
            ended = container["state"].get("terminated") or container.get("lastState", {}).get("terminated")
            if ended:
                self.codes[pod["metadata"]["name"]] = ended["exitCode"]

    def bad(self) -> list[str]:
        """Those that did not end with 0, in words; 137 is what the kubelet killed."""
        return [f"{name} ended with {code}" for name, code in sorted(self.codes.items()) if code]


@asynccontextmanager
async def watching_ends(release: Release) -> AsyncIterator[Ends]:
    """Watch the release's pods meanwhile."""
    ends = Ends()
    command = ("kubectl", "-n", release.namespace, "get", "pods", "-l", release.selector(), "--watch", "-o", "json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    reading = asyncio.create_task(_read(process.stdout, ends))
    try:
        yield ends
        # The last state of a pod is written just before it goes.
        await asyncio.sleep(SETTLE_S)
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        process.kill()
        await process.wait()


async def _read(stream: asyncio.StreamReader, ends: Ends) -> None:
    decoder, text = json.JSONDecoder(), ""
    while chunk := await stream.read(1 << 16):
        text += chunk.decode()
        while text := text.lstrip():
            try:
                pod, end = decoder.raw_decode(text)
            except json.JSONDecodeError:
                # The rest of the object is still to come.
                break
            text = text[end:]
            ends.see(pod)


async def delete_pod(release: Release, component: str, *, force: bool = False) -> float:
    """Delete a component's first pod and wait until all of the release is Ready again; the seconds that took.

    With `force` its successor does not wait for its end, and comes while it may still run.
    """
    before = {pod["metadata"]["uid"] for pod in await release.pods(component)}
    name = (await release.pods(component))[0]["metadata"]["name"]
    count = len(await release.pods())
    how = ("--grace-period=0", "--force") if force else ()
    await kubectl("-n", release.namespace, "delete", "pod", name, "--wait=false", *how)

    async def returned() -> bool:
        pods = await release.pods(component)
        return {pod["metadata"]["uid"] for pod in pods} != before and await release.all_ready(count)

    return await eventually(returned, 90, f"{name} deleted, but the release is not Ready again")


async def rollout_restart(release: Release, ends: Ends) -> str:
    """Restart everything at once and wait for it."""
    old = {pod["metadata"]["name"] for pod in await release.pods()}
    objects = []
    for kind in ("deployment", "statefulset"):
        listed = await kubectl("-n", release.namespace, "get", kind, "-l", release.selector(), "-o", "name")
        objects += listed.split()
    await kubectl("-n", release.namespace, "rollout", "restart", *objects)
    for name in objects:
        await kubectl("-n", release.namespace, "rollout", "status", name, "--timeout=150s")

    async def all_seen() -> bool:
        return old <= ends.codes.keys() and await release.all_ready(len(old))

    await eventually(all_seen, GONE_WITHIN_S, f"ends seen of {sorted(ends.codes)} only, of {sorted(old)}")
    need(not ends.bad(), "; ".join(ends.bad()))
    return f"{len(old)} containers ended with 0"


async def drain(release: Release) -> str:
    """Drain the nodes that carry the release, of its pods alone, and let them be used again."""
    nodes = sorted({pod["spec"]["nodeName"] for pod in await release.pods()})
    count = len(await release.pods())
    try:
        for node in nodes:
            flags = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
            await kubectl("drain", node, *flags, f"--pod-selector={release.selector()}", within_s=140)
    finally:
        for node in nodes:
            await kubectl("uncordon", node)

    async def back() -> bool:
        return await release.all_ready(count)

    seconds = await eventually(back, 120, "drained, but the release is not Ready again")
    return f"{count} pods evicted, Ready again {seconds:.0f} s after the node was"


async def components(release: Release) -> list[str]:
    """The components that have pods, in a stable order."""
    return sorted({pod["metadata"]["labels"][COMPONENT] for pod in await release.pods()})
