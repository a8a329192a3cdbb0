"""A real Prometheus beside the cluster, that scrapes every pod by way of the API server."""

import asyncio
import base64
import json
import socket
import sys
import tempfile
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import yaml

from tests.cluster.kube import CHART, COMPONENT, Json, Release, call, eventually, kubectl, need

SCRAPE_INTERVAL: Final = "5s"
PORT_ANNOTATION: Final = "prometheus.io/port"
WITHIN_S: Final = 180.0
READY_S: Final = 60.0
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


async def panels_answer(release: Release) -> str:
    """Step 8: promtool accepts metrics and rules, and every query of every panel answers from a live market."""
    pods = await release.pods()
    for pod in pods:
        await call("promtool", "check", "metrics", stdin=await kubectl("get", "--raw", _path(release, pod)))
    await call("promtool", "check", "rules", str(CHART / "files" / "alerts.yaml"))
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="marksim-prometheus-"))
        config = Path(folder) / "prometheus.yaml"
        config.write_text(yaml.safe_dump(await _config(release, pods, Path(folder))))
        await call("promtool", "check", "config", str(config))
        port, log = _free_port(), stack.enter_context((Path(folder) / "log").open("wb"))
        process = await asyncio.create_subprocess_exec(
            *("prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=log,
        )
        try:
            await eventually(lambda: _is_ready(process, port, Path(log.name)), READY_S, "a Prometheus that answers")
            flags = ("--namespace", release.namespace, "--release", release.name)
            command = (sys.executable, "-m", "tools.panel_queries", f"http://127.0.0.1:{port}", *flags)
            told = await call(*command, within_s=WITHIN_S)
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
    return f"metrics of {len(pods)} pods clean; {told.strip().splitlines()[-1]}"


def _path(release: Release, pod: Json) -> str:
    """Where the API server gives a pod's metrics."""
    name, port = pod["metadata"]["name"], pod["metadata"]["annotations"][PORT_ANNOTATION]
    return f"/api/v1/namespaces/{release.namespace}/pods/{name}:{port}/proxy/metrics"


async def _config(release: Release, pods: list[Json], folder: Path) -> Json:
    """Each pod as a target with the labels that deploy/prometheus/scrape.yaml gives it.

    From outside a cluster its pods are reached by way of the API server only; and Debian's Prometheus is built without
    discovery in Kubernetes.
    """
    view = json.loads(await kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    server, user = view["clusters"][0]["cluster"], view["users"][0]["user"]
    tls: dict[str, str | bool] = {"insecure_skip_verify": "certificate-authority-data" not in server}
    sources = (
        ("ca_file", server, "certificate-authority-data"),
        ("cert_file", user, "client-certificate-data"),
        ("key_file", user, "client-key-data"),
    )
    for key, holder, field in sources:
        if field in holder:
            path = folder / key
            path.touch(mode=0o600)
            path.write_bytes(base64.b64decode(holder[field]))
            tls[key] = str(path)
    labels = [
        {
            "__metrics_path__": _path(release, pod),
            "namespace": release.namespace,
            "pod": pod["metadata"]["name"],
            "instance": pod["metadata"]["name"],
            "release": release.name,
            "component": pod["metadata"]["labels"][COMPONENT],
        }
        for pod in pods
    ]
    target = urlsplit(server["server"]).netloc
    job = {
        "job_name": "marksim",
        "scheme": "https",
        "tls_config": tls,
        "static_configs": [{"targets": [target], "labels": one} for one in labels],
        **({"authorization": {"credentials": user["token"]}} if "token" in user else {}),
    }
    return {"global": {"scrape_interval": SCRAPE_INTERVAL}, "scrape_configs": [job]}


async def _is_ready(process: asyncio.subprocess.Process, port: int, log: Path) -> bool:
    """Whether it answers; StepFailed with its log where it has ended."""
    if process.returncode is not None:
        said = await asyncio.to_thread(log.read_text)
        need(False, f"Prometheus ended with {process.returncode}: {said[-800:]}")
    return await asyncio.to_thread(_answers, f"http://127.0.0.1:{port}/-/ready")


def _answers(url: str) -> bool:
    try:
        with _DIRECT.open(url, timeout=2.0):
            return True
    except OSError:
        # Refused, and 503 while it starts.
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
