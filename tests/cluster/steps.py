"""The steps that look at a release: installed, talked to, walled off, upgraded, taken away."""

import asyncio
import itertools
import json
import os
import re
import sys
from datetime import datetime
from functools import partial
from pathlib import Path

from tests.cluster.client import check_archive, consuming, grpcurl, read_ticks, status
from tests.cluster.disturb import components, delete_pod, drain, rollout_restart, watching_ends
from tests.cluster.kube import (
    CHART,
    COMPONENT,
    COMPONENTS,
    ROOT,
    Json,
    Release,
    StepFailed,
    call,
    eventually,
    kubectl,
    need,
    port_forward,
    run,
)
from tests.cluster.recovery import Witness, book_pods, goes_on, set_aside, standing
from tests.dashboard.browser import chromium

READY_WITHIN_S = 120.0
QUIET_S = 300.0
SETTLE_S = 2.0
OPTIONAL_KINDS = ("monitoring.coreos.com", "gateway.networking.k8s.io")
"""Groups of kinds that a cluster has only with an operator or a gateway."""
STRANGER = """
import socket, sys
for target in sys.argv[1:]:
    host, port = target.rsplit(':', 1)
    try:
        socket.create_connection((host, int(port)), 3).close()
        print(target, 'open')
    except OSError:
        print(target, 'shut')
"""


async def make_namespace(name: str) -> None:
    """A namespace that enforces Pod Security `restricted`."""
    await kubectl("create", "namespace", name)
    await kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")


async def install(release: Release) -> str:
    """Step 1: default values, everything Ready in time."""
    begun = asyncio.get_running_loop().time()
    warned = await release.upgrade(within_s=READY_WITHIN_S)
    seconds = asyncio.get_running_loop().time() - begun
    pods = await release.pods()
    need({pod["metadata"]["labels"][COMPONENT] for pod in pods} == set(COMPONENTS), "a component is missing")
    need(await release.all_ready(), "helm is content, but not every pod is Ready")
    slowest, notes = max(map(_seconds_to_ready, pods)), len(warned.splitlines())
    return f"{len(pods)} pods Ready after {seconds:.0f} s, the slowest {slowest:.0f} s after its start; notes: {notes} lines"


def _seconds_to_ready(pod: Json) -> float:
    """From the start of the container to Ready; both are told in whole seconds."""
    started = max(item["state"]["running"]["startedAt"] for item in pod["status"]["containerStatuses"])
    ready = next(item["lastTransitionTime"] for item in pod["status"]["conditions"] if item["type"] == "Ready")
    return (datetime.fromisoformat(ready) - datetime.fromisoformat(started)).total_seconds()


async def nothing_compiles(release: Release) -> str:
    """Step 1: in a pod with a read-only root every kernel comes from the image's cache, by Numba's own count."""
    book = await release.object("statefulset", "orderbook")
    told = await kubectl("-n", release.namespace, "exec", book, "--", "python", "-m", "marksim", "kernels", "--cached")
    kernels = [line for line in told.splitlines() if "cache_hits=" in line]
    need(bool(kernels) and all("cache_hits=1 cache_misses=0" in line for line in kernels), told)
    return told.splitlines()[-1]


async def stays_quiet(release: Release) -> str:
    """Step 1: nothing restarts in five minutes."""
    await asyncio.sleep(QUIET_S)
    restarts = await release.restarts()
    need(not any(restarts.values()), f"restarts: {restarts}")
    return f"{len(restarts)} pods, 0 restarts in {QUIET_S:.0f} s"


async def helm_test(release: Release) -> str:
    """Step 2: the chart's own test, running and paused."""
    command = ("helm", "test", release.name, "--namespace", release.namespace, "--timeout", "120s")
    said = await call(*command)
    need("Succeeded" in said, said)
    engine = await release.object("service", "engine")
    async with port_forward(release.namespace, engine, 50052) as port:
        await grpcurl(port, "marksim.v1.EngineService/Pause")
        try:
            said = await call(*command)
        finally:
            await grpcurl(port, "marksim.v1.EngineService/Resume")
    need("Succeeded" in said, said)
    return "succeeded on a running and on a paused market"


async def trade(release: Release) -> str:
    """Step 2: grpcurl lists, describes and trades through a port-forward."""
    book = await release.object("service", "orderbook")
    order = {
        "account": "cluster-test",
        "symbol": "BTC/USD",
        "client_order_id": f"trade-{os.getpid()}",
        "side": "SIDE_BUY",
        "order_type": "ORDER_TYPE_MARKET",
        "quantity": "0.010",
    }
    async with port_forward(release.namespace, book, 50051) as port:
        need("marksim.v1.OrderBookService" in await grpcurl(port, "list"), "list does not name OrderBookService")
        described = await grpcurl(port, "describe", "marksim.v1.OrderBookService")
        need("SubmitOrder" in described, "describe does not show SubmitOrder")
        answer = json.loads(await grpcurl(port, "marksim.v1.OrderBookService/SubmitOrder", data=order))
    need(answer["order"]["status"] == "ORDER_STATUS_FILLED", f"the order was not filled: {answer}")
    return f"filled at {answer['fills'][0]['price']}"


async def seed_consumer(release: Release) -> str:
    """Step 2: the first page's Python consumer, untouched, reads the edge's Service; it knows port 8765 alone."""
    edge = await release.object("service", "edge")
    async with port_forward(release.namespace, edge, 8765, local=8765):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "examples" / "consumer.py")),
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            lines = [(await asyncio.wait_for(process.stdout.readline(), 30)).decode() for _ in range(5)]
        finally:
            process.kill()
            await process.wait()
    need(all(re.match(r"Price: \$\d+", line) for line in lines), f"it printed {lines}")
    return f"printed {lines[-1].strip()}"


async def page_loads(release: Release, screenshot: Path) -> str:
    """Step 2: the page draws a live market in a browser."""
    dashboard = await release.object("service", "dashboard")
    async with port_forward(release.namespace, dashboard, 8050) as port, chromium() as browser:
        page = await browser.new_page(viewport={"width": 1600, "height": 1000})
        await page.goto(f"http://127.0.0.1:{port}/")

        async def draws() -> bool:
            probe: Json = await page.evaluate("window.marksim && marksim.probe ? marksim.probe() : null")
            return bool(probe and probe["draws"] >= 3 and probe["points"] > 50)

        seconds = await eventually(draws, 60, "the page draws nothing")
        screenshot.parent.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=str(screenshot))
    return f"three drawings after {seconds:.0f} s; {screenshot.relative_to(ROOT)}"


async def typo_fails(release: Release) -> str:
    """Step 3: a misspelt value is refused and named."""
    done = await run("helm", "template", "typo", str(CHART), "--set", "engin.replicas=2", *release.image_values())
    need(done.code != 0, "helm took engin.replicas")
    need("engin" in done.err, f"the error does not name it: {done.err}")
    return done.err.strip().splitlines()[-1][:90]


async def strict_validation(release: Release) -> str:
    """Step 3: the API server validates every manifest of every shape of the chart strictly."""
    shapes = [None, CHART / "values-dev.yaml", *sorted((CHART / "ci").glob("*.yaml"))]
    need(len(shapes) >= 6, f"only {len(shapes)} shapes of values")
    kinds = await kubectl("api-resources", "-o", "name")
    version = json.loads(await kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
    # Hooks lean on objects of the release, which a dry run does not make.
    common = ("--namespace", release.namespace, "--kube-version", version, "--no-hooks", *release.image_values())
    objects = left_out = 0
    for shape in shapes:
        flags = ("--values", str(shape)) if shape else ()
        rendered = await call("helm", "template", "dry", str(CHART), *common, *flags)
        known = []
        for text in re.split(r"^---$", rendered, flags=re.MULTILINE):
            group = re.search(r"^apiVersion: (\S+)", text, re.MULTILINE)
            if group is None:
                continue
            if any(optional in group[1] and optional not in kinds for optional in OPTIONAL_KINDS):
                left_out += 1
            else:
                known.append(text)
        objects += len(known)
        await kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin="---".join(known))
    return f"{objects} objects of {len(shapes)} shapes; {left_out} of kinds that this cluster lacks left out"


async def walls(release: Release) -> str:
    """Step 7: a pod without labels reaches the feed and the page, and no gRPC port."""
    hosts = {
        name: f"{(await release.object('service', name)).removeprefix('service/')}.{release.namespace}.svc"
        for name in ("orderbook", "engine", "edge", "dashboard")
    }
    expected = {
        f"{hosts['orderbook']}:50051": "shut",
        f"{hosts['engine']}:50052": "shut",
        f"{hosts['edge']}:50054": "shut",
        f"{hosts['edge']}:8765": "open",
        f"{hosts['dashboard']}:8050": "open",
    }
    for pod in await release.pods("orderbook"):
        expected[f"{pod['status']['podIP']}:9090"] = "open"
    name = "stranger"
    await kubectl("apply", "-f", "-", stdin=json.dumps(stranger(name, release)))
    try:
        await kubectl("-n", release.namespace, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
        # A policy engine may know a new pod a moment after its first packet.
        await asyncio.sleep(SETTLE_S)
        said = await release.execute(name, "python", "-c", STRANGER, *expected)
    finally:
        await kubectl("-n", release.namespace, "delete", "pod", name, "--wait=false")
    got = dict(line.rsplit(" ", 1) for line in said.split("\n") if line)
    wrong = [f"{target} is {got.get(target)}" for target, want in expected.items() if got.get(target) != want]
    need(not wrong, "; ".join(wrong))
    return f"{list(expected.values()).count('shut')} gRPC ports shut; feed, page and metrics open"


def stranger(name: str, release: Release) -> Json:
    """A pod of our image without any label, that only waits."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
    container = {
        "name": "main",
        "image": release.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", "import signal; signal.pause()"],
        "securityContext": security,
    }
    spec = {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": release.namespace}, "spec": spec}


async def second_release(first: Release, second: Release) -> str:
    """Step 4: a second release beside the first, with nothing of it touched."""
    before = {pod["metadata"]["uid"] for pod in await first.pods()}
    await second.upgrade("--set", "scenario.speed=2")
    need({pod["metadata"]["uid"] for pod in await first.pods()} == before, "the first release's pods changed")
    runs = {(await status(release)).run for release in (first, second)}
    need(len(runs) == 2, f"two markets, but runs {runs}")
    return f"{len(await second.pods())} pods Ready beside the first"


async def same_values(release: Release) -> str:
    """Step 4: an upgrade with the same values changes nothing."""
    before = await _versions(release)
    await release.upgrade("--reuse-values")
    after = await _versions(release)
    changed = [name for name in before if after.get(name) != before[name]]
    need(not changed and len(after) == len(before), f"changed: {changed}")
    return f"{len(before)} objects and pods as before"


async def _versions(release: Release) -> dict[str, str]:
    kinds = "deployment,statefulset,service,configmap,networkpolicy,poddisruptionbudget,serviceaccount,pod"
    listed = json.loads(await kubectl("-n", release.namespace, "get", kinds, "-l", release.selector(), "-o", "json"))
    return {f"{item['kind']}/{item['metadata']['name']}": _version(item) for item in listed["items"]}


def _version(item: Json) -> str:
    """Other once the object was written anew: a pod by another, what has a spec by its generation, the rest at all."""
    about = item["metadata"]
    if item["kind"] == "Pod":
        return str(about["uid"])
    return str(about.get("generation", about["resourceVersion"]))


async def new_image(release: Release, image: str) -> str:
    """Step 4: another image rolls through every component, every old container ends with 0, and the run goes on."""
    before = {pod["metadata"]["uid"] for pod in await release.pods()}
    async with consuming(release) as consumer, watching_ends(release) as ends:
        await consumer.resumes()
        upgrade = partial(release.upgrade, "--reuse-values", image=image)
        await goes_on(release, consumer, Witness(release, "upgrade"), upgrade, engine_lost=True)
        need(len(consumer.epochs) == 1, f"the consumer saw epochs {consumer.epochs}")
    pods = await release.pods()
    need(not before & {pod["metadata"]["uid"] for pod in pods}, "a pod still is the old one")
    images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    need(images == {image}, f"images {images}")
    need(ends.codes, "no container was seen to end")
    need(not ends.bad(), "; ".join(ends.bad()))
    return f"{len(pods)} pods on {image.rpartition(':')[2]}, {len(ends.codes)} old ones ended with 0"


async def delete_each(release: Release) -> str:
    """Step 5: every pod, in order and then by force: all come back, the run goes on, nothing is lost to anybody."""
    took: dict[str, float] = {}
    witness = Witness(release, "delete")
    async with consuming(release) as consumer:
        await consumer.resumes()
        for force in (False, True):
            for component in await components(release):
                disturb = partial(delete_pod, release, component, force=force)
                try:
                    seconds = await goes_on(release, consumer, witness, disturb, engine_lost=component == "engine")
                except StepFailed as failed:
                    raise StepFailed(f"{component} deleted{' by force' if force else ''}: {failed}") from failed
                took[component] = max(seconds, took.get(component, 0.0))
        need(len(consumer.epochs) == 1, f"the consumer saw epochs {consumer.epochs}")

    seen = await check_archive(release)
    times = ", ".join(f"{name} {seconds:.0f}" for name, seconds in took.items())
    return f"seconds until Ready: {times}; {consumer.connections} connections, one epoch; {seen}"


async def roll_and_drain(release: Release) -> str:
    """Step 6: everything restarted at once, then its nodes drained; the run goes on through both."""
    witness = Witness(release, "roll")
    async with consuming(release) as consumer, watching_ends(release) as ends:
        await consumer.resumes()
        rolled = partial(rollout_restart, release, ends)
        restarted = await goes_on(release, consumer, witness, rolled, engine_lost=True)
        drained = await goes_on(release, consumer, witness, partial(drain, release), engine_lost=True)
        need(len(consumer.epochs) == 1, f"the consumer saw epochs {consumer.epochs}")
    return f"{restarted}; {drained}; {await check_archive(release)}"


async def another_scenario(release: Release, image: str) -> str:
    """Step 6: another scenario begins another run, of which consumers see the epoch; the old one is kept aside."""
    async with consuming(release) as consumer:
        await consumer.resumes()
        before = await standing(release)
        await release.upgrade("--reuse-values", "--set", "scenario.name=quiet", image=image)
        after = await standing(release)
        need(after.run != before.run, f"run {before.run} goes on")

        async def seen() -> bool:
            return consumer.epochs == [before.run, after.run]

        try:
            await eventually(seen, 60, "")
        except StepFailed:
            raise StepFailed(f"the consumer saw {consumer.epochs}, not {before.run} and {after.run}") from None
    (pod,) = await book_pods(release)
    kept = await set_aside(release, pod)
    need(
        kept.get(before.run, 0) >= before.windows, f"{pod} keeps {kept} aside, not {before.windows} windows of {before.run}"
    )
    return f"{kept[before.run]} windows of the old run aside; {await check_archive(release)}"


async def two_shards(release: Release) -> str:
    """Step 9: two shards, two symbols, two edges: both symbols at each edge, one clock."""
    await release.upgrade("--values", str(CHART / "ci" / "two-shards-values.yaml"))
    edges = await release.pods("edge")
    need(len(edges) == 2, f"{len(edges)} edges")
    for pod in edges:
        async with port_forward(release.namespace, f"pod/{pod['metadata']['name']}", 8765) as port:
            ticks = await read_ticks(port, 200)
        symbols = {tick["symbol"] for tick in ticks}
        need(len(symbols) == 2, f"{pod['metadata']['name']} shows {symbols}")
        apart = max(abs(a["timestamp"] - b["timestamp"]) for a, b in itertools.pairwise(ticks[100:]))
        need(apart <= 2_000_000, f"neighbouring ticks are {apart / 1e6:.1f} simulated s apart")
    clock = await status(release)
    need(len(clock.shards) == 2 and all(shard.connected and len(shard.symbols) == 1 for shard in clock.shards), str(clock))
    windows = {shard.last_window for shard in clock.shards}
    need(max(windows) - min(windows) <= 1, f"shards at windows {windows}")
    return f"shards {[list(shard.symbols) for shard in clock.shards]} at window {max(windows)}"


async def uninstalled(release: Release) -> str:
    """Step 10: what a release leaves behind are its named volumes."""
    claims = await kubectl("-n", release.namespace, "get", "pvc", "-l", release.selector(), "-o", "name")
    await release.uninstall()
    kinds = (await kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name")).split()
    asked = ",".join(kind for kind in kinds if not kind.startswith("events"))
    need(claims.split(), "it had no volume")
    left: list[str] = []

    async def only_claims() -> bool:
        # A pod may have its grace to finish.
        left[:] = (await kubectl("-n", release.namespace, "get", asked, "-l", release.selector(), "-o", "name")).split()
        return sorted(left) == sorted(claims.split())

    try:
        await eventually(only_claims, 60, "")
    except StepFailed:
        raise StepFailed(f"left behind: {left}") from None
    return f"left: {', '.join(left)}"
